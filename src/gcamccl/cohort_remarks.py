"""What to know of a cohort before trusting it, in sentences for the log and the report."""

import numpy as np
import pandas as pd

from gcamccl.cohort import TEST

SHOWN = 5  # people or pairs named in one sentence
SAME_DNA = "duplicate or monozygotic twin"  # relation in genotype_qc's relatedness.tsv


def remarks(cohort, pairs=None, flags=None):
    """What to know of a cohort before trusting it, a sentence each: missing connections, relatives, doubtful samples.

    Parameters
    ----------
    cohort : Cohort
    pairs : DataFrame, optional
        As `gcamccl.cohort_files.read_relatives` returns them.
    flags : Series, optional
        The same.

    Returns
    -------
    list of str
    """
    lines = [*_missing_connections(cohort), *_units(cohort)]
    return lines + doubtful_samples(cohort.table, pairs, flags)


def _missing_connections(cohort):
    """How many connections are missing: they are allowed, and filled from the training part later."""
    if cohort.fc is None:
        return
    above = np.triu_indices(cohort.fc.shape[1], 1)
    missing = np.isnan(cohort.fc[:, above[0], above[1]])
    if missing.any():
        yield (
            f"{int(missing.any(axis=1).sum())} people lack connections, {missing.mean():.2%} of all: filled by the "
            "training part's means when models are fitted"
        )


def _units(cohort):
    """Relatives kept together, and those whom no test part has a place for."""
    units = cohort.table["relatives"].dropna()
    if units.empty:
        return
    yield f"{len(units)} people in {units.nunique()} units of relatives, each in one part of every split"
    classes = pd.crosstab(units, cohort.labels[0][units.index]).reindex(columns=[0, 1], fill_value=0)
    places = [max(((split == TEST) & (cohort.labels[0] == label)).sum() for split in cohort.splits) for label in (0, 1)]
    large = units[units.map((classes > places).any(axis=1))]
    if len(large):
        yield f"{len(large)} people are never tested, since their unit of relatives is larger than a test part"


def doubtful_samples(table, pairs, flags):
    """Samples in the groups that may be somebody else's: two ids with one DNA, a sex that is not the recorded one.

    Parameters
    ----------
    table : DataFrame
        ``cohort.tsv``.
    pairs, flags
        As `gcamccl.cohort_files.read_relatives` returns them, or None.

    Returns
    -------
    list of str
    """
    lines, people = [], table[table["genotype_id"].notna()].set_index("genotype_id")
    named = people["participant_id"] + " (" + people["group"] + ")"
    if pairs is not None:
        ends = [pairs["genotype_id_1"], pairs["genotype_id_2"]]
        same = pairs[(pairs["relation"] == SAME_DNA) & ends[0].isin(people.index) & ends[1].isin(people.index)]
        one, other = same["genotype_id_1"], same["genotype_id_2"]
        apart = int((people["group"].reindex(one).to_numpy() != people["group"].reindex(other).to_numpy()).sum())
        if len(same):
            twins = [f"{named[a]} and {named[b]}" for a, b in zip(one, other, strict=True)]
            lines.append(
                f"The same DNA under two ids, {apart} of {len(same)} across the groups: {_list(twins)}. Monozygotic "
                "twins, or one sample under a wrong id: whose scan and score belong to it?"
            )
    if flags is not None:
        odd = flags[flags.str.split(";").map(lambda own: "sex_mismatch" in own)].index
        odd = named[named.index.isin(odd)].tolist()
        if odd:
            lines.append(
                f"The genotypes of {len(odd)} people in the groups are not of the recorded sex, so they may be "
                f"somebody else's: {_list(odd)}. genotype_qc.remove_sex_mismatch leaves them out."
            )
    return lines


def _list(names):
    """Names joined, the first few of them."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
