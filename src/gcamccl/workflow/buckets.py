"""People into jobs: several a job, so that a change in one of them makes only their own job's people work again."""

import hashlib

from gcamccl.workflow.artifacts import digest


def buckets(names, size):
    """Split people into jobs of at most `size`.

    People part by the binary digits of their names' SHA-256: everybody in one bucket at first, one that is too large
    parts by the next digit. Somebody who joins or leaves so changes one bucket (or parts it, or joins two), which
    consecutive pieces of a list would not do.

    Parameters
    ----------
    names : iterable of str
        All different.
    size : int

    Returns
    -------
    list of list of str
        Each sorted; by their first names. On average a bucket is two thirds full.
    """
    bits = {name: hashlib.sha256(name.encode()).digest() for name in names}
    if size == 1:
        return [[name] for name in sorted(bits)]
    done, todo = [], [(sorted(bits), 0)]
    while todo:
        members, depth = todo.pop()
        if len(members) <= size:
            done += [members] if members else []
            continue
        sides = ([], [])
        for name in members:
            sides[bits[name][depth // 8] >> (7 - depth % 8) & 1].append(name)
        todo += [(side, depth + 1) for side in sides]
    return sorted(done)


def label(folders):
    """Name of a bucket's job: its first person, how many more, and a digest of all their folders and so of their scans.

    Parameters
    ----------
    folders : list of str
        ``<participant_id>/<scan key>`` of its people, sorted.
    """
    first, more = folders[0].split("/")[0], len(folders) - 1
    return f"{first}{f'-and-{more}-more' if more else ''}-{digest(folders)[:8]}"
