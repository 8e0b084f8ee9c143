"""How many replicates side by side fit into memory: an estimate from the layers' sizes."""

import torch

from gcamccl.model.network import CONNECTIVITY_LAYERS, EMBEDDING, SNP_LAYERS, VIEWS, fit_layers
from gcamccl.workflow.errors import InputError

FLOAT = 4  # bytes of float32
INDEX = 8  # bytes of int64, what max-pooling remembers of each output
# Share of a GPU's free memory that the estimate may fill: the rest is for the convolutions' work space and for what
# the allocator cannot use (not measured on a GPU).
SHARE = 0.8
# Kernels that count elements with 32 bits (cuDNN's, some of torch's) need tensors below this.
LARGEST_TENSOR = 2**31 - 1
# Of the weights: themselves, gradients, best ones, those a compaction copies to, and one or two of the optimiser.
COPIES = {"sgd": 5, "adamw": 6}


def _layers(view, cells):
    """Dimensions, channels in and out, kernel, padding, pool, cells in, after convolution and out, of each layer."""
    dimensions, table = (2, CONNECTIVITY_LAYERS) if view == "connectivity" else (1, SNP_LAYERS)
    found, channels_in = [], 1
    for channels, kernel, padding, pool, after in fit_layers(cells, table):
        convolved = cells + 2 * padding - kernel + 1
        found.append((dimensions, channels_in, channels, kernel, padding, pool, cells, convolved, after))
        channels_in, cells = channels, after
    return found


def _numbers(sizes, settings):
    """Layers of the views in use."""
    return [
        layer
        for view, cells in zip(VIEWS, sizes, strict=True)
        if view in settings["views"]
        for layer in _layers(view, cells)
    ]


def replicate_bytes(sizes, settings, arrangement="grouped"):
    """Memory of one replicate among others in training: weights, optimiser, best weights, saved activations.

    Parameters
    ----------
    sizes : tuple of int
        ROIs and loci; that of a view that is not used is ignored.
    settings : dict
        The config section ``train``.
    arrangement : {'alone', 'grouped', 'gemm'}

    Returns
    -------
    dict of str to int
        ``weights``, ``activations`` (saved for the backward pass), ``work`` (the largest passing tensors); bytes.
    """
    people = settings["batch_size"] + 1  # a single person left over joins the last batch
    weights = activations = largest = 0
    for dimensions, channels_in, channels, kernel, _, pool, before, convolved, after in _numbers(sizes, settings):
        inside, middle, out = (cells**dimensions for cells in (before, convolved, after))
        weights += channels * (
            channels_in * kernel**dimensions + 1 + 4
        )  # bias; scale, shift and statistics of the norm
        # Saved: input of the convolution, input of the pool and its indices, of the norm, of the ReLU, dropout's mask.
        saved = channels_in * inside + channels * (middle + 3 * out)
        activations += people * (FLOAT * saved + (INDEX * channels * out if pool > 1 else 0))
        patches = channels_in * kernel**dimensions * middle if arrangement == "gemm" else 0
        activations += people * FLOAT * patches
        largest = max(largest, channels * middle, patches)
    weights += len(settings["views"]) * 2 * (EMBEDDING + 1)
    return {
        "weights": FLOAT * COPIES[settings["optimizer"]] * weights,
        "activations": activations,
        "work": 2 * FLOAT * people * largest,  # a gradient and what it is made from
    }


def at_once_that_fit(free, sizes, settings, arrangement="grouped"):
    """How many replicates fit side by side into `free` bytes, at least 0; also no tensor exceeds `LARGEST_TENSOR`."""
    each = replicate_bytes(sizes, settings, arrangement)
    largest = each["work"] // (2 * FLOAT)
    return int(max(0, min(free // sum(each.values()), LARGEST_TENSOR // max(largest, 1))))


def choose_at_once(wish, device, staged_bytes, sizes, settings, count, free, arrangement="grouped"):
    """The number of replicates to train side by side.

    Parameters
    ----------
    wish : 'auto' or int
        The setting ``run.replicates_at_once``. auto: 1 on a CPU, where one network at a time is fastest (its caches
        hold one); else what memory holds.
    device : str
    staged_bytes : int
        What the cohort takes on the device, with the replicates' fills; on a CPU its arrays are there already.
    sizes, settings, arrangement
        As in `replicate_bytes`.
    count : int
        Replicates of the job.
    free : int
        Free memory of the device, bytes.

    Returns
    -------
    int

    Raises
    ------
    InputError
        The cohort alone, or so many replicates, do not fit.
    """
    left = free - staged_bytes
    fits = at_once_that_fit(SHARE * left if device == "cuda" else left, sizes, settings, arrangement)
    if fits < 1:
        raise InputError(
            f"memory of the {device}",
            f"{free / 2**30:.2f} GiB are free, the cohort takes {staged_bytes / 2**30:.2f} GiB and one replicate"
            f" {sum(replicate_bytes(sizes, settings, arrangement).values()) / 2**30:.2f} GiB",
            "ask for more memory, lower train.batch_size, or give a smaller run.replicates_per_job",
        )
    if wish == "auto":
        return min(count, fits if device == "cuda" else 1)
    if device == "cpu" and min(wish, count) > fits:
        raise too_many(min(wish, count), fits, device)
    return min(wish, count)


def too_many(at_once, fits, device):
    """The error of memory that is exceeded, with the number that would fit."""
    return InputError(
        "run.replicates_at_once",
        f"{at_once} replicates at once do not fit into the memory of the {device}"
        if at_once > 1
        else f"one replicate does not fit into the memory of the {device}",
        f"at most {max(fits, 1)} would: set replicates_at_once: {max(fits, 1)} (--at-once {max(fits, 1)})"
        if at_once > 1
        else "lower train.batch_size or use a device with more memory",
    )


def out_of_memory(error):
    """Whether an exception says that memory is exhausted; torch has a class of its own on a GPU only."""
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def check_host(count, each, fills, free):
    """Refuse a job whose results do not fit into the machine's memory, to which they all go before they are written.

    Parameters
    ----------
    count : int
        Replicates of the job.
    each : int
        Bytes a finished replicate takes: `result_bytes`.
    fills : int
        Bytes for what stands in for missing connections, one matrix a replicate.
    free : int
        Free memory of the machine, bytes.

    Raises
    ------
    InputError
        Says how many replicates would fit.
    """
    if count * each + fills > free:
        fit = max(1, int(free / (each + fills / count)))
        raise InputError(
            "memory of the machine",
            f"{free / 2**30:.2f} GiB are free, {count} replicates need {(count * each + fills) / 2**30:.2f} GiB",
            f"set run.replicates_per_job to {fit} or less, or ask for more memory",
        )


def result_bytes(people, sizes, settings):
    """Bytes of a finished replicate: weights, embeddings, some ten columns a person; twice while they are written."""
    weights = replicate_bytes(sizes, settings)["weights"] // COPIES[settings["optimizer"]]
    return 2 * (weights + people * (FLOAT * EMBEDDING * len(settings["views"]) + 10 * INDEX))


def free_memory(device):
    """Free bytes of the device: of the GPU, or of the machine and of the control group (SLURM's limit) we are in."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    from gcamccl.memory import available

    return available()
