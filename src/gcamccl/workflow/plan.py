"""What a run will work on, read before any job: settings, keys, people, files."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from gcamccl.eqtl_filter.pairs import find_pairs_files, require_lookup
from gcamccl.genotype_qc import sources
from gcamccl.simulate import layout
from gcamccl.workflow import artifacts, impute_files, modalities
from gcamccl.workflow.config import check, typed
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.study import portable, read_participants, require_events, route, scan_key

GENES = ("gtex_lookup", "gtex_expression", "gene_bodies", "symbol_updates", "background_genes")
SHOWN = 5  # missing files before "and N more"


@dataclass(frozen=True)
class Plan:
    """What the rules are written in terms of.

    Attributes
    ----------
    settings : dict
        The configuration, checked, every key filled in.
    modalities : tuple of str
        What the study has.
    recipes : dict of str to dict
        `gcamccl.workflow.artifacts.recipes`.
    participants : list of dict
        Rows of the participants table; ``events`` only where the settings use them.
    study : SimpleNamespace
        The config's study section, for a simulated study the files that will be made. Beside it ``genotype_files``,
        ``known_files`` (of known positions or, without them, of the panel) and ``gtex_eqtl_files``, lists of paths.
    """

    settings: dict
    modalities: tuple
    recipes: dict
    participants: list
    study: SimpleNamespace


def plan(config, results="results", fetch_only=False):
    """Read and check what a run needs.

    Parameters
    ----------
    config : dict
        As Snakemake has merged it.
    results : str
        Folder of all artifacts.
    fetch_only : bool
        Only public files are fetched: nothing of the study is read.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        Settings, participants table or files that cannot be used.
    """
    settings = typed(config)
    settings["study"]["simulated"] |= fetch_only
    check(settings)
    wants_events = settings["connectivity"]["task_regressors"] != "none"
    found = _simulated(settings, results) if settings["study"]["simulated"] else _given(settings, wants_events)
    if wants_events:
        events = {row["participant_id"]: row.get("events") for row in found.participants if route(row)}
        require_events(events, found.study.participants)
    return found


def _simulated(settings, results):
    """Of a study that the first stage makes."""
    has = modalities.require(settings)
    recipes = artifacts.recipes(settings, modalities=has)
    home = f"{results}/simulate/{artifacts.digest(recipes['simulate'])}"
    people = layout.participants(settings["simulate"], home)
    study = layout.study_files(settings["study"]["chromosomes"], home, has)
    study |= {key: settings["study"][key] for key in artifacts.CHOICES}
    study["genotype_files"] = [f"{prefix}{suffix}" for prefix in study["genotypes"] for suffix in sources.PLINK1]
    panel = study["reference_panel"]
    study["known_files"] = [panel.format(chrom=chrom) for chrom in study["chromosomes"] if "snps" in has]
    return Plan(settings, has, recipes, people, SimpleNamespace(**study))


def _given(settings, wants_events):
    """Of somebody's own files."""
    study = dict(settings["study"], truth=None)
    people = read_participants(study["participants"], study["score"])
    has = modalities.require(settings, people)
    if "snps" in has:
        _require(settings["impute"]["method"], study)
        pairs = find_pairs_files(study["gtex_eqtl"], settings["eqtl_filter"]["tissues"])
        require_lookup(pairs, study["gtex_lookup"])
        study["gtex_eqtl_files"] = sorted(map(str, pairs.values()))
    else:  # nothing reads them then, whether or not they are there
        study |= dict.fromkeys(layout.GENETIC_FILES) | {"gene_sets": [], "gtex_eqtl_files": []}
    for row in people:
        row["scan"] = scan_key(row)
        row["events"] = portable(row["events"]) if wants_events and row["events"] else None
    recipes = artifacts.recipes(settings, people, has)
    arrays = sources.find(study["genotypes"], study["chromosomes"])
    study["genotype_files"] = [str(file) for array in arrays for file in array.files]
    known = study["known_positions"] or study["reference_panel"]
    study["known_files"] = [str(file) for file in sources.per_chromosome(known, study["chromosomes"])]
    return Plan(settings, has, recipes, people, SimpleNamespace(**study))


def _require(method, study):
    """One InputError for all files of genetics that are missing: before anything runs, not after the imputation."""
    files = impute_files.files(method, study)
    files += [(key, study[key]) for key in GENES if study[key]] + [("gene_sets", path) for path in study["gene_sets"]]
    absent = [f"study.{key}: no such file {path}" for key, path in files if not Path(path).is_file()]
    if absent:
        more = [f"and {len(absent) - SHOWN} more"] if len(absent) > SHOWN else []
        count = f"{len(absent)} file" + "s" * (len(absent) > 1)
        raise InputError("config", f"{count} of the study missing\n  " + "\n  ".join(absent[:SHOWN] + more))
