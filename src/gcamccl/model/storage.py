"""Weights of many replicates in one safetensors file: tensors ``<replicate:04d>/<parameter>``."""

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gcamccl.model.network import build
from gcamccl.workflow.errors import InputError


def replicate_state(model, replicate):
    """Tensors of `model` under the names they have on disk.

    Parameters
    ----------
    model : torch.nn.Module
    replicate : int

    Returns
    -------
    dict of str to Tensor
        ``<replicate:04d>/<parameter>``: weights and batch-norm statistics, on the CPU, contiguous, copied.
    """
    return {
        f"{replicate:04d}/{name}": tensor.detach().cpu().contiguous().clone()
        for name, tensor in model.state_dict().items()
    }


def save(path, tensors):
    """Write the tensors of any number of `replicate_state` to `path`."""
    save_file(tensors, str(path))


def _open(path):
    """Open a safetensors file; a missing or broken one is an InputError."""
    try:
        return safe_open(str(path), framework="pt")
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"not a safetensors file: {error}", "run the train stage again") from None


def replicates(path):
    """Sorted numbers of the replicates in the file."""
    with _open(path) as file:
        return sorted({int(name.split("/", 1)[0]) for name in file.keys()})  # noqa: SIM118 (not a dict)


def load(path, replicate, n_rois, n_loci, settings):
    """One replicate's network, in evaluation mode, on the CPU.

    Parameters
    ----------
    path : str or Path
        ``models.safetensors``.
    replicate : int
    n_rois, n_loci : int
        None where the study lacks that modality.
    settings : dict
        The config section ``train`` it was trained with.

    Returns
    -------
    CCL

    Raises
    ------
    InputError
        No such file or replicate, or weights of another architecture.
    """
    prefix = f"{replicate:04d}/"
    with _open(path) as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
        state = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    if not state:
        raise InputError(path, f"no replicate {replicate}", f"it holds {', '.join(map(str, replicates(path)))}")
    model = build(n_rois, n_loci, settings)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(
            path,
            f"replicate {replicate} does not fit a network of {n_rois} ROIs and {n_loci} loci: {first}",
            "use the settings it was trained with",
        ) from None
    return model.eval()
