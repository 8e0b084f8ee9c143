"""One person, exclusions and the group's stack: planted effects, missing ROIs, reasons by name."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from connectivity_fixture import SETTINGS, N, R, motion, names_of, place, write_person

from gcamccl.connectivity.exclusion import reasons_to_exclude
from gcamccl.connectivity.group import group, sidecar
from gcamccl.connectivity.person import QC_COLUMNS, person, read_series
from gcamccl.preprocess import quality
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, read_tsv, write_tsv
from gcamccl.workflow.study import read_participants, scan_folder


def test_motion_is_removed_where_it_is_known(tmp_path):
    rng = np.random.default_rng(4)
    moved = motion(rng)
    series = 1000 + rng.normal(size=(N, R)) + 20 * moved[:, :1]
    write_person(tmp_path / "a", rng, series=series)
    write_tsv(tmp_path / "a" / names_of(tmp_path / "a")["confounds"], quality.confounds_table(N, moved))
    with_motion, row, _ = person(*place(tmp_path / "a"), R, SETTINGS)
    without, bare, _ = person(*place(tmp_path / "a"), R, SETTINGS | {"motion_parameters": 0})
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
    fc, row, reasons = person(*place(tmp_path / "a"), R, SETTINGS)
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
    found = group(folders, R, SETTINGS)
    assert found.people["participant_id"].tolist() == ["a", "b", "c", "d", "f"]
    assert found.fc.shape == (5, R, R) and found.fc.dtype == np.float32
    np.testing.assert_array_equal(found.fc[1], person(*place(tmp_path / "b"), R, SETTINGS)[0])
    excluded = found.excluded.set_index("participant_id")
    assert excluded["reason"].to_dict() == {
        "moved": "max_translation_mm",
        "noisy": "min_sfnr",
        "short": "min_residual_dof",
        "absent": "no_scan",
    }
    assert excluded.loc["moved", "value"] == pytest.approx(2.5, rel=1e-5)
    assert excluded.loc["noisy", "limit"] == 275
    assert found.quality["participant_id"].tolist() == names


def test_excluding_most_people_names_the_limit(tmp_path):
    rng = np.random.default_rng(7)
    for number in range(5):
        write_person(tmp_path / f"p{number}", rng, sfnr_global=50.0 if number < 3 else 400.0)
    names = [f"p{number}" for number in range(5)]
    with pytest.raises(InputError, match=r"3 of 5 people .* connectivity\.min_sfnr 275 \(sfnr_global\): 3 people"):
        group({name: place(tmp_path / name) for name in names}, R, SETTINGS)
    with pytest.raises(InputError, match="nobody has a scan"):
        group({"x": None, "y": None}, R, SETTINGS)
    with pytest.raises(InputError, match="no such file"):  # a scan that preprocess left nothing of is no "no_scan"
        group({"x": place(tmp_path / "x")}, R, SETTINGS)


def test_a_band_beyond_nyquist_is_refused(tmp_path):
    write_person(tmp_path / "a", np.random.default_rng(8))
    with pytest.raises(InputError, match=r"carries frequencies up to 0\.1667 Hz, but connectivity.high_hz is 0\.2"):
        person(*place(tmp_path / "a"), R, SETTINGS | {"high_hz": 0.2})


def test_another_atlas_is_refused(tmp_path):
    write_person(tmp_path / "a", np.random.default_rng(9))
    with pytest.raises(InputError, match="12 columns, expected 264 ROIs"):
        person(*place(tmp_path / "a"), 264, SETTINGS)


def test_a_poor_registration_is_an_exclusion():
    facts = {"max_translation_mm": None, "sfnr_global": None, "registration_dice": 0.74, "t1w_gain": None}
    assert reasons_to_exclude(facts, 0.0, 100, SETTINGS) == [("min_registration_dice", 0.74, 0.75)]
    for overlap in (0.75, None):  # at the limit; a route that cannot know
        assert reasons_to_exclude(facts | {"registration_dice": overlap}, 0.0, 100, SETTINGS) == []


def test_every_limit_has_its_reason():
    facts = {"max_translation_mm": 2.1, "sfnr_global": 274.0, "registration_dice": 0.1, "t1w_gain": -0.001}
    reasons = reasons_to_exclude(facts, 0.11, 9, SETTINGS)
    limits = ["max_translation_mm", "min_sfnr", "min_registration_dice", "min_t1w_gain"]
    limits += ["max_missing_rois", "min_residual_dof"]
    assert [reason for reason, _, _ in reasons] == limits
    assert all(limit == SETTINGS[reason] for reason, _, limit in reasons)


def test_a_t1w_that_spoils_the_registration_is_an_exclusion(tmp_path):
    rng = np.random.default_rng(15)
    for name, gain in (("own", 0.12), ("doubtful", 0.0), ("spoils", -0.02), ("none", None)):
        write_person(tmp_path / name, rng, registration_dice=0.9, t1w_gain=gain)
    names = ["own", "doubtful", "spoils", "none"]
    found = group({name: place(tmp_path / name) for name in names}, R, SETTINGS)
    assert found.excluded.to_numpy().tolist() == [["spoils", "min_t1w_gain", -0.02, 0.0]]
    columns = list(found.quality.columns)
    assert columns[columns.index("registration_dice") + 1] == "t1w_gain"
    np.testing.assert_array_equal(found.quality["t1w_gain"].astype(float), [0.12, 0.0, -0.02, np.nan])


def test_censored_volumes_do_not_reach_the_correlation(tmp_path):
    """Spikes in volumes where the head jumped make everything correlate; without those volumes nothing does."""
    rng = np.random.default_rng(10)
    moved = 0.01 * rng.normal(size=(N, 6)) * [1, 1, 1, 0.02, 0.02, 0.02]
    jumps = [30, 31, 70, 110]
    moved[jumps, 0] += 1.5
    series = 1000 + rng.normal(size=(N, R))
    series[jumps] += 40
    write_person(tmp_path / "a", rng, series=series, known=moved)
    upper = np.triu_indices(R, 1)
    settings = SETTINGS | {"motion_parameters": 0}
    spiked, plain, _ = person(*place(tmp_path / "a"), R, settings)
    scrubbed, row, _ = person(*place(tmp_path / "a"), R, settings | {"scrub_fd_mm": 0.5})
    assert spiked[upper].mean() > 0.5 > 0.05 > abs(scrubbed[upper].mean())
    displacement = quality.framewise_displacement(moved)
    out = {near for volume in np.flatnonzero(displacement > 0.5) for near in range(volume - 1, volume + 3)}
    assert row["n_scrubbed"] == len(out) and plain["n_scrubbed"] == 0
    assert row["residual_dof"] == plain["residual_dof"] - len(out)


def test_scrubbing_everything_is_an_exclusion(tmp_path):
    rng = np.random.default_rng(11)
    write_person(tmp_path / "a", rng, known=motion(rng) * 50)
    settings = SETTINGS | {"scrub_fd_mm": 0.01, "max_translation_mm": 100.0}
    _, row, reasons = person(*place(tmp_path / "a"), R, settings)
    assert (row["n_scrubbed"], row["residual_dof"]) == (N, 0)
    assert reasons == [("min_residual_dof", 0, 10)]


def test_nobody_gets_fewer_regressors_silently(tmp_path):
    rng = np.random.default_rng(12)
    write_person(tmp_path / "known", rng, global_signal=rng.normal(1000, 1, N))
    write_person(tmp_path / "unknown", rng, moved_mm=None)
    settings = SETTINGS | {"motion_parameters": 24, "global_signal": True}
    found = group({name: place(tmp_path / name) for name in ("known", "unknown")} | {"x": None}, R, settings)
    rows = found.quality.set_index("participant_id")
    assert rows["regressors"].tolist()[:2] == ["motion24+global_signal", "none: motion, global signal unknown"]
    assert rows["n_regressors"].tolist()[:2] == [25, 0] and rows["n_regressors"].isna()["x"]
    assert rows.loc["unknown", "residual_dof"] == rows.loc["known", "residual_dof"] + 25
    assert rows["warnings"].isna()["known"]
    assert rows.loc["unknown", "warnings"].startswith("motion unknown: connectivity.motion_parameters 24 not applied; ")
    facts = sidecar(found, settings)
    assert facts["regressors"] == {"motion24+global_signal": 1, "none: motion, global signal unknown": 1}
    assert (facts["shape"], facts["dtype"], facts["participant_id"]) == ([2, R, R], "float32", ["known", "unknown"])
    assert facts["band_hz"] == [0.01, 0.1] and facts["kind"] == "pearson"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tb\n1\t2\n3\tx\n", "column #1.*invalid value 'x'"),
        ("a\tb\n1\t2\n3\n", "Expected 2 columns, got 1"),
        ("a\n1\n", "1 columns, expected 2 ROIs"),
        ("", "1 columns, expected 2 ROIs"),
    ],
)
def test_wrong_series_are_refused(tmp_path, text, words):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_series(tmp_path / "a.tsv", 2)


def test_series_are_read_as_pandas_reads_them(tmp_path):
    series = np.random.default_rng(13).normal(1000, 3, (20, 4)).astype(np.float32)
    series[:, 2] = np.nan
    write_tsv(tmp_path / "a.tsv", pd.DataFrame(series).assign(whole=7))
    np.testing.assert_array_equal(read_series(tmp_path / "a.tsv", 5), read_tsv(tmp_path / "a.tsv").to_numpy(float))


@pytest.fixture
def study(tmp_path):
    """Twelve people with events and scans of 264 ROIs, one without a scan, and the program's arguments."""
    rng = np.random.default_rng(14)
    names = [f"p{number:02d}" for number in range(12)]
    events = "onset\tduration\ttrial_type\n30\t30\t0back\n90\t30\t2back\n"
    lines = ["participant_id\tscore\tbold\tevents"]
    for name in names:
        (tmp_path / f"{name}_events.tsv").write_text(events)
        lines.append(f"{name}\t1\t{name}/scan.nii\t{name}_events.tsv")
    (tmp_path / "people.tsv").write_text("\n".join([*lines, "none\t1\tn/a\tn/a"]) + "\n")
    for row in read_participants(tmp_path / "people.tsv", check_files=False)[:-1]:
        folder = tmp_path / "preprocessed" / scan_folder(row)
        series = 1000 + 3 * rng.standard_normal((N, 264))
        write_person(folder.parent / row["participant_id"], rng, series=series, global_signal=series.mean(axis=1))
        (folder.parent / row["participant_id"]).rename(folder)
    return ("--preprocessed", tmp_path / "preprocessed", "--participants", tmp_path / "people.tsv")


def program(arguments, folder, **settings):
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, ROOT / "workflow/scripts/connectivity.py", *arguments]
    command += ["--settings", folder / "settings.json", "--out", folder / "fc"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_program_with_every_regressor(tmp_path, study):
    asked = {"motion_parameters": 24, "global_signal": True, "scrub_fd_mm": 0.35, "task_regressors": "glover"}
    done = program(study, tmp_path, **asked)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "fc"
    fc, rows = np.load(out / "fc.npy"), read_tsv(out / "group_bold_qc.tsv")
    assert list(rows.columns) == list(QC_COLUMNS) and len(rows) == 13
    used = "motion24+global_signal+task_glover"
    assert set(rows["regressors"].dropna()) == {used} and set(rows["n_regressors"].dropna()) == {27}
    facts = read_json(out / "fc.json")
    assert facts["shape"] == list(fc.shape) and facts["dtype"] == str(fc.dtype)
    assert facts["participant_id"] == read_tsv(out / "people.tsv")["participant_id"].tolist()
    edges = pd.read_parquet(out / "qc_fc.parquet")
    assert len(edges) == 264 * 263 // 2
    row = read_tsv(out / "qc_fc.tsv").iloc[0]
    assert row["n_people"] == len(fc) and (np.isfinite(row["median_abs_r"]) if len(fc) >= 10 else row["reason"])
    inputs = read_json(out / "artifact.json")["inputs"]
    assert sum(name.endswith("_events.tsv") for name in inputs) == 12


def test_the_program_names_who_has_no_events(tmp_path, study):
    table = tmp_path / "people.tsv"
    table.write_text(table.read_text().replace("p03_events.tsv", "n/a"))
    done = program(study, tmp_path, task_regressors="glover")
    assert done.returncode == 2 and "1 of 12 have none: p03" in done.stderr and "Traceback" not in done.stderr
    assert program(study, tmp_path).returncode == 0  # nobody asks for them
