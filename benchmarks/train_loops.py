"""The training loops that `train.py` compares, each in a process of its own.

`plain` and `usual` are the loop most people write: modules in their default memory order, a Dataset and a DataLoader,
torch.optim.SGD, one replicate after the other. `plain` is our network's block (convolution, pool, batch norm, ReLU),
`usual` the block as mostly written (convolution, batch norm, ReLU, pool). `ours` is `gcamccl.train`. Prints one line of
JSON.
"""

import argparse
import copy
import json
import resource
import sys
import time
from pathlib import Path

import measure

sys.path.insert(0, str(measure.ROOT / "src"))

from gcamccl.workflow.job import limit_threads

PEERS = ("plain", "usual")
# Setting `block_order` that is the same network as the peer
ORDERS = {"plain": "pool_bn_relu", "usual": "bn_relu_pool"}
SEED = 1


def settings_of(epochs, **changed):
    """The paper's settings for a training of so many epochs, without early stopping."""
    from gcamccl.workflow.config import stage_defaults

    return {**stage_defaults("train"), "epochs": epochs, "patience_epochs": epochs, **changed}


def make_cohort(n_train, rois, loci, splits=1, permutations=0, seed=0):
    """A `gcamccl.cohort.Cohort` of noise: `n_train` people to train on, 70, 15 and 15 % of all as in the paper."""
    import numpy as np
    import pandas as pd

    from gcamccl.cohort import COHORT_COLUMNS, TEST, TRAIN, VALIDATION, Cohort

    rng = np.random.default_rng(seed)
    n_other = max(2, round(n_train * 0.15 / 0.7))
    people = n_train + 2 * n_other
    labels = np.arange(people, dtype=np.int8) % 2
    rows = np.stack([np.arange(people), *(rng.permutation(people) for _ in range(permutations))]).astype(np.int32)
    fc = rng.normal(0, 0.2, (people, rois, rois)).astype(np.float32)
    fc = (fc + fc.transpose(0, 2, 1)) / 2
    fc[:, np.arange(rois), np.arange(rois)] = 0
    parts = np.repeat(np.array([TRAIN, VALIDATION, TEST], np.int8), (n_train, n_other, n_other))
    ids = [f"p{number:04d}" for number in range(people)]
    return Cohort(
        pd.DataFrame({"participant_id": ids}).reindex(columns=COHORT_COLUMNS),
        fc,
        rng.binomial(2, 0.3, (people, loci)).astype(np.float32),
        labels[rows],
        np.stack([parts, *(rng.permutation(parts) for _ in range(splits - 1))]),
        rows,
        None,
    )


# --- the plain loop ---------------------------------------------------------------------------------------------------


def plain_network(rois, loci, order, dropout):
    """Table IV as torch modules, and nothing else."""
    from torch import nn

    from gcamccl.model.network import CLASSES, CONNECTIVITY_LAYERS, EMBEDDING, SNP_LAYERS, fit_layers

    def branch(convolution, norm, max_pool, cells, table):
        modules, channels_in = [], 1
        layers = fit_layers(cells, table)
        for number, (channels, kernel, padding, pool, _) in enumerate(layers):
            pooling = [max_pool(pool, ceil_mode=True)] if pool > 1 else []
            rest = [norm(channels), nn.ReLU()]
            modules.append(convolution(channels_in, channels, kernel, padding=padding))
            modules += [*pooling, *rest] if order == "pool_bn_relu" else [*rest, *pooling]
            if 0 < number < len(layers) - 1:
                modules.append(nn.Dropout(dropout))
            channels_in = channels
        return nn.Sequential(*modules, nn.Flatten())

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc_branch = branch(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, rois, CONNECTIVITY_LAYERS)
            self.fc_head = nn.Linear(EMBEDDING, CLASSES)
            self.snp_branch = branch(nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d, loci, SNP_LAYERS)
            self.snp_head = nn.Linear(EMBEDDING, CLASSES)

        def forward(self, fc, snps):
            return self.fc_head(self.fc_branch(fc)), self.snp_head(self.snp_branch(snps))

    return Network()


def plain_loss(fc, snps, labels):
    """Eq. 12 of two views."""
    import torch.nn.functional as F

    fit = (F.cross_entropy(fc, labels) + F.cross_entropy(snps, labels)) / 2
    log_fc, log_snps = fc.log_softmax(1), snps.log_softmax(1)
    agree = -((log_fc.exp() * log_snps).sum(1) + (log_snps.exp() * log_fc).sum(1)).mean() / 2
    return fit + agree


class People:
    """A map-style data set, as `torch.utils.data.DataLoader` takes it."""

    def __init__(self, cohort, rows):
        import torch

        self.fc, self.dosage = torch.from_numpy(cohort.fc), torch.from_numpy(cohort.dosage)
        self.labels = torch.from_numpy(cohort.labels[0]).long()
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        return self.fc[row][None], self.dosage[row][None], self.labels[row]


class Plain:
    """The plain training of one replicate: `epoch` and `validate` as often as wished, or `complete`.

    Parameters
    ----------
    cohort : Cohort
    settings : dict
        The config section ``train``; ``block_order`` is `order`.
    order : {'pool_bn_relu', 'bn_relu_pool'}
    device : str
    state : dict of str to Tensor, optional
        Weights to start from: a state dict of `gcamccl.model.network.CCL`.
    """

    def __init__(self, cohort, settings, order, device="cpu", state=None):
        import numpy as np
        import torch
        from torch.utils.data import DataLoader

        torch.manual_seed(SEED)
        self.device, self.epochs = device, settings["epochs"]
        self.model = plain_network(cohort.fc.shape[1], cohort.dosage.shape[1], order, settings["dropout"])
        if state is not None:
            names = self.model.state_dict()
            self.model.load_state_dict(dict(zip(names, state.values(), strict=True)))
        self.model.to(device)
        rate, momentum = settings["learning_rate"], settings["momentum"]
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=momentum)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, settings["halve_every_epochs"], gamma=0.5)
        self.train, validation, test = (People(cohort, np.flatnonzero(cohort.splits[0] == part)) for part in range(3))
        self.size = settings["batch_size"]
        self.loader = DataLoader(self.train, batch_size=self.size, shuffle=True)
        self.validation, self.test = (DataLoader(part, batch_size=self.size) for part in (validation, test))

    def epoch(self, order=None):
        """One pass over the training part, in a given order of its rows or a random one; returns the mean loss."""
        from torch.utils.data import DataLoader

        loader = self.loader if order is None else DataLoader(self.train, batch_size=self.size, sampler=order)
        self.model.train()
        total = 0.0
        for fc, snps, labels in loader:
            fc, snps, labels = fc.to(self.device), snps.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = plain_loss(*self.model(fc, snps), labels)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
        self.schedule.step()
        return total / len(loader)

    def predict(self, loader):
        """Mean loss and probability of the high class over a loader."""
        import torch

        self.model.eval()
        losses, found = [], []
        with torch.no_grad():
            for fc, snps, labels in loader:
                fc, snps, labels = fc.to(self.device), snps.to(self.device), labels.to(self.device)
                logits = self.model(fc, snps)
                losses.append(plain_loss(*logits, labels).item())
                found.append(torch.stack(logits).softmax(-1)[:, :, 1].mean(0).cpu())
        return sum(losses) / len(losses), torch.cat(found)

    def complete(self):
        """Train, validate and keep the best weights epoch by epoch, then predict the test part."""
        best, kept = float("inf"), None
        for _ in range(self.epochs):
            self.epoch()
            score, _ = self.predict(self.validation)
            if score < best:
                best, kept = score, copy.deepcopy(self.model.state_dict())
        self.model.load_state_dict(kept)
        return self.predict(self.test)


# --- ours -------------------------------------------------------------------------------------------------------------


class Ours:
    """`gcamccl.train`, epoch by epoch.

    Parameters
    ----------
    cohort : Cohort
    settings : dict
        The config section ``train``.
    numbers : sequence of int
        Replicates, trained side by side.
    device : str
    arrangement : {'alone', 'grouped', 'gemm'}
    make_step : callable, optional
        As in `gcamccl.train.fit.fit`.
    """

    def __init__(self, cohort, settings, numbers=(0,), device="cpu", arrangement="alone", make_step=None):
        from gcamccl.train import data, fit

        self.settings, self.make_step = settings, make_step or fit.eager_step
        replicates = [data.replicate_of(cohort, number, settings) for number in numbers]
        self.staged = data.Staged(cohort.fc, cohort.dosage, replicates, settings, device)
        self.state = fit.start(self.staged, replicates, settings, arrangement)
        self.labels = fit.labels_on_device(self.state, self.staged)
        self.places = self.staged.places(replicates)

    def epoch(self):
        """One pass over the training parts; returns the mean losses."""
        from gcamccl.train import fit

        loss = fit.train_epoch(self.state, self.staged, self.labels, self.places, self.settings, self.make_step)
        self.state.epoch += 1
        return loss

    def epoch_and_validation(self):
        """The same with validation and the best weights kept."""
        from gcamccl.train import fit

        return fit.run_epoch(self.state, self.staged, self.labels, self.settings, self.make_step)


def complete(cohort, settings):
    """Train replicate 0 as the train program does."""
    from gcamccl.train.replicates import train_replicates

    return train_replicates(cohort, [0], settings, "cpu")


# --- one process ------------------------------------------------------------------------------------------------------


def weights_after(kind, cohort, settings):
    """Weights after the epochs of `settings`, dropout off: the same start and order of people for each kind."""
    import numpy as np

    from gcamccl.cohort import TRAIN
    from gcamccl.train import fit

    settings = {**settings, "dropout": 0.0}
    sizes = cohort.fc.shape[1], cohort.dosage.shape[1]
    start = fit.fresh_network(sizes, settings, settings["seed"]).state_dict()
    if kind == "ours":
        loop = Ours(cohort, settings)
        for _ in range(settings["epochs"]):
            loop.epoch()
        end = {name: tensor[0] for name, tensor in loop.state.network.stacked_state().items()}
    else:
        loop = Plain(cohort, settings, ORDERS[kind], state=start)
        rows = np.flatnonzero(cohort.splits[0] == TRAIN)
        for epoch in range(settings["epochs"]):
            loop.epoch(fit.order_of_people(np.arange(len(rows)), settings["seed"], epoch).tolist())
        end = dict(zip(start, loop.model.state_dict().values(), strict=True))
    return {name: tensor.numpy() for name, tensor in start.items()}, {name: end[name].numpy() for name in start}


def cpu_seconds(function):
    """CPU s of this process in a call."""
    started = time.process_time()
    function()
    return time.process_time() - started


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("ours", *PEERS))
    parser.add_argument("--people", type=int, required=True, metavar="N", help="to train on")
    parser.add_argument("--rois", type=int, required=True, metavar="N")
    parser.add_argument("--loci", type=int, required=True, metavar="N")
    parser.add_argument("--epochs", type=int, required=True, metavar="N", help="to time, after one of 2 steps")
    parser.add_argument("--complete", type=int, metavar="N", help="also time a training of so many epochs")
    parser.add_argument("--keep-freed-memory", action="store_true", help="for a peer as well; ours always does")
    parser.add_argument("--channels-last", action="store_true", help="a peer's network in that memory order")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="also train without dropout and save the weights")
    args = parser.parse_args(argv)
    limit_threads(1)
    import numpy as np
    import torch

    from gcamccl.memory import keep_freed_memory

    torch.set_num_threads(1)
    if args.kind == "ours" or args.keep_freed_memory:
        keep_freed_memory()

    def loop(cohort, epochs):
        settings = settings_of(epochs)
        if args.kind == "ours":
            return Ours(cohort, settings)
        plain = Plain(cohort, settings, ORDERS[args.kind])
        if args.channels_last:
            plain.model.to(memory_format=torch.channels_last)
        return plain

    cohort = make_cohort(args.people, args.rois, args.loci)
    loop(make_cohort(8, args.rois, args.loci), 1).epoch()
    timed = loop(cohort, args.epochs)
    found = {"epoch_s": [cpu_seconds(timed.epoch) for _ in range(args.epochs)]}
    if args.complete:
        if args.kind == "ours":
            found["complete_s"] = cpu_seconds(lambda: complete(cohort, settings_of(args.complete)))
        else:
            found["complete_s"] = cpu_seconds(lambda: loop(cohort, args.complete).complete())
    if args.weights:
        start, end = weights_after(args.kind, cohort, settings_of(1))
        np.savez(args.weights, **end)
        found["moved"] = max(float(np.abs(end[name] - start[name]).max()) for name in start if "conv" in name)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
