"""Registration against planted poses and warps: whole heads, tilted heads, cut scans, somebody else's T1w."""

import nibabel as nib
import numpy as np
import pytest
import scan_fixture
from scipy import ndimage
from scipy.spatial.transform import Rotation
from sklearn.feature_selection import mutual_info_classif

from gcamccl.connectivity.exclusion import reasons_to_exclude
from gcamccl.preprocess import brain, extract, register, templates
from gcamccl.simulate import scan
from gcamccl.workflow.config import stage_defaults


def roi_error_mm(found, roi_native, chosen=slice(None)):
    """Mean distance of the ROIs from their true places."""
    native = register.to_native(scan_fixture.roi_coordinates()[chosen], found.files)
    return float(np.linalg.norm(native - roi_native[chosen], axis=1).mean())


def best_affine_error_mm(roi_native):
    """What the best of all affine maps would leave: the planted warp."""
    xyz = np.c_[scan_fixture.roi_coordinates(), np.ones(264)]
    fitted = xyz @ np.linalg.lstsq(xyz, roi_native, rcond=None)[0]
    return float(np.linalg.norm(fitted - roi_native, axis=1).mean())


def place():
    """Mean image, mask and affine of the fixture's scan."""
    found = scan_fixture.realigned()
    return found.mean, found.mask, scan_fixture.simulated_scan().head.affine


def test_a_t1w_of_the_whole_head_finds_the_warp(tmp_path):
    simulated = scan_fixture.simulated_scan()
    assert (simulated.t1w[:, :, -12:] > 300).any(), "the T1w shows the scalp"
    found = register.register_t1w(*place(), simulated.t1w.astype(np.float32), simulated.t1w_affine, 3, 1, tmp_path)
    assert roi_error_mm(found, simulated.roi_native) < 0.8 * best_affine_error_mm(simulated.roi_native)
    assert found.t1w_gain > extract.LOW_T1W_GAIN and not list(extract._doubts(True, 1.0, found.t1w_gain))
    grid, in_brain = templates.brain_grid(4)
    mask, affine = place()[1:]
    assert brain.dice(mask, affine, register.to_native(grid, found.files), in_brain) > 0.9
    shifted = register.to_native(grid, found.files) + np.array([30.0, 0, 0])
    assert brain.dice(mask, affine, shifted, in_brain) < 0.75


def test_bright_voxels_of_a_t1w_do_not_mislead_the_registration(tmp_path):
    simulated = scan_fixture.simulated_scan()
    t1w = simulated.t1w.astype(np.float32)
    t1w[45:47, 50:52, 45:47] = 1e6
    found = register.register_t1w(*place(), t1w, simulated.t1w_affine, 4, 1, tmp_path)
    assert roi_error_mm(found, simulated.roi_native) < 0.85 * best_affine_error_mm(simulated.roi_native)
    assert found.t1w_gain > extract.LOW_T1W_GAIN


def test_a_t1w_in_another_pose_gives_the_same(tmp_path):
    """The header is off by a tilt and a shift, as after a pause outside the scanner."""
    simulated = scan_fixture.simulated_scan()
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", [18, -5, 6], degrees=True).as_matrix()
    pose[:3, 3] = [8, -20, 35]
    t1w, affine = simulated.t1w.astype(np.float32), pose @ simulated.t1w_affine
    found = register.register_t1w(*place(), t1w, affine, 3, 1, tmp_path)
    assert roi_error_mm(found, simulated.roi_native) < 0.85 * best_affine_error_mm(simulated.roi_native)


def test_somebody_elses_t1w_is_noticed(tmp_path):
    """Heads of much the same size: too little gain for their own T1w, and the warning says so."""
    rng = scan.participant_rng(1, "sub-002")
    other = scan.make_head(scan_fixture.MATRIX, scan_fixture.VOXEL_MM, rng)
    t1w, affine = scan.t1w(other, rng)
    gain = register.register_t1w(*place(), t1w.astype(np.float32), affine, 3, 1, tmp_path).t1w_gain
    assert gain < extract.LOW_T1W_GAIN
    assert [text for text in extract._doubts(True, 1.0, gain) if "is it the same person's?" in text]


def test_somebody_elses_t1w_is_an_exclusion(tmp_path):
    """Heads that differ more: the T1w spoils the registration."""
    head, other = (scan.make_head((56, 60, 42), 3.4, np.random.default_rng(seed)) for seed in (1, 2))
    to_fine = np.linalg.inv(head.fine_affine) @ head.affine
    mean = ndimage.affine_transform(head.epi, to_fine[:3, :3], to_fine[:3, 3], head.shape, order=1)
    t1w, affine = scan.t1w(other, np.random.default_rng(2))
    scans = (mean, brain.brain_mask(mean), head.affine, t1w.astype(np.float32), affine)
    gain = register.register_t1w(*scans, 4, 1, tmp_path).t1w_gain
    assert gain < -0.05
    settings = stage_defaults("connectivity")
    facts = {"max_translation_mm": 0.0, "sfnr_global": 400.0, "registration_dice": 0.9, "t1w_gain": gain}
    assert reasons_to_exclude(facts, 0.0, 100, settings) == [("min_t1w_gain", gain, 0.0)]
    for known in (None, 0.0):
        assert reasons_to_exclude(facts | {"t1w_gain": known}, 0.0, 100, settings) == []


@pytest.mark.parametrize("deform", [False, True])
def test_bold_alone_is_registered_less_well(tmp_path, deform):
    simulated = scan_fixture.simulated_scan()
    found = register.register_epi(*place(), deform, 1, tmp_path)
    error, affine = roi_error_mm(found, simulated.roi_native), best_affine_error_mm(simulated.roi_native)
    assert error < affine + (0.8 if deform else 1.0)
    assert found.t1w_gain is None
    (tmp_path / "again").mkdir()
    again = register.register_epi(*place(), deform, 1, tmp_path / "again")
    native, twice = (register.to_native(scan_fixture.roi_coordinates(), each.files) for each in (found, again))
    np.testing.assert_array_equal(native, twice)


def test_a_scan_without_the_lower_brain_is_placed_right(tmp_path):
    """36 mm of the lower brain were not acquired: centring the brains would be off by as much as half of that."""
    simulated = scan_fixture.simulated_scan()
    mean, mask, affine = place()
    cut = 9
    affine = affine.copy()
    affine[:3, 3] += affine[:3, 2] * cut
    found = register.register_epi(mean[..., cut:], mask[..., cut:], affine, True, 1, tmp_path)
    voxels = nib.affines.apply_affine(np.linalg.inv(affine), simulated.roi_native)
    seen = (voxels > 0).all(axis=1)
    assert 200 < seen.sum() < 264
    assert roi_error_mm(found, simulated.roi_native, seen) < best_affine_error_mm(simulated.roi_native) + 2.0


def test_information_equals_scikit_learns():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 32, 5000)
    b = (a + rng.integers(0, 12, 5000)) % 32
    theirs = mutual_info_classif(a[:, None], b, discrete_features=True)[0]
    assert register.information(a, b) == pytest.approx(theirs, rel=1e-6)
