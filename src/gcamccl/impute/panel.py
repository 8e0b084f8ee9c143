"""The reference panel, cut to the study's SNPs.

A SNP that the study lacks says nothing about a missing call next to it, so Beagle (``impute=false``), SHAPEIT4 and
minimac4 fill the same calls from the cut panel as from the whole one (docs/decisions), and read far less.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.plink import run
from gcamccl.impute import alleles, vcf
from gcamccl.impute.alleles import swapped
from gcamccl.impute.score import mean_dosage
from gcamccl.workflow.errors import InputError

FEW = 0.5  # of the study's SNPs in the panel: is it the same genome build?


@dataclass(frozen=True)
class Panel:
    """A phased panel at the study's SNPs.

    Attributes
    ----------
    path : Path
        Phased VCF, biallelic SNPs in order of position, the chromosome named as in the study.
    found : DataFrame
        Which SNPs of the study are in it, as from `alleles.match`.
    facts : dict
        Counts for the summary.
    """

    path: Path
    found: pd.DataFrame
    facts: dict


def read_panel(path, chromosome, calls, bim, fam, limit, folder, say=print):
    """Cut a reference panel to the study's SNPs and match alleles.

    Parameters
    ----------
    path : str or Path
        VCF or BCF; plain, gzipped or bgzipped; with or without index; sorted or not.
    chromosome : int or str
    calls : int8 array (SNPs, people)
        Copies of A1, -1 missing.
    bim, fam : DataFrame
        SNPs (index 0 to n - 1) and people of the study.
    limit : float
        Largest difference of allele frequencies.
    folder : Path
        For the cut panel.
    say : callable

    Returns
    -------
    Panel

    Raises
    ------
    InputError
        No such file, not a readable VCF, truncated, not of this chromosome, without genotypes, or not phased.
    """
    path, folder = Path(path), Path(folder)
    vcf.check_whole(path)
    names = vcf.samples(path)
    if not names or "GT" not in vcf.fields(path)[1]:
        raise InputError(path, "no genotypes in it", "use a phased VCF")
    cut = folder / "panel.tsv"
    vcf.at_positions(path, chromosome, bim["pos"], "%POS\\t%REF\\t%ALT[\\t%GT]\\n", cut)
    sites, copies, usable = _scan(cut, path, len(names))
    if not len(sites):
        _check_chromosome(path, chromosome)
    single = alleles.unique_sites(sites)
    keep = np.flatnonzero(single & usable)
    found = alleles.match(bim, sites.iloc[keep].reset_index(drop=True))
    found["site"] = keep[found["site"]]
    # A file has one record a site: of two SNPs of the study that are the same one, the better match gets it.
    found = found.sort_values("flipped", kind="stable").drop_duplicates("site").sort_index()
    n_matched = len(found)
    found, differs, unclear = alleles.check_frequencies(
        found,
        mean_dosage(calls)[found.index] / 2,
        copies[found["site"]] / (2 * len(names)),
        len(fam),
        len(names),
        limit,
    )
    told = _tell_strand(unclear, found, calls, cut)
    found = pd.concat([found, told]).sort_index()
    facts = {
        "n_snps_in_panel": len(found),
        "n_snps_not_in_panel": len(bim) - n_matched,
        "n_snps_frequency_differs": len(differs),
        "n_snps_strand_unclear": len(unclear) - len(told),
        "n_snps_flipped": int(found["flipped"].sum()),
        "n_panel_sites_multiallelic": int(sites["pos"][~single].nunique()),
        "n_panel_sites_incomplete": int((single & ~usable).sum()),
        "n_people_in_panel": len(set(names) & set(fam["iid"])),
    }
    _report(facts, len(bim), path, say)
    written = folder / "panel.vcf"
    _write(written, cut, chromosome, len(names), found)
    return Panel(written, found, facts)


def _scan(cut, path, n_people):
    """Sites of a cut panel (pos, ref, alt), their copies of alt, and whether every call is there and of one base pair.

    Raises an InputError at the first call that is not phased.
    """
    places, copies, usable = [], [], []
    with Path(cut).open("rb") as handle:
        for line in handle:
            pos, ref, alt, calls = line.rstrip(b"\n").split(b"\t", 3)
            if b"/" in calls:
                call = next(call for call in calls.split(b"\t") if b"/" in call).decode()
                raise InputError(
                    path, f"position {pos.decode()}: genotype {call!r} is not phased", "use a phased panel"
                )
            places.append((int(pos), ref.decode().upper(), alt.decode().upper()))
            copies.append(calls.count(b"1"))
            usable.append(b"." not in calls and len(calls) == 4 * n_people - 1)
    sites = pd.DataFrame(places, columns=["pos", "ref", "alt"]).astype({"pos": np.int64})
    return sites, np.array(copies, float), np.array(usable, bool)


def _tell_strand(unclear, found, calls, cut):
    """Those of the A/T and C/G SNPs in `unclear` whose strand their neighbours in `found` tell, turned to it."""
    if not len(unclear) or not len(found):
        return unclear[:0]
    order = found.sort_values("pos")
    positions = order["pos"].to_numpy()
    near = {}
    for row, pos in unclear["pos"].items():
        middle = np.searchsorted(positions, pos)
        window = np.arange(max(0, middle - alleles.NEIGHBOURS), min(len(order), middle + alleles.NEIGHBOURS))
        near[row] = order.iloc[window[np.argsort(np.abs(positions[window] - pos))][: alleles.NEIGHBOURS]]
    copies = _copies_at(cut, {*unclear["site"], *(site for table in near.values() for site in table["site"])})
    signs = pd.Series(0, index=unclear.index)
    for row, table in near.items():
        neighbours = swapped(calls[table.index], ~table["a1_is_alt"].to_numpy(bool))
        snp = swapped(calls[[row]], ~unclear.loc[[row], "a1_is_alt"].to_numpy(bool))[0]
        panel = np.array([copies[site] for site in table["site"]])
        signs[row] = alleles.orient_by_ld(snp, neighbours, copies[unclear.loc[row, "site"]], panel)
    told = unclear[signs != 0].copy()
    turn = signs[signs != 0] < 0
    told["a1_is_alt"] ^= turn
    told["flipped"] |= turn
    return told


def _copies_at(cut, wanted):
    """Copies of alt of the panel's people at some lines of a cut panel: dict of line to int8 array (people,)."""
    result = {}
    with Path(cut).open("rb") as handle:
        for number, line in enumerate(handle):
            if number in wanted:
                calls = np.frombuffer(line.rstrip(b"\n").split(b"\t", 3)[3] + b"\t", np.uint8).reshape(-1, 4)
                result[number] = (calls[:, 0] == ord("1")).astype(np.int8) + (calls[:, 2] == ord("1"))
    return result


def _check_chromosome(path, chromosome):
    """Raise an InputError if a VCF has no variant of a chromosome."""
    there = vcf.chromosomes(path)
    if not set(vcf.names_of(chromosome)) & set(there):
        shown = ", ".join(there[:5]) or "none at all"
        raise InputError(
            path, f"no variant of chromosome {chromosome} (found: {shown})", "give the panel of this chromosome"
        )


def _report(facts, n_snps, path, say):
    """Say what was found, with a warning where that is odd."""
    say(
        f"panel: {facts['n_snps_in_panel']} of {n_snps} SNPs are usable in it, "
        f"{facts['n_snps_flipped']} of them on the other strand"
    )
    if facts["n_snps_in_panel"] < FEW * n_snps:
        say(f"WARNING: {path}: {facts['n_snps_in_panel']} of {n_snps} SNPs are in the panel; is it of the same build?")
    if facts["n_snps_frequency_differs"]:
        say(
            f"{facts['n_snps_frequency_differs']} SNPs are filled without the panel: "
            "their allele frequency there is another"
        )
    if facts["n_people_in_panel"]:
        say(f"{facts['n_people_in_panel']} people have ids that the panel has too: if they are the same, it knows them")


def _write(path, cut, chromosome, n_people, found):
    """Write the matched sites of a cut panel as VCF, in order of position."""
    wanted = np.sort(found["site"].to_numpy())
    with Path(cut).open("rb") as source, Path(path).open("wb") as target:
        target.write(vcf.header(chromosome, n_people, "r").encode())
        chosen = iter(wanted.tolist())
        following = next(chosen, None)
        last, ordered = -1, True
        for number, line in enumerate(source):
            if number != following:
                continue
            following = next(chosen, None)
            pos, ref, alt, calls = line.split(b"\t", 3)
            ordered &= int(pos) > last
            last = int(pos)
            target.write(
                b"\t".join([str(chromosome).encode(), pos, b".", ref.upper(), alt.upper(), b".\tPASS\t.\tGT", calls])
            )
    if not ordered:
        run(["bcftools", "sort", "--temp-dir", f"{path}.sorting", "--output", f"{path}.sorted", path])
        Path(f"{path}.sorted").replace(path)
