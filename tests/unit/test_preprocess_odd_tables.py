"""Odd confounds, ROI tables and atlases: each is read right or refused by one clear line."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from test_preprocess_scan_io import confounds

from gcamccl.atlas import read_atlas
from gcamccl.connectivity.projection import missing_rois
from gcamccl.preprocess import person, quality, regions, tables
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(rot_x="x"), "motion parameters must be numbers"),
        (lambda t: t.drop(columns="rot_z"), "no motion parameters"),
        (lambda t: t.iloc[:0], "0 rows, but the scan has 24 volumes"),
        (lambda t: t.iloc[:, :0], "empty"),
    ],
)
def test_more_wrong_confounds(tmp_path, change, words):
    change(confounds(quality.MOTION_COLUMNS)).to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match=words):
        tables.read_confounds(tmp_path / "c.tsv", 24)


def roi_table(n_rois=4):
    table = pd.DataFrame(np.random.default_rng(0).normal(1000, 5, (30, n_rois)).round(3))
    return table.set_axis([f"roi_{number}" for number in range(1, n_rois + 1)], axis=1)


def test_rows_longer_than_the_header_are_refused(tmp_path):
    """pandas would take the first ROI for row names: every ROI would get its neighbour's series."""
    header, *rows = roi_table().to_csv(sep="\t", index=False).splitlines()
    for lines in ([header] + [row + "\t" for row in rows], [header] + [f"{n}\t{row}" for n, row in enumerate(rows)]):
        (tmp_path / "a.tsv").write_text("\n".join(lines))
        for read in (lambda path: tables.read_timeseries(path, 4), read_tsv):
            with pytest.raises(InputError, match="more fields than the first line has names"):
                read(tmp_path / "a.tsv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (roi_table().to_csv(index=False), "1 columns, but the atlas has 4 ROIs; fields must be separated by tabs"),
        (roi_table().set_axis(["roi_1"] * 2 + ["a", "b"], axis=1).to_csv(sep="\t", index=False), "two columns are"),
        ((roi_table() * 1e30).to_csv(sep="\t", index=False), r"values beyond 1e\+15"),
        (roi_table().to_csv(sep="\t", index=False, decimal=","), "must be numbers"),
    ],
)
def test_more_wrong_roi_tables(tmp_path, text, words):
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(InputError, match=words):
        tables.read_timeseries(tmp_path / "a.tsv", 4)


def test_windows_line_ends_are_read_as_others(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbf" + roi_table().to_csv(sep="\t", index=False).encode())
    (tmp_path / "b.tsv").write_bytes(roi_table().to_csv(sep="\t", index=False, lineterminator="\r\n").encode())
    for name in "ab":
        np.testing.assert_allclose(tables.read_timeseries(tmp_path / f"{name}.tsv", 4), roi_table(), rtol=1e-6)


def test_rois_without_signal_are_missing(tmp_path):
    table = roi_table().assign(roi_2=np.nan, roi_3=7.0)
    table.to_csv(tmp_path / "a.tsv", sep="\t", index=False, na_rep="n/a")
    result = person.from_timeseries("a", tmp_path / "a.tsv", 4, 2.0)
    assert np.isfinite(result.quality["sfnr_global"]) and result.quality["roi_coverage"] == [1, 0, 1, 1]
    assert missing_rois(result.series, result.quality["roi_coverage"], 0.5).tolist() == [False, True, True, False]


def test_confounds_beside_a_roi_table_give_its_motion(tmp_path):
    roi_table().to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    moved = confounds(quality.MOTION_COLUMNS, 30)
    moved.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    result = person.from_timeseries("a", tmp_path / "a.tsv", 4, 2.0, tmp_path / "c.tsv")
    np.testing.assert_allclose(result.motion, moved)
    assert result.quality["max_translation_mm"] > 0 and result.global_signal is None
    moved.iloc[1:].to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="29 rows, but the scan has 30 volumes"):
        person.from_timeseries("a", tmp_path / "a.tsv", 4, 2.0, tmp_path / "c.tsv")


def test_fmripreps_space_is_read_from_the_name(tmp_path):
    for words in ("space-T1w", "space-fsnative"):
        with pytest.raises(InputError, match=f"its name says {words}"):
            person.from_fmriprep("a", tmp_path / f"sub-a_{words}_bold.nii.gz", None, None, {})


LABELS = np.zeros((40, 46, 38), np.int16)
LABELS[10:14, 20:24, 18:22], LABELS[26:30, 20:24, 18:22] = 3, 7
PLACE = np.diag([4.0, 4, 4, 1])
PLACE[:3, 3] = [-80, -110, -60]


def label_image(folder, data=LABELS, affine=PLACE, names=None, code=1):
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code)
    nib.save(image, folder / "a_dseg.nii.gz")
    if names is not None:
        (folder / "a_dseg.tsv").write_text("index\tname\n" + "".join(f"{one}\tx{one}\n" for one in names))
    return str(folder / "a_dseg.nii.gz")


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SAR"])
def test_a_label_image_is_read_however_it_is_stored(tmp_path, codes):
    image = nib.Nifti1Image(LABELS.astype(np.float32), PLACE)
    image = image.as_reoriented(nib.orientations.axcodes2ornt(codes))
    atlas = label_image(tmp_path, np.asarray(image.dataobj), image.affine, names=(7, 3, 9))
    table = read_atlas(atlas)
    assert table["label"].tolist() == [3, 7] and table["name"].tolist() == ["x3", "x7"]
    np.testing.assert_allclose(table[["x", "y", "z"]], [[-34, -24, 18], [30, -24, 18]])
    found = regions.regions(atlas, table, 5.0)
    centres = [found.points[found.roi == row].mean(axis=0) for row in range(2)]
    np.testing.assert_allclose(centres, table[["x", "y", "z"]], atol=1.01)  # a voxel of 4 mm holds two grid points


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": np.stack([LABELS] * 2, -1)}, "4D image .* expected 3D"),
        ({"data": LABELS * 0.5}, "whole numbers from 0; is this a probability map"),
        ({"data": -LABELS}, "whole numbers from 0"),
        ({"data": LABELS * 0}, "0 labels"),
        ({"data": LABELS.astype(np.int32) * 10_000_000}, "label 70000000 is larger than"),
        ({"data": np.zeros(LABELS.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])}, "voxels of colours"),
        ({"affine": np.diag([4.0, 4, 4, 1])}, "outside the head; the image must be in MNI152"),
        ({"code": 0}, "left and right are unknown"),
        ({"names": (3,)}, "label 7 of the image is not in column index"),
        ({"names": (3, 3, 7)}, "line 3: index must be a whole number, once"),
    ],
)
def test_wrong_label_images_are_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        read_atlas(label_image(tmp_path, **change))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "0 ROIs; a connection needs two"),
        ("1\t0\t0\t0\n", "1 ROIs"),
        ("1\t0\t0\t0\n2\t0\t5\t0\n3\t0\t0\t0\n", "line 4: another ROI has the same coordinates"),
        ("1\t0\t0\t0\n2\t0\tn/a\t0\n", "line 3: x, y, z are not MNI152"),
    ],
)
def test_more_wrong_atlases(tmp_path, rows, words):
    (tmp_path / "a.tsv").write_text("roi\tx\ty\tz\n" + rows)
    with pytest.raises(InputError, match=words):
        read_atlas(tmp_path / "a.tsv")


def test_regions_outside_the_brain_are_refused(tmp_path):
    """They may well lie inside the scan: their series would be that of air."""
    (tmp_path / "a.tsv").write_text("roi\tx\ty\tz\n1\t0\t-20\t20\n2\t0\t0\t120\n3\t-100\t0\t0\n")
    atlas = str(tmp_path / "a.tsv")
    with pytest.raises(InputError, match=r"a\.tsv: ROI 2 at 0, 0, 120 mm lies outside the brain of MNI152, and 1 more"):
        regions.regions(atlas, read_atlas(atlas), 5.0)
    shifted = label_image(tmp_path, affine=PLACE + np.diag([60.0], 3))
    with pytest.raises(InputError, match=r"ROI 2 at 90, .* outside the brain"):
        regions.regions(shifted, read_atlas(shifted), 5.0)
    assert regions.regions("power264", read_atlas(), 5.0).count == 264
