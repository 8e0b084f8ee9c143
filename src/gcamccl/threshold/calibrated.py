"""The calibrated selection of a study: reads what the halves nominate and has the other halves confirm it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from sklearn.svm import SVC

from gcamccl.cohort import TEST, TRAIN, Cohort, relatives
from gcamccl.confounds import ALL, available, confound_features
from gcamccl.shards import check_distinct, shard_folders
from gcamccl.threshold.confirm import combine, confirmed, nothing
from gcamccl.workflow.errors import InputError

NOMINATORS = ("network", "linear")
WINDOW = 50  # SNPs before one that may belong to its LD block, as PLINK's --indep-pairwise 50 of the paper's QC


@dataclass(frozen=True)
class Halves:
    """What the calibrated selection is made from.

    Attributes
    ----------
    cohort : gcamccl.cohort.Cohort
        As `gcamccl.cohort_files.for_confirmation` returns it.
    nominations : dict of str to ndarray of float32 (features,)
        ``<replicate:04d>/<view>``, with as many label rows as the cohort has here.
    """

    cohort: Cohort
    nominations: dict


def shard_files(folders):
    """Files of nominations in the folders, or in their ``halvings-<first>-<last>``."""
    return [
        place / "nominations.safetensors" for place in shard_folders(folders, "nominations.safetensors", "halvings")
    ]


def read_nominations(folders, label_rows):
    """Nominations of all shards: dict of str to ndarray of float32 (features,).

    Parameters
    ----------
    folders : list of Path
    label_rows : int
        Of the cohort as `gcamccl.cohort_files.for_confirmation` returns it: replicates are numbered by them.

    Raises
    ------
    InputError
        No shard in a folder, a broken file, another number of label rows, a nomination that two shards hold, values
        that are not finite.
    """
    found, places = {}, []
    for path in shard_files(map(Path, folders)):
        try:
            with safe_open(str(path), framework="np") as file:
                rows = (file.metadata() or {}).get("label_rows")
                if rows != str(label_rows):
                    raise InputError(
                        path,
                        f"made with {rows} label rows, not {label_rows}",
                        "give the same --permutations as to activation_nominate.py",
                    )
                places += [(path, name) for name in file.keys()]  # noqa: SIM118 (not a dict)
                for name in file.keys():  # noqa: SIM118
                    found[name] = file.get_tensor(name)
                    if not np.isfinite(found[name]).all():
                        raise InputError(path, f"{name} holds values that are not finite", "run activation again")
        except (SafetensorError, OSError) as error:
            raise InputError(path, f"not a safetensors file: {error}", "run the activation stage again") from None
    check_distinct(places)
    return found


def feature_reader(cohort, view):
    """Number of features of a view, and a function from their numbers to everybody's values (n, features)."""
    if view == "snps":
        return cohort.n_loci, lambda features: cohort.dosage[:, features]
    rows, columns = np.triu_indices(cohort.n_rois, 1)
    return len(rows), lambda features: cohort.fc[:, rows[features], columns[features]]


def linear_importance(values, labels, rows):
    """Weights of a linear support vector machine trained on some people: ndarray of float64 (features,).

    Features are standardised on those people; a missing value is their mean.
    """
    own = np.asarray(values[rows], dtype=np.float64)
    missing = np.isnan(own)
    mean = np.where(missing, 0, own).sum(axis=0) / np.maximum(1, (~missing).sum(axis=0))
    own = np.where(missing, 0, own - mean)
    spread = own.std(axis=0)
    own /= np.where(spread > 0, spread, 1)
    machine = SVC(kernel="precomputed", class_weight="balanced").fit(own @ own.T / own.shape[1], labels[rows])
    return machine.dual_coef_[0] @ own[machine.support_]


def select(halves, view, row, settings, nominator="network"):
    """The selection in one view.

    Parameters
    ----------
    halves : Halves
    view : str
    row : int
        Of the labels; 0: the true ones.
    settings : dict
        The config section ``threshold``.
    nominator : {"network", "linear"}
        Who nominates: gCAM-CCL, or a linear support vector machine trained on the same half, as a yardstick.

    Returns
    -------
    gcamccl.threshold.confirm.Confirmation

    Raises
    ------
    InputError
        Nominations of another cohort.
    """
    cohort = halves.cohort
    labels, order = cohort.labels[row].astype(np.int64), cohort.permutations[row]
    size, values = feature_reader(cohort, view)
    if not size:
        return nothing(0)
    columns = available(cohort.table, settings["covariates"]).get(ALL, [])
    kin = relatives(cohort.table)
    found = []
    for half, split in enumerate(cohort.splits):
        parts = split[order]
        rows = np.flatnonzero(parts == TEST)
        if nominator == "network":
            name = f"{half * len(cohort.labels) + row:04d}/{view}"
            importance = halves.nominations.get(name)
            if importance is None or len(importance) != size:
                raise InputError(
                    "nominations.safetensors",
                    f"no {name} of {size} features",
                    "give the nominations of this cohort's halvings",
                )
        else:
            importance = linear_importance(values(np.arange(size)), labels, np.flatnonzero(parts == TRAIN))
        covariates = confound_features(cohort.table, columns, rows) if columns else None
        found.append(confirmed(importance, values, labels, rows, covariates, settings["nominate_share"], kin))
    p, direction = (np.stack(part) for part in zip(*found, strict=True))
    return combine(p, direction)


def ld_blocks(dosage, chrom, pos, min_r2):
    """Runs of SNPs in linkage disequilibrium, along each chromosome.

    Parameters
    ----------
    dosage : ndarray of float (people, snps)
    chrom, pos : sequence (snps,)
    min_r2 : float
        A SNP joins the block before it if its r2 with one of the block's last `WINDOW` SNPs is at least this.

    Returns
    -------
    ndarray of int (snps,)
        Number of each SNP's block, from 0, along chromosomes in the order in which they come.
    """
    values = np.asarray(dosage, dtype=np.float64)
    values = values - values.mean(axis=0)
    size = np.sqrt((values**2).sum(axis=0))
    values = values / np.where(size > 0, size, 1)
    block, number, members = np.empty(len(pos), dtype=int), -1, []
    places = {name: place for place, name in enumerate(dict.fromkeys(chrom))}
    last = None
    for snp in sorted(range(len(pos)), key=lambda one: (places[chrom[one]], pos[one])):
        near = members[-WINDOW:]
        if chrom[snp] != last or not near or ((values[:, near].T @ values[:, snp]) ** 2).max() < min_r2:
            number, members, last = number + 1, [], chrom[snp]
        members.append(snp)
        block[snp] = number
    return block
