"""Two runs side by side on one page: settings, exclusions, results, figures."""

import base64
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.report import names, tables
from gcamccl.report.page import templates
from gcamccl.report.pathways import LEVEL, called
from gcamccl.workflow import runs
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_text

FIGURES = ("people", "table3", "fig5_chords", "confirmed_chords", "pathways")
MAX_ROWS = 500  # of a table on the page
TITLES = {
    "settings": "Settings",
    "code": "Code and inputs",
    "people": "People who are not in the same group, or for another reason in none",
    "scans": "People excluded for their scans in one run only, or for another reason",
    "classifiers": "Classifiers, all views and each view alone",
    "selection": "How many are selected, and how many by both",
    "pathways": "Gene sets, those with a q below 0.05 in either run first",
}


def side_by_side(one, other, keys, values):
    """Rows of two tables joined by `keys`; each of `values` of the first and of the second, endings 1 and 2."""
    left, right = (table.drop_duplicates(keys)[[*keys, *values]].set_index(keys) for table in (one, other))
    both = left.join(right, how="outer", lsuffix=" 1", rsuffix=" 2")
    both = both.loc[[*left.index, *(key for key in right.index if key not in left.index)]]  # in the tables' own order
    return both[[f"{name} {end}" for name in values for end in "12"]].reset_index()


def different(table, values):
    """Rows of `side_by_side` where any of `values` differs; missing equals missing."""
    pairs = [(table[f"{name} 1"], table[f"{name} 2"]) for name in values]
    unlike = [(a.fillna("n/a").astype(str) != b.fillna("n/a").astype(str)) for a, b in pairs]
    return table[np.logical_or.reduce(unlike)] if len(table) else table


def compare(results, first, second):
    """Everything the page shows of two runs.

    Parameters
    ----------
    results : Path
    first, second : str
        Names of runs.

    Returns
    -------
    tables : dict of str to DataFrame
        Name of a table in `TITLES` -> its rows; those that a run lacks are absent.
    lacking : list of str
        What cannot be compared because a run is of another version: file and column.

    Raises
    ------
    InputError
        No such run.
    """
    changed = pd.DataFrame(runs.differences(results, first, second), columns=["stage", "what", first, second])
    is_setting = changed["what"].str.startswith("setting ")
    others = changed[changed["what"].str.startswith(("code", "input ", "stage"))]
    found = {
        "settings": changed[is_setting].assign(what=changed["what"].str.removeprefix("setting ")),
        "code": others,
    }
    folders = [Path(results) / "runs" / name for name in (first, second)]
    makers = {
        "people": _people,
        "scans": _scans,
        "classifiers": _classifiers,
        "selection": _selection,
        "pathways": _pathways,
    }
    lacking = []
    for name, make in makers.items():
        try:
            table = make(*folders)
        except InputError as error:  # a run of another version; the rest can still be compared
            lacking.append(f"{TITLES[name]}: {error}")
            continue
        if table is not None:
            found[name] = table.rename(columns=lambda word: _named(str(word), first, second))
    return found, lacking


def _named(column, first, second):
    """Heading of a column: its ending 1 or 2 as the run's name."""
    for ending, run in ((" 1", first), (" 2", second)):
        if column.endswith(ending):
            return f"{tables.heading(column.removesuffix(ending))}, {run}"
    return column


def _both(folders, place, columns, **kwargs):
    """A table of both runs, or None where either lacks it; a missing column is an InputError."""
    paths = [folder / place for folder in folders]
    if not all(path.exists() for path in paths):
        return None
    if place.endswith(".parquet"):
        found = [pd.read_parquet(path) for path in paths]
        for path, table in zip(paths, found, strict=True):
            absent = [name for name in columns if name not in table]
            if absent:
                raise InputError(path, f"no column {absent[0]}", "it is of another version")
        return found
    return [read_tsv(path, columns=columns, **kwargs) for path in paths]


def _people(*folders):
    values = ["group", "reason"]
    found = _both(folders, "cohort/people.tsv", ["participant_id", *values], dtype={"participant_id": str})
    if found is None:
        return None
    table = different(side_by_side(*found, ["participant_id"], values), values)
    return table.assign(**{f"reason {end}": table[f"reason {end}"].map(names.plain_reasons) for end in "12"})


def _scans(*folders):
    keys, values = ["participant_id", "reason"], ["value", "limit"]
    found = _both(folders, "connectivity/excluded.tsv", [*keys, *values], dtype={"participant_id": str})
    return None if found is None else different(side_by_side(*found, keys, values), values)


def _classifiers(*folders):
    values = ["accuracy_mean", "auc_mean", "brier_mean"]
    found = _both(folders, "compare/table3.tsv", ["label", "kind", *values])
    if found is None:
        return None
    own = [table[table["kind"] != "confound"] for table in found]
    table = side_by_side(*own, ["label"], values).rename(columns={"label": "classifier"})
    return table.assign(**{"accuracy, second minus first": table["accuracy_mean 2"] - table["accuracy_mean 1"]})


def _selection(*folders):
    rows = []
    for what, keys, file in (
        ("connections", ["roi_a", "roi_b"], "edges_all.parquet"),
        ("SNPs", ["snp_id"], "snps.tsv"),
    ):
        both = _both(folders, f"threshold/{file}", [*keys, "class", "selected", "selected_calibrated", "q", "t"])
        if both is None:
            continue
        # At one level: those of the runs stand among the settings.
        for way, chosen in (
            ("paper's rule", lambda table: table["selected"].astype(bool)),
            ("confirmed", lambda table: table["selected_calibrated"].astype(bool)),
            ("univariate q <= 0.1", lambda table: table["q"] <= 0.1),
        ):
            for group in ("low", "high"):
                sets = []
                for table in both:
                    own = table[chosen(table) & (table["class"] == group)]
                    if way.startswith("univariate"):
                        own = own[(own["t"] > 0) == (group == "high")]
                    sets.append(set(own[keys].itertuples(index=False, name=None)))
                union, shared = len(sets[0] | sets[1]), len(sets[0] & sets[1])
                share = shared / union if union else np.nan
                rows.append((what, way, group, len(sets[0]), len(sets[1]), shared, share))
    columns = ["what", "rule", "group", "selected 1", "selected 2", "in both", "shared (Jaccard)"]
    return pd.DataFrame(rows, columns=columns) if rows else None


def _pathways(*folders):
    parts = []
    for name in ("low", "high", "confirmed"):
        keys, values = ["gene_set", "source"], ["contained", "p", "q", "q_candidates"]
        found = _both(folders, f"enrichment/{name}/enrichment.tsv", [*keys, *values])
        if found is None or all(table.empty for table in found):
            continue
        found = [table.astype(dict.fromkeys(values, float)) for table in found]
        table = side_by_side(*found, keys, values)
        best = table[["p 1", "p 2"]].min(axis=1)
        significant = (table[["q 1", "q 2"]] < LEVEL).any(axis=1)
        table.insert(0, "genes", called(name))
        table = table.assign(_first=~significant, _best=best)
        table = table[table[["contained 1", "contained 2"]].fillna(0).gt(0).any(axis=1)]
        parts.append(table.sort_values(["_first", "_best"]).drop(columns=["_first", "_best"]).head(50))
    if not parts:
        return None
    return pd.concat(parts, ignore_index=True).rename(columns={"gene_set": "pathway"})


def _pictures(results, first, second):
    """Figures that both reports have: name -> pair of base64 PNG."""
    found = {}
    for name in FIGURES:
        paths = [Path(results) / "runs" / run / "report" / "figures" / f"{name}.png" for run in (first, second)]
        if all(path.exists() for path in paths):
            found[name] = [base64.b64encode(path.read_bytes()).decode("ascii") for path in paths]
    return found


def write_page(results, first, second, path):
    """Write the page; one file that needs nothing else.

    Raises
    ------
    InputError
        No such run, or one with itself.
    """
    if first == second:
        raise InputError(second, "is the first run, too", "name two runs; gcamccl runs lists them")
    from gcamccl.report.figure_list import FIGURES as TITLED

    found, lacking = compare(results, first, second)
    shown = [
        tables.for_page(tables.Table(name, "", TITLES[name], "", table.head(MAX_ROWS), table))
        for name, table in found.items()
    ]
    made = [runs.read(results, name) for name in (first, second)]
    text = (
        templates()
        .get_template("two_runs.html")
        .render(
            first=first,
            second=second,
            made=[run["linked"] for run in made],
            same=not runs.differences(results, first, second),
            tables=shown,
            lacking=lacking,
            pictures=[(TITLED[name][1], pair) for name, pair in _pictures(results, first, second).items()],
        )
    )
    write_text(Path(path), text)
