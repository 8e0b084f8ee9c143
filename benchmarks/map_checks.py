"""Which kinds of activation map pass the checks, on small simulated studies with many splits.

Studies as in `benchmarks/recovery.py`. Networks are trained on --splits splits with the true labels and with one
permutation of them; maps, checks and verdicts are made by the functions of the stage `activation`. Prints, for every
study, kind of map and view: the test AUC, and for every check the share of the maps' structure that they have in common
with maps that should differ (deletion: random order's fall over the maps'), with its 95 % bounds.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from gcamccl.activation import means, verdicts  # noqa: E402
from gcamccl.activation.run import read_shards, write_maps  # noqa: E402
from gcamccl.cohort_splits import stratified_split  # noqa: E402
from gcamccl.model import storage  # noqa: E402
from gcamccl.train.replicates import train_replicates  # noqa: E402
from gcamccl.workflow import config  # noqa: E402
from recovery_studies import SCENARIOS, small_study  # noqa: E402

FRACTIONS = (0.7, 0.15, 0.15)  # of the people: training, validation, test
PEOPLE, ROIS, LOCI, TRUE_R2 = 240, 40, 120, 0.1  # as benchmarks/recovery.py
EXAMPLES = """examples:
  python benchmarks/map_checks.py
  python benchmarks/map_checks.py --splits 6 --scenarios both --seed 3
"""


def trained(cohort, settings, folder):
    """A shard of `train` with all replicates: mean test AUC with the true labels, a view."""
    weights, facts, areas = {}, [], {}
    for number in range(len(cohort.splits) * len(cohort.labels)):
        (result,) = train_replicates(cohort, [number], settings, "cpu", 1)
        weights |= result.weights
        facts.append(result.facts)
        if number % len(cohort.labels) == 0:
            told = result.predictions[result.predictions["part"] == "test"]
            for view in ("connectivity", "snps"):
                areas.setdefault(view, []).append(roc_auc_score(told["label"], told[f"p_high_{view}"]))
    storage.save(folder / "models.safetensors", weights)
    (folder / "replicates.json").write_text(json.dumps(facts))
    (folder / "artifact.json").write_text(json.dumps({"settings": settings}))
    return {view: float(np.mean(values)) for view, values in areas.items()}


def verdicts_of(scenario, args, settings, activation):
    """Lines of one study, and its AUC."""
    cohort, _ = small_study(scenario, args.seed, PEOPLE, ROIS, LOCI, 1, TRUE_R2)
    rng = np.random.default_rng(args.seed)
    splits = np.stack([stratified_split(cohort.labels[0], FRACTIONS, rng) for _ in range(args.splits)])
    cohort = replace(cohort, splits=splits)
    with tempfile.TemporaryDirectory() as place:
        folder, made = Path(place) / "train", Path(place) / "replicates-0-0"
        folder.mkdir()
        made.mkdir()
        areas = trained(cohort, settings, folder)
        *tables, untrained = write_maps(made / "maps.safetensors", cohort, read_shards([folder]), activation)
        for name, table in zip(("people", "peaks", "checks"), tables, strict=True):
            table.to_parquet(made / f"{name}.parquet", index=False)
        save_file(untrained, made / "untrained.safetensors")
        found = verdicts.table(*means.read_means(means.read_shards([made])), activation["max_shared"])
    return found.assign(study=scenario, auc=found["view"].map(areas))


def main():
    """Print the verdicts."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--splits", type=int, default=20)
    p.add_argument("--scenarios", nargs="+", default=["edges strong", "both", "null"], choices=list(SCENARIOS))
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    settings = config.merge(config.read_yaml(config.PAPER), config.read_yaml(ROOT / "config/tuned.yaml"))["train"]
    activation = config.stage_defaults("activation")
    activation["methods"] = [*activation["methods"], "input_x_gradient", "integrated_gradients"]
    tables = []
    for scenario in args.scenarios:
        started = time.process_time()
        tables.append(verdicts_of(scenario, args, settings, activation))
        print(f"{scenario}: {time.process_time() - started:.0f} CPU s", flush=True)
    table = pd.concat(tables)
    bounds = table[["shared", "low", "high"]].to_numpy()
    table["shown"] = [f"{s:.2f} [{low:.2f}, {high:.2f}]" if np.isfinite(s) else "n/a" for s, low, high in bounds]
    table["shown"] += table["verdict"].map({"passes": " +", "fails": " -"}).fillna("")
    table["against"] = table["check"] + ", " + table["map_class"]
    wide = table.pivot_table("shown", ["study", "view", "auc", "method"], "against", "first", sort=False)
    print("+ passes, - fails, else nothing to judge")
    print(wide.fillna("").round(2).to_string())
    whole = table.groupby(["study", "view", "method"], sort=False)["verdict"]
    passes = whole.agg(lambda one: (one == "passes").all())
    print(f"RESULT splits={args.splits} maps_passing={int(passes.sum())} of={len(passes)}")


if __name__ == "__main__":
    main()
