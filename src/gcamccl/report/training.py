"""What is said about training: how many replicates, on what, for how long, which epochs were kept."""

from datetime import datetime

# Validation score -> column of the history, what to call it.
SCORES = {
    "loss": ("validation_loss", "validation loss"),
    "cross_entropy": ("validation_cross_entropy", "validation cross-entropy"),
    "auc": ("validation_auc", "validation AUC"),
}


def sentences(results):
    """What the section train says above its figure."""
    table, records = results.replicates, results.records.get("train", [])
    splits, rows = table["split"].nunique(), table["permutation"].nunique()
    text = f"{len(table):,} replicate{'s' * (len(table) > 1)}: {splits:,} split{'s' * (splits > 1)}"
    permuted = f"{rows - 1:,} permutation{'s' * (rows > 2)} of the labels" if rows > 1 else "no permuted labels"
    text += f", each with the true labels and {permuted}." if rows > 1 else f" with the true labels, {permuted}."
    yield text
    true = table[table["permutation"] == 0]
    if len(true):
        kept, run = true["best_epoch"] + 1, true["epochs"]
        yield (
            f"True labels: epoch {kept.median():.0f} kept (median; {kept.min()} to {kept.max()}), stopped after "
            f"{run.median():.0f} ({run.min()} to {run.max()})."
        )
    devices = list(dict.fromkeys(str(record["device"]) for record in records if record.get("device")))
    if devices:
        yield (
            f"Computed on {', '.join(devices)} by {len(records):,} job{'s' * (len(records) > 1)}: "
            f"{_span(sum(map(_wall, records)))} of wall time and "
            f"{_span(sum(record.get('cpu_seconds') or 0 for record in records))} of CPU time, all jobs together."
        )


def _wall(record):
    """Seconds from start to end of a job; 0 where unknown."""
    if not record.get("started") or not record.get("ended"):
        return 0.0
    return (datetime.fromisoformat(record["ended"]) - datetime.fromisoformat(record["started"])).total_seconds()


def _span(seconds):
    """A duration in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
