"""CPU time of the classifiers of Table III: per replicate, and beside scikit-learn used plainly on all features.

The plain way is what most people write: a pipeline that scales all features, fitted for every candidate. Ours scales
and multiplies once a replicate. Both choose from the same candidates; predictions are compared. A replicate is one
split and label row, both views together and each alone, as `gcamccl.compare.run` has them. Replicates share nothing:
permuted labels come with a training part of their own.
Example: python benchmarks/compare.py --methods svm logist mlp_svm dt rf ccl_svm ccl_rf confounds
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from gcamccl.cohort import COMPONENTS, CONFOUNDS, TEST, TRAIN, VALIDATION
from gcamccl.compare.calibration import platt
from gcamccl.compare.classifiers import (
    LOGISTIC_PENALTIES,
    ON_EMBEDDING,
    RBF_GAMMAS,
    RBF_PENALTIES,
    SVM_PENALTIES,
    TREE_METHODS,
    design,
)
from gcamccl.compare.features import inner_products, raw_features
from gcamccl.compare.selection import fit_predict, merit
from gcamccl.confounds import COLUMNS, available, confound_features

PEERS = ("svm", "logist")
PAPER_REPLICATES = 1100  # 100 splits x (the labels and 10 permutations)


def study(people, rois, loci, seed):
    """Features of a study with weak effects: connectivity of 40 common factors and noise, independent loci."""
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], people // 2)
    fc = np.einsum("nk,kij->nij", rng.normal(0, 0.1, (people, 40)), rng.normal(0, 0.25, (40, rois, rois)))
    fc += rng.normal(0, 0.15, fc.shape)
    planted = rng.uniform(size=(rois, rois)) < 0.02
    fc[labels == 1] += 0.08 * planted
    dosage = rng.binomial(2, 0.3 + 0.15 * (np.arange(loci) < 12) * labels[:, None])
    parts = np.array([TRAIN, VALIDATION, TEST])[
        rng.permutation(np.searchsorted([0.7, 0.85], np.arange(people) / people))
    ]
    return fc.astype(np.float32), dosage.astype(np.float32), labels, parts


def candidates(method):
    """Models as `gcamccl.compare.classifiers` has them, for all features."""
    if method == "logist":
        return [LogisticRegression(C=c, class_weight="balanced", max_iter=5000, tol=1e-6) for c in LOGISTIC_PENALTIES]
    linear = [SVC(C=c, kernel="linear", class_weight="balanced") for c in SVM_PENALTIES]
    return linear + [SVC(C=c, gamma=g, class_weight="balanced") for g in RBF_GAMMAS for c in RBF_PENALTIES]


def weigh(features, weight):
    """Scaled features times their weights."""
    return features * weight


def plain(method, views, labels, parts):
    """One label row the plain way; p_high of everybody."""
    x = np.concatenate(list(views.values()), axis=1).astype(np.float64)
    sizes = [view.shape[1] for view in views.values()]
    train, validation = parts == TRAIN, parts == VALIDATION
    best = None
    for balanced in (True, False):
        weight = np.repeat([1 / size if balanced else 1.0 for size in sizes], sizes)
        weight = np.sqrt(weight / (weight * (x[train].std(axis=0) > 0)).sum())
        for model in candidates(method):
            pipeline = make_pipeline(StandardScaler(), FunctionTransformer(weigh, kw_args={"weight": weight}), model)
            pipeline.fit(x[train], labels[train])
            p_high = pipeline.predict_proba(x[validation])[:, 1] if method == "logist" else None
            rank = merit(labels[validation], pipeline.decision_function(x[validation]), p_high)
            if best is None or rank > best[0]:
                best = rank, pipeline
    if method == "logist":
        return best[1].predict_proba(x)[:, 1]
    decision = best[1].decision_function(x)
    slope, offset = platt(decision[validation], labels[validation])
    return 1 / (1 + np.exp(-slope * decision - offset))


def confound_table(people, rng):
    """What a cohort's table has of confounds."""
    table = pd.DataFrame({"age": rng.normal(14, 3, people), "sex": rng.choice(["F", "M"], people)})
    table["site"] = rng.choice(["one", "two", "three"], people)
    return table.assign(**{name: rng.normal(size=people) for name in (*CONFOUNDS, *COMPONENTS)})


def both_views(method, fc, dosage, labels, parts):
    """`Scores` on both views together, as the peer is timed."""
    views = list(raw_features(fc, dosage).values())
    return fit_predict(method, design(method, views, np.flatnonzero(parts == TRAIN)), labels, parts, 0)


def replicate(method, fc, dosage, table, labels, parts):
    """`Scores` of everything one replicate is asked for; the first is of both views."""
    train = np.flatnonzero(parts == TRAIN)
    if method == "confounds":
        sets = available(table, list(COLUMNS)).values()
        designs = [design(method, [confound_features(table, columns, train)], train) for columns in sets]
    else:
        views = list((fc, dosage) if method in ON_EMBEDDING else raw_features(fc, dosage).values())
        if method not in (*TREE_METHODS, *ON_EMBEDDING):
            views = [inner_products(view, train) for view in views]
        designs = [design(method, some, train) for some in (views, views[:1], views[1:])]
    return [fit_predict(method, one, labels, parts, 0) for one in designs]


def clock(work):
    """Result and CPU seconds."""
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=342)
    parser.add_argument("--rois", type=int, default=264)
    parser.add_argument("--loci", type=int, default=750)
    parser.add_argument("--label-rows", type=int, default=2, help="timed; the first are the true labels")
    parser.add_argument("--methods", nargs="+", default=["svm", "logist", "mlp_svm", "dt", "rf"])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    fc, dosage, labels, parts = study(args.people, args.rois, args.loci, args.seed)
    rng = np.random.default_rng(args.seed)
    orders = [np.arange(args.people), *(rng.permutation(args.people) for _ in range(args.label_rows - 1))]
    table = confound_table(args.people, rng)
    # Stand-ins for the network's embeddings: noise that is not negative, as after ReLU, and a little of the labels.
    branches = [np.maximum(rng.normal(0.3 * labels[:, None], 1, (args.people, 64)), 0) for _ in range(2)]
    print(f"{args.people} people, {fc.shape[1]} ROIs, {dosage.shape[1]} loci, one thread, CPU s")
    print("method    a replicate   1100 replicates, h   plain, both views   ours, both views   ratio   max_abs_diff")
    ratios, worst = [], 0.0
    for method in args.methods:
        inputs = branches if method in ON_EMBEDDING else (fc, dosage)
        ours, seconds = clock(
            lambda m=method, i=inputs: [replicate(m, *i, table, labels[order], parts[order])[0] for order in orders]
        )
        each = seconds / len(orders)
        words = f"{method:9s} {each:11.2f} {each * PAPER_REPLICATES / 3600:20.2f}"
        if method in PEERS:
            views = raw_features(fc, dosage)
            both_s = clock(lambda m=method: [both_views(m, fc, dosage, labels[o], parts[o]) for o in orders])[1]
            peer, peer_s = clock(lambda m=method, v=views: [plain(m, v, labels[o], parts[o]) for o in orders])
            mine, theirs = both_s / len(orders), peer_s / len(orders)
            difference = max(np.abs(a.p_high - b).max() for a, b in zip(ours, peer, strict=True))
            ratios.append((method, theirs / mine))
            worst = max(worst, difference)
            words += f" {theirs:19.2f} {mine:18.2f} {ratios[-1][1]:7.1f} {difference:14.1e}"
        print(words, flush=True)
    figures = " ".join(f"{method}_ratio={ratio:.1f}" for method, ratio in ratios)
    print(f"RESULT device=cpu {figures} max_abs_diff={worst:.1e}")


if __name__ == "__main__":
    main()
