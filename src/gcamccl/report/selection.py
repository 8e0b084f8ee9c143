"""What the paper's rule selects beside what it selects with permuted labels."""

ALIKE = 0.5  # permuted labels select at least this share of what the true labels select


def rows(results):
    """Rows of the threshold summary for the method that names the selected features; its ``class`` is called group."""
    table = results.tables["threshold/summary"]
    method = results.settings("threshold").get("method") or table["method"].iloc[0]
    return table[table["method"] == method].rename(columns={"class": "group"})


def alike(selected, permuted):
    """Whether permuted labels select about as many features as true ones."""
    return bool(selected > 0 and permuted == permuted and permuted >= ALIKE * selected)
