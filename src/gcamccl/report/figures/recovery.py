"""Simulated studies only: what was planted against what was found."""

import numpy as np

from gcamccl.report.figures import style

RULES = {
    "paper's rule": ("o", style.COLOURS["high"]),
    "calibrated q": ("s", style.COLOURS["accent"]),
    "univariate q": ("D", style.COLOURS["low"]),
}


def panel(planted):
    """Precision and recall of each way of selecting, for connections, SNPs and genes.

    Parameters
    ----------
    planted : DataFrame
        `gcamccl.report.truth.recovery`.
    """
    table = planted[planted["what"] != "gene set"]
    rows = [(what, name) for what in ("connections", "SNPs", "genes") for name in ("low", "high", "any")]
    rows = [pair for pair in rows if ((table["what"] == pair[0]) & (table["class"] == pair[1])).any()]
    if not rows:
        return style.message("Nothing was planted in this study.")
    drawing, axes = style.figure(7.2, 0.36 * len(rows) + 1.4, columns=2, sharey=True)
    for axis, measure in zip(axes, ("precision", "recall"), strict=True):
        for rule, (marker, colour) in RULES.items():
            own = table[table["rule"] == rule]
            found = [own[(own["what"] == what) & (own["class"] == name)] for what, name in rows]
            values = [float(part[measure].iloc[0]) if len(part) else np.nan for part in found]
            axis.plot(values, np.arange(len(rows)), marker, ms=7, color=colour, mec="black", mew=0.6, ls="", label=rule)
        if measure == "precision":
            # all rules of a row: they can have different planted features
            places = [rows.index(pair) for pair in zip(table["what"], table["class"], strict=True)]
            base = table["base_rate"].astype(float)
            axis.plot(base, places, "|", ms=14, mew=1.8, color="black", label="share planted (chance)")
        axis.set_title(measure)
        axis.set_xlim(-0.03, 1.03)
        axis.grid(axis="both", color="#E8E8E8", lw=0.6)
        axis.set_axisbelow(True)
    axes[0].set_yticks(
        np.arange(len(rows)), [f"{what}, {'either group' if name == 'any' else name}" for what, name in rows]
    )
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return drawing
