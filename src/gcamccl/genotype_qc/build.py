"""Whether an array's positions are GRCh37: against chromosome ends, landmarks and known positions of its rsIDs."""

import pandas as pd

from gcamccl.genotype_qc.genome_builds import (
    COMMON_NAMES,
    LANDMARKS,
    LENGTHS,
    MAX_MOVED,
    MIN_FOR_BUILD_CHECK,
    STUDY_BUILD,
)
from gcamccl.genotype_qc.known_positions import with_rs
from gcamccl.workflow.errors import InputError

MIN_LANDMARKS = 2
MIN_BEYOND_END = 5  # SNPs beyond the end of their chromosome: fewer may be slips of single positions
POSITIONS = ["array", "id", "chrom", "pos", "known_chrom", "known_pos", "why"]
LIFT = "lift the genotypes over to GRCh37 (hg19) first"


def check_build(name, bim, known=None, where=None, header=None, say=print):
    """Compare an array's positions with what is known of GRCh37.

    Parameters
    ----------
    name : str
        The array.
    bim : DataFrame
        From `validate.check_bim`.
    known : DataFrame, optional
        From `known_positions`: id, chrom, pos.
    where : str, optional
        Where `known` comes from, for messages.
    header : dict of str to int, optional
        Chromosome lengths that the header of the array's own VCF states.
    say : callable

    Returns
    -------
    DataFrame
        Columns `POSITIONS`: SNPs that lie elsewhere than known (why ``position_differs``; known_pos of the build's
        known position) or beyond the end of their chromosome (``beyond_chromosome_end``; known_pos its length).

    Raises
    ------
    InputError
        The positions are of another build; names the one they look like, if something tells.
    """
    beyond = beyond_ends(bim, STUDY_BUILD)
    if len(beyond) >= MIN_BEYOND_END:
        row = beyond.iloc[0]
        end = LENGTHS[STUDY_BUILD][row["chrom"]]
        _refuse(
            name, bim, f"{len(beyond)} SNPs lie beyond the end of their chromosome, such as {row['id']} at"
            f" {row['chrom']}:{row['pos']} (end: {end})", header,
        )  # fmt: skip
    votes = landmark_votes(bim)
    n_landmarks = int(sum(votes.values()))
    if n_landmarks >= MIN_LANDMARKS and votes[STUDY_BUILD] < (1 - MAX_MOVED) * n_landmarks:
        best = max(votes, key=votes.get)
        _refuse(name, bim, f"{votes[best]} of {n_landmarks} well-known SNPs lie where {best} has them", header)
    moved, compared = elsewhere(bim, known) if known is not None else (pd.DataFrame(columns=POSITIONS[1:-1]), 0)
    if compared >= MIN_FOR_BUILD_CHECK and len(moved) > MAX_MOVED * compared:
        row = moved.iloc[0]
        _refuse(
            name, bim, f"{len(moved)} of {compared} SNPs with an rsID of {where} lie elsewhere, such as {row['id']},"
            f" here {row['chrom']}:{row['pos']}, there {row['known_chrom']}:{row['known_pos']}", header,
        )  # fmt: skip
    stated = stated_build(header or {})
    confirmed = votes[STUDY_BUILD] >= MIN_LANDMARKS or compared >= MIN_FOR_BUILD_CHECK
    if stated not in (None, STUDY_BUILD):
        if not confirmed:
            _refuse(
                name, bim, "the header of its VCF states the chromosome lengths of another build", header,
                f"{LIFT}, or prove the header wrong by study.known_positions",
            )  # fmt: skip
        say(f"WARNING: {name}: its header states the lengths of {stated}, but its positions are {STUDY_BUILD}")
    if compared:
        say(f"{name}: {len(moved)} of {compared} SNPs with an rsID of {where} lie elsewhere")
    elif known is not None:
        say(f"{name}: no rsID in common with {where}; its genome build is not checked against it")
    if not confirmed and stated is None:
        say(f"{name}: too few known SNPs on it to tell the genome build; it is taken for {STUDY_BUILD}")
    beyond = beyond.assign(
        known_chrom=beyond["chrom"], known_pos=beyond["chrom"].map(LENGTHS[STUDY_BUILD]), why="beyond_chromosome_end"
    )
    table = pd.concat([moved.assign(why="position_differs"), beyond], ignore_index=True)
    return table.assign(array=name)[POSITIONS]


def _refuse(name, bim, what, header, todo=LIFT):
    likely = likely_build(bim, header)
    looks = f"; they look like {COMMON_NAMES[likely]}" if likely else ""
    raise InputError(name, f"positions are not {STUDY_BUILD}: {what}{looks}", todo)


def beyond_ends(bim, build):
    """Rows id, chrom, pos of SNPs beyond the end of their chromosome in a build."""
    length = bim["chrom"].map(LENGTHS[build])
    return bim.loc[bim["pos"] > length, ["id", "chrom", "pos"]]


def landmark_votes(bim):
    """Number of landmarks on the array that lie where each build has them."""
    places = {name: (chrom, pos) for name, chrom, pos in zip(*_landmarks_on(bim), strict=True)}
    return {
        build: sum(places.get(name) == (row[0], row[1 + number]) for name, row in LANDMARKS.items())
        for number, build in enumerate(LENGTHS)
    }


def _landmarks_on(bim):
    here = bim[bim["id"].isin(list(LANDMARKS))]
    return here["id"], here["chrom"], here["pos"]


def elsewhere(bim, known):
    """SNPs that lie elsewhere than known.

    Returns
    -------
    moved : DataFrame
        id, chrom, pos, known_chrom, known_pos.
    compared : int
        SNPs whose id is known.
    """
    pairs = with_rs(bim)[["id", "chrom", "pos"]].merge(
        known.rename(columns={"chrom": "known_chrom", "pos": "known_pos"}), on="id"
    )
    same = (pairs["chrom"] == pairs["known_chrom"]) & (pairs["pos"] == pairs["known_pos"])
    good = set(pairs["id"][same])
    moved = pairs[~pairs["id"].isin(list(good))].drop_duplicates("id")
    return moved, pairs["id"].nunique()


def stated_build(lengths):
    """The build whose chromosome lengths a VCF header states; None if it states none, or fits none."""
    fits = {
        build: sum(length == ends.get(chrom) for chrom, length in lengths.items()) for build, ends in LENGTHS.items()
    }
    best = max(fits, key=fits.get)
    return best if fits[best] else None


def likely_build(bim, header=None):
    """The build that landmarks, a VCF header or chromosome ends speak for, other than GRCh37; None: nothing does."""
    votes = {build: count for build, count in landmark_votes(bim).items() if build != STUDY_BUILD}
    best = max(votes, key=votes.get)
    if votes[best]:
        return best
    stated = stated_build(header or {})
    if stated not in (None, STUDY_BUILD):
        return stated
    overshoot = {build: len(beyond_ends(bim, build)) for build in votes}
    fitting = [build for build, count in overshoot.items() if count < MIN_BEYOND_END]
    return fitting[0] if len(fitting) == 1 and len(beyond_ends(bim, STUDY_BUILD)) >= MIN_BEYOND_END else None
