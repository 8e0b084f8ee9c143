"""Genotypes: SNPs and people through every step, and one figure of people's samples."""

from itertools import pairwise

import numpy as np

from gcamccl.genotype_qc import relatedness
from gcamccl.report.figures import style

STEPS = {
    "sex_mismatch": "sex mismatch",
    "heterozygosity": "heterozygosity",
    "related": "relatives",
    "hwe": "Hardy-Weinberg",
    "hwe_within_ancestry": "Hardy-Weinberg within ancestry",
    "maf": "allele frequency",
    "ld": "LD pruning",
    "snp_missing": "missing per SNP",
    "sample_missing": "missing per sample",
    "merge": "merged",
    "gene_bodies": "in gene bodies",
    "eqtl": "of these eQTLs",
    "expressed": "of these in expressed genes",
    "loci": "either",
}
OF_ARRAY = {"read": "on the array", "usable": "usable", "common": "on all arrays"}  # first word of a step
# Okabe and Ito; lightness differs as well, and arrays are named in the labels.
ARRAY_COLOURS = ("#E69F00", "#CC79A7", "#F0E442", "#D55E00")
MERGED_COLOUR, LOCI_COLOUR = "#56B4E9", style.COLOURS["accent"]
GROUP_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
UNGROUPED = "#8C8C8C"
MARKERS = ("o", "^", "s", "D", "v", "P")
ODD = {"s": 60, "facecolors": "none", "edgecolors": "black", "linewidths": 1.1}  # ring around what is flagged
RELATIONS = {
    "duplicate or monozygotic twin": ("#D55E00", "s"),
    "parent and child": ("#0072B2", "^"),
    "full siblings": ("#009E73", "o"),
    "second degree": ("#CC79A7", "D"),
    "third degree": ("#56B4E9", "v"),
    "unrelated": ("#8C8C8C", "x"),
}
KINSHIP_LIMITS = (
    (relatedness.DUPLICATE, "same DNA"),
    (relatedness.FIRST, "1st"),
    (relatedness.SECOND, "2nd"),
    (relatedness.THIRD, "3rd"),
)
SEX_LIMITS = (0.2, 0.8)  # of F on X, as `gcamccl.genotype_qc.sex_check`


def attrition(table, loci):
    """SNPs and people left after each step: array by array until the merge, then together, then the eQTL filter.

    Parameters
    ----------
    table : DataFrame
        step, snps_in, snps_out, samples_in, samples_out (``genotype_qc/attrition.tsv``).
    loci : DataFrame
        step, snps (``eqtl_filter/attrition.tsv``).
    """
    rows = rows_of(table, loci)
    heights = np.cumsum([0, *(1.0 if a["part"] == b["part"] else 1.45 for a, b in pairwise(rows))])
    drawing, axes = style.figure(7.2, 0.235 * heights[-1] + 1.2, columns=2, width_ratios=(3, 1.5), sharey=True)
    for axis, out, lost, title in (
        (axes[0], "snps", "snps_lost", "SNPs"),
        (axes[1], "people", "people_lost", "people"),
    ):
        known = [row[out] for row in rows if row[out] is not None]
        largest = max([*known, 1])
        for place, row in zip(heights, rows, strict=True):
            if row[out] is None:
                continue
            axis.barh(place, row[out], color=row["colour"], edgecolor="#333333", lw=0.4, height=0.72)
            minus = f"  (−{style.thousands(row[lost])})" if row[lost] else ""
            text = style.thousands(row[out]) + minus
            axis.text(row[out] + 0.015 * largest, place, text, va="center", fontsize=7.5)
        axis.set_xlim(0, 1.5 * largest)
        axis.set_title(title)
        axis.xaxis.set_major_locator(style.plt.MaxNLocator(4))
        axis.xaxis.set_major_formatter(lambda value, _: style.thousands(value))
        axis.tick_params(axis="x", labelsize=7.5)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(heights, [shorten(row["label"]) for row in rows], fontsize=8)
    axes[0].set_ylim(heights[-1] + 0.6, -0.6)
    axes[1].tick_params(labelleft=False)
    return drawing


def rows_of(table, loci):
    """Rows of the attrition figure, arrays one after the other.

    Returns
    -------
    list of dict
        part, label, colour, snps, snps_lost, people, people_lost; None where a count does not exist.
    """
    first = [str(step).partition(" ") for step in table["step"]]
    arrays = list(dict.fromkeys(name for word, _, name in first if word in OF_ARRAY and name))
    rows = []
    for number, row in enumerate(table.itertuples()):
        word, _, name = first[number]
        own = word in OF_ARRAY and name in arrays
        rows.append(
            {
                "part": arrays.index(name) if own else len(arrays),
                "label": f"{name}: {OF_ARRAY[word]}" if own else step_label(row.step),
                "colour": ARRAY_COLOURS[arrays.index(name) % len(ARRAY_COLOURS)] if own else MERGED_COLOUR,
                "snps": int(row.snps_out),
                "snps_lost": int(row.snps_in - row.snps_out),
                "people": int(row.samples_out),
                "people_lost": int(row.samples_in - row.samples_out),
            }
        )
    rows.sort(key=lambda row: row["part"])  # stable: the steps of one array stay in order
    for row in loci.itertuples():
        missing = row.snps != row.snps
        rows.append(
            {
                "part": len(arrays) + 1,
                "label": f"loci: {step_label(row.step)}",
                "colour": LOCI_COLOUR,
                "snps": None if missing else int(row.snps),
                "snps_lost": None,
                "people": None,
                "people_lost": None,
            }
        )
    return rows


def step_label(step):
    """A step's name in words."""
    return STEPS.get(str(step), str(step).replace("_", " "))


def shorten(name, width=34):
    """A label that leaves room for the bars."""
    return name if len(name) <= width else name[: width - 1] + "…"


def quality(samples, relatives, sexes, settings):
    """Ancestry, relatives, sex and heterozygosity: what people's samples look like.

    Parameters
    ----------
    samples, relatives, sexes : DataFrame
        ``samples.tsv``, ``relatedness.tsv`` and ``sex_check.tsv`` of the stage genotype_qc.
    settings : dict
        Config section ``genotype_qc``.

    Returns
    -------
    Figure
    """
    drawing, axes = style.figure(7.2, 6.4, rows=2, columns=2)
    measured = samples[samples["call_rate"].notna()]
    _ancestry(axes[0, 0], measured)
    _relatives(axes[0, 1], relatives)
    _sex(axes[1, 0], sexes, samples)
    _heterozygosity(axes[1, 1], measured, settings)
    return drawing


def has_flag(table, *names):
    """Whether each row's flags hold one of `names`: bool array."""
    return np.array([isinstance(flags, str) and bool(set(names) & set(flags.split(";"))) for flags in table["flags"]])


def group_colours(samples):
    """Colour of every ancestry group, by name."""
    names = sorted(samples["group"].dropna().unique())
    return {name: GROUP_COLOURS[number % len(GROUP_COLOURS)] for number, name in enumerate(names)}


def _ancestry(axis, samples):
    axis.set_title("ancestry components")
    if "pc2" not in samples or samples["pc2"].isna().all():
        style.empty(axis, "too few people or SNPs\nfor components")
        return
    colours = group_colours(samples)
    array = samples["arrays"].astype(str).str.split(";").str[0]
    for number, name in enumerate(sorted(array.unique())):
        for group in [*colours, None]:
            own = (array == name) & (samples["group"].isna() if group is None else samples["group"] == group)
            axis.scatter(
                samples.loc[own, "pc1"],
                samples.loc[own, "pc2"],
                s=13,
                marker=MARKERS[number % len(MARKERS)],
                color=colours.get(group, UNGROUPED),
                alpha=0.75,
                lw=0.3,
                edgecolor="white",
            )
    handles = [style.plt.Line2D([], [], ls="", marker="o", color=colours[name], label=name) for name in colours]
    if samples["group"].isna().any():
        handles.append(style.plt.Line2D([], [], ls="", marker="o", color=UNGROUPED, label="no group"))
    for number, name in enumerate(sorted(array.unique())):
        marker = MARKERS[number % len(MARKERS)]
        handles.append(
            style.plt.Line2D([], [], ls="", marker=marker, color="#444444", mfc="none", label=shorten(name, 12))
        )
    axis.legend(handles=handles, fontsize=7, ncols=2, handletextpad=0.2, columnspacing=0.8)
    axis.margins(y=0.25)
    axis.set_xlabel("PC1")
    axis.set_ylabel("PC2")


def _relatives(axis, table):
    axis.set_title("relatives")
    if table.empty:
        style.empty(axis, "no relatives found or declared")
        return
    for relation, (colour, marker) in RELATIONS.items():
        own = table[table["relation"] == relation]
        if len(own):
            axis.scatter(own["ibs0"], own["kinship"], c=colour, marker=marker, s=26, label=f"{relation} ({len(own)})")
    flagged = table[table["flag"].notna()]
    if len(flagged):
        axis.scatter(flagged["ibs0"], flagged["kinship"], **ODD, label=f"flagged ({len(flagged)})")
    right = max(1.15 * table["ibs0"].max(), 0.01)
    axis.set_xlim(-0.04 * right, right)
    axis.set_ylim(min(0, table["kinship"].min()) - 0.02, 0.62)
    for limit, name in KINSHIP_LIMITS:
        axis.axhline(limit, color="#777777", lw=0.7, ls=(0, (4, 3)), zorder=0)
        axis.text(right, limit, name, fontsize=6.5, ha="right", va="bottom", color="#555555")
    axis.legend(fontsize=6.5, loc="upper right", handletextpad=0.2, labelspacing=0.25)
    axis.set_xlabel("SNPs with opposite homozygotes (IBS0)")
    axis.set_ylabel("kinship (KING)")


def _sex(axis, sexes, samples):
    axis.set_title("sex by the X chromosome")
    known = sexes[sexes["f"].notna()]
    if known.empty:
        style.empty(axis, "too few SNPs on X\non every array")
        return
    told = samples.set_index("genotype_id")
    recorded = known["genotype_id"].map(told["sex"])
    recorded = recorded.where(recorded.notna(), known["fam_sex"])
    wrong = set(samples.loc[has_flag(samples, "sex_mismatch"), "genotype_id"])
    columns = [("F", "recorded\nfemale", "#E69F00", "o"), ("M", "recorded\nmale", "#0072B2", "s")]
    if recorded.isna().any():
        columns.append((None, "not\nrecorded", UNGROUPED, "D"))
    for place, (code, _, colour, marker) in enumerate(columns):
        own = known[recorded.isna() if code is None else recorded == code]
        # Spread in the table's order, so that the same table gives the same picture.
        x = place + (np.arange(len(own)) * 0.618 % 1 - 0.5) * 0.6
        axis.scatter(x, own["f"], s=11, c=colour, marker=marker, alpha=0.7, lw=0)
        odd = own["genotype_id"].isin(wrong).to_numpy()
        axis.scatter(x[odd], own.loc[odd, "f"], **ODD)
    for limit in SEX_LIMITS:
        axis.axhline(limit, color="#777777", lw=0.7, ls=(0, (4, 3)), zorder=0)
    axis.set_xticks(range(len(columns)), [f"{label}" for _, label, _, _ in columns])
    axis.set_ylabel("F on X (women about 0, men about 1)")


def _heterozygosity(axis, samples, settings):
    axis.set_title("heterozygosity and call rate")
    if samples["heterozygosity"].isna().all():
        style.empty(axis, "too few independent SNPs")
        return
    missing = 100 * (1 - samples["call_rate"])
    colours = samples["group"].map(group_colours(samples)).fillna(UNGROUPED)
    axis.scatter(missing, samples["heterozygosity"], s=11, c=list(colours), alpha=0.75, lw=0)
    odd = has_flag(samples, "high_heterozygosity", "low_heterozygosity", "low_call_rate")
    axis.scatter(missing[odd], samples.loc[odd, "heterozygosity"], **ODD, label=f"flagged ({int(odd.sum())})")
    limit = settings.get("max_sample_missing")
    if limit is not None:
        axis.axvline(100 * limit, color="#777777", lw=0.7, ls=(0, (4, 3)), zorder=0)
    if odd.any():
        axis.legend(fontsize=7)
    axis.set_xlabel("calls missing (%)")
    axis.set_ylabel("heterozygous calls (share)")


def note(samples):
    """How many people the figure cannot show."""
    absent = int(samples["call_rate"].isna().sum())
    text = f"{len(samples) - absent:,} people measured"
    return text + (f"; {absent:,} on the arrays, but not merged." if absent else ".")
