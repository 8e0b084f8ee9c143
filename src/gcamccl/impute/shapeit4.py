"""SHAPEIT4: phases a chromosome and fills its missing calls (Delaneau et al. 2019)."""

from gcamccl.genotype_qc.plink import run
from gcamccl.impute.genetic_map import write_shapeit_map
from gcamccl.impute.vcf import to_bcf

MIN_PEOPLE = 20  # without a panel; it refuses fewer


def phase(target, name, options, panel=None, positions=()):
    """Phase; as `gcamccl.impute.beagle.phase`."""
    folder = target.parent
    output = folder / f"{name}.vcf"
    command = ["shapeit4", "--input", to_bcf(target).name, "--region", options.chrom, "--output", output.name]
    command += ["--seed", options.seed, "--thread", 1]  # with more, the same seed gives other calls every time
    if panel:
        command += ["--reference", to_bcf(panel).name]
    if options.genetic_map is not None:  # else it takes 1 cM per Mb
        write_shapeit_map(folder / f"{name}.gmap", options.genetic_map, options.chrom)
        command += ["--map", f"{name}.gmap"]
    run(command, log=folder / f"{name}.stdout", folder=folder, limit_s=options.limit_s)
    return output
