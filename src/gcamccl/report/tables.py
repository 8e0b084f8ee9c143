"""Tables of the report: which, in what order, how many rows on the page, how a cell is printed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.report import comparison, genotypes, map_checks, pathways, statistics, truth_genotypes
from gcamccl.report.names import METHOD_LABELS, abbreviations, network_short, plain_reasons
from gcamccl.report.table_texts import HEADINGS, NOTES, TITLES

MAX_ROWS = 300  # on the page; the file beside it has them all
EVIDENCE = ["eqtl_variants", "eqtl_match", "eqtl_genes", "imputed_from"]  # of the loci; only in the file
LONG_TEXT = 28  # characters; columns with longer cells are wrapped
IMPUTATION_SHOWN = "^(chrom|n_snps|n_missing|n_from_.*|n_masked|masked_.*|method)$"


@dataclass
class Table:
    """One table of the page and its file.

    Attributes
    ----------
    name : str
        Of the file ``tables/<name>.tsv``.
    stage : str
        Section it is shown in.
    title, note : str
    shown : DataFrame
        Rows and columns on the page.
    full : DataFrame
        What goes into the file.
    """

    name: str
    stage: str
    title: str
    note: str
    shown: pd.DataFrame
    full: pd.DataFrame


def build(results, planted=None):
    """All tables of the report.

    Parameters
    ----------
    results : gcamccl.report.collect.Results
    planted : DataFrame, optional
        As returned by `gcamccl.report.truth.recovery`.

    Returns
    -------
    list of Table
    """
    get = results.tables.__getitem__
    level = results.settings("threshold").get("fdr_q", 0.1)
    of_scans = _of_scans(results, level) if results.has("connectivity") else {}
    of_genotypes = _of_genotypes(results) if results.has("snps") else {}
    full = {
        **{name: whole for name, (whole, _) in (of_scans | of_genotypes).items()},
        "people": get("cohort/people"),
        "groups": statistics.balance(get("cohort/cohort")),
        "replicates": results.replicates.drop(columns="input_scale", errors="ignore"),
        "table3": get("compare/table3"),
        "differences": get("compare/differences"),
        "calibration": get("compare/calibration"),
        "metrics": get("compare/metrics"),
        "map_checks": get("activation/checks"),
        "selection": get("threshold/summary"),
        **{f"enrichment_{name}": table for name, table in results.enrichment.items()},
    }
    full |= {name: full.pop(name) for name in ("difference", "unmatched") if name in full}  # after the groups' own
    if results.concordance is not None:
        full["concordance"] = results.concordance
    if planted is not None:
        full["planted"] = planted
        faults = pd.DataFrame(results.truth.get("genotype_faults", {}).get("snps", []))
        if len(faults) and results.has("snps"):
            tables = get("genotype_qc/harmonised"), get("genotype_qc/dropped")
            full["genotype_faults"] = truth_genotypes.planted_snp_faults(faults, *tables)
    people = get("cohort/people")
    shown = {
        "table3": comparison.table3_for_page(get("compare/table3")),
        "differences": comparison.differences_for_page(get("compare/differences")),
        "calibration": comparison.calibration_for_page(get("compare/table3")),
        **{name: part for name, (_, part) in (of_scans | of_genotypes).items()},
        "people": people_for_page(people),
        "map_checks": map_checks.for_page(get("activation/checks"), METHOD_LABELS),
        **{f"enrichment_{name}": pathways.for_page(table) for name, table in results.enrichment.items()},
    }
    made, said = [], set()
    for name, table in full.items():
        stage, title, note = about(name)
        if note in said and len(note) > LONG_TEXT:
            note = "Columns as explained above."
        said.add(note)
        made.append(Table(name, stage, title, note, shown.get(name, table).head(MAX_ROWS), table))
    return made


def _of_scans(results, level):
    """Tables about scans and connections: name -> (whole table, what is shown on the page)."""
    get = results.tables.__getitem__
    quality, excluded, qc_fc = (get(f"connectivity/{name}") for name in ("group_bold_qc", "excluded", "qc_fc"))
    edges = strongest_first(worth_naming(get("threshold/edges"), level))
    return {
        "scan_quality": (quality, quality),
        "excluded": (excluded, excluded_for_page(excluded)),
        "qc_fc": (qc_fc, qc_fc.dropna(axis=1)),
        "edges": (edges, edges_for_page(edges)),
        "network_pairs": (get("threshold/network_pairs"),) * 2,
        "abbreviations": (abbreviations(get("connectivity/rois")),) * 2,
    }


def _of_genotypes(results):
    """Tables about genotypes and SNPs: name -> (whole table, what is shown on the page)."""
    get = results.tables.__getitem__
    loci, snps = get("eqtl_filter/snps"), strongest_first(get("threshold/snps"))
    same = {
        "genotype_attrition": get("genotype_qc/attrition"),
        "genotype_dropped": dropped(get("genotype_qc/dropped")),
        "genotype_harmonised": harmonised(get("genotype_qc/harmonised")),
    }
    found = {name: (table, table) for name, table in same.items()} | genotypes.tables(results)
    found["imputation"] = (results.impute, results.impute.filter(regex=IMPUTATION_SHOWN))
    found["loci_attrition"] = (get("eqtl_filter/attrition"),) * 2
    found["loci"] = (loci, loci.drop(columns=EVIDENCE, errors="ignore"))
    difference = get("enrichment/difference")
    found["difference"] = (difference, pathways.difference_for_page(difference))
    found["unmatched"] = (pathways.unmatched_for_page(results.unmatched),) * 2
    return found | {"snps": (snps, snps), "ld_blocks": (get("threshold/ld_blocks"),) * 2}


def people_for_page(people):
    """Everybody, with reasons in words; without the column of a modality that nobody in the study has."""
    absent = [name for name in ("has_connectivity", "has_genotypes") if not people[name].any()]
    return people.assign(reason=people["reason"].map(plain_reasons)).drop(columns=absent)


def about(name):
    """Stage, title and note of a table."""
    if name.startswith("enrichment_"):
        return "enrichment", pathways.title(name.removeprefix("enrichment_")), pathways.NOTES["enrichment"]
    return *TITLES[name], (NOTES | pathways.NOTES).get(name, "")


def worth_naming(edges, fdr_q):
    """Connections selected either way or significant in the univariate test: the others only fill files."""
    return edges[edges["selected"] | edges["selected_calibrated"] | (edges["q"] <= fdr_q)]


def edges_for_page(edges):
    """Connections in few columns: ROIs by name and number, their networks' abbreviations."""
    shown = edges[["class"]].copy().head(MAX_ROWS)
    for end in "ab":
        names, rois = edges[f"name_{end}"].head(MAX_ROWS).fillna("ROI"), edges[f"roi_{end}"].head(MAX_ROWS)
        shown[f"ROI {end}"] = [f"{name} {roi}" for name, roi in zip(names, rois, strict=True)]
    ends = zip(edges["network_a"].head(MAX_ROWS), edges["network_b"].head(MAX_ROWS), strict=True)
    shown["networks"] = [f"{network_short(a)}, {network_short(b)}" for a, b in ends]
    rest = ["selected_calibrated", "q_calibrated", "direction", "stability", "q_linear"]
    rest += ["frequency", "frequency_permuted", "selected", "sign", "t", "p", "q"]
    return pd.concat([shown, edges[rest].head(MAX_ROWS)], axis=1)


def excluded_for_page(excluded):
    """Exclusions with their reasons in words, beside the setting that is the limit."""
    shown = excluded.rename(columns={"reason": "setting"})
    shown.insert(1, "reason", shown["setting"].map(plain_reasons))
    return shown.assign(setting=shown["setting"].mask(shown["setting"] == "no_scan"))


def strongest_first(table):
    """Features in the order of the page: by the calibrated selection, the rule, calibrated q, frequency, absolute t."""
    keys = [
        -table["t"].abs().fillna(-1).to_numpy(),
        -table["frequency"].fillna(-1).to_numpy(),
        table["q_calibrated"].fillna(1).to_numpy(),
        ~table["selected"].to_numpy(),
        ~table["selected_calibrated"].to_numpy(),
    ]
    return table.iloc[np.lexsort(keys)]


def dropped(table):
    """Counts of dropped SNPs and samples by kind, array, step and reason."""
    columns = ["kind", "array", "step", "reason"]
    counts = table.fillna({"array": "all", "reason": "n/a"}).groupby(columns, sort=False).size()
    return counts.rename("count").reset_index()


def harmonised(table):
    """Counts of what harmonisation did to the SNPs of each array."""
    counts = table.pivot_table(index="array", columns="action", values="id", aggfunc="count", fill_value=0)
    return counts.reset_index().rename_axis(columns=None)


def heading(column):
    """Heading of a column on the page."""
    return HEADINGS.get(column, str(column).replace("_", " "))


def is_number(column):
    """Whether a column is shown right-aligned and sorted as numbers (``mean [low, high]`` by its mean)."""
    if pd.api.types.is_numeric_dtype(column):
        return not pd.api.types.is_bool_dtype(column)
    return len(column) > 0 and bool(column.astype(str).str.match(r"-?\d*\.\d+( \[.*\])?$").all())


def cell(value):
    """Text of a cell: whole numbers as they are, others with 4 digits, yes and no, n/a where missing."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "n/a"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return str(value)
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"
    if isinstance(value, list | dict | np.ndarray):
        return str(value)
    return str(value)


def for_page(table):
    """A `Table` as plain text for the template.

    Returns
    -------
    dict
        name, title, note, columns (heading, kind: number, text or long), rows (lists of str), n_rows (of the file).
    """
    shown = table.shown
    rows = [[cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    kinds = []
    for place, column in enumerate(shown.columns):
        long = any(len(row[place]) > LONG_TEXT for row in rows)
        kinds.append("number" if is_number(shown[column]) else "long" if long else "text")
    return {
        "name": table.name,
        "title": table.title,
        "note": table.note,
        "columns": [(heading(column), kind) for column, kind in zip(shown.columns, kinds, strict=True)],
        "rows": rows,
        "n_rows": len(table.full),
    }
