"""Simulated studies: how much of what was planted was found again."""

import numpy as np
import pandas as pd

from gcamccl.report import pathways

COLUMNS = (
    "what",
    "class",
    "rule",
    "n_candidates",
    "n_planted",
    "n_selected",
    "n_hit",
    "precision",
    "recall",
    "base_rate",
    "p_chance",
)
GENE_SET = ("what", "class", "rule", "rank", "n_tested", "p", "q", "contained")
PAPER = "paper's rule"
CALIBRATED = "calibrated q"
UNIVARIATE = "univariate q"
IN_WORDS = {PAPER: "the paper’s rule", CALIBRATED: "the calibrated selection", UNIVARIATE: "univariate tests"}


def recovery(results, fdr_q):
    """Precision and recall of the paper's rule, the calibrated selection and univariate tests.

    Parameters
    ----------
    results : gcamccl.report.collect.Results
        With a ``truth``.
    fdr_q : float
        Level of the univariate tests.

    Returns
    -------
    DataFrame
        what (connections, SNPs, genes, gene set), class (low, high, any), rule, n_candidates (features that could have
        been selected), n_planted (of those), n_selected, n_hit (planted and selected), precision and recall (NaN where
        nothing was selected or planted), base_rate (share planted: the precision of a blind choice), p_chance
        (hypergeometric: as many hits by a blind choice of as many); for the gene set its rank by p, n_tested, p, q,
        contained.

        ``any`` counts a feature once whichever class it is in and whatever its direction. Univariate and confirmed
        connections belong to the class in which they are stronger (sign of t, high minus low; direction). By the
        paper's rule the map of either class may point at a connection of either kind, since ``sign`` -1 says that a
        larger value speaks against the class. So there the planted ones of a class are all planted connections, and a
        hit is one whose stated direction is right (sign 0 states none); p_chance ignores direction and is thus an
        upper bound.
        SNPs have no planted class, so they are counted as ``any`` and, for the paper's rule, per class too.
    """
    truth = results.truth
    rows = []
    if results.has("connectivity"):
        rows += _connections(truth, results.tables["threshold/edges"], fdr_q)
    if results.has("snps"):
        rows += _snps_and_genes(results, results.tables["threshold/snps"], fdr_q)
    table = pd.DataFrame(rows, columns=[*COLUMNS, *GENE_SET[3:]])
    whole = ["n_candidates", "n_planted", "n_selected", "n_hit", "rank", "n_tested", "contained"]
    return table.astype(dict.fromkeys(whole, "Int64"))


def _connections(truth, edges, fdr_q):
    """Rows of `recovery` about connections."""
    planted = {name: {tuple(sorted(pair)) for pair in truth.get(f"edges_{name}", [])} for name in ("low", "high")}
    planted["any"] = planted["low"] | planted["high"]
    edge_of = [tuple(sorted(pair)) for pair in edges[["roi_a", "roi_b"]].itertuples(index=False)]
    return _rows("connections", edges, edge_of, planted, fdr_q, by_sign=True)


def _snps_and_genes(results, snps, fdr_q):
    """Rows of `recovery` about SNPs, genes and the gene set."""
    truth = results.truth
    causal = {str(snp["id"]) for snp in truth.get("causal_snps", [])}
    same = dict.fromkeys(("low", "high", "any"), causal)
    rows = _rows("SNPs", snps, snps["snp_id"].tolist(), same, fdr_q, by_sign=False)

    candidates = {gene for cell in snps["genes"].dropna() for gene in str(cell).split(",")}
    genes = set(map(str, truth.get("causal_genes", [])))
    chosen = {name: set(results.genes.get(name, ())) for name in ("low", "high")}
    chosen["any"] = set().union(*chosen.values())
    rows += [_row("genes", name, PAPER, candidates | chosen["any"], genes, found) for name, found in chosen.items()]
    for rule, column in ((CALIBRATED, "q_calibrated"), (UNIVARIATE, "q")):
        if snps[column].isna().all():
            continue
        significant = snps[snps[column] <= fdr_q]["genes"].dropna()
        found = {gene for cell in significant for gene in str(cell).split(",")}
        rows.append(_row("genes", "any", rule, candidates, genes, found))
    return rows + _gene_set_rows(results)


def _rows(what, table, names, planted, fdr_q, by_sign):
    """Rows of `recovery` for features listed once a class in `table`; `names` are their identities."""
    names = pd.Series(names, index=table.index)
    everything = set(names)
    rows, union = [], set()
    right = _right_direction(table, names, planted) if by_sign else None
    for name in ("low", "high"):
        own = (table["class"] == name) & table["selected"]
        found = set(names[own])
        union |= found
        hits = set(names[own & right]) if by_sign else None
        rows.append(_row(what, name, PAPER, everything, planted["any" if by_sign else name], found, hits))
    rows.append(_row(what, "any", PAPER, everything, planted["any"], union))
    for rule, column, way in ((CALIBRATED, "q_calibrated", "direction"), (UNIVARIATE, "q", "t")):
        if table[column].isna().all():
            continue  # no halvings
        significant = table[column] <= fdr_q
        if by_sign:
            for name, stronger in (("low", table[way] < 0), ("high", table[way] > 0)):
                rows.append(_row(what, name, rule, everything, planted[name], set(names[significant & stronger])))
        rows.append(_row(what, "any", rule, everything, planted["any"], set(names[significant])))
    return rows


def _right_direction(table, names, planted):
    """Whether a row's class and sign state the planted direction: stronger in the high or in the low group."""
    stronger_in_high = table["sign"] * np.where(table["class"] == "high", 1, -1)
    return (names.isin(planted["high"]) & (stronger_in_high > 0)) | (
        names.isin(planted["low"]) & (stronger_in_high < 0)
    )


def _row(what, name, rule, candidates, planted, selected, hits=None):
    """Counts and rates of one way of selecting; planted features that were no candidates do not count.

    `hits`: what counts as found, where that is less than all that are planted and selected.
    """
    from scipy.stats import hypergeom

    planted, selected = planted & candidates, selected & candidates
    hit = len(planted & selected & (selected if hits is None else hits))
    sizes = (len(candidates), len(planted), len(selected))
    return {
        **dict(zip(COLUMNS[:3], (what, name, rule), strict=True)),
        **dict(zip(COLUMNS[3:6], sizes, strict=True)),
        "n_hit": hit,
        "precision": hit / len(selected) if selected else np.nan,
        "recall": hit / len(planted) if planted else np.nan,
        "base_rate": len(planted) / len(candidates) if candidates else np.nan,
        "p_chance": float(hypergeom.sf(hit - 1, *sizes)) if selected and planted else np.nan,
    }


def _gene_set_rows(results):
    """Rank of the planted gene set among those tested, per group of genes; rank NaN: it was not tested."""
    planted = str(results.truth.get("planted_gene_set"))
    rows = []
    for name, table in results.enrichment.items():
        row = dict.fromkeys(("rank", "p", "q", "contained"), np.nan)
        own = table[table["gene_set"].astype(str) == planted]
        if len(own) and own["p"].notna().any() and own["contained"].iloc[0] > 0:
            best = own.iloc[0]
            row = {
                "rank": int((table["p"] < best["p"]).sum()) + 1,
                "p": best["p"],
                "q": best["q"],
                "contained": best["contained"],
            }
        rule = CALIBRATED if name == "confirmed" else PAPER
        if rule == CALIBRATED and results.tables["threshold/snps"]["q_calibrated"].isna().all():
            continue  # no halvings
        rows.append({"what": "gene set", "class": name, "rule": rule, "n_tested": len(table), **row})
    return rows


def sentences(planted, truth):
    """What was recovered and what was not, in plain words.

    Parameters
    ----------
    planted : DataFrame
        As returned by `recovery`.
    truth : dict

    Returns
    -------
    list of str
    """
    lines = []
    features = planted[planted["what"] != "gene set"]
    for row in features[features["class"] == "any"].itertuples():
        where = f"{row.what} by {IN_WORDS[row.rule]}"
        if row.n_planted == 0:
            lines.append(
                f"{where}: none of the planted ones was among the {row.n_candidates:,} candidates, so none could "
                "be found."
            )
        elif row.n_selected == 0:
            lines.append(f"{where}: nothing was selected, so none of the {row.n_planted:,} planted was recovered.")
        else:
            verdict = _verdict(row)
            lines.append(
                f"{where}: {row.n_hit:,} of {row.n_planted:,} planted were recovered (recall {row.recall:.2f}) among "
                f"{row.n_selected:,} selected of {row.n_candidates:,} (precision {row.precision:.2f}; a blind choice "
                f"has {row.base_rate:.3f}): {verdict}."
            )
    for row in planted[planted["what"] == "gene set"].rename(columns={"class": "group"}).itertuples():
        name = f"Planted gene set {truth.get('planted_gene_set')}, genes of the {pathways.called(row.group)}"
        if pd.isna(row.rank):
            word = "confirmed" if row.rule == CALIBRATED else "selected"
            lines.append(f"{name}: not recovered; none of its genes was {word}.")
        else:
            found = "recovered" if row.q < 0.05 else "not recovered"
            lines.append(f"{name}: {found}; rank {row.rank} of {row.n_tested}, p = {row.p:.2g}, q = {row.q:.2g}.")
    return [line[0].upper() + line[1:] for line in lines]


def _verdict(row):
    """A word on whether a recovery is better than a blind choice of as many features."""
    if row.p_chance < 0.001 and row.precision >= 0.5:
        return "recovered far better than chance"
    if row.p_chance < 0.05:
        return (
            "better than chance, but most of what was selected was not planted"
            if row.precision < 0.5
            else "better than chance"
        )
    return "no better than chance"
