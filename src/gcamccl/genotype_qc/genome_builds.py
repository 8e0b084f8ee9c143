"""What tells human genome builds apart: lengths of chromosomes, and places of a few SNPs that most arrays carry."""

STUDY_BUILD = "GRCh37"  # of gene bodies, of GTEx's lookup table and of everything else in a study
# Two sets of positions are of different builds if they share so many SNPs by id and more than this share of them lie
# elsewhere. The builds before and after GRCh37 move all but a few SNPs; a newer dbSNP moves or renames a few.
MIN_FOR_BUILD_CHECK = 50
MAX_MOVED = 0.5
COMMON_NAMES = {"GRCh36": "GRCh36 (hg18)", "GRCh37": "GRCh37 (hg19)", "GRCh38": "GRCh38 (hg38)"}

# Lengths in bp of chromosomes 1 to 22, X and Y (assemblies NCBI36, GRCh37 and GRCh38 of the Genome Reference
# Consortium; UCSC hg18, hg19, hg38).
_LENGTHS = {
    "GRCh36": (
        *(247249719, 242951149, 199501827, 191273063, 180857866, 170899992, 158821424, 146274826, 140273252),
        *(135374737, 134452384, 132349534, 114142980, 106368585, 100338915, 88827254, 78774742, 76117153),
        *(63811651, 62435964, 46944323, 49691432, 154913754, 57772954),
    ),
    "GRCh37": (
        *(249250621, 243199373, 198022430, 191154276, 180915260, 171115067, 159138663, 146364022, 141213431),
        *(135534747, 135006516, 133851895, 115169878, 107349540, 102531392, 90354753, 81195210, 78077248),
        *(59128983, 63025520, 48129895, 51304566, 155270560, 59373566),
    ),
    "GRCh38": (
        *(248956422, 242193529, 198295559, 190214555, 181538259, 170805979, 159345973, 145138636, 138394717),
        *(133797422, 135086622, 133275309, 114364328, 107043718, 101991189, 90338345, 83257441, 80373285),
        *(58617616, 64444167, 46709983, 50818468, 156040895, 57227415),
    ),
}
# Build -> chromosome in PLINK's numbers, text (23: X, 24: Y) -> bp.
LENGTHS = {build: {str(n): length for n, length in enumerate(values, 1)} for build, values in _LENGTHS.items()}

# rsID -> chromosome, position in GRCh36, GRCh37, GRCh38 (dbSNP).
LANDMARKS = {
    "rs3094315": ("1", 742429, 752566, 817186),
    "rs1801133": ("1", 11778965, 11856378, 11796321),
    "rs4988235": ("2", 136325116, 136608646, 135851076),
    "rs11928389": ("3", 50908372, 50927009, 50889578),
    "rs7903146": ("10", 114748339, 114758349, 112998590),
    "rs1426654": ("15", 46213776, 48426484, 48134287),
    "rs9939609": ("16", 52378028, 53820527, 53786615),
    "rs429358": ("19", 50103781, 45411941, 44908684),
    "rs7412": ("19", 50103919, 45412079, 44908822),
    "rs4680": ("22", 18331271, 19951271, 19963748),
}
