"""Sex by the X chromosome of each array, beside the recorded ones."""

from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import FEW_PEOPLE, plink

X, Y = "23", "24"
# Between the pseudo-autosomal regions of X, bp, GRCh37: what PLINK's --split-x b37 leaves on X.
X_ONLY = (2_699_520, 154_931_044)
FEMALE_MAX_F, MALE_MIN_F = 0.2, 0.8  # PLINK's own limits
# Independent SNPs of X: with fewer the standard error of a woman's F, about 1 / sqrt(SNPs), is above 0.1, half a limit.
MIN_X_SNPS = 100
PRUNE = (50, 5, 0.5)  # window and step in SNPs, r2; PLINK's manual asks for rough linkage equilibrium
MIN_Y_SNPS = 5
Y_CALLED = 0.5  # share of Y calls: women have next to none, men nearly all
CODES = {"1": "M", "2": "F"}  # of a .fam
COLUMNS = ["genotype_id", "array", "fam_sex", "f", "n_x_snps", "y_call_rate", "n_y_snps", "genotype_sex"]


def sex_check(prefix, bim, fam, name, scratch):
    """Sex of everybody on one array by heterozygosity on X (PLINK 1.9 ``--check-sex``), and the share of Y calls.

    On the array as it came: harmonisation keeps autosomes only. X outside the pseudo-autosomal regions of GRCh37, its
    SNPs pruned first (``--indep-pairwise``). Allele frequencies are those of the array's people.

    Parameters
    ----------
    prefix : str or Path
        The array's fileset.
    bim, fam : DataFrame
        Its checked tables.
    name : str
        Of the array.
    scratch : Path
        Prefix of intermediate files.

    Returns
    -------
    table : DataFrame
        One row a person: genotype_id, array, fam_sex (M, F, missing), f (inbreeding coefficient of X: about 1 in men,
        about 0 in women; missing where it could not be computed), n_x_snps (called, pruned), y_call_rate, n_y_snps,
        genotype_sex (M: f above 0.8, F: below 0.2, else ``unclear``; missing where f is).
    notes : list of str
        What could not be done, and why.
    """
    table = pd.DataFrame({"genotype_id": fam["iid"], "array": name, "fam_sex": fam["sex"].map(CODES)})
    table["f"], table["n_x_snps"], table["genotype_sex"] = np.nan, 0, None
    table["y_call_rate"], table["n_y_snps"] = _y_calls(prefix, bim, len(fam))
    on_x = np.flatnonzero((bim["chrom"] == X) & bim["pos"].between(*X_ONLY, inclusive="neither"))
    on_x = on_x[np.argsort(bim["pos"].to_numpy()[on_x], kind="stable")]  # PLINK prunes in order of position only
    if len(on_x) < MIN_X_SNPS:
        return table[COLUMNS], [
            f"{name}: {len(on_x)} SNPs on X outside the pseudo-autosomal regions, at least {MIN_X_SNPS} are needed; "
            "sex was not checked"
        ]
    found, n_pruned = _check(prefix, bim, fam, on_x, Path(scratch))
    if n_pruned < MIN_X_SNPS:
        return table[COLUMNS], [
            f"{name}: {n_pruned} SNPs of X are left when those in linkage disequilibrium are pruned, at least "
            f"{MIN_X_SNPS} are needed; sex was not checked"
        ]
    table["f"], table["n_x_snps"] = found["F"].to_numpy(float), n_pruned
    table["genotype_sex"] = by_f(table["f"])
    notes = []
    if len(fam) < FEW_PEOPLE:
        notes.append(f"{name}: allele frequencies of X come from {len(fam)} people, so F on X is rough")
    return table[COLUMNS], notes


def by_f(f):
    """M, F, ``unclear`` or None of inbreeding coefficients of X (PLINK's limits: F below 0.2, M above 0.8)."""
    f = np.asarray(f, float)
    result = np.full(len(f), None, object)
    result[np.isfinite(f)] = "unclear"
    result[f < FEMALE_MAX_F] = "F"
    result[f > MALE_MIN_F] = "M"
    return result


def _check(prefix, bim, fam, rows, scratch):
    """PLINK's table, in the order of the ``.fam``, and the number of SNPs it used."""
    calls = bed.read_bed(prefix, len(fam), rows)
    # Neutral ids, and alleles: they may repeat on an array, or be what PLINK cannot read.
    snps = bim.iloc[rows].assign(id=[f"x{row}" for row in rows], a1="A", a2="C", cm=0)
    ids = [f"p{row}" for row in range(len(fam))]
    people = fam.assign(fid=ids, iid=ids, father="0", mother="0", phenotype="-9")
    bed.write_fileset(f"{scratch}.x", calls, snps, people)
    plink("--bfile", f"{scratch}.x", "--indep-pairwise", *PRUNE, "--out", f"{scratch}.x")
    kept = bed.path(scratch, ".x.prune.in")
    n_kept = sum(1 for _ in kept.open(encoding="utf-8"))
    if n_kept < MIN_X_SNPS:
        return None, n_kept
    plink(
        "--bfile", f"{scratch}.x", "--extract", kept, "--check-sex", FEMALE_MAX_F, MALE_MIN_F, "--out", f"{scratch}.x"
    )  # fmt: skip
    found = pd.read_csv(bed.path(scratch, ".x.sexcheck"), sep=r"\s+", dtype={"IID": str})
    return found.set_index("IID").loc[ids], n_kept


def _y_calls(prefix, bim, n_people):
    """Share of each person's calls on Y, NaN where the array has too few such SNPs, and their number."""
    rows = np.flatnonzero(bim["chrom"] == Y)
    if len(rows) < MIN_Y_SNPS:
        return np.full(n_people, np.nan), len(rows)
    return (bed.read_bed(prefix, n_people, rows) >= 0).mean(axis=0), len(rows)


def of_people(table):
    """One genotype sex a person, over the arrays they are on.

    Parameters
    ----------
    table : DataFrame
        Rows of `sex_check`, all arrays together.

    Returns
    -------
    Series
        Indexed by genotype_id: M, F, ``unclear`` (also where arrays disagree), or missing.
    """
    known = table.dropna(subset=["genotype_sex"])
    one = known.groupby("genotype_id")["genotype_sex"].agg(lambda s: s.iloc[0] if (s == s.iloc[0]).all() else "unclear")
    return one.reindex(table["genotype_id"].unique())
