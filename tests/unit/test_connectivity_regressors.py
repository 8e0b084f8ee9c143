"""Motion expansion, censoring and confounds tables: against fMRIPrep's and nilearn's columns, and by hand."""

import numpy as np
import pandas as pd
import pytest
from connectivity_fixture import SETTINGS, TR, N, motion

from gcamccl.connectivity import regressors
from gcamccl.preprocess import quality
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

REAL = ROOT.parent / "shared/data/fmri"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="public example scans are not at ../shared/data/fmri")
TABLES = ("test_desc-confounds_regressors.tsv", "test-v21_desc-confounds_timeseries.tsv")
KINDS = ("", "_derivative1", "_power2", "_derivative1_power2")


@needs_real_data
@pytest.mark.parametrize("name", TABLES)
def test_24_parameters_are_fmripreps_columns(name):
    table = read_tsv(REAL / name)
    ours = regressors.expand_motion(table[list(regressors.MOTION_COLUMNS)].to_numpy(), 24)
    theirs = np.column_stack([table[f"{column}{kind}"] for kind in KINDS for column in regressors.MOTION_COLUMNS])
    assert np.isnan(theirs[0]).sum() == 12  # fMRIPrep's first differences are n/a
    rows = np.setdiff1d(np.arange(len(table)), 1)  # volumes were cut out after the first of one of these tables
    np.testing.assert_allclose(ours[rows], np.nan_to_num(theirs)[rows], atol=1e-7)


@needs_real_data
def test_24_parameters_span_what_nilearn_loads(tmp_path):
    """Copied beside an image of the name that nilearn looks for; it fills the first differences otherwise, so not 0."""
    import shutil

    import nibabel as nib
    from nilearn.interfaces.fmriprep import load_confounds

    table = read_tsv(REAL / TABLES[1])
    image = tmp_path / "sub-1_task-x_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, len(table)), np.float32), np.eye(4)), image)
    for suffix in (".tsv", ".json"):
        source = (REAL / TABLES[1]).with_suffix(suffix)
        shutil.copy(source, tmp_path / f"sub-1_task-x_desc-confounds_timeseries{suffix}")
    theirs, _ = load_confounds(str(image), strategy=("motion",), motion="full", demean=False)
    assert theirs.shape[1] == 24
    names = [f"{column}{kind}" for kind in KINDS for column in regressors.MOTION_COLUMNS]
    ours = regressors.expand_motion(table[list(regressors.MOTION_COLUMNS)].to_numpy(), 24)
    np.testing.assert_allclose(ours[1:], theirs[names].to_numpy()[1:], atol=1e-7)


def test_fewer_motion_parameters():
    moved = motion(np.random.default_rng(0))
    np.testing.assert_array_equal(regressors.expand_motion(moved, 6), moved)
    assert regressors.expand_motion(moved, 0).shape == (N, 0)


def test_censoring_takes_the_neighbours_along():
    displacement = np.zeros(20)
    displacement[0] = np.nan
    displacement[[1, 9, 10, 19]] = [0.6, 0.51, 3.0, 0.7]
    displacement[14] = 0.5  # at the limit: kept
    out = regressors.censored(displacement, 0.5, 1, 2)
    assert np.flatnonzero(out).tolist() == [0, 1, 2, 3, 8, 9, 10, 11, 12, 18, 19]
    assert np.flatnonzero(regressors.censored(displacement, 0.5, 0, 0)).tolist() == [1, 9, 10, 19]
    assert not regressors.censored(displacement, 5.0, 1, 2).any()


def write(path, known=None, global_signal=None, change=None):
    table = quality.confounds_table(N, known, global_signal)
    write_tsv(path, table if change is None else change(table))
    return path


def build(path, **settings):
    return regressors.regressors(path, N, TR, SETTINGS | settings)


ASKED = {"motion_parameters": 24, "global_signal": True, "scrub_fd_mm": 0.25}


def test_everything_that_is_asked_for_is_used(tmp_path):
    rng = np.random.default_rng(0)
    moved, brain = motion(rng), 1000 + rng.normal(size=N)
    found = build(write(tmp_path / "c.tsv", moved, brain), **ASKED)
    out = regressors.censored(quality.framewise_displacement(moved), 0.25, 1, 2)
    assert 0 < out.sum() < N
    assert (found.n_regressors, found.n_scrubbed, found.used) == (25, out.sum(), "motion24+global_signal")
    assert found.columns.shape == (N, 25 + out.sum()) and found.warnings == []
    np.testing.assert_allclose(found.columns[:, 24], brain, rtol=1e-8)
    np.testing.assert_array_equal(found.columns[:, 25:].sum(axis=1), out)


def test_what_is_unknown_is_said(tmp_path):
    path = write(tmp_path / "c.tsv")
    found = build(path, **ASKED)
    assert found.columns.shape == (N, 0)
    assert (found.n_regressors, found.n_scrubbed) == (0, None)
    assert found.used == "none: motion, global signal, framewise displacement unknown"
    assert found.warnings == [
        "motion unknown: connectivity.motion_parameters 24 not applied",
        "global signal unknown: connectivity.global_signal not applied",
        "framewise displacement unknown: connectivity.scrub_fd_mm 0.25 not applied",
    ]
    found = build(path)
    assert found.used == "none: motion unknown" and found.n_scrubbed == 0
    found = build(path, motion_parameters=0)
    assert found.used == "none" and found.warnings == []
    moved = write(tmp_path / "m.tsv", motion(np.random.default_rng(0)))
    assert build(moved, global_signal=True).used == "motion6: global signal unknown"


def hole(column, row):
    def change(table):
        table.loc[row, column] = np.nan
        return table

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[1:], "139 rows, but 140 volumes"),
        (lambda t: t.drop(columns="rot_x"), "no column rot_x"),
        (lambda t: t.drop(columns="global_signal"), "no column global_signal"),
        (lambda t: t.assign(rot_x=np.nan), "rot_x: no values, though the other motion parameters have them"),
        (lambda t: t.assign(rot_x=["x"] * N), "column rot_x must be numbers"),
        (hole("trans_y", 3), "line 5: trans_y is missing"),
        (hole("global_signal", 0), "line 2: global_signal is missing"),
        (hole("framewise_displacement", 8), "line 10: framewise_displacement is missing"),
    ],
)
def test_wrong_confounds_are_refused(tmp_path, change, words):
    path = write(tmp_path / "c.tsv", motion(np.random.default_rng(0)), np.arange(N), change)
    with pytest.raises(InputError, match=words):
        build(path, **ASKED)


def test_columns_that_nobody_asked_for_may_be_absent(tmp_path):
    path = write(tmp_path / "c.tsv", motion(np.random.default_rng(0)), change=lambda t: t.iloc[:, :6])
    assert build(path).used == "motion6"
    write_tsv(tmp_path / "other.tsv", pd.DataFrame({"csf": np.zeros(N)}))
    assert build(tmp_path / "other.tsv", motion_parameters=0).n_regressors == 0
