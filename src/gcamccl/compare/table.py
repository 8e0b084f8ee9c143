"""Table III: the paper's values beside ours."""

import numpy as np
import pandas as pd

from gcamccl.compare.metrics import METRICS, metrics

# Paper, Table III: label, then accuracy, sensitivity, specificity, F1 of one split.
PAPER = {
    "gcamccl": ("gCAM-CCL", 0.7501, 0.7762, 0.7157, 0.7610),
    "ccl_svm": ("CCL+SVM", 0.7387, 0.7637, 0.7083, 0.7504),
    "ccl_rf": ("CCL+RF", 0.7419, 0.7666, 0.7014, 0.7523),
    "mlp_svm": ("MLP+SVM", 0.7231, 0.7555, 0.6915, 0.7215),
    "svm": ("SVM", 0.7082, 0.7562, 0.6785, 0.7093),
    "dt": ("DT", 0.6626, 0.6778, 0.6430, 0.6605),
    "rf": ("RF", 0.7119, 0.7559, 0.6714, 0.7138),
    "logist": ("Logist", 0.6745, 0.7386, 0.6285, 0.6900),
}


def metrics_table(predictions):
    """Figures of merit of every method, split and label row.

    Parameters
    ----------
    predictions : DataFrame
        As `gcamccl.compare.run.predictions` returns, of any number of methods.

    Returns
    -------
    DataFrame
        method, split, permutation and `METRICS`; methods in the order of Table III.
    """
    rows = []
    for (method, split, permutation), people in predictions.groupby(["method", "split", "permutation"], sort=True):
        figures = metrics(people["label"], people["predicted"], people["p_high"])
        rows.append({"method": method, "split": split, "permutation": permutation, **figures})
    table = pd.DataFrame(rows)
    order = table["method"].map({method: number for number, method in enumerate(PAPER)})
    return table.iloc[np.lexsort((table["permutation"], table["split"], order))].reset_index(drop=True)


def table3(figures):
    """Means over splits, with the paper's values.

    Parameters
    ----------
    figures : DataFrame
        As `metrics_table` returns.

    Returns
    -------
    DataFrame
        method, label; ``<metric>_mean`` and ``<metric>_sd`` (n - 1 below; missing with one split) of the true labels;
        permuted_accuracy, the mean over all splits and permuted label rows; paper_accuracy, paper_sensitivity,
        paper_specificity, paper_f1.
    """
    rows = []
    for method, group in figures.groupby("method", sort=False):
        true, permuted = group[group["permutation"] == 0], group[group["permutation"] > 0]
        label, *printed = PAPER[method]
        row = {"method": method, "label": label}
        for metric in METRICS:
            row[f"{metric}_mean"] = true[metric].mean()
            row[f"{metric}_sd"] = true[metric].std(ddof=1)
        row["permuted_accuracy"] = permuted["accuracy"].mean()
        row.update(zip([f"paper_{metric}" for metric in METRICS[:4]], printed, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)
