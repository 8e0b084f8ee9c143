"""Selected connections: chord diagram (Fig. 5) and glass brain (Fig. 6)."""

import numpy as np
from matplotlib.patches import PathPatch, Wedge
from matplotlib.path import Path as Curve

from gcamccl.report.figures import style
from gcamccl.report.names import network_order, network_short, roi_label

MAX_EDGES = 60  # more chords than this cannot be told apart on a page
GAP_DEGREES = 1.2
NOTHING = "No connection was {} for either group."


def confirmed(edges):
    """Connections as the figures take them, the confirmed ones in the place of those that the paper's rule selects.

    The strongest are then those of the smallest calibrated q.
    """
    return edges.assign(selected=edges["selected_calibrated"], frequency=-edges["q_calibrated"])


def strongest(edges, limit=MAX_EDGES):
    """The `limit` selected connections of highest frequency, then of largest \\|t\\|, then in the table's order."""
    chosen = edges[edges["selected"]]
    frequency = chosen["frequency"].fillna(-np.inf).to_numpy()
    keys = [np.arange(len(chosen)), -chosen["t"].abs().fillna(0).to_numpy(), -frequency]
    return chosen.iloc[np.lexsort(keys)[:limit]]


def arc_counts(edges):
    """Number of connections at each ROI: dict of ROI number to int."""
    ends, counts = np.unique(edges[["roi_a", "roi_b"]].to_numpy(), return_counts=True)
    return dict(zip(ends.tolist(), counts.tolist(), strict=True))


def arcs(counts, order):
    """Angles of each ROI's arc, in degrees; its length is proportional to its number of connections.

    Parameters
    ----------
    counts : dict of int to int
    order : list of int
        ROI numbers around the circle.

    Returns
    -------
    dict of int to (float, float)
    """
    total = sum(counts.values())
    free = 360.0 - GAP_DEGREES * len(order)
    result, angle = {}, 90.0
    for roi in order:
        width = free * counts[roi] / total
        result[roi] = (angle, angle + width)
        angle += width + GAP_DEGREES
    return result


def chord(edges, rois, word="selected"):
    """Chord diagrams of the selected connections, low beside high group (Fig. 5).

    Parameters
    ----------
    edges : DataFrame
        ``threshold/edges.tsv``.
    rois : DataFrame
        ``connectivity/rois.tsv``.
    word : str
        What was done to the connections drawn.
    """
    if not edges["selected"].any():
        return style.message(NOTHING.format(word))
    drawing, axes = style.figure(11.0, 6.3, columns=2)
    _, bands = network_order(rois["network"])
    colours = style.network_colour([name for name, _, _ in bands])
    used = set()
    for axis, name in zip(axes, ("low", "high"), strict=True):
        own = edges[edges["class"] == name]
        kept = strongest(own)
        total = int(own["selected"].sum())
        shown = f", strongest {len(kept)} shown" if total > len(kept) else ""
        axis.set_title(f"{style.CLASS_LABELS[name]}: {style.thousands(total)} {word}{shown}")
        if kept.empty:
            style.empty(axis, f"no connection was {word}")
            continue
        used |= _circle(axis, kept, rois, colours)
    if used:
        handles = [
            style.plt.Line2D([], [], color=colours[name], lw=5, label=network_short(name))
            for name, _, _ in bands
            if name in used
        ]
        drawing.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 14), fontsize=7.5)
    return drawing


def _circle(axis, kept, rois, colours):
    """One chord diagram; returns the networks in it."""
    table = rois.set_index("roi")
    order_all, _ = network_order(rois["network"])
    place = {roi: rank for rank, roi in enumerate(rois["roi"].to_numpy()[order_all])}
    counts = arc_counts(kept)
    order = sorted(counts, key=place.__getitem__)
    spans = arcs(counts, order)
    cursor = {roi: span[0] for roi, span in spans.items()}
    step = {roi: (span[1] - span[0]) / counts[roi] for roi, span in spans.items()}
    for row in kept.itertuples():
        ends = []
        for roi in (row.roi_a, row.roi_b):
            ends.append((cursor[roi], cursor[roi] + step[roi]))
            cursor[roi] += step[roi]
        axis.add_patch(_ribbon(ends, colours[str(table.loc[row.roi_a, "network"])]))
    for roi, (start, stop) in spans.items():
        network = str(table.loc[roi, "network"])
        axis.add_patch(Wedge((0, 0), 1.06, start, stop, width=0.05, color=colours[network], lw=0))
        middle = (start + stop) / 2
        turn = np.deg2rad(middle)
        flip = 90 < middle % 360 < 270
        axis.text(
            *(1.09 * np.cos(turn), 1.09 * np.sin(turn)),
            roi_label(roi, table.loc[roi, "name"]),
            rotation=middle + 180 if flip else middle,
            rotation_mode="anchor",
            ha="right" if flip else "left",
            va="center",
            fontsize=min(6.8, 720 / len(order)),  # the circle's rim is about 850 points long
        )
    axis.set_xlim(-1.68, 1.68)
    axis.set_ylim(-1.68, 1.68)
    axis.set_aspect("equal")
    axis.set_axis_off()
    return {str(table.loc[roi, "network"]) for roi in order}


def _ribbon(ends, colour):
    """A chord between two arcs of the unit circle, bent towards the centre."""

    def at(angle):
        return np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))

    (a, b), (c, d) = ends
    points = [at(a), at((a + b) / 2), at(b), (0, 0), at(c), at((c + d) / 2), at(d), (0, 0), at(a)]
    codes = [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3, *[Curve.CURVE3] * 2, *[Curve.CURVE3] * 2, *[Curve.CURVE3] * 2]
    return PathPatch(Curve(points, codes), facecolor=colour, edgecolor=colour, alpha=0.55, lw=0.3)


def glass_brain(edges, rois, word="selected"):
    """Selected connections in the brain, three views per class (Fig. 6); the cap is that of the chord diagram."""
    from nilearn import plotting

    if not edges["selected"].any():
        return style.message(NOTHING.format(word))
    drawing = style.plt.figure(figsize=(8.6, 6.0))
    for row, name in enumerate(("low", "high")):
        own = edges[edges["class"] == name]
        kept = strongest(own)
        bottom = 0.5 * (1 - row)
        total = int(own["selected"].sum())
        shown = f", strongest {len(kept)} shown" if total > len(kept) else ""
        drawing.text(
            0.02, bottom + 0.465, f"{style.CLASS_LABELS[name]}: {style.thousands(total)} {word}{shown}", weight="bold"
        )
        if kept.empty:
            drawing.text(0.5, bottom + 0.22, f"no connection was {word}", ha="center", color="#444444")
            continue
        number, inverse = np.unique(kept[["roi_a", "roi_b"]].to_numpy(), return_inverse=True)
        pairs = inverse.reshape(-1, 2)
        weights = np.zeros((len(number), len(number)))
        direction = np.where(kept["t"].fillna(0) < 0, -1.0, 1.0)
        weights[pairs[:, 0], pairs[:, 1]] = weights[pairs[:, 1], pairs[:, 0]] = direction
        places = rois.set_index("roi").loc[number, ["x", "y", "z"]].to_numpy()
        degree = np.array([arc_counts(kept)[roi] for roi in number.tolist()])
        plotting.plot_connectome(
            weights,
            places,
            node_color="#222222",
            node_size=8 + 8 * np.sqrt(degree),
            edge_cmap="RdBu_r",
            edge_vmin=-1.25,
            edge_vmax=1.25,
            edge_kwargs={"linewidth": 1.3, "alpha": 0.85},
            colorbar=False,
            display_mode="ortho",
            figure=drawing,
            axes=(0.0, bottom + 0.01, 1.0, 0.44),
        )
    handles = [
        style.plt.Line2D([], [], color=colour, lw=3, label=text)
        for colour, text in (("#B2182B", "stronger in the high group"), ("#2166AC", "stronger in the low group"))
    ]
    drawing.legend(handles=handles, loc="upper right", fontsize=8, ncols=2)
    return drawing
