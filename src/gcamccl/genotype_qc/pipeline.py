"""The stage: checked arrays in, one merged and quality-controlled fileset and a full account out."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gcamccl.genotype_qc import accounting, bed, hardy_weinberg, inputs, people, qc, sex_check
from gcamccl.genotype_qc.harmonise import Harmonised, harmonise
from gcamccl.genotype_qc.merge import array_effect, extract, merge
from gcamccl.genotype_qc.plink_ids import Codes, write_named
from gcamccl.genotype_qc.probes import read_array
from gcamccl.workflow.errors import InputError

ATTRITION = ["step", "snps_in", "snps_out", "samples_in", "samples_out"]
DROPPED = ["kind", "id", "array", "step", "reason"]


@dataclass(frozen=True)
class Account:
    """Tables of the stage (docs/artifacts.md), and the people on several arrays."""

    attrition: pd.DataFrame
    dropped: pd.DataFrame
    harmonised: pd.DataFrame
    strand: pd.DataFrame
    pca: pd.DataFrame
    twice: pd.DataFrame
    positions: pd.DataFrame
    matching: pd.DataFrame
    samples: pd.DataFrame
    relatedness: pd.DataFrame
    sex: pd.DataFrame
    eigenvalues: pd.DataFrame
    hwe: pd.DataFrame
    hwe_summary: pd.DataFrame
    notes: pd.DataFrame


@dataclass(frozen=True)
class Merged:
    """Arrays as one fileset.

    Attributes
    ----------
    prefix : Path
        The fileset, with neutral ids.
    people, snps : Codes
        Its ids.
    used : list of int
        Arrays with a participant on them, by their number.
    agreed : Harmonised
        Of those arrays.
    strand, twice : DataFrame
        As in `Account`.
    attrition, dropped : list of tuple
        Columns `ATTRITION` and `DROPPED`.
    """

    prefix: Path
    people: Codes
    snps: Codes
    used: list
    agreed: Harmonised
    strand: pd.DataFrame
    twice: pd.DataFrame
    attrition: list
    dropped: list


def prepare(
    entries,
    settings,
    scratch,
    out,
    participants=None,
    chromosomes=(),
    known_positions=(),
    reference_panel=(),
    say=print,
):
    """Validate, harmonise, merge and quality control SNP arrays.

    Parameters
    ----------
    entries : list of str or Path
        As in ``study.genotypes``, one an array; the first sets names, positions and strand.
    settings : dict
        Config section ``genotype_qc``.
    scratch : Path
    out : Path
        Prefix of the resulting fileset.
    participants : str or Path, optional
        Participants table; only its people are kept.
    chromosomes : sequence of int
        What ``{chrom}`` in an entry stands for.
    known_positions, reference_panel : list of Path
        What the arrays' positions are compared with (`inputs.load`). Known positions also put single moved SNPs right.
    say : callable
        Called with one line per step.

    Returns
    -------
    Account

    Raises
    ------
    InputError
        A fileset is malformed or of another genome build, too few participants are in one, or nothing is left.
    accounting.AccountError
        A fault of this program: somebody or something was lost without a word.
    """
    given = inputs.load(entries, scratch, settings, participants, chromosomes, known_positions, reference_panel, say)
    merged = merge_arrays(given, settings, scratch, say)
    n_people = len(bed.read_fam(merged.prefix))
    if n_people < qc.MIN_PEOPLE:
        raise InputError("genotype_qc", f"{n_people} person on the arrays; at least {qc.MIN_PEOPLE} are needed")
    who = people.declared(participants)
    sex, notes = _sexes(given, scratch)
    findings = people.measure(merged.prefix, merged.people, sex, settings, who, scratch)
    final, attrition, lost, hwe, counts = _quality_control(merged, findings, settings, scratch)
    notes += [
        *findings.notes,
        ("hwe", "warning" if counts["far_more"] else "note", hardy_weinberg.sentence(counts)),
    ]
    for step, snps_in, snps_out, people_in, people_out in attrition:
        say(f"{step}: {snps_in} -> {snps_out} SNPs, {people_in} -> {people_out} people")
    for check, level, text in notes:
        say(f"{'WARNING: ' * (level == 'warning')}{check}: {text}")
    shutil.copyfile(bed.path(final, ".bed"), bed.path(out, ".bed"))
    write_named(final, out, merged.people, merged.snps)
    kept = bed.read_fam(out)
    arrays = {name: list(fam["iid"]) for name, fam in zip(given.names, given.fams, strict=True)}
    lost = given.dropped + merged.dropped + lost
    accounting.check(given, merged, out, lost)
    return Account(
        attrition=pd.DataFrame(given.attrition + merged.attrition + attrition, columns=ATTRITION),
        dropped=_all_dropped(merged.agreed.dropped, lost),
        harmonised=merged.agreed.table,
        strand=merged.strand,
        pca=people.components(findings, kept),
        twice=merged.twice,
        positions=given.positions,
        matching=given.matching,
        samples=people.samples(findings, arrays, who, lost, list(kept["iid"])),
        relatedness=findings.relatedness,
        sex=findings.sex,
        eigenvalues=findings.eigenvalues,
        hwe=hwe,
        hwe_summary=pd.DataFrame([counts]),
        notes=pd.DataFrame(notes, columns=people.NOTES),
    )


def merge_arrays(given, settings, scratch, say=print):
    """Harmonise the SNPs of checked arrays and merge their people.

    Parameters
    ----------
    given : inputs.Inputs
    settings : dict
        Config section ``genotype_qc``.
    scratch : Path
    say : callable

    Returns
    -------
    Merged
    """
    attrition, dropped = [], []
    names, prefixes, bims, fams = given.names, given.prefixes, given.bims, given.fams
    # An array that no participant is on has no say in which SNPs are common.
    used = [number for number, fam in enumerate(fams) if fam["iid"].isin(given.people).any()]
    for number in sorted({*range(len(names))} - {*used}):
        say(f"{names[number]}: nobody on it is a participant; it is left out")
    arrays = [read_array(names[n], prefixes[n], bims[n], fams[n]) for n in used]
    agreed = harmonise(arrays, settings, given.known, say)
    for number, usable, snps in zip(used, agreed.usable, agreed.snps, strict=True):
        n_people = int(fams[number]["iid"].isin(given.people).sum())
        attrition.append((f"usable {names[number]}", len(bims[number]), usable, n_people, n_people))
        attrition.append((f"common {names[number]}", usable, len(snps), n_people, n_people))
    say(f"{len(agreed.snps[0])} SNPs are common to all arrays")

    kept = [name for number in used for name in fams[number]["iid"] if name in given.people]
    who, codes, parts = Codes("p", list(dict.fromkeys(kept))), Codes("s", agreed.snps[0]["id"]), []
    for number, snps in zip(used, agreed.snps, strict=True):
        parts.append(Path(scratch) / f"array{number}")
        extract(prefixes[number], bims[number], fams[number], snps, who, codes, parts[-1])
    merged, twice, merged_from = merge(parts, [names[n] for n in used], who, scratch)
    strand = array_effect(agreed.strand, merged_from, merged, say)
    for row in twice[~twice["keep"].astype(bool)].itertuples():
        best = twice["array"][(twice["genotype_id"] == row.genotype_id) & twice["keep"].astype(bool)]
        reason = f"typed_twice, kept from {best.iloc[0]}" if len(best) else "typed_twice, calls disagree"
        dropped.append(("sample", row.genotype_id, row.array, "merge", reason))
    n_snps, rows = len(bed.read_bim(merged)), sum(len(bed.read_fam(part)) for part in parts)
    attrition.append(("merge", len(agreed.snps[0]), n_snps, rows, len(bed.read_fam(merged))))
    say(f"merged: {n_snps} SNPs, {attrition[-1][-1]} people, {twice['genotype_id'].nunique()} of them typed twice")
    return Merged(merged, who, codes, used, agreed, strand, twice, attrition, dropped)


def _sexes(given, scratch):
    """Sex of everybody by the X of every array as it came, since harmonising keeps autosomes only; and notes."""
    tables, notes = [], []
    for prefix, name, bim, fam in zip(given.prefixes, given.names, given.bims, given.fams, strict=True):
        table, said = sex_check.sex_check(prefix, bim, fam, name, Path(scratch) / f"sex{len(tables)}")
        tables.append(table)
        notes += [("sex", "note", text) for text in said]
    return pd.concat(tables, ignore_index=True), notes


def _quality_control(merged, findings, settings, scratch):
    """Filters of people, where they are on, then the paper's filters; Hardy-Weinberg tests between the two."""
    removals = [
        (step, reason, merged.people.encode(names)) for step, reason, names in people.to_remove(findings, settings)
    ]
    current, attrition, lost = qc.remove_people(merged.prefix, removals, scratch)
    left = bed.read_fam(current)["iid"]
    left = findings.table.loc[merged.people.decode(left), "group"].set_axis(left)
    hwe = hardy_weinberg.tests(current, left, Path(scratch) / "hwe")
    counts = hardy_weinberg.summary(hwe, settings["hwe_p"])
    unfit = None
    if settings["hwe_within_ancestry"]:
        if not counts["n_groups"]:
            raise InputError(
                "genotype_qc.hwe_within_ancestry",
                f"no ancestry group has at least {settings['min_group_people']} people",
                "lower genotype_qc.min_group_people, or set hwe_within_ancestry: false",
            )
        unfit = hardy_weinberg.fails_within(hwe, settings["hwe_p"])
    final, steps, gone = qc.quality_control(current, settings, scratch, unfit)
    codes = {"sample": merged.people, "snp": merged.snps}
    lost = [(kind, *codes[kind].decode([code]), *rest) for kind, code, *rest in lost + gone]
    return final, attrition + steps, lost, hwe.assign(id=merged.snps.decode(hwe["id"])), counts


def _all_dropped(snps, rows):
    """SNPs that harmonising dropped, with the evidence, and the (kind, id, array, step, reason) of other steps."""
    others = pd.DataFrame(rows, columns=DROPPED).assign(detail=None)
    return pd.concat([snps.assign(kind="snp")[others.columns], others], ignore_index=True)
