"""The stage: checked arrays in, one merged and quality-controlled fileset and a full account out."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gcamccl.genotype_qc import bed, inputs, qc
from gcamccl.genotype_qc.harmonise import harmonise
from gcamccl.genotype_qc.merge import array_effect, extract, merge
from gcamccl.genotype_qc.probes import read_array


@dataclass(frozen=True)
class Account:
    """Tables of the stage (docs/artifacts.md), and the people on several arrays."""

    attrition: pd.DataFrame
    dropped: pd.DataFrame
    harmonised: pd.DataFrame
    pca: pd.DataFrame
    twice: pd.DataFrame
    positions: pd.DataFrame
    matching: pd.DataFrame
    strand: pd.DataFrame


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
    """
    given = inputs.load(
        entries, scratch, settings, participants, chromosomes, known_positions, reference_panel, say
    )  # fmt: skip
    names, prefixes, bims, fams, people = given.names, given.prefixes, given.bims, given.fams, given.people
    attrition, dropped = given.attrition, given.dropped
    # An array that no participant is on has no say in which SNPs are common.
    used = [number for number, fam in enumerate(fams) if fam["iid"].isin(people).any()]
    arrays = [read_array(names[n], prefixes[n], bims[n], fams[n]) for n in used]
    agreed = harmonise(arrays, settings, given.known, say)
    for number, usable, snps in zip(used, agreed.usable, agreed.snps, strict=True):
        n_people = int(fams[number]["iid"].isin(people).sum())
        attrition.append((f"usable {names[number]}", len(bims[number]), usable, n_people, n_people))
        attrition.append((f"common {names[number]}", usable, len(snps), n_people, n_people))
    say(f"{len(agreed.snps[0])} SNPs are common to all arrays")

    parts = []
    for number, snps in zip(used, agreed.snps, strict=True):
        parts.append(Path(scratch) / f"array{number}")
        extract(prefixes[number], bims[number], fams[number], snps, people, parts[-1])
    merged, twice, merged_from = merge(parts, [names[n] for n in used], scratch)
    strand = array_effect(agreed.strand, merged_from, merged, say)
    for row in twice[~twice["keep"].astype(bool)].itertuples():
        best = twice["array"][(twice["genotype_id"] == row.genotype_id) & twice["keep"].astype(bool)]
        reason = f"typed_twice, kept from {best.iloc[0]}" if len(best) else "typed_twice, calls disagree"
        dropped.append(("sample", row.genotype_id, row.array, "merge", reason))
    n_snps, rows = len(bed.read_bim(merged)), sum(len(bed.read_fam(part)) for part in parts)
    attrition.append(("merge", len(agreed.snps[0]), n_snps, rows, len(bed.read_fam(merged))))
    say(f"merged: {n_snps} SNPs, {attrition[-1][-1]} people, {twice['genotype_id'].nunique()} of them typed twice")

    final, more, lost = qc.quality_control(merged, settings, scratch)
    for step, snps_in, snps_out, people_in, people_out in more:
        say(f"{step}: {snps_in} -> {snps_out} SNPs, {people_in} -> {people_out} people")
    for suffix in (".bed", ".bim", ".fam"):
        shutil.copyfile(bed.path(final, suffix), bed.path(out, suffix))
    return Account(
        pd.DataFrame(attrition + more, columns=["step", "snps_in", "snps_out", "samples_in", "samples_out"]),
        _all_dropped(agreed.dropped, dropped + lost),
        agreed.table,
        qc.components(final, scratch),
        twice,
        given.positions,
        given.matching,
        strand,
    )


def _all_dropped(snps, rows):
    """SNPs that harmonising dropped, with the evidence, and the (kind, id, array, step, reason) of other steps."""
    others = pd.DataFrame(rows, columns=["kind", "id", "array", "step", "reason"]).assign(detail=None)
    return pd.concat([snps.assign(kind="snp")[others.columns], others], ignore_index=True)
