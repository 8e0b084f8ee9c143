"""How much of the maps is left without the weights, and how the score falls without what they name."""

import numpy as np

from gcamccl.activation.checks import RANDOM
from gcamccl.report.figures import style
from gcamccl.report.map_checks import VIEW_LABELS
from gcamccl.report.names import METHOD_LABELS

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


def curves(table):
    """Cascading randomisation and deletion, one row a view.

    Parameters
    ----------
    table : DataFrame
        ``curves.tsv`` of activation.
    """
    if table.empty:
        return style.message("The maps were not checked (activation.checks is off).")
    views = list(dict.fromkeys(table["view"]))
    methods = [method for method in METHOD_LABELS if method in set(table["method"])]
    drawing, axes = style.figure(7.2, 0.6 + 2.8 * len(views), rows=len(views), columns=2, squeeze=False)
    for (left, right), view in zip(axes, views, strict=True):
        rows = table[table["view"] == view]
        for colour, method in zip(COLOURS, methods, strict=False):
            own = rows[rows["method"] == method]
            _cascade(left, own[own["check"] == "randomised"], colour, METHOD_LABELS[method])
            _deletion(right, own[own["check"] == "deletion"], color=colour)
        _deletion(right, rows[rows["method"] == RANDOM], color="black", ls="--", label="random order")
        left.set_title(f"{VIEW_LABELS[view]}: fresh weights down to", fontsize=9)
        left.set_ylabel("rho with the trained map")
        left.axhline(0, color="#555555", lw=0.8, ls=":")
        right.set_title(f"{VIEW_LABELS[view]}: deletion", fontsize=9)
        right.set_ylabel("fall of the margin, share")
        right.axhline(0, color="#555555", lw=0.8, ls=":")
    axes[-1, 1].set_xlabel("features deleted (%)")
    handles = [pair for axis in axes[0] for pair in zip(*axis.get_legend_handles_labels(), strict=True)]
    drawing.legend(*zip(*handles, strict=True), loc="outside lower center", ncols=min(5, len(handles)), fontsize=8)
    return drawing


def _cascade(axis, rows, colour, label):
    """Rho by level: mean of both classes, bars one SD over splits."""
    levels = list(dict.fromkeys(rows["level"]))
    values = rows.groupby("level", sort=False)[["mean", "sd"]].mean().reindex(levels)
    place = np.arange(1 + len(levels))
    mean, sd = np.r_[1, values["mean"]], np.r_[0, values["sd"].fillna(0)]
    axis.errorbar(place, mean, sd, color=colour, lw=1.6, marker="o", ms=3, capsize=2, label=label)
    axis.set_xticks(place, ["none", *levels], fontsize=7)


def _deletion(axis, rows, **how):
    """Fall by share of features deleted."""
    axis.plot(100 * rows["level"].astype(float), rows["mean"], lw=1.6, marker="o", ms=3, **how)
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axis.minorticks_off()
