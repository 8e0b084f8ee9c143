"""Missing calls of one chromosome filled in by the chosen method; observed calls never change.

About `score.MASKED_SHARE` of the observed calls are hidden from the program as well. What it makes of them estimates
how often a filled call is right; then the observed calls are put back. There is one run: filling once more with those
calls in sight would cost as much again for 2 % more data.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.plink import version
from gcamccl.impute import programs, score
from gcamccl.impute.external import read_server
from gcamccl.impute.genetic_map import centimorgans, read_map
from gcamccl.impute.minimac4 import MSAV
from gcamccl.impute.panel import read_panel
from gcamccl.workflow.errors import InputError

SOURCES = ("mode", "cohort", "panel", "server")  # what filled a call; later ones win
MODE, COHORT, PANEL, SERVER = range(4)
VERSION_OPTION = {"minimac4": ["--version"], "bcftools": ["--version"], "shapeit4": ["--help"]}


@dataclass(frozen=True)
class Study:
    """One chromosome of the study.

    Attributes
    ----------
    chromosome : int
    calls : int8 array (SNPs, people)
        Copies of A1, -1 missing.
    bim, fam : DataFrame
        Columns of `bed.BIM` and `bed.FAM`.
    """

    chromosome: int
    calls: np.ndarray
    bim: pd.DataFrame
    fam: pd.DataFrame


@dataclass(frozen=True)
class Imputed:
    """Results of the stage (docs/artifacts.md).

    Attributes
    ----------
    calls : int8 array (SNPs, people)
        Copies of A1, none missing.
    row, person : int32 array (filled calls,)
        Line of the ``.bim`` and of the ``.fam`` of each filled call, from 0.
    dosage : float32 array (filled calls,)
        Its expected copies of A1.
    snps, concordance : DataFrame
    summary : dict
    """

    calls: np.ndarray
    row: np.ndarray
    person: np.ndarray
    dosage: np.ndarray
    snps: pd.DataFrame
    concordance: pd.DataFrame
    summary: dict


class _Guess:
    """What is known so far of every call: guess, expected dosage, which source both are from, and SNPs' r2."""

    def __init__(self, visible):
        mean = np.nan_to_num(score.mean_dosage(visible))
        self.calls = score.most_frequent(visible)
        self.dosage = np.repeat(mean.astype(np.float32)[:, None], visible.shape[1], axis=1)
        self.source = np.full(visible.shape, MODE, np.int8)
        self.has_dosage = {MODE: True}
        self.r2 = np.full(len(visible), np.nan)

    def take(self, filled, source):
        """Take over a program's answer, except where it has none."""
        rows, known = filled.rows, filled.calls >= 0
        self.calls[rows] = np.where(known, filled.calls, self.calls[rows])
        dosage = filled.calls if filled.dosage is None else filled.dosage
        self.dosage[rows] = np.where(known, dosage, self.dosage[rows])
        self.source[rows] = np.where(known, np.int8(source), self.source[rows])
        self.has_dosage[source] = filled.dosage is not None
        if filled.r2 is not None:
            self.r2[rows] = filled.r2


def impute(
    study,
    settings,
    scratch,
    reference=None,
    genetic_map=None,
    imputed=None,
    memory_mb=4000,
    threads=1,
    say=print,
    limit_s=None,
):
    """Fill the missing calls of one chromosome.

    Parameters
    ----------
    study : Study
    settings : dict
        Config section ``impute``.
    scratch : Path
        Folder for the programs' files.
    reference : str or Path, optional
        Phased panel, VCF or BCF; for minimac4 also a compressed one (``.msav``). SNPs it lacks are filled from the
        study's own haplotypes.
    genetic_map : str or Path, optional
    imputed : str or Path, optional
        A server's VCF, for the method ``external``.
    memory_mb, threads : int
        Of the whole job.
    say : callable
    limit_s : float, optional
        Longest time that one run of a program may take.

    Returns
    -------
    Imputed

    Raises
    ------
    InputError
        Panel, map or server's file are not what they should be.
    """
    _check_given(settings["method"], reference, imputed)
    scratch, chrom = Path(scratch), str(study.chromosome)
    calls, fam, bim = study.calls, study.fam.reset_index(drop=True), study.bim.reset_index(drop=True)
    method, missing = settings["method"], calls < 0
    hidden = score.hide(calls, settings["seed"], study.chromosome)
    visible = np.where(hidden, np.int8(-1), calls)
    guess, facts = _Guess(visible), {}
    usable = _usable(bim)
    if method != "mode" and len(bim):
        the_map = _map(genetic_map, chrom, bim["pos"][usable], say) if genetic_map else None
        options = programs.Options(chrom, the_map, settings["seed"], memory_mb, threads, limit_s)
        program = method if method in programs.PHASERS else settings["phase_with"]
        if method == "external":
            seen = visible if settings["masked_for_server"] else calls
            server = read_server(imputed, chrom, seen, bim, fam, settings["min_r2"], scratch, say)
            facts |= server.facts
            guess.take(server.filled, SERVER)
        elif reference and Path(reference).suffix == MSAV:
            facts |= _with_msav(guess, visible, bim, usable, reference, program, options, scratch, say)
        elif reference:
            limit = settings["max_frequency_difference"]
            panel = read_panel(reference, chrom, visible, bim, fam, limit, scratch, say)
            facts |= panel.facts
            found = panel.found
            if len(found) >= programs.MIN_SNPS:
                say(f"{method} with the panel: {len(found)} SNPs")
                again = method == "minimac4"
                guess.take(programs.from_panel(visible, found, panel.path, program, options, scratch, again), PANEL)
            else:
                say("WARNING: too few SNPs are in the panel; filling from the study alone")
        _from_cohort(guess, visible, missing, bim, usable, program, options, scratch, say)
    return _result(study, bim, settings, guess, missing, hidden, visible, facts)


def _check_given(method, reference, imputed):
    """Raise an InputError if a method has not the file it cannot do without, or one it cannot read."""
    if method == "external" and not imputed:
        raise InputError("impute.method", "external needs a server's VCF", "give --imputed")
    if method == "minimac4" and not reference:
        raise InputError("impute.method", "minimac4 needs a reference panel", "give --reference")
    if method in programs.PHASERS and reference and Path(reference).suffix == MSAV:
        raise InputError(reference, f"only minimac4 reads {MSAV} files", "give the panel as VCF or BCF")


def _map(path, chrom, positions, say):
    """The genetic map, or None with a warning if it has all SNPs at one place, with which Beagle runs for ever."""
    table = read_map(path, chrom)
    if np.ptp(centimorgans(positions, table)):
        return table
    ends = f"{table['pos'].iloc[0]} to {table['pos'].iloc[-1]}"
    say(f"WARNING: {path}: the map ({ends} bp) has all SNPs of chromosome {chrom} at one place, so it is not used")
    return None


def _usable(bim):
    """SNPs that a VCF can hold: placed, and the only or first one at their position."""
    return ((bim["pos"] > 0) & ~bim["pos"].duplicated()).to_numpy()


def _feasible(program, n_snps, n_people, say):
    """Whether a program works on so few SNPs and people without a panel."""
    few = n_people < programs.PHASERS[program].MIN_PEOPLE
    if few or n_snps < programs.MIN_SNPS:
        say(f"WARNING: {program} cannot phase {n_snps} SNPs of {n_people} people: the most frequent call is used")
        return False
    return True


def _with_msav(guess, visible, bim, usable, reference, program, options, scratch, say):
    """minimac4 with a compressed reference; the phasing before it fills what that lacks."""
    rows = np.flatnonzero(usable)
    if not _feasible(program, len(rows), visible.shape[1], say):
        return {}
    cohort, panel = programs.from_msav(visible, bim, rows, reference, program, options, scratch)
    say(f"minimac4 with the compressed reference: {len(panel.rows)} of {len(bim)} SNPs are in it")
    guess.take(cohort, COHORT)
    guess.take(panel, PANEL)
    return {"n_snps_in_panel": len(panel.rows), "n_snps_not_in_panel": len(bim) - len(panel.rows)}


def _from_cohort(guess, visible, missing, bim, usable, program, options, scratch, say):
    """Fill what is still by mode from the study's own haplotypes, if anything missing is."""
    todo = usable & (missing & (guess.source == MODE)).any(axis=1)
    if not todo.any() or not _feasible(program, int(usable.sum()), visible.shape[1], say):
        return
    say(f"{program} without panel for {int(todo.sum())} SNPs")
    filled = programs.from_cohort(visible, bim, np.flatnonzero(usable), program, options, scratch)
    known = guess.source[filled.rows] > MODE  # what panel and server have said stays
    guess.take(programs.Filled(filled.rows, np.where(known, np.int8(-1), filled.calls)), COHORT)


def _result(study, bim, settings, guess, missing, hidden, visible, facts):
    """Put the observed calls back, check that they are, and count everything."""
    calls = study.calls
    filled = np.where(missing, guess.calls, calls)
    observed_changed = int((filled != calls)[~missing].sum())
    if observed_changed or (filled < 0).any():
        raise AssertionError(f"{observed_changed} observed calls changed, {(filled < 0).sum()} calls still missing")
    if not settings["masked_for_server"]:  # it has seen them
        hidden = hidden & (guess.source != SERVER)
    masked = _masked(calls, guess, hidden, visible)
    # Where nothing was missing no program was asked, and nothing is by mode.
    by_mode = (missing & (guess.source == MODE)).any(axis=1)
    masked["counts"] = (masked["source"] != "mode") | by_mode[masked["row"]]
    row, person = np.nonzero(missing)
    mean = np.nan_to_num(score.mean_dosage(visible))
    dosage = guess.dosage[row, person].astype(float)
    for source, given in guess.has_dosage.items():
        part = masked["source"] == SOURCES[source]
        of_source = guess.source[row, person] == source
        slope = 1.0
        if not given:
            slope = score.shrinkage(*(masked.loc[part, name].to_numpy(float) for name in ("truth", "guess", "mean")))
            dosage[of_source] = mean[row[of_source]] + slope * (dosage[of_source] - mean[row[of_source]])
            masked.loc[part, "dosage"] = masked["mean"] + slope * (masked["guess"] - masked["mean"])
            facts[f"shrinkage_{SOURCES[source]}"] = slope
    scored = masked[masked["counts"]] if (masked["source"] != "mode").any() else masked
    concordance = score.concordance_table(scored)
    overall = concordance.set_index(["source", "stratum"])
    best = overall.loc[("all", "all")] if len(scored) else pd.Series(dtype=float)
    het = overall["concordance"].get(("all", "heterozygous")) if len(scored) else None
    by_source = {
        f"n_from_{name}": int((missing & (guess.source == number)).sum()) for number, name in enumerate(SOURCES)
    }
    summary = {
        "n_snps": len(bim),
        "n_samples": len(study.fam),
        "n_missing": int(missing.sum()),
        **{name: by_source[name] for name in ("n_from_panel", "n_from_server", "n_from_cohort", "n_from_mode")},
        "observed_changed": observed_changed,
        "masked_concordance": _number(best.get("concordance")),
        "masked_concordance_mode": _number(best.get("concordance_mode")),
        "masked_concordance_heterozygous": _number(het),
        "masked_dosage_r2": _number(best.get("dosage_r2")),
        "n_masked": len(scored),
        "method": settings["method"],
        **facts,
    }
    return Imputed(
        filled,
        row.astype(np.int32),
        person.astype(np.int32),
        np.clip(dosage, 0, 2).astype(np.float32),
        _snps(bim, guess, missing, hidden, calls),
        concordance,
        summary,
    )


def _masked(calls, guess, hidden, visible):
    """One row a masked call, for `score.concordance_table`."""
    row, person = np.nonzero(hidden)
    return pd.DataFrame(
        {
            "row": row,
            "source": pd.Categorical.from_codes(guess.source[row, person], SOURCES).astype(object),
            "truth": calls[row, person],
            "guess": guess.calls[row, person],
            "dosage": guess.dosage[row, person].astype(float),
            "mode": score.mode(visible)[row],
            "mean": np.nan_to_num(score.mean_dosage(visible))[row],
        }
    )


def _snps(bim, guess, missing, hidden, calls):
    """Table of SNPs: how many calls were filled, from what, and how well."""
    n_masked = hidden.sum(axis=1)
    right = ((guess.calls == calls) & hidden).sum(axis=1)
    with np.errstate(invalid="ignore"):
        share = np.where(n_masked, right / np.maximum(n_masked, 1), np.nan)
    return pd.DataFrame(
        {
            "snp_id": bim["id"],
            "n_imputed": missing.sum(axis=1),
            "source": np.array(SOURCES)[guess.source.max(axis=1, initial=0)],
            "r2": guess.r2,
            "n_masked": n_masked,
            "masked_concordance": share,
        }
    )


def _number(value):
    """A float for JSON; None where there is none."""
    return None if value is None or np.isnan(value) else float(value)


def versions(settings):
    """What the programs that the settings name say about their version."""
    method = settings["method"]
    phaser = method if method in programs.PHASERS else settings["phase_with"]
    wanted = {"mode": [], "minimac4": ["minimac4", phaser]}.get(method, [phaser])
    return {name: version(name, *VERSION_OPTION.get(name, ())) for name in [*wanted, "bcftools"]}


def in_words(summary):
    """The masked calls' result in one line."""
    if not summary["n_masked"]:
        return "no observed call was masked, so how often a filled one is right is not known"
    return (
        f"of {summary['n_masked']} masked calls {summary['masked_concordance']:.4f} were filled in as they are, "
        f"by mode {summary['masked_concordance_mode']:.4f}"
    )
