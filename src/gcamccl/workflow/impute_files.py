"""Which of the study's files each method of imputation reads, one a chromosome, checked before anything runs."""

# Option of workflow/scripts/impute.py -> key of the configuration's study section.
KEYS = {"reference": "reference_panel", "map": "genetic_map", "imputed": "imputed"}
USED = {"mode": (), "external": ("map", "imputed")}
COMPRESSED = ".msav"  # minimac4's own panels


def patterns(method, study):
    """Files a method reads, with ``{chrom}`` in their names.

    Parameters
    ----------
    method : str
        ``impute.method``.
    study : dict
        The configuration's study section.

    Returns
    -------
    dict of str to str
        Option -> name, of the files that the study has.
    """
    used = USED.get(method, ("reference", "map"))
    return {option: study[KEYS[option]] for option in used if study[KEYS[option]]}


def errors(method, study):
    """What is wrong with the settings together, one line each."""
    lines, panel = [], study["reference_panel"]
    if method == "external" and (study["simulated"] or not study["imputed"]):
        lines.append("impute.method: external needs study.imputed, the server's VCF of each chromosome")
    if study["simulated"]:
        return lines
    if method == "minimac4" and not panel:
        lines.append("impute.method: minimac4 needs study.reference_panel")
    if panel and panel.endswith(COMPRESSED) and method in ("beagle", "shapeit4"):
        lines.append(f"study.reference_panel: only minimac4 reads {COMPRESSED} files, impute.method is {method}")
    return lines


def of_chromosome(method, study, chromosome):
    """Files of one chromosome: option -> path."""
    return {option: name.replace("{chrom}", str(chromosome)) for option, name in patterns(method, study).items()}


def files(method, study):
    """Those of all chromosomes, each with its key of the study section."""
    return [
        (KEYS[option], path)
        for chromosome in study["chromosomes"]
        for option, path in of_chromosome(method, study, chromosome).items()
    ]
