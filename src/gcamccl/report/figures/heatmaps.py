"""Matrices by network: mean connectivity, and the counterparts of Figs. 2, 3 and 4."""

import numpy as np

from gcamccl.report.figures import style
from gcamccl.report.maps import GREY_LEVELS, HISTOGRAM_BINS, likeness, square
from gcamccl.report.names import METHOD_LABELS, network_order, network_short

NOTHING = "No map was made, or all are zero everywhere."


def made_by(summaries, methods, classes, view="connectivity"):
    """Methods with a map of a view that is not zero everywhere, of the true labels and one of `classes`."""
    return [
        method
        for method in methods
        if any(
            place in summaries and summaries[place].n_maps
            for place in ((method, view, name, False) for name in classes)
        )
    ]


def by_network(axis, matrix, order, bands, limit=None, signed=True):
    """Draw a ROI x ROI matrix ordered by network, with network boundaries and labels; returns the image."""
    limit = limit or float(np.nanpercentile(np.abs(matrix), 99.5)) or 1.0
    image = axis.imshow(
        matrix[np.ix_(order, order)],
        cmap="RdBu_r" if signed else "viridis",
        vmin=-limit if signed else 0,
        vmax=limit,
        interpolation="nearest",
    )
    for _, start, _ in bands[1:]:
        axis.axhline(start - 0.5, color="#333333" if signed else "white", lw=0.4)
        axis.axvline(start - 0.5, color="#333333" if signed else "white", lw=0.4)
    wide = [(network_short(name), (start + stop - 1) / 2) for name, start, stop in bands]
    axis.set_xticks([place for _, place in wide], [name for name, _ in wide], rotation=90, fontsize=6)
    axis.set_yticks([place for _, place in wide], [name for name, _ in wide], fontsize=6)
    axis.tick_params(length=0, pad=1.5)
    for side in axis.spines.values():
        side.set_visible(True)
    return image


def connectivity(mean, difference, networks):
    """Mean connectivity of everybody kept, and high minus low group.

    Parameters
    ----------
    mean, difference : ndarray, float (R, R)
        Pearson r (or Fisher z); NaN where no person has the ROI.
    networks : sequence of str (R,)
    """
    order, bands = network_order(networks)
    drawing, axes = style.figure(7.2, 3.2, columns=2)
    for axis, matrix, title in ((axes[0], mean, "mean of all kept"), (axes[1], difference, "high minus low group")):
        image = by_network(axis, matrix, order, bands)
        axis.set_title(title)
        bar = drawing.colorbar(image, ax=axis, shrink=0.75, pad=0.02, extend="both")
        bar.ax.tick_params(labelsize=7)
        bar.set_label("connectivity" if axis is axes[0] else "difference", fontsize=8)
    return drawing


def activation(summaries, name, networks, methods=("gradcam", "guided_gradcam")):
    """Mean maps of one class over held-out people: one row a method, true labels beside permuted ones (Figs. 2, 3)."""
    present = made_by(summaries, methods, [name])
    if not present:
        return style.message(NOTHING)
    order, bands = network_order(networks)
    drawing, axes = style.figure(7.2, 3.7 * len(present), rows=len(present), columns=2, squeeze=False)
    for row, method in zip(axes, present, strict=True):
        pair = [summaries.get((method, "connectivity", name, permuted)) for permuted in (False, True)]
        made = [part for part in pair if part is not None and part.n_maps]
        signed = any(part.mean.min() < -0.01 * np.abs(part.mean).max() for part in made)
        limit = max((np.percentile(np.abs(part.mean), 99.5) for part in made), default=1.0) or 1.0
        same = likeness(summaries, method, "connectivity", name)
        for axis, part, title in zip(row, pair, ("labels", "permuted labels"), strict=True):
            label = METHOD_LABELS.get(method, method)
            if part is None or not part.n_maps:
                style.empty(axis, f"{label}, {title}:\nno map that is not zero everywhere")
                continue
            image = by_network(axis, square(part.mean, len(networks)), order, bands, limit, signed)
            note = (
                f"\nr with left map {round(same, 2) + 0.0:.2f}" if title == "permuted labels" and same == same else "\n"
            )
            axis.set_title(f"{label}, {title}{note}", fontsize=8.5)
        if made:
            bar = drawing.colorbar(image, ax=list(row), shrink=0.75, pad=0.02, extend="both" if signed else "max")
            bar.ax.tick_params(labelsize=7)
            bar.set_label("mean of maps, each divided by its maximum", fontsize=7.5)
    return drawing


def histograms(summaries, view="connectivity", methods=("gradcam", "guided_gradcam")):
    """Mean histogram of grey values of the activation maps of a view, low beside high group (Fig. 4)."""
    present = made_by(summaries, methods, ["low", "high"], view)
    if not present:
        return style.message(NOTHING)
    drawing, axes = style.figure(
        7.2, 2.5 * len(present), rows=len(present), columns=2, squeeze=False, sharex=True, sharey="row"
    )
    edges = np.linspace(0, GREY_LEVELS - 1, HISTOGRAM_BINS + 1)
    for row, method in zip(axes, present, strict=True):
        for axis, name in zip(row, ("low", "high"), strict=True):
            part = summaries.get((method, view, name, False))
            permuted = summaries.get((method, view, name, True))
            axis.set_title(f"{METHOD_LABELS.get(method, method)}, {style.CLASS_LABELS[name]}", fontsize=9)
            if part is None or not part.n_maps:
                style.empty(axis, "no map that is not zero everywhere")
                continue
            axis.stairs(100 * part.histogram, edges, fill=True, color=style.COLOURS[name], label="labels")
            if permuted is not None and permuted.n_maps:
                axis.stairs(
                    100 * permuted.histogram, edges, color="black", lw=1, ls=(0, (3, 2)), label="permuted labels"
                )
            axis.axvline(0.05 * (GREY_LEVELS - 1), color="#555555", lw=0.8, ls=":")
            style.log_scale(axis)
            if axis is axes[0, 0]:
                axis.legend(fontsize=7.5)
        row[0].set_ylabel(f"{'connections' if view == 'connectivity' else 'SNPs'} per bin (%)")
    for axis in axes[-1]:
        axis.set_xlabel("grey value (255 x |map| / largest |map|)")
    return drawing
