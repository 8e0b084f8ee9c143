"""What networks trained on one half of the people name, and in which direction: one half of a calibrated selection.

Features are named by the gradient of the margin, mean over the people that the network was trained on: a map with a
sign, which says whether more of the feature speaks for high or for low, and the best of those tried (docs/decisions).
Nothing about the other half goes into it, so that the other half can confirm it with an honest test.
"""

import numpy as np

from gcamccl.activation.run import open_replicate
from gcamccl.cohort import TRAIN

METHOD = "margin_gradient"


def nominations(cohort, shards, settings, device="cpu", say=lambda text: None):
    """Mean map of the people each network was trained on.

    Parameters
    ----------
    cohort : gcamccl.cohort.Cohort
        As `gcamccl.cohort_files.for_confirmation` returns it.
    shards : list of gcamccl.activation.run.TrainShard
        Of networks trained on halves.
    settings : dict
        The config section ``activation``.
    device : {"cpu", "cuda"}
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict of str to ndarray of float32 (features,)
        ``<replicate:04d>/<view>``: positive where more of the feature speaks for high.

    Raises
    ------
    InputError
        A replicate of another cohort, weights that do not fit, maps that are not finite.
    """
    found = {}
    for shard, facts in ((one, facts) for one in shards for facts in one.replicates):
        attribution, parts, _ = open_replicate(cohort, shard, facts, settings, device)
        rows = np.flatnonzero(parts == TRAIN)
        for view in attribution.model.views:
            total = 0.0
            for chunk in attribution.batches(rows):
                total = total + attribution.maps(view, chunk, methods=[METHOD])[METHOD][:, 1].sum(
                    axis=0, dtype=np.float64
                )
            found[f"{facts['replicate']:04d}/{view}"] = (total / len(rows)).astype(np.float32)
        say(f"half {facts['replicate']}: {len(rows)} people")
    return found
