"""Where torch computes: CPU or CUDA, said plainly."""

import contextlib
import os

import torch

from gcamccl.workflow.errors import InputError


def choose_device(wish):
    """The device to compute on.

    Parameters
    ----------
    wish : {'auto', 'cpu', 'cuda'}

    Returns
    -------
    str
        ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        ``cuda`` where there is no CUDA device.
    """
    if wish == "auto":
        wish = "cuda" if torch.cuda.is_available() else "cpu"
    if wish == "cuda":
        if not torch.cuda.is_available():
            raise InputError("run.device", "cuda was asked for but torch finds no CUDA device", "use auto or cpu")
        # Reproducible cuBLAS needs this before its first call; max-pool's backward has no deterministic variant on
        # CUDA but its windows do not overlap here, so a warning about it is all there is.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # a write of every new tensor, for nothing here
        torch.backends.cudnn.benchmark = False
    return wish


@contextlib.contextmanager
def full_precision():
    """Compute in float32 throughout, and set torch back afterwards.

    Torch lets cuDNN's convolutions round their inputs to TF32 (10 bits of mantissa) unless told otherwise. Does
    nothing on a CPU.
    """
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def device_facts(device):
    """Entries of ``artifact.json`` about the device."""
    name = torch.cuda.get_device_name() if device == "cuda" else None
    return {"device": device, "device_name": name, "threads": torch.get_num_threads()}
