"""Cost of `genotype_qc` on a whole study, beside bare PLINK calls that compute the same.

The study: --people people of two populations on three arrays that share --snps SNPs (the paper's 313,000), in linkage
disequilibrium, with an X chromosome, relatives, a contaminated sample and wrong sexes. Ours is the whole program:
imports, checks of the files, harmonisation, merge, quality control, reports on people, writing. The peer is the list of
bare PLINK calls that give the same numbers from the merged fileset; everything with one thread. The part of ours that
the peer's calls stand for is told apart from reading, harmonising and merging, which no PLINK call does.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

ARRAYS = ("hh610", "hh550", "omni")
SHARES = (0.5, 0.25, 0.25)  # of the people on each array
BLOCK_SNPS = 12  # SNPs inherited together
FOUNDERS = 16  # haplotypes of a block
X_SHARE = 0.03  # of the SNPs
EXAMPLES = """examples:
  python benchmarks/genotype_qc.py                          some three minutes
  python benchmarks/genotype_qc.py --snps 60000             quicker
  python benchmarks/genotype_qc.py --keep study             keep the study in study/, use it again next time
"""


def make_study(folder, n_people, n_snps, seed):
    """Write three arrays and a participants table to `folder`."""
    import numpy as np
    import pandas as pd

    from gcamccl.genotype_qc import bed

    rng = np.random.default_rng(seed)
    population = (np.arange(n_people) % 3 == 0).astype(int)
    sex = rng.choice([1, 2], n_people)
    n_x = round(X_SHARE * n_snps)
    n_auto = n_snps - n_x
    calls = np.empty((n_snps, n_people), np.int8)
    for first in range(0, n_snps, BLOCK_SNPS):
        size = min(BLOCK_SNPS, n_snps - first)
        haplotypes = rng.random((size, FOUNDERS)) < rng.uniform(0.03, 0.97, (size, 1))
        shares = rng.dirichlet(np.full(FOUNDERS, 3.0))
        shares = np.array([shares, 0.8 * shares + 0.2 * rng.dirichlet(np.full(FOUNDERS, 3.0))])
        chosen = (rng.random((2, n_people, 1)) > shares.cumsum(axis=1)[population]).sum(axis=-1).clip(max=FOUNDERS - 1)
        # A parent and a child, and two siblings, every block inherited by itself
        chosen[0, 1] = chosen[rng.integers(2), 0]
        chosen[0, 4], chosen[1, 4] = chosen[rng.integers(2), 3 if rng.random() < 0.5 else 2], chosen[1, 4]
        if first >= n_auto:
            chosen[1] = np.where(sex == 1, chosen[0], chosen[1])
        calls[first : first + size] = haplotypes[:, chosen[0]].astype(np.int8) + haplotypes[:, chosen[1]]
    calls[rng.random(calls.shape, dtype=np.float32) < 0.004] = bed.MISSING
    mixed = (calls[:, 9] != calls[:, 10]) & (rng.random(n_snps) < 0.5)
    calls[mixed, 9] = 1
    chrom = np.where(np.arange(n_snps) < n_auto, 1 + np.arange(n_snps) * 22 // max(n_auto, 1), 23)
    bim = pd.DataFrame({"chrom": chrom, "id": [f"rs{n}" for n in range(n_snps)], "cm": 0})
    bim["pos"] = 3_000_000 + bim.groupby("chrom").cumcount() * 9_000
    bim["a1"], bim["a2"] = "A", "G"
    ids = np.array([f"G{n:04d}" for n in range(n_people)])
    recorded = sex.copy()
    recorded[20:23] = 3 - recorded[20:23]
    fam = pd.DataFrame({"fid": ids, "iid": ids, "father": "0", "mother": "0", "sex": recorded, "phenotype": "-9"})
    order = rng.permutation(n_people)
    bounds = np.round(np.cumsum([0, *SHARES]) * n_people).astype(int)
    for array, low, high in zip(ARRAYS, bounds[:-1], bounds[1:], strict=True):
        own = np.sort(order[low:high])
        bed.write_fileset(folder / array, calls[:, own], bim, fam.iloc[own])
    table = pd.DataFrame({"participant_id": ids, "genotype_id": ids, "sex": np.where(recorded == 1, "M", "F")})
    table["family_id"] = None
    table.loc[:1, "family_id"] = "f1"
    table.to_csv(folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
