"""Cleaning, correlation and exclusions: against least squares, nilearn and by hand."""

import numpy as np
import pandas as pd
import pytest

from gcamccl import bids, connectivity
from gcamccl.preprocess import quality
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import write_json, write_tsv

N, TR, R = 140, 3.0, 12
SETTINGS = stage_defaults("connectivity")


def motion(rng, n_volumes=N, largest_mm=1.0):
    walk = np.cumsum(rng.normal(size=(n_volumes, 6)), axis=0)
    walk -= walk[0]
    return walk / np.linalg.norm(walk[:, :3], axis=1).max() * largest_mm


def names_of(folder):
    """Names of the files that `write_person` leaves."""
    return bids.derivatives(bids.stem(folder.name, "scan.nii"), "power264")


def place(folder):
    """What `connectivity.group` and `connectivity.person` take of a person."""
    return folder, names_of(folder)


def write_person(folder, rng, moved_mm=1.0, n_volumes=N, series=None, **facts):
    """A preprocess folder; `moved_mm` None: motion unknown."""
    folder.mkdir()
    series = 1000 + 3 * rng.standard_normal((n_volumes, R)) if series is None else series
    known = None if moved_mm is None else motion(rng, n_volumes, moved_mm)
    names = names_of(folder)
    write_tsv(folder / names["timeseries"], pd.DataFrame(series.astype(np.float32)))
    write_tsv(folder / names["confounds"], quality.confounds_table(n_volumes, known))
    values = {"sfnr_global": 400.0, "sfnr_roi_median": 100.0, "roi_coverage": np.ones(R)} | facts
    write_json(folder / names["quality"], quality.summary(folder.name, "raw", TR, n_volumes, [], known, **values))


def test_the_basis_removes_everything_outside_the_band_and_nothing_inside():
    basis = connectivity.nuisance_basis(N, TR, 0.01, 0.1)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    time = np.arange(N)
    for cycles in range(N // 2 + 1):
        wave = np.cos(2 * np.pi * cycles * time / N + 0.3)
        left = np.linalg.norm(connectivity.clean(wave[:, None], basis)) / np.linalg.norm(wave)
        inside = 0.01 <= cycles / (N * TR) <= 0.1
        assert left > 0.75 if inside else left < 1e-9, cycles
    in_band = sum(0.01 <= c / (N * TR) <= 0.1 for c in range(1, N // 2 + 1))
    assert N - basis.shape[1] == 2 * in_band - 1  # one degree of freedom is the trend's


def test_cleaning_equals_least_squares():
    rng = np.random.default_rng(0)
    series, confounds = rng.normal(size=(N, R)), motion(rng)
    ours = connectivity.clean(series, connectivity.nuisance_basis(N, TR, 0.01, 0.1, confounds))
    time = np.arange(N)
    design = [np.ones(N), time, *confounds.T]
    for cycles in range(1, N // 2 + 1):
        if not 0.01 <= cycles / (N * TR) <= 0.1:
            design += [np.cos(2 * np.pi * cycles * time / N), np.sin(2 * np.pi * cycles * time / N)]
    design = np.stack(design, axis=1)
    np.testing.assert_allclose(ours, series - design @ np.linalg.lstsq(design, series, rcond=1e-10)[0], atol=1e-8)
    assert np.abs(np.corrcoef(ours.T, confounds.T)[:R, R:]).max() < 1e-8


def test_cleaning_equals_nilearns_where_the_models_coincide():
    """nilearn has no projection of frequencies; with the band open both remove trend and confounds by least squares."""
    from nilearn import signal

    rng = np.random.default_rng(1)
    series, confounds = rng.normal(100, 5, (N, R)), motion(rng)
    ours = connectivity.clean(series, connectivity.nuisance_basis(N, TR, 0.0, 1.0, confounds))
    theirs = signal.clean(series, confounds=confounds, detrend=True, standardize=None)
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_cleaning_agrees_with_nilearns_butterworth():
    from nilearn import signal

    rng = np.random.default_rng(2)
    series = rng.normal(size=(N, R)) @ rng.normal(size=(R, R))
    ours = connectivity.clean(series, connectivity.nuisance_basis(N, TR, 0.01, 0.1))
    theirs = signal.clean(series, t_r=TR, low_pass=0.1, high_pass=0.01, detrend=True, standardize=None)
    upper = np.triu_indices(R, 1)
    assert np.corrcoef(np.corrcoef(ours.T)[upper], np.corrcoef(theirs.T)[upper])[0, 1] > 0.95


def test_correlation_equals_nilearns():
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import EmpiricalCovariance

    series = np.random.default_rng(3).normal(size=(N, R))
    series -= series.mean(axis=0)
    measure = ConnectivityMeasure(EmpiricalCovariance(), kind="correlation", standardize=False)
    theirs = measure.fit_transform([series])[0]
    np.fill_diagonal(theirs, 0)
    np.testing.assert_allclose(connectivity.correlation(series), theirs, atol=1e-6)
    np.testing.assert_allclose(connectivity.correlation(series, "fisher_z"), np.arctanh(theirs), atol=1e-6)


def test_motion_is_removed_where_it_is_known(tmp_path):
    rng = np.random.default_rng(4)
    moved = motion(rng)
    series = 1000 + rng.normal(size=(N, R)) + 20 * moved[:, :1]
    write_person(tmp_path / "a", rng, series=series)
    write_tsv(tmp_path / "a" / names_of(tmp_path / "a")["confounds"], quality.confounds_table(N, moved))
    with_motion, row, _ = connectivity.person(*place(tmp_path / "a"), R, SETTINGS)
    without, bare, _ = connectivity.person(*place(tmp_path / "a"), R, SETTINGS | {"motion_parameters": 0})
    upper = np.triu_indices(R, 1)
    assert without[upper].mean() > 0.4 > 0.05 > abs(with_motion[upper].mean())
    assert row["residual_dof"] == bare["residual_dof"] - 6


def test_missing_rois_are_nan(tmp_path):
    rng = np.random.default_rng(5)
    series = 1000 + rng.normal(size=(N, R))
    series[:, 3] = np.nan
    series[:, 4] = 7.0
    coverage = np.ones(R)
    coverage[5] = 0.49
    write_person(tmp_path / "a", rng, series=series, roi_coverage=coverage)
    fc, row, reasons = connectivity.person(*place(tmp_path / "a"), R, SETTINGS)
    gone = [3, 4, 5]
    off_diagonal = ~np.eye(R, dtype=bool)
    expected = np.zeros((R, R), bool)
    expected[gone] = expected[:, gone] = True
    np.testing.assert_array_equal(np.isnan(fc), expected & off_diagonal)
    assert row["missing_rois"] == 3 and reasons == [("max_missing_rois", 0.25, 0.1)]


def test_exclusions_have_their_reasons(tmp_path):
    rng = np.random.default_rng(6)
    for name in ("a", "b", "c", "d", "f"):
        write_person(tmp_path / name, rng)
    write_person(tmp_path / "moved", rng, moved_mm=2.5)
    write_person(tmp_path / "noisy", rng, sfnr_global=200.0, moved_mm=None)
    write_person(tmp_path / "short", rng, n_volumes=24)
    names = ["moved", "a", "noisy", "b", "c", "short", "d", "absent", "f"]
    folders = {name: None if name == "absent" else place(tmp_path / name) for name in names}
    group = connectivity.group(folders, R, SETTINGS)
    assert group.people["participant_id"].tolist() == ["a", "b", "c", "d", "f"]
    assert group.fc.shape == (5, R, R) and group.fc.dtype == np.float32
    np.testing.assert_array_equal(group.fc[1], connectivity.person(*place(tmp_path / "b"), R, SETTINGS)[0])
    excluded = group.excluded.set_index("participant_id")
    assert excluded["reason"].to_dict() == {
        "moved": "max_translation_mm",
        "noisy": "min_sfnr",
        "short": "min_residual_dof",
        "absent": "no_scan",
    }
    assert excluded.loc["moved", "value"] == pytest.approx(2.5, rel=1e-5)
    assert excluded.loc["noisy", "limit"] == 275
    assert group.quality["participant_id"].tolist() == names


def test_excluding_most_people_names_the_limit(tmp_path):
    rng = np.random.default_rng(7)
    for number in range(5):
        write_person(tmp_path / f"p{number}", rng, sfnr_global=50.0 if number < 3 else 400.0)
    names = [f"p{number}" for number in range(5)]
    with pytest.raises(InputError, match=r"3 of 5 people .* connectivity\.min_sfnr 275 \(sfnr_global\): 3 people"):
        connectivity.group({name: place(tmp_path / name) for name in names}, R, SETTINGS)
    with pytest.raises(InputError, match="nobody has a scan"):
        connectivity.group({"x": None, "y": None}, R, SETTINGS)
    with pytest.raises(InputError, match="no such file"):  # a scan that preprocess left nothing of is no "no_scan"
        connectivity.group({"x": place(tmp_path / "x")}, R, SETTINGS)


def test_a_band_beyond_nyquist_is_refused(tmp_path):
    write_person(tmp_path / "a", np.random.default_rng(8))
    with pytest.raises(InputError, match=r"carries frequencies up to 0\.1667 Hz, but connectivity.high_hz is 0\.2"):
        connectivity.person(*place(tmp_path / "a"), R, SETTINGS | {"high_hz": 0.2})


def test_another_atlas_is_refused(tmp_path):
    write_person(tmp_path / "a", np.random.default_rng(9))
    with pytest.raises(InputError, match="12 columns, expected 264 ROIs"):
        connectivity.person(*place(tmp_path / "a"), 264, SETTINGS)
