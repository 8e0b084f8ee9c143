"""Odd and broken scans: each is read right or refused with a line that names the file and the fault."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from gcamccl import bids
from gcamccl.atlas import read_atlas
from gcamccl.preprocess import person, quality, scan_io, tables
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError

REAL = ROOT.parent / "shared/data/fmri"
needs_real_data = pytest.mark.skipif(not REAL.is_dir(), reason="public example scans are not at ../shared/data/fmri")


def volumes(shape=(12, 14, 10, 24)):
    return np.random.default_rng(0).integers(10, 1000, shape).astype(np.int16)


def save(path, data, affine=None, repetition_time=2.0, unit="sec", sidecar=None):
    """Write a scan; returns its path."""
    affine = np.diag([3.0, 3.0, 4.0, 1.0]) if affine is None else affine
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", unit)
    image.set_sform(affine, 1)
    if data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    nib.save(image, path)
    if sidecar is not None:
        bids.sidecar(path).write_text(json.dumps(sidecar))
    return path


def test_orientation_of_storage_does_not_matter(tmp_path):
    from scipy.spatial.transform import Rotation

    data = volumes()
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [8, -3, 5], degrees=True).as_matrix() @ np.diag([3.0, 3.2, 4.0])
    affine[:3, 3] = [-18, 7, 3]
    plain = scan_io.read_scan(save(tmp_path / "ras.nii.gz", data, affine))
    flipped = affine.copy()  # x reversed, then axes in the order z, x, y
    flipped[:3, 3] += affine[:3, 0] * (data.shape[0] - 1)
    flipped[:3, 0] *= -1
    other = scan_io.read_scan(save(tmp_path / "slr.nii.gz", data[::-1].transpose(2, 0, 1, 3), flipped[:, [2, 0, 1, 3]]))
    np.testing.assert_array_equal(plain.volumes, other.volumes)
    np.testing.assert_allclose(plain.affine, other.affine, atol=1e-5)
    assert plain.volumes.dtype == np.int16


@pytest.mark.parametrize(
    ("header", "unit", "sidecar", "table", "seconds"),
    [
        (2.0, "sec", None, None, 2.0),
        (2000.0, "msec", None, None, 2.0),
        (0.0, "sec", {"RepetitionTime": 2.5}, None, 2.5),
        (2.0, "sec", {"RepetitionTime": 2.01}, None, 2.01),
        (0.0, "sec", None, 1.5, 1.5),
        (2000.0, "sec", None, None, 2.0),
        (2.0, "sec", {"TaskName": "rest"}, 2.0, 2.0),
    ],
)
def test_repetition_time_is_found(tmp_path, header, unit, sidecar, table, seconds):
    path = save(tmp_path / "a_bold.nii.gz", volumes(), repetition_time=header, unit=unit, sidecar=sidecar)
    scan = scan_io.read_scan(path, table)
    assert scan.repetition_time_s == pytest.approx(seconds)
    assert bool(scan.warnings) == (header == 2000.0 and unit == "sec")


@pytest.mark.parametrize(
    ("header", "sidecar", "table", "words"),
    [
        (0.0, None, None, "none in a_bold.json"),
        (2.0, {"RepetitionTime": 3.0}, None, "3 s in .* but 2 s in header"),
        (2.0, None, 2.2, "2.2 s in participants table but 2 s in header"),
        (2.0, {"RepetitionTime": 0}, None, "not between"),
        (2.0, {"RepetitionTime": "3"}, None, "not between"),
        (2.0, [3.0], None, "not a JSON object"),
    ],
)
def test_wrong_repetition_times_are_refused(tmp_path, header, sidecar, table, words):
    path = save(tmp_path / "a_bold.nii.gz", volumes(), repetition_time=header, sidecar=sidecar)
    with pytest.raises(InputError, match=words):
        scan_io.read_scan(path, table)


@pytest.mark.parametrize(
    ("sidecars", "seconds"),
    [
        ({"task-nback_bold.json": {"RepetitionTime": 2.5}}, 2.5),
        ({"task-rest_bold.json": {"RepetitionTime": 2.5}}, 3.0),
        ({"sub-01/sub-01_bold.json": {"RepetitionTime": 2.0}, "task-nback_bold.json": {"RepetitionTime": 9.0}}, 2.0),
        ({"sub-01/sub-01_bold.json": {"EchoTime": 0.03}, "task-nback_bold.json": {"RepetitionTime": 2.5}}, 2.5),
    ],
)
def test_repetition_time_is_inherited(tmp_path, sidecars, seconds):
    """The nearest sidecar that has it counts; the header is compared with it, so here it must agree."""
    for name, content in {"dataset_description.json": {}, "sub-01/x": {}, **sidecars}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    path = save(tmp_path / "sub-01/sub-01_task-nback_bold.nii.gz", volumes(), repetition_time=seconds)
    assert scan_io.read_scan(path).repetition_time_s == seconds
    path = save(path, volumes(), repetition_time=seconds + 0.5)
    if seconds != 3.0:
        nearest = next(name for name, content in sidecars.items() if "RepetitionTime" in content)
        with pytest.raises(InputError, match=f"is {seconds:g} s in .*{nearest} but {seconds + 0.5:g} s in header"):
            scan_io.read_scan(path)


def test_all_sidecars_without_repetition_time_are_named(tmp_path):
    (tmp_path / "dataset_description.json").write_text("{}")
    (tmp_path / "task-nback_bold.json").write_text("{}")
    path = save(tmp_path / "sub-01_task-nback_bold.nii.gz", volumes(), repetition_time=0.0, sidecar={})
    with pytest.raises(InputError, match=r"none in sub-01_task-nback_bold\.json, task-nback_bold\.json"):
        scan_io.read_scan(path)


def damaged(name):
    """A scan with one fault."""
    data = volumes()
    if name == "3D":
        return data[..., 0]
    if name == "few":
        return data[..., :10]
    if name == "thin":
        return data[:, :, :3]
    if name == "zero volume":
        data[..., 7] = 0
    if name == "nan":
        data = data.astype(np.float32)
        data[3, 4, 5, 6] = np.nan
    if name == "complex":
        data = data.astype(np.complex64)
    return data


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("3D", "3D image of 12 x 14 x 10, expected 4D"),
        ("few", "only 10 volumes"),
        ("thin", "only 3 voxels along one axis"),
        ("zero volume", r"volume 7 is constant \(0\)"),
        ("nan", r"volume 6 has 1 NaN or infinite voxels, the first at \[3, 4, 5\]"),
        ("complex", "voxels of type complex64"),
    ],
)
def test_damaged_scans_are_refused(tmp_path, fault, words):
    path = save(tmp_path / "a_bold.nii.gz", damaged(fault))
    with pytest.raises(InputError, match=words) as caught:
        scan_io.read_scan(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_truncated_scan_is_refused(tmp_path, share):
    path = save(tmp_path / "a_bold.nii.gz", volumes())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="truncated or damaged"):
        scan_io.read_scan(path)


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "text.nii.gz").write_bytes(gzip.compress(b"this is no image"))
    with pytest.raises(InputError, match="not a readable NIfTI image"):
        scan_io.read_scan(tmp_path / "text.nii.gz")
    with pytest.raises(InputError, match="no such file"):
        scan_io.read_scan(tmp_path / "nowhere.nii.gz")


def test_an_unknown_orientation_is_refused(tmp_path):
    image = nib.Nifti1Image(volumes(), None)
    image.header["sform_code"] = image.header["qform_code"] = 0
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="left and right are unknown"):
        scan_io.read_scan(tmp_path / "a.nii.gz", 2.0)


def test_a_scan_without_a_brain_is_refused(tmp_path):
    data = np.zeros((16, 16, 16, 24), np.int16)
    data[8, 8, 8] = np.arange(1, 25)
    path = save(tmp_path / "a.nii.gz", data)
    settings = stage_defaults("preprocess")
    with pytest.raises(InputError, match=r"a\.nii\.gz: no brain found"):
        person.from_raw("a", path, None, np.zeros((1, 3)), settings, tmp_path, say=lambda text: None)


def test_a_series_is_no_t1w(tmp_path):
    with pytest.raises(InputError, match=r"4D image .* expected 3D"):
        scan_io.read_volume(save(tmp_path / "t1w.nii.gz", volumes()))


def confounds(names, rows=24):
    return pd.DataFrame(np.random.default_rng(0).normal(size=(rows, len(names))), columns=list(names))


@pytest.mark.parametrize("names", tables.CONFOUND_NAMES)
def test_confounds_old_and_new(tmp_path, names):
    table = confounds(names).assign(CSF=1.0)
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    np.testing.assert_allclose(tables.read_confounds(tmp_path / "c.tsv", 24), table[list(names)].to_numpy())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (confounds(quality.MOTION_COLUMNS, 23), "23 rows, but the scan has 24 volumes"),
        (confounds(("a", "b")), "no motion parameters"),
        (confounds(quality.MOTION_COLUMNS).drop(3).reindex(range(24)), "line 5: trans_x is missing"),
    ],
)
def test_wrong_confounds_are_refused(tmp_path, table, words):
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False, na_rep="n/a")
    with pytest.raises(InputError, match=words):
        tables.read_confounds(tmp_path / "c.tsv", 24)


@needs_real_data
@pytest.mark.parametrize("name", ["test_desc-confounds_regressors.tsv", "test-v21_desc-confounds_timeseries.tsv"])
def test_real_fmriprep_confounds_are_read(name):
    n_volumes = len(Path(REAL / name).read_text().splitlines()) - 1
    assert tables.read_confounds(REAL / name, n_volumes).shape == (n_volumes, 6)


@needs_real_data
def test_a_real_scan_is_read():
    scan = scan_io.read_scan(REAL / "sub-ds205s03_task-functionallocalizer_run-01_bold_volreg.nii.gz")
    assert scan.volumes.shape[0] == 82
    assert scan.repetition_time_s == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.iloc[:, :-1], "263 columns, but the atlas has 264 ROIs"),
        (lambda t: t.iloc[:10], "only 10 volumes"),
        (lambda t: t[t.columns[::-1]], "in the atlas's order"),
        (lambda t: t.assign(roi_002=["x"] * len(t)), "must be numbers"),
        (lambda t: t.drop(4).reindex(range(30)), "line 6: roi_001 is missing"),
        (lambda t: t * np.nan, "no ROI has values"),
    ],
)
def test_wrong_roi_tables_are_refused(tmp_path, change, words):
    table = pd.DataFrame(np.ones((30, 264)), columns=[f"roi_{number:03d}" for number in range(1, 265)])
    change(table).to_csv(tmp_path / "a.tsv", sep="\t", index=False, na_rep="n/a")
    with pytest.raises(InputError, match=words):
        tables.read_timeseries(tmp_path / "a.tsv", 264)


@pytest.mark.parametrize("first", ["513.25", "500", "n/a"])  # repeated ones, which pandas would rename
def test_a_roi_table_without_header_does_not_lose_its_first_volume(tmp_path, first):
    table = np.random.default_rng(0).normal(500, 5, (30, 4)).round(2).astype(str)
    table[0, 1:3] = first
    (tmp_path / "a.tsv").write_text("\n".join("\t".join(row) for row in table))
    with pytest.raises(InputError, match="no header line"):
        tables.read_timeseries(tmp_path / "a.tsv", 4)


def test_plain_roi_numbers_are_a_header(tmp_path):
    table = pd.DataFrame(np.ones((30, 4)), columns=["1", "2", "3", "4"])
    table.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    assert tables.read_timeseries(tmp_path / "a.tsv", 4).shape == (30, 4)


def test_roi_tables_need_a_repetition_time(tmp_path):
    with pytest.raises(InputError, match="repetition_time"):
        person.from_timeseries("a", tmp_path / "a.tsv", np.zeros((1, 3)), None)


def test_the_shipped_atlas_is_powers():
    from nilearn.datasets import fetch_coords_power_2011

    atlas = read_atlas()
    theirs = pd.DataFrame(fetch_coords_power_2011().rois)
    np.testing.assert_array_equal(atlas[["roi", "x", "y", "z"]], theirs[["roi", "x", "y", "z"]])
    assert atlas["network"].nunique() == 14 and (atlas["name"] != "n/a").all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roi\tx\ty\n1\t0\t0\n", "no column z"),
        ("roi\tx\ty\tz\n1\t0\t0\ta\n", "must be numbers"),
        ("roi\tx\ty\tz\n1\t0\t0\t0\n2\t0\t900\t0\n", "line 3: x, y, z are not MNI152"),
        ("roi\tx\ty\tz\n0\t0\t0\t0\n", "must count 1, 2, 3"),
    ],
)
def test_wrong_atlases_are_refused(tmp_path, text, words):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_atlas(tmp_path / "a.tsv")
