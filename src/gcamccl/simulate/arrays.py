"""Three SNP arrays with the faults of real ones, and a phased reference panel."""

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.simulate import probe_faults
from gcamccl.simulate.genome import COMMON, RECOMBINATION_RATE
from gcamccl.simulate.layout import ARRAYS

COMPLEMENT = str.maketrans("ACGT", "TGCA")
PEOPLE_SHARES = (0.5, 0.25, 0.25)  # hh610, hh550, omni
EXTRA_SHARES = ((0.0, 0.6), (0.2, 0.6), (0.6, 1.4))  # platform's own SNPs, as a part of the core's number
RARE_SHARE = 0.06  # SNPs below the MAF threshold, on every array
CALL_ERROR = 0.0005
RANDOM_MISSING = (0.5, 80)  # Beta parameters of a SNP's share of missing calls: 0.6 % on average
BAD_SNP_MISSING = 0.4
BAD_PERSON_MISSING = 0.12
HET_LOST = 0.9  # of the heterozygotes of a SNP that violates Hardy-Weinberg equilibrium
MOVED_BP = 137
ABSENT_FROM_PANEL = 25  # every so many-th core SNP is not in the panel
# Planted faults of core SNPs, as shares of their number.
FAULT_SHARES = {"hwe": 0.01, "triallelic": 0.01, "snp_missing": 0.015, "renamed": 0.02, "moved": 0.01}
FLIPPED_SHARE = 0.3  # of the core SNPs, on hh550
N_DUPLICATE_PROBES = 3
N_BAD_PEOPLE = 2


def write_arrays(genome, people, sex, folder, rng, protect=(), apart=()):
    """Write PLINK filesets ``hh610``, ``hh550`` and ``omni``.

    Every person is on one array, except the first person of hh610, who is also on hh550. All three carry the core
    SNPs. hh550 reports some on the other strand; omni has other names, positions and third alleles for some; all have
    duplicate probes, missing calls and Hardy-Weinberg violators, and some the faults of `probe_faults`.

    Parameters
    ----------
    genome : gcamccl.simulate.genome.Genome
    people : sequence of str
        Genotype ids, in the order of the genome's people.
    sex : sequence of str
        "M", "F" or None per person.
    folder : str or Path
    rng : numpy.random.Generator
    protect : iterable of str
        SNP ids that get no fault (strand flips excepted: those are mended without loss).
    apart : iterable of (int, int)
        Pairs of people who are never on the same array.

    Returns
    -------
    dict
        ``snps`` DataFrame (array, id, array_id, fault), ``people`` DataFrame (genotype_id, array, fault),
        ``arrays`` DataFrame (genotype_id, array): who is on which array.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    people, sex = list(people), list(sex)
    if len(people) != genome.n_people:
        raise ValueError(f"{len(people)} ids for {genome.n_people} simulated people")
    variants = genome.variants
    contents = _contents(variants, rng)
    faults = _choose_faults(genome, set(protect), rng)
    groups = _people_of_arrays(len(people), rng, apart)
    twice = groups[0][0]
    snp_faults, people_faults, membership = [], [], []
    for array, rows, members in zip(ARRAYS, contents, groups, strict=True):
        typed = np.append(members, twice) if array == "hh550" else members
        table, copies = variants.iloc[rows].reset_index(drop=True), genome.dosage[np.ix_(typed, rows)].T.astype(np.int8)
        table["array_id"] = table["id"]
        _add_call_errors(copies, rng)
        snp_faults += _plant_snp_faults(array, table, copies, faults, rng)
        duplicates = rng.choice(len(table), min(N_DUPLICATE_PROBES, len(table)), replace=False)
        probes = table.iloc[duplicates].assign(array_id=lambda t: "dup-" + t["id"])
        table = pd.concat([table, probes], ignore_index=True)
        copies = np.concatenate([copies, copies[duplicates]])
        snp_faults += [(array, table["id"][row], f"dup-{table['id'][row]}", "duplicate_probe") for row in duplicates]
        _lose_calls(copies, rng)
        bad = rng.choice(members[1:], min(N_BAD_PEOPLE, len(members) // 10), replace=False) if array != "omni" else []
        for person in bad:
            copies[rng.random(len(copies)) < BAD_PERSON_MISSING, np.flatnonzero(typed == person)[0]] = bed.MISSING
            people_faults.append((people[person], array, "sample_missing"))
        if array == "hh550":
            people_faults.append((people[twice], array, "typed_twice"))
        membership += [(people[person], array) for person in typed]
        _write_array(folder / array, table, copies, [people[p] for p in typed], [sex[p] for p in typed], rng)
    taken = [name for _, name, _, _ in snp_faults]
    snp_faults += probe_faults.plant(folder, genome, taken, protect, rng.spawn(1)[0])
    return {
        "snps": pd.DataFrame(snp_faults, columns=["array", "id", "array_id", "fault"]),
        "people": pd.DataFrame(people_faults, columns=["genotype_id", "array", "fault"]),
        "arrays": pd.DataFrame(membership, columns=["genotype_id", "array"]),
    }


def _contents(variants, rng):
    """Sorted rows of `variants` that each array carries."""
    maf = np.minimum(variants["frequency"], 1 - variants["frequency"]).to_numpy()
    core = np.flatnonzero(variants["core"])
    rest = rng.permutation(np.flatnonzero((maf > COMMON) & ~variants["core"].to_numpy()))
    rare = np.flatnonzero((maf > 0.005) & (maf < COMMON))
    rare = rng.choice(rare, min(len(rare), round(RARE_SHARE * len(core))), replace=False)
    parts = [rest[round(low * len(core)) : round(high * len(core))] for low, high in EXTRA_SHARES]
    return [np.unique(np.concatenate([core, rare, part])) for part in parts]


def _choose_faults(genome, protect, rng):
    """Core SNP ids per fault; faults that drop or change a SNP are disjoint and spare `protect`."""
    core = genome.variants[genome.variants["core"]]
    ambiguous = (core["ref"] + core["alt"]).isin(["AT", "TA", "CG", "GC"])
    free = rng.permutation(core["id"][~ambiguous & ~core["id"].isin(protect)].to_numpy())
    maf = np.minimum(core["frequency"], 1 - core["frequency"])
    common = set(core["id"][maf > 0.3])  # enough heterozygotes for the test to see their loss
    hwe = [name for name in free if name in common][: max(2, round(FAULT_SHARES["hwe"] * len(core)))]
    free = [name for name in free if name not in set(hwe)]
    chosen = {"hwe": set(hwe)}
    for fault, share in FAULT_SHARES.items():
        if fault != "hwe":
            number = max(2, round(share * len(core)))
            chosen[fault], free = set(free[:number]), free[number:]
    unclear = set(core["id"][ambiguous])
    spared = unclear | chosen["triallelic"] | chosen["moved"] | chosen["renamed"]
    flippable = core["id"][~core["id"].isin(spared)].to_numpy()
    chosen["flipped"] = set(rng.choice(flippable, round(FLIPPED_SHARE * len(flippable)), replace=False))
    chosen["ambiguous"] = unclear
    return chosen


def _people_of_arrays(n, rng, apart=()):
    """Disjoint people of each array; of two who are to be apart, one changes places with somebody of another array."""
    order = rng.permutation(n)
    bounds = np.round(np.cumsum([0, *PEOPLE_SHARES]) * n).astype(int)
    array = np.repeat(np.arange(len(PEOPLE_SHARES)), np.diff(bounds))
    bound = {person for pair in apart for person in pair}
    for one, other in apart:
        here, there = (np.flatnonzero(order == person)[0] for person in (one, other))
        if array[here] == array[there]:
            free = next(k for k in range(n - 1, -1, -1) if array[k] != array[there] and order[k] not in bound)
            order[there], order[free] = order[free], order[there]
    return [order[first:last] for first, last in pairwise(bounds)]


def _add_call_errors(copies, rng):
    """Replace a few calls by random ones, in place."""
    wrong = rng.random(copies.shape) < CALL_ERROR
    copies[wrong] = rng.integers(0, 3, wrong.sum())


def _plant_snp_faults(array, table, copies, faults, rng):
    """Plant one array's SNP faults into its table and calls, in place; returns what was planted."""
    planted = []
    for row, name in enumerate(table["id"]):
        found = []
        if name in faults["ambiguous"]:
            found.append("ambiguous")
        if name in faults["hwe"]:
            lost = (copies[row] == 1) & (rng.random(copies.shape[1]) < HET_LOST)
            copies[row, lost] = 2 * rng.integers(0, 2, lost.sum())
            found.append("hwe")
        if array == "hh610" and name in faults["snp_missing"]:
            copies[row, rng.random(copies.shape[1]) < BAD_SNP_MISSING] = bed.MISSING
            found.append("snp_missing")
        if array == "hh550" and name in faults["flipped"]:
            for column in ("ref", "alt"):
                table.loc[row, column] = table.loc[row, column].translate(COMPLEMENT)
            found.append("flipped")
        if array == "omni" and name in faults["triallelic"]:
            # One allele stays, the other is foreign and not its complement: neither strand explains the pair.
            ref, alt = table.loc[row, "ref"], table.loc[row, "alt"]
            table.loc[row, "alt"] = next(base for base in "ACGT" if base not in (ref, alt, ref.translate(COMPLEMENT)))
            found.append("triallelic")
        if array == "omni" and name in faults["renamed"]:
            table.loc[row, "array_id"] = "kgp" + name[2:]
            found.append("renamed")
        if array == "omni" and name in faults["moved"]:
            table.loc[row, "pos"] += MOVED_BP
            found.append("moved")
        planted += [(array, name, table.loc[row, "array_id"], fault) for fault in found]
    return planted


def _lose_calls(copies, rng):
    """Lose calls at random, each SNP at its own rate, in place."""
    rate = rng.beta(*RANDOM_MISSING, size=(len(copies), 1))
    copies[rng.random(copies.shape) < rate] = bed.MISSING


def _write_array(prefix, table, copies, people, sex, rng):
    """Write one fileset in genome order; as in real ones, either allele may be A1."""
    order = np.lexsort((table["array_id"], table["pos"], table["chrom"]))
    table, copies = table.iloc[order].reset_index(drop=True), copies[order]
    swap = rng.random(len(table)) < 0.5
    copies = np.where(swap[:, None] & (copies >= 0), 2 - copies, copies).astype(np.int8)
    bim = pd.DataFrame(
        {
            "chrom": table["chrom"],
            "id": table["array_id"],
            "cm": 0,
            "pos": table["pos"],
            "a1": np.where(swap, table["ref"], table["alt"]),
            "a2": np.where(swap, table["alt"], table["ref"]),
        }
    )
    code = [{"M": "1", "F": "2"}.get(value, "0") for value in sex]
    fam = pd.DataFrame({"fid": people, "iid": people, "father": "0", "mother": "0", "sex": code, "phenotype": "-9"})
    bed.write_fileset(prefix, copies, bim, fam)


def write_reference(genome, folder):
    """Write the phased panel and the genetic map, one file a chromosome.

    ``panel.chr{chrom}.vcf.gz`` with ``.tbi`` holds every variant the panel's people carry, except every
    `ABSENT_FROM_PANEL`-th core SNP. ``map.chr{chrom}.map`` is a PLINK map (chromosome, id, cM, bp).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    copies = genome.panel.sum(axis=1, dtype=np.int64)
    keep = (copies > 0) & (copies < genome.panel.shape[1])
    keep[np.flatnonzero(genome.variants["core"])[ABSENT_FROM_PANEL // 2 :: ABSENT_FROM_PANEL]] = False
    names = [f"REF{number:04d}" for number in range(1, genome.panel.shape[1] // 2 + 1)]
    calls = np.array(["0|0", "0|1", "1|0", "1|1"])[2 * genome.panel[:, 0::2] + genome.panel[:, 1::2]]
    for chrom, rows in genome.variants.groupby("chrom").indices.items():
        rows = rows[keep[rows]]
        table = genome.variants.iloc[rows]
        path = folder / f"panel.chr{chrom}.vcf.gz"
        head = ["##fileformat=VCFv4.2", f"##contig=<ID={chrom}>"]
        head.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
        head.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *names]))
        records = [
            f"{chrom}\t{pos}\t{name}\t{ref}\t{alt}\t.\tPASS\t.\tGT\t" + "\t".join(calls[row])
            for row, name, pos, ref, alt in zip(
                rows, table["id"], table["pos"], table["ref"], table["alt"], strict=True
            )
        ]
        with path.open("wb") as handle:
            text = "\n".join([*head, *records]) + "\n"
            subprocess.run(["bgzip", "-c"], input=text.encode(), stdout=handle, check=True)
        subprocess.run(["tabix", "-f", "-p", "vcf", str(path)], check=True)
        points = np.linspace(table["pos"].min() - 1000, table["pos"].max() + 1000, 50).astype(int)
        lines = [f"{chrom} . {(p - points[0]) * RECOMBINATION_RATE * 100:.6f} {p}" for p in points]
        (folder / f"map.chr{chrom}.map").write_text("\n".join(lines) + "\n", encoding="utf-8")
