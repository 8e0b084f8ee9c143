"""What each way of selecting finds of what was planted, and how often it is wrong, with the network as it is trained.

Small simulated studies (--people people, --rois ROIs, --loci loci in LD), of which connections and SNPs truly differ
known: pure null, few connections, whole blocks between networks, SNPs only, and both views moved by one ability. Each
study goes through the pipeline's own functions: networks are trained on both halves of --halvings halvings, nominate
features, and the other half confirms (`gcamccl.threshold`); the paper's rule is applied to guided Grad-CAM maps of the
half that a network has not seen. Beside them: the same confirmation with a linear model for nominator, and univariate
tests with everybody. Every study is one line a view and way of selecting in the table --out (TSV), written as soon as
it is done; a run that was stopped goes on where it stopped. To be found is a SNP that is causal or has r2 of at least
--true-r2 with a causal one; false is one of a block without a causal SNP, or with the wrong direction.
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
from scipy import stats  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from gcamccl.activation.nominate import METHOD  # noqa: E402
from gcamccl.activation.run import Attribution  # noqa: E402
from gcamccl.cohort import TEST, TRAIN  # noqa: E402
from gcamccl.model.inputs import prepare  # noqa: E402
from gcamccl.model.network import build  # noqa: E402
from gcamccl.threshold import calibrated  # noqa: E402
from gcamccl.threshold.confirm import gate, groups  # noqa: E402
from gcamccl.threshold.rule import empty_tally, selected, tally  # noqa: E402
from gcamccl.threshold.univariate import bh, t_test  # noqa: E402
from gcamccl.train.replicates import train_replicates  # noqa: E402
from gcamccl.workflow import config  # noqa: E402
from recovery_studies import LD_BLOCK, NETWORKS, SCENARIOS, Truth, small_study  # noqa: E402

GROUPS = {"connectivity": "network pairs", "snps": "LD blocks"}  # what is tested as a whole
COLUMNS = (
    *("scenario", "seed", "view", "method", "auc", "n_features", "n_true", "n_selected", "n_hit", "n_false", "cpu_s"),
)
RECOMMENDED = "confirmed, network"
COLOURS = {  # Okabe and Ito, as in the report
    RECOMMENDED: "#0072B2",
    "confirmed, linear": "#009E73",
    "univariate": "#E69F00",
    "paper's rule": "#000000",
}
MARKS = ("o", "s", "D", "x")
WORDS = {"connectivity": "connections", "snps": "SNPs"}
METHODS = [*COLOURS, *(f"{groups}, {who}" for groups in GROUPS.values() for who in calibrated.NOMINATORS)]
ORDER = {
    "scenario": {name: place for place, name in enumerate(SCENARIOS)},
    "view": {name: place for place, name in enumerate(GROUPS)},
    "method": {name: place for place, name in enumerate(METHODS)},
}
EXAMPLES = """examples:
  python benchmarks/recovery.py --out recovery.tsv --scenarios null --seeds 1 2 3
  python benchmarks/recovery.py --out recovery.tsv --table --docs docs
"""


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


def of_groups(truth, group):
    """`Truth` of groups of features: a group differs if one of its features does, in whichever direction."""
    differs, sought = np.zeros(group.max() + 1), np.zeros(group.max() + 1, dtype=bool)
    np.maximum.at(differs, group, np.abs(truth.differs))
    np.logical_or.at(sought, group, truth.sought)
    return Truth(differs, sought)


def judge(truth, chosen, direction=None):
    """Counts of one way of selecting: a selected feature is false if nothing differs there, or the other way round."""
    right = (truth.differs != 0) if direction is None else (truth.differs != 0) & (direction == truth.differs)
    return {
        "n_features": len(chosen),
        "n_true": int(truth.sought.sum()),
        "n_selected": int(chosen.sum()),
        "n_hit": int((chosen & right & truth.sought).sum()),
        "n_false": int((chosen & ~right).sum()),
    }


def study_lines(scenario, seed, args, settings):
    """All lines of one study; with --linear those of the linear nominator and the univariate tests only."""
    cohort, truth = small_study(scenario, seed, args.people, args.rois, args.loci, args.halvings, args.true_r2)
    activation = {**config.stage_defaults("activation"), "methods": ["margin_gradient", "guided_gradcam"]}
    threshold = {**config.stage_defaults("threshold"), "covariates": []}
    started = time.process_time()
    nominations, tallies, areas = {}, {}, dict.fromkeys(truth, float("nan"))
    if not args.linear:
        nominations, tallies, areas = trained_halves(cohort, settings, activation)
    nominators = [name for name in calibrated.NOMINATORS if name == "linear" or not args.linear]
    halves = calibrated.Halves(cohort, nominations)
    lines, level = [], args.q
    network = np.arange(args.rois) * NETWORKS // args.rois
    first, second = (network[index] for index in np.triu_indices(args.rois, 1))
    pairs = np.unique(first * NETWORKS + second, return_inverse=True)[1]
    group_of = {"connectivity": pairs, "snps": np.arange(args.loci) // LD_BLOCK}
    gated = {
        nominator: gate({view: calibrated.select(halves, view, 0, threshold, nominator) for view in truth})
        for nominator in nominators
    }
    for view, planted in truth.items():
        found = {}
        for nominator, confirmations in gated.items():
            one = confirmations[view]
            found[f"confirmed, {nominator}"] = judge(planted, one.q <= level, one.direction)
            _, q = groups(one, group_of[view])
            found[f"{GROUPS[view]}, {nominator}"] = judge(of_groups(planted, group_of[view]), q <= level)
        _, values = calibrated.feature_reader(cohort, view)
        t, p = t_test(values(np.arange(len(planted.differs))), cohort.labels[0])
        found["univariate"] = judge(planted, np.nan_to_num(bh(p), nan=1.0) <= level, np.sign(t))
        if tallies:
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
    if args.out[0].exists():
        with args.out[0].open() as handle:
            done = {(line["scenario"], int(line["seed"])) for line in csv.DictReader(handle, delimiter="\t")}
    for seed in args.seeds:
        for scenario in args.scenarios:
            if (scenario, seed) in done:
                continue
            lines = study_lines(scenario, seed, args, settings)
            new = not args.out[0].exists()
            with args.out[0].open("a", newline="") as handle:
                writer = csv.DictWriter(handle, COLUMNS, delimiter="\t", lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerows(lines)
            told = [f"{line['view']} {line['method']}: {line['n_hit']}+{line['n_false']}" for line in lines]
            print(scenario, seed, f"{lines[-1]['cpu_s']} s", "; ".join(told), flush=True)


def read_tables(paths):
    """The studies of all tables: DataFrame of `COLUMNS`, ``fdp``, ``precision``, ``recall``, ``any_false``.

    ``fdp``: share of what was selected that is false, 0 where nothing was; ``precision``: the same of studies where
    something was; ``any_false``: 0 or 1.
    """
    table = pd.concat([pd.read_csv(path, sep="\t", keep_default_na=False) for path in paths])  # "null" is a name
    table["fdp"] = table["n_false"] / table["n_selected"].clip(lower=1)
    table["precision"] = (1 - table["n_false"] / table["n_selected"]).where(table["n_selected"] > 0)
    table["recall"] = (table["n_hit"] / table["n_true"]).where(table["n_true"] > 0)
    table["any_false"] = (table["n_false"] > 0).astype(float)
    return table


def means(table):
    """Means over studies: one row a scenario, view and way of selecting."""
    groups = table.groupby(["scenario", "view", "method"], sort=False)
    shown = groups[["auc", "n_true", "n_selected", "n_hit", "fdp", "precision", "recall", "any_false"]].mean()
    shown.insert(0, "studies", groups.size())
    shown.insert(6, "fdp_se", groups["fdp"].sem())
    return shown.reset_index().sort_values(
        ["scenario", "view", "method"], key=lambda one: one.map(ORDER[one.name]), kind="stable", ignore_index=True
    )


def null_rates(table):
    """Share of null studies with any selection, each view alone and both, by way of selecting, with 95 % bounds."""
    null = table[table["scenario"] == "null"]
    wide = null.pivot_table(index=["method", "seed"], columns="view", values="any_false")
    # Groups have other names in either view: none of both together.
    wide["both views"] = wide.max(axis=1).where(wide.notna().all(axis=1))
    rows = []
    for method, own in wide.groupby(level="method", sort=False):
        for view in wide.columns:
            found = own[view].dropna()
            if len(found):
                interval = stats.binomtest(int(found.sum()), len(found)).proportion_ci(method="exact")
                rows.append((method, view, len(found), found.mean(), interval.low, interval.high))
    return pd.DataFrame(rows, columns=["method", "view", "studies", "any_selected", "low", "high"])


def summary(table, level):
    """Print the means over studies and the last line's figures."""
    print(means(table).round(3).to_string(index=False))
    rates = null_rates(table)
    print(rates.round(3).to_string(index=False))
    shown = RECOMMENDED if (table["method"] == RECOMMENDED).any() else "confirmed, linear"
    own, peer = (table[(table["method"] == name) & (table["n_true"] > 0)] for name in (shown, "univariate"))
    null = rates.loc[(rates["method"] == shown) & (rates["view"] == "both views"), "any_selected"]
    print(
        f"RESULT nominal_fdr={level:g} realised_fdr={own['fdp'].mean():.3f}"
        f" null_any={null.iloc[0] if len(null) else float('nan'):.3f}"
        f" recall_vs_univariate={own['n_hit'].sum() / max(1, peer['n_hit'].sum()):.2f}"
    )


def draw(table, level):
    """What is found, how often it is wrong, and what pure null studies give, by way of selecting."""
    from gcamccl.report.figures import style

    shown = means(table)
    shown = shown[shown["method"].isin(COLOURS)]
    planted = shown[(shown["scenario"] != "null") & (shown["n_true"] > 0)]
    places = planted[["scenario", "view"]].drop_duplicates().reset_index(drop=True)
    where = {place: number for number, place in enumerate(places.itertuples(index=False, name=None))}
    with style.styled():
        drawing, axes = style.figure(9.6, 4.4, columns=3, width_ratios=(1, 1, 0.8))
        for number, (method, colour) in enumerate(COLOURS.items()):
            own = planted[planted["method"] == method]
            y = np.array([where[place] for place in zip(own["scenario"], own["view"], strict=True)])
            y = y + 0.17 * (number - (len(COLOURS) - 1) / 2)
            axes[0].plot(own["recall"], y, MARKS[number], color=colour, label=method)
            axes[1].errorbar(
                own["fdp"],
                y,
                xerr=stats.t.ppf(0.975, own["studies"] - 1) * own["fdp_se"],
                fmt=MARKS[number],
                color=colour,
                lw=1,
            )
        names = [f"{scenario}: {WORDS[view]}" for scenario, view in where]
        axes[0].set_yticks(range(len(names)), names)
        axes[1].set_yticks(range(len(names)), [""] * len(names))
        for axis in axes[:2]:
            axis.set_xlim(-0.03, 1.03)
            axis.invert_yaxis()
        axes[0].set(xlabel="share of the planted features found", title="Found")
        axes[1].set(xlabel="share of the selected that is false", title="False")
        axes[1].axvline(level, color="#555555", lw=0.8, ls=":")
        rates = null_rates(table)
        rates = rates[rates["method"].isin(COLOURS)]
        views = ["connectivity", "snps", "both views"]
        for number, (method, colour) in enumerate(COLOURS.items()):
            own = rates[rates["method"] == method].set_index("view").reindex(views)
            y = np.arange(3) + 0.17 * (number - (len(COLOURS) - 1) / 2)
            bounds = [own["any_selected"] - own["low"], own["high"] - own["any_selected"]]
            axes[2].errorbar(own["any_selected"], y, xerr=bounds, fmt=MARKS[number], color=colour, lw=1)
        axes[2].set_yticks(range(3), ["connections", "SNPs", "either"])
        axes[2].set(xlim=(-0.03, 1.03), xlabel="studies with any selection", title="Nothing planted")
        axes[2].invert_yaxis()
        axes[2].axvline(level, color="#555555", lw=0.8, ls=":")
        drawing.legend(loc="outside lower center", ncols=len(COLOURS))
    return drawing


def write_docs(table, level, folder):
    """The table of means and the figure, as the documentation shows them."""
    from gcamccl.report.figures import style

    means(table).drop(columns="fdp_se").round(3).to_csv(folder / "recovery.tsv", sep="\t", index=False, na_rep="n/a")
    with style.styled():
        style.save(draw(table, level), folder / "recovery.png", folder / "recovery.svg")


def main():
    """Make studies, or print the table."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--out", type=Path, required=True, nargs="+", help="table of studies; lines are added to the first")
    p.add_argument("--scenarios", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    p.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)), help="studies (default: 1 to 10)")
    p.add_argument("--people", type=int, default=240)
    p.add_argument("--rois", type=int, default=40)
    p.add_argument("--loci", type=int, default=120)
    p.add_argument("--halvings", type=int, default=5)
    p.add_argument("--true-r2", type=float, default=0.1, help="with a causal SNP, from which a SNP counts as true")
    p.add_argument("--linear", action="store_true", help="train no networks: linear nominator and univariate tests")
    p.add_argument("--q", type=float, default=0.1, help="level of the false discovery rate (default: 0.1)")
    p.add_argument("--table", action="store_true", help="print what the tables hold, make nothing")
    p.add_argument("--docs", type=Path, metavar="DIR", help="write recovery.tsv, recovery.png, recovery.svg there")
    args = p.parse_args()
    if not args.table:
        run(args)
    table = read_tables(args.out)
    if args.docs:
        write_docs(table, args.q, args.docs)
    summary(table, args.q)


if __name__ == "__main__":
    main()
