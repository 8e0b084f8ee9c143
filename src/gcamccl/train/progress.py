"""Lines about a training that may take seconds or days."""

import time

import numpy as np

SECONDS_BETWEEN_LINES = 5.0
LONGEST_SECONDS = 600.0
LINES_BEFORE_THEY_THIN = 50  # a line at least each fiftieth of the time so far: a few hundred lines a day
FEW = 20  # replicates of a job up to which each gets a line when it finishes


class Progress:
    """One line every few seconds at first, every few minutes later.

    Parameters
    ----------
    say : callable
        Prints a line.
    replicates : int
        How many this job trains.
    epochs : int
        Maximum of each; early stopping makes the time left an upper estimate.
    """

    def __init__(self, say, replicates, epochs):
        self.say, self.replicates, self.epochs = say, replicates, epochs
        self.finished = 0  # replicates
        self.ahead = 0  # replicate-epochs that are over or, after early stopping, not needed
        self.done, self.started, self.last = 0, time.monotonic(), -np.inf

    def resumed(self, finished, state, other):
        """Say what a checkpoint had; `gcamccl.train.replicates.train_replicates` calls it."""
        under_way = (
            [] if state is None else [len(rows) for rows, on in zip(state.history, state.active, strict=True) if on]
        )
        self.finished += finished
        self.ahead += finished * self.epochs + sum(under_way)
        self.say(
            f"going on from a checkpoint: {finished} replicates had finished"
            + (f", {len(under_way)} go on after epoch {state.epoch}" if under_way else "")
        )
        if other:
            self.say(f"the checkpoint is of another environment, bits may differ: {'; '.join(other)}")

    def epoch(self, state, columns, seconds):
        """After an epoch of one or more replicates side by side; `gcamccl.train.fit.fit` calls it as ``report``."""
        lengths = np.array([len(rows) for rows in state.history])
        worked = lengths == state.epoch  # those that had not finished before
        self.done += int(worked.sum())
        stopped = worked & ~state.active
        self.finished += int(stopped.sum())
        self.ahead += int(worked.sum()) + int((self.epochs - lengths[stopped]).sum())
        now = time.monotonic()
        if self.replicates <= FEW:
            for place in np.flatnonzero(stopped):
                self.say(
                    f"replicate {state.replicates[place].number}: {lengths[place]} epochs, best is"
                    f" {state.best_epoch[place] + 1}"
                )
        pause = np.clip((now - self.started) / LINES_BEFORE_THEY_THIN, SECONDS_BETWEEN_LINES, LONGEST_SECONDS)
        if now - self.last < pause and self.finished < self.replicates:
            return
        self.last = now
        rate = self.done / max(now - self.started, 1e-9)
        left = (self.replicates * self.epochs - self.ahead) / rate
        numbers = [state.replicates[place].number for place in np.flatnonzero(worked)]
        who = f"replicate {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} replicates at once"
        self.say(
            f"{self.finished} of {self.replicates} replicates done; {who}, epoch {state.epoch} of {self.epochs}:"
            f" loss {_spread(columns['train_loss'][worked])}, validation loss"
            f" {_spread(columns['validation_loss'][worked])}, AUC {_spread(columns['validation_auc'][worked])},"
            f" best epoch {_spread(state.best_epoch[worked] + 1, '.0f')};"
            f" {rate:.3g} replicate-epochs/s, at most {duration(left)} left"
        )


def _spread(values, form=".3f"):
    """One value, or median and range."""
    if len(values) == 1:
        return f"{values[0]:{form}}"
    return f"{np.median(values):{form}} ({values.min():{form}}-{values.max():{form}})"


def duration(seconds):
    """Seconds in words: 42 s, 12 min, 3.4 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
