"""One page of pictures per scan: key figures, motion, carpet plot, mean image, SFNR, registration, connectivity."""

import textwrap

import numpy as np

from gcamccl.preprocess import quality
from gcamccl.preprocess.figures import curves, layout, rois, slices

ROUTES = {"raw": "raw scan", "fmriprep": "fMRIPrep output"}
WARNING_LETTERS = 165  # a line of the page
LINE = 0.215  # inches
COLUMNS = (0.0, 3.4, 8.3)  # inches from the margin
NAME_WIDTHS = (1.45, 1.95, 1.65)


def page(path, result, atlas):
    """Draw the page and write it.

    Parameters
    ----------
    path : str or Path
        PNG.
    result : gcamccl.preprocess.person.Result
        With pictures.
    atlas : DataFrame
        As from `gcamccl.atlas.read_atlas`.
    """
    from PIL import Image

    from gcamccl.report.figures import style

    with style.styled():
        figure = draw(result, atlas)
        figure.canvas.draw()
        colours = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        # Higher compression levels cost a second and save a twentieth.
        Image.fromarray(np.ascontiguousarray(colours)).save(path, format="PNG", compress_level=6)
        style.plt.close(figure)


def draw(result, atlas):
    """The page as a figure; parameters as of `page`.

    Returns
    -------
    Figure
    """
    from gcamccl.report.figures import style

    facts = result.quality
    found = rois.connectivity(result)
    warnings = [line for text in facts["warnings"] for line in textwrap.wrap(f"Warning: {text}", WARNING_LETTERS)]
    starts, top = {}, 0.3
    for name, height in (
        ("header", 0.5 + 5 * LINE + LINE * len(warnings) + 0.25),
        ("curves", 0.35 + curves.height(result.motion, result.global_signal)),
        ("native", 0.1 + slices.native_height()),
        ("registration", 0.15 + slices.registration_height()),
        ("rois", rois.HEIGHT),
    ):
        starts[name] = top
        top += height
    figure = style.plt.figure(figsize=(layout.WIDTH, top + 0.1), dpi=layout.DPI)
    _header(figure, starts["header"], result, found, warnings)
    layout.heading(
        figure,
        starts["curves"],
        "Over time",
        "carpet plot: second-order trend removed; in each tissue the top of the head is above",
    )
    curves.draw(figure, starts["curves"] + 0.4, result)
    slices.native(figure, starts["native"], result.pictures)
    slices.registration(figure, starts["registration"], result.pictures["slices"])
    rois.draw(figure, starts["rois"], found, atlas, facts["roi_coverage"])
    return figure


def key_figures(result, found):
    """The header's table.

    Parameters
    ----------
    result : gcamccl.preprocess.person.Result
    found : gcamccl.preprocess.figures.rois.Connectivity

    Returns
    -------
    list of list of (str, str, bool)
        Columns of name, value, whether the value breaks one of the paper's limits.
    """
    facts = result.quality
    sizes = slices.to_ras(result.pictures["mean"], result.pictures["affine"])[1]
    minutes = facts["n_volumes"] * facts["repetition_time_s"] / 60
    shift, ratio, missing = facts["max_translation_mm"], facts["sfnr_global"], int(found.missing.sum())
    moved = shift is not None and shift > layout.MAX_TRANSLATION_MM
    noisy = ratio is not None and ratio < layout.MIN_SFNR
    displacement = "unknown"
    if result.motion is not None:
        steps = quality.framewise_displacement(result.motion)[1:]
        displacement = f"{steps.mean():.2f} mm, largest {steps.max():.2f} mm"
    return [
        [
            ("Route", ROUTES.get(facts["route"], facts["route"]), False),
            ("Volumes", f"{facts['n_volumes']}, {minutes:.1f} minutes", False),
            ("Repetition time", f"{facts['repetition_time_s']:g} s", False),
            ("Voxel (x, y, z)", f"{' × '.join(f'{size:.3g}' for size in sizes)} mm", False),
        ],
        [
            ("Largest translation", _value(shift, ".2f", " mm") + f" (limit {layout.MAX_TRANSLATION_MM:g})", moved),
            ("Framewise displacement", displacement, False),
            ("Registration Dice", _value(facts["registration_dice"], ".2f"), False),
            ("ROIs missing", f"{missing} of {len(found.missing)}", missing > 0),
        ],
        [
            ("SFNR, whole brain", _value(ratio, ".0f") + f" (limit {layout.MIN_SFNR:g})", noisy),
            ("SFNR, ROIs", _value(facts["sfnr_roi_median"], ".0f") + " (median, smoothed)", False),
            ("SFNR, voxels", _value(facts["sfnr_voxel_median"], ".0f") + " (median)", False),
            ("Degrees of freedom", f"{found.residual_dof} of {facts['n_volumes']} after cleaning", False),
        ],
    ]


def _value(number, form, unit=""):
    return "unknown" if number is None else f"{number:{form}}{unit}"


def _header(figure, top, result, found, warnings):
    facts = result.quality
    layout.write(figure, layout.MARGIN, top, facts["participant_id"], fontsize=17, fontweight="bold")
    limits = "Limits are the paper's (section III-A); who is left out is decided in the connectivity stage."
    layout.write(figure, layout.MARGIN + COLUMNS[1], top + 0.07, limits, color="#444444")
    top += 0.5
    for left, width, column in zip(COLUMNS, NAME_WIDTHS, key_figures(result, found), strict=True):
        for place, (name, value, broken) in enumerate(column):
            below = top + place * LINE
            layout.write(figure, layout.MARGIN + left, below, name, color="#444444")
            marked = {"color": layout.WARNING_COLOUR, "fontweight": "bold"} if broken else {}
            layout.write(figure, layout.MARGIN + left + width, below, value, **marked)
    top += 4.4 * LINE
    for place, line in enumerate(warnings):
        layout.write(figure, layout.MARGIN, top + place * LINE, line, color=layout.WARNING_COLOUR)
