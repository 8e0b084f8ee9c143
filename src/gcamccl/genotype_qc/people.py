"""Everybody in one table: sex, call rate, heterozygosity, ancestry, relatives, and what became of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import ancestry, heterozygosity, relatedness, sex_check
from gcamccl.genotype_qc.plink import plink2
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

NOTES = ["check", "level", "text"]  # level: note, warning


@dataclass(frozen=True)
class Findings:
    """What was measured of the merged people, before any filter.

    Attributes
    ----------
    table : DataFrame
        Indexed by genotype_id, the merged people: call_rate, heterozygosity, f, heterozygosity_z, group, fitted,
        pc1 ...
    relatedness : DataFrame
        Columns `relatedness.COLUMNS`.
    sex : DataFrame
        Columns `sex_check.COLUMNS`: everybody on every array.
    eigenvalues : DataFrame
        component, eigenvalue, variance_share, stands_out.
    flags : dict of str to list of str
        genotype_id -> what is odd about the sample.
    notes : list of tuple
        check, level (note, warning), text.
    """

    table: pd.DataFrame
    relatedness: pd.DataFrame
    sex: pd.DataFrame
    eigenvalues: pd.DataFrame
    flags: dict
    notes: list


def declared(path):
    """What the participants table says: DataFrame indexed by genotype_id with participant_id, sex, family_id.

    White space around values is taken off, as `people_matching.read_wanted` does: with it nobody would be found, and
    neither sex nor family be compared. Columns that the table lacks are missing throughout; without a table there is
    nobody. A sex other than M and F is an InputError.
    """
    columns = ["participant_id", "sex", "family_id"]
    if path is None:
        return pd.DataFrame(columns=columns, index=pd.Index([], name="genotype_id"), dtype=object)
    table = read_tsv(path, columns=("genotype_id",), dtype=str)
    for column in table.columns.intersection(["genotype_id", *columns]):
        text = table[column].str.strip()
        table[column] = text.mask(text.isin(["", "n/a"]))
    for number, value in enumerate(table.get("sex", ()), start=2):
        if isinstance(value, str) and value not in ("M", "F"):
            raise InputError(path, f"line {number}: sex is {value!r}", "write M, F or n/a")
    return table[table["genotype_id"].notna()].set_index("genotype_id").reindex(columns=columns).astype(object)


def measure(merged, people, sex, settings, who, scratch):
    """Everything about people that needs no decision.

    Parameters
    ----------
    merged : str or Path
        Merged fileset, before quality control.
    people : plink_ids.Codes
        Its people's ids.
    sex : DataFrame
        Rows of `sex_check.sex_check`, all arrays.
    settings : dict
        Config section ``genotype_qc``.
    who : DataFrame
        From `declared`.
    scratch : Path
        Folder.

    Returns
    -------
    Findings
    """
    scratch, notes = Path(scratch), []
    rate = call_rates(merged, scratch / "people")
    names = rate.index
    n_snps = ancestry.independent_snps(merged, settings, scratch / "independent")
    family = who["family_id"].reindex(people.decode(names)).set_axis(names)
    pairs, many, said = relatedness.relatives(
        merged, ancestry.common_snps(settings), n_snps, family, scratch / "kinship"
    )
    notes += [("relatedness", "note", text) for text in said]
    told = relatedness.lowest_kinship(n_snps)
    if settings["remove_related"] and (told is None or told > settings["max_kinship"]):
        text = f"remove_related: {n_snps} independent SNPs do not tell relatives down to max_kinship"
        left = "nobody is removed for a relative" if told is None else f"undeclared ones below {told:g} stay"
        notes.append(("relatedness", "warning", f"{text} ({settings['max_kinship']:g}): {left}"))

    close = pairs[pairs["kinship"] > settings["max_kinship"]]
    related = relatedness.fewest_to_remove(
        list(zip(close["genotype_id_1"], close["genotype_id_2"], strict=True)), rate.to_dict()
    )
    poor = rate.index[rate < 1 - settings["max_sample_missing"]]
    fit = [name for name in names if name not in {*related, *poor, *many}]
    components, eigenvalues, said = ancestry.components(
        scratch / "independent", n_snps, set(fit), settings["components"], scratch / "pca"
    )
    notes += [("ancestry", "note", text) for text in said]
    pcs = [f"pc{number}" for number in range(1, settings["components"] + 1)]
    if components is None:
        group = pd.Series("group1", index=names)
        components = pd.DataFrame(np.nan, index=names, columns=["fitted", *pcs])
    else:
        group, said = ancestry.groups(components, eigenvalues, settings["min_group_people"])
        notes += [("ancestry", "note", text) for text in said]
        components = components.set_index("genotype_id")
    found, said = heterozygosity.heterozygosity(scratch / "independent", n_snps, group.reindex(names), scratch / "het")
    notes += [("heterozygosity", "note", text) for text in said]
    found = found.set_index("genotype_id").reindex(names)
    table = pd.DataFrame(
        {
            "call_rate": rate,
            "heterozygosity": found["heterozygosity"],
            "f": found["f"],
            "heterozygosity_z": found["z"],
            "group": group.reindex(names),
            "fitted": components["fitted"].reindex(names),
        }
    ).join(components[pcs])
    table.index = pd.Index(people.decode(table.index), name="genotype_id", dtype=object)
    many = dict(zip(people.decode(many), many.values(), strict=True))
    pairs = pairs.assign(**{column: people.decode(pairs[column]) for column in ("genotype_id_1", "genotype_id_2")})
    flags = odd(table, pairs, many, sex, who, settings)
    notes += warnings(pairs, many, flags, len(names))
    return Findings(table, pairs, sex, eigenvalues, flags, notes)


def call_rates(prefix, scratch):
    """Share of SNPs called of each person, Series indexed by genotype_id (PLINK 2 ``--missing``)."""
    plink2("--bfile", prefix, "--missing", "sample-only", "scols=fmiss", "--out", scratch)
    found = pd.read_csv(f"{scratch}.smiss", sep="\t", dtype={"#IID": str}).set_index("#IID")["F_MISS"]
    return (1 - found).rename_axis("genotype_id")


def odd(table, pairs, many, sex, who, settings):
    """Flags of people, see `Findings`."""
    flags = {}

    def add(name, flag):
        if flag not in flags.setdefault(name, []):
            flags[name].append(flag)

    genotype_sex = sex_check.of_people(sex)
    fam_sex = sex.dropna(subset=["fam_sex"]).groupby("genotype_id")["fam_sex"].first()
    for name, found in genotype_sex.dropna().items():
        recorded = recorded_sex(name, who, fam_sex)
        if found == "unclear":
            add(name, "sex_unclear")
        elif isinstance(recorded, str) and recorded != found:
            add(name, "sex_mismatch")
    for row in sex.dropna(subset=["fam_sex"]).itertuples():  # of every array: the first .fam need not be the wrong one
        if row.fam_sex != recorded_sex(row.genotype_id, who, fam_sex):
            add(row.genotype_id, "recorded_sexes_differ")
    for row in pairs[pairs["flag"].notna() & (pairs["flag"] != "mixed_sample")].itertuples():
        for name in (row.genotype_id_1, row.genotype_id_2):
            add(name, {"undeclared": "undeclared_relative"}.get(row.flag, row.flag))
    for name in many:
        add(name, "related_to_many")
    kind = heterozygosity.outliers(table["heterozygosity_z"], settings["heterozygosity_sd"])
    for name, flag in zip(table.index, kind, strict=True):
        if flag:
            add(name, flag)
    for name in table.index[table["call_rate"] < 1 - settings["max_sample_missing"]]:
        add(name, "low_call_rate")
    return flags


def recorded_sex(name, who, fam_sex):
    """The participants table's sex of a person, else the ``.fam``'s; missing where neither says."""
    told = who["sex"].get(name)
    return told if isinstance(told, str) else fam_sex.get(name)


def warnings(pairs, many, flags, n_people):
    """What people must look at, as rows of `Findings.notes`."""
    rows = []
    for row in pairs[pairs["flag"] == "same_dna"].itertuples():
        rows.append(
            (
                "relatedness",
                "warning",
                f"{row.genotype_id_1} and {row.genotype_id_2} have the same DNA (kinship {row.kinship:.3f}): one "
                "person under two ids, a mixed-up sample, or undeclared monozygotic twins",
            )
        )
    undeclared = int((pairs["flag"] == "undeclared").sum())
    if undeclared:
        rows.append(
            (
                "relatedness",
                "warning",
                f"pairs of relatives that family_id does not declare: {undeclared}; only cohort.relatives_together, by "
                "cohort.max_kinship, keeps them in one part of a split",
            )
        )
    absent = int((pairs["flag"] == "declared_not_related").sum())
    if absent:
        rows.append(
            (
                "relatedness",
                "warning",
                f"pairs with the same family_id that are not related by their genotypes: {absent}",
            )
        )
    for name, count in many.items():
        rows.append(
            (
                "relatedness",
                "warning",
                f"{name} looks related to {count} of {n_people - 1} people: a mixed (contaminated) sample, most likely",
            )
        )
    for flag, check, text in (
        ("sex_mismatch", "sex", "another sex by genotypes than recorded"),
        ("recorded_sexes_differ", "sex", "another sex in a .fam than in the participants table or another .fam"),
        (
            "high_heterozygosity",
            "heterozygosity",
            "far more heterozygous than the others of the ancestry group (mixed sample?)",
        ),
    ):
        named = [name for name, own in flags.items() if flag in own]
        if named:
            shown = ", ".join(named[:8]) + (f" and {len(named) - 8} more" if len(named) > 8 else "")
            rows.append((check, "warning", f"{text}: {shown}"))
    return rows


def to_remove(findings, settings):
    """People to leave out before the paper's chain, by the filters that are on.

    Each filter sees only those whom the ones before it left.

    Returns
    -------
    list of (str, str, list of str)
        Step, reason, genotype ids; filters that are off are absent.
    """
    steps, gone = [], set()
    people = list(findings.table.index)

    def flagged(*names):
        return [p for p in people if p not in gone and set(names) & set(findings.flags.get(p, ()))]

    if settings["remove_sex_mismatch"]:
        steps.append(("sex_mismatch", "sex by genotypes is not the recorded one", flagged("sex_mismatch")))
        gone |= set(steps[-1][2])
    if settings["remove_heterozygosity_outliers"]:
        reason = f"heterozygosity beyond {settings['heterozygosity_sd']:g} SD of the ancestry group"
        steps.append(("heterozygosity", reason, flagged("high_heterozygosity", "low_heterozygosity")))
        gone |= set(steps[-1][2])
    if settings["remove_related"]:
        pairs = findings.relatedness
        pairs = pairs[pairs["kinship"] > settings["max_kinship"]]
        pairs = [
            (a, b)
            for a, b in zip(pairs["genotype_id_1"], pairs["genotype_id_2"], strict=True)
            if a not in gone and b not in gone
        ]
        chosen = relatedness.fewest_to_remove(pairs, findings.table["call_rate"].to_dict())
        steps.append(("related", f"kinship > {settings['max_kinship']:g} with a kept person", chosen))
    return steps


def samples(findings, arrays, who, dropped, kept):
    """The table of people: one row for everybody on any array.

    Parameters
    ----------
    findings : Findings
    arrays : dict of str to list of str
        Array -> genotype ids on it.
    who : DataFrame
        From `declared`.
    dropped : list of tuple
        kind, id, array, step, reason of everything that was dropped, in order.
    kept : list of str
        Genotype ids after quality control.

    Returns
    -------
    DataFrame
        genotype_id, participant_id, arrays (joined by ``;``), sex, fam_sex, genotype_sex, call_rate, heterozygosity,
        f, heterozygosity_z, group, n_related (pairs in relatedness.tsv that are related), flags (joined by ``;``),
        kept, dropped_at, reason, pc1 ...
    """
    on = {}
    for array, names in arrays.items():
        for name in names:
            on.setdefault(name, []).append(array)
    table = pd.DataFrame({"genotype_id": list(on), "arrays": [";".join(value) for value in on.values()]})
    names = table["genotype_id"]
    table.insert(1, "participant_id", names.map(who["participant_id"]))
    table["sex"] = names.map(who["sex"])
    table["fam_sex"] = names.map(findings.sex.dropna(subset=["fam_sex"]).groupby("genotype_id")["fam_sex"].first())
    table["genotype_sex"] = names.map(sex_check.of_people(findings.sex))
    for column in ("call_rate", "heterozygosity", "f", "heterozygosity_z", "group"):
        table[column] = names.map(findings.table[column])
    pairs = findings.relatedness[findings.relatedness["relation"] != "unrelated"]
    counts = pd.concat([pairs["genotype_id_1"], pairs["genotype_id_2"]]).value_counts()
    table["n_related"] = names.map(counts).fillna(0).astype(int)
    table["flags"] = [";".join(findings.flags.get(name, [])) or None for name in names]
    table["kept"] = names.isin(set(kept))
    last = {}  # of somebody on several arrays, the last thing that happened counts
    for kind, name, _, step, reason in dropped:
        if kind == "sample":
            last[name] = (step, reason)
    table["dropped_at"] = [None if k else last[n][0] for n, k in zip(names, table["kept"], strict=True)]
    table["reason"] = [None if k else last[n][1] for n, k in zip(names, table["kept"], strict=True)]
    for column in [column for column in findings.table if column.startswith("pc")]:
        table[column] = names.map(findings.table[column])
    return table


def components(findings, fam):
    """Ancestry components of the people of a ``.fam``, in its order: genotype_id, pc1 ..."""
    columns = [column for column in findings.table if column.startswith("pc")]
    return findings.table.reindex(fam["iid"])[columns].rename_axis("genotype_id").reset_index()
