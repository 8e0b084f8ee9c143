"""Odd scans through the whole route: other storage, oblong voxels, a cut field of view, artefacts, the wrong place."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scan_fixture
from connectivity_fixture import place, write_person
from scipy import ndimage
from test_preprocess_scan_io import save, volumes

from gcamccl import bids
from gcamccl.atlas import read_atlas
from gcamccl.connectivity.group import group
from gcamccl.preprocess import extract, person, quality, realign, results, scan_io
from gcamccl.preprocess.figures.page import page
from gcamccl.simulate import scan
from gcamccl.workflow.config import stage_defaults

VOLUMES = 24
SETTINGS = stage_defaults("preprocess") | {"registration_without_t1w": "epi_affine"}
CONNECTIVITY = stage_defaults("connectivity") | {"min_residual_dof": 0}


def from_raw(folder, name, image, repetition_time=3.0):
    """One scan through the raw route, without a T1w."""
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time))
    nib.save(image, folder / f"{name}_bold.nii.gz")
    (folder / name).mkdir()
    atlas = scan_fixture.spheres()
    return person.from_raw(
        name, folder / f"{name}_bold.nii.gz", None, atlas, SETTINGS, folder / name, say=lambda _: None
    )


def left(folder, name, result):
    """What the program leaves of a person; folder and names, as `group` takes them."""
    names = bids.derivatives(bids.stem(name, f"{name}_bold.nii.gz"), "power264")
    (folder / f"out-{name}").mkdir()
    results.write(lambda file: folder / f"out-{name}" / file, names, result, read_atlas(), SETTINGS, "bold.nii.gz")
    page(folder / f"out-{name}" / names["page"], result, read_atlas())
    assert (folder / f"out-{name}" / names["page"]).stat().st_size > 50_000
    return folder / f"out-{name}", names


def others(folder, count):
    """People whose scans are fine, as `group` takes them."""
    rng = np.random.default_rng(0)
    for number in range(count):
        write_person(folder / f"fine{number}", rng, series=1000 + 3 * rng.standard_normal((140, 264)))
    return {f"fine{number}": place(folder / f"fine{number}") for number in range(count)}


def test_all_48_orders_of_the_axes_are_the_same_scan(tmp_path):
    image = nib.Nifti1Image(volumes(), scan_fixture.simulated_scan().head.affine)  # oblique, LAS
    plain = scan_io.read_scan(save(tmp_path / "a.nii", volumes(), image.affine))
    seen = set()
    for order in np.array(np.meshgrid(*[range(3)] * 3, *[(-1, 1)] * 3)).reshape(6, -1).T:
        if len(set(order[:3])) < 3:
            continue
        other = image.as_reoriented(np.c_[order[:3], order[3:]])
        seen.add(nib.aff2axcodes(other.affine))
        found = scan_io.read_scan(save(tmp_path / "b.nii", np.asarray(other.dataobj), other.affine))
        np.testing.assert_array_equal(found.volumes, plain.volumes)
        np.testing.assert_allclose(found.affine, plain.affine, atol=2e-5)
    assert len(seen) == 48


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The fixture's first volumes through the raw route."""
    simulated = scan_fixture.simulated_scan()
    image = nib.Nifti1Image(simulated.bold[..., :VOLUMES], simulated.head.affine)
    return from_raw(tmp_path_factory.mktemp("plain"), "plain", image)


def test_storage_does_not_change_the_roi_series(tmp_path, plain):
    """Permuted, flipped, big-endian, scaled floats. What is left is ANTs, which rounding of the affine may divert."""
    simulated = scan_fixture.simulated_scan()
    image = nib.Nifti1Image(simulated.bold[..., :VOLUMES].astype(np.float64) * 0.5 + 0.0, simulated.head.affine)
    image = image.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt("PIL"))
    )
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(">f4")
    found = from_raw(tmp_path, "other", nib.Nifti1Image(np.asarray(image.dataobj), image.affine, header))
    np.testing.assert_allclose(found.motion, plain.motion, atol=1e-4)
    points = scan_fixture.roi_coordinates()
    apart = np.linalg.norm(found.located.to_native(points) - plain.located.to_native(points), axis=1)
    assert apart.max() < 0.5
    assert np.isnan(found.series).any(axis=0).tolist() == np.isnan(plain.series).any(axis=0).tolist()
    there = ~np.isnan(plain.series).any(axis=0)
    series = np.concatenate([plain.series[:, there], found.series[:, there]], axis=1)
    same = np.diag(np.corrcoef(series.T), k=there.sum())
    assert np.median(same) > 0.999 and same.min() > 0.98


def test_oblong_voxels(tmp_path):
    """3 x 3 x 4.5 mm: the planted motion and places are found, and the page can be drawn."""
    simulated, rng = scan_fixture.simulated_scan(), np.random.default_rng(0)
    head, shape = simulated.head, (60, 68, 32)
    affine = np.eye(4)
    affine[:3, :3] = head.affine[:3, :3] / head.voxel_mm * [3.0, 3.0, 4.5]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    rest = ndimage.spline_filter(head.epi, order=3, mode="mirror")
    world, data = scan.grid_points(shape, affine), np.empty((*shape, VOLUMES), np.int16)
    for volume in range(VOLUMES):
        where = np.linalg.inv(head.fine_affine) @ np.linalg.inv(scan.rigid(simulated.motion[volume], head.centre))
        voxels = where[:3, :3] @ world + where[:3, 3:]
        values = ndimage.map_coordinates(rest, voxels, order=3, prefilter=False).reshape(shape)
        data[..., volume] = np.rint(np.abs(values + 10 * rng.standard_normal(shape)))
    found = from_raw(tmp_path, "oblong", nib.Nifti1Image(data, affine))
    errors = scan.motion_error_mm(found.located.transforms, simulated.motion[:VOLUMES], head.centre)
    assert np.sqrt((errors**2).mean()) < 0.03
    points = np.c_[scan_fixture.roi_coordinates(), np.ones(264)]
    best = points @ np.linalg.lstsq(points, simulated.roi_native, rcond=None)[0]
    error, least = (
        np.linalg.norm(place - simulated.roi_native, axis=1).mean()
        for place in (found.located.to_native(points[:, :3]), best)
    )
    assert error < least + 1.0
    left(tmp_path, "oblong", found)


def test_a_cut_field_of_view_makes_rois_missing(tmp_path):
    """Without the lowest 52 mm: ROIs there are missing, and how many are allowed decides about the person."""
    simulated, cut = scan_fixture.simulated_scan(), 13
    affine = simulated.head.affine.copy()
    affine[:3, 3] += affine[:3, 2] * cut
    found = from_raw(tmp_path, "cut", nib.Nifti1Image(simulated.bold[:, :, cut:, :VOLUMES], affine))
    height = nib.affines.apply_affine(np.linalg.inv(affine), simulated.roi_native)[:, 2] * 4.0  # above the lowest slice
    coverage = np.array(found.quality["roi_coverage"])
    print(
        (height < -8).sum(),
        (coverage[height < -8] < 0.5).mean(),
        (coverage[height > 8] > 0.5).mean(),
        (coverage < 0.5).mean(),
        found.quality["registration_dice"],
    )
    assert (height < -8).sum() > 5 and (coverage[height < -8] < 0.5).all()
    assert (coverage[height > 8] > 0.5).mean() > 0.97
    assert np.isnan(found.series).all(axis=0).tolist() == (coverage == 0).tolist()
    folders = {"cut": left(tmp_path, "cut", found), **others(tmp_path, 2)}
    strict = group(folders, 264, CONNECTIVITY)
    missing = coverage < CONNECTIVITY["min_roi_coverage"]
    assert strict.excluded.to_dict("records") == [
        {"participant_id": "cut", "reason": "max_missing_rois", "value": missing.mean(), "limit": 0.1}
    ]
    kept = group(folders, 264, CONNECTIVITY | {"max_missing_rois": 0.3})
    assert kept.people["participant_id"].tolist() == list(folders) and kept.excluded.empty
    expected = (missing[:, None] | missing) & ~np.eye(264, dtype=bool)
    np.testing.assert_array_equal(np.isnan(kept.fc[0]), expected)


def test_a_bright_volume_and_a_bright_voxel_do_not_mislead_realignment():
    found = scan_fixture.realigned()
    odd = found.volumes.astype(np.float32)
    odd[9] *= 100
    odd[:, 20, 20, 20] = 3e6
    transforms, mean = realign.realign(odd, scan_fixture.simulated_scan().head.affine)
    simulated = scan_fixture.simulated_scan()
    errors = scan.motion_error_mm(transforms, simulated.motion, simulated.head.centre)
    assert np.sqrt((errors**2).mean()) < 0.06
    assert np.corrcoef(mean.ravel(), found.mean.ravel())[0, 1] > 0.99


def test_ordinary_volumes_are_realigned_as_they_are():
    found = scan_fixture.realigned()
    levels = realign._levels(found.volumes)
    same = realign._even(found.volumes, levels, levels[0], "cpu").numpy()
    np.testing.assert_array_equal(same, found.volumes)


def test_a_scan_without_any_roi_is_an_exclusion(tmp_path):
    """A brain 40 cm away from where MNI152 has it: the person is left out with reasons, and has a page to look at."""
    from nilearn import datasets

    brain, rng = datasets.load_mni152_brain_mask(resolution=4), np.random.default_rng(1)
    noise = 1 + 0.01 * rng.normal(size=(*brain.shape, VOLUMES))
    data = (np.where(brain.get_fdata() > 0.5, 500.0, 20.0)[..., None] * noise).astype(np.float32)
    affine = brain.affine + np.diag([400.0], 3)
    scan_file = save(tmp_path / "far_space-MNI152NLin6Asym_bold.nii.gz", data, affine)
    motion = pd.DataFrame(0.01 * rng.normal(size=(VOLUMES, 6)), columns=list(quality.MOTION_COLUMNS))
    motion.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    found = person.from_fmriprep("far", scan_file, tmp_path / "c.tsv", scan_fixture.spheres(), SETTINGS)
    assert "no ROI lies inside the scan" in found.quality["warnings"][0]
    assert np.isnan(found.series).all() and found.quality["sfnr_roi_median"] is None
    quality_table = group({"far": left(tmp_path, "far", found), **others(tmp_path, 1)}, 264, CONNECTIVITY)
    assert set(quality_table.excluded["reason"]) == {"max_missing_rois", "min_registration_dice"}
    assert set(quality_table.excluded["participant_id"]) == {"far"}


def test_the_most_negative_number_does_not_overflow_in_the_normalised_series(tmp_path):
    """int16 has no 32768: its absolute value would be negative, and the step too small for what is written."""
    data = np.full((91, 109, 91, 1), 100, np.int16)[:, :, :, [0] * 2]
    data[45, 60, 40] = -32768
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = extract.GRID_ORIGIN_MM
    located = SimpleNamespace(
        scan=scan_io.Scan(np.ascontiguousarray(np.moveaxis(data, 3, 0)), affine, 2.0, []),
        transforms=np.broadcast_to(np.eye(4), (2, 4, 4)),
        to_native=lambda points: points,
        has_data=None,
    )
    extract.write_normalised(tmp_path / "n.nii.gz", located, {"smoothing_fwhm_mm": 0.0})
    written = nib.load(tmp_path / "n.nii.gz").get_fdata()
    assert written[45, 60, 40, 0] == pytest.approx(-32768, rel=0.01)
    assert written[10, 10, 10, 1] == pytest.approx(100, abs=2)
