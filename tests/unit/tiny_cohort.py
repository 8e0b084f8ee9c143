"""A made-up cohort that is small and easy: a block of connections and a few loci differ between the groups."""

import numpy as np
import pandas as pd

from gcamccl.cohort import COHORT_COLUMNS, Cohort, permuted_rows, stratified_split

ROIS, LOCI = 40, 60


def tiny_cohort(people=60, splits=2, permutations=1, effect=0.5, seed=0):
    """A `Cohort` whose groups are told apart by every classifier.

    Parameters
    ----------
    effect : float
        What the block's connections are higher by in the high group; of loci, twice that in mean dosage.
    """
    rng = np.random.default_rng(seed)
    labels = np.tile([0, 1], people // 2).astype(np.int8)
    fc = rng.normal(0, 0.2, (people, ROIS, ROIS))
    fc = (fc + fc.transpose(0, 2, 1)) / 2
    fc[np.ix_(labels == 1, range(20), range(20))] += effect
    fc[:, np.arange(ROIS), np.arange(ROIS)] = 0
    dosage = rng.binomial(2, 0.3, (people, LOCI)).astype(float)
    dosage[:, 10:30] = np.where(labels[:, None] == 1, np.clip(dosage[:, 10:30] + 2 * effect, 0, 2), dosage[:, 10:30])
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{number:03d}" for number in range(people)],
            "genotype_id": [f"G{number:03d}" for number in range(people)],
            "score": 100.0 + 20 * labels,
            "group": np.array(["low", "high"])[labels],
        }
    ).reindex(columns=COHORT_COLUMNS)
    nobody = [None] * people
    rows = np.stack(
        [np.arange(people, dtype=np.int32), *(permuted_rows(nobody, nobody, rng) for _ in range(permutations))]
    )
    return Cohort(
        table,
        fc.astype(np.float32),
        dosage.astype(np.float32),
        labels[rows],
        np.stack([stratified_split(labels, (0.7, 0.15, 0.15), rng) for _ in range(splits)]),
        rows,
        None,
    )
