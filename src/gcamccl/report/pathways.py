"""What the gene sets say, for the page: sentences, warnings, tables."""

import pandas as pd

from gcamccl.report import selection

LEVEL = 0.05  # of q, and of the matched p
# Group of genes -> what it is called in the middle of a sentence.
GROUPS = {"low": "low group", "high": "high group", "confirmed": "confirmed SNPs"}
ORDER = {name: place for place, name in enumerate(GROUPS)}
# In the order of the paper's Tables VII and VIII; the file has all columns.
SHOWN = {
    "gene_set": "pathway",
    "source": "source",
    "set_size": "set size",
    "contained": "contained",
    "fold": "fold",
    "p": "p",
    "q": "q",
    "q_paper": "paper's q",
    "q_candidates": "q, candidates",
    "p_matched": "p, matched",
    "genes": "genes",
}
DIFFERENCE = {
    **{"gene_set": "pathway", "source": "source", "contained_low": "low", "contained_high": "high"},
    **{"odds_ratio": "odds ratio", "p": "p", "q": "q", "genes_low": "genes, low", "genes_high": "genes, high"},
}
NOTES = {
    "enrichment": (
        "p: hypergeometric, against the background of the setting; q: Benjamini-Hochberg over all sets tested; the "
        "paper's: over the sets with at least 4 selected genes only, which is what the paper's q-values fit. "
        "Candidates: against the genes that have a locus, the only ones that could be selected. Matched: share of "
        "random draws of loci with like gene length and number of loci that contain as many genes of the set."
    ),
    "difference": (
        "Fisher's exact test on the genes that only one group has; odds ratio above 1: the high group's genes favour "
        "the set."
    ),
    "unmatched": "Maybe: a symbol of the gene sets that differs in case, dots or dashes only.",
}


def in_order(names):
    """Groups of genes in the order of the page."""
    return sorted(names, key=lambda name: (ORDER.get(name, len(ORDER)), name))


def called(name):
    """What a group of genes is called in a sentence."""
    return GROUPS.get(name, name)


def title(name):
    """Title of a group's table."""
    return f"Gene sets, genes of the {called(name)}"


def for_page(table):
    """The columns of the page, under the headings of the paper's tables where it has them."""
    return table[[name for name in SHOWN if name in table]].rename(columns=SHOWN)


def difference_for_page(table):
    """The comparison of the groups, in few columns."""
    return table[list(DIFFERENCE)].rename(columns=DIFFERENCE)


def doubtful(results):
    """Classes whose SNPs permuted labels select about as often."""
    rows = selection.rows(results)
    rows = rows[rows["view"] == "snps"]
    return [row.group for row in rows.itertuples() if selection.alike(row.n_selected, row.n_selected_permuted)]


def sentences(results):
    """The first pathways of every group of genes, for the summary.

    Yields
    ------
    (str, str, bool)
        Heading, text, whether it is a warning.
    """
    bad = doubtful(results)
    if not results.enrichment:
        yield "Pathways", "No gene set was tested.", False
    for name, table in results.enrichment.items():
        heading, genes = f"Pathways, {called(name)}", len(results.genes.get(name, []))
        word = "confirmed" if name == "confirmed" else "selected"
        if table.empty:
            yield heading, f"{genes} genes {word}; no gene set was tested.", False
            continue
        top = table[table["contained"] > 0].nsmallest(3, "p", keep="first")
        if top.empty:
            yield heading, f"{genes} genes {word}; none is in any of {len(table):,} gene sets.", False
            continue
        parts = [
            f"{row.gene_set} (q = {row.q:.2g}; against candidate genes {_q(row.q_candidates)})"
            for row in top.itertuples()
        ]
        text = f"{genes} genes {word}; first of {len(table):,} gene sets: {'; '.join(parts)}."
        if name in bad:
            text += " The genes come from SNPs that permuted labels select about as often: do not interpret."
        elif not (table["q_candidates"] < LEVEL).any():
            text += " None is significant against the genes that could have been selected."
        yield heading, text, name in bad


def _q(value):
    return "not tested" if value != value else f"q = {value:.2g}"


def warnings(results):
    """Where pathways should not be believed: list of str."""
    lines, bad = [], doubtful(results)
    if bad:
        lines.append(
            f"The genes of the {' and the '.join(bad)} group come from SNPs that permuted labels select about as "
            "often: their pathways reflect which genes could be selected at all."
        )
    for name, table in results.enrichment.items():
        who = f"Genes of the {called(name)}"
        if table.empty:
            if name != "confirmed":  # nothing confirmed is no reason to doubt anything
                lines.append(f"{who}: no gene set was tested.")
            continue
        union, candidates = (int((table[column] < LEVEL).sum()) for column in ("q", "q_candidates"))
        if union > candidates:
            lines.append(
                f"{who}: {union} gene sets have q < {LEVEL:g} against the chosen background, {candidates} against the "
                "genes that could have been selected. The others are enriched because of which loci were looked at."
            )
        if "p_matched" in table:
            significant = table[(table["q_candidates"] < LEVEL) & table["p_matched"].notna()]
            alike = significant[significant["p_matched"] > LEVEL]
            if len(alike):
                lines.append(
                    f"{who}: of {len(significant)} gene sets with q < {LEVEL:g} against the genes that could have been "
                    f"selected, {len(alike)} are not shown to contain more of them than loci in genes of like length "
                    f"would (matched p > {LEVEL:g}): {', '.join(alike['gene_set'].head(3))}"
                    f"{' ...' if len(alike) > 3 else ''}."
                )
    return lines


def unmatched_for_page(unmatched):
    """Selected genes that no gene set has, a row a gene: with the groups that selected it.

    Parameters
    ----------
    unmatched : dict of str to DataFrame
        Group -> ``unmatched.tsv``.
    """
    parts = [table.assign(selected_for=called(name)) for name, table in unmatched.items() if len(table)]
    if not parts:
        return pd.DataFrame(columns=["gene", "maybe", "selected_for"])
    rows = pd.concat(parts).groupby("gene", sort=True)
    return rows.agg(maybe=("maybe", "first"), selected_for=("selected_for", ", ".join)).reset_index()
