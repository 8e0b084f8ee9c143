"""Events tables and task regressors: against nilearn's design matrix and a convolution by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest
from connectivity_fixture import SETTINGS, TR, N, R, place, write_person

from gcamccl.connectivity import projection, task
from gcamccl.connectivity.group import group
from gcamccl.connectivity.person import person
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import write_tsv

SCAN_S = N * TR


def blocks(kinds=("0back", "2back")):
    """Blocks of 30 s, 30 s apart, their kinds in turn."""
    onset = np.arange(15.0, SCAN_S - 60, 60)
    kind = [kinds[i % len(kinds)] for i in range(len(onset))]
    return pd.DataFrame({"onset": onset, "duration": 30.0, "trial_type": kind})


def write(path, table):
    write_tsv(path, table)
    return path


@pytest.mark.parametrize("model", ["glover", "glover_derivative"])
def test_regressors_equal_nilearns_design_matrix(tmp_path, model):
    from nilearn.glm.first_level import make_first_level_design_matrix

    table = blocks()
    rows, said = task.read_events(write(tmp_path / "e.tsv", table.iloc[::-1]), SCAN_S)
    ours = task.task_regressors(rows, N, TR, model)
    theirs = make_first_level_design_matrix(
        (np.arange(N) + 0.5) * TR, table, hrf_model=task.HRF_MODELS[model], drift_model=None
    )
    assert said == [] and ours.shape == (N, 2 if model == "glover" else 4)
    for column in theirs.columns.drop("constant"):
        span = np.c_[np.ones(N), ours]
        left = theirs[column] - span @ np.linalg.lstsq(span, theirs[column], rcond=None)[0]
        assert left.std() < 0.02 * theirs[column].std(), column  # they start their fine grid elsewhere


def test_the_response_is_a_convolution_sampled_in_the_middle_of_volumes():
    from nilearn.glm.first_level import glover_hrf

    fine = 0.01
    time = np.arange(-32, SCAN_S, fine)
    on = ((time >= 15) & (time < 45)) | ((time >= -6) & (time < 4))
    response = np.convolve(on, glover_hrf(TR, oversampling=round(TR / fine)))[: len(time)]
    expected = np.interp((np.arange(N) + 0.5) * TR, time, response)
    ours = task.task_regressors((("n/a", 15.0, 30.0), ("n/a", -6.0, 10.0)), N, TR, "glover")[:, 0]
    assert np.corrcoef(ours, expected)[0, 1] > 0.999
    early = np.interp(np.arange(N) * TR, time, response)
    assert np.corrcoef(ours, early)[0, 1] < 0.98


def test_a_block_that_began_long_before_the_scan_is_what_is_left_of_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        long, short = (task.task_regressors((("a", -s, s + 10.0),), N, TR, "glover") for s in (5000.0, 40.0))
    np.testing.assert_allclose(long, short, atol=1e-12)
    assert long[0, 0] > 10 * abs(long[-1, 0])


def test_a_planted_task_response_is_removed(tmp_path):
    rng = np.random.default_rng(0)
    events = write(tmp_path / "e.tsv", blocks())
    response = task.task_regressors(task.read_events(events, SCAN_S)[0], N, TR, "glover") @ [1.0, 3.0]
    noise = rng.normal(size=(N, R))
    write_person(tmp_path / "a", rng, series=1000 + noise + 8 * response[:, None])
    upper = np.triu_indices(R, 1)
    with_task, bare, _ = person(*place(tmp_path / "a"), R, SETTINGS)
    without, row, _ = person(*place(tmp_path / "a"), R, SETTINGS | {"task_regressors": "glover"}, events)
    assert with_task[upper].mean() > 0.5 > 0.05 > abs(without[upper].mean())
    assert row["residual_dof"] == bare["residual_dof"] - 2
    assert (row["n_regressors"], row["regressors"]) == (8, "motion6+task_glover")
    # Nothing of the response is left, in the band or outside
    basis = projection.nuisance_basis(N, TR, 0.01, 0.1, response[:, None])
    np.testing.assert_allclose(projection.clean(response[:, None], basis), 0, atol=1e-9)


def test_events_outside_the_scan_are_left_out_with_a_warning(tmp_path):
    table = pd.DataFrame({"onset": [-50.0, -10.0, 100.0, SCAN_S, 900.0], "duration": [1.0, 2.0, 0.0, 1.0, 1.0]})
    rows, said = task.read_events(write(tmp_path / "e.tsv", table), SCAN_S)
    assert rows == (("n/a", -10.0, 2.0), ("n/a", 100.0, 0.0))
    assert said == [
        "2 of 5 events start after the scan's end (420 s): not used",
        "1 of 5 events end more than 32 s before the scan: not used",
    ]
    rng = np.random.default_rng(0)
    write_person(tmp_path / "a", rng)
    _, row, _ = person(*place(tmp_path / "a"), R, SETTINGS | {"task_regressors": "glover"}, tmp_path / "e.tsv")
    assert row["warnings"] == "; ".join(said)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("start duration\n1 2\n", "no column onset"),
        ("onset trial_type\n1 a\n", "no column duration"),
        ("onset duration\n", "no events"),
        ("onset duration\n1 2\n3 -1\n", "line 3: duration is negative"),
        ("onset duration\n1 2\nsoon 1\n", "line 3: onset is soon, not a number of seconds"),
        ("onset duration\n1 n/a\n", "line 2: duration is n/a, not a number of seconds"),
        ("onset duration\ninf 1\n", "line 2: onset is inf, not a number"),
        ("onset duration\n500 1\n9000 1\n", r"no event lies inside the scan of 420 s: onsets from 500 to 9000 s"),
        ("onset duration\n1 2 3 4\n5 6 7 8 9\n", "Expected 4 fields in line 3"),
    ],
)
def test_wrong_events_are_refused(tmp_path, text, words):
    (tmp_path / "e.tsv").write_text(text.replace(" ", "\t"))
    with pytest.raises(InputError, match=words):
        task.read_events(tmp_path / "e.tsv", SCAN_S)


def test_events_without_a_type_are_one_condition(tmp_path):
    table = blocks().assign(trial_type=["a", None] * 3)
    rows, _ = task.read_events(write(tmp_path / "e.tsv", table), SCAN_S)
    assert {row[0] for row in rows} == {"a", "n/a"}


def test_who_has_no_events_is_listed(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        write_person(tmp_path / name, rng)
    folders = {name: place(tmp_path / name) for name in ("a", "b", "c")} | {"no_scan": None}
    events = write(tmp_path / "e.tsv", blocks())
    settings = SETTINGS | {"task_regressors": "glover"}
    with pytest.raises(InputError, match=r"2 of 3 have none: b, c; name their tables in the column events"):
        group(folders, R, settings, {"a": events})
    assert len(group(folders, R, settings, dict.fromkeys("abc", events)).fc) == 3
