"""Regions of interest: a table of MNI coordinates, or a label image."""

from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
SHIPPED = {"power264": RESOURCES / "power264.tsv"}
FARTHEST_MM = 150.0  # no place in the head is farther from the origin of MNI152
MAX_LABELS = 5000  # more are no regions but an image of something else
LARGEST_LABEL = 1 << 24  # float32 holds every whole number up to here
COLUMNS = ["roi", "x", "y", "z", "network", "name", "label"]


def is_image(atlas):
    """Whether the setting ``preprocess.atlas`` names a label image."""
    return str(atlas).endswith((".nii", ".nii.gz"))


def label_table(atlas):
    """The table beside a label image (BIDS: ``*_dseg.nii.gz`` and ``*_dseg.tsv``), whether it is there or not."""
    path = Path(atlas)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")


def atlas_files(atlas):
    """Files that the setting ``preprocess.atlas`` means, as Paths: the table, or the image and the table beside it."""
    if is_image(atlas):
        return [Path(atlas), *([label_table(atlas)] if label_table(atlas).exists() else [])]
    return [SHIPPED.get(atlas) or Path(atlas)]


def read_atlas(atlas="power264"):
    """Read the ROIs.

    Parameters
    ----------
    atlas : str
        ``power264`` (Power et al. 2011, the paper's section III-A), the path of a TSV, or that of a label image (NIfTI,
        MNI152 space) with a TSV beside it that may name its labels.

    Returns
    -------
    DataFrame
        Columns roi (int, from 1, ascending), x, y, z (MNI152, mm; of a label image the region's centroid), network,
        name (str; ``n/a`` where not given), label (int; of a label image its value, else as roi).

    Raises
    ------
    InputError
        Missing columns, coordinates that are not numbers in millimetres, ROI numbers that are not 1, 2, 3, ...; an
        image that is not 3D, not of whole numbers, or does not agree with its table.
    """
    if is_image(atlas):
        return _from_image(atlas)
    (path,) = atlas_files(atlas)
    table = _with_names(read_tsv(path, columns=("roi", "x", "y", "z")))
    try:
        numbers = table[["roi", "x", "y", "z"]].to_numpy(float)
    except ValueError as error:
        raise InputError(path, f"roi, x, y and z must be numbers: {error}") from None
    far = ~(np.linalg.norm(numbers[:, 1:], axis=1) < FARTHEST_MM)  # NaN counts as far
    if far.any():
        raise InputError(path, f"line {2 + int(far.argmax())}: x, y, z are not MNI152 coordinates in mm")
    if not np.array_equal(numbers[:, 0], np.arange(1, len(table) + 1)):
        raise InputError(path, "column roi must count 1, 2, 3, ...")
    if len(table) < 2:
        raise InputError(path, f"{len(table)} ROIs; a connection needs two")
    again = table.duplicated(["x", "y", "z"])
    if again.any():
        raise InputError(path, f"line {2 + int(again.argmax())}: another ROI has the same coordinates")
    table["roi"] = table["label"] = numbers[:, 0].astype(int)
    return table[COLUMNS]


def _with_names(table):
    """`table` with columns network and name, ``n/a`` where they are not given."""
    for column in ("network", "name"):
        table[column] = table[column].fillna("n/a").astype(str) if column in table else "n/a"
    return table


def read_labels(atlas):
    """A label image.

    Returns
    -------
    labels : int32 (x, y, z)
        0: no region.
    affine : float64 (4, 4)
    """
    from gcamccl.preprocess import scan_io

    image, shape, affine, _ = scan_io.open_image(atlas, 3)
    data, affine = scan_io.voxels(image, shape, affine, atlas)
    if not np.isfinite(data).all() or (data != np.rint(data)).any() or data.min() < 0:
        raise InputError(atlas, "labels must be whole numbers from 0", "is this a probability map?")
    if data.max() > LARGEST_LABEL:
        raise InputError(atlas, f"label {data.max():.0f} is larger than {LARGEST_LABEL}", "number the regions anew")
    return data.astype(np.int32), affine


def _from_image(atlas):
    """`read_atlas` of a label image."""
    labels, affine = read_labels(atlas)
    values = np.unique(labels[labels > 0])
    if not 2 <= len(values) <= MAX_LABELS:
        raise InputError(atlas, f"{len(values)} labels; from 2 to {MAX_LABELS} regions are expected")
    counts = np.bincount(labels.ravel())[values]
    index = np.indices(labels.shape).reshape(3, -1)
    centres = np.stack([np.bincount(labels.ravel(), axis)[values] / counts for axis in index], axis=1)
    centres = centres @ affine[:3, :3].T + affine[:3, 3]
    if np.linalg.norm(centres, axis=1).max() >= FARTHEST_MM:
        raise InputError(atlas, "regions lie outside the head", "the image must be in MNI152 space")
    table = pd.DataFrame({"roi": np.arange(1, len(values) + 1), "label": values})
    table[["x", "y", "z"]] = centres
    path = label_table(atlas)
    names = _named(path, values) if path.exists() else pd.DataFrame(index=values)
    return _with_names(table.join(names, on="label"))[COLUMNS]


def _named(path, values):
    """Name and network of each label from the table beside the image, by label; column ``index`` as in BIDS."""
    table = read_tsv(path, columns=("index",))
    labels = pd.to_numeric(table["index"], errors="coerce")
    wrong = labels.isna() | (labels % 1 != 0) | labels.duplicated()
    if wrong.any():
        raise InputError(path, f"line {2 + int(wrong.argmax())}: index must be a whole number, once in the table")
    table = table.set_index(labels.astype(int))
    unnamed = np.setdiff1d(values, table.index)
    if len(unnamed):
        raise InputError(path, f"label {unnamed[0]} of the image is not in column index")
    return table[table.columns.intersection(["name", "network"])]
