"""Search for training settings on the tuning cohorts of `cohorts.py`: trainings, and the table made from them.

Every training is one line of the table --out (TSV), written as soon as it is done; a search that was stopped goes on
where it stopped. After each epoch the validation and the test part are predicted, so that one training tells what every
`select_on`, `patience_epochs` and `fusion` would have chosen; the curves are kept in --cache beside the cohorts.
`gcamccl.train.fit` trains and does not look at the test part; here it is looked at after each epoch: these cohorts are
for choosing only. docs/training-search.md is the record of the search.
"""

import argparse
import csv
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from cohorts import ALL_ROIS, TUNING, cached  # noqa: E402
from gcamccl.cohort import TEST, TRAIN  # noqa: E402
from gcamccl.model.inputs import prepare  # noqa: E402
from gcamccl.model.loss import cross_entropy  # noqa: E402
from gcamccl.train.data import Staged, replicate_of  # noqa: E402
from gcamccl.train.fit import fit, predict  # noqa: E402
from gcamccl.train.scores import p_high  # noqa: E402
from gcamccl.workflow import config  # noqa: E402

# The start: as demo.yaml. What a trial changes is laid over it.
START = {
    "optimizer": "adamw",
    "learning_rate": 3.0e-4,
    "halve_every_epochs": 0,
    "last_batch_norm": False,
}
FULL_TEST_STEP = 3  # at the full size every third of the test people is predicted after each epoch, to save time
SELECTORS = ("loss", "cross_entropy", "auc")
COLUMNS = (
    "stage",
    "trial",
    "scenario",
    "seed",
    "n_rois",
    "split",
    "views",
    "settings",
    "epochs",
    "cpu_s",
    *(f"{what}_by_{selector}" for selector in SELECTORS for what in ("epoch", "test_auc", "test_ce")),
    "validation_auc",
    "validation_ce",
    "test_auc_product",
    "test_auc_connectivity",
    "test_auc_snps",
    "last_test_auc",
    "best_test_auc",
)
EXAMPLES = """examples:
  python benchmarks/tune.py --cache /tmp/cohorts --out trials.tsv --stage connectivity_rates
  python benchmarks/tune.py --cache /tmp/cohorts --out trials.tsv --summary
"""


def settings_of(change):
    """The config section `train`: the paper's, the start of the search, and what the trial changes."""
    return {**config.stage_defaults("train"), **START, **change}


def curves(cohort, split, settings, seed):
    """Train for all the epochs and predict after each.

    Returns
    -------
    dict of str to ndarray (epochs,)
        ``loss``, ``cross_entropy``, ``auc`` of the validation part, ``train_loss``, and of the test part ``test_auc``
        (mean of the views' probabilities), ``test_ce`` (mean over the views), ``test_auc_product`` (softmax of the
        summed log-probabilities), ``test_auc_<view>``.
    """
    number = split * len(cohort.labels)  # the replicate with the true labels; its seed is the setting plus its number
    settings = {**settings, "seed": seed - number, "patience_epochs": settings["epochs"]}
    replicate = replicate_of(cohort, number, settings)
    staged = Staged(cohort.fc, cohort.dosage, [replicate], settings)
    inputs, _ = prepare(cohort.fc, cohort.dosage, replicate.rows(TRAIN), settings)
    test = replicate.rows(TEST)
    if cohort.fc.shape[1] == ALL_ROIS:
        test = test[::FULL_TEST_STEP]
    truth, rows, result = replicate.labels[test], torch.from_numpy(test), {}

    def predict_test(state, columns, seconds):
        row = {"train_loss": columns["train_loss"][0]}
        row |= {name: columns[f"validation_{name}"][0] for name in SELECTORS}
        network = state.network.network
        logits, _ = predict(network, inputs, rows)
        row["test_ce"] = float(cross_entropy(logits, torch.from_numpy(truth.astype(np.int64))))
        for name, fusion in (("test_auc", "mean"), ("test_auc_product", "product")):
            both, views = p_high(logits, fusion)
            row[name] = roc_auc_score(truth, both)
        row |= {f"test_auc_{view}": roc_auc_score(truth, views[:, n]) for n, view in enumerate(network.views)}
        for name, value in row.items():
            result.setdefault(name, []).append(value)

    fit(staged, [replicate], settings, report=predict_test)
    return {name: np.array(values) for name, values in result.items()}


def best_epoch(curve, select_on, patience=None):
    """First epoch with the best validation score, looked for until `patience` epochs brought nothing better."""
    score = -curve["auc"] if select_on == "auc" else curve[select_on]
    best = 0
    for epoch, value in enumerate(score):
        if value < score[best]:
            best = epoch
        if patience and epoch - best >= patience:
            break
    return best


def trial_row(curve, select_on):
    """Columns of the table made from the curves."""
    row = {}
    for selector in SELECTORS:
        epoch = best_epoch(curve, selector)
        row[f"epoch_by_{selector}"] = epoch
        row[f"test_auc_by_{selector}"], row[f"test_ce_by_{selector}"] = (
            curve["test_auc"][epoch],
            curve["test_ce"][epoch],
        )
    chosen = best_epoch(curve, select_on)
    row["validation_auc"], row["validation_ce"] = curve["auc"][chosen], curve["cross_entropy"][chosen]
    for name in ("test_auc_product", "test_auc_connectivity", "test_auc_snps"):
        row[name] = curve[name][chosen] if name in curve else np.nan
    row["last_test_auc"], row["best_test_auc"] = curve["test_auc"][-1], curve["test_auc"].max()
    return row


def run(plan, stage, table, cache):
    """Train what the stage lacks; `plan` holds (name, change, scenario, seed, n_rois, split)."""
    done = set()
    if table.exists():
        with table.open() as handle:
            done = {
                (r["stage"], r["trial"], r["scenario"], int(r["seed"]), int(r["n_rois"]), int(r["split"]))
                for r in csv.DictReader(handle, delimiter="\t")
            }
    for name, change, scenario, seed, n_rois, split in plan:
        if seed not in TUNING:
            raise SystemExit(f"seed {seed} is not one of the tuning cohorts")
        if (stage, name, scenario, seed, n_rois, split) in done:
            continue
        settings = settings_of(change)
        cohort = cached(cache, scenario, seed, n_rois)
        started = time.process_time()
        curve = curves(cohort, split, settings, seed * 100 + split)
        cpu = time.process_time() - started
        np.savez(cache / f"{stage}-{name}-{scenario}-{seed}-{n_rois}-{split}.npz", **curve)
        facts = {
            "stage": stage,
            "trial": name,
            "scenario": scenario,
            "seed": seed,
            "n_rois": n_rois,
            "split": split,
            "views": "+".join(settings["views"]),
            "settings": json.dumps(change, sort_keys=True),
            "epochs": settings["epochs"],
            "cpu_s": cpu,
            **trial_row(curve, settings["select_on"]),
        }
        new = not table.exists()
        with table.open("a", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
            if new:
                writer.writerow(COLUMNS)
            writer.writerow(
                [f"{facts[c]:.4g}" if isinstance(facts[c], float | np.floating) else facts[c] for c in COLUMNS]
            )
        print(*(facts[c] for c in ("stage", "trial", "scenario", "seed", "split")), f"{cpu:.0f} s", end=" ")
        print(*(f"{c} {facts[c]:.3f}" for c in COLUMNS if "test_auc" in c and np.isfinite(facts[c])), flush=True)


# One factor at a time from the start, one view at a time: without the cross-view term the branches do not meet.
FACTORS = {
    "start": {},
    "adamw_1e-4": {"learning_rate": 1.0e-4},
    "adamw_1e-3": {"learning_rate": 1.0e-3},
    "batch_16": {"batch_size": 16},
    "dropout_0.5": {"dropout": 0.5},
    "bn_relu_pool": {"block_order": "bn_relu_pool"},
    "last_batch_norm": {"last_batch_norm": True},
    "weight_decay_1": {"weight_decay": 1.0},
    "sgd_1e-2": {"optimizer": "sgd", "learning_rate": 1.0e-2},
    "sgd_1e-3": {"optimizer": "sgd", "learning_rate": 1.0e-3},
    "batch_4": {"batch_size": 4},
    "relu_pool_bn": {"block_order": "relu_pool_bn"},
    "input_scale_global": {"input_scale": "global"},
    "dropout_0": {"dropout": 0.0},
    "adamw_3e-3": {"learning_rate": 3.0e-3},
    "batch_32": {"batch_size": 32},
    "weight_decay_10": {"weight_decay": 10.0},
    "halve_10": {"halve_every_epochs": 10},
}


def one_view(view, epochs, factors=FACTORS):
    """Trials (name, change) of one view."""
    return [(name, {"views": [view], "batch_size": 8, "epochs": epochs, **change}) for name, change in factors.items()]


def crossed(trials, cohorts, n_rois):
    """Every trial on every (scenario, seed, split), trial by trial."""
    return [
        (name, change, scenario, seed, n_rois, split) for name, change in trials for scenario, seed, split in cohorts
    ]


def some(*names):
    """Those of the factors."""
    return {name: FACTORS[name] for name in names}


SNP_COHORTS = [("default", 101, 0), ("default", 102, 0), ("default", 102, 1)]
CONNECTIVITY_COHORTS = [("default", 101, 0), ("blocks", 101, 0)]
CONNECTIVITY_FACTORS = (
    "start",
    "bn_relu_pool",
    "relu_pool_bn",
    "sgd_1e-2",
    "adamw_1e-3",
    "weight_decay_1",
    "dropout_0.5",
    "batch_16",
    "last_batch_norm",
    "adamw_1e-4",
)
NORM_FIRST = {"block_order": "bn_relu_pool"}
SGD = {"optimizer": "sgd", "learning_rate": 1.0e-2}
SGD_FAST = {"optimizer": "sgd", "learning_rate": 3.0e-2}
# What helped alone, put together; then what might help on top.
COMBINED = {
    "bn_relu_pool_sgd_1e-2": {**NORM_FIRST, **SGD},
    "bn_relu_pool_sgd_3e-2": {**NORM_FIRST, **SGD_FAST},
    "sgd_3e-2": SGD_FAST,
    "sgd_1e-2_batch_4": {**SGD, "batch_size": 4},
    "relu_pool_bn_sgd_1e-2": {**SGD, "block_order": "relu_pool_bn"},
    "sgd_1e-2_wd_1e-2": {**SGD, "weight_decay": 1.0e-2},
    "sgd_1e-2_last_bn": {**SGD, "last_batch_norm": True},
    "sgd_1e-2_halve_5": {**SGD, "halve_every_epochs": 5},
    "bn_relu_pool_1e-3": {**NORM_FIRST, "learning_rate": 1.0e-3},
}
# Both views: the loss is a mean over the views, so that a branch's gradients are half of what they are alone.
BOTH = {
    "sgd_2e-2_collaboration_0": {"optimizer": "sgd", "learning_rate": 2.0e-2, "collaboration": 0.0},
    "sgd_2e-2_collaboration_1": {"optimizer": "sgd", "learning_rate": 2.0e-2},
    "adamw_3e-4_collaboration_1": {},
    "sgd_2e-2_collaboration_0.3": {"optimizer": "sgd", "learning_rate": 2.0e-2, "collaboration": 0.3},
    "adamw_1e-3_bn_relu_pool_collaboration_0": {**NORM_FIRST, "learning_rate": 1.0e-3, "collaboration": 0.0},
    "sgd_1e-2_collaboration_0": {"optimizer": "sgd", "learning_rate": 1.0e-2, "collaboration": 0.0},
}
# What is confirmed at the full size, 264 ROIs, on a cohort of its own.
FULL = ("sgd_2e-2_collaboration_1",)
# There the connectivity branch did not learn at that rate: what makes it learn?
FULL_CONNECTIVITY = {
    "sgd_1e-2_last_bn": {**SGD, "last_batch_norm": True},
    "sgd_2e-3": {"optimizer": "sgd", "learning_rate": 2.0e-3},
    "adamw_3e-4": {},
    "sgd_1e-2": SGD,
}
LAST_NORM = {
    "sgd_2e-2_last_bn": {"optimizer": "sgd", "learning_rate": 2.0e-2, "last_batch_norm": True},
    "sgd_5e-3": {"optimizer": "sgd", "learning_rate": 5.0e-3},
}
BOTH_COHORTS = [("default", 103, 0), ("blocks", 103, 0)]
# The second round, at the full size throughout and with both views: one factor at a time from what the first one chose.
CHOSEN = {"optimizer": "sgd", "learning_rate": 2.0e-2, "last_batch_norm": True}
FULL_SIZE = {
    "chosen": {},
    "collaboration_0": {"collaboration": 0.0},
    "collaboration_0.3": {"collaboration": 0.3},
    "sgd_1e-2": {"learning_rate": 1.0e-2},
    "sgd_5e-3": {"learning_rate": 5.0e-3},
    "sgd_2e-3": {"learning_rate": 2.0e-3},
    "adamw_1e-3": {"optimizer": "adamw", "learning_rate": 1.0e-3},
}
FULL_COHORTS = [("moderate", 105, 0), ("default", 104, 0)]
# The first of these is too easy for the network, the second too hard: two between them.
BETWEEN = {
    **{name: FULL_SIZE[name] for name in ("chosen", "sgd_5e-3", "sgd_1e-2", "sgd_2e-3")},
    "sgd_5e-3_collaboration_0": {"learning_rate": 5.0e-3, "collaboration": 0.0},
    "adamw_1e-3": FULL_SIZE["adamw_1e-3"],
    "sgd_5e-3_bn_relu_pool": {"learning_rate": 5.0e-3, "block_order": "bn_relu_pool"},
    "sgd_5e-3_batch_16": {"learning_rate": 5.0e-3, "batch_size": 16},
}
BETWEEN_COHORTS = [("moderate", 106, 0), ("moderate", 107, 0)]


def both_views(epochs, factors):
    """Trials (name, change) of both views."""
    return [(name, {"batch_size": 8, "epochs": epochs, **change}) for name, change in factors.items()]


def from_chosen(factors):
    """The factors laid over what the first round chose."""
    return {name: {**CHOSEN, **change} for name, change in factors.items()}


STAGES = {
    "snps": crossed(one_view("snps", 30), SNP_COHORTS, 88),
    "connectivity": crossed(one_view("connectivity", 20, some(*CONNECTIVITY_FACTORS)), CONNECTIVITY_COHORTS, 88),
    "snps_combined": crossed(one_view("snps", 30, COMBINED), SNP_COHORTS, 88),
    "connectivity_combined": crossed(one_view("connectivity", 20, COMBINED), CONNECTIVITY_COHORTS, 88),
    "both": crossed(both_views(25, BOTH), BOTH_COHORTS, 88),
    "full": crossed(both_views(15, {name: BOTH[name] for name in FULL}), [("default", 104, 0)], 264),
    "full_connectivity": crossed(one_view("connectivity", 10, FULL_CONNECTIVITY), [("moderate", 105, 0)], 264),
    "both_last_norm": crossed(both_views(25, LAST_NORM), BOTH_COHORTS, 88),
    "full_size": crossed(both_views(40, from_chosen(FULL_SIZE)), FULL_COHORTS, 264),
    "full_size_between": crossed(both_views(30, from_chosen(BETWEEN)), BETWEEN_COHORTS, 264),
}


def parser():
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--cache", type=Path, required=True, help="folder for cohorts and curves")
    p.add_argument("--out", type=Path, required=True, help="table of trials; lines are added")
    p.add_argument("--stage", choices=list(STAGES), action="append", default=[], help="of the search; may be repeated")
    p.add_argument("--seed", type=int, help="only this cohort's trainings, so that several processes can share a stage")
    p.add_argument("--summary", action="store_true", help="print the mean of each trial over its cohorts")
    return p


def summary(path):
    """Mean and standard error of each trial over its cohorts and splits."""
    import pandas as pd

    table = pd.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE)
    shown = ["test_auc_by_loss", "test_auc_by_cross_entropy", "test_auc_by_auc", "last_test_auc", "best_test_auc"]
    shown += ["test_auc_product", "test_auc_connectivity", "test_auc_snps"]
    groups = table.groupby(["stage", "trial", "scenario", "n_rois"], sort=False)
    means = groups[[*shown, "test_ce_by_cross_entropy", "cpu_s"]].mean()
    means.insert(0, "n", groups.size())
    means.insert(2, "se_by_loss", groups["test_auc_by_loss"].sem())
    return means.round(3).to_string()


def main():
    """Run stages of the search, or print what it found."""
    args = parser().parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    for stage in args.stage:
        plan = [trial for trial in STAGES[stage] if args.seed in (None, trial[3])]
        run(plan, stage, args.out, args.cache)
    if args.summary:
        print(summary(args.out))


if __name__ == "__main__":
    main()
