"""The page's curves over time: head motion, framewise displacement, global signal, carpet plot."""

import numpy as np

from gcamccl.preprocess import quality
from gcamccl.preprocess.figures import layout
from gcamccl.preprocess.figures.sampling import TISSUES

LEFT, RIGHT = 1.15, 1.8  # inches beside the curves: names of the axes, legends
GAP = 0.14
LEAST_RANGE_MM, LEAST_RANGE_DEGREES, LEAST_FD_MM = 0.5, 0.5, 0.3  # so that a still head looks still
CARPET_SD = 2.0  # colours end there
TISSUE_COLOURS = ("#4D4D4D", "#E6E6E6", "#56B4E9")
HEIGHTS = {"translation": 1.15, "rotation": 1.0, "displacement": 1.0, "global signal": 0.9, "carpet": 2.7}
UNKNOWN_HEIGHT = 0.35
TIME_AXIS_HEIGHT = 0.85


def height(motion, global_signal):
    """Inches that `draw` takes."""
    return (
        sum(HEIGHTS[name] + GAP for name in _shown(motion, global_signal))
        + TIME_AXIS_HEIGHT
        + (UNKNOWN_HEIGHT if motion is None else 0)
    )


def _shown(motion, global_signal):
    known = {"translation": motion, "rotation": motion, "displacement": motion, "global signal": global_signal}
    return [name for name in HEIGHTS if name == "carpet" or known[name] is not None]


def draw(figure, top, result):
    """Draw them one below the other, on one time axis.

    Parameters
    ----------
    figure : Figure
    top : float
        Inches from the page's top.
    result : gcamccl.preprocess.extract.Result
        `motion` and `global_signal` may be None.
    """
    width = layout.WIDTH - LEFT - RIGHT
    n_volumes = len(result.series)
    if result.motion is None:
        text = "Head motion is unknown: no translation, rotation and framewise displacement."
        layout.write(figure, LEFT, top, text, color=layout.WARNING_COLOUR)
        top += UNKNOWN_HEIGHT
    for name in _shown(result.motion, result.global_signal):
        axis = layout.place(figure, LEFT, top, width, HEIGHTS[name])
        axis.set_xlim(-0.5, n_volumes - 0.5)
        axis.tick_params(labelsize=layout.SMALL)
        if name == "carpet":
            _carpet(figure, axis, top, result.pictures["carpet"], result.pictures["tissue"])
        else:
            axis.tick_params(labelbottom=False)
            {
                "translation": lambda axis: _translation(axis, result.motion),
                "rotation": lambda axis: _rotation(axis, result.motion),
                "displacement": lambda axis: _displacement(axis, result.motion),
                "global signal": lambda axis: _global_signal(axis, result.global_signal),
            }[name](axis)
            axis.legend(loc="upper left", bbox_to_anchor=(1.005, 1.06), fontsize=layout.SMALL, borderpad=0.2)
        top += HEIGHTS[name] + GAP
    _time(axis, result.quality["repetition_time_s"])


def _name(axis, text):
    axis.set_ylabel(text, fontsize=layout.SMALL)
    axis.yaxis.set_label_coords(-0.048, 0.5)


def _lines(axis, values, kinds):
    for column, name, colour in zip(values.T, kinds, layout.CURVE_COLOURS, strict=True):
        axis.plot(column, lw=1.1, color=colour, label=name)


def _limit(axis, value, label):
    """A limit as a dashed line if it is on the scale; its name goes to the legend either way."""
    seen = value <= axis.get_ylim()[1]
    axis.plot(
        [], [], ls=(0, (4, 3)), lw=0.9, color=layout.LIMIT_COLOUR, label=label if seen else f"{label}:\noff the scale"
    )
    if seen:
        for side in (value, -value) if axis.get_ylim()[0] < 0 else (value,):
            axis.axhline(side, ls=(0, (4, 3)), lw=0.9, color=layout.LIMIT_COLOUR)


def _translation(axis, motion):
    _lines(axis, motion[:, :3], ("x", "y", "z"))
    axis.plot(np.linalg.norm(motion[:, :3], axis=1), lw=1.1, color="black", label="distance")
    largest = max(1.1 * np.abs(np.r_[motion[:, :3].ravel(), quality.max_translation(motion)]).max(), LEAST_RANGE_MM)
    axis.set_ylim(-largest, largest)
    _limit(axis, layout.MAX_TRANSLATION_MM, f"limit {layout.MAX_TRANSLATION_MM:g} mm")
    _name(axis, "translation\n(mm)")


def _rotation(axis, motion):
    degrees = np.rad2deg(motion[:, 3:])
    _lines(axis, degrees, ("about x", "about y", "about z"))
    largest = max(1.1 * np.abs(degrees).max(), LEAST_RANGE_DEGREES)
    axis.set_ylim(-largest, largest)
    _name(axis, "rotation\n(degrees)")


def _displacement(axis, motion):
    values = quality.framewise_displacement(motion)
    axis.plot(values, lw=1.0, color="black")
    axis.set_ylim(0, max(1.1 * np.nanmax(values), LEAST_FD_MM))
    mean = np.nanmean(values)
    axis.axhline(mean, color=layout.CURVE_COLOURS[1], lw=1.2, label=f"mean {mean:.2f} mm")
    for limit in layout.FD_LIMITS_MM:
        if limit <= axis.get_ylim()[1]:
            axis.axhline(limit, ls=(0, (4, 3)), lw=0.9, color=layout.LIMIT_COLOUR)
        axis.plot([], [], " ", label=f"above {limit:g} mm: {int((values > limit).sum())}")
    _name(axis, "framewise\ndisplacement\n(mm)")


def _global_signal(axis, signal):
    mean = signal.mean()
    axis.plot(
        100 * (signal / mean - 1), lw=1.0, color="black", label=f"mean {mean:.4g}\nSD {100 * signal.std() / mean:.2g} %"
    )
    axis.axhline(0, lw=0.6, color="#AAAAAA")
    _name(axis, "global signal\n(% from mean)")


def scaled_carpet(carpet):
    """Time courses without a second-order trend, in units of their SD.

    Parameters
    ----------
    carpet : float32 (n_volumes, n)

    Returns
    -------
    float32 (n_volumes, n)
        0 where a time course is constant.
    """
    basis = quality.trend_basis(len(carpet)).astype(np.float32)
    left = carpet - carpet.mean(axis=0)
    left -= basis @ (basis.T @ left)
    spread = left.std(axis=0)
    return np.divide(left, spread, out=np.zeros_like(left), where=spread > 0)


def _carpet(figure, axis, top, carpet, tissue):
    n_volumes, n_voxels = carpet.shape
    if not n_voxels:  # the scan shows nothing of MNI152's brain
        axis.set_yticks([])
        return _name(axis, "no brain voxels")
    image = axis.imshow(
        scaled_carpet(carpet).T,
        aspect="auto",
        cmap=layout.colours("gray"),
        vmin=-CARPET_SD,
        vmax=CARPET_SD,
        extent=(-0.5, n_volumes - 0.5, n_voxels, 0),
        interpolation_stage="data",
    )
    axis.set_yticks([])
    _name(axis, "brain voxels")
    bounds = np.searchsorted(tissue, range(len(TISSUES) + 1))
    for start, stop, colour in zip(bounds[:-1], bounds[1:], TISSUE_COLOURS, strict=True):
        inch = HEIGHTS["carpet"] / n_voxels
        layout.patch(figure, LEFT - 0.13, top + inch * start, 0.1, inch * (stop - start), colour)
    for bound in bounds[1:-1]:
        axis.axhline(bound, color=layout.CURVE_COLOURS[1], lw=1.0)
    layout.colour_bar(figure, image, layout.WIDTH - RIGHT + 0.12, top, 1.1, "SD")
    left = layout.WIDTH - RIGHT + 0.12
    for place, (name, colour) in enumerate(zip(TISSUES, TISSUE_COLOURS, strict=True)):
        below = top + 1.35 + 0.2 * place
        layout.patch(figure, left, below, 0.14, 0.12, colour)
        count = int(bounds[place + 1] - bounds[place])
        layout.write(figure, left + 0.22, below - 0.02, f"{name} ({count})", fontsize=layout.SMALL)


def _time(axis, repetition_time_s):
    """Volumes below the lowest plot, and seconds below them."""
    axis.set_xlabel("volume, from 0", fontsize=layout.SMALL, labelpad=1)
    seconds = axis.secondary_xaxis(
        -0.145, functions=(lambda volume: volume * repetition_time_s, lambda time: time / repetition_time_s)
    )
    seconds.set_xlabel("time (s)", fontsize=layout.SMALL, labelpad=1)
    seconds.tick_params(labelsize=layout.SMALL)
