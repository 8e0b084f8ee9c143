"""From calls to a program's filled calls: what Beagle, SHAPEIT4 and minimac4 share."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.impute import alleles, beagle, minimac4, shapeit4, vcf
from gcamccl.impute.alleles import swapped

PHASERS = {"beagle": beagle, "shapeit4": shapeit4}
MIN_SNPS = 2  # Beagle stops with an error on fewer


@dataclass(frozen=True)
class Options:
    """What every program is told.

    Attributes
    ----------
    chrom : str
        Name of the chromosome in all files.
    genetic_map : DataFrame or None
        From `genetic_map.read_map`.
    seed, memory_mb, threads : int
    limit_s : float or None
        Longest time that a program may take.
    """

    chrom: str
    genetic_map: pd.DataFrame | None
    seed: int
    memory_mb: int
    threads: int
    limit_s: float | None = None


@dataclass(frozen=True)
class Filled:
    """A program's answer for some SNPs.

    Attributes
    ----------
    rows : int array
        Which rows of the study's ``.bim``.
    calls : int8 array (rows, people)
        Copies of A1.
    dosage : float32 array (rows, people) or None
        Expected copies of A1; None where the program gives calls alone.
    r2 : float array (rows,) or None
        The program's own estimate of a SNP's dosage r2.
    """

    rows: np.ndarray
    calls: np.ndarray
    dosage: np.ndarray | None = None
    r2: np.ndarray | None = None


def from_cohort(calls, bim, rows, program, options, folder):
    """Fill SNPs from the study's own haplotypes.

    Parameters
    ----------
    calls : int8 array (SNPs, people)
        Copies of A1, -1 missing.
    bim : DataFrame
    rows : int array
        SNPs to use and fill; positions all different.
    program : str
        Key of `PHASERS`.
    options : Options
    folder : Path

    Returns
    -------
    Filled
    """
    rows, letters, phased = _phase_cohort(calls, bim, rows, program, options, folder)
    return Filled(rows, _in_order(*vcf.read_calls(phased, calls.shape[1]), letters, program))


def _phase_cohort(calls, bim, rows, program, options, folder):
    """Phase without a panel: `rows` by position, the sites written (alt stands for A1), and the phased VCF."""
    rows = rows[np.argsort(bim["pos"].to_numpy()[rows], kind="stable")]
    # Any two letters do, which spares alleles that no VCF may hold (I and D, 0).
    letters = pd.DataFrame({"pos": bim["pos"].to_numpy()[rows], "ref": "A", "alt": "C"})
    target = _write(folder / "cohort.vcf", options, letters, calls[rows])
    return rows, letters, PHASERS[program].phase(target, "cohort.phased", options, positions=letters["pos"])


def from_panel(calls, found, panel, program, options, folder, again=False):
    """Fill SNPs from the haplotypes of panel and study.

    Parameters
    ----------
    calls : int8 array (SNPs, people)
    found : DataFrame
        `Panel.found`.
    panel : Path
    program : str
    options : Options
    folder : Path
    again : bool
        Let minimac4 impute what `program` has phased.

    Returns
    -------
    Filled
    """
    found = found.sort_values("pos", kind="stable")
    rows, swap = found.index.to_numpy(), ~found["a1_is_alt"].to_numpy(bool)
    n_people = calls.shape[1]
    target = _write(folder / "study.vcf", options, found, swapped(calls[rows], swap))
    phased = PHASERS[program].phase(target, "phased", options, panel=panel, positions=found["pos"])
    sites, copies = vcf.read_calls(phased, n_people)
    if not again:
        return Filled(rows, swapped(_in_order(sites, copies, found, program), swap))
    offered = folder / "offered.vcf"
    _offer(phased, offered, found.assign(line=_places(sites, found, program), swap=False), options.chrom, n_people)
    sites, dosage, r2 = minimac4.impute(
        offered, "imputed", options, minimac4.compress(panel, options.limit_s), n_people
    )
    order = _places(sites, found, "minimac4")
    dosage = np.where(swap[:, None], 2 - dosage[order], dosage[order])
    return Filled(rows, np.rint(dosage).astype(np.int8), dosage, r2[order])


def from_msav(calls, bim, rows, reference, program, options, folder):
    """Phase from the cohort, then let minimac4 impute from a compressed reference whose sites nothing else can list.

    Every SNP is offered with either allele as ref and on either strand; minimac4 takes the one its panel has. A/T and
    C/G SNPs are not offered, as no frequency could tell their strand.

    Returns
    -------
    cohort : Filled
        The phasing, all rows.
    panel : Filled
        The SNPs that are in the panel.
    """
    name = minimac4.check_reference(reference, options.chrom, folder)
    options = replace(options, chrom=name)
    n_people = calls.shape[1]
    rows, letters, phased = _phase_cohort(calls, bim, rows, program, options, folder)
    cohort = Filled(rows, _in_order(*vcf.read_calls(phased, n_people), letters, program))
    table = bim.iloc[rows][["pos", "a1", "a2"]].assign(line=np.arange(len(rows)))
    clear = table["a1"].isin(alleles.BASES) & table["a2"].isin(alleles.BASES) & (table["a1"] != table["a2"])
    table = table[clear & (alleles.complement(table["a1"]) != table["a2"])]
    forms = []
    for flipped in (False, True):
        a1, a2 = (alleles.complement(table[name]) if flipped else table[name] for name in ("a1", "a2"))
        forms += [table.assign(ref=a2, alt=a1, swap=False), table.assign(ref=a1, alt=a2, swap=True)]
    forms = pd.concat(forms).sort_values(["pos", "ref", "alt"], kind="stable")
    offered = folder / "offered.vcf"
    _offer(phased, offered, forms, options.chrom, n_people)
    sites, dosage, r2 = minimac4.impute(offered, "imputed", options, Path(reference), n_people)
    taken = sites.reset_index().merge(forms, on=["pos", "ref", "alt"]).drop_duplicates("line").sort_values("line")
    dosage, r2, swap = dosage[taken["index"]], r2[taken["index"]], taken["swap"].to_numpy(bool)
    dosage = np.where(swap[:, None], 2 - dosage, dosage)
    return cohort, Filled(rows[taken["line"]], np.rint(dosage).astype(np.int8), dosage, r2)


def _offer(phased, path, forms, chrom, n_people):
    """Write phased people at sites with other letters; `forms`: pos, ref, alt, line (of `phased`), swap (bool)."""
    with vcf.open_vcf(phased) as handle:
        calls = [line.rstrip(b"\n").split(b"\t", 9)[9] for line in handle if not line.startswith(b"#")]
    exchange = bytes.maketrans(b"01", b"10")
    with path.open("wb") as handle:
        handle.write(vcf.header(chrom, n_people, "s").encode())
        for form in forms.itertuples():
            row = calls[form.line].translate(exchange) if form.swap else calls[form.line]
            handle.write(f"{chrom}\t{form.pos}\t.\t{form.ref}\t{form.alt}\t.\tPASS\t.\tGT\t".encode() + row + b"\n")


def _write(path, options, sites, copies):
    vcf.write_calls(path, options.chrom, sites["pos"], sites["ref"], sites["alt"], copies)
    return path


def _in_order(sites, copies, wanted, program):
    """Calls in the order of the sites that were asked for; none may be lost or missing."""
    copies = copies[_places(sites, wanted, program)]
    if (copies < 0).any():
        raise AssertionError(f"{program} left {int((copies < 0).sum())} calls missing")
    return copies


def _places(sites, wanted, program):
    """Rows of a program's `sites` (pos, ref, alt) that hold the `wanted` ones."""
    keys = ["pos", "ref", "alt"]
    rows = pd.Series(np.arange(len(sites)), index=pd.MultiIndex.from_frame(sites[keys]))
    rows = rows[~rows.index.duplicated()].reindex(pd.MultiIndex.from_frame(wanted[keys]))
    if rows.isna().any():
        position = wanted["pos"].to_numpy()[rows.isna().to_numpy()][0]
        raise AssertionError(f"{program} left out {int(rows.isna().sum())} SNPs, the first at position {position}")
    return rows.to_numpy(np.int64)
