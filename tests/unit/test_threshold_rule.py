"""The paper's rule and its variants against hand-worked examples, and over splits."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from test_threshold import SETTINGS, run_on, write_study

from gcamccl.activation.store import read_peaks, relative
from gcamccl.threshold.rule import empty_tally, selected, tally


def test_rule_by_hand():
    piles = np.array(
        [
            [100.0, 5.0, 5.1, -6.0, 0.0],  # more than 5: features 0, 2, 3
            [-200.0, 20.0, -10.0, 11.0, 1.0],  # more than 10: features 0, 1, 3
            [0.0, 0.0, 0.0, 0.0, 0.0],  # left out
            [1e-30, 0.0, 1e-30, 0.0, -1e-30],  # 0, 2, 4
        ],
        dtype=np.float32,
    )
    found = tally(piles, 0.05)
    assert (found.n_maps, found.n_all_zero) == (4, 1)
    assert found.n_active.tolist() == [3, 1, 2, 2, 1]
    np.testing.assert_allclose(found.frequency(), np.array([3, 1, 2, 2, 1]) / 3)
    assert selected(found.frequency(), 0.5).tolist() == [True, False, True, True, False]
    assert not selected(found.frequency(), 2 / 3)[2], "more than, not at least"
    # Mean of the maps, each over its maximum: 1 - 1 + 1, .05 + .1, .051 - .05 + 1, -.06 + .055, .005 - 1.
    assert found.sign.tolist() == [1, 1, 1, -1, -1]


def test_exactly_the_fraction_is_not_active():
    assert tally(np.array([[100.0, 5.0, 5.0001]]), 0.05).n_active.tolist() == [1, 0, 1]


def test_tallies_add_up_and_no_maps_select_nothing():
    rng = np.random.default_rng(0)
    piles = rng.normal(size=(30, 8)) ** 3
    piles[4] = 0
    whole, parts = tally(piles, 0.05), tally(piles[:11], 0.05) + tally(piles[11:], 0.05)
    assert (whole.n_maps, whole.n_all_zero) == (parts.n_maps, parts.n_all_zero) == (30, 1)
    np.testing.assert_array_equal(whole.n_active, parts.n_active)
    np.testing.assert_allclose(whole.total, parts.total)
    for nothing in (empty_tally(8), tally(np.zeros((3, 8)), 0.05), tally(piles[:0], 0.05)):
        assert np.isnan(nothing.frequency()).all()
        assert not selected(nothing.frequency(), 0.0).any()
    assert tally(np.zeros((3, 8)), 0.05).n_all_zero == 3


def test_signed_values_leave_out_what_speaks_against_the_class():
    piles = np.array([[1.0, -1.0, 0.06, 0.04], [-1.0, -0.5, 0.01, 0.0], [-1.0, -0.2, 0.0, -0.3]])
    # The second map's largest value is 0.01; the third has none that is positive, so nothing is active in it.
    found = tally(piles, 0.05, "positive")
    assert found.n_active.tolist() == [1, 0, 2, 0]
    assert (found.n_maps, found.n_all_zero) == (3, 0)
    assert tally(piles, 0.05).n_active.tolist() == [3, 3, 1, 1]


def test_maximum_of_all_maps_silences_weak_ones():
    piles = np.array([[10.0, 1.0, 0.4], [0.2, 0.6, 0.1], [0.0, 0.0, 0.0]])
    shares, peaks = relative(piles[:, None].repeat(2, axis=1))
    found = tally(shares[:, 0].astype(np.float32), 0.05, peaks=peaks[:, 0])
    assert found.n_active.tolist() == [1, 2, 0], "above 0.05 of 10"
    assert found.n_all_zero == 1
    assert tally(piles, 0.05).n_active.tolist() == [2, 2, 1]
    signed = tally(np.array([[-1.0, 0.1], [0.1, 1.0]]), 0.05, "positive", np.array([100.0, 4.0]))
    assert signed.n_active.tolist() == [0, 2], "of the largest positive value, 10, not of 100"


def test_frequency_over_splits():
    first = tally(np.array([[1.0, 0.0], [1.0, 0.0]]), 0.05)
    second = tally(np.array([[1.0, 1.0]] * 3 + [[0.0, 1.0]]), 0.05)
    for both in (first + second, second + first + empty_tally(2) + tally(np.zeros((5, 2)), 0.05)):
        np.testing.assert_allclose(both.frequency(), [5 / 6, 4 / 6])
        np.testing.assert_allclose(both.frequency("mean"), [(1 + 0.75) / 2, (0 + 1) / 2])
        np.testing.assert_allclose(both.frequency("lowest"), [0.75, 0])
    for splits in ("pooled", "mean", "lowest"):
        assert np.isnan(empty_tally(2).frequency(splits)).all()


# --- of a study -------------------------------------------------------------------------------------------------------


def add_peaks(folders, peak):
    """A table of peaks for every shard: `peak` of the person's number."""
    for path in sorted(folders[3].rglob("maps.safetensors")):
        rows = []
        for name, values in load_file(path).items():
            replicate, method, view = name.split("/")
            for row in range(len(values)):
                for label in ("low", "high"):
                    rows.append((int(replicate), row, method, view, label, peak(row, label)))
        columns = ["replicate", "row", "method", "view", "class", "peak"]
        pd.DataFrame(rows, columns=columns).to_parquet(path.with_name("peaks.parquet"), index=False)


def test_peaks_come_in_the_order_of_the_maps(tmp_path):
    folders = write_study(tmp_path)
    add_peaks(folders, lambda row, label: row + (0.5 if label == "high" else 0.0))
    found = read_peaks(folders[3] / "replicates-0-2" / "peaks.parquet")
    np.testing.assert_array_equal(found[1, "gradcam", "snps"], np.arange(14)[:, None] + [0.0, 0.5])


def test_variants_of_a_study(tmp_path):
    folders = write_study(tmp_path)
    high, low = (
        lambda found, group=group: np.flatnonzero(
            found["snps"].loc[found["snps"]["class"] == group, "selected"]
        ).tolist()
        for group in ("high", "low")
    )
    plain = run_on(folders)
    assert (high(plain), low(plain)) == ([4, 5, 6, 7, 11], [0, 1, 2, 3, 11])
    # What low's maps name, they name with negative values.
    signed = run_on(folders, rule_values="positive")
    assert (high(signed), low(signed)) == ([4, 5, 6, 7, 11], [11])
    everybody = run_on(folders, rule_people="all")["summary"]
    n_maps = everybody[everybody["method"] == "guided_gradcam"]["n_maps"]
    assert n_maps.tolist() == [28] * 4, "14 held out, 2 splits"
    add_peaks(folders, lambda row, label: 1.0 if row == 0 else 0.02)
    weak = run_on(folders, rule_maximum="class")
    assert high(weak) != high(plain), "0.02 of the largest map's maximum is below 0.05"


def test_one_person_or_nobody_of_a_class(tmp_path):
    folders = write_study(tmp_path)
    for keep in (1, 0):
        for path in folders[3].rglob("people.parquet"):
            people = pd.read_parquet(path)
            for _, rows in people[people["label"] == 1].groupby("replicate"):
                people.loc[rows.index[keep:], "part"] = "validation"
            people.to_parquet(path, index=False)
        found = run_on(folders)
        summary = found["summary"].set_index(["method", "view", "class"]).loc[("guided_gradcam", "snps")]
        assert summary.loc["high", "n_maps"] == 2 * keep
        high = found["snps"].query("`class` == 'high'").reset_index(drop=True)
        if keep:
            assert set(high["frequency"]) <= {0.0, 1.0}
        else:
            assert high["frequency"].isna().all() and not high["selected"].any()


def test_lowest_over_splits_asks_every_split(tmp_path):
    folders = write_study(tmp_path)
    path = folders[3] / "replicates-3-5" / "maps.safetensors"
    maps = load_file(path)
    maps["0003/guided_gradcam/snps"] = maps["0003/guided_gradcam/snps"].copy()
    maps["0003/guided_gradcam/snps"][:, 1, 4] = 0  # in the second split nobody's map names locus 4
    save_file(maps, path)
    chosen = {}
    for splits in ("pooled", "mean", "lowest"):
        snps = run_on(folders, rule_splits=splits, min_frequency=0.4)["snps"]
        own = snps[snps["class"] == "high"].reset_index(drop=True)
        chosen[splits] = bool(own.loc[4, "selected"])
        assert own.loc[5, "selected"]
    assert chosen == {"pooled": True, "mean": True, "lowest": False}


@pytest.mark.parametrize("name", ["rule_values", "rule_maximum", "rule_people", "rule_splits"])
def test_settings_of_the_rule_are_those_of_the_schema(name):
    from gcamccl.report import methods_selection
    from gcamccl.workflow.config import schema

    words = {"values": "VALUES", "maximum": "MAXIMA", "people": "PEOPLE", "splits": "SPLITS"}
    allowed = schema()["properties"]["threshold"]["properties"][name]["enum"]
    assert set(getattr(methods_selection, words[name.removeprefix("rule_")])) == set(allowed)
    assert SETTINGS[name] in allowed
