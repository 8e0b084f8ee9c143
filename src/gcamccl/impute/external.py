"""An imputation server's answer: its VCF of a chromosome, matched to the study's SNPs and people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.impute import alleles, vcf
from gcamccl.impute.programs import Filled
from gcamccl.impute.score import mode
from gcamccl.workflow.errors import InputError

# A site's quality: Minimac and the Michigan and TOPMed servers, Beagle, IMPUTE and the Sanger server.
QUALITY = ("R2", "DR2", "INFO")
# Dosage of alt: expected copies; probabilities of 0, 1, 2 copies; expected alt of each haplotype; the call alone.
DOSAGE = ("DS", "GP", "HDS", "GT")
UNTOUCHED = "TYPED_ONLY"  # Minimac: not in its panel, so its missing calls are filled with the mean
TOO_MANY = 0.5  # of the SNPs disagree with the study: wrong file rather than wrong SNPs


@dataclass(frozen=True)
class Server:
    """What a server's file says about the study.

    Attributes
    ----------
    filled : gcamccl.impute.programs.Filled
        Calls -1 and dosage NaN of people it lacks.
    facts : dict
        Counts for the summary.
    """

    filled: Filled
    facts: dict


def read_server(path, chromosome, calls, bim, fam, min_r2, folder, say=print):
    """Read a server's VCF.

    Parameters
    ----------
    path : str or Path
        VCF or BCF, with or without index.
    chromosome : int or str
    calls : int8 array (SNPs, people)
        Observed copies of A1, -1 missing; they tell A/T and C/G SNPs' strand, and whether it is the right file.
    bim, fam : DataFrame
    min_r2 : float
        SNPs of lower quality are not used.
    folder : Path
    say : callable

    Returns
    -------
    Server

    Raises
    ------
    InputError
        Not a readable VCF, truncated, of another chromosome, without dosages or quality, of other people, or its
        calls are not the study's.
    """
    path, folder = Path(path), Path(folder)
    vcf.check_whole(path)
    info, formats = vcf.fields(path)
    quality = next((name for name in QUALITY if name in info), None)
    dosage = next((name for name in DOSAGE if name in formats), None)
    if dosage is None:
        raise InputError(path, f"none of the fields {', '.join(DOSAGE)}", "ask the server for genotypes or dosages")
    if quality is None and min_r2 > 0:
        raise InputError(path, f"no quality in INFO ({', '.join(QUALITY)})", "set impute.min_r2 to 0 to use all of it")
    names = vcf.samples(path)
    columns = match_people(fam, names, path)
    tags = [f"%INFO/{tag}" if tag in info else "." for tag in (quality, UNTOUCHED)]
    table = folder / "server.tsv"
    head = "\\t".join(["%POS", "%REF", "%ALT", *tags])
    vcf.at_positions(path, chromosome, bim["pos"], f"{head}[\\t%{dosage}]\\n", table)
    sites, copies = _read(table, dosage, len(names), columns, path)
    if not len(sites) and not set(vcf.names_of(chromosome)) & set(vcf.chromosomes(path)):
        raise InputError(path, f"no variant of chromosome {chromosome}", "give the file of this chromosome")
    r2 = pd.to_numeric(sites["quality"], errors="coerce").to_numpy(float)
    untouched = (sites["untouched"] == "1").to_numpy()
    found = alleles.match(bim, sites)
    low = r2[found["site"]] < min_r2
    only_typed = untouched[found["site"]]
    facts = {
        "n_snps_not_at_server": len(bim) - len(found) + int(only_typed.sum()),
        "n_snps_low_r2": int((low & ~only_typed).sum()),
        "n_people_not_at_server": int((columns < 0).sum()),
    }
    found = found[~low & ~only_typed]
    values = copies[found["site"]]
    rows = found.index.to_numpy()
    values = np.where(found["a1_is_alt"].to_numpy(bool)[:, None], values, 2 - values)
    values = _turn_ambiguous(values, found["ambiguous"].to_numpy(bool), calls[rows])
    right, by_mode = agreement(values, calls[rows])
    wrong = right < by_mode
    facts["n_snps_disagree"] = int(wrong.sum())
    facts["observed_concordance"] = _overall(values[~wrong], calls[rows[~wrong]])
    facts["n_snps_from_server"] = int((~wrong).sum())
    if len(rows) and wrong.mean() > TOO_MANY:
        raise InputError(
            path,
            f"{wrong.sum()} of {len(rows)} SNPs agree less with the study's calls than their most frequent call does",
            "is it the same study, and are its people called as in the .fam?",
        )
    say(
        f"server: {facts['n_snps_from_server']} of {len(bim)} SNPs used; {facts['n_snps_not_at_server']} not there, "
        f"{facts['n_snps_low_r2']} below r2 {min_r2:g}, {facts['n_snps_disagree']} disagree with the observed calls; "
        f"{facts['observed_concordance']} of the observed calls are the same there"
    )
    if facts["n_people_not_at_server"]:
        absent = ", ".join(fam["iid"][columns < 0][:5])
        say(f"WARNING: {path}: {facts['n_people_not_at_server']} people are not in it, e.g. {absent}")
    values = values[~wrong].astype(np.float32)
    whole = np.where(np.isnan(values), -1, np.rint(values)).astype(np.int8)
    return Server(Filled(rows[~wrong], whole, values if dosage != "GT" else None, r2[found["site"]][~wrong]), facts)


def match_people(fam, names, path):
    """Column of each person in a server's file.

    Servers get ids through PLINK's VCF export, so a person may be called IID, FID_IID, IID_IID or 0_IID there.

    Parameters
    ----------
    fam : DataFrame
    names : list of str
        People of the file.
    path : str or Path
        For the message.

    Returns
    -------
    int array (people,)
        -1: not in the file.

    Raises
    ------
    InputError
        Nobody is found, or two people are the same one there.
    """
    at = pd.Series(np.arange(len(names)), index=names)
    at = at[~at.index.duplicated()]
    iid = fam["iid"]
    forms = [iid, fam["fid"] + "_" + iid, iid + "_" + iid, "0_" + iid]
    columns = [at.reindex(form).fillna(-1).astype(np.int64).to_numpy() for form in forms]
    columns.sort(key=lambda one: -(one >= 0).sum())  # the form most are called by comes first; stable
    result = columns[0]
    for other in columns[1:]:
        result = np.where(result >= 0, result, other)
    if (result < 0).all():
        what = f"nobody of the study is in it: it has {', '.join(names[:3])}, the .fam {', '.join(iid[:3])}"
        raise InputError(path, what, "people must be called IID, FID_IID, IID_IID or 0_IID")
    used, counts = np.unique(result[result >= 0], return_counts=True)
    if (counts > 1).any():
        twice = used[counts > 1][0]
        people = ", ".join(iid[result == twice])
        raise InputError(path, f"{names[twice]} could be any of {people}", "call people by ids of their own")
    return result


def _read(table, dosage, n_names, columns, path):
    """Sites of the cut file (pos, ref, alt, quality, untouched) and copies of alt, float32 (sites, people)."""
    if dosage == "DS":
        heads, values = vcf.read_dosages(table, 5, n_names)
    else:
        heads, values = _read_others(table, dosage, n_names)
    sites = pd.DataFrame(heads, columns=["pos", "ref", "alt", "quality", "untouched"]).astype({"pos": np.int64})
    sites = sites.assign(ref=sites["ref"].str.upper(), alt=sites["alt"].str.upper())
    single = sites["ref"].isin(alleles.BASES) & sites["alt"].isin(alleles.BASES)
    keep = (single & ~sites.duplicated(["pos", "ref", "alt"])).to_numpy()
    values = np.where(columns >= 0, values[:, columns], np.float32(np.nan))[keep]
    if np.nanmin(values, initial=0) < 0 or np.nanmax(values, initial=0) > 2:
        raise InputError(
            path, f"{dosage} is not between 0 and 2 everywhere", "give biallelic records of diploid people"
        )
    return sites[keep].reset_index(drop=True), values


def _read_others(table, dosage, n_names):
    """As `vcf.read_dosages`, from GP (three probabilities), HDS (two haplotypes) or GT."""
    heads, rows = [], []
    with Path(table).open(encoding="utf-8") as handle:
        for line in handle:
            *head, rest = line.rstrip("\n").split("\t", 5)
            texts = rest.split("\t")
            heads.append(tuple(head))
            if dosage == "GT":
                rows.append([np.nan if "." in text else float((text[0] == "1") + (text[-1] == "1")) for text in texts])
                continue
            missing = "nan,nan,nan" if dosage == "GP" else "nan,nan"
            flat = ",".join(missing if set(text) <= {".", ","} else text for text in texts)
            numbers = np.fromstring(flat, np.float32, sep=",").reshape(n_names, -1)
            rows.append(numbers[:, 1] + 2 * numbers[:, 2] if dosage == "GP" else numbers.sum(axis=1))
    return heads, np.array(rows, np.float32).reshape(len(rows), n_names)


def agreement(values, calls):
    """Share of each SNP's observed calls that are the server's, and the share that are the most frequent one's.

    Parameters
    ----------
    values : float array (SNPs, people)
        Server's dosage of A1, NaN: none.
    calls : int8 array (SNPs, people)

    Returns
    -------
    right, by_mode : float array (SNPs,)
        1 and 0 where nothing was observed.
    """
    seen = (calls >= 0) & ~np.isnan(values)
    count = np.maximum(seen.sum(axis=1), 1)
    right = ((np.rint(values) == calls) & seen).sum(axis=1) / count
    by_mode = ((calls == mode(calls)[:, None]) & seen).sum(axis=1) / count
    empty = ~seen.any(axis=1)
    return np.where(empty, 1.0, right), np.where(empty, 0.0, by_mode)


def _turn_ambiguous(values, ambiguous, calls):
    """Turn A/T and C/G SNPs that agree better with the observed calls the other way round."""
    right, turned = agreement(values, calls)[0], agreement(2 - values, calls)[0]
    return np.where((ambiguous & (turned > right))[:, None], 2 - values, values)


def _overall(values, calls):
    """Share of all observed calls that are the server's; None where there is none."""
    seen = (calls >= 0) & ~np.isnan(values)
    return float((np.rint(values) == calls)[seen].mean()) if seen.any() else None
