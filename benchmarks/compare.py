"""CPU time of the classifiers of Table III: per replicate, and beside scikit-learn used plainly on all features.

The plain way is what most people write: for every label row a pipeline that scales all features, fitted for every
candidate. Ours scales and multiplies once a split. Both choose from the same candidates; predictions are compared.
Example: python benchmarks/compare.py --methods svm logist mlp_svm dt rf
"""

import argparse
import time

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from gcamccl.cohort import TEST, TRAIN, VALIDATION
from gcamccl.compare.calibration import platt
from gcamccl.compare.classifiers import (
    LOGISTIC_PENALTIES,
    RBF_GAMMAS,
    RBF_PENALTIES,
    SVM_PENALTIES,
    TREE_METHODS,
    design,
)
from gcamccl.compare.features import inner_products, raw_features
from gcamccl.compare.selection import fit_predict, merit

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
            rank = merit(labels[validation], pipeline.decision_function(x[validation]))
            if best is None or rank > best[0]:
                best = rank, pipeline
    if method == "logist":
        return best[1].predict_proba(x)[:, 1]
    decision = best[1].decision_function(x)
    slope, offset = platt(decision[validation], labels[validation])
    return 1 / (1 + np.exp(-slope * decision - offset))


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
    parser.add_argument("--label-rows", type=int, default=2, help="of one split, timed")
    parser.add_argument("--methods", nargs="+", default=["svm", "logist", "mlp_svm", "dt", "rf"])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    fc, dosage, labels, parts = study(args.people, args.rois, args.loci, args.seed)
    train, rng = np.flatnonzero(parts == TRAIN), np.random.default_rng(args.seed)
    rows = [labels, *(rng.permutation(labels) for _ in range(args.label_rows - 1))]
    views, extract_s = clock(lambda: raw_features(fc, dosage))
    products, scale_s = clock(lambda: [inner_products(view, train) for view in views.values()])
    print(
        f"{args.people} people, {fc.shape[1]} ROIs, {dosage.shape[1]} loci, one thread, CPU s; both views, each alone"
    )
    print(f"once a split: features {extract_s:.2f}, inner products {scale_s:.2f}")
    print("method    a replicate   1100 replicates, h   plain, both views   ours, both views   ratio   max_abs_diff")
    ratios, worst = [], 0.0
    for method in args.methods:
        source = list(views.values()) if method in TREE_METHODS else products
        (designs, alone), once = clock(
            lambda m=method, s=source: (design(m, s, train), [design(m, [one], train) for one in s])
        )
        ours, ours_s = clock(lambda m=method, d=designs: [fit_predict(m, d, row, parts, 0) for row in rows])
        _, alone_s = clock(lambda m=method, d=alone: [fit_predict(m, one, rows[0], parts, 0) for one in d])
        shared = (0 if method in TREE_METHODS else scale_s) + extract_s + once
        each = ours_s / len(rows) + alone_s
        # Eleven label rows share what is computed once a split.
        hours = (each + shared / 11) * PAPER_REPLICATES / 3600
        words = f"{method:9s} {each + shared / 11:11.2f} {hours:20.2f}"
        if method in PEERS:
            peer, peer_s = clock(lambda m=method: [plain(m, views, row, parts) for row in rows])
            mine = ours_s / len(rows) + shared / 11
            difference = max(np.abs(a.p_high - b).max() for a, b in zip(ours, peer, strict=True))
            ratios.append((method, peer_s / len(rows) / mine))
            worst = max(worst, difference)
            words += f" {peer_s / len(rows):19.2f} {mine:18.2f} {ratios[-1][1]:7.1f} {difference:14.1e}"
        print(words, flush=True)
    figures = " ".join(f"{method}_ratio={ratio:.1f}" for method, ratio in ratios)
    print(f"RESULT device=cpu {figures} max_abs_diff={worst:.1e}")


if __name__ == "__main__":
    main()
