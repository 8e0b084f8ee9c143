"""What each way of selecting finds of what was planted, and how often it is wrong, with the network as it is trained.

Small simulated studies (--people people, --rois ROIs, --loci loci in LD), of which connections and SNPs truly differ
known: pure null, few connections, whole blocks between networks, SNPs only, and both views moved by one ability. Each
study goes through the pipeline's own functions: networks are trained on both halves of --halvings halvings, nominate
features, and the other half confirms (`gcamccl.threshold`); the paper's rule is applied to guided Grad-CAM maps of the
half that a network has not seen. Beside them: the same confirmation with a linear model for nominator, and univariate
tests with everybody. Every study is one line a view and way of selecting in the table --out (TSV), written as soon as
it is done; a run that was stopped goes on where it stopped. A SNP counts as true where it is causal or has r2 of at
least --true-r2 with a causal one.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from gcamccl.activation.nominate import METHOD  # noqa: E402
from gcamccl.activation.run import Attribution  # noqa: E402
from gcamccl.cohort import COHORT_COLUMNS, TEST, TRAIN, Cohort, halving, permuted_rows  # noqa: E402
from gcamccl.model.inputs import prepare  # noqa: E402
from gcamccl.model.network import build  # noqa: E402
from gcamccl.threshold import calibrated  # noqa: E402
from gcamccl.threshold.confirm import groups  # noqa: E402
from gcamccl.threshold.rule import empty_tally, selected, tally  # noqa: E402
from gcamccl.threshold.univariate import bh, t_test  # noqa: E402
from gcamccl.train.replicates import train_replicates  # noqa: E402
from gcamccl.workflow import config  # noqa: E402

NETWORKS, LD_BLOCK, LD = 5, 10, 0.75  # networks of ROIs; SNPs of a block and correlation of neighbours' latent values
NOISE, SHARED = 0.12, 0.06  # SD of a connection between people: its own, and of factors that connections share
# Scenario -> difference of the groups: of planted connections (r), of all between two pairs of networks, of causal
# SNPs' latent values (SD).
SCENARIOS = {
    "null": (0.0, 0.0, 0.0),
    "edges weak": (0.05, 0.0, 0.0),
    "edges strong": (0.10, 0.0, 0.0),
    "blocks": (0.0, 0.03, 0.0),
    "snps": (0.0, 0.0, 0.8),
    "both": (0.08, 0.0, 0.6),
}
GROUPS = {"connectivity": "network pairs", "snps": "LD blocks"}  # what is tested as a whole
PLANTED_EDGES, CAUSAL_SNPS = 0.08, 6  # share of the connections, in clusters; SNPs
COLUMNS = (
    *("scenario", "seed", "view", "method", "auc", "n_features", "n_true", "n_selected", "n_hit", "n_false", "cpu_s"),
)
EXAMPLES = """examples:
  python benchmarks/recovery.py --out recovery.tsv --scenarios null --seeds 1 2 3
  python benchmarks/recovery.py --out recovery.tsv --table
"""


def small_study(scenario, seed, people, rois, loci, halvings, true_r2):
    """A cohort, and per view the truth: 1 larger in high, -1 larger in low, 0 the same (n_features,)."""
    rng = np.random.default_rng([seed, list(SCENARIOS).index(scenario)])
    edge_effect, block_effect, snp_effect = SCENARIOS[scenario]
    labels = np.tile([0, 1], people // 2).astype(np.int8)
    side = labels - 0.5
    rows, columns = np.triu_indices(rois, 1)
    network = np.arange(rois) * NETWORKS // rois
    base = np.where(network[rows] == network[columns], 0.35, 0.05) + 0.05 * rng.normal(size=len(rows))
    factors = rng.normal(size=(people, 8)) @ rng.normal(size=(8, len(rows))) / np.sqrt(8)
    edges = base + SHARED * factors + NOISE * rng.normal(size=(people, len(rows)))
    truth = np.zeros(len(rows))
    if edge_effect:
        # Clusters, since connections that differ lie together in real studies too.
        while (truth != 0).mean() < PLANTED_EDGES:
            a, b = rng.integers(0, rois - 3, 2)
            inside = (rows >= a) & (rows < a + 3) & (columns >= b) & (columns < b + 3)
            truth[inside & (truth == 0)] = rng.choice([-1, 1])
        edges += edge_effect * np.outer(side, truth)
    if block_effect:
        pairs = [(a, b) for a in range(NETWORKS) for b in range(a + 1, NETWORKS)]
        for sign, place in zip((1, -1), rng.permutation(len(pairs))[:2], strict=True):
            a, b = pairs[place]
            truth[(network[rows] == a) & (network[columns] == b)] = sign
        edges += block_effect * np.outer(side, truth)
    fc = np.zeros((people, rois, rois), dtype=np.float32)
    fc[:, rows, columns] = fc[:, columns, rows] = np.clip(edges, -0.99, 0.99)

    causal, shift = rng.permutation(loci)[:CAUSAL_SNPS], np.zeros(loci)
    shift[causal] = snp_effect * rng.choice([-1, 1], CAUSAL_SNPS)
    # Everybody has two chromosomes; neighbours in a block are alike, and tags move with what is causal.
    latent = rng.normal(size=(2, people, loci))
    for snp in range(loci):
        if snp % LD_BLOCK:
            latent[:, :, snp] = LD * latent[:, :, snp - 1] + np.sqrt(1 - LD**2) * latent[:, :, snp]
    block = np.arange(loci) // LD_BLOCK
    near = LD ** np.abs(np.subtract.outer(np.arange(loci), np.arange(loci))) * (block[:, None] == block)
    latent += side[None, :, None] * (shift @ near) / 2
    cut = rng.uniform(0.1, 0.5, loci)
    thresholds = np.quantile(rng.normal(size=100_000), 1 - cut)
    dosage = (latent > thresholds).sum(axis=0).astype(np.float32)
    r2 = np.corrcoef(dosage, rowvar=False) ** 2 if loci > 1 else np.ones((1, 1))
    tags = (r2[causal] >= true_r2).any(axis=0) if snp_effect else np.zeros(loci, bool)
    snp_truth = np.where(tags, np.sign(shift @ near), 0)

    table = pd.DataFrame({"participant_id": [f"p{number:04d}" for number in range(people)]}).reindex(
        columns=COHORT_COLUMNS
    )
    table["group"] = np.array(["low", "high"])[labels]
    nobody = [None] * people
    permutations = np.stack([np.arange(people, dtype=np.int32), permuted_rows(nobody, nobody, rng)])
    splits = np.concatenate([halving(labels, 0.18, rng) for _ in range(halvings)])
    cohort = Cohort(table, fc, dosage, labels[permutations], splits, permutations, pd.DataFrame(), splits)
    return cohort, {"connectivity": truth, "snps": snp_truth}


def trained_halves(cohort, settings, activation):
    """Networks on all halves, true labels: nominations, tallies of the paper's rule, and mean test AUC a view."""
    numbers = [half * len(cohort.labels) for half in range(len(cohort.splits))]
    nominations, tallies, areas = {}, {}, {}
    for number in numbers:
        (result,) = train_replicates(cohort, [number], settings, "cpu", 1)
        parts, labels = cohort.splits[number // len(cohort.labels)], cohort.labels[0]
        model = build(cohort.n_rois, cohort.n_loci, settings).eval()
        prefix = f"{number:04d}/"
        model.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in result.weights.items()})
        train, test = np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == TEST)
        inputs, _ = prepare(cohort.fc, cohort.dosage, train, settings)
        attribution = Attribution(model, inputs, train, activation)
        told = result.predictions[result.predictions["part"] == "test"]
        for view in model.views:
            own = attribution.maps(view, train, methods=[METHOD])[METHOD][:, 1]
            nominations[f"{number:04d}/{view}"] = own.mean(axis=0)
            areas.setdefault(view, []).append(roc_auc_score(told["label"], told[f"p_high_{view}"]))
            maps = attribution.maps(view, test, methods=["guided_gradcam"])["guided_gradcam"]
            for label in (0, 1):
                counted = tally(maps[labels[test] == label, label], 0.05)  # the paper, section III-D
                tallies[view, label] = tallies.get((view, label), empty_tally(own.shape[1])) + counted
    return nominations, tallies, {view: float(np.mean(values)) for view, values in areas.items()}


def judge(truth, chosen, direction=None):
    """Counts of one way of selecting: a selected feature is false if nothing differs there, or the other way round."""
    right = (truth != 0) if direction is None else (truth != 0) & (direction == truth)
    return {
        "n_features": len(truth),
        "n_true": int((truth != 0).sum()),
        "n_selected": int(chosen.sum()),
        "n_hit": int((chosen & right).sum()),
        "n_false": int((chosen & ~right).sum()),
    }


def study_lines(scenario, seed, args, settings):
    """All lines of one study."""
    cohort, truth = small_study(scenario, seed, args.people, args.rois, args.loci, args.halvings, args.true_r2)
    activation = {**config.stage_defaults("activation"), "methods": ["margin_gradient", "guided_gradcam"]}
    threshold = {**config.stage_defaults("threshold"), "covariates": []}
    started = time.process_time()
    nominations, tallies, areas = trained_halves(cohort, settings, activation)
    halves = calibrated.Halves(cohort, nominations)
    lines, level = [], args.q
    network = np.arange(args.rois) * NETWORKS // args.rois
    first, second = (network[index] for index in np.triu_indices(args.rois, 1))
    pairs = np.unique(first * NETWORKS + second, return_inverse=True)[1]
    group_of = {"connectivity": pairs, "snps": np.arange(args.loci) // LD_BLOCK}
    for view, planted in truth.items():
        found = {}
        for nominator in calibrated.NOMINATORS:
            one = calibrated.select(halves, view, 0, threshold, nominator)
            found[f"confirmed, {nominator}"] = judge(planted, one.q <= level, one.direction)
            group_truth = np.zeros(group_of[view].max() + 1)
            np.maximum.at(group_truth, group_of[view], np.abs(planted))
            _, q = groups(one.p, group_of[view])
            found[f"{GROUPS[view]}, {nominator}"] = judge(group_truth, q <= level)
        _, values = calibrated.feature_reader(cohort, view)
        t, p = t_test(values(np.arange(len(planted))), cohort.labels[0])
        found["univariate"] = judge(planted, np.nan_to_num(bh(p), nan=1.0) <= level, np.sign(t))
        active = [selected(tallies[view, label].frequency(), 0.7) for label in (0, 1)]
        found["paper's rule"] = judge(planted, active[0] | active[1])
        cpu = time.process_time() - started
        for method, counts in found.items():
            facts = {"scenario": scenario, "seed": seed, "view": view, "method": method, "auc": f"{areas[view]:.3f}"}
            lines.append({**facts, **counts, "cpu_s": f"{cpu:.0f}"})
    return lines


def run(args):
    """Make the studies that the table lacks."""
    settings = config.merge(config.read_yaml(config.PAPER), config.read_yaml(ROOT / "config/tuned.yaml"))["train"]
    done = set()
    if args.out.exists():
        with args.out.open() as handle:
            done = {(line["scenario"], int(line["seed"])) for line in csv.DictReader(handle, delimiter="\t")}
    for seed in args.seeds:
        for scenario in args.scenarios:
            if (scenario, seed) in done:
                continue
            lines = study_lines(scenario, seed, args, settings)
            new = not args.out.exists()
            with args.out.open("a", newline="") as handle:
                writer = csv.DictWriter(handle, COLUMNS, delimiter="\t", lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerows(lines)
            told = [f"{line['view']} {line['method']}: {line['n_hit']}+{line['n_false']}" for line in lines]
            print(scenario, seed, f"{lines[-1]['cpu_s']} s", "; ".join(told), flush=True)


def summary(path):
    """Means over studies, and the last line's figures."""
    table = pd.read_csv(path, sep="\t", keep_default_na=False)  # "null" is a name
    table["fdp"] = table["n_false"] / table["n_selected"].clip(lower=1)
    table["precision"] = (table["n_hit"] / table["n_selected"]).where(table["n_selected"] > 0)
    table["recall"] = (table["n_hit"] / table["n_true"]).where(table["n_true"] > 0)
    table["any_false"] = table["n_false"] > 0
    groups = table.groupby(["scenario", "view", "method"], sort=False)
    shown = groups[["auc", "n_selected", "fdp", "precision", "recall", "any_false"]].mean()
    shown.insert(0, "studies", groups.size())
    print(shown.round(3).to_string())
    own, peer = (table[table["method"] == name] for name in ("confirmed, network", "univariate"))
    null = own[own["scenario"] == "null"]
    any_false = null.groupby("seed")["any_false"].max().mean() if len(null) else float("nan")
    per_view = null.groupby("view")["any_false"].mean().max() if len(null) else float("nan")
    planted = own[own["n_true"] > 0]
    hits = planted.groupby(["scenario", "view"])["n_hit"].sum()
    univariate = peer[peer["n_true"] > 0].groupby(["scenario", "view"])["n_hit"].sum()
    print(
        f"pure null studies with any selection: {any_false:.3f} of both views together, at most {per_view:.3f} of one"
    )
    print(
        f"RESULT nominal_fdr=0.1 realised_fdr={planted['fdp'].mean():.3f} null_any={per_view:.3f}"
        f" recall_vs_univariate={hits.sum() / max(1, univariate.sum()):.2f}"
    )


def main():
    """Make studies, or print the table."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--out", type=Path, required=True, help="table of studies; lines are added")
    p.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    p.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)), help="studies (default: 1 to 10)")
    p.add_argument("--people", type=int, default=240)
    p.add_argument("--rois", type=int, default=40)
    p.add_argument("--loci", type=int, default=120)
    p.add_argument("--halvings", type=int, default=5)
    p.add_argument("--true-r2", type=float, default=0.1, help="with a causal SNP, from which a SNP counts as true")
    p.add_argument("--q", type=float, default=0.1, help="level of the false discovery rate (default: 0.1)")
    p.add_argument("--table", action="store_true", help="print what --out holds, make nothing")
    args = p.parse_args()
    if not args.table:
        run(args)
    summary(args.out)


if __name__ == "__main__":
    main()
