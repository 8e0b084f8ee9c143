"""Scan quality of everybody: motion against SFNR with the limits, framewise displacement, QC-FC correlations."""

import numpy as np

from gcamccl.report.figures import style
from gcamccl.report.names import REASONS as WORDS

KEPT_COLOUR = "#56B4E9"
# Reason of exclusion (a setting of the connectivity stage) -> label, colour, marker; markers alone tell them apart too.
REASONS = {
    reason: (WORDS[reason], colour, marker)
    for reason, colour, marker in (
        ("max_translation_mm", "#D55E00", "X"),
        ("min_sfnr", "#CC79A7", "v"),
        ("min_registration_dice", "#F0E442", "^"),
        ("min_t1w_gain", "#0072B2", "<"),
        ("max_missing_rois", "#009E73", "s"),
        ("min_residual_dof", "#E69F00", "D"),
    )
}
SEVERAL = ("several reasons", "#000000", "P")
OTHER = ("another reason", "#6C6C6C", "p")
METRICS = {
    "sfnr_global": "SFNR of the whole brain",
    "sfnr_roi_median": "SFNR, median of ROIs",
    "sfnr_voxel_median": "SFNR, median of voxels",
}
DEFAULT_METRIC = "sfnr_global"  # as shipped
TICKS_MM = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
SMALLEST_MM = 0.01  # a head that did not move at all, on a logarithmic scale
FD_BINS = 24
DISTANCE_BIN_MM = 10.0
FEWEST_IN_BIN = 20  # a mean of fewer connections is not drawn
R_BINS = 60


def reason_of(quality, excluded):
    """Why each person with a scan is left out.

    Parameters
    ----------
    quality : DataFrame
        participant_id.
    excluded : DataFrame
        participant_id, reason; a row a reason.

    Returns
    -------
    list of str
        In the order of `quality`: empty (kept), a name of `REASONS`, ``several``, ``other`` or ``no_scan``.
    """
    found = excluded.groupby("participant_id")["reason"].agg(list)
    out = []
    for name in quality["participant_id"]:
        reasons = found.get(name, [])
        if len(reasons) > 1:
            out.append("several")
        elif reasons:
            out.append(reasons[0] if reasons[0] in REASONS or reasons[0] == "no_scan" else "other")
        else:
            out.append("")
    return out


def scatter(quality, excluded, settings):
    """Largest translation against SFNR, and the distribution of mean framewise displacement.

    Parameters
    ----------
    quality : DataFrame
        participant_id, max_translation_mm, mean_fd_mm and the SFNR metric of `settings`
        (``connectivity/group_bold_qc.tsv``).
    excluded : DataFrame
        participant_id, reason.
    settings : dict
        Config section ``connectivity``; a limit that it lacks is not drawn.

    Returns
    -------
    Figure
    """
    quality = quality.assign(why=reason_of(quality, excluded))
    quality = quality[quality["why"] != "no_scan"]
    metric = settings.get("sfnr_metric", DEFAULT_METRIC)
    known = quality[metric].notna()
    if not known.any() and quality["mean_fd_mm"].isna().all():
        return style.message("Neither SFNR nor motion is known of anybody.")
    moving, unknown = (
        quality[known & quality["max_translation_mm"].notna()],
        quality[known & quality["max_translation_mm"].isna()],
    )
    widths = (2.2, 0.9, 1.4) if moving.empty else (0.55 if len(unknown) else 0.01, 2.6, 2.0)
    drawing, axes = style.figure(7.2, 3.7, columns=3, width_ratios=widths)
    strip, plane, histogram = axes
    strip.sharey(plane)
    _people(plane, moving["max_translation_mm"].clip(lower=SMALLEST_MM), moving, metric)
    _plane(plane, moving, settings)
    if len(unknown):
        # One after the other in the table's order, so that dots of the same SFNR do not hide each other.
        _people(strip, np.linspace(0.15, 0.85, len(unknown)) if len(unknown) > 1 else [0.5], unknown, metric)
        strip.set_xlim(0, 1)
        strip.set_xticks([0.5], ["unknown"])
        _limits(strip, min_sfnr=settings.get("min_sfnr"))
        strip.set_ylabel(METRICS.get(metric, metric))
        plane.tick_params(labelleft=False)
    else:
        strip.set_visible(False)
        plane.set_ylabel(METRICS.get(metric, metric))
    _displacement(histogram, quality)
    handles = {}
    for axis in (plane, strip):
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    counts = quality["why"].map(_label).value_counts()
    labels = [f"{label} ({counts[label]})" if label in counts else label for label in handles]
    drawing.legend(list(handles.values()), labels, loc="outside lower center", ncols=4, fontsize=8)
    return drawing


def _label(why):
    return {"": "kept", "several": SEVERAL[0], "other": OTHER[0]}.get(why) or REASONS[why][0]


def _people(axis, places, table, metric):
    """Dots of people, kept ones below those left out."""
    places = np.asarray(places, float)
    kinds = {"": ("kept", KEPT_COLOUR, "o"), **REASONS, "several": SEVERAL, "other": OTHER}
    for why, (label, colour, marker) in kinds.items():
        own = (table["why"] == why).to_numpy()
        if own.any():
            axis.scatter(
                places[own],
                table.loc[own, metric],
                s=16 if why == "" else 34,
                c=colour,
                marker=marker,
                edgecolor="#1B4F72" if why == "" else "black",
                lw=0.4,
                label=label,
                zorder=2 if why == "" else 3,
            )


def _limits(axis, max_translation_mm=None, min_sfnr=None):
    """Dashed lines at the limits that there are."""
    style_of_line = {"color": "#555555", "lw": 0.9, "ls": (0, (4, 3)), "label": "limits"}
    if max_translation_mm is not None:
        axis.axvline(max_translation_mm, **style_of_line)
    if min_sfnr is not None:
        axis.axhline(min_sfnr, **style_of_line)


def _plane(axis, table, settings):
    """Scale, limits and names of the plane of translation and SFNR."""
    limit = settings.get("max_translation_mm")
    if table.empty:
        style.empty(axis, "translation is unknown\nof everybody")
        return
    axis.set_xscale("log")
    axis.set_xticks(TICKS_MM, [f"{value:g}" for value in TICKS_MM])
    axis.xaxis.set_minor_formatter(style.NullFormatter())
    lowest = table["max_translation_mm"].clip(lower=SMALLEST_MM).min()
    axis.set_xlim(0.8 * lowest, 1.25 * max(table["max_translation_mm"].max(), limit or 0))
    _limits(axis, limit, settings.get("min_sfnr"))
    axis.set_xlabel("largest translation (mm)")
    axis.set_title("motion and noise")


def _displacement(axis, quality):
    """Histogram of mean framewise displacement, those left out on top of those kept."""
    known = quality[quality["mean_fd_mm"].notna()]
    axis.set_title("framewise displacement")
    if known.empty:
        style.empty(axis, "unknown of everybody")
        return
    kept = known["why"] == ""
    edges = np.linspace(0, known["mean_fd_mm"].max() * 1.02 + 1e-6, FD_BINS + 1)
    axis.hist(
        [known.loc[kept, "mean_fd_mm"], known.loc[~kept, "mean_fd_mm"]],
        bins=edges,
        stacked=True,
        color=[KEPT_COLOUR, "#444444"],
        label=["kept", "left out"],
    )
    middle = known["mean_fd_mm"].median()
    axis.axvline(middle, color="black", lw=1, ls=":", label=f"median {middle:.2f} mm")
    axis.set_xlabel("mean over the scan (mm)")
    axis.set_ylabel("people")
    axis.yaxis.set_major_locator(style.plt.MaxNLocator(5, integer=True))
    axis.legend(fontsize=7.5)


def note(quality, excluded, settings):
    """How many people the figure cannot show, and why.

    Parameters
    ----------
    As of `scatter`.

    Returns
    -------
    str
    """
    why = np.array(reason_of(quality, excluded), dtype=object)
    scanned = quality[why != "no_scan"]
    parts = [f"{len(scanned):,} people with scans"]
    for column, text in (
        ("max_translation_mm", "translation unknown"),
        (settings.get("sfnr_metric", DEFAULT_METRIC), "SFNR unknown (not in the left plot)"),
        ("mean_fd_mm", "framewise displacement unknown"),
    ):
        count = int(scanned[column].isna().sum())
        if count:
            parts.append(f"{text}: {count:,}")
    absent = int((why == "no_scan").sum())
    if absent:
        parts.append(f"no scan: {absent:,}")
    return "; ".join(parts) + "."


def qc_fc(table, reason=None):
    """QC-FC: how connections go with motion across people, against the distance of their ROIs, and its histogram.

    Parameters
    ----------
    table : DataFrame
        A row a connection: distance_mm, r (correlation over people of connectivity and mean framewise displacement;
        missing where it could not be computed), n (people it was computed from).
    reason : str, optional
        Why none could be computed.
    Returns
    -------
    Figure
        Left: counts of connections, their mean r by distance. Right: histogram, and the normal distribution that r
        would follow if motion had no influence.
    """
    known = table[table["r"].notna()]
    if known.empty:
        why = f":\n{reason}." if isinstance(reason, str) else "."
        return style.message(f"QC-FC: no correlation with motion could be computed{why}")
    drawing, axes = style.figure(7.2, 3.1, columns=2, width_ratios=(1.5, 1))
    plane, histogram = axes
    distance, r = known["distance_mm"].to_numpy(float), known["r"].to_numpy(float)
    limit = max(1.05 * np.abs(r).max(), 0.1)
    counts = plane.hexbin(
        distance, r, gridsize=(45, 25), extent=(0, distance.max(), -limit, limit), bins="log", mincnt=1, cmap="Greys"
    )
    bar = drawing.colorbar(counts, ax=plane, pad=0.02, format=lambda value, _: f"{value:g}")
    bar.ax.yaxis.set_minor_formatter(style.NullFormatter())
    bar.ax.tick_params(labelsize=7.5)
    bar.set_label("connections", fontsize=8)
    places, means = binned_mean(distance, r)
    plane.plot(places, means, "o-", ms=4, color="#D55E00", lw=1.6, label="mean by distance")
    plane.axhline(0, color="black", lw=0.8)
    slope = known["distance_mm"].rank().corr(known["r"].rank())
    plane.set_title(f"by distance: Spearman’s rho {slope:.2f}")
    plane.set_xlabel("distance of the ROIs (mm)")
    plane.set_ylabel("QC-FC correlation r")
    plane.set_ylim(-limit, limit)
    plane.legend(fontsize=7.5, loc="lower right")
    edges = np.linspace(-limit, limit, R_BINS + 1)
    histogram.hist(r, bins=edges, color="#A9A9A9", label="connections")
    spread = 1 / np.sqrt(known["n"].median() - 1)  # SD of r over samples of this size if the true r is 0
    centres = (edges[:-1] + edges[1:]) / 2
    expected = len(r) * np.diff(edges) * np.exp(-0.5 * (centres / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    histogram.plot(centres, expected, color="black", lw=1.1, ls=(0, (4, 3)), label="without influence")
    histogram.axvline(r.mean(), color="#D55E00", lw=1.4, label=f"mean {r.mean():.2f}", ymax=0.7)
    histogram.set_title(f"median |r| {np.median(np.abs(r)):.2f}")
    histogram.set_xlabel("QC-FC correlation r")
    histogram.set_ylabel("connections")
    histogram.set_ylim(0, 1.45 * histogram.get_ylim()[1])  # room for the legend
    histogram.legend(fontsize=7.5, loc="upper left")
    return drawing


def binned_mean(distance, r):
    """Mean of `r` in bins of `DISTANCE_BIN_MM`; bins of fewer than `FEWEST_IN_BIN` connections are left out.

    Returns
    -------
    centres : float64 (bins,)
        mm.
    means : float64 (bins,)
    """
    bins = (np.asarray(distance) // DISTANCE_BIN_MM).astype(int)
    counts = np.bincount(bins)
    sums = np.bincount(bins, r)
    wide = counts >= FEWEST_IN_BIN
    return (np.flatnonzero(wide) + 0.5) * DISTANCE_BIN_MM, sums[wide] / counts[wide]
