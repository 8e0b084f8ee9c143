"""The page's pictures of the head: mean image and SFNR in the scan's own space, registration in MNI152 space."""

import nibabel
import numpy as np
from scipy import ndimage

from gcamccl.preprocess.figures import layout
from gcamccl.preprocess.figures.sampling import PLANE_STEP_MM, mni_at, planes

NATIVE_HEIGHT = 1.62  # inches of a row of slices
AXIAL_HEIGHT, SIDE_HEIGHT = 2.84, 1.93
TITLE_HEIGHT, ROW_GAP = 0.22, 0.14
BAR_WIDTH = 0.85
N_AXIAL = 6
HEAD_SHARE = (0.08, 0.92)  # of the brain's height, where axial slices show something
MARGIN_MM = 8.0  # around the brain
BRIGHTEST = 99.0  # percentile at which grey scales end: vessels and fluid are brighter
BRAIN_COLOUR, WHITE_COLOUR = "#E69F00", "#56B4E9"  # Okabe and Ito
OUTSIDE_COLOUR = "#5A5A5A"
OUTLINE_SMOOTHING = 3  # points; the maps' outlines have steps of a voxel
# Of each axis of a plane: letters at the left, right, lower and upper side.
LETTERS = {0: ("P", "A", "I", "S"), 1: ("L", "R", "I", "S"), 2: ("L", "R", "P", "A")}


def to_ras(image, affine):
    """An image with its axes flipped and exchanged so that they run to the right, to the front, upwards.

    Parameters
    ----------
    image : (x, y, z)
    affine : float64 (4, 4)
        Voxel to world, mm.

    Returns
    -------
    image : (x, y, z)
        Oblique scans keep their slant of up to 45 degrees.
    voxel_mm : float64 (3,)
        Edges of its voxels.
    """
    orientation = nibabel.io_orientation(affine)
    turned = affine @ nibabel.orientations.inv_ornt_aff(orientation, image.shape)
    return nibabel.apply_orientation(image, orientation), nibabel.affines.voxel_sizes(turned)


def native_slices(brain, voxel_mm):
    """Slices that show the brain, and the box to cut them to.

    Parameters
    ----------
    brain : bool (x, y, z)
    voxel_mm : float (3,)

    Returns
    -------
    list of (axis, index)
    list of slice
        One an axis.
    """
    spans = []
    for axis in range(3):
        there = np.flatnonzero(brain.any(axis=tuple(other for other in range(3) if other != axis)))
        spans.append((there[0], there[-1]))
    box = []
    for (low, high), size, length in zip(spans, voxel_mm, brain.shape, strict=True):
        margin = int(np.ceil(MARGIN_MM / size))
        box.append(slice(max(0, low - margin), min(length, high + margin + 1)))
    low, high = spans[2]
    heights = low + np.linspace(*HEAD_SHARE, N_AXIAL) * (high - low)
    chosen = [(2, round(place)) for place in heights]
    chosen += [(axis, round(sum(spans[axis]) / 2)) for axis in (1, 0)]
    return chosen, box


def _row(figure, top, pictures, space, width):
    """Empty places for pictures side by side, all at one scale, in one axes: each axes costs as much as ten pictures.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches from the page's top.
    pictures : list of (axis, (width_mm, height_mm), title)
        `axis` is the one that the plane cuts.
    space, width : float
        Height and width to fill, inches.

    Returns
    -------
    Axes
        Its unit is the inch.
    list of (left, right, bottom, top)
        Place of each picture in it.
    """
    gap = 0.1
    wide = sum(size[0] for _, size, _ in pictures)
    scale = min(
        (width - gap * (len(pictures) - 1)) / wide,
        space / max(size[1] for _, size, _ in pictures),
    )
    gap = min(0.3, (width - scale * wide) / max(1, len(pictures) - 1))
    axes = layout.place(figure, layout.MARGIN, top, width, space)
    axes.set_axis_off()
    left, places = 0.0, []
    for axis, size, title in pictures:
        right, high = left + scale * size[0], scale * size[1]
        places.append((left, right, 0.0, high))
        axes.text((left + right) / 2, high + 0.04, title, ha="center", va="bottom", fontsize=layout.SMALL)
        for letter, x, y, ha, va in zip(
            LETTERS[axis],
            (left + 0.03, right - 0.03, (left + right) / 2, (left + right) / 2),
            (high / 2, high / 2, 0.02, high - 0.02),
            ("left", "right", "center", "center"),
            ("center", "center", "bottom", "top"),
            strict=True,
        ):
            axes.text(x, y, letter, ha=ha, va=va, color="white", fontsize=8, fontweight="bold")
        left = right + gap
    return axes, places


def _fix(axes, space, width):
    """Undo what pictures did to the axes' limits: one unit is an inch again."""
    axes.set_xlim(0, width)
    axes.set_ylim(0, space)


def _show(axes, image, place, **kwargs):
    """An image (rows upwards) filling its place; pixels may be oblong."""
    return axes.imshow(image, extent=place, origin="lower", aspect="auto", **kwargs)


def native_height():
    """Inches that `native` takes."""
    return 2 * (0.31 + NATIVE_HEIGHT + TITLE_HEIGHT + ROW_GAP) + 0.1


def native(figure, top, pictures):
    """Mean image above, SFNR below, both in the scan's own voxels.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches from the page's top.
    pictures : dict
        ``mean``, ``sfnr`` float32 (x, y, z), the latter 0 outside the brain; ``affine``.
    """
    mean, voxel_mm = to_ras(pictures["mean"], pictures["affine"])
    ratio, _ = to_ras(pictures["sfnr"], pictures["affine"])
    brain = ratio > 0 if (ratio > 0).any() else mean > 0  # SFNR is nowhere known if nothing fluctuates
    chosen, box = native_slices(brain, voxel_mm)
    for image, name, note, colour_map, steps in (
        (mean, "Mean of the realigned volumes", "scanner units; slices counted from 0", "gray", layout.SMOOTH_STEPS),
        (
            ratio,
            "SFNR",
            "mean over SD of each voxel's time course without its second-order trend; not smoothed",
            "viridis",
            layout.NOISY_STEPS,
        ),
    ):
        layout.heading(figure, top, name, note)
        top += 0.31 + TITLE_HEIGHT
        highest = np.percentile(image[brain], BRIGHTEST) or 1
        colours = layout.colours(colour_map, steps)
        row, cut = [], []
        for axis, index in chosen:
            rest = [other for other in range(3) if other != axis]
            plane = image.take(index, axis=axis)[tuple(box[other] for other in rest)].T
            size = [plane.shape[1] * voxel_mm[rest[0]], plane.shape[0] * voxel_mm[rest[1]]]
            row.append((axis, size, f"{'xyz'[axis]} slice {index}"))
            cut.append(plane)
        width = layout.WIDTH - 2 * layout.MARGIN - BAR_WIDTH
        axes, places = _row(figure, top, row, NATIVE_HEIGHT, width)
        for plane, place in zip(cut, places, strict=True):
            shown = _show(axes, plane, place, cmap=colours, vmin=0, vmax=highest, interpolation="nearest")
        _fix(axes, NATIVE_HEIGHT, width)
        left = layout.WIDTH - layout.MARGIN - BAR_WIDTH + 0.2
        layout.colour_bar(figure, shown, left, top, NATIVE_HEIGHT, "signal" if image is mean else "SFNR")
        top += NATIVE_HEIGHT + ROW_GAP + 0.1


def registration_height():
    """Inches that `registration` takes."""
    return 0.31 + AXIAL_HEIGHT + SIDE_HEIGHT + 2 * (TITLE_HEIGHT + ROW_GAP)


def registration(figure, top, values):
    """Mean image carried to MNI152 space, with the outlines of MNI152's brain and white matter.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches from the page's top.
    values : float (n,)
        Mean image at `gcamccl.preprocess.figures.sampling.slice_points`; NaN outside the scan.
    """
    shown = planes()
    points = np.concatenate([plane.points.reshape(-1, 3) for plane in shown])
    outlines = mni_at(points, ("brain", "white"))
    inside = values[(outlines[0] > 0) & np.isfinite(values)]
    highest = np.percentile(inside, BRIGHTEST) if inside.size else 1
    layout.heading(
        figure,
        top,
        "Registration",
        "mean image in MNI152 space, mm; orange: edge of MNI152's brain, blue: its grey-white boundary; grey: no data",
    )
    top += 0.31 + TITLE_HEIGHT
    pieces = np.cumsum([0, *(plane.points[..., 0].size for plane in shown)])
    colours, width = (
        layout.colours("gray", layout.SMOOTH_STEPS).with_extremes(bad=OUTSIDE_COLOUR),
        layout.WIDTH - 2 * layout.MARGIN,
    )
    for space, kinds in ((AXIAL_HEIGHT, (2,)), (SIDE_HEIGHT, (1, 0))):
        row, layers = [], []
        for number, plane in enumerate(shown):
            if plane.axis not in kinds:
                continue
            shape = plane.points.shape[:2]
            size = [PLANE_STEP_MM * length for length in shape[::-1]]
            row.append((plane.axis, size, f"{'xyz'[plane.axis]} = {plane.height} mm"))
            part = slice(pieces[number], pieces[number + 1])
            layers.append([one[part].reshape(shape) for one in (values, *outlines)])
        axes, places = _row(figure, top, row, space, width)
        for (image, *edges), place in zip(layers, places, strict=True):
            _show(
                axes,
                image,
                place,
                cmap=colours,
                vmin=0,
                vmax=highest,
                interpolation="bilinear",
                interpolation_stage="data",
            )
            for outline, colour in zip(edges, (BRAIN_COLOUR, WHITE_COLOUR), strict=True):
                smooth = ndimage.uniform_filter(outline, OUTLINE_SMOOTHING)
                axes.contour(smooth, levels=[0.5], colors=colour, linewidths=0.9, extent=place, origin="lower")
        _fix(axes, space, width)
        top += space + ROW_GAP + TITLE_HEIGHT
