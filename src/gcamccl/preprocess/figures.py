"""One page of pictures per scan: motion, carpet, mean image, SFNR, registration."""

import numpy as np

MAX_CARPET_ROWS = 1500
SLICE_STEP_MM = 3.0
# MNI planes on which the registration is shown: axis and mm.
SLICES = ((2, -20), (2, 0), (2, 20), (2, 40), (1, -60), (1, 0), (0, -30), (0, 4))
BOX_MM = ((-84, 84), (-120, 84), (-66, 90))  # MNI152's brain with a margin


def thin(series):
    """At most `MAX_CARPET_ROWS` of the columns of (n_volumes, n), evenly chosen."""
    return series[:, :: max(1, series.shape[1] // MAX_CARPET_ROWS)]


def _planes():
    """Of each slice: axis, and its points as an array (rows, columns, 3), MNI mm."""
    for axis, height in SLICES:
        rest = [other for other in range(3) if other != axis]
        across, up = (np.arange(BOX_MM[other][0], BOX_MM[other][1] + 0.1, SLICE_STEP_MM) for other in rest)
        points = np.empty((up.size, across.size, 3))
        points[..., axis] = height
        points[..., rest[0]], points[..., rest[1]] = across, up[:, None]
        yield axis, points


def slice_points():
    """All points of the registration slices, MNI mm (n, 3)."""
    return np.concatenate([points.reshape(-1, 3) for _, points in _planes()])


def page(path, participant, motion, displacement, pictures, title):
    """Draw the page.

    Parameters
    ----------
    path : str or Path
        PNG.
    participant : str
    motion : float (n_volumes, 6)
        mm, rad.
    displacement : float (n_volumes,)
        Framewise displacement, mm.
    pictures : dict
        ``mean``, ``sfnr``: (x, y, z); ``voxel_mm`` (3,); ``carpet`` (n_volumes, n); ``slices``: the mean image at
        `slice_points`.
    title : str
        Quality in a line.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(11, 12.5), layout="constrained")
    figure.suptitle(f"{participant}\n{title}", fontsize=11)
    curves, carpet, images, contours = figure.subfigures(4, 1, height_ratios=(2.6, 2.4, 3.6, 3.2))
    _curves(curves, motion, displacement)
    _carpet(carpet, pictures["carpet"])
    _images(images, pictures)
    _registration(contours, pictures["slices"])
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)


def _curves(figure, motion, displacement):
    axes = figure.subplots(3, 1, sharex=True)
    for values, labels, axis, unit in (
        (motion[:, :3], "xyz", axes[0], "translation\nmm"),
        (np.rad2deg(motion[:, 3:]), "xyz", axes[1], "rotation\ndegrees"),
        (displacement[:, None], ("",), axes[2], "framewise\ndisplacement mm"),
    ):
        for column, label in zip(values.T, labels, strict=True):
            axis.plot(column, lw=0.9, label=label)
        axis.set_ylabel(unit, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.margins(x=0)
    axes[0].legend(ncols=3, fontsize=7, frameon=False, loc="upper left")


def _carpet(figure, carpet):
    axis = figure.subplots()
    scaled = carpet - carpet.mean(axis=0)
    scaled = scaled / (scaled.std(axis=0) + 1e-6)
    axis.imshow(scaled.T, aspect="auto", cmap="gray", vmin=-2, vmax=2, interpolation="nearest")
    axis.set_ylabel("brain voxels\n(z-scores)", fontsize=8)
    axis.set_xlabel("volume", fontsize=8)
    axis.set_yticks([])
    axis.tick_params(labelsize=7)


def _images(figure, pictures):
    axes = figure.subplots(2, 8)
    depth = pictures["mean"].shape[2]
    heights = np.linspace(0.15, 0.85, axes.shape[1]) * (depth - 1)
    aspect = pictures["voxel_mm"][1] / pictures["voxel_mm"][0]
    for row, name, colours in ((axes[0], "mean", "gray"), (axes[1], "sfnr", "viridis")):
        image = pictures[name]
        top = np.percentile(image[image > 0], 98)
        for axis, height in zip(row, heights.round().astype(int), strict=True):
            shown = axis.imshow(image[:, :, height].T, origin="lower", cmap=colours, vmin=0, vmax=top, aspect=aspect)
            axis.set_axis_off()
        row[0].set_title({"mean": "mean of realigned volumes", "sfnr": "SFNR"}[name], fontsize=8, loc="left")
    figure.colorbar(shown, ax=axes[1], fraction=0.02)


def _registration(figure, values):
    """Mean image in MNI152 space with the outlines of MNI152's brain and grey matter."""
    from nilearn import datasets
    from scipy import ndimage

    maps = [datasets.load_mni152_brain_mask(resolution=2), datasets.load_mni152_gm_template(resolution=2)]
    axes = figure.subplots(2, 4)
    start = 0
    for axis, (_, points) in zip(axes.ravel(), _planes(), strict=True):
        count = points.shape[0] * points.shape[1]
        axis.imshow(values[start : start + count].reshape(points.shape[:2]), origin="lower", cmap="gray")
        start += count
        for image, colour in zip(maps, ("tab:red", "tab:cyan"), strict=True):
            inverse = np.linalg.inv(image.affine)
            voxels = points @ inverse[:3, :3].T + inverse[:3, 3]
            plane = ndimage.map_coordinates(image.get_fdata(dtype=np.float32), np.moveaxis(voxels, 2, 0), order=1)
            axis.contour(plane, levels=[0.5], colors=colour, linewidths=0.6)
        axis.set_axis_off()
    axes[0, 0].set_title("registration: MNI152 outlines on the mean image", fontsize=8, loc="left")
