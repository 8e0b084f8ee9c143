"""Made-up test predictions in the columns of the stage compare, and the compare folder they give."""

import numpy as np
import pandas as pd

from gcamccl.compare import table
from gcamccl.workflow.files import write_tsv

METHODS = tuple(table.PAPER)
CONFOUNDS = tuple(table.CONFOUND_LABELS)


def predictions(test_people, skill, permutations, rng, views=("connectivity", "snps"), alone=True):
    """Predictions of several methods on the same test people.

    Parameters
    ----------
    test_people : list of (list of str, list of int)
        Of each split: who, and their true label.
    skill : dict of str to float
        Method (or ``confounds``) -> distance of the two groups' mean score in SDs.
    permutations : int
    rng : numpy.random.Generator
    views : sequence of str
    alone : bool
        Whether each view alone is there, too.
    """
    made = []
    both = "+".join(views)
    for split, (names, truth) in enumerate(test_people):
        labels = np.array([truth, *(rng.permutation(truth) for _ in range(permutations))])  # (label rows, people)
        for method, distance in skill.items():
            features = CONFOUNDS if method == "confounds" else [both, *(views if alone and len(views) > 1 else ())]
            for which in features:
                own = distance * (1 if which in (both, "all") else 0.7)
                true = np.arange(len(labels))[:, None] == 0
                score = rng.normal(0, 1, labels.shape) + own * true * (labels - 0.5)
                p = 1 / (1 + np.exp(-np.where(true, max(own, 0.3), 0.3) * score))
                made.append(
                    pd.DataFrame(
                        {
                            "method": method,
                            "features": which,
                            "split": split,
                            "permutation": np.repeat(np.arange(len(labels)), len(names)),
                            "participant_id": np.tile(names, len(labels)),
                            "label": labels.ravel(),
                            "p_high": p.ravel(),
                            "predicted": (p.ravel() > 0.5).astype(np.int8),
                        }
                    )
                )
    return pd.concat(made, ignore_index=True)


def write_compare(folder, people, test_train_ratio, confidence=0.95):
    """Write the tables of the compare stage for these predictions."""
    figures, true = table.metrics_table(people), people[people["permutation"] == 0]
    write_tsv(folder / "metrics.tsv", figures)
    write_tsv(folder / "table3.tsv", table.table3(figures, true, test_train_ratio, confidence))
    write_tsv(folder / "differences.tsv", table.differences(figures, true, test_train_ratio, confidence))
    write_tsv(folder / "calibration.tsv", table.calibration_table(true, confidence))
