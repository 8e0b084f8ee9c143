"""Who is in a simulated study and which files it has: known before anything is simulated.

The workflow is planned from this, so that one command makes a study and analyses it.
"""

from pathlib import Path

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
        ``participant_id``, ``genotype_id``, ``repetition_time`` and the files of each person. The first `n_raw` people
        have raw scans, the others ROI time series.
    """
    folder, rows = Path(folder), []
    width = max(3, len(str(settings["n_participants"])))
    for number in range(1, settings["n_participants"] + 1):
        name = f"sub-{number:0{width}d}"
        row = {
            "participant_id": name,
            "genotype_id": f"G{number:0{width}d}",
            "repetition_time": settings["repetition_time_s"],
        }
        if number <= settings["n_raw"]:
            row["bold"] = str(folder / "scans" / name / "func" / f"{name}_task-nback_bold.nii.gz")
            row["t1w"] = str(folder / "scans" / name / "anat" / f"{name}_T1w.nii.gz")
        else:
            row["timeseries"] = str(folder / "study" / "timeseries" / f"{name}_timeseries.tsv")
        rows.append(row)
    return rows


def study_files(chromosomes, folder="."):
    """Paths of everything the ``study`` section of the configuration would name, for a simulated study.

    Parameters
    ----------
    chromosomes : list of int
    folder : str or Path
        The stage's results folder.

    Returns
    -------
    dict
        Keys of the ``study`` section, and ``truth``.
    """
    study = Path(folder) / "study"
    return {
        "participants": str(study / "participants.tsv"),
        "genotypes": [str(study / "genotypes" / array) for array in ARRAYS],
        "chromosomes": list(chromosomes),
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
        "truth": str(study / "truth.json"),
    }
