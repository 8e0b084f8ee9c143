"""What the comparison takes from the train stage's folders."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from gcamccl.workflow.errors import InputError

COLUMNS = ["replicate", "participant_id", "p_high"]


def read_predictions(folders, cohort):
    """p_high of everybody in every replicate.

    Parameters
    ----------
    folders : list of Path
        ``replicates-<first>-<last>`` folders of the train stage, together all replicates.
    cohort : Cohort

    Returns
    -------
    dict of int to ndarray of float (n,)
        In the order of the cohort.

    Raises
    ------
    InputError
        A file is missing or broken, a replicate is missing or there twice, or the people are not the cohort's.
    """
    result, names = {}, cohort.table["participant_id"].to_numpy()
    for folder in folders:
        path = Path(folder) / "predictions.parquet"
        try:
            table = pd.read_parquet(path, columns=COLUMNS)
        except FileNotFoundError:
            raise InputError(path, "no such file") from None
        except (OSError, ValueError) as error:
            raise InputError(path, f"not the predictions of a train job: {error}".replace("\n", " ")) from None
        for replicate, rows in table.groupby("replicate", sort=True):
            if len(rows) != len(names) or not (rows["participant_id"].to_numpy() == names).all():
                raise InputError(path, f"replicate {replicate} has other people than the cohort", "train again")
            _add(result, int(replicate), rows["p_high"].to_numpy(float), path)
    _complete(result, cohort)
    return result


def read_embeddings(folders, cohort):
    """The network's embeddings of everybody in every replicate.

    Parameters
    ----------
    folders : list of Path
    cohort : Cohort

    Returns
    -------
    dict of int to ndarray of float32 (n, 64 x views)

    Raises
    ------
    InputError
        As `read_predictions`.
    """
    result = {}
    for folder in folders:
        path = Path(folder) / "embeddings.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {int(name): file[name] for name in file.files}
        except FileNotFoundError:
            raise InputError(path, "no such file") from None
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise InputError(path, f"not the embeddings of a train job: {error}") from None
        for replicate, values in arrays.items():
            if values.ndim != 2 or len(values) != len(cohort.table):
                raise InputError(path, f"replicate {replicate} has other people than the cohort", "train again")
            _add(result, replicate, values, path)
    _complete(result, cohort)
    return result


def _add(result, replicate, values, path):
    """Enter a replicate; twice the same one or a NaN is an error."""
    if replicate in result:
        raise InputError(path, f"replicate {replicate} is in another folder as well", "give each shard once")
    if not np.isfinite(values).all():
        raise InputError(path, f"replicate {replicate} has values that are not finite", "train again")
    result[replicate] = values


def _complete(result, cohort):
    """All replicates of the cohort must be there, and no other."""
    wanted = range(len(cohort.splits) * len(cohort.labels))
    missing = [number for number in wanted if number not in result]
    if missing:
        raise InputError(
            "--train", f"no replicate {', '.join(map(str, missing[:10]))}", "give the folder of every train job"
        )
    extra = [number for number in result if number not in wanted]
    if extra:
        raise InputError("--train", f"replicate {extra[0]} is not of this cohort", "use the artifacts of one run")
