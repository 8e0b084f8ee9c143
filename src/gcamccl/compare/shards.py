"""What the comparison takes from the train stage's folders."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from gcamccl.cohort import PARTS
from gcamccl.cohort_files import replicate_parts
from gcamccl.workflow.errors import InputError

COLUMNS = ["replicate", "participant_id", "part", "label"]


def read_predictions(folders, cohort, columns):
    """Probabilities of everybody in every replicate.

    Parameters
    ----------
    folders : list of Path
        ``replicates-<first>-<last>`` folders of the train stage, together all replicates.
    cohort : Cohort
    columns : list of str
        Of ``predictions.parquet``, e.g. ``p_high``, ``p_high_snps``; none: what the replicates were trained on is
        checked all the same.

    Returns
    -------
    dict of int to dict of str to ndarray of float (n,)
        Replicate -> column -> values in the order of the cohort.

    Raises
    ------
    InputError
        A file is missing or broken, a replicate is missing or there twice, or its people, parts or labels are not the
        cohort's: whoever was trained on must not be taken for a test person.
    """
    result, names = {}, cohort.table["participant_id"].to_numpy()
    for folder in folders:
        path = Path(folder) / "predictions.parquet"
        try:
            table = pd.read_parquet(path, columns=[*COLUMNS, *columns], read_dictionary=["participant_id", "part"])
        except FileNotFoundError:
            raise InputError(path, "no such file") from None
        except (OSError, ValueError) as error:
            raise InputError(path, f"not the predictions of a train job: {error}".replace("\n", " ")) from None
        for replicate, rows in table.groupby("replicate", sort=True):
            if len(rows) != len(names) or not (rows["participant_id"].to_numpy() == names).all():
                raise InputError(path, f"replicate {replicate} has other people than the cohort", "train again")
            _check_parts(rows, cohort, int(replicate), path)
            values = {column: rows[column].to_numpy(float) for column in columns}
            for column in columns:
                _check_finite(values[column], int(replicate), path)
            _add(result, int(replicate), values, path)
    _complete(result, cohort)
    return result


def find_embeddings(folders, cohort):
    """Where the network's embeddings of every replicate are.

    Parameters
    ----------
    folders : list of Path
    cohort : Cohort

    Returns
    -------
    dict of int to tuple
        Replicate -> file and name in it, for `read_embedding`.

    Raises
    ------
    InputError
        A file is missing or broken, or a replicate is missing or there twice.
    """
    result = {}
    for folder in folders:
        path = Path(folder) / "embeddings.npz"
        for name in _open(path, lambda file: file.files):
            if not name.isdigit():
                raise InputError(path, f"not the embeddings of a train job: it holds {name}")
            _add(result, int(name), (path, name), path)
    _complete(result, cohort)
    return result


def read_embedding(path, name, people, branches):
    """The network's embeddings of everybody in one replicate, a branch each.

    Parameters
    ----------
    path : Path
    name : str
        As `find_embeddings` returns them.
    people, branches : int
        How many there must be.

    Returns
    -------
    list of ndarray of float32 (n, 64)

    Raises
    ------
    InputError
        The file is broken, the people are not the cohort's, or a value is not finite.
    """
    values = _open(path, lambda file: file[name])
    if values.ndim != 2 or len(values) != people:
        raise InputError(path, f"replicate {int(name)} has other people than the cohort", "train again")
    if values.shape[1] % branches or not values.shape[1]:
        raise InputError(path, f"replicate {int(name)} was trained on other views", "use the artifacts of one run")
    _check_finite(values, int(name), path)
    return np.split(values, branches, axis=1)


def _open(path, what):
    """Something of an ``.npz`` file; a missing or broken one is an InputError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return what(file)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise InputError(path, f"not the embeddings of a train job: {error}") from None


def _check_parts(rows, cohort, replicate, path):
    """A replicate must have been trained on the cohort's part of it, with its labels."""
    if replicate < len(cohort.splits) * len(cohort.labels):  # else `_complete` says so
        _, _, parts, labels = replicate_parts(cohort, replicate)
        for what, here, there in (
            ("parts", np.array(PARTS)[parts], rows["part"]),
            ("labels", labels, rows["label"]),
        ):
            if not (there.to_numpy() == here).all():
                raise InputError(
                    path, f"replicate {replicate} was trained on other {what} than the cohort's", "train again"
                )


def _check_finite(values, replicate, path):
    """A NaN or an infinite value is an error."""
    if not np.isfinite(values).all():
        raise InputError(path, f"replicate {replicate} has values that are not finite", "train again")


def _add(result, replicate, values, path):
    """Enter a replicate; twice the same one is an error."""
    if replicate in result:
        raise InputError(path, f"replicate {replicate} is in another folder as well", "give each shard once")
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
