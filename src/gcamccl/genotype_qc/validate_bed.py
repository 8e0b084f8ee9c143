"""Whether the calls of a .bed can be those of its .bim and .fam: size, unused bits, people and SNPs that do not fit.

Four people share a byte, so a .fam a few lines off may leave the size as it is. What tells then: the unused bits of
each record's last byte are zero, and no real person has the same call at every SNP. A .fam with as many lines as
people, but in another order, or a .bim of the same SNP number from elsewhere, cannot be told from the calls alone.
"""

import numpy as np

from gcamccl.genotype_qc import bed
from gcamccl.workflow.errors import InputError

MIN_SNPS = 200  # fewer say nothing about a person who has the same call throughout
MIN_PEOPLE = 5  # others from whom allele frequencies are estimated
SAMPLED = 2000  # SNPs looked at for frequencies, and SNPs with one known allele
UNLIKELY = 1e-9  # chance below which nobody real has the same homozygous call at all SNPs looked at
TWO_A1, MISSING, NO_A1 = 0, 1, 3  # codes of a .bed
MIN_ONE_ALLELE = 20  # SNPs with one allele in the .bim, for a judgement on the .bim
MAX_CONTRADICTED = 0.5  # share of them with calls of another allele; more: the .bim is not of this .bed
REPACK = "write it again with: plink1.9 --bfile PREFIX --make-bed --out NEW"


def check_bed(prefix, bim, fam, say=None):
    """Check a ``.bed`` against its tables.

    Parameters
    ----------
    prefix : str or Path
    bim, fam : DataFrame
        From `validate.check_bim` and `validate.check_fam`.
    say : callable, optional
        Called with a line about what is odd but no error.

    Raises
    ------
    InputError
        Wrong magic bytes, sample-major, a wrong size, or calls that do not fit the tables.
    """
    file, n_snps, n_people = bed.path(prefix, ".bed"), len(bim), len(fam)
    say = say or (lambda text: None)
    _check_head(file)
    size, width = file.stat().st_size, bed.bytes_per_snp(n_people)
    expected = 3 + n_snps * width
    if size != expected:
        what = "truncated" if size < expected else "too long"
        raise InputError(
            file,
            f"{what}: {size} bytes, but {n_snps} SNPs in the .bim and {n_people} people in the .fam need {expected}"
            + _other_explanation(size, n_snps, width),
            "the three files must come from the same write; copy them again",
        )
    if not n_snps:
        return
    packed = np.memmap(file, np.uint8, "r", offset=3, shape=(n_snps, width))
    last = np.asarray(packed[:, -1])
    _check_unused(file, last, 4 * width - n_people, n_people, say)
    _check_last_people(prefix, last, n_snps, n_people, say)
    _check_one_allele(prefix, bim, n_people, say)


def _check_head(file):
    """The three bytes a .bed starts with."""
    try:
        with file.open("rb") as handle:
            head = handle.read(3)
    except OSError as error:
        raise InputError(file, f"cannot be read: {error.strerror}") from None
    if head[:2] != bed.MAGIC:
        raise InputError(
            file,
            f"not a PLINK 1 .bed: it starts with bytes {head[:2].hex(' ')}, not {bed.MAGIC.hex(' ')}",
            "give the file that PLINK wrote",
        )
    if head[2:] != bytes([bed.SNP_MAJOR]):
        raise InputError(file, "the .bed is not SNP-major (third byte is not 01)", REPACK)


def _slot(last, slot):
    """Two-bit codes of one of the four people in each record's last byte."""
    return (last >> (2 * slot)) & 3


def _check_unused(file, last, spare, n_people, say):
    """Unused bits are zero; another code throughout is another program's padding, codes that vary are calls."""
    if not spare or not (last >> (8 - 2 * spare)).any():
        return
    codes = [_slot(last, slot) for slot in range(4 - spare, 4)]
    if len(last) >= MIN_SNPS and all((code == code[0]).all() for code in codes):
        say(
            f"{file.name}: the unused bits of each SNP's last byte are {' '.join(f'{int(c[0]):02b}' for c in codes)}"
            " throughout, not 00 as PLINK writes them; taken for another program's padding. If people without any call"
            " are missing in the .fam, every line of it may be wrong"
        )
        return
    row = int(np.flatnonzero(last >> (8 - 2 * spare))[0])
    raise InputError(
        file,
        f"SNP {row + 1} holds more calls than the .fam has people ({n_people})",
        f"the .fam has lost lines, or the .bed was written by another program; compare them, or {REPACK}",
    )


def _check_last_people(prefix, last, n_snps, n_people, say):
    """The people of the last byte have calls of their own."""
    number, codes = 0, set()
    for slot in range((n_people - 1) % 4, -1, -1):
        code = _slot(last, slot)
        if not (code == code[0]).all():
            break
        number, codes = number + 1, codes | {int(code[0])}
    if not number or n_snps < MIN_SNPS or n_people - number < MIN_PEOPLE:
        return
    file = bed.path(prefix, ".fam")
    if codes & {TWO_A1, NO_A1} and _cannot_be_people(prefix, n_snps, n_people, number, codes):
        raise InputError(
            file,
            f"the last {number} of {n_people} lines have no calls of their own in the .bed (the same at every SNP)",
            "the .fam has more lines than the .bed has people; use the .fam that was written with it",
        )
    if codes == {MISSING}:
        say(f"{file.name}: the last {number} of {n_people} lines have no call at any SNP: failed, or a line too many")


def _cannot_be_people(prefix, n_snps, n_people, number, codes):
    """Whether homozygosity for the same allele at every SNP is out of the question, given the others' frequencies."""
    rows = np.unique(np.linspace(0, n_snps - 1, SAMPLED).astype(int))
    calls = bed.read_bed(prefix, n_people, rows)[:, : n_people - number]
    known = calls >= 0
    share = (np.where(known, calls, 0).sum(axis=1) + 1) / (2 * known.sum(axis=1) + 2)  # of A1; never 0 nor 1
    chance = max(2 * np.log(share if code == TWO_A1 else 1 - share).sum() for code in codes & {TWO_A1, NO_A1})
    return chance < np.log(UNLIKELY)


def _check_one_allele(prefix, bim, n_people, say):
    """SNPs for which the .bim knows one allele only have calls of that one."""
    one = ((bim["a1"] == "0") ^ (bim["a2"] == "0")).to_numpy()
    rows = np.flatnonzero(one)
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, SAMPLED).astype(int))] if len(rows) > SAMPLED else rows
    if not len(rows):
        return
    calls = bed.read_bed(prefix, n_people, rows)
    no_a1 = (bim["a1"] == "0").to_numpy()[rows]
    other = np.where(no_a1[:, None], calls > 0, (calls >= 0) & (calls < 2)).any(axis=1)
    if not other.any():
        return
    file, line = bed.path(prefix, ".bim"), int(rows[other][0]) + 1
    found = f"of {len(rows)} SNPs for which it names one allele, {other.sum()} have calls of two, such as line {line}"
    if len(rows) >= MIN_ONE_ALLELE and other.mean() > MAX_CONTRADICTED:
        raise InputError(file, found, "it is not the .bim that was written with this .bed")
    say(f"{file.name}: {found}")


def _other_explanation(size, n_snps, width):
    """What number of people or SNPs would fit the size of a ``.bed``, as a hint."""
    body = size - 3
    if body > 0 and n_snps and body % n_snps == 0:
        people = body // n_snps * 4
        return f" (the size fits {people - 3} to {people} people)"
    if body > 0 and body % width == 0:
        return f" (the size fits {body // width} SNPs)"
    return ""
