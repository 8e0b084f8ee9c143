"""Classification as pictures: Table III with intervals, differences to gCAM-CCL, reliability diagrams."""

import numpy as np

from gcamccl.report import comparison
from gcamccl.report.figures import style

METRICS = comparison.PAPER_METRICS
BLOCKS = {"main": "all views", "view_alone": "each view alone", "confound": "confounds alone"}
ROW, GAP, MARGIN = 0.21, 1.0, 1.5  # inches a row, rows between blocks, inches for titles and legend


def places(table):
    """Vertical places of the rows, with a gap between blocks.

    Returns
    -------
    places : ndarray of float (rows,)
    starts : list of (float, str)
        Place above each block and what to call it.
    """
    found, starts, at, before = [], [], 0.0, None
    for kind in table["kind"]:
        if kind != before:
            at += GAP if before is None else GAP + 0.4
            starts.append((at - 0.95, BLOCKS.get(kind, kind)))
            before = kind
        found.append(at)
        at += 1
    return np.array(found), starts


def _frame(axes, table, where, starts):
    """Row labels, block headings, stripes."""
    axes[0].set_yticks(where, [_short(row) for row in table.itertuples()], fontsize=7.5)
    axes[0].set_ylim(where[-1] + 0.7, where[0] - 1.5)
    for axis in axes:
        axis.grid(axis="x", color="#E3E3E3", lw=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
        for place in where[::2]:
            axis.axhspan(place - 0.5, place + 0.5, color="#F5F5F5", zorder=0, lw=0)
    for place, text in starts:
        axes[0].annotate(
            text,
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7.5,
            style="italic",
            color="#444444",
        )


def _short(row):
    return row.label.replace("connectivity alone", "connect.").replace("SNPs alone", "SNPs")


def classifiers(table, metrics, chance):
    """Table III: mean and interval of each row, the permuted labels' means, the paper's value.

    Parameters
    ----------
    table : DataFrame
        ``compare/table3.tsv``.
    metrics : DataFrame
        ``compare/metrics.tsv``, for the means of each permutation.
    chance : float
        Accuracy of always naming the larger group.
    """
    where, starts = places(table)
    drawing, axes = style.figure(7.8, ROW * (where[-1] + 2) + MARGIN, columns=4, sharey=True)
    nulls = [comparison.null_means(metrics, row.method, row.features) for row in table.itertuples()]
    main = (table["kind"] == "main").to_numpy()
    for axis, metric in zip(axes, METRICS, strict=True):
        ends = [(null[metric].min(), null[metric].max()) if len(null) else (np.nan, np.nan) for null in nulls]
        low, high = np.array(ends).T
        axis.hlines(where, low, high, color=style.COLOURS["permuted"], lw=5, alpha=0.45, zorder=1)
        axis.plot(
            table[f"{metric}_permuted"],
            where,
            "s",
            ms=4,
            mfc="white",
            mec=style.COLOURS["permuted"],
            mew=1.2,
            label="permuted labels: mean, range",
            zorder=2,
        )
        mean = table[f"{metric}_mean"]
        errors = np.abs(np.stack([mean - table[f"{metric}_low"], table[f"{metric}_high"] - mean]))
        for own, filled in ((main, style.COLOURS["high"]), (~main, "white")):
            if own.any():
                axis.errorbar(
                    mean[own],
                    where[own],
                    xerr=np.nan_to_num(errors[:, own]),
                    fmt="o",
                    ms=5,
                    mfc=filled,
                    color=style.COLOURS["high"],
                    elinewidth=1.3,
                    capsize=0,
                    label="mean, confidence interval" if filled != "white" or not main.any() else None,
                    zorder=3,
                )
        axis.plot(table[f"paper_{metric}"], where, "|", ms=10, color="black", mew=1.8, label="paper", zorder=4)
        if metric == "accuracy":
            axis.axvline(chance, color="#555555", lw=0.8, ls=":")
        axis.set_title(comparison.NAMES.get(metric, metric))
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axis.set_xlim(_lowest(table, nulls), 1.03)
    _frame(axes, table, where, starts)
    handles, labels = axes[0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return drawing


def _lowest(table, nulls):
    """Left end of the axes: what is drawn begins a little further right, 0.3 at most."""
    drawn = table[[f"{metric}_{part}" for metric in METRICS for part in ("mean", "low", "permuted")]]
    values = [drawn.to_numpy(float).ravel(), *(null[list(METRICS)].to_numpy().ravel() for null in nulls if len(null))]
    return min(0.3, np.nanmin(np.concatenate(values))) - 0.03


def differences(table, confidence):
    """gCAM-CCL minus every other row, accuracy and AUC, with intervals.

    Parameters
    ----------
    table : DataFrame
        ``compare/differences.tsv``.
    confidence : float
    """
    if table.empty:
        return style.message("Nothing to compare: gCAM-CCL, or every other classifier, was not run.")
    rows = table[table["metric"] == "accuracy"].reset_index(drop=True)
    where, starts = places(rows)
    drawing, axes = style.figure(7.2, ROW * (where[-1] + 2) + MARGIN, columns=2, sharey=True)
    for axis, metric in zip(axes, ("accuracy", "auc"), strict=True):
        own = table[table["metric"] == metric].reset_index(drop=True)
        value = own["difference"].to_numpy(float)
        low, high = own["low"].to_numpy(float), own["high"].to_numpy(float)
        states = np.select([low > 0, high < 0], ["better", "worse"], "open")
        for state, colour, marker, text in (
            ("better", style.COLOURS["high"], "o", "gCAM-CCL better: interval above 0"),
            ("open", "#555555", "o", "not told apart, or no interval"),
            ("worse", style.COLOURS["low"], "D", "gCAM-CCL worse: interval below 0"),
        ):
            there = states == state
            axis.hlines(where[there], low[there], high[there], color=colour, lw=1.6, zorder=2)
            axis.plot(
                value[there],
                where[there],
                marker,
                ms=5.5,
                mfc="white" if state == "open" else colour,
                mec=colour if state == "open" else "black",
                mew=1.2 if state == "open" else 0.5,
                ls="",
                label=text,
                zorder=3,
            )
        axis.axvline(0, color="black", lw=0.9)
        reach = np.nanmax(np.abs(np.concatenate([value, low, high, [0.05]]))) * 1.08
        axis.set_xlim(-reach, reach)
        axis.set_title(comparison.NAMES.get(metric, metric))
        axis.set_xlabel("gCAM-CCL minus the other")
    _frame(axes, rows, where, starts)
    handles, labels = axes[0].get_legend_handles_labels()
    drawing.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        title=f"{confidence:.0%} intervals, same splits",
    )
    return drawing


def calibration(bins, table3):
    """Reliability diagrams of the main rows: share of high against the probability stated.

    Parameters
    ----------
    bins : DataFrame
        ``compare/calibration.tsv``.
    table3 : DataFrame
        ``compare/table3.tsv``: slope and expected calibration error.
    """
    rows = table3[table3["kind"] == "main"]
    if rows.empty:
        return style.message("No classifier of all views was run.")
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    drawing, axes = style.figure(
        max(1.9 * columns, 4.2),
        2.3 * lines + 0.4,
        rows=lines,
        columns=columns,
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for axis in axes.flat[len(rows) :]:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, rows.itertuples(), strict=False):
        own = bins[(bins["method"] == row.method) & (bins["features"] == row.features)]
        network = row.method == "gcamccl"
        colour = style.COLOURS["high"] if network else "#555555"
        axis.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
        axis.vlines(own["p_high"], own["low"], own["high"], color=colour, lw=1.1, alpha=0.7)
        share = own["n"] / own["n"].sum()
        axis.scatter(
            own["p_high"], own["observed"], s=8 + 130 * share, color=colour, edgecolor="white", lw=0.5, zorder=3
        )
        axis.set_title(f"{row.label}, raw outputs" if network else row.label, fontsize=8.5, pad=14)
        slope = f"{row.calibration_slope:.2f}" if row.calibration_slope == row.calibration_slope else "none"
        text = f"slope {slope}, ECE {row.expected_calibration_error:.2f}"
        axis.text(0.5, 1.03, text, transform=axis.transAxes, ha="center", fontsize=7.5)
        axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
        axis.set_aspect("equal")
    drawing.supxlabel("probability of high stated", fontsize=8.5)
    drawing.supylabel("share who are high", fontsize=8.5)
    return drawing
