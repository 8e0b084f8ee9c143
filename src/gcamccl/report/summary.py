"""The page's first paragraphs: the run in sentences with numbers."""

from gcamccl.report import comparison, methods_selection, pathways, scans, selection, statistics


def sentences(results):
    """The run in sentences.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    list of (str, str, bool)
        Heading of the sentence, its text, and whether it is a warning.
    """
    return [
        _people(results),
        *([_motion(results)] if results.has("connectivity") else []),
        *([_loci(results)] if results.has("snps") else []),
        *comparison.summary(results),
        *_selection(results),
        _confirmed(results),
        _univariate(results),
        *(pathways.sentences(results) if results.has("snps") else []),
    ]


def _people(results):
    steps, groups = statistics.people_flow(results.tables["cohort/people"])
    total, (having, usable, _) = steps[0][1], steps[-2]
    lost = []
    if results.has("connectivity"):
        scanned, kept = map(len, scans.tables(results))
        lost.append(f"{scanned - kept:,} of {scanned:,} with scans excluded for their images")
    if results.has("snps"):
        dropped = results.tables["genotype_qc/dropped"]
        genotyped = dropped[(dropped["kind"] == "sample") & (dropped["reason"] != "no_genotypes")]
        lost.append(f"{genotyped['id'].nunique():,} genotyped samples dropped")
    text = (
        f"{total:,} people; {', '.join(lost)}; {usable:,} {having.replace('with', 'have', 1)}. "
        f"{groups['low']:,} are in the low and {groups['high']:,} in the high group."
    )
    return "People", text, False


def _motion(results):
    table = results.tables["connectivity/qc_fc"]
    bad = scans.moved(table)
    text = scans.qc_fc_sentence(table, len(results.tables["connectivity/people"]))
    return "Head motion", text + (" Motion is still in the connectivity." if bad else ""), bad


def _loci(results):
    attrition = results.tables["genotype_qc/attrition"]
    loci = len(results.tables["eqtl_filter/snps"])
    text = f"{loci:,} loci in the model"
    if len(attrition):
        merged = attrition[attrition["step"].astype(str).str.startswith("merge")]
        before = int((merged["snps_out"] if len(merged) else attrition["snps_in"]).iloc[0])
        after = int(attrition["snps_out"].iloc[-1])
        text += f", out of {before:,} SNPs common to the arrays and {after:,} after quality control"
    return "Loci", text + ".", False


def _selection(results):
    """One sentence a view, with a plain warning where permuted labels select as many."""
    table = selection.rows(results)
    settings = results.settings("threshold")
    rule = f"The paper’s rule (a feature {methods_selection.rule(settings)})"  # explained once
    for view, what, singular in (("connectivity", "connections", "Connections"), ("snps", "SNPs", "SNPs")):
        own = table[table["view"] == view]
        if own.empty:
            continue
        parts = [
            f"{row.n_selected:,} of {row.n_features:,} for the {row.group} group (permuted labels: "
            f"{_count(row.n_selected_permuted)})"
            for row in own.itertuples()
        ]
        bad = [row.group for row in own.itertuples() if selection.alike(row.n_selected, row.n_selected_permuted)]
        text = f"{rule} selects {what}: {' and '.join(parts)}."
        rule = "The paper’s rule"
        if bad:
            text += (
                f" Permuted labels select about as many ({' and '.join(bad)} group): "
                "this selection must not be read as a finding about the groups."
            )
        elif not own["n_selected"].any():
            text += " Nothing was selected."
        yield f"{singular} selected", text, bool(bad)


def _count(value):
    return "not run" if value != value else f"{value:,.0f}"


def _confirmed(results):
    """What the calibrated selection confirms, with true and with permuted labels."""
    level = results.settings("threshold").get("fdr_q", 0.1)
    table = results.tables["threshold/summary"]
    table = table[table["method"] == "calibrated"]
    if table.empty:
        return "Confirmed", "No halvings of the people were run (cohort.halvings: 0).", False
    found, permuted = [], []
    for view, what in (("connectivity", "connections"), ("snps", "SNPs")):
        own = table[table["view"] == view]
        if len(own):
            found.append(f"{own['n_selected'].sum():,.0f} of {own['n_features'].iloc[0]:,} {what}")
            permuted.append(f"{_count(own['n_selected_permuted'].sum(skipna=False))} {what}")
    text = (
        f"Named by the network on one half of the people and confirmed by the other half, over "
        f"{table['n_maps'].iloc[0] // 2} halvings, at a false-discovery rate of {level:g}: {' and '.join(found)} "
        f"(permuted labels: {' and '.join(permuted)}). "
        f"That anything differs at all has p = {table['p_any'].iloc[0]:.2g}."
    )
    if not table["n_selected"].sum():
        text += (
            " The groups do not differ, or the networks have not learned where, or the halves are too small to show it."
        )
    return "Confirmed", text, False


def _univariate(results):
    level = results.settings("threshold").get("fdr_q", 0.1)
    found = []
    if results.has("connectivity"):
        edges = results.tables["threshold/edges"]
        n_edges = len(edges.loc[edges["q"] <= level, ["roi_a", "roi_b"]].drop_duplicates())
        found.append(f"{n_edges:,} of {len(edges[['roi_a', 'roi_b']].drop_duplicates()):,} connections")
    if results.has("snps"):
        snps = results.tables["threshold/snps"]
        n_snps = snps.loc[snps["q"] <= level, "snp_id"].nunique()
        found.append(f"{n_snps:,} of {snps['snp_id'].nunique():,} SNPs")
    text = (
        f"One test per feature, without any network: {' and '.join(found)} differ between the groups at a "
        f"false-discovery rate of {level:g}."
    )
    return "Univariate tests", text, False
