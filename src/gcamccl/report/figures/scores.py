"""Results as numbers: Table III as a dot plot, training curves, SNP frequencies, pathways."""

import numpy as np

from gcamccl.report.figures import style

METRICS = ("accuracy", "sensitivity", "specificity", "f1")


def classifiers(table, chance):
    """Table III as a dot plot: mean and SD over splits, permuted labels, the paper's value.

    Parameters
    ----------
    table : DataFrame
        label, and for each of `METRICS` ``<metric>_mean``, ``<metric>_sd``, ``<metric>_permuted``, ``paper_<metric>``.
    chance : float
        Accuracy of always naming the larger group.
    """
    drawing, axes = style.figure(7.6, 0.34 * len(table) + 1.5, columns=4, sharey=True)
    places = np.arange(len(table))
    for axis, metric in zip(axes, METRICS, strict=True):
        axis.errorbar(
            table[f"{metric}_mean"],
            places,
            xerr=table[f"{metric}_sd"].fillna(0),
            fmt="o",
            ms=5.5,
            color=style.COLOURS["high"],
            elinewidth=1.2,
            capsize=2,
            label="ours, mean ± SD over splits",
        )
        axis.plot(
            table[f"{metric}_permuted"],
            places,
            "s",
            ms=4.5,
            mfc="white",
            mec=style.COLOURS["permuted"],
            mew=1.3,
            label="permuted labels",
        )
        axis.plot(table[f"paper_{metric}"], places, "|", ms=11, color="black", mew=1.8, label="paper, Table III")
        if metric == "accuracy":
            axis.axvline(chance, color="#555555", lw=0.8, ls=":")
        axis.set_title({"f1": "F1"}.get(metric, metric))
        axis.set_xlim(-0.03, 1.03)
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.grid(axis="x", color="#E3E3E3", lw=0.6)
        axis.set_axisbelow(True)
    axes[0].set_yticks(places, table["label"])
    axes[0].set_ylim(len(table) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return drawing


def training(history, replicates):
    """Losses and validation AUC per epoch, true beside permuted labels: each replicate thin, their mean thick."""
    drawing, axes = style.figure(7.2, 2.9, columns=3)
    table = history.merge(replicates[["replicate", "permutation"]], on="replicate")
    table["permuted"] = table["permutation"] > 0
    for axis, column, title in (
        (axes[0], "train_loss", "training loss"),
        (axes[1], "validation_loss", "validation loss"),
        (axes[2], "validation_auc", "validation AUC"),
    ):
        for permuted, colour, text in (
            (True, style.COLOURS["permuted"], "permuted labels"),
            (False, style.COLOURS["high"], "labels"),
        ):
            own = table[table["permuted"] == permuted]
            if own.empty:
                continue
            for _, curve in own.groupby("replicate"):
                axis.plot(curve["epoch"], curve[column], color=colour, lw=0.5, alpha=0.35)
            # Early stopping ends replicates at different epochs: the mean is drawn while at least half still train.
            mean = own.groupby("epoch")[column].agg(["mean", "size"])
            mean = mean[mean["size"] * 2 >= mean["size"].max()]
            axis.plot(mean.index, mean["mean"], color=colour, lw=2, ls="--" if permuted else "-", label=text)
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(style.plt.MaxNLocator(5, integer=True))
    best = replicates[replicates["permutation"] == 0]["best_epoch"]
    axes[1].plot(
        best, [0.03] * len(best), "v", ms=4, color="black", transform=axes[1].get_xaxis_transform(), label="epoch kept"
    )
    axes[2].axhline(0.5, color="#555555", lw=0.8, ls=":")
    axes[2].set_ylim(-0.02, 1.02)
    handles, labels = axes[1].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return drawing


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
            label="p, all genes of the sets",
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
            f"{_short(row.gene_set)} ({row.contained}/{row.set_size}){' *' if row.q < 0.05 else ''}"
            for row in table.itertuples()
        ]
        axis.set_yticks(places, labels, fontsize=7.5)
        axis.set_ylim(len(table) - 0.4, -0.6)
        axis.grid(axis="both", color="#E8E8E8", lw=0.6)
        axis.set_axisbelow(True)
        axis.set_title(style.CLASS_LABELS.get(name, f"genes: {name}"), loc="left")
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
