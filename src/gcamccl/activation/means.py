"""Mean maps of each split, read from the shards that `activation` left: what the verdicts compare."""

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from gcamccl.activation.checks import COLUMNS
from gcamccl.activation.store import read_maps
from gcamccl.shards import shard_folders
from gcamccl.workflow.errors import InputError

TRUE, FIRST_PERMUTED = 0, 1  # permutations that are compared; one permutation is shared by all splits


def shard_files(folder):
    """Files of a shard of activation that are read."""
    names = ("maps.safetensors", "untrained.safetensors", "people.parquet", "checks.parquet")
    return [folder / name for name in names]


def read_shards(folders):
    """Shards: the folders that hold maps; one without its other files is an InputError."""
    shards = shard_folders(folders, "maps.safetensors")
    for path in (path for shard in shards for path in shard_files(shard)):
        if not path.exists():
            raise InputError(path, "no such file", "run the activation stage again")
    return shards


def read_means(shards, say=lambda text: None):
    """Mean maps of the test people, split by split.

    Parameters
    ----------
    shards : list of Path
    say : callable
        Takes a line of progress.

    Returns
    -------
    means : dict of (str, str) to dict of str to ndarray of float32 (splits, 2, features)
        (method, view) -> ``true``, ``permuted`` (of the first label permutation), ``untrained``; splits in one order.
        Each person's map is relative to its maximum. Kinds that not every split has are left out.
    checks : DataFrame
        `gcamccl.activation.checks.COLUMNS`, of all replicates.

    Raises
    ------
    InputError
        A file that is not what it should be.
    """
    found, checks = {}, []
    for shard in shards:
        maps_file, untrained_file, people_file, checks_file = shard_files(shard)
        people = pd.read_parquet(people_file).sort_values(["replicate", "row"])
        checks.append(pd.read_parquet(checks_file))
        try:
            with safe_open(str(maps_file), "np") as maps, safe_open(str(untrained_file), "np") as untrained:
                without_training = set(untrained.keys())
                for replicate, rows in people.groupby("replicate"):
                    split, permutation = int(rows["split"].iloc[0]), int(rows["permutation"].iloc[0])
                    if permutation not in (TRUE, FIRST_PERMUTED):
                        continue
                    test = (rows["part"] == "test").to_numpy()
                    for name in (name for name in maps.keys() if name.startswith(f"{replicate:04d}/")):  # noqa: SIM118
                        _, method, view = name.split("/")
                        kinds = found.setdefault((method, view), {"true": {}, "permuted": {}, "untrained": {}})
                        values = read_maps(maps_file, maps, name)[test].mean(axis=0)
                        kinds["permuted" if permutation else "true"][split] = values
                        if name in without_training:
                            kinds["untrained"][split] = untrained.get_tensor(name).astype(np.float32)
        except (SafetensorError, OSError) as error:
            raise InputError(shard, f"not a safetensors file: {error}", "run the activation stage again") from None
        say(f"{shard.name}: {people['replicate'].nunique()} replicates")
    return {place: _stack(kinds) for place, kinds in found.items()}, pd.concat(checks, ignore_index=True)


def unchecked():
    """What `read_means` returns where nothing is to be checked."""
    return {}, pd.DataFrame(columns=COLUMNS)


def _stack(kinds):
    """Kind -> (splits, 2, features), for kinds that every split has."""
    splits = sorted(kinds["true"])
    whole = [kind for kind, one in kinds.items() if splits and set(splits) <= set(one)]
    return {kind: np.stack([kinds[kind][split] for split in splits]) for kind in whole}
