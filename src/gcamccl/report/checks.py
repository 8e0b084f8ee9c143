"""Warnings: where a result should not be believed, and the numbers that say so."""

import numpy as np

from gcamccl import cohort_remarks
from gcamccl.genotype_qc import relatedness
from gcamccl.report import comparison, genotypes, map_checks, pathways, scans, selection, statistics
from gcamccl.report.names import METHOD_LABELS

# Judgement, not law; the page prints the numbers beside each warning.
NEARLY_ALL = 0.5  # share of all features that is too many to name
POOR_CONCORDANCE = 0.9  # the prototypes' worst imputation with a model reaches 0.886, with a panel 0.93
MAPS_ALIKE = 0.8  # Pearson r between mean maps of true and of permuted labels
P_CONFOUND = 0.05
SAME_OUTPUT = 1e-6  # spread of a probability over people
ZERO_SHARE = 0.1  # of a class's maps


def warnings(results, summaries):
    """Warnings per stage.

    Parameters
    ----------
    results : gcamccl.report.collect.Results
    summaries : dict
        As returned by `gcamccl.report.maps.summarise`.

    Returns
    -------
    dict of str to list of str
        Stage -> sentences; stages without a warning are absent.
    """
    found = {
        "connectivity": scans.warnings(results) if results.has("connectivity") else [],
        "genotype_qc": genotypes.warnings(results) if results.has("snps") else [],
        "impute": _impute(results) if results.has("snps") else [],
        "cohort": _cohort(results),
        "train": _train(results),
        "compare": comparison.warnings(results),
        "activation": _activation(results, summaries),
        "threshold": _threshold(results),
        "enrichment": pathways.warnings(results) if results.has("snps") else [],
    }
    return {stage: lines for stage, lines in found.items() if lines}


def _impute(results):
    table = results.impute
    if "masked_concordance" not in table:
        return []
    poor = table[table["masked_concordance"].astype(float) < POOR_CONCORDANCE]
    if poor.empty:
        return []
    places = ", ".join(f"{row.chrom} ({row.masked_concordance:.2f})" for row in poor.itertuples())
    return [
        f"Calls masked on purpose were filled in correctly less than {POOR_CONCORDANCE:.0%} of the time "
        f"on chromosome {places}."
    ]


def _cohort(results):
    table = statistics.balance(results.tables["cohort/cohort"])
    lines = []
    differs = table[table["p"] < P_CONFOUND]
    if len(differs):
        names = ", ".join(f"{row.variable} (p = {row.p:.2g})" for row in differs.itertuples())
        lines.append(f"The groups differ in more than the score: {names}. A classifier may be using that.")
    test = (results.splits == 2).sum(axis=1)
    if len(test) and test.mean() < 30:
        lines.append(
            f"Each split has only {test.mean():.0f} test people: one person more or less right changes the "
            f"accuracy by {1 / test.mean():.3f}."
        )
    return lines + _relatives(results) + _doubtful(results)


def _doubtful(results):
    """Samples in the groups that may be somebody else's."""
    samples = results.tables.get("genotype_qc/samples")
    flags = None if samples is None else samples.set_index("genotype_id")["flags"].dropna()
    pairs = results.tables.get("genotype_qc/relatedness")
    return cohort_remarks.doubtful_samples(results.tables["cohort/cohort"], pairs, flags)


def _relatives(results):
    """Relatives of whom some are trained on and others tested: accuracy then rests on shared genes and homes too."""
    cohort, settings = results.tables["cohort/cohort"], results.settings("cohort")
    limit = settings.get("max_kinship", relatedness.SECOND)
    kin = _kin(cohort, results.tables.get("genotype_qc/relatedness"), limit)
    related = np.stack([(split == 2) & (kin @ (split == 0)) for split in results.splits])
    if not related.any():
        return []
    todo = "" if settings.get("relatives_together", True) else " cohort.relatives_together keeps them in one part."
    return [
        f"{int(related.any(axis=0).sum())} test people have a relative (same family_id, or by their genotypes) in the "
        f"training part of the same split, in {int(related.any(axis=1).sum())} of {len(related)} splits: the accuracy "
        f"is optimistic for people of other families.{todo}"
    ]


def relatives_together(results):
    """A sentence on the units that no split parts; none where nobody is related or they are not kept together."""
    units = results.tables["cohort/cohort"]["relatives"].dropna()
    if units.empty:
        return []
    limit = results.settings("cohort").get("max_kinship", relatedness.SECOND)
    by = f"same family_id, or kinship above {limit:g}" if results.has("snps") else "same family_id"
    return [
        f"{len(units):,} people in {units.nunique():,} units of relatives ({by}): a unit is in one part of every "
        "split, and permuted labels move it as a whole."
    ]


def _kin(cohort, pairs, limit):
    """Bool array (people, people): declared family, or a kinship above the limit (not of mixed samples)."""
    kin = np.zeros((len(cohort), len(cohort)), bool)
    if "family_id" in cohort:
        family = cohort["family_id"].to_numpy(object)
        kin |= (family[:, None] == family[None, :]) & cohort["family_id"].notna().to_numpy()
    if pairs is not None:
        place = dict(zip(cohort["genotype_id"], range(len(cohort)), strict=True))
        for row in pairs[(pairs["kinship"] > limit) & (pairs["flag"] != "mixed_sample")].itertuples():
            one, other = place.get(row.genotype_id_1), place.get(row.genotype_id_2)
            if one is not None and other is not None:
                kin[one, other] = kin[other, one] = True
    np.fill_diagonal(kin, False)
    return kin


def _train(results):
    true = results.replicates[results.replicates["permutation"] == 0]
    lines = []
    last = true["best_epoch"] >= true["epochs"] - 1
    if len(true) and last.mean() > 0.5:
        lines.append(
            f"In {int(last.sum())} of {len(true)} replicates the epoch kept was the last one: the model was "
            "still improving."
        )
    early = true["best_epoch"] <= 1
    if len(true) and early.mean() > 0.5:
        lines.append(
            f"In {int(early.sum())} of {len(true)} replicates one of the first two epochs was kept: "
            "training did not improve the validation criterion, so the weights are close to random."
        )
    return lines + _constant_views(results.predictions)


def _constant_views(predictions):
    """A view whose output is the same for everybody has learned nothing, and its maps are empty."""
    lines = []
    own = predictions[predictions["permutation"] == 0]
    for column in ("p_high_connectivity", "p_high_snps"):
        if column not in own or own[column].isna().all():
            continue
        spread = own.groupby("replicate")[column].agg(lambda values: values.max() - values.min())
        constant = int((spread < SAME_OUTPUT).sum())
        if constant:
            lines.append(
                f"In {constant} of {len(spread)} replicates the {column.removeprefix('p_high_')} branch gives "
                "everybody the same probability: it looks at nothing, and its maps are zero everywhere."
            )
    return lines


def _activation(results, summaries):
    from gcamccl.report.maps import likeness

    lines, alike = [], []
    main = "connectivity" if any(place[1] == "connectivity" for place in summaries) else "snps"
    for method, view, name, permuted in summaries:
        if permuted or view != main:
            continue
        r = likeness(summaries, method, view, name)
        if np.isfinite(r) and r >= MAPS_ALIKE:
            alike.append(f"{METHOD_LABELS.get(method, method)}, {name} group (r = {r:.2f})")
    if alike:
        lines.append(
            "Mean maps look the same when the labels are permuted: "
            + "; ".join(alike)
            + ". They show the network's wiring and the average input, not what tells the groups apart."
        )
    zero = [
        f"{METHOD_LABELS.get(method, method)}, {view}, {name} group: {part.n_zero} of {part.n_maps + part.n_zero}"
        for (method, view, name, permuted), part in summaries.items()
        if not permuted and part.n_zero > ZERO_SHARE * (part.n_maps + part.n_zero)
    ]
    lines += map_checks.remarks(
        results.tables["activation/checks"], METHOD_LABELS, results.settings("threshold").get("method")
    )
    if zero:
        lines.append(f"Maps that are zero everywhere were left out. {'; '.join(zero)}.")
    return lines


def _threshold(results):
    lines = []
    for row in selection.rows(results).itertuples():
        who = f"{_view(row.view)}, {row.group} group"
        if row.n_selected == 0:
            lines.append(f"{who}: the rule selected nothing of {row.n_features:,}.")
            continue
        if selection.alike(row.n_selected, row.n_selected_permuted):
            lines.append(
                f"{who}: the rule selected {row.n_selected:,} of {row.n_features:,} with the labels and "
                f"{row.n_selected_permuted:,.0f} with permuted labels. The two are alike: the selection says "
                "little about the groups."
            )
        if row.n_selected > NEARLY_ALL * row.n_features:
            lines.append(
                f"{who}: the rule selected {row.n_selected / row.n_features:.0%} of all features, which names nothing."
            )
    return [*lines, *_calibrated(results)]


def _calibrated(results):
    """Where the calibrated selection confirms more with permuted labels than its level lets it be wrong."""
    table, level = results.tables["threshold/summary"], results.settings("threshold").get("fdr_q", 0.1)
    own = table[table["method"] == "calibrated"].groupby("view", sort=False)
    for view, row in own[["n_selected", "n_selected_permuted"]].sum(min_count=2).iterrows():
        if row["n_selected_permuted"] > level * row["n_selected"]:
            yield (
                f"{_view(view)}: the calibrated selection confirmed {row['n_selected']:,.0f} with the labels and "
                f"{row['n_selected_permuted']:,.1f} with permuted labels, where less than {level:.0%} of that was to "
                "be expected. By chance this happens in some one of twenty studies; more permutations "
                "(cohort.halving_permutations) tell."
            )


def _view(view):
    """Plain name of a view."""
    return {"connectivity": "Connections", "snps": "SNPs"}.get(str(view), str(view))
