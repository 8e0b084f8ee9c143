"""Who is in a simulated study and which files it has: known before anything is simulated.

The workflow is planned from this, so that one command makes a study and analyses it.
"""

from pathlib import Path

from gcamccl.workflow.stages import MODALITIES

# Keys of the study section that name one file or folder each.
GENETIC_FILES = (
    *("known_positions", "reference_panel", "genetic_map", "imputed"),
    *("gtex_eqtl", "gtex_lookup", "gtex_expression", "gene_bodies"),
)
ARRAYS = ("hh610", "hh550", "omni")
# Table I of the paper, as GTEx names its files.
TISSUES = (
    "Brain_Amygdala",
    "Brain_Anterior_cingulate_cortex_BA24",
    "Brain_Caudate_basal_ganglia",
    "Brain_Cerebellar_Hemisphere",
    "Brain_Cerebellum",
    "Brain_Cortex",
    "Brain_Frontal_Cortex_BA9",
    "Brain_Hippocampus",
    "Brain_Hypothalamus",
    "Brain_Nucleus_accumbens_basal_ganglia",
    "Brain_Putamen_basal_ganglia",
    "Brain_Spinal_cord_cervical_c-1",
    "Brain_Substantia_nigra",
)


def participants(settings, folder="."):
    """Rows of the participants table that do not have to be simulated first.

    Parameters
    ----------
    settings : dict
        Config section ``simulate``.
    folder : str or Path
        The stage's results folder.

    Returns
    -------
    list of dict
        ``participant_id``, ``genotype_id``, ``repetition_time`` and the files of each person, as far as the study has
        the modality (``simulate.modalities``; both where that is not set). The first `n_raw` people have raw scans, the
        others ROI time series.
    """
    folder, rows = Path(folder), []
    modalities = settings.get("modalities", MODALITIES)
    width = max(3, len(str(settings["n_participants"])))
    for number in range(1, settings["n_participants"] + 1):
        name = f"sub-{number:0{width}d}"
        row = {"participant_id": name, "genotype_id": f"G{number:0{width}d}" if "snps" in modalities else None}
        rows.append(row)
        if "connectivity" not in modalities:
            continue
        row["repetition_time"] = settings["repetition_time_s"]
        if number <= settings["n_raw"]:
            row["bold"] = str(folder / "scans" / name / "func" / f"{name}_task-nback_bold.nii.gz")
            row["t1w"] = str(folder / "scans" / name / "anat" / f"{name}_T1w.nii.gz")
        else:
            row["timeseries"] = str(folder / "study" / "timeseries" / f"{name}_timeseries.tsv")
    return rows


def study_files(chromosomes, folder=".", modalities=MODALITIES):
    """Paths of everything the ``study`` section of the configuration would name, for a simulated study.

    Parameters
    ----------
    chromosomes : list of int
    folder : str or Path
        The stage's results folder.
    modalities : sequence of str
        The setting ``simulate.modalities``.

    Returns
    -------
    dict
        Keys of the ``study`` section, and ``truth``. Without genotypes those about them are None or empty.
    """
    study = Path(folder) / "study"
    files = {
        "participants": str(study / "participants.tsv"),
        "chromosomes": list(chromosomes),
        "truth": str(study / "truth.json"),
    }
    if "snps" not in modalities:
        lists = ("genotypes", "gtex_eqtl_files", "gene_sets")
        return files | dict.fromkeys(GENETIC_FILES) | {name: [] for name in lists}
    return files | {
        "genotypes": [str(study / "genotypes" / array) for array in ARRAYS],
        "known_positions": None,
        "reference_panel": str(study / "reference" / "panel.chr{chrom}.vcf.gz"),
        "genetic_map": str(study / "reference" / "map.chr{chrom}.map"),
        "imputed": None,
        "gtex_eqtl": str(study / "gtex" / "eqtl"),
        "gtex_eqtl_files": [
            str(study / "gtex" / "eqtl" / f"{tissue}.v8.signif_variant_gene_pairs.txt.gz") for tissue in TISSUES
        ],
        "gtex_lookup": str(study / "gtex" / "lookup.txt.gz"),
        "gtex_expression": str(study / "gtex" / "gene_median_tpm.gct.gz"),
        "gene_bodies": str(study / "genes" / "glist-hg19"),
        "gene_sets": [str(study / "gene_sets" / "simulated.gmt")],
    }


def resources(study):
    """Files about genotypes other than the arrays that a simulated study has, of `study_files`.

    Returns
    -------
    list of str
        Reference panel (with its index) and genetic map of every chromosome, GTEx, gene bodies, gene sets.
    """
    if not study["genotypes"]:
        return []
    panel, genetic_map = study["reference_panel"], study["genetic_map"]
    each = [
        name.replace("{chrom}", str(c)) for c in study["chromosomes"] for name in (panel, f"{panel}.tbi", genetic_map)
    ]
    one = [study[name] for name in ("gtex_lookup", "gtex_expression", "gene_bodies")]
    return [*each, *study["gtex_eqtl_files"], *one, *study["gene_sets"]]
