"""Simulated studies: what became of the faults that were planted into the arrays."""

import numpy as np
import pandas as pd

COLUMNS = ("fault", "array", "planted", "mended", "dropped_with_reason", "dropped_otherwise", "missed")
CLEAN = "none"
# Fault -> what mends it (a word of the action; None: nothing does) and the reasons it may be dropped for.
EXPECTED = {
    "flipped": ("flipped", ()),
    "renamed": ("renamed", ()),
    "moved": ("moved", ("position_differs",)),
    "id_clash": ("renamed", ("id_clash",)),
    "ambiguous": ("same", ("strand_undecided", "strand_ambiguous")),
    "ambiguous_flipped": ("flipped", ("strand_undecided", "strand_ambiguous")),
    "triallelic": (None, ("alleles_irreconcilable",)),
    "three_alleles": (None, ("three_alleles",)),
    "wrong_snp": (None, ("frequency_differs",)),
    "duplicate_probe": (None, ("duplicate_probe",)),
    "duplicate_discordant": (None, ("duplicates_disagree",)),
    "hwe": (None, ("step hwe",)),
    "snp_missing": (None, ("step snp_missing",)),
}
ALTERED = ("flipped", "moved")
# Reasons that no SNP without a fault should meet; which A/T and C/G SNPs are rare, too, the truth does not say.
ERRORS = sorted(
    {reason for _, reasons in EXPECTED.values() for reason in reasons if not reason.startswith(("step", "strand"))}
)


def planted_snp_faults(faults, harmonised, dropped):
    """Planted faults of SNPs against the account of ``genotype_qc``.

    Parameters
    ----------
    faults : DataFrame
        array, id, array_id, fault: ``genotype_faults.snps`` of ``truth.json``.
    harmonised, dropped : DataFrame
        ``harmonised.tsv`` and ``dropped.tsv``.

    Returns
    -------
    DataFrame
        A row per fault and array: fault, array, planted, mended (flipped back, renamed, moved back, its strand told
        rightly), dropped_with_reason (the fault's own reason or step), dropped_otherwise (for another reason, or with
        the SNP on another array), missed (neither: among them strands told wrongly). The rows with fault ``none`` are
        SNPs without any fault on any array: mended are those left as they were, dropped_otherwise false alarms, missed
        those flipped or moved without need.
    """
    arrays = list(dict.fromkeys(harmonised["array"]))
    known = faults[faults["fault"].isin(EXPECTED)]
    # The strand is relative to the first array, which has none to mend; flipped ones have a row of their own.
    flipped = known[known["fault"] == "ambiguous_flipped"]
    also = pd.MultiIndex.from_frame(known[["array", "id"]]).isin(pd.MultiIndex.from_frame(flipped[["array", "id"]]))
    known = known[(known["fault"] != "ambiguous") | ((known["array"] != arrays[0]) & ~also)]
    action = harmonised.set_index(["id", "array"])["action"].to_dict()
    why = {}
    for row in dropped[dropped["kind"] == "snp"].itertuples(index=False):
        why.setdefault((row.id, row.array), set()).update({row.reason, f"step {row.step}"})
    rows = [(row.fault, row.array, _outcome(row, action, why)) for row in known.itertuples(index=False)]
    rows += _clean({*faults["id"], *faults["array_id"]}, harmonised, dropped)
    table = pd.DataFrame(rows, columns=["fault", "array", "outcome"])
    counts = pd.crosstab([table["fault"], table["array"]], table["outcome"])
    counts = counts.reindex(columns=list(COLUMNS[3:]), fill_value=0)
    counts.insert(0, "planted", counts.sum(axis=1))
    order = {name: place for place, name in enumerate([*EXPECTED, CLEAN, *arrays])}
    counts = counts.reset_index().rename_axis(columns=None)[list(COLUMNS)]
    return counts.sort_values(["fault", "array"], key=lambda names: names.map(order), ignore_index=True)


def _outcome(row, action, why):
    """What became of one planted fault."""
    mends, reasons = EXPECTED[row.fault]
    names = {row.id, row.array_id, f"dup-{row.id}"}
    here = set().union(*(why.get((name, array), set()) for name in names for array in (row.array, "all")))
    if here & set(reasons):
        return "dropped_with_reason"
    done = action.get((row.id, row.array))
    if done is None or (mends is None and (row.id, "all") in why):
        return "dropped_otherwise"
    if mends == "same":
        return "missed" if "flipped" in done else "mended"
    return "mended" if mends is not None and mends in done else "missed"


def _clean(faulty, harmonised, dropped):
    """Outcomes of SNPs without a fault."""
    own = harmonised[~harmonised["id"].isin(faulty)]
    wrong = own["action"].str.contains("|".join(ALTERED))
    rows = list(zip(own["array"], np.where(wrong, "missed", "mended"), strict=True))
    lost = dropped[(dropped["kind"] == "snp") & dropped["reason"].isin(ERRORS) & ~dropped["id"].isin(faulty)]
    lost = lost[~lost["id"].str.removeprefix("dup-").isin(faulty)]
    rows += [(array, "dropped_otherwise") for array in lost["array"]]
    return [(CLEAN, array, outcome) for array, outcome in rows]
