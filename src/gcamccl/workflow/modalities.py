"""What a study has, scans, genotypes or both, and so which stages take part."""

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.stages import MODALITIES
from gcamccl.workflow.study import ROUTES, route


def of_study(config, participants=None):
    """What the study has: those of `MODALITIES` of which there is any file.

    Parameters
    ----------
    config : dict
        Checked configuration.
    participants : list of dict, optional
        Rows of `gcamccl.workflow.study.read_participants`; not needed of a simulated study.

    Returns
    -------
    tuple of str
        In the order of `MODALITIES`. connectivity: somebody has a scan or time series. snps: study.genotypes names
        files. A simulated study has simulate.modalities.
    """
    if config["study"]["simulated"]:
        return tuple(name for name in MODALITIES if name in config["simulate"]["modalities"])
    there = {"connectivity": any(route(row) for row in participants or ()), "snps": bool(config["study"]["genotypes"])}
    return tuple(name for name in MODALITIES if there[name])


def require(config, participants=None):
    """`of_study`, checked: there is something, and all that ``train.views`` names.

    Raises
    ------
    InputError
        Says which setting to change.
    """
    study, views = config["study"], config["train"]["views"]
    table = study["participants"]
    scans = f"nobody in {table} has {', '.join(list(ROUTES)[:-1])} or {list(ROUTES)[-1]}"
    found = of_study(config, participants)
    if not found:
        raise InputError("study", f"neither scans nor genotypes: study.genotypes is empty and {scans}", "name either")
    lacking = [name for name in views if name not in found]
    if lacking:
        reasons = {"connectivity": scans, "snps": "study.genotypes names no files"}
        more = {"connectivity": "name the scans in that table", "snps": "name the files in study.genotypes"}
        if study["simulated"]:
            reasons = dict.fromkeys(MODALITIES, f"simulate.modalities is [{', '.join(found)}]")
            more = dict.fromkeys(MODALITIES, "add it to simulate.modalities")
        raise InputError(
            "train.views",
            f"names {lacking[0]}, but {reasons[lacking[0]]}",
            f"set train.views: [{', '.join(found)}], or {more[lacking[0]]}",
        )
    if "snps" in found and not study["simulated"] and not any(row["genotype_id"] for row in participants or ()):
        raise InputError(
            "study.genotypes",
            f"names files, but nobody in {table} has a genotype_id",
            "add that column, or set study.genotypes: [] and train.views: [connectivity] to leave genotypes out",
        )
    return found
