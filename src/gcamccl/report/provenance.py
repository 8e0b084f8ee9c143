"""Where the numbers come from: keys, versions, commit, seeds, devices, times; and settings that are not the paper's."""

from gcamccl.workflow.config import PAPER, read_yaml


def jobs(records):
    """One row a stage: key, jobs, commit, device, seed, times and memory, over its ``artifact.json`` files.

    Parameters
    ----------
    records : dict of str to list of dict

    Returns
    -------
    list of dict
        stage, key, jobs, commit, device, seed, cpu_seconds, peak_rss_mb, ended.
    """
    rows = []
    for stage, own in records.items():
        seeds = {record.get("seed", (record.get("settings") or {}).get("seed")) for record in own}
        rows.append(
            {
                "stage": stage,
                "key": _joined(record.get("key") for record in own),
                "jobs": len(own),
                "commit": _joined(_commit(record.get("git") or {}) for record in own),
                "device": _joined(record.get("device") for record in own),
                "seed": _joined(seed if not isinstance(seed, list) else f"{seed[0]} ..." for seed in seeds),
                "cpu_seconds": round(sum(record.get("cpu_seconds") or 0 for record in own), 1),
                "peak_rss_mb": max((record.get("peak_rss_mb") or 0 for record in own), default=0),
                "ended": max((str(record.get("ended") or "") for record in own), default=""),
            }
        )
    return rows


def _commit(git):
    if not git.get("commit"):
        return None
    return git["commit"][:10] + (" + changes" if git.get("dirty") else "")


def _joined(values):
    """Distinct values that are known, in order, as text."""
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None)) or "n/a"


def versions(records):
    """Versions of Python, packages and programs; several where jobs differ."""
    found = {}
    for own in records.values():
        for record in own:
            for name, version in {**(record.get("versions") or {}), **(record.get("tools") or {})}.items():
                found.setdefault(name, {})[str(version)] = None
    return {name: ", ".join(values) for name, values in sorted(found.items())}


def changed_settings(results, stages):
    """Settings that differ from ``config/config.yaml``, which holds the paper's.

    Returns
    -------
    list of (str, str, str)
        stage.key, value here, value there.
    """
    paper = read_yaml(PAPER)
    rows = []
    for stage in stages:
        own, printed = results.settings(stage), paper.get(stage) or {}
        rows += [
            (f"{stage}.{key}", show(own[key]), show(printed.get(key)))
            for key in own
            if key in printed and own[key] != printed[key]
        ]
    return rows


def show(value):
    """A setting's value as text."""
    if isinstance(value, list):
        return ", ".join(map(show, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
