"""What the checks of the maps say, for the page: a table of verdicts and remarks."""

import numpy as np

# Check -> what the maps were compared with.
CHECKS = {
    "untrained": "untrained networks",
    "permuted_labels": "permuted labels",
    "other_class": "the other group",
    "deletion": "random order of deletion",
}
VIEW_LABELS = {"connectivity": "connections", "snps": "SNPs"}
GROUPS = {"low": "low", "high": "high", "said": "the one said"}
COLUMNS = {"likeness": "likeness of own maps, or fall", "other": "to the others, or at random"}


def for_page(checks, labels):
    """Rows and columns shown: names in words, the shared part with its interval in one column.

    Parameters
    ----------
    checks : DataFrame
        ``checks.tsv`` of activation.
    labels : dict of str to str
        Method -> name in words.
    """
    table = checks.assign(
        method=checks["method"].map(lambda name: labels.get(name, name)),
        view=checks["view"].map(VIEW_LABELS),
        check=checks["check"].map(CHECKS),
        group=checks["map_class"].map(GROUPS),
        shared=[_interval(*row) for row in checks[["shared", "low", "high"]].to_numpy(float)],
    )
    shown = ["method", "view", "check", "group", *COLUMNS, "shared", "verdict"]
    names = {**COLUMNS, "check": "compared with", "shared": "shared [95 % interval]"}
    return table[shown].rename(columns=names)


def _interval(share, low, high):
    if not np.isfinite(share):
        return "n/a"
    return f"{share:.2f}" + (f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else "")


def remarks(checks, labels, method):
    """A sentence for each kind of map that fails a check: first of the map that names the selected features.

    Parameters
    ----------
    checks : DataFrame
    labels : dict of str to str
    method : str
        ``threshold.method``.
    """
    lines = []
    for name in sorted(dict.fromkeys(checks["method"]), key=lambda one: one != method):
        failed = checks[(checks["method"] == name) & (checks["verdict"] == "fails")]
        parts = []
        for check, against in CHECKS.items():
            views = failed.loc[failed["check"] == check, "view"].map(VIEW_LABELS)
            if len(views):
                parts.append(f"{against} ({', '.join(dict.fromkeys(views))})")
        if parts:
            title = labels.get(name, name)
            title = title[0].upper() + title[1:]
            lines.append(f"{title} maps fail the check against {'; '.join(parts)}: the table has the numbers.")
    return lines
