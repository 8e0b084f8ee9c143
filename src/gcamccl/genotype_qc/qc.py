"""Quality control with PLINK in the paper's order, every SNP and person accounted for."""

import re
from pathlib import Path

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import ToolError, list_people, plink, plink2
from gcamccl.workflow.errors import InputError

MIN_PEOPLE = 2  # of one person there are no frequencies and no linkage disequilibrium
EMPTY = re.compile(r"\b(all|no|0) (variants|people|samples)\b", re.IGNORECASE)


def steps(settings):
    """The paper's filters in its order (section III-B): (step, PLINK options, reason a SNP or person is dropped).

    PLINK refuses a threshold of 0 for ``--hwe`` and ``--maf``; here it means that nothing is dropped.
    """
    hwe, maf = settings["hwe_p"], settings["maf"]
    return [
        ("hwe", ["--hwe", hwe] if hwe else [], f"hwe_p < {hwe:g}"),
        ("maf", ["--maf", maf] if maf else [], f"maf < {maf:g}"),
        ("ld", None, f"r2 > {settings['ld_r2']:g} with a kept SNP"),
        ("snp_missing", ["--geno", settings["max_snp_missing"]], f"missing > {settings['max_snp_missing']:g}"),
        ("sample_missing", ["--mind", settings["max_sample_missing"]], f"missing > {settings['max_sample_missing']:g}"),
    ]


def remove_people(prefix, removals, scratch):
    """Leave people out, filter by filter (`people.to_remove`).

    Parameters
    ----------
    prefix : str or Path
    removals : list of (str, str, list of str)
        Step, reason, genotype ids.
    scratch : Path
        Folder for intermediate files.

    Returns
    -------
    As `quality_control`.
    """
    current, attrition, dropped = Path(prefix), [], []
    n_snps, n_people = _count(current, ".bim"), _count(current, ".fam")
    for step, reason, names in removals:
        if len(names) > n_people - MIN_PEOPLE:
            left = n_people - len(names) or "nobody"
            raise InputError(f"genotype_qc, step {step}", f"{left} of {n_people} people are left ({reason})")
        if names:
            result = Path(scratch) / f"people.{step}"
            leave = list_people(bed.path(result, ".remove"), names)
            plink2("--bfile", current, "--remove", leave, "--make-bed", "--out", result)
            current = result
        attrition.append((step, n_snps, n_snps, n_people, n_people - len(names)))
        dropped += [("sample", name, "all", step, reason) for name in names]
        n_people -= len(names)
    return current, attrition, dropped


def quality_control(prefix, settings, scratch, unfit=None):
    """Filter a fileset step by step.

    Parameters
    ----------
    prefix : str or Path
    settings : dict
        Config section ``genotype_qc``.
    scratch : Path
        Folder for intermediate files.
    unfit : dict of str to str, optional
        SNPs that violate Hardy-Weinberg equilibrium within an ancestry group, and the group: dropped instead of those
        that PLINK's test over everybody drops.

    Returns
    -------
    prefix : Path
        The filtered fileset. A1 is the rarer allele.
    attrition : list of tuple
        step, snps_in, snps_out, samples_in, samples_out.
    dropped : list of tuple
        kind (snp, sample), id, array ("all"), step, reason.

    Raises
    ------
    InputError
        A step leaves no SNP or nobody.
    """
    scratch, current = Path(scratch), Path(prefix)
    snps, people = _ids(current, ".bim"), _ids(current, ".fam")
    attrition, dropped = [], []
    for step, options, reason in steps(settings):
        if step == "hwe" and unfit is not None:
            step = "hwe_within_ancestry"
            listed = scratch / "unfit.snps"
            listed.write_text("".join(f"{name}\n" for name in unfit), encoding="utf-8")
            options = ["--exclude", listed]
        result = scratch / f"qc.{step}"
        try:
            if step == "ld":
                _prune(current, settings, result)
            else:
                plink("--bfile", current, *options, "--make-bed", "--out", result)
        except ToolError as error:
            said = str(error).split(": ", 1)[-1]
            if EMPTY.search(said):
                what = f"nothing is left of {len(snps)} SNPs and {len(people)} people ({reason}); PLINK says: {said}"
                todo = "check the calls (all of one kind, or missing?), or ease this setting"
                raise InputError(f"genotype_qc, step {step}", what, todo) from None
            raise
        snps_out, people_out = _ids(result, ".bim"), _ids(result, ".fam")
        attrition.append((step, len(snps), len(snps_out), len(people), len(people_out)))
        for name in _lost(snps, snps_out):
            within = f" within {unfit[name]}" if step == "hwe_within_ancestry" else ""
            dropped.append(("snp", name, "all", step, reason + within))
        dropped += [("sample", name, "all", step, reason) for name in _lost(people, people_out)]
        snps, people, current = snps_out, people_out, result
    return current, attrition, dropped


def _prune(prefix, settings, result):
    """LD pruning in windows of SNPs; PLINK 2 finds the same SNPs as PLINK 1.9 in less time.

    No r2 is above 1, which PLINK 2 refuses as a threshold: nothing is pruned then.
    """
    window, step, r2 = settings["ld_window_snps"], settings["ld_step_snps"], settings["ld_r2"]
    if r2 < 1:
        plink2("--bfile", prefix, "--indep-pairwise", window, step, r2, "--out", result)
    kept = bed.path(result, ".prune.in")
    only = ["--extract", kept] if kept.exists() else []  # PLINK 2 writes none for a single SNP
    plink("--bfile", prefix, *only, "--make-bed", "--out", result)


def _lost(before, after):
    """Ids of `before` that are not in `after`, in order."""
    left = set(after)
    return [name for name in before if name not in left]


def _ids(prefix, suffix):
    """Second column of a ``.bim`` or ``.fam``: much faster than reading the table."""
    with bed.path(prefix, suffix).open(encoding="utf-8") as lines:
        return [line.split(None, 2)[1] for line in lines]


def _count(prefix, suffix):
    with bed.path(prefix, suffix).open("rb") as lines:
        return sum(1 for _ in lines)
