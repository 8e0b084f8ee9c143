"""Maps of people over the replicates of a training shard, written as they are made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gcamccl.activation.checks import COLUMNS, replicate_checks
from gcamccl.activation.maps import view_maps
from gcamccl.activation.project import connections, projection, symmetrise
from gcamccl.activation.store import TensorWriter, relative
from gcamccl.cohort import PARTS, SPLITS, TEST, TRAIN
from gcamccl.cohort_files import replicate_parts, require_views
from gcamccl.model import storage
from gcamccl.model.inputs import prepare
from gcamccl.shards import check_distinct, shard_folders
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json

BATCH = {"cpu": 8, "cuda": 64}  # people per pass; 0.1 GB of activations each 8 at 264 ROIs
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


def read_shards(folders, kind="replicates"):
    """Find the training shards.

    Parameters
    ----------
    folders : list of Path
        Shards, or folders that hold ``<kind>-*`` shards.
    kind : {"replicates", "halvings"}

    Returns
    -------
    list of TrainShard

    Raises
    ------
    InputError
        No shard there, or a broken one; a replicate that occurs twice.
    """
    shards = []
    for place in shard_folders(folders, "models.safetensors", kind):
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


class Attribution:
    """One replicate's network with all that its maps need, for people in batches.

    Parameters
    ----------
    model : gcamccl.model.network.CCL
        In evaluation mode, on `device`.
    inputs : dict of str to Tensor
        As `gcamccl.model.inputs.prepare` returns them: everybody.
    train_rows : ndarray of int
        The training people, whose mean input stands for no information.
    settings : dict
        The config section ``activation``.
    device : {"cpu", "cuda"}

    Attributes
    ----------
    model : gcamccl.model.network.CCL
    means : dict of str to Tensor (1, 1, *inputs)
        Mean inputs of the training people.

    Raises
    ------
    InputError
        No such layer.
    """

    def __init__(self, model, inputs, train_rows, settings, device="cpu"):
        self.model, self._inputs, self._settings, self._device = model, inputs, settings, device
        self._layers, self._weights, self.means = {}, {}, {}
        for view, branch in model.branches.items():
            layer = self._layers[view] = layer_of(branch, view, settings)
            weights = projection(branch.blocks[:layer], inputs[view].shape[-1])
            self._weights[view] = torch.from_numpy(weights).to(device, inputs[view].dtype)
            self.means[view] = inputs[view][torch.from_numpy(train_rows)].mean(0, keepdim=True).to(device)

    def maps(self, view, rows, branch=None, methods=None):
        """Maps of a few people.

        Parameters
        ----------
        view : str
        rows : ndarray of int
        branch : gcamccl.model.network.Branch, optional
            Another one than the model's, of the same architecture.
        methods : list of str, optional
            None: ``activation.methods``.

        Returns
        -------
        dict of str to ndarray of float32 (people, 2, features)
            Connections are averaged with their transpose and come once.

        Raises
        ------
        InputError
            Maps that are not finite.
        """
        settings = self._settings
        found = view_maps(
            self.model.branches[view] if branch is None else branch,
            self.people(view, rows),
            self._weights[view],
            self._layers[view],
            settings["methods"] if methods is None else methods,
            settings["score"],
            settings["relu_on"],
            self.means[view] if settings["baseline"] == "mean" else None,
            settings["integration_steps"],
        )
        result = {}
        for method, maps in found.items():
            flat = connections(symmetrise(maps)) if view == "connectivity" else maps
            if not torch.isfinite(flat).all():
                raise InputError("activation", f"{method} maps of {view} are not finite", "look at the training")
            result[method] = flat.float().cpu().numpy()
        return result

    def people(self, view, rows):
        """Inputs of a few people, on the device."""
        return self._inputs[view][torch.from_numpy(rows)].to(self._device)

    def batches(self, rows):
        """`rows` in pieces that the memory holds."""
        return np.array_split(rows, max(1, -(-len(rows) // BATCH[self._device])))


def people_rows(parts, settings):
    """Rows of the people to make maps of: the test part, or everybody."""
    return np.flatnonzero(parts == TEST) if settings["people"] == "test" else np.arange(len(parts))


def tensor_shapes(cohort, shards, settings):
    """Name -> shape of every tensor that the shards' replicates give; ``<replicate:04d>/<method>/<view>``."""
    features = {"snps": cohort.n_loci}
    if cohort.n_rois is not None:
        features["connectivity"] = cohort.n_rois * (cohort.n_rois - 1) // 2
    shapes = {}
    for shard in shards:
        require_views(cohort, shard.settings["views"])
        for facts in shard.replicates:
            *_, parts, _ = replicate_parts(cohort, facts["replicate"])
            people = len(people_rows(parts, settings))
            for view in shard.settings["views"]:
                for method in settings["methods"]:
                    shapes[f"{facts['replicate']:04d}/{method}/{view}"] = (people, 2, features[view])
    return shapes


def write_maps(path, cohort, shards, settings, device="cpu", say=lambda text: None):
    """Make and write the maps of all replicates of the shards, a batch of people at a time; check those of true labels.

    Parameters
    ----------
    path : Path
        The file of maps, as `gcamccl.activation.store` reads it.
    cohort : gcamccl.cohort.Cohort
    shards : list of TrainShard
    settings : dict
        The config section ``activation``.
    device : {"cpu", "cuda"}
    say : callable
        Takes a line of progress.

    Returns
    -------
    people : DataFrame
        ``replicate``, ``split``, ``permutation``, ``row`` (of the maps), ``participant_id``, ``part`` (train,
        validation, test), ``label`` (in that replicate: permuted or not).
    peaks : DataFrame
        ``replicate``, ``row``, ``method``, ``view``, ``class``, ``peak``: the largest absolute value of each map,
        which the stored values are relative to; 0: the map is zero everywhere.
    checks : DataFrame
        `gcamccl.activation.checks.COLUMNS`; no rows where ``activation.checks`` is off.
    untrained : dict of str to ndarray of float16 (2, features)
        ``<replicate:04d>/<method>/<view>``: mean maps of networks without any training, of the same people.

    Raises
    ------
    InputError
        A replicate of another cohort, weights that do not fit, no such layer, maps that are not finite.
    """
    people, peaks, checks, untrained = [], [], [], {}
    with TensorWriter(path, tensor_shapes(cohort, shards, settings)) as writer:
        for shard, facts in ((one, facts) for one in shards for facts in one.replicates):
            replicate = facts["replicate"]
            attribution, parts, labels = open_replicate(cohort, shard, facts, settings, device)
            rows = people_rows(parts, settings)
            found = {}
            try:
                for view in attribution.model.views:
                    for chunk in attribution.batches(rows):
                        for method, maps in attribution.maps(view, chunk).items():
                            shares, largest = relative(maps)
                            writer.append(f"{replicate:04d}/{method}/{view}", shares)
                            found.setdefault((method, view), []).append(largest)
            except InputError as error:
                raise InputError(f"{error.where}, replicate {replicate}", error.what, error.todo) from None
            people.append(
                pd.DataFrame(
                    {
                        "replicate": replicate,
                        "split": facts["split"],
                        "permutation": facts["permutation"],
                        "row": np.arange(len(rows)),
                        "participant_id": cohort.table["participant_id"].to_numpy()[rows],
                        "part": np.array(PARTS)[parts[rows]],
                        "label": labels[rows].astype(np.int8),
                    }
                )
            )
            if settings["checks"] and not facts["permutation"]:
                lines, means = replicate_checks(attribution, replicate, np.flatnonzero(parts == TEST), settings["seed"])
                checks.append(lines)
                untrained |= {f"{replicate:04d}/{name}": mean for name, mean in means.items()}
            peaks += [_peak_rows(replicate, *place, np.concatenate(pieces)) for place, pieces in found.items()]
            say(f"replicate {replicate}: {len(rows)} people, {len(found)} kinds of map")
    checks = pd.concat(checks, ignore_index=True) if checks else pd.DataFrame(columns=COLUMNS)
    return pd.concat(people, ignore_index=True), pd.concat(peaks, ignore_index=True), checks, untrained


def open_replicate(cohort, shard, facts, settings, device="cpu"):
    """A replicate's network, ready for maps: `Attribution`, everybody's part and label in it.

    Raises
    ------
    InputError
        A replicate of another cohort, weights that do not fit, no such layer.
    """
    replicate, trained_on = facts["replicate"], facts.get("parts", SPLITS)
    if trained_on != cohort.parts:
        raise InputError(
            shard.models,
            f"replicate {replicate} was trained on {trained_on} of the cohort, not on {cohort.parts}",
            f"give the folders of train about {cohort.parts}",
        )
    split, permutation, parts, labels = replicate_parts(cohort, replicate)
    if (split, permutation) != (facts["split"], facts["permutation"]):
        raise InputError(
            shard.models,
            f"replicate {replicate} is split {facts['split']}, permutation {facts['permutation']}; in this"
            f" cohort it is split {split}, permutation {permutation}",
            "give the cohort that it was trained on",
        )
    model = storage.load(shard.models, replicate, cohort.n_rois, cohort.n_loci, shard.settings).to(device)
    train = np.flatnonzero(parts == TRAIN)
    inputs, _ = prepare(cohort.fc, cohort.dosage, train, shard.settings)
    return Attribution(model, inputs, train, settings, device), parts, labels


def _peak_rows(replicate, method, view, peaks):
    """Rows of the table of peaks: ndarray (people, 2) -> 2 x people rows."""
    return pd.DataFrame(
        {
            "replicate": replicate,
            "row": np.repeat(np.arange(len(peaks)), len(CLASSES)),
            "method": method,
            "view": view,
            "class": np.tile(CLASSES, len(peaks)),
            "peak": peaks.ravel(),
        }
    )
