"""Learning curves over replicates."""

import numpy as np

from gcamccl.report.figures import style
from gcamccl.report.training import SCORES


def curves(history, replicates, select_on="loss"):
    """Training loss and validation scores by epoch, median and range over replicates, and the epochs kept.

    Parameters
    ----------
    history : DataFrame
        replicate, epoch, train_loss, validation_loss, validation_cross_entropy, validation_auc.
    replicates : DataFrame
        replicate, permutation, best_epoch, epochs.
    select_on : {'loss', 'cross_entropy', 'auc'}
        The validation score that picked the epoch.
    """
    drawing, axes = style.figure(7.2, 4.6, rows=2, columns=2)
    column, name = SCORES[select_on]
    other = SCORES["loss"] if select_on == "auc" else SCORES["auc"]
    table = history.merge(replicates[["replicate", "permutation"]], on="replicate")
    groups = (
        (True, style.COLOURS["permuted"], "--", "permuted labels"),
        (False, style.COLOURS["high"], "-", "true labels"),
    )
    for axis, what, title in (
        (axes[0, 0], "train_loss", "training loss"),
        (axes[0, 1], column, f"{name} (picks the epoch)"),
        (axes[1, 0], *other),
    ):
        for permuted, colour, dash, text in groups:
            own = table[(table["permutation"] > 0) == permuted]
            if own.empty:
                continue
            # Early stopping ends replicates at different epochs: drawn while at least half of them still train.
            over = own.groupby("epoch")[what].agg(["median", "min", "max", "size"])
            over = over[over["size"] * 2 >= over["size"].max()]
            epoch = over.index + 1
            axis.fill_between(epoch, over["min"], over["max"], color=colour, alpha=0.2, lw=0)
            axis.plot(epoch, over["median"], dash, color=colour, lw=1.8, label=f"{text}: median, range")
        axis.set_title(title)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(style.plt.MaxNLocator(5, integer=True))
        if what == "validation_auc":
            axis.axhline(0.5, color="#555555", lw=0.8, ls=":")
            axis.set_ylim(-0.02, 1.02)
    _kept(axes[1, 1], replicates, groups)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return drawing


def _kept(axis, replicates, groups):
    """Histogram of the epochs kept."""
    edges = np.linspace(0.5, max(int(replicates["epochs"].max()), 1) + 0.5, 26)
    for permuted, colour, dash, _ in groups:
        own = replicates.loc[(replicates["permutation"] > 0) == permuted, "best_epoch"] + 1
        if len(own):
            weights = np.full(len(own), 1 / len(own))
            style_of = {"histtype": "step", "ls": dash, "lw": 1.5} if permuted else {"alpha": 0.75}
            axis.hist(own, edges, weights=weights, color=colour, **style_of)
    axis.set_title("epoch kept")
    axis.set_xlabel("epoch")
    axis.set_ylabel("share of replicates")
    axis.xaxis.set_major_locator(style.plt.MaxNLocator(5, integer=True))
