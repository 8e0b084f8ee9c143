"""The cohort on the device: staged once, whatever the number of splits and replicates."""

from dataclasses import dataclass

import numpy as np
import torch

from gcamccl.cohort import PARTS, TRAIN, VALIDATION
from gcamccl.cohort_files import replicate_parts
from gcamccl.model.inputs import fit_scale
from gcamccl.model.network import VIEWS
from gcamccl.workflow.errors import InputError


@dataclass(frozen=True)
class Replicate:
    """What one network is trained on.

    Attributes
    ----------
    number, split, permutation : int
    seed : int
        Of weights, order of people and dropout.
    parts, labels : ndarray of int8 (n,)
    """

    number: int
    split: int
    permutation: int
    seed: int
    parts: np.ndarray
    labels: np.ndarray

    def rows(self, part):
        """Rows of the people of a part, int64."""
        return np.flatnonzero(self.parts == part)


def replicate_of(cohort, number, settings):
    """A replicate of a cohort, checked.

    Parameters
    ----------
    cohort : Cohort
    number : int
        Its split is ``number // (1 + permutations)``, its label row the remainder, its seed ``train.seed`` plus it.
    settings : dict
        The config section ``train``.

    Returns
    -------
    Replicate

    Raises
    ------
    InputError
        No such replicate; parts and labels of another length than the cohort; a training part with one class only or
        fewer than two people, an empty validation part.
    """
    for what in ("splits", "labels", "permutations"):
        people = getattr(cohort, what).shape[1]
        if people != len(cohort.table):
            raise InputError(
                "cohort", f"{what} are of {people} people, the table has {len(cohort.table)}", "make it again"
            )
    split, permutation, parts, labels = replicate_parts(cohort, number)
    train = labels[parts == TRAIN]
    for label, name in enumerate(("low", "high")):
        if (train == label).sum() < 1:
            raise InputError(
                f"replicate {number}", f"nobody in the training part is {name}", "add people or change the splits"
            )
    for part in (TRAIN, VALIDATION):
        count = int((parts == part).sum())
        if count < (2 if part == TRAIN else 1):
            raise InputError(
                f"replicate {number}",
                f"the {PARTS[part]} part has {count} people",
                "add people or change the cohort's fractions",
            )
    return Replicate(number, split, permutation, settings["seed"] + number, parts, labels)


class Staged:
    """Inputs of the network for any people of any replicate, made on the device from one copy of the cohort.

    Missing connections stay NaN in that copy; the fill of a batch's replicate, and its scale, are applied to the batch.
    The values are those of `gcamccl.model.inputs.prepare`.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        NaN: missing. Not looked at where the view is not used.
    dosage : ndarray of float32 (n, L)
        The same.
    replicates : list of Replicate
        All that will be asked for.
    settings : dict
        The config section ``train``.
    device : str

    Attributes
    ----------
    scales : dict of (int, int) to InputScale
        By split and permutation.
    """

    def __init__(self, fc, dosage, replicates, settings, device="cpu"):
        arrays = {"connectivity": fc, "snps": dosage}
        self.device = device
        self.arrays = {
            view: torch.from_numpy(np.ascontiguousarray(arrays[view], dtype=np.float32)).to(device)
            for view in VIEWS
            if view in settings["views"]
        }
        self.global_scale = settings["input_scale"] == "global"
        parts = {(replicate.split, replicate.permutation): replicate for replicate in replicates}
        fitted = {
            place: fit_scale(fc, dosage, replicate.rows(TRAIN), settings) for place, replicate in sorted(parts.items())
        }
        self.scales = {place: scale for place, (scale, _) in fitted.items()}
        self._place = {key: place for place, key in enumerate(fitted)}
        means = [mean for _, mean in fitted.values()]
        self._fill = None if not means or means[0] is None else torch.from_numpy(np.stack(means)).to(device)
        self._scale = {
            view: [
                torch.tensor([getattr(scale, f"{view}_{what}") for scale in self.scales.values()], device=device)
                for what in ("mean", "sd")
            ]
            for view in self.arrays
        }
        first = self.arrays.get("connectivity")
        self._diagonal = None if first is None else torch.eye(first.shape[1], dtype=torch.bool, device=device)

    @property
    def people(self):
        """Number of people."""
        return len(next(iter(self.arrays.values())))

    @property
    def sizes(self):
        """Number of ROIs and of loci, as `gcamccl.model.network.build` takes them; None: view not used."""
        return tuple(self.arrays[view].shape[1] if view in self.arrays else None for view in VIEWS)

    @property
    def bytes(self):
        """What is held on the device."""
        tensors = [*self.arrays.values()] + ([] if self._fill is None else [self._fill])
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def places(self, replicates):
        """Where these replicates are among the fills and scales, int64 (R,): `batch` takes it."""
        return torch.tensor(
            [self._place[replicate.split, replicate.permutation] for replicate in replicates], device=self.device
        )

    def batch(self, rows, places):
        """Inputs of a batch.

        Parameters
        ----------
        rows : Tensor of int64 (R, batch)
            People of each replicate.
        places : Tensor of int64 (R,)
            Of `places`.

        Returns
        -------
        dict of str to Tensor
            ``connectivity``: float32 (R, batch, 1, R, R). ``snps``: float32 (R, batch, 1, L).
        """
        found = {}
        for view, array in self.arrays.items():
            x = array[rows]
            if view == "connectivity" and self._fill is not None:
                x = torch.where(x.isnan(), self._fill[places][:, None], x)
            if self.global_scale:
                mean, sd = (values[places].view(-1, *[1] * (x.dim() - 1)) for values in self._scale[view])
                x = (x - mean) / sd
                if view == "connectivity":
                    x = x.masked_fill(self._diagonal, 0)
            found[view] = x[:, :, None]
        return found
