"""What the tests of compare share: settings, and folders as the train stage leaves them."""

import numpy as np
import pandas as pd

from gcamccl.cohort import PARTS
from gcamccl.cohort_files import replicate_parts
from gcamccl.workflow.config import stage_defaults

SETTINGS = {**stage_defaults("compare"), "views_alone": False}
RAW_METHODS = ("mlp_svm", "svm", "dt", "rf", "logist")


def train_folders(cohort, folder, informative=True):
    """Folders as the train stage leaves them, with a made-up network; two shards.

    The connectivity branch knows more than the SNP branch; `informative` False: neither knows anything.
    """
    rng = np.random.default_rng(3)
    total = len(cohort.splits) * len(cohort.labels)
    folders = []
    for first, last in ((0, total // 2 - 1), (total // 2, total - 1)):
        folders.append(folder / f"replicates-{first}-{last}")
        folders[-1].mkdir(parents=True)
        tables, embeddings = [], {}
        for replicate in range(first, last + 1):
            split, permutation, parts, label = replicate_parts(cohort, replicate)
            branches = {
                view: np.clip(0.5 + effect * (label - 0.5) * informative + rng.normal(0, 0.1, len(label)), 0, 1)
                for view, effect in (("connectivity", 0.4), ("snps", 0.2))
            }
            numbers = {"replicate": replicate, "split": split, "permutation": permutation}
            people = {"participant_id": cohort.table["participant_id"], "part": np.array(PARTS)[parts], "label": label}
            views = {f"p_high_{view}": values for view, values in branches.items()}
            tables.append(pd.DataFrame({**numbers, **people, "p_high": sum(branches.values()) / 2, **views}))
            values = rng.normal(0, 1, (len(label), 128)) + 2 * label[:, None] * informative
            values[:, 64:] *= 10  # the SNP branch's half is told apart by its spread
            embeddings[f"{replicate:04d}"] = values.astype(np.float32)
        pd.concat(tables).to_parquet(folders[-1] / "predictions.parquet")
        np.savez(folders[-1] / "embeddings.npz", **embeddings)
    return folders


def write_trained(results, folder):
    """A folder as the train stage leaves it, of `gcamccl.train.replicates.train_replicates`' results."""
    folder.mkdir(parents=True)
    pd.concat([result.predictions for result in results]).to_parquet(folder / "predictions.parquet")
    embeddings = {f"{result.facts['replicate']:04d}": result.embeddings for result in results}
    np.savez(folder / "embeddings.npz", **embeddings)
    return folder
