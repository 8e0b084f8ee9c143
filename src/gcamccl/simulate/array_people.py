"""What arrays say of people: SNPs all over the genome, X and Y, and samples that are not what they are said to be.

Works on filesets that `gcamccl.simulate.arrays` has written, so that faults of SNPs and of people do not mix.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.simulate.arrays import BAD_PERSON_MISSING, CALL_ERROR
from gcamccl.simulate.relatives import transmit

# Mb, GRCh37, rounded down: chromosomes 1 to 22.
CHROMOSOME_MB = (
    *(249, 243, 198, 191, 180, 171, 159, 146, 141, 135, 135),
    *(133, 115, 107, 102, 90, 81, 78, 59, 63, 48, 51),
)
X, Y = 23, 24
X_MB, Y_MB = (3, 154), (7, 28)  # outside the pseudo-autosomal regions
N_BACKGROUND = 8000  # enough to tell relatives of the third degree
N_X, N_Y = 400, 20
F_ST = 0.03  # between the two populations, as in the simulated regions
FREQUENCY = (0.1, 0.9)  # of the ancestral population
ALLELES = ("AG", "CT", "GA", "TC", "AC", "GT", "CA", "TG")  # strand can be told
MISSING_SHARE = 0.005
MIXED_SHARE = 0.5  # of the SNPs at which a foreign sample's allele is seen in a contaminated one
N_WRONG_SEX = 2


@dataclass(frozen=True)
class Background:
    """SNPs outside the simulated regions, without linkage disequilibrium.

    Attributes
    ----------
    variants : DataFrame
        id, chrom (int, 23 X, 24 Y), pos, a1, a2.
    copies : int8 array (SNPs, n_people)
        Copies of a1; men have 0 or 2 on X; on Y women have no call.
    """

    variants: pd.DataFrame
    copies: np.ndarray


def plant(folder, people, table, faults, populations, pairs, chromosomes, rng):
    """Complete the arrays and plant the faults of people.

    Parameters
    ----------
    folder : str or Path
        Of the filesets.
    people : list of str
        Genotype ids.
    table : DataFrame
        Column sex: the true one, of each of `people`.
    faults : dict
        From `gcamccl.simulate.arrays.write_arrays`.
    populations : ndarray of int (n,)
    pairs : list of gcamccl.simulate.relatives.Pair
    chromosomes : list of int
        Those with a simulated region.
    rng : numpy.random.Generator

    Returns
    -------
    table : DataFrame
        With sex as recorded.
    faults : dict
        With contaminated, wrong_sex (table and ``.fam``) and wrong_fam_sex (``.fam`` only) in ``people``.
    background : Background
    """
    place = {name: number for number, name in enumerate(people)}
    sex = table["sex"].to_numpy()
    membership = faults["arrays"].assign(person=faults["arrays"]["genotype_id"].map(place))
    chosen = choose_faults(membership, pairs, rng, faults["people"]["genotype_id"].map(place))
    background = simulate_background(populations, sex == "M", pairs, chromosomes, rng)
    other = {"M": "F", "F": "M"}
    recorded = [other[own] if row in chosen["wrong_sex"] else own for row, own in enumerate(sex)]
    fam_sex = [other[own] if row == chosen["fam_sex"] else own for row, own in enumerate(recorded)]
    poor = faults["people"].query("fault == 'sample_missing'")
    poor = set(zip(poor["genotype_id"].map(place), poor["array"], strict=True))
    complete(folder, people, background, fam_sex, chosen["contaminated"], poor, rng)
    array, victim, _ = chosen["contaminated"]
    rows = [(people[victim], array, "contaminated")]
    rows += [(people[row], "all", "wrong_sex") for row in chosen["wrong_sex"]]
    rows.append((people[chosen["fam_sex"]], "all", "wrong_fam_sex"))
    more = pd.DataFrame(rows, columns=faults["people"].columns)
    everything = {**faults, "people": pd.concat([faults["people"], more], ignore_index=True)}
    return table.assign(sex=recorded), everything, background


def simulate_background(populations, is_male, pairs, chromosomes, rng):
    """Genotypes at SNPs of all autosomes but `chromosomes`, of X and of Y.

    Frequencies of the two populations differ as Balding and Nichols (1995) say. Relatives share autosomes as they do
    in the simulated regions; of X and Y only people with the same DNA share anything.

    Parameters
    ----------
    populations : ndarray of int (n,)
    is_male : ndarray of bool (n,)
    pairs : list of gcamccl.simulate.relatives.Pair
    chromosomes : list of int
        Those with a simulated region.
    rng : numpy.random.Generator

    Returns
    -------
    Background
    """
    free = [number for number in range(1, 23) if number not in set(chromosomes)]
    length = np.array([CHROMOSOME_MB[number - 1] for number in free], float)
    each = np.round(N_BACKGROUND * length / length.sum()).astype(int)
    places = [(number, 1, megabases, n) for number, megabases, n in zip(free, length, each, strict=True)]
    places += [(X, *X_MB, N_X), (Y, *Y_MB, N_Y)]
    variants = pd.concat(
        [
            pd.DataFrame({"chrom": chrom, "pos": np.sort(rng.integers(int(first * 1e6), int(last * 1e6), n))})
            for chrom, first, last, n in places
        ],
        ignore_index=True,
    )
    variants.insert(0, "id", [f"rs8{number:08d}" for number in rng.permutation(10 * len(variants))[: len(variants)]])
    alleles = rng.choice(ALLELES, len(variants))
    variants["a1"], variants["a2"] = [pair[0] for pair in alleles], [pair[1] for pair in alleles]
    ancestral = rng.uniform(*FREQUENCY, len(variants))
    spread = (1 - F_ST) / F_ST
    frequency = rng.beta(*(spread * np.array([ancestral, 1 - ancestral]))[:, :, None], size=(len(variants), 2))
    haplotypes = (
        rng.random((len(variants), 2 * len(populations))) < np.repeat(frequency[:, populations], 2, axis=1)
    ).astype(np.int8)
    chrom = variants["chrom"].to_numpy()
    autosome = chrom < X
    haplotypes[autosome] = transmit(haplotypes[autosome], chrom[autosome], variants["pos"][autosome], pairs, rng)
    for pair in pairs:
        if pair.kind == "same DNA":
            haplotypes[:, 2 * pair.other : 2 * pair.other + 2] = haplotypes[:, 2 * pair.one : 2 * pair.one + 2]
    copies = haplotypes[:, 0::2] + haplotypes[:, 1::2]
    haploid = (chrom[:, None] == X) & is_male | (chrom[:, None] == Y)
    copies = np.where(haploid, 2 * haplotypes[:, 0::2], copies)
    copies[(chrom[:, None] == Y) & ~is_male] = bed.MISSING
    return Background(variants, copies.astype(np.int8))


def choose_faults(membership, pairs, rng, spare=()):
    """Who is contaminated by whom, and whose recorded sex is wrong.

    Parameters
    ----------
    membership : DataFrame
        genotype_id, array, person (position): who is on which array.
    pairs : list of gcamccl.simulate.relatives.Pair
        Their people get no fault.
    rng : numpy.random.Generator
    spare : iterable of int
        More people who get none.

    Returns
    -------
    dict
        ``contaminated``: (array, victim, source); ``wrong_sex``: people of whom table and ``.fam`` have the other sex;
        ``fam_sex``: one of whom only the ``.fam`` has. People as positions.
    """
    taken = {person for pair in pairs for person in (pair.one, pair.other)} | set(spare)
    array = membership["array"].iloc[0]
    first = [p for p in membership.loc[membership["array"] == array, "person"] if p not in taken]
    victim, source = (int(person) for person in rng.choice(first, 2, replace=False))
    rest = [p for p in membership["person"].unique() if p not in taken | {victim, source}]
    *wrong, fam = (int(person) for person in rng.choice(rest, N_WRONG_SEX + 1, replace=False))
    return {"contaminated": (array, victim, source), "wrong_sex": wrong, "fam_sex": fam}


def complete(folder, people, background, fam_sex, contaminated, poor, rng):
    """Add the background to every fileset in place, and let one sample be mixed with another.

    Parameters
    ----------
    folder : str or Path
    people : list of str
        Genotype ids, in the order of the background's columns.
    background : Background
    fam_sex : sequence of str
        What the ``.fam`` says: M or F of each of `people`.
    contaminated : tuple
        From `choose_faults`.
    poor : set of (int, str)
        Person and array of samples with many missing calls.
    rng : numpy.random.Generator
    """
    place = {name: number for number, name in enumerate(people)}
    array, victim, source = contaminated
    for path in sorted(Path(folder).glob("*.bed")):
        prefix = path.with_suffix("")
        bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
        calls = np.array(bed.read_bed(prefix, len(fam), np.arange(len(bim))))
        who = [place[name] for name in fam["iid"]]
        more = _typed(background.copies[:, who], rng)
        for column, person in enumerate(who):
            if (person, prefix.name) in poor:
                more[rng.random(len(more)) < BAD_PERSON_MISSING, column] = bed.MISSING
        table = pd.concat([bim, background.variants.assign(cm=0.0, chrom=background.variants["chrom"].astype(str))])
        calls = np.concatenate([calls, more])
        if prefix.name == array:
            mine, other = who.index(victim), who.index(source)
            foreign = (calls[:, mine] != calls[:, other]) & (calls[:, mine] >= 0) & (calls[:, other] >= 0)
            calls[foreign & (rng.random(len(calls)) < MIXED_SHARE), mine] = 1
        order = np.lexsort((table["id"], table["pos"], table["chrom"].astype(int)))
        fam["sex"] = [{"M": "1", "F": "2"}.get(fam_sex[person], "0") for person in who]
        bed.write_fileset(prefix, calls[order], table.iloc[order], fam)


def _typed(copies, rng):
    """Calls of an array: a few errors, a few missing."""
    calls = copies.copy()
    wrong = (rng.random(calls.shape) < CALL_ERROR) & (calls >= 0)
    calls[wrong] = rng.integers(0, 3, wrong.sum())
    calls[rng.random(calls.shape) < MISSING_SHARE] = bed.MISSING
    return calls
