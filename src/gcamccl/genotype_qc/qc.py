"""Quality control with PLINK in the paper's order, every SNP and person accounted for; principal components."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import ToolError, plink
from gcamccl.workflow.errors import InputError

N_COMPONENTS = 5
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


def quality_control(prefix, settings, scratch):
    """Filter a fileset step by step.

    Parameters
    ----------
    prefix : str or Path
    settings : dict
        Config section ``genotype_qc``.
    scratch : Path
        Folder for intermediate files.

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
    snps, people = list(bed.read_bim(current)["id"]), list(bed.read_fam(current)["iid"])
    attrition, dropped = [], []
    for step, options, reason in steps(settings):
        result = scratch / f"qc.{step}"
        try:
            if step == "ld":
                _prune(current, settings, result)
            else:
                plink("--bfile", current, *options, "--make-bed", "--out", result)
        except ToolError as error:
            if EMPTY.search(str(error).split(": ", 1)[-1]):
                what = f"nothing is left ({reason}); PLINK says: {error}"
                raise InputError(f"genotype_qc, step {step}", what) from None
            raise
        snps_out, people_out = list(bed.read_bim(result)["id"]), list(bed.read_fam(result)["iid"])
        attrition.append((step, len(snps), len(snps_out), len(people), len(people_out)))
        dropped += [("snp", name, "all", step, reason) for name in _lost(snps, snps_out)]
        dropped += [("sample", name, "all", step, reason) for name in _lost(people, people_out)]
        snps, people, current = snps_out, people_out, result
    return current, attrition, dropped


def _prune(prefix, settings, result):
    """LD pruning in windows of SNPs."""
    window, step, r2 = settings["ld_window_snps"], settings["ld_step_snps"], settings["ld_r2"]
    plink("--bfile", prefix, "--indep-pairwise", window, step, r2, "--out", result)
    plink("--bfile", prefix, "--extract", f"{result}.prune.in", "--make-bed", "--out", result)


def _lost(before, after):
    """Ids of `before` that are not in `after`, in order."""
    left = set(after)
    return [name for name in before if name not in left]


def components(prefix, scratch, number=N_COMPONENTS):
    """Principal components of a fileset (PLINK 1.9 ``--pca``).

    Returns
    -------
    DataFrame
        genotype_id, pc1 ... pc<number>; NaN for components that so few people cannot have.
    """
    scratch = Path(scratch)
    fam = bed.read_fam(prefix)
    names = [f"pc{component}" for component in range(1, number + 1)]
    table = pd.DataFrame(np.nan, index=range(len(fam)), columns=names)
    table.insert(0, "genotype_id", fam["iid"])
    possible = min(number, len(fam) - 1, len(bed.read_bim(prefix)))
    if possible < 1:
        return table
    plink("--bfile", prefix, "--pca", possible, "--out", scratch / "pca")
    found = pd.read_csv(scratch / "pca.eigenvec", sep=r"\s+", header=None, dtype={0: str, 1: str}).set_index(1)
    table[names[:possible]] = found.loc[fam["iid"], list(range(2, 2 + possible))].to_numpy()
    return table
