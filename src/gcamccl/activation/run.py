"""Maps of the held-out people over the replicates of a training shard."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gcamccl.activation.maps import view_maps
from gcamccl.activation.project import connections, projection, symmetrise
from gcamccl.cohort import TEST, TRAIN
from gcamccl.cohort_files import replicate_parts, require_views
from gcamccl.model import storage
from gcamccl.model.inputs import prepare
from gcamccl.shards import check_distinct, shard_folders
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json

BATCH = {"cpu": 8, "cuda": 64}  # people per pass; 0.1 GB of activations each 8 at 264 ROIs
GREY_VALUES = 256
CLASSES = ("low", "high")


@dataclass(frozen=True)
class TrainShard:
    """One job of `train`.

    Attributes
    ----------
    models : Path
        ``models.safetensors``.
    settings : dict
        The config section ``train`` it was trained with.
    replicates : list of dict
        ``replicates.json``.
    """

    models: Path
    settings: dict
    replicates: list


def shard_files(folder):
    """Files of a training shard that are read."""
    return [folder / name for name in ("models.safetensors", "replicates.json", "artifact.json")]


def read_shards(folders):
    """Find the training shards.

    Parameters
    ----------
    folders : list of Path
        Shards, or folders that hold ``replicates-*`` shards.

    Returns
    -------
    list of TrainShard

    Raises
    ------
    InputError
        No shard there, or a broken one; a replicate that occurs twice.
    """
    shards = []
    for place in shard_folders(folders, "models.safetensors"):
        models, facts, record = shard_files(place)
        settings = read_json(record).get("settings")
        if not settings:
            raise InputError(record, "no settings", "give a folder that the train stage wrote")
        shards.append(TrainShard(models, settings, read_json(facts)))
    check_distinct((shard.models, row["replicate"]) for shard in shards for row in shard.replicates)
    return shards


def layer_of(branch, view, settings):
    """The chosen block of a view's branch, counted from 1; one that does not exist is an InputError."""
    layer, known = settings[f"layer_{view}"], len(branch.blocks)
    if not 1 <= layer <= known:
        raise InputError(
            f"activation.layer_{view}", f"there is no block {layer}", f"the {view} branch has blocks 1 to {known}"
        )
    return layer


def grey_histogram(maps):
    """Histogram of grey values, map by map relative to its maximum (paper, Fig. 4).

    Parameters
    ----------
    maps : Tensor (people, values)

    Returns
    -------
    ndarray of int64 (256,)
        Counts of ``round(255 |value| / max |value|)``, added up over people; all-zero maps are left out.
    """
    size = maps.abs()
    peak = size.amax(1, keepdim=True)
    kept = peak[:, 0] > 0
    grey = (size[kept] / peak[kept] * (GREY_VALUES - 1)).round().long()
    return torch.bincount(grey.flatten(), minlength=GREY_VALUES).cpu().numpy()


def replicate_maps(model, inputs, rows, labels, settings, device="cpu"):
    """All maps of one replicate's held-out people.

    Parameters
    ----------
    model : CCL
        In evaluation mode, on `device`.
    inputs : dict of str to Tensor
        As `gcamccl.model.inputs.prepare` returns them: everybody.
    rows : ndarray of int
        The held-out people.
    labels : ndarray of int (n,)
        Everybody's label in this replicate.
    settings : dict
        The config section ``activation``.
    device : str

    Returns
    -------
    maps : dict of str to ndarray of float32 (people, 2, features)
        ``<method>/<view>``; connections are averaged with their transpose and come once.
    histograms : dict of str to ndarray of int64 (256,)
        ``<method>/<view>/<class>``: `grey_histogram` of the class's maps of its own people; the whole symmetric image
        for connectivity.

    Raises
    ------
    InputError
        No such layer, or maps that are not finite.
    """
    parts, histograms = defaultdict(list), defaultdict(lambda: np.zeros(GREY_VALUES, dtype=np.int64))
    for view, branch in model.branches.items():
        layer = layer_of(branch, view, settings)
        weights = projection(branch.blocks[:layer], inputs[view].shape[-1])
        weights = torch.from_numpy(weights).to(device, inputs[view].dtype)
        for chunk in np.array_split(rows, max(1, -(-len(rows) // BATCH[device]))):
            x = inputs[view][torch.from_numpy(chunk)].to(device)
            found = view_maps(branch, x, weights, layer, settings["methods"], settings["score"], settings["relu_on"])
            for method, values in found.items():
                image = symmetrise(values) if view == "connectivity" else values
                flat = connections(image) if view == "connectivity" else image
                if not torch.isfinite(flat).all():
                    raise InputError("activation", f"{method} maps of {view} are not finite", "look at the training")
                parts[f"{method}/{view}"].append(flat.float().cpu().numpy())
                for label, name in enumerate(CLASSES):
                    own = torch.from_numpy(labels[chunk] == label).to(device)
                    histograms[f"{method}/{view}/{name}"] += grey_histogram(image[own, label].flatten(1))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}, dict(histograms)


def shard_maps(cohort, shards, settings, device="cpu", say=lambda text: None):
    """Maps of every replicate of the shards.

    Parameters
    ----------
    cohort : gcamccl.cohort.Cohort
    shards : list of TrainShard
    settings : dict
        The config section ``activation``.
    device : {"cpu", "cuda"}
    say : callable
        Takes a line of progress.

    Returns
    -------
    maps : dict of str to ndarray of float32 (people, 2, features)
        ``<replicate:04d>/<method>/<view>``.
    people : DataFrame
        ``replicate``, ``row`` (of the maps), ``participant_id``, ``label`` (in that replicate: permuted or not).
    histograms : dict of str to ndarray of int64 (256,)
        ``<true|permuted>/<method>/<view>/<class>``, added up over replicates and people.

    Raises
    ------
    InputError
        A replicate of another cohort, weights that do not fit, no such layer, maps that are not finite.
    """
    maps, people = {}, []
    histograms = defaultdict(lambda: np.zeros(GREY_VALUES, dtype=np.int64))
    n_rois, n_loci = cohort.n_rois, cohort.n_loci
    for shard in shards:
        require_views(cohort, shard.settings["views"])
        for facts in shard.replicates:
            replicate = facts["replicate"]
            split, permutation, parts, labels = replicate_parts(cohort, replicate)
            if (split, permutation) != (facts["split"], facts["permutation"]):
                raise InputError(
                    shard.models,
                    f"replicate {replicate} is split {facts['split']}, permutation {facts['permutation']}; in this"
                    f" cohort it is split {split}, permutation {permutation}",
                    "give the cohort that it was trained on",
                )
            model = storage.load(shard.models, replicate, n_rois, n_loci, shard.settings).to(device)
            inputs, _ = prepare(cohort.fc, cohort.dosage, np.flatnonzero(parts == TRAIN), shard.settings)
            rows = np.flatnonzero(parts == TEST)
            try:
                found, counts = replicate_maps(model, inputs, rows, labels, settings, device)
            except InputError as error:
                raise InputError(f"{error.where}, replicate {replicate}", error.what, error.todo) from None
            maps.update({f"{replicate:04d}/{name}": values for name, values in found.items()})
            kind = "permuted" if permutation else "true"
            for name, count in counts.items():
                histograms[f"{kind}/{name}"] += count
            people.append(
                pd.DataFrame(
                    {
                        "replicate": replicate,
                        "row": np.arange(len(rows)),
                        "participant_id": cohort.table["participant_id"].to_numpy()[rows],
                        "label": labels[rows].astype(np.int8),
                    }
                )
            )
            say(f"replicate {replicate}: {len(rows)} people, {len(found)} kinds of map")
    return maps, pd.concat(people, ignore_index=True), dict(histograms)
