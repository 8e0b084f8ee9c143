"""Regions of interest: a table of MNI coordinates."""

from pathlib import Path

import numpy as np

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
SHIPPED = {"power264": RESOURCES / "power264.tsv"}
FARTHEST_MM = 150.0  # no place in the head is farther from the origin of MNI152


def atlas_file(atlas):
    """Path of the table that the setting ``preprocess.atlas`` means."""
    return SHIPPED.get(atlas) or Path(atlas)


def read_atlas(atlas="power264"):
    """Read a table of ROIs.

    Parameters
    ----------
    atlas : str
        ``power264`` (Power et al. 2011, the paper's section III-A) or the path of a TSV.

    Returns
    -------
    DataFrame
        Columns roi (int, from 1, ascending), x, y, z (MNI152, mm), network, name (str; ``n/a`` where not given).

    Raises
    ------
    InputError
        Missing columns, coordinates that are not numbers in millimetres, ROI numbers that are not 1, 2, 3, ...
    """
    path = atlas_file(atlas)
    table = read_tsv(path, columns=("roi", "x", "y", "z"))
    for column in ("network", "name"):
        table[column] = table[column].fillna("n/a").astype(str) if column in table else "n/a"
    try:
        numbers = table[["roi", "x", "y", "z"]].to_numpy(float)
    except ValueError as error:
        raise InputError(path, f"roi, x, y and z must be numbers: {error}") from None
    far = ~(np.linalg.norm(numbers[:, 1:], axis=1) < FARTHEST_MM)  # NaN counts as far
    if far.any():
        raise InputError(path, f"line {2 + int(far.argmax())}: x, y, z are not MNI152 coordinates in mm")
    if not np.array_equal(numbers[:, 0], np.arange(1, len(table) + 1)):
        raise InputError(path, "column roi must count 1, 2, 3, ...")
    table["roi"] = numbers[:, 0].astype(int)
    return table[["roi", "x", "y", "z", "network", "name"]]
