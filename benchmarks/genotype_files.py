"""SNP arrays of the size of a real study for `benchmarks/genotype.py`: many SNPs, people of two populations, LD."""

from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed

COMPLEMENT = str.maketrans("ACGT", "TGCA")
PAIRS = np.array(["AG", "CT", "AC", "GT", "AT", "CG"])
PAIR_SHARES = [0.38, 0.38, 0.1, 0.1, 0.02, 0.02]  # transitions twice as frequent; few of ambiguous strand
LD_BLOCK = 20  # SNPs that copy one another
COPIED = 0.97  # of a haplotype's alleles come from the first SNP: r2 of .88 to .94, around the limit of .9
MISSING = 0.01
DRIFT = 0.15  # SD on the logit scale between the two populations
FLIPPED, RENAMED, MOVED = 0.3, 0.02, 0.005
BLOCK = 10_000  # SNPs simulated at a time


def sites(n, rng):
    """A DataFrame of `n` SNPs on 22 autosomes, sorted: chrom (text), id, cm, pos, a1, a2."""
    chrom = np.sort(rng.integers(1, 23, n))
    pos = np.concatenate([np.sort(rng.choice(10**8, count, False)) for count in np.bincount(chrom)[1:]]) + 10_000
    pair = rng.choice(PAIRS, n, p=PAIR_SHARES)
    turned = rng.random(n) < 0.5
    first, second = (np.array([text[k] for text in pair]) for k in (0, 1))
    return pd.DataFrame(
        {
            "chrom": chrom.astype(str),
            "id": [f"rs{number}" for number in range(10_000, 10_000 + n)],
            "cm": 0,
            "pos": pos,
            "a1": np.where(turned, second, first),
            "a2": np.where(turned, first, second),
        }
    )


def write_array(prefix, table, frequency, people, rng, missing=MISSING):
    """Write a fileset of simulated calls.

    Parameters
    ----------
    prefix : Path
    table : DataFrame
        `bed.BIM` columns.
    frequency : float array (SNPs,)
        Of A1; the second half of the people has drifted frequencies.
    people : list of str
    rng : numpy.random.Generator
    missing : float
        Share of calls that are missing.
    """
    prefix, n = Path(prefix), len(people)
    with bed.path(prefix, ".bed").open("wb") as handle:
        handle.write(bed.MAGIC + bytes([bed.SNP_MAJOR]))
        for first in range(0, len(table), BLOCK):
            handle.write(_calls(frequency[first : first + BLOCK], n, missing, rng))
    bed.write_bim(table, bed.path(prefix, ".bim"))
    fam = pd.DataFrame({"fid": people, "iid": people, "father": "0", "mother": "0", "sex": "0", "phenotype": "-9"})
    bed.write_fam(fam, bed.path(prefix, ".fam"))


def _calls(frequency, n_people, missing, rng):
    """Packed calls of some SNPs, in blocks of SNPs that copy the block's first."""
    n = len(frequency)
    drift = rng.normal(0, DRIFT, n)
    odds = np.log(frequency / (1 - frequency))
    second = np.arange(n_people) >= n_people // 2
    leader = np.arange(n) // LD_BLOCK * LD_BLOCK
    copies = np.zeros((n, n_people), np.int8)
    for _ in range(2):
        level = rng.random((n, n_people), np.float32)
        copied = rng.random((n, n_people), np.float32) < COPIED
        level = np.where(copied, level[leader], level)
        threshold = np.where(second, (1 / (1 + np.exp(-odds - drift)))[:, None], frequency[:, None])
        copies += level < threshold
    copies[rng.random((n, n_people), np.float32) < missing] = bed.MISSING
    return bed.pack(copies).tobytes()


def write_three_arrays(folder, n_common, sizes, n_people, seed):
    """Three arrays with `n_common` SNPs in common, each of `n_people` people of its own; returns their prefixes.

    The second reports some SNPs on the other strand; the third names some otherwise and has some elsewhere.
    """
    rng = np.random.default_rng(seed)
    everything = sites(n_common + sum(sizes) - 3 * n_common, rng)
    frequency = rng.uniform(0.06, 0.94, len(everything))
    order = rng.permutation(len(everything))
    common, start, prefixes = order[:n_common], n_common, []
    for number, size in enumerate(sizes):
        own = order[start : start + size - n_common]
        start += size - n_common
        rows = np.sort(np.concatenate([common, own]))
        table = everything.iloc[rows].reset_index(drop=True)
        if number == 1:
            flip = rng.random(size) < FLIPPED
            for column in ("a1", "a2"):
                table[column] = np.where(flip, table[column].str.translate(COMPLEMENT), table[column])
        if number == 2:
            renamed = rng.random(size) < RENAMED
            table["id"] = np.where(renamed, "kgp" + table["id"].str[2:], table["id"])
            table["pos"] += np.where(rng.random(size) < MOVED, 137, 0)
        prefixes.append(Path(folder) / f"array{number + 1}")
        people = [f"a{number + 1}p{person:04d}" for person in range(n_people)]
        write_array(prefixes[-1], table, frequency[rows], people, rng)
    return prefixes
