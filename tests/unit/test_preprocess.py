"""Realignment, registration, sampling and quality against planted truth and against nilearn, nibabel and scipy."""

import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scan_fixture
from scipy import ndimage

from gcamccl.connectivity import projection
from gcamccl.preprocess import extract, person, quality, realign, regions, resample, scan_io
from gcamccl.simulate import scan_bold
from gcamccl.simulate.scan import motion_error_mm, rigid
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json
from gcamccl.workflow.study import read_participants, scan_folder


def test_realignment_recovers_the_planted_motion():
    simulated, found = scan_fixture.simulated_scan(), scan_fixture.realigned()
    still = np.broadcast_to(np.eye(4), found.transforms.shape)
    for transforms, low, high in ((still, 0.25, 1.0), (found.transforms, 0.0, 0.045)):
        errors = motion_error_mm(transforms, simulated.motion, simulated.head.centre)
        assert low < np.sqrt((errors**2).mean()) < high


def test_motion_error_is_that_of_points_on_a_ball():
    """Jenkinson's closed form against points drawn from the ball; a constant displacement does not count."""
    rng = np.random.default_rng(0)
    centre = np.array([3.0, -20, 10])
    motion = rng.normal(size=(5, 6)) * [1, 1, 1, 0.02, 0.02, 0.02]
    truth = np.stack([rigid(row, centre) for row in motion])
    constant = rigid([5, -3, 2, 0.1, 0.05, -0.1], centre)
    assert motion_error_mm(truth @ constant, motion, centre).max() < 1e-9
    points = rng.normal(size=(200_000, 3))
    points *= 80 * (rng.uniform(size=len(points)) ** (1 / 3) / np.linalg.norm(points, axis=1))[:, None]
    wrong = truth.copy()
    wrong[3] = truth[3] @ rigid([0.5, 0, 0, 0.01, 0, 0], centre)
    moved = np.c_[points + centre, np.ones(len(points))] @ np.linalg.inv(wrong[3] @ np.linalg.inv(truth[3])).T
    by_points = np.sqrt(((moved[:, :3] - points - centre) ** 2).sum(axis=1).mean())
    assert motion_error_mm(wrong, motion, centre)[3] == pytest.approx(by_points, rel=0.3)


def test_motion_parameters_are_those_of_the_head_centre():
    simulated, found = scan_fixture.simulated_scan(), scan_fixture.realigned()
    parameters = realign.motion_parameters(found.transforms, simulated.head.centre)
    np.testing.assert_allclose(parameters[:, :3], simulated.motion[:, :3], atol=0.08)
    np.testing.assert_allclose(parameters[:, 3:], simulated.motion[:, 3:], atol=0.0015)
    np.testing.assert_allclose(parameters[0], 0, atol=1e-9)


def test_the_whole_chain_recovers_the_planted_connectivity():
    """Known motion and warp, estimated nothing: what is left is noise, so the matrices agree closely."""
    simulated, found = scan_fixture.simulated_scan(), scan_fixture.realigned()
    series = resample.sample(found.volumes, simulated.head.affine, found.transforms, simulated.roi_native, fwhm_mm=6.0)
    basis = projection.nuisance_basis(len(series), 3.0, 0.01, 0.1)
    upper = np.triu_indices(264, 1)
    measured, planted = (projection.correlation(projection.clean(x, basis))[upper] for x in (series, simulated.signals))
    assert np.corrcoef(measured, planted)[0, 1] > 0.85


def test_264_spheres_hold_21384_voxels():
    points, roi = regions.sphere_points(scan_fixture.roi_coordinates())
    assert len(points) == 21_384
    assert (np.bincount(roi) == 81).all()
    np.testing.assert_array_equal(points % 2, 0)


def test_sphere_means_equal_nilearns_on_snapped_centres():
    from nilearn.maskers import NiftiSpheresMasker

    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-40, -36, -30]
    data = np.random.default_rng(0).normal(100, 10, (40, 36, 30, 25)).astype(np.float32)
    xyz = np.array([[0.0, 1, 0], [11, -9, 7], [-13, 12, -7.6]])
    centres = [tuple(centre) for centre in regions.snap(xyz)]
    masker = NiftiSpheresMasker(centres, radius=5.0, allow_overlap=True, standardize=False)
    theirs = masker.fit_transform(nib.Nifti1Image(data, affine))
    points, roi = regions.sphere_points(xyz)
    still = np.broadcast_to(np.eye(4), (25, 4, 4))
    values = resample.sample(np.ascontiguousarray(np.moveaxis(data, 3, 0)), affine, still, points)
    np.testing.assert_allclose(regions.roi_means(values, roi, 3), theirs, rtol=1e-4)


def test_sampling_equals_scipys_cubic_spline_after_smoothing():
    rng = np.random.default_rng(1)
    affine = np.diag([3.0, 3.0, 4.0, 1.0])
    volume = 100 + ndimage.gaussian_filter(rng.normal(0, 50, (20, 22, 18)), 1).astype(np.float32)
    voxels = rng.uniform(4, 13, (200, 3))
    points = voxels @ affine[:3, :3]
    move = rigid([0.8, -0.5, 0.3, 0.01, 0.02, -0.01], np.array([30.0, 30, 30]))
    ours = resample.sample(volume[None], affine, move[None], points, fwhm_mm=6.0)[0]
    smooth = ndimage.gaussian_filter(
        volume.astype(float), 6 * resample.FWHM_TO_SD / np.array([3.0, 3, 4]), mode="nearest"
    )
    moved = (points @ move[:3, :3].T + move[:3, 3]) / [3, 3, 4]
    theirs = ndimage.map_coordinates(smooth, moved.T, order=3, mode="mirror")
    assert np.abs(ours - theirs).max() < 0.1 * smooth.std()


def test_rois_outside_the_scan_are_missing():
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    volumes = np.ones((3, 10, 10, 10), np.float32)
    points = np.array([[4.0, 4, 4], [100, 4, 4], [4, 4, 35.9], [4, 4, 36.1]])
    still = np.broadcast_to(np.eye(4), (3, 4, 4))
    inside = resample.inside_always(points, volumes.shape[1:], affine, still)
    assert inside.tolist() == [True, False, True, False]
    means = regions.roi_means(np.ones((3, 2), np.float32), np.array([0, 2]), 4)
    assert np.isnan(means[0]).tolist() == [False, True, False, True]


def test_framewise_displacement_by_hand():
    motion = np.array([[0, 0, 0, 0, 0, 0], [1, -2, 0.5, 0.01, 0, -0.02], [1, -2, 0.5, 0.01, 0, 0]])
    np.testing.assert_allclose(quality.framewise_displacement(motion), [np.nan, 3.5 + 50 * 0.03, 50 * 0.02])
    assert quality.max_translation(motion) == pytest.approx(np.sqrt(1 + 4 + 0.25))


def test_sfnr_equals_least_squares_by_hand():
    rng = np.random.default_rng(2)
    time = np.arange(50.0)
    series = 900 + 0.3 * time - 0.02 * time**2 + rng.normal(0, 3, (4, 50))
    ours = quality.sfnr(series.T)
    for one, ratio in zip(series, ours, strict=True):
        residual = one - np.polyval(np.polyfit(time, one, 2), time)
        assert ratio == pytest.approx(one.mean() / np.sqrt((residual**2).sum() / 47))


def test_roi_tables_pass_through(tmp_path):
    table = pd.DataFrame(np.random.default_rng(0).normal(1000, 5, (60, 264)).round(3))
    table.columns = [f"roi_{number:03d}" for number in range(1, 265)]
    table["roi_007"] = np.nan
    path = tmp_path / "a.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    result = person.from_timeseries("a", path, 264, 3.0)
    np.testing.assert_allclose(result.series, table.to_numpy(np.float32))
    assert result.motion is None and result.quality["max_translation_mm"] is None
    assert [n for n, share in enumerate(result.quality["roi_coverage"], 1) if not share] == [7]
    assert quality.confounds_table(60).isna().all(axis=None)


def test_fmriprep_output_is_sampled_where_it_says(tmp_path):
    """A scan in MNI152 space whose voxels hold their own x coordinate, plus a time course."""
    from nilearn import datasets

    brain = datasets.load_mni152_brain_mask(resolution=4)
    places = np.indices(brain.shape).reshape(3, -1).T @ brain.affine[:3, :3].T + brain.affine[:3, 3]
    course = np.sin(np.arange(30.0))
    data = 500 + places[:, 0].reshape(brain.shape)[..., None] + course
    data = np.where(brain.get_fdata()[..., None] > 0.5, data, 0.1 * data).astype(np.float32)
    image = nib.Nifti1Image(data, brain.affine)
    image.header.set_zooms((4, 4, 4, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "bold.nii.gz")
    motion = pd.DataFrame(np.full((30, 6), 0.01), columns=list(quality.MOTION_COLUMNS))
    motion.assign(csf=1.0).to_csv(tmp_path / "confounds.tsv", sep="\t", index=False)
    settings = stage_defaults("preprocess") | {"smoothing_fwhm_mm": 0.0}
    xyz = np.array([[10.0, 0, 20], [-30, -40, 30], [400, 0, 0]])
    result = person.from_fmriprep(
        "a", tmp_path / "bold.nii.gz", tmp_path / "confounds.tsv", scan_fixture.spheres(xyz), settings
    )
    np.testing.assert_allclose(result.series[:, 0], 510 + course, atol=0.05)
    np.testing.assert_allclose(result.series[:, 1], 470 + course, atol=0.05)
    assert np.isnan(result.series[:, 2]).all()
    assert result.quality["registration_dice"] > 0.95
    assert result.quality["repetition_time_s"] == 2.0
    assert "the file's name does not say its space; taken as MNI152" in result.quality["warnings"]
    assert result.quality["max_translation_mm"] == pytest.approx(0.01 * np.sqrt(3))


def test_rois_outside_fmripreps_slab_are_missing(tmp_path):
    """fMRIPrep's MNI images are zero where nothing was acquired: here below z = -20 mm."""
    from nilearn import datasets

    brain = datasets.load_mni152_brain_mask(resolution=4)
    course = 5 * np.sin(np.arange(30.0))
    data = np.where(brain.get_fdata() > 0.5, 500.0, 50.0)[..., None] + course
    z = brain.affine[2, 3] + brain.affine[2, 2] * np.arange(brain.shape[2])
    data[:, :, z < -20] = 0
    image = nib.Nifti1Image(data.astype(np.float32), brain.affine)
    image.header.set_zooms((4, 4, 4, 2.0))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, tmp_path / "bold.nii.gz")
    motion = pd.DataFrame(np.zeros((30, 6)), columns=list(quality.MOTION_COLUMNS))
    motion.to_csv(tmp_path / "confounds.tsv", sep="\t", index=False)
    settings = stage_defaults("preprocess") | {"smoothing_fwhm_mm": 0.0}
    xyz = np.array([[0.0, -40, 20], [30, -20, -20], [30, -60, -40]])  # inside, across the edge, outside
    result = person.from_fmriprep(
        "a", tmp_path / "bold.nii.gz", tmp_path / "confounds.tsv", scan_fixture.spheres(xyz), settings
    )
    coverage = result.quality["roi_coverage"]
    points = regions.sphere_points(xyz[1:2])[0]
    lowest = z[z >= -20].min() - 2  # half a voxel
    assert coverage[0] == 1 and coverage[2] == 0
    clear = (points[:, 2] > lowest).mean(), (points[:, 2] >= lowest).mean()  # points halfway may go either way
    assert 0 < clear[0] - 1e-4 <= coverage[1] <= clear[1] + 1e-4 < 1
    assert np.isnan(result.series).all(axis=0).tolist() == [False, False, True]
    np.testing.assert_allclose(result.series[:, 0], 500 + course, atol=0.05)
    assert np.corrcoef(result.series[:, 1], course)[0, 1] > 0.99


def test_smoothing_does_not_mix_in_what_was_not_acquired(tmp_path):
    """Constant over the slab, zero outside it: the smoothed ROI at the edge keeps the slab's value."""
    bold, confounds, lowest = slab(tmp_path, "a_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz")
    xyz = np.array([[0.0, -40, lowest + 6], [0, -40, 30]])
    smoothed = person.from_fmriprep("a", bold, confounds, scan_fixture.spheres(xyz), stage_defaults("preprocess"))
    assert smoothed.quality["roi_coverage"] == [1.0, 1.0]
    np.testing.assert_allclose(smoothed.series[:, 0], smoothed.series[:, 1], rtol=0.01)


def slab(folder, name):
    """A scan in MNI152 space that is 500 everywhere but 0 below z = -20 mm: scan, confounds, lowest z."""
    from nilearn import datasets

    image = datasets.load_mni152_brain_mask(resolution=4)
    data = np.full((*image.shape, 30), 500.0) + 5 * np.sin(np.arange(30.0))
    z = image.affine[2, 3] + image.affine[2, 2] * np.arange(image.shape[2])
    data[:, :, z < -20] = 0
    scan = nib.Nifti1Image(data.astype(np.float32), image.affine)
    scan.header.set_zooms((4, 4, 4, 2.0))
    scan.header.set_xyzt_units("mm", "sec")
    nib.save(scan, folder / name)
    motion = pd.DataFrame(np.zeros((30, 6)), columns=list(quality.MOTION_COLUMNS))
    motion.assign(global_signal=np.arange(30.0)).to_csv(folder / "confounds.tsv", sep="\t", index=False)
    return folder / name, folder / "confounds.tsv", z[z >= -20].min()


def test_fmripreps_other_spaces_are_refused(tmp_path):
    bold, confounds, _ = slab(tmp_path, "a_space-T1w_desc-preproc_bold.nii.gz")
    settings, where = stage_defaults("preprocess"), scan_fixture.spheres()
    with pytest.raises(InputError, match="its name says space-T1w"):
        person.from_fmriprep("a", bold, confounds, where, settings)
    bold.rename(tmp_path / "bold.nii.gz")
    result = person.from_fmriprep("a", tmp_path / "bold.nii.gz", confounds, where, settings)
    assert "taken as MNI152" in result.quality["warnings"][0]


def test_roi_tables_may_have_confounds(tmp_path):
    _, confounds, _ = slab(tmp_path, "bold.nii.gz")
    table = pd.DataFrame(np.random.default_rng(0).normal(1000, 5, (30, 4)), columns=[f"roi_{n}" for n in range(1, 5)])
    table.to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    result = person.from_timeseries("a", tmp_path / "a.tsv", 4, 2.0, confounds)
    assert result.motion.shape == (30, 6) and result.quality["max_translation_mm"] == 0
    np.testing.assert_array_equal(result.global_signal, np.arange(30.0))
    table.iloc[:-1].to_csv(tmp_path / "a.tsv", sep="\t", index=False)
    with pytest.raises(InputError, match="30 rows, but the scan has 29 volumes"):
        person.from_timeseries("a", tmp_path / "a.tsv", 4, 2.0, confounds)


def test_sphere_means_of_the_normalised_series_are_the_roi_series(tmp_path):
    """NiftiSpheresMasker on the 4D output gives what is extracted from native space."""
    from nilearn.maskers import NiftiSpheresMasker

    simulated, found = scan_fixture.simulated_scan(), scan_fixture.realigned()
    settings = stage_defaults("preprocess")
    shift = simulated.roi_native.mean(axis=0) - scan_fixture.roi_coordinates().mean(axis=0)
    volumes = found.volumes[:25]
    located = extract.Located(
        scan=scan_io.Scan(volumes, simulated.head.affine, 3.0, []),
        path="scan",
        route="raw",
        transforms=found.transforms[:25],
        mean=found.mean,
        motion=simulated.motion[:25],
        to_native=lambda points: points + shift,
    )
    ours = extract.extract("a", located, scan_fixture.spheres(), settings)
    extract.write_normalised(tmp_path / "bold.nii.gz", located, settings)
    image = nib.load(tmp_path / "bold.nii.gz")
    assert image.shape == (91, 109, 91, 25) and image.header.get_zooms()[3] == 3.0
    centres = [tuple(centre) for centre in regions.snap(scan_fixture.roi_coordinates())]
    masker = NiftiSpheresMasker(centres, radius=5.0, allow_overlap=True, standardize=None)
    theirs = masker.fit_transform(image)
    inside = np.array(ours.quality["roi_coverage"]) == 1
    assert inside.sum() > 240
    np.testing.assert_allclose(ours.series[:, inside], theirs[:, inside], rtol=1e-3)


def test_the_programs_take_a_raw_scan_to_connectivity(tmp_path):
    simulated = scan_fixture.simulated_scan()
    scan = tmp_path / "sub-a_task-nback_bold.nii.gz"
    scan_bold.write_nifti(scan, simulated.bold, simulated.head.affine, 3.0)
    (tmp_path / "dataset_description.json").write_text("{}")
    (tmp_path / "task-nback_bold.json").write_text('{"RepetitionTime": 3.0}')
    (tmp_path / "settings.yaml").write_text("registration_resolution_mm: 4\n")
    (tmp_path / "people.tsv").write_text(f"participant_id\tscore\tbold\na\t1\t{scan.name}\nb\t2\tn/a\n")
    out = tmp_path / "preprocessed" / scan_folder(read_participants(tmp_path / "people.tsv")[0])

    def program(name, *arguments):
        command = [sys.executable, ROOT / f"workflow/scripts/{name}.py", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    said = program(
        *("preprocess", "--participant", "a", "--route", "raw", "--bold", scan),
        *("--settings", tmp_path / "settings.yaml", "--out", out),
    )
    assert "WARNING: no T1w" in said
    assert str(tmp_path / "task-nback_bold.json") in read_json(out / "artifact.json")["inputs"]
    facts = read_json(out / "sub-a_task-nback_qc.json")
    assert facts["sfnr_global"] > 275 and facts["registration_dice"] > 0.9
    assert facts["max_translation_mm"] == pytest.approx(1.0, abs=0.1)
    assert np.mean(facts["roi_coverage"]) > 0.98
    assert (out / "sub-a_task-nback_qc.png").stat().st_size > 50_000
    folders = ("--preprocessed", tmp_path / "preprocessed", "--out", tmp_path / "fc")
    assert "1 of 2 people kept" in program("connectivity", *folders, "--participants", tmp_path / "people.tsv")
    fc = np.load(tmp_path / "fc/fc.npy")[0]
    basis = projection.nuisance_basis(40, 3.0, 0.01, 0.1)
    planted = projection.correlation(projection.clean(simulated.signals, basis))
    upper = np.triu_indices(264, 1)
    there = np.isfinite(fc[upper])
    assert there.mean() > 0.95
    assert np.corrcoef(fc[upper][there], planted[upper][there])[0, 1] > 0.5  # few volumes, no T1w
    assert (tmp_path / "fc/excluded.tsv").read_text().splitlines()[1] == "b\tno_scan\tn/a\tn/a"
