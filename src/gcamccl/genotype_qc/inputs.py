"""The stage's beginning: arrays found, converted, checked against their own files, GRCh37 and the participants."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gcamccl.genotype_qc import build, convert, known_positions, people_matching, sources, validate


@dataclass(frozen=True)
class Inputs:
    """Checked arrays and an account of what was lost on the way.

    Attributes
    ----------
    names : list of str
    prefixes : list of Path
        PLINK 1 filesets, one an array.
    bims, fams : list of DataFrame
        From `validate.read_fileset`.
    people : set of str
        Individual ids to keep.
    attrition : list of tuple
        step, snps_in, snps_out, samples_in, samples_out.
    dropped : list of tuple
        kind, id, array, step, reason.
    positions : DataFrame
        Columns `build.POSITIONS`.
    matching : DataFrame
        Columns `people_matching.MATCHING`; without rows where there is no participants table.
    known : DataFrame or None
        Positions of the arrays' rsIDs in the files of known positions; None without such files. A sample of the
        reference panel tells the build but is not enough to put single SNPs right.
    """

    names: list
    prefixes: list
    bims: list
    fams: list
    people: set
    attrition: list
    dropped: list
    positions: pd.DataFrame
    matching: pd.DataFrame
    known: pd.DataFrame | None


def load(
    entries, scratch, settings, participants=None, chromosomes=(), known_files=(), panel_files=(), say=print
):  # fmt: skip
    """Find, convert and check everything that is given of genotypes.

    Parameters
    ----------
    entries : list of str or Path
        As in ``study.genotypes``.
    scratch : Path
    settings : dict
        Config section ``genotype_qc``.
    participants : str or Path, optional
        Participants table; only its people are kept.
    chromosomes : sequence of int
        What ``{chrom}`` in an entry stands for.
    known_files : list of Path
        Known positions, read in full; where there are none, a sample of `panel_files` takes their place.
    panel_files : list of Path
        The reference panel.
    say : callable

    Returns
    -------
    Inputs

    Raises
    ------
    InputError
        A file is missing or malformed, positions are of another build, or too few participants are there.
    """
    found = sources.find(entries, chromosomes)
    names = [source.name for source in found]
    attrition, dropped, prefixes, bims, fams, headers = [], [], [], [], [], []
    for number, (name, source) in enumerate(zip(names, found, strict=True)):
        made = convert.to_bed(source, scratch, number, say)
        bim, fam = validate.read_fileset(made.prefix, say=say)
        if source.kind != "plink1":
            say(f"{name}: {made.n_variants} variants read, {len(bim)} in the .bed")
            attrition.append((f"convert {name}", made.n_variants, len(bim), made.n_people, len(fam)))
            dropped += [("snp", snp, name, "convert", reason) for snp, reason in made.dropped]
        say(f"{name}: {len(bim)} SNPs, {len(fam)} people")
        prefixes.append(Path(made.prefix))
        bims.append(bim)
        fams.append(fam)
        headers.append(made.lengths)
    positions, known = check_positions(names, bims, headers, scratch, known_files, panel_files, say)
    people = {person for fam in fams for person in fam["iid"]}
    table = pd.DataFrame(columns=people_matching.MATCHING)
    if participants is not None:
        table = people_matching.match(participants, fams, names, settings["min_participants_found"], say)
        absent = table["genotype_id"][table["status"] == people_matching.NO_GENOTYPES]
        dropped += [("sample", person, "none", "read", people_matching.NO_GENOTYPES) for person in absent]
        people = set(table["genotype_id"][table["status"] == people_matching.FOUND])
    for name, bim, fam in zip(names, bims, fams, strict=True):
        attrition.append((f"read {name}", len(bim), len(bim), len(fam), int(fam["iid"].isin(people).sum())))
        strangers = fam["iid"][~fam["iid"].isin(people)]
        dropped += [("sample", person, name, "read", people_matching.STRANGER) for person in strangers]
    return Inputs(
        names, prefixes, bims, fams, people, attrition, dropped, positions, table, known if known_files else None
    )


def check_positions(names, bims, headers, scratch, known_files=(), panel_files=(), say=print):
    """Compare every array's positions with what is known (`build.check_build`).

    Returns
    -------
    positions : DataFrame
        Columns `build.POSITIONS`.
    known : DataFrame or None
        As in `Inputs`.
    """
    known, where = None, None
    if known_files:
        where = Path(known_files[0]).name
        known = known_positions.read_known(known_files, bims, scratch, say)
    elif panel_files:
        where = "the reference panel"
        known = known_positions.sample_panel(panel_files, bims, scratch, say)
    tables = [
        build.check_build(name, bim, known, where, header, say)
        for name, bim, header in zip(names, bims, headers, strict=True)
    ]
    return pd.concat(tables, ignore_index=True), known if known_files else None
