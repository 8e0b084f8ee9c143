"""Reading the maps that `activation` left, shard by shard."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from gcamccl.activation.store import read_labels, read_maps, read_peaks
from gcamccl.shards import check_distinct, shard_folders
from gcamccl.threshold.rule import empty_tally, tally
from gcamccl.workflow.errors import InputError


@dataclass(frozen=True)
class Shard:
    """One job of `activation`.

    Attributes
    ----------
    file : Path
        ``maps.safetensors``.
    labels : dict of int to ndarray of int
        As `gcamccl.activation.store.read_labels` returns it; maps of label -1 are not looked at.
    methods : tuple of str
    views : tuple of str
    """

    file: Path
    labels: dict
    methods: tuple
    views: tuple


def read_shards(folders):
    """Find and check the shards.

    Parameters
    ----------
    folders : list of Path
        Shards, or folders that hold ``replicates-*`` shards.

    Returns
    -------
    list of Shard

    Raises
    ------
    InputError
        No shard in a folder, a broken file, shards with different methods, a replicate that occurs twice.
    """
    shards = [_read_shard(place) for place in shard_folders(folders, "maps.safetensors")]
    for shard in shards:
        if shard.methods != shards[0].methods or shard.views != shards[0].views:
            raise InputError(
                shard.file,
                f"maps {', '.join(shard.methods)} of {', '.join(shard.views)} do not match {shards[0].file}",
                "give the shards of one activation artifact",
            )
    check_distinct((shard.file, replicate) for shard in shards for replicate in shard.labels)
    return shards


def _read_shard(place):
    """One `Shard`, its tables and tensors compared."""
    file, people_file = place / "maps.safetensors", place / "people.parquet"
    for path in (file, people_file):
        if not path.exists():
            raise InputError(path, "no such file", "run the activation stage again")
    labels = read_labels(people_file)
    try:
        with safe_open(str(file), framework="np") as maps:
            names = [name.split("/") for name in maps.keys()]  # noqa: SIM118 (not a dict)
            for name in names:
                rows = maps.get_slice("/".join(name)).get_shape()[0]
                if rows != len(labels.get(int(name[0]), ())):
                    raise InputError(file, f"{'/'.join(name)} has {rows} people, people.parquet another number")
    except (SafetensorError, OSError) as error:
        raise InputError(file, f"not a safetensors file: {error}", "run the activation stage again") from None
    return Shard(file, labels, tuple(sorted({name[1] for name in names})), tuple(sorted({name[2] for name in names})))


def tallies(shards, method, view, n_permutations, n_features, settings):
    """Tally each class's maps of held-out people over splits, for each label permutation.

    Parameters
    ----------
    shards : list of Shard
    method, view : str
    n_permutations : int
        Label rows of the cohort: replicate ``r`` belongs to label row ``r % n_permutations``; row 0 is the truth.
    n_features : int
        Expected length of the maps.
    settings : dict
        The config section ``threshold``: ``max_fraction``, ``rule_values``, ``rule_maximum``, ``rule_people``.

    Returns
    -------
    dict of (int, int) to Tally
        (label row, class) -> tally, for every label row with a replicate.
    """
    result = {}
    for shard in shards:
        peaks = read_peaks(shard.file.with_name("peaks.parquet")) if settings["rule_maximum"] == "class" else {}
        with safe_open(str(shard.file), framework="np") as file:
            for replicate, labels in shard.labels.items():
                name = f"{replicate:04d}/{method}/{view}"
                maps = read_maps(shard.file, file, name)
                if maps.shape[1:] != (2, n_features):
                    raise InputError(
                        shard.file,
                        f"{name} has shape {maps.shape}, expected ({len(labels)}, 2, {n_features})",
                        "give the cohort that the maps were made from",
                    )
                for label in (0, 1):
                    key = (replicate % n_permutations, label)
                    chosen = labels == label if settings["rule_people"] == "class" else labels >= 0
                    scale = peaks[replicate, method, view][chosen, label] if peaks else None
                    counts = tally(maps[chosen, label], settings["max_fraction"], settings["rule_values"], scale)
                    result[key] = result.get(key, empty_tally(n_features)) + counts
    return result
