"""Simulated raw scans: honest geometry, known truth, the same bytes every time."""

import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import scan_fixture

from gcamccl.atlas import read_atlas
from gcamccl.simulate import connectome, scan
from gcamccl.workflow.artifacts import ROOT

SETTINGS = {"n_volumes": 140, "repetition_time_s": 3.0, "edges_per_class": 60, "edge_effect": 0.08}


def test_the_way_to_mni_and_back_is_the_same_way():
    simulated = scan_fixture.simulated_scan()
    back = scan.to_mni(simulated.head, simulated.roi_native.T).T
    np.testing.assert_allclose(back, scan_fixture.roi_coordinates(), atol=1e-3)


def test_storage_is_oblique_and_las():
    affine = scan_fixture.simulated_scan().head.affine
    assert nib.aff2axcodes(affine) == ("L", "A", "S")
    assert np.abs(nib.affines.obliquity(affine)).max() > np.deg2rad(1)


def test_motion_is_as_long_as_asked_and_starts_at_rest():
    motion = scan.motion_trajectory(140, 3.5, np.random.default_rng(3))
    assert np.isclose(np.linalg.norm(motion[:, :3], axis=1).max(), 3.5)
    assert not motion[0].any()


def test_every_twelfth_person_moves_too_much():
    assert [n for n in range(1, 25) if scan.moves_too_much(f"sub-{n:03d}")] == [12, 24]


def test_planted_edges_change_with_ability_by_the_effect_asked_for():
    ability = np.random.default_rng(0).standard_normal(150)
    series, truth = connectome.simulate_timeseries(ability, SETTINGS, read_atlas(), np.random.default_rng(1))
    fc = np.array([np.corrcoef(one.T) for one in series])
    slopes = {}
    for name, sign in (("edges_high", 1), ("edges_low", -1)):
        a, b = np.array(truth[name]).T - 1
        assert len(truth[name]) == 60
        slopes[name] = sign * np.mean([np.polyfit(ability, fc[:, i, j], 1)[0] for i, j in zip(a, b, strict=True)])
    assert all(0.06 < slope < 0.09 for slope in slopes.values()), slopes
    assert not {tuple(edge) for edge in truth["edges_high"]} & {tuple(edge) for edge in truth["edges_low"]}
    upper = np.triu_indices(264, 1)
    planted = {(a - 1, b - 1) for edges in truth.values() for a, b in edges}
    others = np.array([(a, b) not in planted for a, b in zip(*upper, strict=True)])
    slope = np.polyfit(ability, fc[:, upper[0], upper[1]][:, others], 1)[0]
    assert abs(slope.mean()) < 0.01


def test_high_edges_have_occipital_hubs():
    rois = read_atlas()
    _, truth = connectome.simulate_timeseries(np.zeros(1), SETTINGS, rois, np.random.default_rng(2))
    hubs = np.bincount(np.ravel(truth["edges_high"])).argsort()[-6:]
    assert rois["name"][hubs - 1].str.contains("Occipital|Lingual").all()


def test_signals_have_unit_variance_and_mostly_in_band_power():
    series = connectome.band_limited(140, 400, 3.0, np.random.default_rng(0))
    assert 0.97 < series.std() < 1.03
    power = (np.abs(np.fft.rfft(series, axis=0)) ** 2).mean(axis=1)
    frequency = np.fft.rfftfreq(140, 3.0)
    in_band = (frequency >= 0.008) & (frequency <= 0.102)
    assert power[in_band].sum() > 0.9 * power.sum()


def test_scanner_units_pass_the_papers_sfnr_limit():
    from gcamccl.preprocess.quality import sfnr

    rng = np.random.default_rng(4)
    series, _ = connectome.simulate_timeseries(rng.standard_normal(20), SETTINGS, read_atlas(), rng)
    scanned = [connectome.to_scanner_units(one, rng) for one in series]
    assert min(sfnr(one.mean(axis=1)) for one in scanned) > 275
    assert 900 < np.mean(scanned[0]) < 1100


def test_the_program_writes_the_same_bytes_twice(tmp_path):
    np.savez(tmp_path / "signals.npz", roi_signals=scan_fixture.simulated_scan().signals[:6])
    (tmp_path / "settings.yaml").write_text("voxel_mm: 8.0\nmatrix: [22, 25, 18]\n")
    for folder in ("one", "two"):
        subprocess.run(
            [
                *(sys.executable, ROOT / "workflow/scripts/simulate_scan.py", "--participant", "sub-012"),
                *("--scan-truth", tmp_path / "signals.npz", "--settings", tmp_path / "settings.yaml"),
                *("--out", tmp_path / folder),
            ],
            check=True,
            capture_output=True,
        )
    one, two = (json.loads((tmp_path / f / "artifact.json").read_text())["outputs"] for f in ("one", "two"))
    assert one == two and len(one) == 4
    truth = np.load(tmp_path / "one/truth.npz")
    assert truth["high_motion"] and np.linalg.norm(truth["motion"][:, :3], axis=1).max() > 2
    assert nib.load(tmp_path / "one/func/sub-012_task-nback_bold.nii.gz").shape == (22, 25, 18, 6)
