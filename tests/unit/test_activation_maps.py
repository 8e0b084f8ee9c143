"""Maps of one network: equal to Captum where definitions coincide, to hand-worked numbers; receptive fields."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import (
    GuidedBackprop,
    GuidedGradCam,
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    Saliency,
)
from torch import nn

from gcamccl.activation.backward import input_gradient, quick_input_gradient
from gcamccl.activation.maps import METHODS, class_scores, gradcam, guidable, view_maps
from gcamccl.activation.project import connections, project, projection, receptive_fields, symmetrise
from gcamccl.model.network import ORDERS, Block, Branch, build

SETTINGS = {"views": ["connectivity", "snps"], "dropout": 0.2, "block_order": "pool_bn_relu", "last_batch_norm": True}
N_ROIS, N_LOCI = 48, 120  # 48 = 2 x 4 x 3 x 2: no incomplete pooling window, so Captum's stretching is exact
SHAPES = {"connectivity": (N_ROIS, N_ROIS), "snps": (N_LOCI,)}
STRETCH = {"connectivity": "bilinear", "snps": "linear"}


class Margin(nn.Module):
    """A branch with margins for outputs, for Captum."""

    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, x):
        return class_scores(self.branch(x), "margin")


def randomise(branch, seed=0):
    """Batch-norm statistics and weights as after some training."""
    generator = torch.Generator().manual_seed(seed)
    for block in branch.blocks:
        norm = block.norm
        norm.running_mean.normal_(0, 0.1, generator=generator)
        norm.running_var.uniform_(0.5, 2, generator=generator)
        norm.weight.data.normal_(1, 0.3, generator=generator)
        norm.bias.data.normal_(0, 0.3, generator=generator)
    # Double precision: differences in the order of adding up stay far below 1e-6, differences in definition do not.
    return branch.double().eval()


def branch_and_input(view, order="pool_bn_relu", people=3, seed=0):
    torch.manual_seed(seed)
    branch = randomise(build(N_ROIS, N_LOCI, {**SETTINGS, "block_order": order}).branches[view])
    return branch, torch.randn(people, 1, *SHAPES[view], dtype=torch.float64)


def padded_snp_branch():
    """1-D branch with evenly spread cells, for which Captum's stretching of the map is exact."""
    torch.manual_seed(1)
    return randomise(Branch([Block(1, 1, 8, 7, 3, 2), Block(1, 8, 8, 5, 2, 5), Block(1, 8, 64, 12)]))


def weights_of(branch, x, layer):
    return torch.from_numpy(projection(branch.blocks[:layer], x.shape[-1]))


def maps_of(branch, x, layer, methods, **kwargs):
    return view_maps(branch, x, weights_of(branch, x, layer), layer, methods, **kwargs)


def both_classes(attribute, x, **kwargs):
    """Captum's attributions for class 0 and 1: (people, 2, ...)."""
    maps = [attribute(x.clone().requires_grad_(True), target=c, **kwargs)[:, 0] for c in (0, 1)]
    return torch.stack(maps, 1).detach()


def assert_same(ours, theirs, may_be_zero=False, tolerance=1e-9):
    assert ours.shape == theirs.shape
    scale = theirs.abs().max()
    assert scale > 0 or may_be_zero
    assert (ours - theirs).abs().max() <= tolerance * scale, float((ours - theirs).abs().max() / scale)


# --- against Captum ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("relu_on", ["none", "map"])
def test_gradcam_equals_captum(order, relu_on):
    branch, x = branch_and_input("connectivity", order, people=6, seed=3)
    largest = []
    for layer in (1, 2, 3, 4):
        cam = LayerGradCam(branch, branch.blocks[layer - 1])

        def stretched(x, target, cam=cam):
            cells = cam.attribute(x, target=target, relu_attributions=relu_on == "map")
            return LayerAttribution.interpolate(cells, x.shape[2:], interpolate_mode="bilinear")

        ours = maps_of(branch, x, layer, ["gradcam"], score="logit", relu_on=relu_on)["gradcam"]
        # Negative weights everywhere leave nothing of a map once its negative part is cut off.
        assert_same(ours, both_classes(stretched, x), may_be_zero=relu_on == "map")
        largest.append(float(ours.abs().max()))
    assert sum(value > 0 for value in largest) >= 2


def test_gradcam_cells_of_the_snp_branch_equal_captum():
    branch, x = branch_and_input("snps")
    for layer in (1, 2):
        cells = both_classes(LayerGradCam(branch, branch.blocks[layer - 1]).attribute, x)
        ours = maps_of(branch, x, layer, ["gradcam"], score="logit", relu_on="none")["gradcam"]
        assert_same(ours, project(cells, weights_of(branch, x, layer)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("view", ["connectivity", "snps"])
@pytest.mark.parametrize("score", ["logit", "margin"])
def test_guided_backprop_equals_captum(order, view, score):
    branch, x = branch_and_input(view, order)
    ours = maps_of(branch, x, 2, ["guided_backprop"], score=score)["guided_backprop"]
    model = Margin(branch).eval() if score == "margin" else branch
    assert_same(ours, both_classes(GuidedBackprop(model).attribute, x))


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_guided_gradcam_equals_captum(layer):
    branch, x = branch_and_input("connectivity", people=6, seed=3)
    ours = maps_of(branch, x, layer, ["guided_gradcam"], score="logit", relu_on="map")["guided_gradcam"]
    captum = GuidedGradCam(branch, branch.blocks[layer - 1])
    assert_same(ours, both_classes(captum.attribute, x, interpolate_mode="bilinear"))


def test_guided_gradcam_of_loci_equals_captum_where_cells_are_evenly_spread():
    branch, x = padded_snp_branch(), torch.randn(4, 1, 120, dtype=torch.float64)
    for layer in (1, 2):
        ours = maps_of(branch, x, layer, ["guided_gradcam"], score="logit", relu_on="map")["guided_gradcam"]
        captum = GuidedGradCam(branch, branch.blocks[layer - 1])
        assert_same(ours, both_classes(captum.attribute, x, interpolate_mode="linear"))


@pytest.mark.parametrize("view", ["connectivity", "snps"])
@pytest.mark.parametrize("score", ["logit", "margin"])
def test_margin_gradient_equals_captum(view, score):
    branch, x = branch_and_input(view)
    ours = maps_of(branch, x, 2, ["margin_gradient"], score=score)["margin_gradient"]
    assert_same(ours, both_classes(Saliency(Margin(branch)).attribute, x, abs=False))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("view", ["connectivity", "snps"])
@pytest.mark.parametrize("score", ["logit", "margin"])
def test_input_x_gradient_and_integrated_gradients_equal_captum(order, view, score):
    branch, x = branch_and_input(view, order)
    model = Margin(branch).eval() if score == "margin" else branch
    ours = maps_of(branch, x, 2, ["input_x_gradient"], score=score)["input_x_gradient"]
    assert_same(ours, both_classes(InputXGradient(model).attribute, x))
    for baseline in (None, torch.randn(1, *x.shape[1:], dtype=torch.float64)):
        kwargs = {"n_steps": 7, "baselines": baseline}
        ours = maps_of(branch, x, 2, ["integrated_gradients"], score=score, baseline=baseline, steps=7)
        theirs = both_classes(IntegratedGradients(model).attribute, x, **kwargs)
        assert_same(ours["integrated_gradients"], theirs, tolerance=1e-6)  # Captum rounds its weights to float32


@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_integrated_gradients_add_up_to_the_difference_of_the_scores(view):
    branch, x = branch_and_input(view)
    baseline = torch.randn(1, *x.shape[1:], dtype=torch.float64)
    with torch.no_grad():
        moved = class_scores(branch(x), "margin") - class_scores(branch(baseline), "margin")
    errors = []
    for steps in (4, 1024):
        maps = maps_of(branch, x, 2, ["integrated_gradients"], baseline=baseline, steps=steps)
        errors.append((maps["integrated_gradients"].flatten(2).sum(2) - moved).abs().max())
    # A network of ReLUs and pools has kinks on the way: the sum converges slowly.
    assert errors[1] < 0.02 * moved.abs().max()
    assert errors[1] < errors[0]


# --- definitions ------------------------------------------------------------------------------------------------------


def test_equation_10_by_hand():
    features = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 0.0, 5.0]]])  # one person, two channels, three cells
    gradients = torch.tensor([[[3.0, -6.0, 0.0], [-1.0, 1.5, -5.0]]])
    # Eq. 10: weights (3 + 0 + 0) / 3 = 1 and (0 + 1.5 + 0) / 3 = 0.5. Eq. 7: -1 and -1.5.
    torch.testing.assert_close(gradcam(features, gradients, "grad"), torch.tensor([[2.5, 2.0, 2.5]]))
    torch.testing.assert_close(gradcam(features, gradients, "none"), torch.tensor([[-5.5, -2.0, -7.5]]))
    torch.testing.assert_close(gradcam(features, -gradients, "map"), torch.tensor([[5.5, 2.0, 7.5]]))
    assert not gradcam(features, gradients, "map").any()


def test_equation_10_in_two_dimensions_pools_over_all_cells():
    features = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    gradients = torch.tensor([[[[8.0, -8.0], [-8.0, 0.0]]]])
    torch.testing.assert_close(gradcam(features, gradients, "grad"), torch.tensor([[[2.0, 4.0], [6.0, 8.0]]]))


def test_guided_backprop_by_hand():
    # y = relu(x1 - x2) - relu(x2): at (3, 1) the plain gradient is (1, -2); the guided one drops the second ReLU,
    # whose gradient is negative, and keeps (1, -1).
    class Toy(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(torch.stack([x[:, 0] - x[:, 1], x[:, 1]], 1))

    toy, x = Toy(), torch.tensor([[3.0, 1.0]], requires_grad=True)
    with guidable([toy]) as switch:
        y = toy(x) @ torch.tensor([1.0, -1.0])
        (plain,) = torch.autograd.grad(y, x, retain_graph=True)
        switch["guided"] = True
        (guided,) = torch.autograd.grad(y, x)
    assert plain.tolist() == [[1.0, -2.0]]
    assert guided.tolist() == [[1.0, -1.0]]


def test_scores():
    logits = torch.tensor([[1.0, 4.0]])
    assert class_scores(logits, "margin").tolist() == [[-3.0, 3.0]]
    assert class_scores(logits, "logit").tolist() == [[1.0, 4.0]]


@pytest.mark.parametrize("score", ["logit", "margin"])
@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_all_maps_at_once_equal_one_at_a_time(view, score):
    branch, x = branch_and_input(view, people=2)
    together = maps_of(branch, x, 2, list(METHODS), score=score)
    assert list(together) == list(METHODS)
    for method in METHODS:
        alone = torch.cat([maps_of(branch, one[None], 2, [method], score=score)[method] for one in x])
        assert_same(together[method], alone)
    assert (together["gradcam"] >= 0).all(), "Eq. 10 on feature maps after a ReLU cannot be negative"
    assert not torch.equal(together["gradcam"][:, 0], together["gradcam"][:, 1])


def test_the_network_is_left_as_it_was():
    branch, x = branch_and_input("connectivity")
    before = {name: value.clone() for name, value in branch.state_dict().items()}
    maps_of(branch, x, 2, list(METHODS))
    assert all(torch.equal(before[name], value) for name, value in branch.state_dict().items())
    assert all(parameter.grad is None for parameter in branch.parameters())
    assert not any(block.relu._forward_hooks for block in branch.blocks)
    with pytest.raises(RuntimeError), quick_input_gradient(branch.blocks), guidable(branch.blocks):
        raise RuntimeError
    assert "forward" not in branch.blocks[0].conv.__dict__
    assert not any(block.relu._forward_hooks for block in branch.blocks)
    with pytest.raises(ValueError, match="evaluation mode"):
        maps_of(branch.train(), x, 2, ["gradcam"])


@pytest.mark.parametrize(("size", "kernel", "padding"), [(9, 7, 3), (300, 7, 3), (12, 5, 0), (7, 3, 2), (4, 1, 0)])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_the_quick_input_gradient_equals_autograd(size, kernel, padding, order):
    torch.manual_seed(0)
    x = torch.randn(3, 1, size, size, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.float64)
    y = F.conv2d(x, weight, padding=padding)
    gradient = torch.randn_like(y).contiguous(memory_format=order)
    (expected,) = torch.autograd.grad(y, x, gradient)
    torch.testing.assert_close(input_gradient(gradient, weight, padding), expected, rtol=1e-12, atol=1e-12)


# --- receptive fields -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("view", "size"), [("snps", 120), ("snps", 131), ("connectivity", 48), ("connectivity", 29)])
def test_inputs_outside_the_receptive_field_change_nothing_and_those_inside_do(view, size):
    torch.manual_seed(0)
    branch = build(size, size, SETTINGS).branches[view].eval()
    for block in branch.blocks:  # positive weights: a change cannot cancel out or die in a ReLU
        block.conv.weight.data.abs_()
        block.conv.bias.data.abs_()
    shape = (size, size) if view == "connectivity" else (size,)
    for layer in range(1, len(branch.blocks) + 1):
        fields = receptive_fields(branch.blocks[:layer], size)
        x = torch.rand(1, 1, *shape, dtype=torch.float64)
        run = branch.double().blocks[:layer]
        with torch.no_grad():
            base = run(x)
            assert base.shape[-1] == len(fields.first)
            for place in range(0, size, 7):
                changed = x.clone()
                changed[..., place] += 100
                moved = ((run(changed) - base).abs() > 1e-9).flatten(0, -2).any(0).numpy()
                inside = (fields.first <= place) & (place <= fields.last)
                assert not moved[~inside].any(), (layer, place)
                assert moved[inside].any(), (layer, place)


def test_receptive_fields_of_table_iv_by_hand():
    branches = build(264, 750, SETTINGS).branches
    fields = receptive_fields(branches["snps"].blocks[:2], 750)
    assert len(fields.first) == 15
    # A cell of block 1 sees 31 + 5 loci every 6; one of block 2 sees (31 + 5 - 1) x 6 + 36 loci every 36.
    assert fields.first.tolist() == [36 * i for i in range(15)]
    assert fields.last.tolist() == [36 * i + 245 for i in range(15)]
    assert (fields.offset, fields.step) == (122.5, 36)
    fields = receptive_fields(branches["connectivity"].blocks[:2], 264)
    assert (len(fields.first), fields.offset, fields.step) == (33, 3.5, 8)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_projection_of_table_iv_is_bilinear_upsampling(layer):
    blocks = build(264, 750, SETTINGS).branches["connectivity"].blocks[:layer]
    weights = torch.from_numpy(projection(blocks, 264)).float()
    cells = torch.randn(2, 2, weights.shape[1], weights.shape[1])
    theirs = F.interpolate(cells, size=(264, 264), mode="bilinear", align_corners=False)
    torch.testing.assert_close(project(cells, weights), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 33, 100, 264, 750])
@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_projection_gives_every_input_the_cells_that_see_it(view, size):
    blocks = build(size, size, SETTINGS).branches[view].blocks
    for layer in range(1, len(blocks) + 1):
        weights, fields = projection(blocks[:layer], size), receptive_fields(blocks[:layer], size)
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
        places = np.arange(size)[:, None]
        assert not weights[(places < fields.first) | (places > fields.last)].any()


def test_a_planted_locus_lights_up_where_it_is_not_where_stretching_would_put_it():
    torch.manual_seed(0)
    branch = build(264, 750, SETTINGS).branches["snps"].eval()
    for block in branch.blocks:
        block.conv.weight.data.abs_()
    blocks = branch.blocks[:2]
    weights = torch.from_numpy(projection(blocks, 750)).float()
    for locus in (150, 375, 600):
        x = torch.zeros(2, 1, 750)
        x[1, 0, locus] = 1
        with torch.no_grad():
            cells = blocks(x).sum(1)
        cells = (cells[1] - cells[0])[None, None]
        ours = project(cells, weights)[0, 0]
        stretched = F.interpolate(cells, size=750, mode="linear", align_corners=False)[0, 0]
        places = torch.arange(750.0)
        distance = [abs(float((m * places).sum() / m.sum()) - locus) for m in (ours, stretched)]
        assert distance[0] < 36, "within one step of the cells"
        if locus != 375:  # the middle stays the middle
            assert distance[1] > 2 * distance[0]


def test_symmetric_maps_and_connections():
    image = torch.tensor([[9.0, 1.0, 2.0], [3.0, 9.0, 4.0], [6.0, 8.0, 9.0]])
    assert connections(symmetrise(image)).tolist() == [2.0, 4.0, 6.0]
    image = torch.randn(2, 2, 17, 17)
    rows, columns = np.triu_indices(17, 1)
    np.testing.assert_array_equal(connections(image).numpy(), image.numpy()[..., rows, columns])
