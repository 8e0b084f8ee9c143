"""AUC and accuracy of the tuned and of the paper's settings beside other classifiers, on the report cohorts.

The cohorts (`cohorts.py`, seeds 201 and up) were not used for choosing `config/tuned.yaml`. Every method is fitted on
the training part, chooses its epoch or hyper-parameters on the validation part, and is judged on the test part, through
the functions that the pipeline uses. Every fit is one line of the table --out (TSV), written as soon as it is done; a
run that was stopped goes on where it stopped.
"""

import argparse
import csv
import sys
import time
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from cohorts import ALL_ROIS, REPORT, SCENARIOS, cached  # noqa: E402
from gcamccl.cohort import TEST, TRAIN  # noqa: E402
from gcamccl.compare.classifiers import design  # noqa: E402
from gcamccl.compare.features import raw_features  # noqa: E402
from gcamccl.compare.metrics import metrics  # noqa: E402
from gcamccl.compare.selection import fit_predict  # noqa: E402
from gcamccl.model.network import VIEWS  # noqa: E402
from gcamccl.train.replicates import train_replicate  # noqa: E402
from gcamccl.workflow import config  # noqa: E402

BOTH = "+".join(VIEWS)
CLASSICAL = ("svm", "logist", "rf")
NETWORKS = ("tuned", "paper")
COLUMNS = (
    "method",
    "features",
    "scenario",
    "seed",
    "split",
    "n_rois",
    "auc",
    "accuracy",
    "epochs",
    "best_epoch",
    "cpu_s",
)
KEY = COLUMNS[:6]
EXAMPLES = """examples:
  python benchmarks/report_cohorts.py --cache /tmp/cohorts --out report.tsv --n-rois 88 --methods svm logist rf tuned
  python benchmarks/report_cohorts.py --cache /tmp/cohorts --out report.tsv --table
"""


def network_settings(method):
    """The config section `train` as the paper printed it, or with config/tuned.yaml laid over it."""
    paper = config.read_yaml(config.PAPER)
    return (config.merge(paper, config.read_yaml(ROOT / "config/tuned.yaml")) if method == "tuned" else paper)["train"]


def judge_network(cohort, split, settings, seed, features):
    """Lines of one trained network: its prediction, and that of each of its branches where it has two."""
    number = split * len(cohort.labels)  # the replicate with the true labels; its seed is the setting plus its number
    settings = {**settings, "views": features.split("+"), "seed": seed - number}
    started = time.process_time()
    result = train_replicate(cohort, number, settings)
    facts = {
        "epochs": result.facts["epochs"],
        "best_epoch": result.facts["best_epoch"] + 1,
        "cpu_s": time.process_time() - started,
    }
    test = result.predictions[result.predictions["part"] == "test"]
    columns = {features: "p_high"}
    if len(settings["views"]) > 1:
        columns |= {f"{view} branch of both": f"p_high_{view}" for view in settings["views"]}
    return [
        {"features": name, **_merit(test["label"], test[column] > 0.5, test[column]), **facts}
        for name, column in columns.items()
    ]


def judge_classifier(cohort, split, method, seed, features):
    """The line of one classical method."""
    parts, labels = cohort.splits[split], cohort.labels[0].astype(np.int64)
    train, test = np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == TEST)
    started = time.process_time()
    views = list(raw_features(cohort.fc, cohort.dosage, features.split("+")).values())
    scores = fit_predict(method, design(method, views, train), labels, parts, seed)
    facts = {"epochs": "", "best_epoch": "", "cpu_s": time.process_time() - started}
    return [{"features": features, **_merit(labels[test], scores.predicted[test], scores.p_high[test]), **facts}]


def _merit(labels, predicted, p_high):
    found = metrics(labels, predicted, p_high)
    return {"auc": found["auc"], "accuracy": found["accuracy"]}


def run(args):
    """Fit what the table lacks."""
    done = set()
    if args.out.exists():
        with args.out.open() as handle:
            done = {tuple(line[column] for column in KEY) for line in csv.DictReader(handle, delimiter="\t")}
    for seed, split, scenario, method, features in product(
        args.seeds, args.splits, args.scenarios, args.methods, args.features
    ):
        if seed not in REPORT:
            raise SystemExit(f"seed {seed} is not one of the report cohorts")
        if (method, features, scenario, str(seed), str(split), str(args.n_rois)) in done:
            continue
        cohort = cached(args.cache, scenario, seed, args.n_rois)
        if method in NETWORKS:
            settings = network_settings(method)
            settings["epochs"] = min(settings["epochs"], args.epochs or settings["epochs"])
            lines = judge_network(cohort, split, settings, seed * 100 + split, features)
        else:
            lines = judge_classifier(cohort, split, method, seed * 100 + split, features)
        new = not args.out.exists()
        with args.out.open("a", newline="") as handle:
            writer = csv.DictWriter(handle, COLUMNS, delimiter="\t", lineterminator="\n")
            if new:
                writer.writeheader()
            for line in lines:
                line |= {"method": method, "scenario": scenario, "seed": seed, "split": split, "n_rois": args.n_rois}
                line |= {column: f"{line[column]:.4f}" for column in ("auc", "accuracy")} | {
                    "cpu_s": f"{line['cpu_s']:.1f}"
                }
                writer.writerow(line)
                print(*(line[column] for column in COLUMNS), flush=True)


def table(path):
    """Mean, standard deviation over cohorts and splits, and number of fits of each method and scenario."""
    found = pd.read_csv(path, sep="\t")
    groups = found.groupby(["n_rois", "scenario", "method", "features"], sort=False)
    shown = groups[["auc", "accuracy"]].agg(["mean", "std"])
    shown.columns = [" ".join(column) for column in shown.columns]
    shown.insert(0, "n", groups.size())
    shown["cpu_s"] = groups["cpu_s"].mean()
    return shown.round(3).to_string()


def main():
    """Fit, or print the table."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--cache", type=Path, required=True, help="folder for the cohorts")
    p.add_argument("--out", type=Path, required=True, help="table of fits; lines are added")
    p.add_argument("--n-rois", type=int, default=ALL_ROIS, help="every 264 / n-th ROI of the atlas")
    p.add_argument("--seeds", type=int, nargs="+", default=[REPORT[0]], help="of the cohorts, from 201")
    p.add_argument("--splits", type=int, nargs="+", default=[0], choices=range(4))
    p.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    p.add_argument("--methods", nargs="+", default=[*CLASSICAL, "tuned"], choices=[*CLASSICAL, *NETWORKS])
    p.add_argument("--features", nargs="+", default=[BOTH, *VIEWS], choices=[BOTH, *VIEWS])
    p.add_argument("--epochs", type=int, help="of the networks, at most; the column epochs says how many were trained")
    p.add_argument("--table", action="store_true", help="print the table of what --out holds, fit nothing")
    args = p.parse_args()
    args.cache.mkdir(parents=True, exist_ok=True)
    if not args.table:
        run(args)
    print(table(args.out))


if __name__ == "__main__":
    main()
