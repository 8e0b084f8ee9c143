"""Checkpoints of a training: after a kill it goes on where it was, to the bit.

A folder holds ``identity.json`` (what is trained on what), ``finished-<replicate>.safetensors`` (best weights and
history of each finished replicate) and ``training.safetensors`` (`gcamccl.train.fit.State` of those side by side at
present). Each is written under another name and renamed, so a kill leaves the one before.
"""

import contextlib
import hashlib
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from gcamccl.model.stacked import stack
from gcamccl.train.fit import Fitted, State, fresh_network
from gcamccl.train.optimiser import optimiser_state, restore_optimiser
from gcamccl.workflow import watch
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import atomic, read_json, write_json

FORMAT = 1
COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "validation_cross_entropy",
    "validation_auc",
    "learning_rate",
)
TRAINING = "training.safetensors"
FINISHED = "finished-*.safetensors"
SIGNALS = (signal.SIGTERM, signal.SIGINT)  # of a cluster's time limit, some 30 s before the end; of Ctrl-C


class BrokenCheckpoint(Exception):
    """A file of the checkpoint cannot be read; training starts anew."""


def identity(cohort, numbers, settings):
    """What must be equal for a checkpoint to fit: settings, contents of the cohort, replicates.

    Parameters
    ----------
    cohort : Cohort
    numbers : sequence of int
    settings : dict
        The config section ``train``.

    Returns
    -------
    dict
        Plain values.
    """
    arrays = {"connectivity": cohort.fc, "snps": cohort.dosage}
    used = {view: arrays[view] for view in arrays if view in settings["views"]}
    used |= {"splits": cohort.splits, "labels": cohort.labels, "permutations": cohort.permutations}
    digests = {
        name: hashlib.sha256(repr(array.shape).encode() + np.ascontiguousarray(array).data).hexdigest()
        for name, array in used.items()
    }
    digests["people"] = hashlib.sha256("\n".join(cohort.table["participant_id"]).encode()).hexdigest()
    return json.loads(
        json.dumps({"format": FORMAT, "settings": settings, "cohort": digests, "replicates": [int(n) for n in numbers]})
    )


def differences(old, new):
    """What differs between two identities, in words."""
    found = []
    if old.get("format") != new["format"]:
        found.append("its format")
    before, now = old.get("settings", {}), new["settings"]
    found += [
        f"train.{key} ({before.get(key, 'not there')} then, {now.get(key, 'not there')} now)"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    before, now = old.get("cohort", {}), new["cohort"]
    found += [f"the cohort's {key}" for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if old.get("replicates") != new["replicates"]:
        spans = [
            f"{numbers[0]} to {numbers[-1]}" if numbers else "none"
            for numbers in (old.get("replicates"), new["replicates"])
        ]
        found.append(f"the replicates ({spans[0]} then, {spans[1]} now)")
    return found


def environment(device, device_name=None):
    """What the bits of a result may depend on beside the identity."""
    return {
        "device": device,
        "device_name": device_name,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


class Checkpoint:
    """The checkpoint of one job.

    Parameters
    ----------
    folder : Path
        Made when the first file is written.
    identity : dict
        Of `identity`.
    environment : dict
        Of `environment`.
    minutes : float
        Time between two writings of ``training.safetensors``; 0: after each epoch.
    say : callable
        Prints a line.

    Raises
    ------
    InputError
        There is a checkpoint of other settings, of another cohort or of other replicates.
    """

    def __init__(self, folder, identity, environment, minutes=5.0, say=print):
        self.folder, self.identity, self.environment = Path(folder), identity, environment
        self.minutes, self.say = minutes, say
        self.written = time.monotonic()
        self.other = []  # what differs in the environment of what was taken over, in words
        self.stopped = None  # name of the signal that asked for an end
        for left in self.folder.glob(".partial-*"):
            left.unlink()
        if self.folder.is_dir() and any(self.folder.iterdir()):
            self._check()

    def _check(self):
        """Compare the identity on disk with ours; an unreadable one is as good as none."""
        try:
            old = read_json(self.folder / "identity.json")
            if not isinstance(old, dict):
                raise InputError(self.folder / "identity.json", "not a mapping")
        except (InputError, UnicodeDecodeError) as error:
            self.say(f"checkpoint {self.folder} cannot be used ({error}): training starts anew")
            self.remove()
            return
        found = differences(old, self.identity)
        if found:
            raise InputError(
                self.folder,
                f"a checkpoint of another training: {'; '.join(found)}",
                "delete this folder to start anew, or train with what it was made with",
            )

    def remove(self):
        """Delete all files of the checkpoint."""
        for path in (
            self.folder / TRAINING,
            *self.folder.glob(FINISHED),
            self.folder / "identity.json",
        ):
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def stop_on_signals(self):
        """While training: `SIGNALS` end it after the epoch under way, with a checkpoint; sent again, at once.

        Once all replicates have finished they are not heeded: the results are about to be written.
        """

        def note(number, frame):
            self.stopped = signal.Signals(number).name
            watch.ENDING.set()
            signal.signal(number, before[number])

        before = {number: signal.signal(number, note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # Writing

    def _write(self, name, tensors, facts):
        """One file: tensors, and facts as JSON among the metadata, so that both are there or neither."""
        if not (self.folder / "identity.json").exists():
            write_json(self.folder / "identity.json", self.identity)
        facts = {**facts, "environment": self.environment}
        with atomic(self.folder / name) as path:
            save_file(
                {key: value.detach().cpu().contiguous() for key, value in tensors.items()},
                str(path),
                {"facts": json.dumps(facts)},
            )
            with path.open("rb") as file:
                os.fsync(file.fileno())  # renamed before its contents are on disk, a crash would leave it empty

    def write_finished(self, fitted):
        """Keep a finished replicate."""
        self._write(
            f"finished-{fitted.number:04d}.safetensors",
            {
                **{f"weights/{name}": tensor for name, tensor in fitted.weights.items()},
                "history": _rows(fitted.history),
            },
            {"number": fitted.number, "best_epoch": fitted.best_epoch},
        )

    def write_state(self, state):
        """Keep where the training stands."""
        longest = max(map(len, state.history))
        history = torch.full((len(state.history), longest, len(COLUMNS)), torch.nan, dtype=torch.float64)
        for place, rows in enumerate(state.history):
            history[place, : len(rows)] = _rows(rows)
        groups = {
            "network": state.network.stacked_state(),
            "best": state.best,
            "optimiser": optimiser_state(state.network, state.optimiser),
        }
        self._write(
            TRAINING,
            {"history": history} | {f"{group}/{name}": t for group, ts in groups.items() for name, t in ts.items()},
            {
                "replicates": [replicate.number for replicate in state.replicates],
                "epoch": state.epoch,
                "arrangement": state.network.arrangement,
                "active": state.active.tolist(),
                "best_epoch": state.best_epoch.tolist(),
                "best_score": state.best_score.tolist(),
                "epochs": [len(rows) for rows in state.history],
            },
        )
        self.written = time.monotonic()

    def keep(self, state, done):
        """After an epoch: keep who finished in it and, when it is time, where the others stand.

        Raises
        ------
        InputError
            A signal has asked for an end (`stop_on_signals`).
        """
        for fitted in done:
            self.write_finished(fitted)
        if not state.active.any():
            (self.folder / TRAINING).unlink(missing_ok=True)
        elif self.stopped or time.monotonic() - self.written >= 60 * self.minutes:
            self.write_state(state)
        if self.stopped and len(list(self.folder.glob(FINISHED))) < len(self.identity["replicates"]):
            raise InputError(
                "train",
                f"stopped by {self.stopped} after epoch {state.epoch}",
                "start it again: it goes on from its checkpoint",
            )

    # Reading

    def _read(self, path):
        """Tensors and facts of a file.

        Raises
        ------
        BrokenCheckpoint
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                facts = json.loads(file.metadata()["facts"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise BrokenCheckpoint(f"{path.name}: {type(error).__name__} {error}".replace("\n", " ")) from None
        for key, value in self.environment.items():
            if facts["environment"].get(key) != value:
                self.other.append(f"{key} {facts['environment'].get(key)} then, {value} now")
        return tensors, facts

    def _tell_broken(self, error):
        """Say that something is left out."""
        self.say(f"checkpoint {self.folder}: cannot read {error}; its replicates start anew")

    def read_finished(self):
        """Finished replicates.

        Returns
        -------
        dict of int to Fitted
        """
        found = {}
        for path in sorted(self.folder.glob(FINISHED)):
            try:
                tensors, facts = self._read(path)
                history = _dicts(tensors.pop("history"))
                weights = {name.removeprefix("weights/"): tensor for name, tensor in tensors.items()}
                found[facts["number"]] = Fitted(facts["number"], weights, history, facts["best_epoch"])
            except BrokenCheckpoint as error:
                self._tell_broken(error)
                path.unlink()
        return found

    def read_state(self, replicates, staged, settings):
        """Where the training stood.

        Parameters
        ----------
        replicates : dict of int to Replicate
        staged : Staged
        settings : dict

        Returns
        -------
        State or None
            None: there is none, or it is broken.
        """
        path = self.folder / TRAINING
        if not path.exists():
            return None
        try:
            tensors, facts = self._read(path)
        except BrokenCheckpoint as error:
            self._tell_broken(error)
            path.unlink()
            return None
        groups = {group: {} for group in ("network", "best", "optimiser")}
        for name, tensor in tensors.items():
            group, _, rest = name.partition("/")
            if group in groups:
                groups[group][rest] = tensor
        chosen = [replicates[number] for number in facts["replicates"]]
        template = fresh_network(staged.sizes, settings, 0)
        network = stack([template] * len(chosen), facts["arrangement"])
        own = network.stacked_state()
        for name, tensor in groups["network"].items():
            own[name].copy_(tensor)
        network = network.to(staged.device)
        history = [_dicts(rows[:count]) for rows, count in zip(tensors["history"], facts["epochs"], strict=True)]
        return State(
            chosen,
            facts["epoch"],
            np.array(facts["active"]),
            network,
            restore_optimiser(network, settings, groups["optimiser"]),
            {name: tensor.to(staged.device) for name, tensor in groups["best"].items()},
            np.array(facts["best_epoch"], np.int64),
            np.array(facts["best_score"], np.float64),
            history,
        )


def _rows(history):
    """History as float64 (epochs, columns)."""
    return torch.tensor([[row[name] for name in COLUMNS] for row in history], dtype=torch.float64).view(
        -1, len(COLUMNS)
    )


def _dicts(rows):
    """The same back."""
    return [
        {name: int(value) if name == "epoch" else value for name, value in zip(COLUMNS, row, strict=True)}
        for row in rows.tolist()
    ]
