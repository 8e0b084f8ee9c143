"""Shards: the folders ``replicates-<first>-<last>`` (and ``halvings-``) that the jobs of train and activation leave."""

from pathlib import Path

from gcamccl.workflow.errors import InputError


def shard_folders(folders, file, kind="replicates"):
    """Find shards.

    Parameters
    ----------
    folders : list of Path
        Shards, or folders that hold ``<kind>-*`` shards.
    file : str
        What makes a folder a shard.
    kind : {"replicates", "halvings"}

    Returns
    -------
    list of Path
        In the order given; those inside one folder by number.

    Raises
    ------
    InputError
        No shard in a folder.
    """
    places = []
    for folder in map(Path, folders):
        inside = [folder] if (folder / file).exists() else sorted(folder.glob(f"{kind}-*"), key=_first)
        if not inside:
            raise InputError(folder, f"no {file} here or in {kind}-*", f"give folders with {file}")
        places += inside
    return places


def cover(folder):
    """Shards of one artifact that hold every replicate once.

    After a change of ``run.replicates_per_job`` an artifact has shards that overlap; their contents are the same.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path
        In the order of their replicates.

    Raises
    ------
    InputError
        There is none, or they leave a gap.
    """
    spans = {}
    for place in Path(folder).glob("replicates-*-*"):
        first, last = place.name.split("-")[1:3]
        if place.is_dir() and first.isdigit() and last.isdigit():
            spans[int(first), int(last)] = place
    if not spans:
        raise InputError(folder, "no replicates-<first>-<last> folder in it")
    end = 1 + max(last for _, last in spans)
    # From the last replicate down: the shards that lead from each replicate to the end.
    ways = {end: []}
    for first, last in sorted(spans, reverse=True):
        if last + 1 in ways and first not in ways:
            ways[first] = [spans[first, last], *ways[last + 1]]
    if 0 not in ways:
        raise InputError(folder, "the replicates-<first>-<last> folders leave a gap", "run the workflow again")
    return ways[0]


def _first(folder):
    """Number of a shard's first replicate; a folder of another form comes last."""
    word = folder.name.split("-")[1]
    return (int(word), folder.name) if word.isdigit() else (float("inf"), folder.name)


def check_distinct(replicates):
    """Refuse a replicate that is in two shards.

    Parameters
    ----------
    replicates : iterable of tuple
        ``(file, replicate)``, or what else may be in one file only.

    Raises
    ------
    InputError
        Names both files.
    """
    seen = {}
    for file, replicate in replicates:
        if replicate in seen:
            raise InputError(file, f"replicate {replicate} is also in {seen[replicate]}", "give each shard once")
        seen[replicate] = file
