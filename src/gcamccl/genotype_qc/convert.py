"""PLINK 2 filesets, VCF and BCF files as PLINK 1 filesets, every variant that is lost named with its reason.

PLINK 2 reads the calls. What cannot be in a .bed (more than two alleles, symbolic alleles, unplaced contigs) is left
out by name; ids, also missing ones, and sample ids stay as they are. A1 is the alternative allele.
"""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed, validate
from gcamccl.genotype_qc.plink import ToolError, lines, plink2, run
from gcamccl.workflow.errors import InputError

HARD_CALL = 0.1  # distance of a dosage from 0, 1, 2 up to which it counts as a call; PLINK 2's default
NOT_PLACED = "contig_unknown"
MULTIALLELIC = "multiallelic"
SYMBOLIC = "symbolic_allele"
PLAIN_ALLELE = r"[ACGTNacgtn]+|\."


@dataclass
class Converted:
    """A PLINK 1 fileset and what became of the source's variants.

    Attributes
    ----------
    prefix : Path
    n_variants : int
        Variants of the source.
    n_people : int
    dropped : list of tuple
        id (chrom:pos where there is none), reason.
    lengths : dict of str to int
        Chromosome lengths in the headers of VCF files.
    """

    prefix: Path
    n_variants: int
    n_people: int
    dropped: list = field(default_factory=list)
    lengths: dict = field(default_factory=dict)


def to_bed(source, scratch, number, say=print):
    """Give a source as one PLINK 1 fileset; one that is already is left where it is.

    Parameters
    ----------
    source : gcamccl.genotype_qc.sources.Source
    scratch : Path
    number : int
        Distinguishes the files of several sources in `scratch`.
    say : callable

    Returns
    -------
    Converted

    Raises
    ------
    InputError
        A file cannot be read, holds no genotypes, or the people of two chromosomes differ.
    """
    if source.kind == "plink1" and len(source.parts) == 1:
        prefix = str(source.parts[0][0])[: -len(".bed")]
        return Converted(Path(prefix), -1, -1)
    folder = Path(scratch) / f"converted{number}"
    folder.mkdir(exist_ok=True)
    stem = source.name.replace("/", "_")  # so that messages about the result name the array
    parts, tables = [], []
    for part, (files, chrom) in enumerate(zip(source.parts, source.chromosomes, strict=True)):
        out = folder / (stem if len(source.parts) == 1 else f"{stem}.{part}")
        if source.kind == "plink1":
            prefix = str(files[0])[: -len(".bed")]
            bim, fam = validate.read_fileset(prefix, say=say)
            parts.append(Converted(Path(prefix), len(bim), len(fam)))
        else:
            parts.append(_convert(source.kind, files, out, say))
            bim, fam = bed.read_bim(out), bed.read_fam(out)
        tables.append((parts[-1].prefix, bim, fam))
        if chrom is not None and str(chrom) not in set(validate.chromosome_names(bim["chrom"])):
            raise InputError(files[0], f"no variant of chromosome {chrom}", "the name says it holds this chromosome")
    if len(parts) == 1:
        return parts[0]
    out = folder / stem
    concatenate(tables, out)
    return Converted(
        out,
        sum(part.n_variants for part in parts),
        parts[0].n_people,
        [row for part in parts for row in part.dropped],
        {name: length for part in parts for name, length in part.lengths.items()},
    )


def _convert(kind, files, out, say):
    """One VCF or PLINK 2 fileset as a PLINK 1 fileset `out`."""
    lengths, file = {}, files[0]
    if kind == "vcf":
        lengths = _import_vcf(file, out, say)
        files = [Path(f"{out}.pgen"), Path(f"{out}.pvar"), Path(f"{out}.psam")]
    words = ["--pgen", files[0], "--pvar", files[1], "--psam", files[2], "--allow-extra-chr"]
    try:
        plink2(*words, "--make-just-pvar", "cols=maybefilter", "--out", f"{out}.sites")
    except ToolError as error:
        raise InputError(file, f"plink2 cannot read this fileset: {_cause(error)}") from None
    sites = _read_pvar(f"{out}.sites.pvar", file)
    place = sites["chrom"] + ":" + sites["pos"].astype(str)
    names = sites["id"].where(sites["id"] != ".", place)
    reasons = drop_reasons(sites)
    filtered = int((~sites["filter"].isin([".", "PASS"])).sum())
    if filtered:
        say(f"{file.name}: {filtered} variants with a FILTER other than PASS are used all the same")
    keep = np.array([reason is None for reason in reasons])
    if not keep.any():
        raise InputError(file, f"none of its {len(sites)} variants can be used ({_counts(reasons)})")
    if not keep.all():
        say(f"{file.name}: left out {_counts(reasons)}")
    # PLINK 2 is given made-up names that are unique; the variants' own come back below.
    made_up = [f"v{row}" for row in range(len(sites))]
    sites.assign(id=made_up, filter=".").to_csv(
        f"{out}.named.pvar", sep="\t", index=False, columns=["chrom", "pos", "id", "ref", "alt"],
        header=["#CHROM", "POS", "ID", "REF", "ALT"], quoting=csv.QUOTE_NONE,
    )  # fmt: skip
    Path(f"{out}.kept").write_text("".join(f"v{row}\n" for row in np.flatnonzero(keep)), encoding="utf-8")
    words[3] = f"{out}.named.pvar"
    try:
        plink2(*words, "--extract", f"{out}.kept", "--make-bed", "--out", out)
    except ToolError as error:
        raise InputError(file, f"plink2 cannot make a .bed of it: {_cause(error)}") from None
    bim = bed.read_bim(out)
    rows = bim["id"].str[1:].astype(int).to_numpy()
    bim["id"] = sites["id"].to_numpy()[rows]
    bim[["a1", "a2"]] = bim[["a1", "a2"]].replace(".", "0")  # PLINK 1's word for an allele that is not known
    bed.write_bim(bim, bed.path(out, ".bim"))
    fam = bed.read_fam(out)
    if kind == "vcf":
        bed.write_fam(fam.assign(sex="0"), bed.path(out, ".fam"))
    for suffix in (".pgen", ".pvar", ".psam", ".sex", ".sites.pvar", ".named.pvar", ".kept"):
        Path(f"{out}{suffix}").unlink(missing_ok=True)
    dropped = [(name, reason) for name, reason in zip(names, reasons, strict=True) if reason is not None]
    return Converted(Path(out), len(sites), len(fam), dropped, lengths)


def drop_reasons(sites):
    """Why a variant cannot be in a .bed.

    Parameters
    ----------
    sites : DataFrame
        chrom, ref, alt, text.

    Returns
    -------
    list of str or None
    """
    several = sites["alt"].str.contains(",", regex=False)
    plain = sites["ref"].str.fullmatch(PLAIN_ALLELE) & (several | sites["alt"].str.fullmatch(PLAIN_ALLELE))
    placed = validate.chromosome_names(sites["chrom"]).isin(validate.CHROMOSOMES)
    reasons = np.select([~placed, several, ~plain], [NOT_PLACED, MULTIALLELIC, SYMBOLIC], default="")
    return [str(reason) or None for reason in reasons]


def _counts(reasons):
    """Reasons and their numbers, as text."""
    table = pd.Series([reason for reason in reasons if reason]).value_counts()
    return ", ".join(f"{reason}: {count}" for reason, count in table.items())


def _import_vcf(file, out, say):
    """A VCF or BCF as a PLINK 2 fileset `out`; returns the chromosome lengths of its header."""
    header, record = _head(file)
    people = header[-1].split("\t")[9:]
    if not people:
        raise InputError(file, "no genotypes in it, only sites", "give a VCF with the study's people")
    strange = [name for name in people if re.search(r"\s", name) or not name]
    if strange:
        raise InputError(
            file, f"sample id {strange[0]!r} holds white space", "rename it (bcftools reheader -s), no id may hold any"
        )
    for name in people:
        if why := validate.why_no_id(name):
            raise InputError(
                file, f"sample id {name[:20]} cannot be used: {why}", "rename it (bcftools reheader -s), also where"
                " participants are listed",
            )  # fmt: skip
    formats = record.split("\t")[8].split(":") if record else ["GT"]  # no or a broken record: PLINK 2 says so
    words = ["--bcf" if file.suffix == ".bcf" else "--vcf", file]
    if "GT" not in formats:
        if "DS" not in formats:
            raise InputError(
                file, f"its records hold {':'.join(formats)}, neither calls (GT) nor dosages (DS)", "give a VCF with GT"
            )
        words.append("dosage=DS")
        say(
            f"{file.name}: no calls (GT) in it; dosages (DS) within {HARD_CALL:g} of 0, 1 or 2 count as calls, others"
            " as missing"
        )
    # A VCF states no sex, without which newer PLINK 2 refuses chromosome X: everybody is female, as far as the import
    # goes, for whom it takes calls as they are.
    sex = Path(f"{out}.sex")
    sex.write_text("#FID\tIID\tSEX\n" + "".join(f"{name}\t{name}\t2\n" for name in people), encoding="utf-8")
    words += [
        "--double-id",
        "--psam",
        sex,
        "--allow-extra-chr",
        "--hard-call-threshold",
        HARD_CALL,
        "--make-pgen",
        "--out",
        out,
    ]
    extra = []
    while True:
        try:
            plink2(*words, *extra)
            break
        except ToolError as error:
            if "half-call" in str(error) and "--vcf-half-call" not in extra:
                extra += ["--vcf-half-call", "missing"]
                say(f"{file.name}: {half_calls(file)} half calls (one allele missing) count as missing")
            elif "split chromosome" in str(error) and "--sort-vars" not in extra:
                extra.append("--sort-vars")
                say(f"{file.name}: its chromosomes are not in one piece each; sorted")
            else:
                raise InputError(file, f"plink2 cannot read it: {_cause(error)}") from None
    return contig_lengths(header)


def _head(file):
    """Header lines and first record (None: no records) of a VCF or BCF."""
    try:
        text = run(["bcftools", "head", "-n", "1", file]).splitlines()
    except ToolError as error:
        raise InputError(file, f"not a readable VCF: {_cause(error)}") from None
    header = [line for line in text if line.startswith("#")]
    if not header or not header[-1].startswith("#CHROM"):
        raise InputError(file, "not a readable VCF: no #CHROM line")
    records = [line for line in text[text.index(header[-1]) + 1 :] if line.count("\t") >= 8]
    return header, next(iter(records), None)


def contig_lengths(header):
    """Chromosome -> length (bp) as the ``##contig`` lines of a VCF header have them."""
    lengths = {}
    for line in header:
        if line.startswith("##contig="):
            name, length = (re.search(rf"[<,]{key}=([^,>]+)", line) for key in ("ID", "length"))
            if name and length and length[1].isdigit():
                lengths[name[1]] = int(length[1])
    names = validate.chromosome_names(pd.Series(list(lengths), dtype=str))
    return dict(zip(names, lengths.values(), strict=True))


def half_calls(file):
    """Number of calls of a VCF or BCF with one allele missing, such as 0/. or .|1."""
    number = 0
    for line in lines(["bcftools", "query", "-f", "[%GT\t]\n", file]):
        left, right = line.count("./") + line.count(".|"), line.count("/.") + line.count("|.")
        number += left + right - 2 * (line.count("./.") + line.count(".|."))
    return number


def _read_pvar(file, source):
    """A .pvar made of `source` as DataFrame: chrom, pos (int64), id, ref, alt, filter."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(source, "an id or allele in it is not UTF-8 text", "save it as UTF-8 text") from None
    start = text.find("#CHROM") if not text.startswith("#CHROM") else 0
    table = pd.read_csv(
        io.StringIO(text[start:]), sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
    )  # fmt: skip
    columns = {"#CHROM": "chrom", "POS": "pos", "ID": "id", "REF": "ref", "ALT": "alt", "FILTER": "filter"}
    table = table.rename(columns=columns)
    if "filter" not in table:
        table["filter"] = "."
    return table[list(columns.values())].astype({"pos": np.int64})


def concatenate(filesets, out, snps_at_once=20_000):
    """Filesets of the same people, one after the other, as one; people come in the order of the first.

    Parameters
    ----------
    filesets : list of tuple
        (prefix, bim, fam): the tables as they are to be written.
    out : Path

    Raises
    ------
    InputError
        Their people differ.
    """
    people = list(filesets[0][2]["iid"])
    for prefix, _, fam in filesets:
        differ = sorted({*people} ^ {*fam["iid"]})
        if differ:
            raise InputError(
                prefix,
                f"its people are not those of {filesets[0][0]}: {', '.join(differ[:5])}"
                + (f" and {len(differ) - 5} more" if len(differ) > 5 else "")
                + " in one of them only",
                "the files of one array must hold the same people",
            )
    with bed.path(out, ".bed").open("wb") as handle:
        handle.write(bed.MAGIC + bytes([bed.SNP_MAJOR]))
        for prefix, bim, fam in filesets:
            order = pd.Series(np.arange(len(fam)), index=fam["iid"]).loc[people].to_numpy()
            for first in range(0, len(bim), snps_at_once):
                rows = np.arange(first, min(first + snps_at_once, len(bim)))
                handle.write(bed.pack(bed.read_bed(prefix, len(fam), rows)[:, order]).tobytes())
    bed.write_bim(pd.concat([bim for _, bim, _ in filesets], ignore_index=True), bed.path(out, ".bim"))
    bed.write_fam(filesets[0][2], bed.path(out, ".fam"))


def _cause(error):
    """What a program said, without the command."""
    return str(error).split(": ", 1)[-1].removeprefix("Error: ")
