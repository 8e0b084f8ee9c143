"""Checks of the maps: what is randomised, deletion, and verdicts on maps whose likeness is planted."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from test_activation_run import SETTINGS, TRAIN

from gcamccl.activation import checks, verdicts
from gcamccl.activation.run import Attribution
from gcamccl.model.network import build

R, L, PEOPLE = 14, 40, 12


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = build(R, L, TRAIN).eval()
    half = torch.randn(PEOPLE, 1, R, R)
    inputs = {"connectivity": half + half.transpose(2, 3), "snps": torch.randn(PEOPLE, 1, L)}
    return model, inputs, Attribution(model, inputs, np.arange(PEOPLE), SETTINGS)


@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_weights_are_replaced_from_the_top_down(network, view):
    model, inputs, _ = network
    branch = model.branches[view]
    before = {name: value.clone() for name, value in branch.state_dict().items()}
    levels = list(checks.untrained_levels(branch, inputs[view], seed=3))
    blocks = len(branch.blocks)
    assert [level for level, _ in levels] == ["head", *(f"block {n}" for n in range(blocks, 0, -1))]
    assert all(torch.equal(before[name], value) for name, value in branch.state_dict().items())
    for number, (_, other) in enumerate(levels):
        assert not other.training
        assert not torch.equal(other.head.weight, branch.head.weight)
        for place in range(blocks):
            same = torch.equal(other.blocks[place].conv.weight, branch.blocks[place].conv.weight)
            assert same == (place < blocks - number)
    torch.manual_seed(9)
    again = [one.state_dict() for _, one in checks.untrained_levels(branch, inputs[view], seed=3)]
    for (_, one), other in zip(levels, again, strict=True):
        assert all(torch.equal(value, other[name]) for name, value in one.state_dict().items())
    # The fresh norms have seen these people: their outputs are centred, so that ReLUs are neither all on nor all off.
    with torch.no_grad():
        first = levels[-1][1].blocks[0]
        values = first.norm(first.pool(first.conv(inputs[view])))
    assert values.mean().abs() < 1e-4
    assert (values.std() - 1).abs() < 0.05


def test_rank_correlation_equals_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500)).round(1)
    assert checks.rank_correlation(a, b) == pytest.approx(spearmanr(np.abs(a), np.abs(b))[0])
    assert np.isnan(checks.rank_correlation(a, np.ones(500)))
    np.testing.assert_allclose(
        verdicts.ranked(np.stack([a, b]))[0] @ verdicts.ranked(np.stack([a, b]))[1],
        spearmanr(np.abs(a), np.abs(b))[0],
        rtol=1e-5,
    )


def test_cascade_compares_with_the_trained_network(network):
    _, _, attribution = network
    rows = np.arange(6)
    lines, untrained = checks.cascade(
        attribution, "connectivity", rows, checks.all_maps(attribution, "connectivity", rows), seed=1
    )
    table = pd.DataFrame(lines)
    assert len(table) == len(SETTINGS["methods"]) * 2 * 5
    assert table["value"].between(-1, 1).all()
    assert set(untrained) == set(SETTINGS["methods"])
    # Guided backpropagation and gradients do not see the sizes of the head's weights alone, but their signs.
    trained = checks.mean_map(attribution.maps("connectivity", rows)["gradcam"])
    last = table.query("method == 'gradcam' and level == 'block 1' and map_class == 'high'")["value"].item()
    assert last == pytest.approx(checks.rank_correlation(trained[1], untrained["gradcam"][1]))


@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_deletion_of_what_the_score_is_made_of_lowers_it_most(network, view):
    """A linear score: input x gradient is exact, so what it names first lowers the score faster than anything else."""
    model, inputs, _ = network
    settings = {**SETTINGS, "methods": ["input_x_gradient", "gradcam"]}
    attribution = Attribution(model, inputs, np.arange(PEOPLE), settings)
    attribution.means[view] = torch.zeros_like(attribution.means[view])
    weights = torch.randn(inputs[view].shape[2:])
    weights = weights + weights.T if view == "connectivity" else weights
    above = np.triu_indices(R, 1)

    def score(x):
        value = (x[:, 0] * weights).flatten(1).sum(1)
        return torch.stack([-value, value], 1) / 2

    def linear_maps(view, rows):
        exact = inputs[view][torch.from_numpy(rows)] * weights
        exact = exact[:, :, above[0], above[1]] if view == "connectivity" else exact
        exact = torch.cat([-exact, exact], 1).numpy()
        return {"input_x_gradient": exact, "gradcam": np.random.default_rng(1).random(exact.shape)}

    model.branches[view].forward = score
    people = np.arange(PEOPLE)
    table = pd.DataFrame(checks.deletion(attribution, view, people, linear_maps(view, people), seed=0))
    curves = table.pivot_table("value", "level", "method", sort=False)
    assert (curves["input_x_gradient"] > curves["random"]).all()
    assert (curves["input_x_gradient"] > curves["gradcam"]).all()
    assert curves["input_x_gradient"].loc["0.5"] > 1, "half of the features hold all that speaks for the class"
    assert abs(curves["random"].loc["0.5"] - 0.5) < 0.5


def test_deleted_connections_go_on_both_sides_of_the_diagonal():
    x, mean = torch.ones(2, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    gone = torch.tensor([[0], [5]])  # connections 1-2 and 3-4
    left = checks._delete(x, mean, gone)
    assert left[0, 0].sum() == left[1, 0].sum() == 14
    assert left[0, 0, 0, 1] == left[0, 0, 1, 0] == left[1, 0, 2, 3] == left[1, 0, 3, 2] == 0
    assert checks._delete(torch.ones(1, 1, 5), torch.zeros(1, 1, 5), torch.tensor([[1, 4]]))[0, 0].tolist() == [
        1,
        0,
        1,
        1,
        0,
    ]


# --- verdicts ---------------------------------------------------------------------------------------------------------


def planted(shared, splits=8, features=2000, noise=1.0, seed=0):
    """Mean maps of `splits` networks, and others that share a part `shared` of their common structure."""
    rng = np.random.default_rng(seed)
    common, own = rng.gamma(1, 1, (2, features))
    maps = common + noise * rng.gamma(1, 1, (splits, features))
    others = shared * common + (1 - shared) * own + noise * rng.gamma(1, 1, (splits, features))
    return maps, others


def both(maps):
    """Of both classes: not quite equal, since equal ones are not compared with each other."""
    return np.stack([maps, maps + 1e-6 * np.arange(maps.shape[1])], axis=1)


def lines_of(true, permuted=None, untrained=None):
    columns = ["check", "map_class", "likeness", "verdict"]
    lines = pd.DataFrame(verdicts.map_checks(true, permuted, untrained, 0.5))
    return (lines if len(lines) else pd.DataFrame(columns=columns)).set_index(["check", "map_class"])


def test_maps_that_change_without_training_pass_and_maps_that_stay_fail():
    for share, expected in ((0.0, "passes"), (0.15, "passes"), (1.0, "fails")):
        maps, others = planted(share)
        line = lines_of(both(maps), untrained=both(others)).loc["untrained", "high"]
        assert line["verdict"] == expected, share
        assert line["low"] <= line["shared"] <= line["high"]
        assert line["n_splits"] == 8
    assert line["shared"] == pytest.approx(1, abs=0.1)
    # Another share of the common structure can be read off: rho of half-shared maps, by hand.
    maps, others = planted(0.5)
    line = lines_of(both(maps), untrained=both(others)).loc["untrained", "low"]
    rho = [spearmanr(maps[i], maps[j])[0] for i in range(8) for j in range(8) if i != j]
    assert line["likeness"] == pytest.approx(np.mean(rho), abs=1e-4)
    across = [spearmanr(maps[i], others[j])[0] for i in range(8) for j in range(8) if i != j]
    assert line["other"] == pytest.approx(np.mean(across), abs=1e-4)


def test_maps_that_differ_between_classes_are_specific():
    low, high = planted(0.0)
    table = lines_of(np.stack([low, high], axis=1))
    assert set(table.index.get_level_values("check")) == {"other_class"}, "no permutations, no untrained networks"
    assert (table["verdict"] == "passes").all()
    nearly = np.stack([low, low + 0.01 * high], axis=1)
    assert (lines_of(nearly)["verdict"] == "fails").all()


def test_maps_without_anything_in_common_are_not_judged():
    rng = np.random.default_rng(2)
    noise, others = rng.random((2, 6, 2, 20))
    assert (lines_of(noise - noise.mean(axis=0), permuted=others)["verdict"] == "nothing to judge").all()
    constant = np.ones((5, 2, 30))
    assert (lines_of(constant, permuted=constant)["verdict"] == "nothing to judge").all()


def test_few_splits_have_no_interval_and_no_verdict():
    maps, others = planted(0.0, splits=2)
    for splits in (1, 2):
        line = lines_of(both(maps[:splits]), untrained=both(others[:splits])).loc["untrained", "high"]
        assert np.isnan(line["low"])
        assert line["verdict"] == "nothing to judge"
    few = curves({"a": 0.8, "random": 0.2}).query("replicate < 2")
    assert verdicts.deletion_lines(few)[0]["verdict"] == "nothing to judge"


def test_maps_that_differ_in_their_sign_only_are_not_checked_against_the_other_class():
    maps, _ = planted(0.0)
    assert lines_of(np.stack([-maps, maps], axis=1)).empty


def test_the_jackknife_of_a_mean_is_its_t_interval():
    values = np.random.default_rng(0).normal(size=12)
    estimate, low, high = verdicts.jackknife(lambda splits: values[splits].mean(), 12)
    reach = 2.200985 * values.std(ddof=1) / np.sqrt(12)  # t of 0.975, 11 degrees of freedom
    assert (estimate, low, high) == pytest.approx((values.mean(), values.mean() - reach, values.mean() + reach))


def curves(falls):
    rows = [
        {
            "replicate": split,
            "view": "snps",
            "method": method,
            "check": "deletion",
            "level": "0.1",
            "map_class": "said",
            "value": value + 0.01 * split,
        }
        for method, value in falls.items()
        for split in range(6)
    ]
    return pd.DataFrame(rows)


def test_deletion_passes_where_the_score_falls_faster_than_at_random():
    lines = verdicts.deletion_lines(curves({"a": 0.8, "b": 0.2, "c": -0.3, "random": 0.2}))
    found = {line["method"]: line["verdict"] for line in lines}
    assert found == {"a": "passes", "b": "fails", "c": "fails"}


def test_summary_is_mean_and_sd():
    table = curves({"a": 0.8, "random": 0.2})
    found = verdicts.summarise(table).set_index("method")
    values = 0.8 + 0.01 * np.arange(6)
    assert found.loc["a", "mean"] == pytest.approx(values.mean())
    assert found.loc["a", "sd"] == pytest.approx(values.std(ddof=1))
    assert found.loc["a", "n_splits"] == 6
