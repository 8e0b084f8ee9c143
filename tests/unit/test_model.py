"""Table IV, other sizes, the loss, inputs and weights on disk."""

import numpy as np
import pytest
import torch

from gcamccl.model import storage
from gcamccl.model.inputs import fill_missing, prepare
from gcamccl.model.loss import collaborative_loss, cross_entropy, eq11
from gcamccl.model.network import CONNECTIVITY_LAYERS, SNP_LAYERS, build, fit_layers
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError

SETTINGS = stage_defaults("train")


def random_inputs(people, rois, loci, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return {
        "connectivity": torch.randn(people, 1, rois, rois, generator=rng),
        "snps": torch.randn(people, 1, loci, generator=rng),
    }


def shapes(model, inputs):
    """Output shape of each block, by view."""
    found = {}
    for view, branch in model.branches.items():
        x, found[view] = inputs[view], []
        for block in branch.blocks:
            x = block(x)
            found[view].append(tuple(x.shape))
    return found


def test_table_iv_shapes_and_parameters():
    model = build(264, 750, SETTINGS)
    inputs = random_inputs(2, 264, 750)
    # Table IV prints each layer's input; the next layer's input is this layer's output.
    assert shapes(model, inputs) == {
        "connectivity": [(2, 16, 132, 132), (2, 32, 33, 33), (2, 32, 11, 11), (2, 64, 1, 1)],
        "snps": [(2, 16, 120), (2, 32, 15), (2, 64, 1)],
    }
    assert model.embed(inputs).shape == (2, 128)
    assert model(inputs).shape == (2, 2, 2)  # the collab layer's four cells: 2 views x 2 classes
    assert sum(p.numel() for p in model.parameters()) == 318_724


def test_table_iv_operations():
    model = build(264, 750, SETTINGS)
    operations = {
        view: [
            (block.conv.kernel_size[0], block.conv.padding[0], getattr(block.pool, "kernel_size", 1))
            for block in branch.blocks
        ]
        for view, branch in model.branches.items()
    }
    assert operations == {
        "connectivity": [(7, 3, 2), (5, 2, 4), (3, 1, 3), (11, 0, 1)],
        "snps": [(31, 0, 6), (31, 0, 6), (15, 0, 1)],
    }


def test_dropout_is_in_the_middle_layers_only():
    model = build(264, 750, SETTINGS)
    rates = {view: [getattr(b.dropout, "p", 0) for b in branch.blocks] for view, branch in model.branches.items()}
    assert rates == {"connectivity": [0, 0.2, 0.2, 0], "snps": [0, 0.2, 0]}


@pytest.mark.parametrize(
    ("rois", "loci"), [(1, 1), (2, 3), (7, 11), (23, 36), (40, 150), (100, 213), (268, 397), (300, 1001)]
)
def test_other_sizes(rois, loci):
    model = build(rois, loci, SETTINGS)
    inputs = random_inputs(2, rois, loci)
    assert model(inputs).shape == (2, 2, 2)
    found = shapes(model, inputs)
    for view, layers, cells in (("connectivity", CONNECTIVITY_LAYERS, rois), ("snps", SNP_LAYERS, loci)):
        assert [shape[2] for shape in found[view]] == [layer[-1] for layer in fit_layers(cells, layers)]


@pytest.mark.parametrize(("rois", "loci"), [(5, 9), (40, 150), (65, 311)])
def test_every_input_counts(rois, loci):
    # Pools must not cut off the last ROIs or loci: the gradient reaches every cell.
    torch.manual_seed(0)
    model = build(rois, loci, {**SETTINGS, "last_batch_norm": False, "dropout": 0.0}).eval()
    total = dict.fromkeys(model.views, 0)
    for seed in range(20):
        inputs = {view: x.requires_grad_() for view, x in random_inputs(4, rois, loci, seed).items()}
        model.embed(inputs).sum().backward()
        for view, x in inputs.items():
            total[view] = total[view] + x.grad.abs().sum(dim=0)
    assert all((grad > 0).all() for grad in total.values())


def test_views_and_orders():
    inputs = random_inputs(3, 30, 80)
    for views in (["snps"], ["connectivity"], ["snps", "connectivity"]):
        model = build(30, 80, {**SETTINGS, "views": views})
        assert model.views == tuple(sorted(views))  # connectivity first, whatever the setting's order
        assert model(inputs).shape == (3, len(views), 2)
        assert model.embed(inputs).shape == (3, 64 * len(views))
    results = []
    for order in ("pool_bn_relu", "bn_relu_pool", "relu_pool_bn"):
        torch.manual_seed(0)
        results.append(build(30, 80, {**SETTINGS, "block_order": order, "dropout": 0.0})(inputs))
    assert not torch.allclose(results[0], results[2])
    with pytest.raises(ValueError, match="views"):
        build(30, 80, {**SETTINGS, "views": []})
    with pytest.raises(ValueError, match="order"):
        build(30, 80, {**SETTINGS, "block_order": "bn"})


def test_block_equals_plain_torch():
    # Channels-last memory order changes nothing but rounding.
    torch.manual_seed(0)
    model = build(40, 150, {**SETTINGS, "dropout": 0.0})
    block = model.branches["connectivity"].blocks[0]
    x = torch.randn(4, 1, 40, 40)
    plain = torch.nn.functional.conv2d(x, block.conv.weight.contiguous(), block.conv.bias, padding=3)
    plain = torch.nn.functional.max_pool2d(plain, 2)
    plain = torch.relu(torch.nn.functional.batch_norm(plain, None, None, training=True))
    assert torch.allclose(block(x), plain, atol=1e-5)


def numpy_eq12(logits, labels, collaboration):
    """Eq. 12 term by term, in float64, averaged over people."""
    total = 0.0
    for z, label in zip(logits, labels, strict=True):
        h = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        m, classes = h.shape
        y = np.eye(classes)[label]
        fit = -sum(y[c] * np.log(h[i, c]) for i in range(m) for c in range(classes)) / m
        agree = 0.0
        if m > 1:
            for i in range(m):
                for j in range(m):
                    if i != j:
                        agree -= sum(h[i, c] * np.log(h[j, c]) for c in range(classes)) / (m * (m - 1))
        total += fit + collaboration * agree
    return total / len(labels)


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("collaboration", [0.0, 0.3, 1.0])
def test_loss_is_eq12(views, classes, collaboration):
    rng = np.random.default_rng(views * 10 + classes)
    logits, labels = rng.normal(0, 2, (7, views, classes)), rng.integers(0, classes, 7)
    ours = collaborative_loss(torch.tensor(logits), torch.tensor(labels), collaboration)
    assert float(ours) == pytest.approx(numpy_eq12(logits, labels, collaboration), rel=1e-12)


def test_loss_of_many_replicates_is_eq12_of_each():
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(0, 2, (3, 7, 2, 2)), rng.integers(0, 2, (3, 7))
    ours = collaborative_loss(torch.tensor(logits), torch.tensor(labels), 0.6)
    assert ours.shape == (3,)
    for row in range(3):
        assert float(ours[row]) == pytest.approx(numpy_eq12(logits[row], labels[row], 0.6), rel=1e-12)


def test_eq11_is_twice_eq12_for_two_views():
    rng = np.random.default_rng(5)
    logits, labels = torch.tensor(rng.normal(0, 3, (9, 2, 2))), torch.tensor(rng.integers(0, 2, 9))
    assert float(eq11(logits, labels)) == pytest.approx(2 * float(collaborative_loss(logits, labels)), rel=1e-12)


def test_loss_gradient_by_finite_differences():
    rng = np.random.default_rng(6)
    logits = torch.tensor(rng.normal(0, 1, (3, 2, 2)), requires_grad=True)
    labels = torch.tensor([0, 1, 1])
    collaborative_loss(logits, labels, 0.7).backward()
    step = 1e-6
    for index in np.ndindex(3, 2, 2):
        plus, minus = logits.detach().numpy().copy(), logits.detach().numpy().copy()
        plus[index] += step
        minus[index] -= step
        slope = (numpy_eq12(plus, [0, 1, 1], 0.7) - numpy_eq12(minus, [0, 1, 1], 0.7)) / (2 * step)
        assert float(logits.grad[index]) == pytest.approx(slope, abs=1e-8)


def test_loss_stays_finite_and_one_view_is_cross_entropy():
    logits = torch.tensor([[[500.0, -500.0], [-500.0, 500.0]]])
    assert torch.isfinite(collaborative_loss(logits, torch.tensor([0])))
    one, labels = torch.randn(8, 1, 2), torch.randint(0, 2, (8,))
    expected = torch.nn.functional.cross_entropy(one[:, 0], labels)
    assert float(collaborative_loss(one, labels)) == pytest.approx(float(expected), rel=1e-6)
    assert float(cross_entropy(one, labels)) == pytest.approx(float(expected), rel=1e-6)


def symmetric(people, rois, seed=0):
    rng = np.random.default_rng(seed)
    fc = rng.normal(0.2, 0.2, (people, rois, rois)).astype(np.float32)
    fc = (fc + fc.transpose(0, 2, 1)) / 2
    fc[:, np.arange(rois), np.arange(rois)] = 0
    return fc


def test_missing_connections_get_the_training_mean():
    fc = symmetric(6, 5)
    fc[0, 2, :] = fc[0, :, 2] = np.nan  # a training person without ROI 2
    fc[5, 1, :] = fc[5, :, 1] = np.nan  # a test person without ROI 1
    train = np.array([0, 1, 2])
    filled, people, values, overall = fill_missing(fc, train)
    assert (people, values, overall) == (2, 8, 0)
    assert filled[0, 2, 4] == pytest.approx(fc[[1, 2], 2, 4].mean())
    assert filled[5, 1, 3] == pytest.approx(fc[train, 1, 3].mean(), rel=1e-6)
    assert not np.diagonal(filled, axis1=1, axis2=2).any()
    known = ~np.isnan(fc)
    assert np.array_equal(filled[known], fc[known])
    assert np.isnan(fc[0, 2, 4])  # the input is left as it was


def test_connection_missing_in_the_whole_training_part():
    fc = symmetric(4, 4)
    fc[:2, 0, 1] = fc[:2, 1, 0] = np.nan
    filled, people, values, overall = fill_missing(fc, np.array([0, 1]))
    assert (people, values, overall) == (2, 2, 2)
    above = np.triu_indices(4, 1)
    assert filled[0, 0, 1] == pytest.approx(np.nanmean(fc[:2][:, above[0], above[1]]), rel=1e-5)


def test_inputs_are_scaled_on_the_training_part():
    fc, dosage = symmetric(8, 6), np.random.default_rng(0).integers(0, 3, (8, 20)).astype(np.float32)
    train = np.arange(5)
    inputs, scale = prepare(fc, dosage, train, SETTINGS)
    assert np.array_equal(inputs["connectivity"][:, 0].numpy(), fc)
    assert np.array_equal(inputs["snps"][:, 0].numpy(), dosage)
    assert (scale.connectivity_mean, scale.connectivity_sd) == (0, 1)
    inputs, scale = prepare(fc, dosage, train, {**SETTINGS, "input_scale": "global"})
    above = np.triu_indices(6, 1)
    scaled = inputs["connectivity"][:, 0].numpy()
    assert scaled[train][:, above[0], above[1]].mean() == pytest.approx(0, abs=1e-5)
    assert scaled[train][:, above[0], above[1]].std() == pytest.approx(1, abs=1e-5)
    assert not np.diagonal(scaled, axis1=1, axis2=2).any()
    assert scale.snps_mean == pytest.approx(dosage[train].mean(), rel=1e-6)
    one = prepare(fc[:, :1, :1], dosage, train, {**SETTINGS, "input_scale": "global"})[1]
    assert (one.connectivity_mean, one.connectivity_sd) == (0, 1)  # one ROI: no connection
    other = fc.copy()
    other[5:] += 1
    again = prepare(other, dosage, train, {**SETTINGS, "input_scale": "global"})[1]
    assert again == scale  # nothing is fitted on the others


def test_weights_survive_the_disk(tmp_path):
    inputs, path = random_inputs(3, 40, 150), tmp_path / "models.safetensors"
    tensors, expected = {}, {}
    for replicate in (2, 11):
        torch.manual_seed(replicate)
        model = build(40, 150, SETTINGS)
        model(inputs)  # moves the batch-norm statistics
        tensors.update(storage.replicate_state(model, replicate))
        expected[replicate] = model.eval()(inputs)
    assert "0002/branches.connectivity.blocks.0.conv.weight" in tensors
    storage.save(path, tensors)
    assert storage.replicates(path) == [2, 11]
    for replicate, logits in expected.items():
        assert torch.equal(storage.load(path, replicate, 40, 150, SETTINGS)(inputs), logits)
    with pytest.raises(InputError, match="no replicate 3"):
        storage.load(path, 3, 40, 150, SETTINGS)
    with pytest.raises(InputError, match="does not fit"):
        storage.load(path, 2, 264, 150, SETTINGS)
    with pytest.raises(InputError, match="no such file"):
        storage.load(tmp_path / "other.safetensors", 0, 40, 150, SETTINGS)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="safetensors"):
        storage.load(broken, 2, 40, 150, SETTINGS)
