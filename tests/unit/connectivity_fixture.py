"""People as `preprocess` leaves them, small, for the tests of the connectivity stage."""

import numpy as np
import pandas as pd

from gcamccl import bids
from gcamccl.preprocess import quality
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.files import write_json, write_tsv

N, TR, R = 140, 3.0, 12
SETTINGS = stage_defaults("connectivity")


def motion(rng, n_volumes=N, largest_mm=1.0):
    """Random walk of the head, mm and rad: rotations of 0.02 rad where translations are 1 mm."""
    walk = np.cumsum(rng.normal(size=(n_volumes, 6)) * [1, 1, 1, 0.02, 0.02, 0.02], axis=0)
    walk -= walk[0]
    return walk / np.linalg.norm(walk[:, :3], axis=1).max() * largest_mm


def names_of(folder):
    """Names of the files that `write_person` leaves."""
    return bids.derivatives(bids.stem(folder.name, "scan.nii"), "power264")


def place(folder):
    """What `group` and `person` take of a person."""
    return folder, names_of(folder)


def write_person(folder, rng, moved_mm=1.0, n_volumes=N, series=None, known="random", global_signal=None, **facts):
    """A preprocess folder; `moved_mm` None: motion unknown; `known`: the motion parameters themselves."""
    folder.mkdir(parents=True)
    series = 1000 + 3 * rng.standard_normal((n_volumes, R)) if series is None else series
    if isinstance(known, str):
        known = None if moved_mm is None else motion(rng, n_volumes, moved_mm)
    names = names_of(folder)
    write_tsv(folder / names["timeseries"], pd.DataFrame(series.astype(np.float32)))
    write_tsv(folder / names["confounds"], quality.confounds_table(n_volumes, known, global_signal))
    values = {"sfnr_global": 400.0, "sfnr_roi_median": 100.0, "roi_coverage": np.ones(series.shape[1])} | facts
    write_json(folder / names["quality"], quality.summary(folder.name, "raw", TR, n_volumes, [], known, **values))
