"""A made-up study, as the cohort takes it."""

import numpy as np
import pandas as pd

from gcamccl.workflow.config import stage_defaults

SETTINGS = {**stage_defaults("cohort"), "splits": 3, "permutations": 4}
ROIS, LOCI = 6, 9


def study(people=100, seed=0):
    """Participants, connectivity and loci of a made-up study; scores have ties."""
    rng = np.random.default_rng(seed)
    participants = [
        {
            "participant_id": f"sub-{number:03d}",
            "genotype_id": f"G{number:03d}",
            "score": float(rng.integers(60, 140)),
            "age": float(rng.integers(8, 21)),
            "sex": "FM"[number % 2],
            "site": None,
            "family_id": None,
        }
        for number in range(people)
    ]
    names = [row["participant_id"] for row in participants]
    genotypes = [row["genotype_id"] for row in participants]
    fc = rng.uniform(-1, 1, (people, ROIS, ROIS)).astype(np.float32)
    fc = (fc + fc.transpose(0, 2, 1)) / 2
    fc[:, np.arange(ROIS), np.arange(ROIS)] = 0
    quality = pd.DataFrame({"mean_fd_mm": rng.uniform(0, 1, people)}, index=names)
    dosage = rng.integers(0, 3, (people, LOCI)).astype(np.float32)
    shuffled = rng.permutation(people)  # the samples' order is not that of the people
    components = pd.DataFrame({"pc1": rng.normal(size=people)}, index=genotypes)
    loci = ([genotypes[row] for row in shuffled], dosage[shuffled], components)
    return participants, (names, fc, quality), loci
