"""The stage: checked arrays in, one merged and quality-controlled fileset and a full account out."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gcamccl.genotype_qc import bed, hardy_weinberg, people, qc, sex_check, validate
from gcamccl.genotype_qc.harmonise import harmonise
from gcamccl.genotype_qc.merge import extract, merge
from gcamccl.workflow.errors import InputError


@dataclass(frozen=True)
class Account:
    """Tables of the stage (docs/artifacts.md), and the people on several arrays."""

    attrition: pd.DataFrame
    dropped: pd.DataFrame
    harmonised: pd.DataFrame
    pca: pd.DataFrame
    twice: pd.DataFrame
    samples: pd.DataFrame
    relatedness: pd.DataFrame
    sex: pd.DataFrame
    eigenvalues: pd.DataFrame
    hwe: pd.DataFrame
    hwe_summary: pd.DataFrame
    notes: pd.DataFrame


def prepare(prefixes, settings, scratch, out, participants=None, say=print):
    """Validate, harmonise, merge and quality control SNP arrays.

    Parameters
    ----------
    prefixes : list of str or Path
        PLINK filesets, one an array; the first sets names, positions and strand.
    settings : dict
        Config section ``genotype_qc``.
    scratch : Path
    out : Path
        Prefix of the resulting fileset.
    participants : str or Path, optional
        Participants table; only its people are kept.
    say : callable
        Called with one line per step.

    Returns
    -------
    Account

    Raises
    ------
    InputError
        A fileset is malformed, a participant is in none of them, or nothing is left.
    """
    names = array_names(prefixes)
    bims, fams = zip(*[validate.read_fileset(prefix) for prefix in prefixes], strict=True)
    for name, bim, fam in zip(names, bims, fams, strict=True):
        say(f"{name}: {len(bim)} SNPs, {len(fam)} people")
    wanted = {person for fam in fams for person in fam["iid"]}
    if participants is not None:
        listed = validate.read_wanted(participants)
        validate.check_wanted(listed, fams, participants)
        wanted &= set(listed)
    attrition, dropped = [], []
    for name, bim, fam in zip(names, bims, fams, strict=True):
        attrition.append((f"read {name}", len(bim), len(bim), len(fam), int(fam["iid"].isin(wanted).sum())))
        strangers = fam["iid"][~fam["iid"].isin(wanted)]
        dropped += [("sample", person, name, "read", "not_a_participant") for person in strangers]
    # An array that no participant is on has no say in which SNPs are common.
    used = [number for number, fam in enumerate(fams) if fam["iid"].isin(wanted).any()]
    missing = [bed.missing_share(prefixes[n], len(bims[n]), len(fams[n])) for n in used]
    agreed = harmonise([bims[n] for n in used], missing, [names[n] for n in used], settings["keep_ambiguous"])
    for number, usable, snps in zip(used, agreed.usable, agreed.snps, strict=True):
        n_people = int(fams[number]["iid"].isin(wanted).sum())
        attrition.append((f"usable {names[number]}", len(bims[number]), usable, n_people, n_people))
        attrition.append((f"common {names[number]}", usable, len(snps), n_people, n_people))
    dropped += [("snp", *row) for row in agreed.dropped[["id", "array", "step", "reason"]].itertuples(index=False)]
    say(f"{len(agreed.snps[0])} SNPs are common to all arrays")

    parts = []
    for number, snps in zip(used, agreed.snps, strict=True):
        parts.append(Path(scratch) / f"array{number}")
        extract(prefixes[number], bims[number], fams[number], snps, wanted, parts[-1])
    merged, twice = merge(parts, [names[n] for n in used], scratch)
    for row in twice[~twice["keep"].astype(bool)].itertuples():
        best = twice["array"][(twice["genotype_id"] == row.genotype_id) & twice["keep"].astype(bool)]
        reason = f"typed_twice, kept from {best.iloc[0]}" if len(best) else "typed_twice, calls disagree"
        dropped.append(("sample", row.genotype_id, row.array, "merge", reason))
    n_snps, rows = len(bed.read_bim(merged)), sum(len(bed.read_fam(part)) for part in parts)
    attrition.append(("merge", len(agreed.snps[0]), n_snps, rows, len(bed.read_fam(merged))))
    say(f"merged: {n_snps} SNPs, {attrition[-1][-1]} people, {twice['genotype_id'].nunique()} of them typed twice")

    who = people.declared(participants)
    sexes, notes = [], []
    for prefix, name, bim, fam in zip(prefixes, names, bims, fams, strict=True):
        table, said = sex_check.sex_check(prefix, bim, fam, name, Path(scratch) / f"sex{len(sexes)}")
        sexes.append(table)
        notes += [("sex", "note", text) for text in said]
    findings = people.measure(merged, pd.concat(sexes, ignore_index=True), settings, who, scratch)
    notes += findings.notes
    current, more, lost = qc.remove_people(merged, people.to_remove(findings, settings), scratch)
    left = findings.table.loc[bed.read_fam(current)["iid"], "group"]
    hwe = hardy_weinberg.tests(current, left, Path(scratch) / "hwe")
    counts = hardy_weinberg.summary(hwe, settings["hwe_p"])
    notes.append(("hwe", "warning" if counts["far_more"] else "note", hardy_weinberg.sentence(counts)))
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
    more, lost = more + steps, lost + gone
    for step, snps_in, snps_out, people_in, people_out in more:
        say(f"{step}: {snps_in} -> {snps_out} SNPs, {people_in} -> {people_out} people")
    for check, level, text in notes:
        say(f"{'WARNING: ' * (level == 'warning')}{check}: {text}")
    for suffix in (".bed", ".bim", ".fam"):
        shutil.copyfile(bed.path(final, suffix), bed.path(out, suffix))
    kept = bed.read_fam(final)
    arrays = {name: list(fam["iid"]) for name, fam in zip(names, fams, strict=True)}
    return Account(
        attrition=pd.DataFrame(attrition + more, columns=["step", "snps_in", "snps_out", "samples_in", "samples_out"]),
        dropped=pd.DataFrame(dropped + lost, columns=["kind", "id", "array", "step", "reason"]),
        harmonised=agreed.table,
        pca=people.components(findings, kept),
        twice=twice,
        samples=people.samples(findings, arrays, who, dropped + lost, list(kept["iid"])),
        relatedness=findings.relatedness,
        sex=findings.sex,
        eigenvalues=findings.eigenvalues,
        hwe=hwe,
        hwe_summary=pd.DataFrame([counts]),
        notes=pd.DataFrame(notes, columns=people.NOTES),
    )


def array_names(prefixes):
    """Short names of arrays: the last part of their prefixes, or the whole where those are not unique."""
    short = [Path(prefix).name for prefix in prefixes]
    return short if len(set(short)) == len(short) else [str(prefix) for prefix in prefixes]
