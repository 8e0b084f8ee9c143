"""Missing calls of one chromosome filled in; observed calls never change.

About `MASKED_SHARE` of the observed calls are hidden from the method as well. What it makes of them estimates how often
a filled call is right (`masked_concordance`); then the observed calls are put back.
"""

import gzip
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import ToolError, run
from gcamccl.workflow.errors import InputError

MASKED_SHARE = 0.02
MIN_SNPS = 2  # Beagle stops with an error on fewer
HEAP_SHARE = 0.8  # of a job's memory; the rest is Java's own and ours
FLIP = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True)
class Panel:
    """A phased reference panel for one chromosome.

    Attributes
    ----------
    vcf : Path
        Phased VCF of the panel.
    chrom : str
        The chromosome's name in it, e.g. ``22`` or ``chr22``.
    sites : DataFrame
        pos, ref, alt: its SNPs with one alternative allele.
    """

    vcf: Path
    chrom: str
    sites: pd.DataFrame


def read_panel(vcf, chromosome):
    """Read the sites of a reference panel.

    Raises
    ------
    InputError
        No such file, not a VCF, not phased, or not of this chromosome.
    """
    vcf = Path(vcf)
    if not vcf.exists():
        raise InputError(vcf, "no such file")
    _check_phased(vcf)
    try:
        text = run(["bcftools", "query", "-f", "%CHROM\t%POS\t%REF\t%ALT\n", vcf])
    except ToolError as error:
        raise InputError(vcf, f"not a readable VCF: {error}") from None
    sites = pd.read_csv(io.StringIO(text), sep="\t", names=["chrom", "pos", "ref", "alt"], dtype={"chrom": str})
    sites = sites[sites["chrom"].str.removeprefix("chr") == str(chromosome)]
    if not len(sites):
        raise InputError(vcf, f"no variant of chromosome {chromosome}", "give the panel of this chromosome")
    name = sites["chrom"].iloc[0]
    sites = sites[sites["ref"].isin([*"ACGT"]) & sites["alt"].isin([*"ACGT"])]
    return Panel(vcf, name, sites[["pos", "ref", "alt"]])


def _check_phased(vcf):
    """Raise an InputError if a VCF's first record has no genotypes or an unphased one."""
    opener = gzip.open if vcf.suffix == ".gz" else open
    try:
        with opener(vcf, "rt", encoding="utf-8") as handle:
            fields = next((line for line in handle if not line.startswith("#")), "").split("\t", 10)
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        raise InputError(vcf, f"not a readable VCF: {error}") from None
    if len(fields) < 10:
        raise InputError(vcf, "no genotypes in it", "use a phased VCF")
    if "|" not in fields[9]:
        raise InputError(vcf, f"genotype {fields[9].strip()!r} is not phased", "use a phased panel")


def match_panel(bim, sites):
    """Which SNPs are in the panel, and how.

    Parameters
    ----------
    bim : DataFrame
        `bed.BIM` columns.
    sites : DataFrame
        pos, ref, alt.

    Returns
    -------
    DataFrame
        Index of `bim`, the SNPs found: ref, alt (as in the panel), a1_is_alt (bool), flipped (bool: the study has
        the other strand). A site is found by position and both alleles; a SNP with one known allele by that one.
    """
    rows = []
    single = sites[sites["pos"].isin(bim["pos"])].drop_duplicates("pos", keep=False)
    alleles = dict(zip(single["pos"], zip(single["ref"], single["alt"], strict=True), strict=True))
    near = bim[bim["pos"].isin(alleles)]
    for row, pos, a1, a2 in zip(near.index, near["pos"], near["a1"], near["a2"], strict=True):
        ref, alt = alleles[pos]
        for flipped in (False, True):
            one, two = (a1.translate(FLIP), a2.translate(FLIP)) if flipped else (a1, a2)
            if {one, two} - {"0"} <= {ref, alt}:
                rows.append((row, ref, alt, one == alt or two == ref, flipped))
                break
    return pd.DataFrame(rows, columns=["row", "ref", "alt", "a1_is_alt", "flipped"]).set_index("row")


def impute(calls, bim, fam, settings, scratch, panel=None, genetic_map=None, memory_mb=4000, say=print):
    """Fill the missing calls of one chromosome.

    Parameters
    ----------
    calls : int8 array (SNPs, people)
        Copies of A1, -1 missing.
    bim, fam : DataFrame
        Their tables; SNPs in order of position.
    settings : dict
        Config section ``impute``.
    scratch : Path
    panel : Panel, optional
        Beagle uses it; SNPs it lacks are filled from the cohort alone.
    genetic_map : str or Path, optional
        PLINK map; without it Beagle takes 1 cM per Mb.
    memory_mb : int
        Memory of the whole job.
    say : callable

    Returns
    -------
    filled : int8 array (SNPs, people)
        No call missing.
    summary : dict
        As in docs/artifacts.md.
    snps : DataFrame
        snp_id, n_imputed, source (panel, cohort).
    """
    scratch = Path(scratch)
    bim = bim.reset_index(drop=True)
    missing = calls < 0
    rng = np.random.default_rng(settings["seed"])
    hidden = ~missing & (rng.random(calls.shape) < MASKED_SHARE)
    visible = np.where(hidden, np.int8(bed.MISSING), calls)
    guess = most_frequent(visible)
    baseline = guess.copy()
    in_panel = np.zeros(len(bim), bool)
    scored = np.zeros(len(bim), bool)  # SNPs whose hidden calls the method itself has filled
    if settings["method"] == "beagle" and len(bim) >= MIN_SNPS and len(fam) > 1:
        if panel is not None:
            found = match_panel(bim, panel.sites)
            if len(found) >= MIN_SNPS:
                say(f"beagle with the panel: {len(found)} of {len(bim)} SNPs are in it")
                in_panel[found.index] = scored[found.index] = True
                guess[in_panel] = _beagle(
                    visible, bim, fam, found, settings, scratch / "panel", panel, genetic_map, memory_mb
                )
            else:
                say(f"WARNING: {len(found)} of {len(bim)} SNPs are in the panel; imputing from the cohort alone")
        if (missing & ~in_panel[:, None]).any():
            say(f"beagle without panel for {int((~in_panel).sum())} SNPs")
            own = pd.DataFrame({"ref": bim["a2"], "alt": _second_allele(bim), "a1_is_alt": True})
            alone = _beagle(visible, bim, fam, own, settings, scratch / "cohort", None, genetic_map, memory_mb)
            guess[~in_panel] = alone[~in_panel]
            scored[:] = True
    if not scored.any():
        scored[:] = True
    hidden &= scored[:, None]
    filled = np.where(missing, guess, calls)
    observed_changed = int((filled != calls)[~missing].sum())
    if observed_changed or (filled < 0).any():
        raise AssertionError(f"{observed_changed} observed calls changed, {(filled < 0).sum()} calls still missing")
    n_hidden = int(hidden.sum())
    summary = {
        "n_snps": len(bim),
        "n_samples": len(fam),
        "n_missing": int(missing.sum()),
        "n_from_panel": int(missing[in_panel].sum()),
        "n_from_cohort": int(missing[~in_panel].sum()),
        "observed_changed": observed_changed,
        "masked_concordance": float((guess == calls)[hidden].mean()) if n_hidden else None,
        "masked_concordance_mode": float((baseline == calls)[hidden].mean()) if n_hidden else None,
        "n_masked": n_hidden,
        "n_snps_in_panel": int(in_panel.sum()),
        "method": settings["method"],
    }
    snps = pd.DataFrame(
        {"snp_id": bim["id"], "n_imputed": missing.sum(axis=1), "source": np.where(in_panel, "panel", "cohort")}
    )
    return filled, summary, snps


def most_frequent(calls):
    """Missing calls replaced by each SNP's most frequent call; of equally frequent ones the fewest copies of A1."""
    mode = np.stack([(calls == copies).sum(axis=1) for copies in (0, 1, 2)]).argmax(axis=0)
    return np.where(calls < 0, mode[:, None], calls).astype(np.int8)


def _beagle(calls, bim, fam, alleles, settings, prefix, panel, genetic_map, memory_mb):
    """Beagle's calls (copies of A1) of the SNPs in `alleles`, in their order; int8 (len(alleles), people).

    Beagle runs in the folder of `prefix` on plain names, since its Debian wrapper splits names at spaces.
    """
    chrom = panel.chrom if panel else str(bim["chrom"].iloc[0])
    rows = alleles.index.to_numpy()
    swap = ~alleles["a1_is_alt"].to_numpy()
    copies = _swapped(calls[rows], swap)
    write_vcf(f"{prefix}.in.vcf", chrom, bim["pos"].to_numpy()[rows], alleles["ref"], alleles["alt"], copies)
    name = prefix.name
    command = ["beagle", f"gt={name}.in.vcf", f"out={name}", f"seed={settings['seed']}", "nthreads=1"]
    if panel:
        reference = prefix.with_name(f"{name}.reference{''.join(Path(panel.vcf).suffixes[-2:])}")
        reference.unlink(missing_ok=True)
        reference.symlink_to(Path(panel.vcf).resolve())
        command += [f"ref={reference.name}", "impute=false"]
    if genetic_map:
        _rename_map(genetic_map, f"{prefix}.map", chrom)
        command.append(f"map={name}.map")
    environment = dict(os.environ, JAVA_TOOL_OPTIONS=f"-Xmx{int(memory_mb * HEAP_SHARE)}m")
    run(command, log=f"{prefix}.stdout", env=environment, folder=prefix.parent)
    places, filled = read_vcf_calls(f"{prefix}.vcf.gz", len(fam))
    wanted = list(zip(bim["pos"].to_numpy()[rows].tolist(), alleles["ref"], alleles["alt"], strict=True))
    if places != wanted:
        at = {place: row for row, place in enumerate(places)}
        lost = [place for place in wanted if place not in at]
        if lost:
            raise AssertionError(f"beagle left out {len(lost)} SNPs, the first at position {lost[0][0]}")
        filled = filled[[at[place] for place in wanted]]
    return _swapped(filled, swap)


def _second_allele(bim):
    """A1, or some other letter than A2 where it is unknown: a VCF needs one."""
    return [
        next(base for base in "ACGT" if base != a2) if a1 == "0" else a1
        for a1, a2 in zip(bim["a1"], bim["a2"], strict=True)
    ]


def _swapped(calls, swap):
    """Count the other allele where `swap`."""
    return np.where(swap[:, None] & (calls >= 0), 2 - calls, calls).astype(np.int8)


def write_vcf(path, chrom, positions, ref, alt, copies):
    """Write unphased calls as VCF; `copies` of alt, int8 (SNPs, people), -1 missing. People are called by number."""
    text = np.array(["0/0", "0/1", "1/1", "./."])
    with Path(path).open("w", encoding="utf-8") as handle:
        handle.write("##fileformat=VCFv4.2\n")
        handle.write('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n')
        people = [f"p{number}" for number in range(copies.shape[1])]
        columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *people]
        handle.write("\t".join(columns) + "\n")
        for row, (pos, one, two) in enumerate(zip(positions, ref, alt, strict=True)):
            calls = "\t".join(text[copies[row]])
            handle.write(f"{chrom}\t{pos}\t.\t{one}\t{two}\t.\tPASS\t.\tGT\t{calls}\n")


def read_vcf_calls(path, n_people):
    """Places (position, ref, alt) and copies of alt, int8 (SNPs, people), of a VCF whose first FORMAT field is GT."""
    places, rows = [], []
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        for line in handle:
            if line.startswith("#"):
                continue
            fields = line.rstrip("\n").split("\t")
            places.append((int(fields[1]), fields[3], fields[4]))
            rows.append([(call[0] == "1") + (call[2] == "1") for call in fields[9:]])
    return places, np.array(rows, np.int8).reshape(len(places), n_people)


def _rename_map(source, target, chrom):
    """Copy a PLINK map with the chromosome named as in the panel; every line is checked."""
    if not Path(source).exists():
        raise InputError(source, "no such file")
    lines = Path(source).read_text(encoding="utf-8").split("\n")
    result = []
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            if len(fields) != 4:
                raise ValueError
            float(fields[2]), int(fields[3])
        except ValueError:
            what = f"line {number} is not 'chromosome id cM bp': {line[:60]!r}"
            raise InputError(source, what, "use a PLINK map") from None
        if fields[0].removeprefix("chr") == chrom.removeprefix("chr"):
            result.append(" ".join([chrom, *fields[1:]]))
    if not result:
        raise InputError(source, f"no line of chromosome {chrom}", "give the map of this chromosome")
    Path(target).write_text("\n".join(result) + "\n", encoding="utf-8")
