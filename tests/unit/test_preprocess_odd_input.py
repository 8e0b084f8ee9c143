"""Odd headers, types and damaged files: each is read right, with its warning, or refused by one clear line."""

import gzip
import struct
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
from test_preprocess_scan_io import save, volumes

from gcamccl.preprocess import scan_io
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])


def with_header(path, sform=AFFINE, s_code=1, qform=AFFINE, q_code=0, data=None, **fields):
    """A plain .nii with the header fields given; no library corrects them on the way."""
    data = volumes() if data is None else data
    header = nib.Nifti1Image(data, AFFINE).header
    header.set_qform(qform, q_code)
    header.set_sform(sform, s_code)
    header.set_xyzt_units("mm", "sec")
    header["pixdim"][4], header["magic"], header["vox_offset"] = 2.0, b"n+1", 352
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + bytes(4) + data.tobytes(order="F"))
    return path


@pytest.mark.parametrize("kind", ["u1", "i1", ">i2", "u2", "i4", ">i4", "i8", "f4", ">f4", "f8"])
def test_every_type_of_number_is_read_right(tmp_path, kind):
    data = (volumes() % 120).astype(kind)
    if kind == "u2":
        data += np.uint16(60_000)  # beyond int16
    if kind in ("i4", ">i4"):
        data = data * 1000  # likewise
    image = nib.Nifti1Image(
        data, AFFINE, header=nib.Nifti1Header(endianness=">" if kind[0] == ">" else "<"), dtype=kind
    )
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3, 3, 4, 2.0))
    nib.save(image, tmp_path / "a.nii")
    raw = (tmp_path / "a.nii").read_bytes()
    assert raw[:4] == (b"\x00\x00\x01\x5c" if kind[0] == ">" else b"\x5c\x01\x00\x00"), "byte order of the header"
    assert raw[352:].startswith(np.asarray(data, kind).tobytes(order="F")[:100])
    scan = scan_io.read_scan(tmp_path / "a.nii")
    np.testing.assert_array_equal(np.moveaxis(scan.volumes, 0, 3), data)


@pytest.mark.parametrize(
    ("slope", "intercept", "wanted"),
    [(0.5, 10.0, (0.5, 10.0)), (0.0, 7.0, (1.0, 0.0)), (float("nan"), 0.0, (1.0, 0.0)), (1.0, float("nan"), None)],
)
def test_scaled_numbers(tmp_path, slope, intercept, wanted):
    """A slope of 0 or NaN means no scaling; a broken intercept is refused."""
    path = with_header(tmp_path / "a.nii")
    whole = bytearray(path.read_bytes())
    struct.pack_into("<ff", whole, 112, slope, intercept)
    path.write_bytes(whole)
    if wanted is None:
        with pytest.raises(InputError, match=r"a\.nii: not a readable NIfTI image \(.*intercept"):
            scan_io.read_scan(path)
    else:
        found = np.moveaxis(scan_io.read_scan(path).volumes, 0, 3)
        np.testing.assert_allclose(found, volumes() * wanted[0] + wanted[1])


def test_colours_and_values_beyond_float32_are_refused(tmp_path):
    colours = np.zeros((12, 14, 10, 24), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(InputError, match="voxels of colours"):
        scan_io.read_scan(save(tmp_path / "a.nii.gz", colours))
    with pytest.raises(InputError, match=r"volume 0 has values from .*e\+2\d; scale the scan"):
        scan_io.read_scan(save(tmp_path / "a.nii.gz", volumes().astype(np.float64) * 1e20))
    with pytest.raises(InputError, match="volume 0 has 1680 NaN or infinite voxels"):
        scan_io.read_scan(save(tmp_path / "a.nii.gz", volumes().astype(np.float64) * 1e40))


@pytest.mark.parametrize(
    ("repetition_time", "unit", "words"),
    [
        (2.0, "msec", "repetition time 0.002 s is not between"),
        (0.5, "hz", "the fourth axis is not time but in hz"),
        (float("nan"), "sec", "repetition time nan in the header and none in a.json"),
    ],
)
def test_more_wrong_repetition_times(tmp_path, repetition_time, unit, words):
    path = save(tmp_path / "a.nii.gz", volumes(), repetition_time=repetition_time, unit=unit)
    with pytest.raises(InputError, match=words):
        scan_io.read_scan(path)


def test_a_repetition_time_without_unit_is_told(tmp_path):
    path = save(tmp_path / "a.nii.gz", volumes(), unit="unknown")
    scan = scan_io.read_scan(path)
    assert scan.repetition_time_s == 2.0
    assert scan.warnings == ["repetition time 2 in the header has no unit; taken as seconds"]
    assert scan_io.read_scan(path, 2.0).warnings == []  # the participants table says the same
    with pytest.raises(InputError, match="repetition time True s"):
        scan_io.read_scan(save(tmp_path / "b.nii.gz", volumes(), repetition_time=1.0, sidecar={"RepetitionTime": True}))


def test_axes_of_length_one(tmp_path):
    """Time may be followed by axes of length 1; as a fifth axis, after one, it is no scan."""
    plain = volumes()
    scan = scan_io.read_scan(with_header(tmp_path / "a.nii", data=plain[..., None]))
    np.testing.assert_array_equal(np.moveaxis(scan.volumes, 0, 3), plain)
    with pytest.raises(InputError, match="5D image of 12 x 14 x 10 x 1 x 24, expected 4D"):
        scan_io.read_scan(with_header(tmp_path / "b.nii", data=plain[:, :, :, None]))
    with pytest.raises(InputError, match="only 1 volumes"):
        scan_io.read_scan(with_header(tmp_path / "c.nii", data=plain[..., :1, None]), 2.0)


def damage(whole, how):
    """A compressed file's bytes after an accident."""
    if isinstance(how, float):
        return whole[: int(how * len(whole))]
    changed = bytearray(whole)
    changed[{"data": len(whole) // 2, "check sum": -6, "length": -2}[how]] ^= 0xFF
    return bytes(changed)


@pytest.mark.parametrize("how", [0.0, 0.001, 0.1, 0.5, 0.99, 0.99999, "data", "check sum", "length"])
@pytest.mark.parametrize("read", [scan_io.read_scan, scan_io.read_volume])
def test_a_damaged_compressed_file_is_refused(tmp_path, how, read):
    """nibabel reads up to the last voxel, not to the check sum: changed bytes would be taken for signal."""
    data = volumes() if read is scan_io.read_scan else volumes()[..., 0]
    path = save(tmp_path / "a.nii.gz", data)
    read(path)
    path.write_bytes(damage(path.read_bytes(), how))
    with pytest.raises(InputError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "truncated or damaged" in text or (isinstance(how, float) and how <= 0.1 and "not a readable NIfTI" in text)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.nii.gz", b"this is no image"),
        ("a.nii.gz", bytes(128) + b"DICM" + bytes(4000)),
        ("a.nii", bytes(128) + b"DICM" + bytes(4000)),
        ("a.nii.gz", b""),
        ("a.nii", b""),
        ("a.nii", gzip.compress(bytes(4000), mtime=0)),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="not a readable NIfTI image"):
        scan_io.read_scan(tmp_path / name)


def test_a_compressed_file_with_too_few_voxels_is_refused(tmp_path):
    whole = with_header(tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(whole[:-1000]))
    with pytest.raises(InputError, match=r"truncated or damaged .*Expected 80640 bytes"):
        scan_io.read_scan(tmp_path / "b.nii.gz")


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.AnalyzeImage, nib.MGHImage])
def test_other_formats_are_refused(tmp_path, kind):
    """ANALYZE does not say where left is; of a pair, Snakemake would watch one file only."""
    path = tmp_path / ("a.mgz" if kind is nib.MGHImage else "a.img")
    nib.save(kind(volumes(), AFFINE), path)
    with pytest.raises(InputError, match=r"not NIfTI in one file but .*; convert it to \.nii or"):
        scan_io.read_scan(path, 2.0)


def changed(row, column, value, affine=AFFINE):
    result = affine.copy()
    result[row, column] = value
    return result


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"s_code": 0}, "neither qform nor sform is set"),
        ({"sform": np.zeros((4, 4))}, "voxels of 0 x 0 x 0 mm by the sform"),
        ({"sform": changed(1, 3, np.nan)}, "the affine in the header (sform) is not finite"),
        ({"sform": AFFINE * 1e-3}, "voxels of 0.003 x 0.003 x 0.004 mm"),
        ({"sform": AFFINE * 1e3}, "0.1 to 20 mm are expected"),
        ({"sform": changed(1, 0, 0.3)}, "axes are not at right angles (cosine 0.1)"),
        (
            {"sform": changed(1, 0, 3.0) @ np.diag([1, 0, 1, 1.0]) + changed(0, 1, 3.0, np.zeros((4, 4)))},
            "right angles",
        ),
        ({"sform": changed(0, 0, -3.0), "q_code": 1}, "mirror images of each other"),
        ({"s_code": 0, "q_code": 1, "pixdim": [1, 0, 3, 4, 2, 0, 0, 0]}, "a voxel size (pixdim) in the header is not"),
    ],
)
def test_headers_that_say_no_place_are_refused(tmp_path, header, words):
    path = with_header(tmp_path / "a.nii", **header)
    with pytest.raises(InputError) as caught:
        scan_io.read_scan(path)
    assert str(caught.value).startswith(f"{path}: ") and words in str(caught.value)


def test_the_sform_counts_and_a_disagreement_is_told(tmp_path):
    qform = changed(0, 3, 30.0)
    scan = scan_io.read_scan(with_header(tmp_path / "a.nii", qform=qform, q_code=1, s_code=2))
    np.testing.assert_allclose(scan.affine, AFFINE)
    assert scan.warnings == ["qform (code 1) and sform (code 2) are up to 30.0 mm apart; the sform is used"]
    scan = scan_io.read_scan(with_header(tmp_path / "b.nii", qform=qform, q_code=1, s_code=0))
    np.testing.assert_allclose(scan.affine, qform)
    assert scan.warnings == [] == scan_io.read_scan(with_header(tmp_path / "c.nii", q_code=1)).warnings


def test_a_rounded_affine_is_made_right_angled(tmp_path):
    """ITK refuses cosines of 0.001, which converters' rounding makes; the grid's centre stays where it is."""
    from gcamccl.preprocess.register import ants_image

    sheared = changed(1, 0, 0.01)
    with pytest.raises(RuntimeError, match="orthonormal"):
        ants_image(np.ones((12, 14, 10)), sheared, tmp_path / "a.nii")
    affine = scan_io.read_scan(with_header(tmp_path / "b.nii", sform=sheared)).affine
    ants_image(np.ones((12, 14, 10)), affine, tmp_path / "c.nii")
    middle = np.array([5.5, 6.5, 4.5, 1])
    np.testing.assert_allclose(affine @ middle, sheared @ middle, atol=1e-5)
    assert 0.001 < np.abs(affine - sheared)[:3, :3].max() < 0.01


def test_bright_volumes_and_voxels_are_told(tmp_path):
    data = volumes()
    assert scan_io.read_scan(save(tmp_path / "a.nii.gz", data)).warnings == []
    data[..., 0] *= 2
    data[5, 5, 5, 9] = 32_000
    first, second = scan_io.read_scan(save(tmp_path / "a.nii.gz", data)).warnings
    assert "1 of 24, worst volume 0 (2 times as bright)" in first
    assert second.startswith("volume 9 has a voxel 33 times as bright as its brain")


@pytest.mark.parametrize("name", ["bold", "2D", "nan", "constant", "negative"])
def test_wrong_t1ws_are_refused(tmp_path, name):
    data = {"bold": volumes(), "2D": volumes()[:, :, 0, 0]}.get(name, volumes()[..., 0].astype(np.float32))
    if name == "nan":
        data[1, 2, 3] = np.nan
    if name == "constant":
        data[:] = 3
    if name == "negative":
        data -= 2000
    words = {
        "negative": "values from -1990 to -1",
        "bold": "4D image",
        "2D": "2D image",
        "nan": "1 voxels are NaN",
        "constant": "every voxel is 3",
    }[name]
    with pytest.raises(InputError, match=words):
        scan_io.read_volume(save(tmp_path / "t1w.nii.gz", data))


def test_a_refusal_is_one_line_and_leaves_nothing(tmp_path):
    """Through the program: the T1w is a series."""
    path, out = save(tmp_path / "a_bold.nii.gz", volumes()), tmp_path / "out"
    command = [sys.executable, ROOT / "workflow/scripts/preprocess.py", "--participant", "a", "--route", "raw"]
    command += ["--bold", path, "--t1w", path, "--out", out]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2 and not list(out.rglob("*"))
    assert done.stderr.splitlines() == [
        f"ERROR: {path}: 4D image of 12 x 14 x 10 x 24, expected 3D; check which file this is"
    ]
