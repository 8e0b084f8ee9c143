"""What the checks of the maps say, for the page: a table of verdicts and remarks."""

import numpy as np

# Check -> what the maps were compared with.
CHECKS = {
    "untrained": "untrained networks",
    "permuted_labels": "permuted labels",
    "other_class": "the other group",
    "deletion": "random order of deletion",
}
WHAT_FAILING_MEANS = {
    "untrained": "they show the network's wiring and the average input, not what was learned",
    "permuted_labels": "they look much the same whatever the labels say",
    "other_class": "they name much the same features for both groups",
    "deletion": "the network's decision does not rest on what they put first more than on any feature",
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
    """Sentences about what failed: first of the map that names the selected features.

    Parameters
    ----------
    checks : DataFrame
    labels : dict of str to str
    method : str
        ``threshold.method``.
    """
    lines = []
    for name in sorted(set(checks["method"]), key=lambda one: one != method):
        of_method = checks[checks["method"] == name]
        for check in CHECKS:
            failed = of_method[(of_method["check"] == check) & (of_method["verdict"] == "fails")]
            if len(failed):
                where = "; ".join(
                    f"{VIEW_LABELS[view]}: {', '.join(_share(row) for row in rows.itertuples())}"
                    for view, rows in failed.groupby("view", sort=False)
                )
                title = labels.get(name, name)
                lines.append(
                    f"{title[0].upper()}{title[1:]} maps fail the check against {CHECKS[check]} ({where}):"
                    f" {WHAT_FAILING_MEANS[check]}."
                )
    return lines


def _share(row):
    group = "" if row.map_class == "said" else f"{GROUPS[row.map_class]} group "
    return f"{group}{row.shared:.2f} shared" if np.isfinite(row.shared) else f"{group}the score does not fall"
