"""Results as numbers: SNP frequencies, pathways."""

import numpy as np

from gcamccl.report.figures import style
from gcamccl.report.pathways import called


def snp_frequency(snps, min_frequency):
    """How often each locus was active in held-out people, along the genome, both classes and permuted labels."""
    drawing, axes = style.figure(7.2, 3.8, rows=2, sharex=True, sharey=True)
    for axis, name in zip(axes, ("low", "high"), strict=True):
        own = snps[snps["class"] == name].reset_index(drop=True)
        if own.empty:
            style.empty(axis, "no locus")
            continue
        axis.plot(
            own.index,
            own["frequency_permuted"],
            "_",
            ms=5,
            mew=1.3,
            color=style.COLOURS["permuted"],
            label="permuted labels",
        )
        axis.plot(
            own.index,
            own["frequency"],
            "o",
            ms=3,
            mfc="none",
            color=style.COLOURS[name],
            mew=0.9,
            label=style.CLASS_LABELS[name],
        )
        chosen = own[own["selected"]]
        axis.plot(
            chosen.index,
            chosen["frequency"],
            "o",
            ms=3.6,
            color=style.COLOURS[name],
            mec="black",
            mew=0.5,
            label="selected",
        )
        axis.axhline(min_frequency, color="#555555", lw=0.8, ls=":")
        starts = own.groupby("chrom", sort=False).head(1).index.to_numpy()
        for start in starts[1:]:
            axis.axvline(start - 0.5, color="#DDDDDD", lw=0.6, zorder=0)
        stops = np.append(starts[1:], len(own))
        wide = (stops - starts) * 45 >= len(own)
        axis.set_xticks(((starts + stops - 1) / 2)[wide], own["chrom"].iloc[starts[wide]].tolist())
        axis.tick_params(axis="x", length=0)
        axis.set_ylabel("share of people")
        axis.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes[0].set_ylim(-0.03, 1.03)
    axes[1].set_xlabel("loci by chromosome")
    return drawing


def pathways(enrichment, limit=12):
    """The `limit` best gene sets of each group: -log10 p, with both backgrounds; size of a dot by genes contained."""
    kept = {
        name: table[(table["contained"] > 0) & table["p"].notna()].nsmallest(limit, "p", keep="first")
        for name, table in enrichment.items()
    }
    kept = {name: table for name, table in kept.items() if len(table)}
    if not kept:
        return style.message("No gene set has a selected gene: no gene was selected, or none is in a set.")
    heights = [len(table) for table in kept.values()]
    drawing, axes = style.figure(
        7.6,
        0.27 * sum(heights) + 0.75 * len(kept) + 0.5,
        rows=len(kept),
        squeeze=False,
        sharex=True,
        height_ratios=heights,
    )
    for axis, (name, table) in zip(axes[:, 0], kept.items(), strict=True):
        places = np.arange(len(table))
        area = 18 + 14 * table["contained"].astype(float).clip(upper=15)
        colour = style.COLOURS.get(name, style.COLOURS["accent"])
        axis.scatter(
            _minus_log10(table["p"]),
            places,
            s=area,
            color=colour,
            edgecolor="black",
            lw=0.5,
            label="p, background of the setting",
            zorder=3,
        )
        axis.plot(
            _minus_log10(table["p_candidates"]),
            places,
            "D",
            ms=4.5,
            mfc="white",
            mec="black",
            label="p, candidate genes",
            zorder=4,
        )
        labels = [
            f"{_short(row.gene_set)} ({int(row.contained)}/{int(row.set_size)}){' *' if row.q < 0.05 else ''}"
            for row in table.itertuples()
        ]
        axis.set_yticks(places, labels, fontsize=7.5)
        axis.set_ylim(len(table) - 0.4, -0.6)
        axis.grid(axis="both", color="#E8E8E8", lw=0.6)
        axis.set_axisbelow(True)
        axis.set_title(called(name), loc="left")
    axes[-1, 0].set_xlabel("-log10 p")
    axes[-1, 0].set_xlim(left=-0.15)
    handles, texts = axes[0, 0].get_legend_handles_labels()
    drawing.legend(handles, texts, loc="outside lower center", ncols=2, fontsize=8)
    return drawing


def _minus_log10(values):
    return -np.log10(np.clip(values.astype(float), 1e-300, 1))


def _short(text, width=52):
    text = str(text)
    return text if len(text) <= width else text[: width - 1] + "…"
