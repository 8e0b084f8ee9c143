"""Faults of single probes: planted into arrays that are written, so that everything else stays as it was."""

from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.simulate.layout import ARRAYS

COMPLEMENT = str.maketrans("ACGT", "TGCA")
# Probes with each fault, as shares of the SNPs that all arrays carry; at least two each.
SHARES = {"moved": 0.005, "wrong_snp": 0.005, "duplicate_discordant": 0.005, "id_clash": 0.005, "three_alleles": 0.005}
ARRAY_OF = {
    "ambiguous_flipped": "hh550",
    "moved": "hh610",
    "duplicate_discordant": "hh610",
    "wrong_snp": "hh550",
    "three_alleles": "hh550",
    "id_clash": "omni",
}
AMBIGUOUS_FLIPPED = 0.5  # of the A/T and C/G SNPs, on hh550
WRONG_DIFFERENCE = 0.35  # least difference of frequency between a SNP and the one its probe measures instead
MOVED_BP = 171
LOWER_CASE = "omni"  # this array writes alleles in lower case and chromosomes as chr21


def plant(folder, genome, taken, protect, rng):
    """Plant faults into written filesets.

    Parameters
    ----------
    folder : Path
        Holds the filesets.
    genome : gcamccl.simulate.genome.Genome
    taken : iterable of str
        SNP ids with another fault.
    protect : iterable of str
        SNP ids that get none.
    rng : numpy.random.Generator

    Returns
    -------
    list of tuple
        array, id, array_id, fault: ``ambiguous_flipped`` (A/T or C/G, reported on the other strand), ``moved``,
        ``wrong_snp`` (the probe measures another SNP), ``duplicate_discordant`` (a second probe that measures another
        SNP), ``id_clash`` (the SNP has another id, and its own id is that of a SNP elsewhere), ``three_alleles`` (a
        second probe with another pair of alleles).
    """
    core = genome.variants[genome.variants["core"]]
    ambiguous = (core["ref"] + core["alt"]).isin(["AT", "TA", "CG", "GC"])
    free = core["id"][~ambiguous & ~core["id"].isin({*taken, *protect})]
    free = list(rng.permutation(free.to_numpy()))
    unclear = core["id"][ambiguous & ~core["id"].isin({*protect})].to_numpy()
    chosen = {"ambiguous_flipped": rng.choice(unclear, round(AMBIGUOUS_FLIPPED * len(unclear)), replace=False)}
    for fault, share in SHARES.items():
        number = max(2, round(share * len(core)))
        chosen[fault], free = free[:number], free[number:]
    own = genome.variants["id"][~genome.variants["core"]].to_numpy()
    planted = []
    for array in ARRAYS:
        planted += _plant_array(Path(folder) / array, array, chosen, own, rng)
    return planted


def write_dialects(folder):
    """Spell the written array `LOWER_CASE` as some providers do; its calls stay as they are."""
    prefix = Path(folder) / LOWER_CASE
    bim = bed.read_bim(prefix)
    bim = bim.assign(chrom="chr" + bim["chrom"], a1=bim["a1"].str.lower(), a2=bim["a2"].str.lower(), cm=0)
    bed.write_bim(bim, bed.path(prefix, ".bim"))


def _plant_array(prefix, array, chosen, own, rng):
    """Plant one array's faults; returns what was planted. `own`: ids of SNPs that not all arrays carry."""
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    row_of = dict(zip(bim["id"], range(len(bim)), strict=True))
    faults = {fault: chosen[fault] if on == array else [] for fault, on in ARRAY_OF.items()}
    for name in faults["ambiguous_flipped"]:
        bim.loc[row_of[name], ["a1", "a2"]] = [a.translate(COMPLEMENT) for a in bim.loc[row_of[name], ["a1", "a2"]]]
    for name in faults["moved"]:
        bim.loc[row_of[name], "pos"] -= MOVED_BP
    original = calls.copy()
    frequency = np.ma.masked_less(calls, 0).mean(axis=1).filled(0) / 2
    for name in faults["wrong_snp"]:
        others = np.flatnonzero(np.abs(frequency - frequency[row_of[name]]) > WRONG_DIFFERENCE)
        calls[row_of[name]] = original[rng.choice(others)]
    probes, more_calls = [], []
    for name in faults["duplicate_discordant"]:
        probes.append(bim.loc[row_of[name]].to_dict() | {"id": f"dup-{name}"})
        more_calls.append(original[rng.choice(np.flatnonzero(np.arange(len(bim)) != row_of[name]))])
    for name in faults["three_alleles"]:
        probe = bim.loc[row_of[name]].to_dict()
        fitting = {probe["a1"], probe["a2"], *(probe[column].translate(COMPLEMENT) for column in ("a1", "a2"))}
        # A/C or its complement G/T is every letter: then the pair becomes A/T, which fits neither.
        foreign = next((base for base in "ACGT" if base not in fitting), probe["a1"].translate(COMPLEMENT))
        probes.append(probe | {"id": f"{name}_ver2", "a2": foreign})
        more_calls.append(original[row_of[name]])
    others = rng.permutation([row_of[name] for name in own if name in row_of])
    for name, other in zip(faults["id_clash"], others, strict=False):
        bim.loc[[row_of[name], other], "id"] = [f"kgp{name[2:]}", name]
    rename = {"duplicate_discordant": "dup-{}", "three_alleles": "{}_ver2", "id_clash": "kgp{}"}
    _write(prefix, bim, calls, probes, more_calls, fam)
    return [
        (array, name, rename.get(fault, "{}").format(name[2:] if fault == "id_clash" else name), fault)
        for fault, names in faults.items()
        for name in names
    ]


def _write(prefix, bim, calls, probes, more_calls, fam):
    """Write a fileset with further probes, in genome order."""
    if probes:
        bim, calls = pd.concat([bim, pd.DataFrame(probes)], ignore_index=True), np.concatenate([calls, more_calls])
    order = np.lexsort((bim["id"].to_numpy(str), bim["pos"], pd.factorize(bim["chrom"])[0]))
    bim, calls = bim.iloc[order].assign(cm=0), calls[order]
    bed.write_fileset(prefix, calls, bim, fam)
