"""The page's pictures of the ROIs: connectivity matrix by network, its histogram, coverage by the scan."""

import textwrap
from dataclasses import dataclass

import numpy as np

from gcamccl.connectivity.projection import clean, correlation, missing_rois, nuisance_basis
from gcamccl.preprocess.figures import layout
from gcamccl.report.names import network_order, network_short

HEIGHT = 6.35  # inches
MATRIX = 5.28  # inches a side: two pixels an ROI of 264
MIN_COVERAGE = 0.5  # as connectivity.min_roi_coverage is shipped
FEWEST_DOF = 3  # r of fewer degrees of freedom is 1 or -1, or nearly
BIN = 0.04  # of r
LISTED = 24  # missing ROIs named before "and ... more"


@dataclass
class Connectivity:
    """One person's connectivity as the page shows it.

    Attributes
    ----------
    r : float32 (R, R)
        Pearson r; diagonal 0; NaN rows and columns, diagonal too: ROI missing; all NaN if too few degrees of freedom
        are left.
    missing : bool (R,)
    residual_dof : int
    cleaned : str
        What the time courses were cleaned of.
    """

    r: np.ndarray
    missing: np.ndarray
    residual_dof: int
    cleaned: str


def connectivity(result):
    """Connectivity with the paper's cleaning (section III-A); the group's own settings may differ.

    Parameters
    ----------
    result : gcamccl.preprocess.extract.Result

    Returns
    -------
    Connectivity
    """
    facts, n_volumes = result.quality, len(result.series)
    nyquist = 0.5 / facts["repetition_time_s"]
    high_hz = min(layout.HIGH_HZ, nyquist)
    basis = nuisance_basis(n_volumes, facts["repetition_time_s"], layout.LOW_HZ, high_hz, result.motion)
    missing = missing_rois(result.series, facts["roi_coverage"], MIN_COVERAGE)
    residual_dof = n_volumes - basis.shape[1]
    if residual_dof < FEWEST_DOF:
        r = np.full((len(missing), len(missing)), np.nan, np.float32)
    else:
        r = correlation(clean(np.where(missing, np.nan, result.series), basis))
    r[missing, missing] = np.nan  # the diagonal too
    motion = "motion unknown, so not removed" if result.motion is None else "6 motion parameters"
    top = f"{high_hz:.3g} Hz" + (" (Nyquist)" if high_hz < layout.HIGH_HZ else "")
    cleaned = (
        f"cleaned of trend, {motion} and all outside {layout.LOW_HZ:g} to {top} in one projection "
        f"(the paper's section III-A); {residual_dof} of {n_volumes} degrees of freedom left"
    )
    return Connectivity(r, missing, residual_dof, cleaned)


def draw(figure, top, found, atlas, coverage):
    """Draw matrix, histogram and coverage.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches from the page's top.
    found : Connectivity
    atlas : DataFrame
        As from `gcamccl.atlas.read_atlas`.
    coverage : sequence of float (R,) or None
        Share of each ROI inside the scan.
    """
    layout.heading(figure, top, "Connectivity", f"Pearson r; {found.cleaned}")
    top += 0.5
    order, bands = network_order(atlas["network"])
    axis = layout.place(figure, 1.0, top, MATRIX, MATRIX)
    image = _matrix(axis, found, order, bands)
    layout.colour_bar(figure, image, 1.0 + MATRIX + 0.12, top, MATRIX, "r", (-1, -0.5, 0, 0.5, 1))
    left = 1.0 + MATRIX + 1.65
    width = layout.WIDTH - left - 0.55
    _histogram(layout.place(figure, left, top, width, 1.75), found, atlas["network"].to_numpy())
    _coverage(layout.place(figure, left, top + 2.75, width, 2.3), found.missing, atlas["network"].to_numpy(), bands)
    layout.write(figure, left - 0.6, top + 2.4, "ROI coverage", fontsize=layout.HEADING, fontweight="bold")
    text = missing_text(found.missing, coverage, atlas)
    layout.write(figure, left - 0.6, top + 5.12, textwrap.fill(text, 72), fontsize=layout.SMALL)


def _matrix(axis, found, order, bands):
    axis.set_facecolor(layout.MISSING_COLOUR)  # seen where r is NaN
    image = axis.imshow(
        found.r[np.ix_(order, order)], cmap=layout.colours("RdBu_r"), vmin=-1, vmax=1, interpolation="nearest"
    )
    for _, start, _ in bands[1:]:
        axis.axhline(start - 0.5, color="#333333", lw=0.5)
        axis.axvline(start - 0.5, color="#333333", lw=0.5)
    names = [network_short(name) for name, _, _ in bands]
    places = [(start + stop - 1) / 2 for _, start, stop in bands]
    axis.set_xticks(places, names, rotation=90, fontsize=layout.SMALL)
    axis.set_yticks(places, names, fontsize=layout.SMALL)
    axis.tick_params(length=0, pad=3)
    for side in axis.spines.values():
        side.set_visible(True)
    if found.residual_dof < FEWEST_DOF:
        text = f"not computed: {found.residual_dof} degrees of freedom left"
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=layout.NORMAL)
    return image


def _histogram(axis, found, networks):
    """Histograms of r within and between networks, with their means."""
    a, b = np.triu_indices(len(networks), 1)
    values = found.r[a, b]
    same = networks[a] == networks[b]
    edges = np.arange(-1, 1 + BIN / 2, BIN)
    for chosen, name, colour in (
        (same, "within networks", layout.CURVE_COLOURS[1]),
        (~same, "between networks", layout.CURVE_COLOURS[0]),
    ):
        own = values[chosen & np.isfinite(values)]
        if not own.size:
            continue
        share = np.histogram(own, edges)[0] / own.size
        axis.stairs(100 * share, edges, color=colour, lw=1.5, label=f"{name}: mean {own.mean():.2f}")
        axis.axvline(own.mean(), color=colour, lw=1, ls=(0, (4, 3)), ymax=0.7)
    if not np.isfinite(values).any():
        axis.text(0.5, 0.5, "no r", transform=axis.transAxes, ha="center", va="center")
        return
    axis.set_ylim(0, 1.45 * axis.dataLim.y1)  # room for the legend
    axis.set_xlim(-1, 1)
    axis.legend(loc="upper left", fontsize=layout.SMALL, borderpad=0.1)
    axis.set_xlabel("r", fontsize=layout.SMALL, labelpad=1)
    axis.set_ylabel("connections per bin (%)", fontsize=layout.SMALL)
    axis.tick_params(labelsize=layout.SMALL)


def _coverage(axis, missing, networks, bands):
    """ROIs of each network that are there and that are missing."""
    names = [name for name, _, _ in bands]
    gone = np.array([missing[networks == name].sum() for name in names])
    there = np.array([(~missing[networks == name]).sum() for name in names])
    places = np.arange(len(names))
    axis.barh(places, there, color=layout.CURVE_COLOURS[0], height=0.75, label="used")
    axis.barh(places, gone, left=there, color=layout.MISSING_COLOUR, height=0.75, label="missing")
    largest = (there + gone).max()
    for place in places:
        text = f"{there[place]} of {there[place] + gone[place]}"
        axis.text(
            there[place] + gone[place] + 0.015 * largest,
            place,
            text,
            va="center",
            fontsize=layout.SMALL,
            color=layout.WARNING_COLOUR if gone[place] else "black",
        )
    axis.set_yticks(places, [network_short(name) for name in names], fontsize=layout.SMALL)
    axis.tick_params(length=0, pad=3)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlim(0, 1.18 * largest)
    axis.set_xticks([])
    axis.spines["bottom"].set_visible(False)
    axis.legend(loc="lower right", fontsize=layout.SMALL, borderpad=0.1)


def missing_text(missing, coverage, atlas):
    """Sentence that says how many ROIs are missing, why, and which.

    Parameters
    ----------
    missing : bool (R,)
    coverage : sequence of float (R,) or None
    atlas : DataFrame

    Returns
    -------
    str
    """
    count = int(missing.sum())
    if not count:
        return f"None of {len(missing)} ROIs is missing."
    outside = missing & (np.asarray(coverage) < MIN_COVERAGE) if coverage is not None else np.zeros_like(missing)
    why = []
    if outside.any():
        why.append(f"{int(outside.sum())} with less than {MIN_COVERAGE:.0%} of their voxels inside the scan")
    if (missing & ~outside).any():
        why.append(f"{int((missing & ~outside).sum())} without signal")
    numbers = [str(number) for number in atlas["roi"].to_numpy()[missing]]
    named = ", ".join(numbers[:LISTED]) + (f" and {count - LISTED} more" if count > LISTED else "")
    return f"{count} of {len(missing)} ROIs missing: {', '.join(why)}. ROIs {named}."
