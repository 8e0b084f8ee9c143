"""Maps in a file: written a batch at a time, read a replicate at a time, never all in memory.

The file is a safetensors file. The library's own writer wants all tensors at once; this one lays out the header first,
since every shape is known before the first map is made, and fills in the data as it comes.
"""

import json

import numpy as np
import pandas as pd

from gcamccl.workflow.errors import InputError

DTYPES = {"F16": np.float16, "F32": np.float32}
ALIGNMENT = 8  # of the header's length, as the format's specification asks for


class TensorWriter:
    """Write tensors of known shapes piece by piece.

    Parameters
    ----------
    path : Path
    shapes : dict of str to tuple of int
        Name -> shape; the first axis is the one that pieces are written along.
    dtype : {"F16", "F32"}
        Of all tensors.
    """

    def __init__(self, path, shapes, dtype="F16"):
        self._path, self._shapes, self._dtype = path, dict(shapes), DTYPES[dtype]
        self._written = dict.fromkeys(shapes, 0)
        header, self._offsets, end = {}, {}, 0
        for name, shape in self._shapes.items():
            start, end = end, end + int(np.prod(shape)) * np.dtype(self._dtype).itemsize
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
            self._offsets[name] = start
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        self._start = ALIGNMENT + len(text)
        self._file = path.open("wb")
        self._file.write(len(text).to_bytes(8, "little") + text)
        self._file.truncate(self._start + end)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._file.close()
        missing = [name for name, rows in self._written.items() if rows != self._shapes[name][0]]
        if kind is None and missing:
            raise ValueError(
                f"{self._path}: {missing[0]} has {self._written[missing[0]]} of {self._shapes[missing[0]][0]} rows"
            )

    def append(self, name, values):
        """Write the next rows of a tensor: ndarray (rows, *shape[1:])."""
        shape, first = self._shapes[name], self._written[name]
        if values.shape[1:] != tuple(shape[1:]) or first + len(values) > shape[0]:
            raise ValueError(f"{name}: rows {first} to {first + len(values)} of shape {values.shape} into {shape}")
        values = np.ascontiguousarray(values, dtype=self._dtype)
        row = int(np.prod(shape[1:])) * values.itemsize
        self._file.seek(self._start + self._offsets[name] + first * row)
        self._file.write(values.tobytes())
        self._written[name] += len(values)


def relative(maps):
    """Maps as they are stored: each divided by its largest absolute value.

    float16 then has at most 5e-4 of relative error, and 3e-8 of the maximum for the smallest values, far below what
    any rule looks at; without the division small gradients would be lost altogether.

    Parameters
    ----------
    maps : ndarray of float (people, 2, features)

    Returns
    -------
    shares : ndarray of float16 (people, 2, features)
        In [-1, 1]; 0 where a map is zero everywhere.
    peaks : ndarray of float32 (people, 2)
        The largest absolute values.
    """
    peaks = np.abs(maps).max(axis=2, initial=0)
    shares = maps / np.where(peaks > 0, peaks, 1)[:, :, None]
    return shares.astype(np.float16), peaks.astype(np.float32)


def read_labels(path):
    """Whose maps a shard holds.

    Parameters
    ----------
    path : Path
        Its ``people.parquet``.

    Returns
    -------
    dict of int to ndarray of int
        Replicate -> class of each person, in the order of the maps' first axis; -1: not in the test part.
    """
    people = pd.read_parquet(path).sort_values(["replicate", "row"])
    people.loc[people["part"] != "test", "label"] = -1
    return {int(number): rows["label"].to_numpy() for number, rows in people.groupby("replicate")}


def read_peaks(path):
    """Largest absolute values of a shard's maps before they were divided by them.

    Parameters
    ----------
    path : Path
        Its ``peaks.parquet``.

    Returns
    -------
    dict of (int, str, str) to ndarray of float64 (people, 2)
        (replicate, method, view) -> peak of each person's map of each class, as in the maps' first two axes.

    Raises
    ------
    InputError
        No such file.
    """
    if not path.exists():
        raise InputError(path, "no such file", "run the activation stage again")
    table = pd.read_parquet(path).sort_values(["row", "class"], ascending=[True, False])  # low before high
    return {
        place: rows["peak"].to_numpy(dtype=np.float64).reshape(-1, 2)
        for place, rows in table.groupby(["replicate", "method", "view"], observed=True)
    }


def read_maps(path, file, name):
    """One replicate's maps, each relative to its own maximum.

    Parameters
    ----------
    path : Path
        For the error.
    file : safetensors.safe_open
        Of it.
    name : str
        ``<replicate:04d>/<method>/<view>``.

    Returns
    -------
    ndarray of float32 (people, 2, features)

    Raises
    ------
    InputError
        Values that are not finite.
    """
    maps = file.get_tensor(name).astype(np.float32)
    if not np.isfinite(maps).all():
        raise InputError(path, f"{name} holds values that are not finite", "run activation again")
    return maps
