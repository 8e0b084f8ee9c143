"""One job of the train stage: how many at once, checkpoint, lines of progress, memory that is exceeded."""

import contextlib

from gcamccl.device import device_facts
from gcamccl.model.network import VIEWS
from gcamccl.train.checkpoint import Checkpoint, environment, identity
from gcamccl.train.data import replicate_of
from gcamccl.train.fit import eager_step
from gcamccl.train.graphs import GraphedSteps
from gcamccl.train.memory import (
    at_once_that_fit,
    check_host,
    choose_at_once,
    free_memory,
    out_of_memory,
    result_bytes,
    too_many,
)
from gcamccl.train.progress import Progress
from gcamccl.train.replicates import train_replicates
from gcamccl.workflow.errors import InputError

FEW_FOR_A_GPU = 32  # replicates of a job below which a GPU is taken to be mostly idle (not measured)


def staged_bytes(cohort, replicates, settings):
    """Bytes that staging takes: the arrays in use, and one matrix a replicate where connections may be missing.

    Returns
    -------
    arrays, fills : int
        On a CPU the arrays are the cohort's own.
    """
    used = {
        view: array for view, array in zip(VIEWS, (cohort.fc, cohort.dosage), strict=True) if view in settings["views"]
    }
    fills = 4 * replicates * cohort.fc[0].size if "connectivity" in used else 0
    return sum(4 * array.size for array in used.values()), fills


def train_job(cohort, numbers, settings, device, at_once="auto", folder=None, minutes=5.0, say=print, graphs=False):
    """Train replicates, going on from a checkpoint where there is one.

    Parameters
    ----------
    cohort : Cohort
    numbers : range
        Replicates.
    settings : dict
        The config section ``train``.
    device : {'cpu', 'cuda'}
    at_once : 'auto' or int
        The setting ``run.replicates_at_once``.
    folder : Path, optional
        Of the checkpoint; None: none is written.
    minutes : float
        Between checkpoints.
    say : callable
        Prints a line.
    graphs : bool
        Steps as CUDA graphs (`gcamccl.train.graphs`); on a CPU there are none.

    Returns
    -------
    results : list of gcamccl.train.replicates.Result
        In the order of `numbers`.
    at_once : int
        How many were computed side by side at most.

    Raises
    ------
    InputError
        No replicates, or none of that number; memory does not suffice (says what would fit); a checkpoint of another
        training; a loss that is not finite.
    """
    if not numbers:
        raise InputError("--first and --last", "no replicate from first to last", "give first <= last")
    replicates = [replicate_of(cohort, number, settings) for number in numbers]
    sizes = tuple(
        array.shape[1] if view in settings["views"] else None
        for view, array in zip(VIEWS, (cohort.fc, cohort.dosage), strict=True)
    )
    arrays, fills = staged_bytes(cohort, len(replicates), settings)
    held = fills if device == "cpu" else arrays + fills
    check_host(len(replicates), result_bytes(len(cohort.table), sizes, settings), fills, free_memory("cpu"))
    free = free_memory(device)
    count = choose_at_once(at_once, device, held, sizes, settings, len(replicates), free)
    facts = device_facts(device)
    name = f" ({facts['device_name']})" if facts["device_name"] else f", {facts['threads']} threads"
    views = ", ".join(
        f"{size} {'ROIs' if view == 'connectivity' else 'loci'}"
        for view, size in zip(VIEWS, sizes, strict=True)
        if size
    )
    say(
        f"{len(cohort.table)} people, {views}; replicates {numbers[0]} to {numbers[-1]} on {device}{name},"
        f" {count} at once"
    )
    if device == "cuda" and len(replicates) < FEW_FOR_A_GPU:
        say("a GPU trains hundreds of replicates side by side: raise run.replicates_per_job where there are more")
    progress = Progress(say, len(replicates), settings["epochs"])
    checkpoint = None
    if folder is not None:
        checkpoint = Checkpoint(
            folder,
            identity(cohort, numbers, settings),
            environment(device, facts["device_name"]),
            minutes,
            say,
        )
    try:
        with checkpoint.stop_on_signals() if checkpoint else contextlib.nullcontext():
            results = train_replicates(
                cohort,
                numbers,
                settings,
                device,
                count,
                report=progress.epoch,
                checkpoint=checkpoint,
                resumed=progress.resumed,
                make_step=GraphedSteps() if graphs and device == "cuda" else eager_step,
            )
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        fits = min(count - 1, at_once_that_fit(0.5 * free - held, sizes, settings))
        raise too_many(count, fits, device) from None
    filled = max(result.facts["input_scale"]["filled_values"] for result in results)
    if filled:
        say(f"{filled} missing connections filled by the training part's mean (replicates.json)")
    return results, count
