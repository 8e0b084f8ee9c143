"""Cost of `genotype_qc` on a whole study, beside bare PLINK calls that compute the same.

The study: --people people of two populations on three arrays that share --snps SNPs (the paper's 313,000), in linkage
disequilibrium, with an X chromosome, relatives, a contaminated sample and wrong sexes. Ours is the whole program:
imports, checks of the files, harmonisation, merge, quality control, reports on people, writing. The peer is the list of
bare PLINK calls that give the same numbers from the merged fileset; everything with one thread. The part of ours that
the peer's calls stand for is told apart from reading, harmonising and merging, which no PLINK call does.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

ARRAYS = ("hh610", "hh550", "omni")
SHARES = (0.5, 0.25, 0.25)  # of the people on each array
BLOCK_SNPS = 12  # SNPs inherited together
FOUNDERS = 16  # haplotypes of a block
X_SHARE = 0.03  # of the SNPs
EXAMPLES = """examples:
  python benchmarks/genotype_qc.py                          some three minutes
  python benchmarks/genotype_qc.py --snps 60000             quicker
  python benchmarks/genotype_qc.py --keep study             keep the study in study/, use it again next time
"""


def make_study(folder, n_people, n_snps, seed):
    """Write three arrays and a participants table to `folder`."""
    import numpy as np
    import pandas as pd

    from gcamccl.genotype_qc import bed

    rng = np.random.default_rng(seed)
    population = (np.arange(n_people) % 3 == 0).astype(int)
    sex = rng.choice([1, 2], n_people)
    n_x = round(X_SHARE * n_snps)
    n_auto = n_snps - n_x
    calls = np.empty((n_snps, n_people), np.int8)
    for first in range(0, n_snps, BLOCK_SNPS):
        size = min(BLOCK_SNPS, n_snps - first)
        haplotypes = rng.random((size, FOUNDERS)) < rng.uniform(0.03, 0.97, (size, 1))
        shares = rng.dirichlet(np.full(FOUNDERS, 3.0))
        shares = np.array([shares, 0.8 * shares + 0.2 * rng.dirichlet(np.full(FOUNDERS, 3.0))])
        chosen = (rng.random((2, n_people, 1)) > shares.cumsum(axis=1)[population]).sum(axis=-1).clip(max=FOUNDERS - 1)
        chosen[0, 1] = chosen[rng.integers(2), 0]  # parent and child, every block inherited by itself
        parents = chosen[:, 2:4].copy()
        for sibling in (2, 3):
            chosen[:, sibling] = parents[rng.integers(2, size=2), [0, 1]]
        if first >= n_auto:
            chosen[1] = np.where(sex == 1, chosen[0], chosen[1])
        calls[first : first + size] = haplotypes[:, chosen[0]].astype(np.int8) + haplotypes[:, chosen[1]]
    calls[rng.random(calls.shape, dtype=np.float32) < 0.004] = bed.MISSING
    mixed = (calls[:, 9] != calls[:, 10]) & (rng.random(n_snps) < 0.5)
    calls[mixed, 9] = 1
    chrom = np.where(np.arange(n_snps) < n_auto, 1 + np.arange(n_snps) * 22 // max(n_auto, 1), 23)
    bim = pd.DataFrame({"chrom": chrom, "id": [f"rs{n}" for n in range(n_snps)], "cm": 0})
    step = min(9_000, 43_000_000 // bim["chrom"].value_counts().max())  # the shortest chromosome has 48 million bp
    bim["pos"] = 3_000_000 + bim.groupby("chrom").cumcount() * step
    bim["a1"], bim["a2"] = "A", "G"
    ids = np.array([f"G{n:04d}" for n in range(n_people)])
    recorded = sex.copy()
    recorded[20:23] = 3 - recorded[20:23]
    fam = pd.DataFrame({"fid": ids, "iid": ids, "father": "0", "mother": "0", "sex": recorded, "phenotype": "-9"})
    order = rng.permutation(n_people)
    bounds = np.round(np.cumsum([0, *SHARES]) * n_people).astype(int)
    for array, low, high in zip(ARRAYS, bounds[:-1], bounds[1:], strict=True):
        own = np.sort(order[low:high])
        bed.write_fileset(folder / array, calls[:, own], bim, fam.iloc[own])
    table = pd.DataFrame({"participant_id": ids, "genotype_id": ids, "sex": np.where(recorded == 1, "M", "F")})
    table["family_id"] = None
    table.loc[:1, "family_id"] = "f1"
    table.to_csv(folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")


def cpu():
    """CPU seconds of this process and of the programs it started."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)


def ours(study, folder):
    """Run the stage in this process; prints CPU seconds of imports, of reading to merging, and of the rest."""
    started = cpu()
    from gcamccl.genotype_qc.pipeline import prepare
    from gcamccl.workflow.config import stage_defaults
    from gcamccl.workflow.files import write_large_tsv, write_tsv

    marks = {"imports": cpu() - started}

    def say(text):
        print(text, flush=True)
        if text.startswith("merged:"):
            marks["merged"] = cpu() - started

    prefixes = [study / array for array in ARRAYS]
    account = prepare(
        prefixes, stage_defaults("genotype_qc"), folder, folder / "qc", study / "participants.tsv", say=say
    )
    for name, table in vars(account).items():
        (write_large_tsv if name == "hwe" else write_tsv)(folder / f"{name}.tsv", table)
    total = cpu() - started
    print(f"CPU {marks['imports']:.2f} {marks['merged'] - marks['imports']:.2f} {total - marks['merged']:.2f}")


def bare(study, folder, groups):
    """CPU seconds of PLINK calls by hand, by what they compute, from the merged fileset in `folder`."""
    merged, out, times = folder / "merged", folder / "bare", {}
    common = ["--geno", 0.1, "--maf", 0.05]

    def call(what, *words):
        started = cpu()
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
        times[what] = times.get(what, 0) + cpu() - started

    plink2 = ["plink2", "--threads", 1, "--memory", 1000]
    steps = (
        ("hwe", [merged], ["--hwe", 1e-5, "--make-bed"]),
        ("maf", [f"{out}.hwe"], ["--maf", 0.05, "--make-bed"]),
        ("ld", [f"{out}.maf"], ["--indep-pairwise", 50, 5, 0.9]),
        ("ld", [f"{out}.maf"], ["--extract", f"{out}.ld.prune.in", "--make-bed"]),
        ("geno", [f"{out}.ld"], ["--geno", 0.1, "--make-bed"]),
        ("mind", [f"{out}.geno"], ["--mind", 0.05, "--make-bed"]),
        ("king table", [merged], [*common, "--make-king-table", "--king-table-filter", 0.0442]),
        ("prune for structure", [merged], [*common, "--indep-pairwise", 50, 5, 0.2]),
        ("prune for structure", [merged], ["--extract", f"{out}.prune for structure.prune.in", "--make-bed"]),
        ("het", [f"{out}.prune for structure"], ["--het"]),
        ("missing", [merged], ["--missing", "sample-only"]),
        ("hardy", [merged], ["--hardy"]),
        ("pca", [f"{out}.prune for structure"], ["--pca", 10, "allele-wts"]),
    )
    for what, source, options in steps:
        call(what, *plink2, "--bfile", *source, *options, "--out", f"{out}.{what}")
    for group in groups:
        keep = ["--keep", folder / f"hwe.{group}.people"]
        call("hardy within groups", *plink2, "--bfile", merged, *keep, "--hardy", "--out", f"{out}.{group}")
        pruned = f"{out}.prune for structure"
        call("het within groups", *plink2, "--bfile", pruned, *keep, "--het", "--out", f"{out}.{group}")
    for array in ARRAYS:
        x = ["plink1.9", "--threads", 1, "--bfile", study / array, "--chr", 23]
        call("check sex", *x, "--indep-pairwise", 50, 5, 0.5, "--out", f"{out}.x")
        call("check sex", *x, "--extract", f"{out}.x.prune.in", "--check-sex", "--out", f"{out}.x")
    old = ["plink1.9", "--threads", 1, "--bfile", f"{out}.prune for structure"]
    call("pca, PLINK 1.9", *old, "--pca", 10, "header", "tabs", "var-wts", "--out", f"{out}.old")
    return times


def main():
    """Make the study, run both, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=854, help="people (854)")
    parser.add_argument("--snps", type=int, default=313_000, help="SNPs on every array (313000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the study here, or use the one that is here")
    parser.add_argument("--ours", nargs=2, type=Path, metavar=("STUDY", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours:
        ours(*args.ours)
        return
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        study = args.keep or scratch / "study"
        if not (study / "participants.tsv").exists():
            study.mkdir(parents=True, exist_ok=True)
            make_study(study, args.people, args.snps, args.seed)
        folder = scratch / "work"
        folder.mkdir()
        started = time.monotonic()
        words = [sys.executable, __file__, "--ours", study, folder]
        done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True)
        wall = time.monotonic() - started
        print(done.stdout.rsplit("CPU", 1)[0])
        imports, before, after = map(float, done.stdout.rsplit("CPU", 1)[1].split())
        groups = sorted({path.name.split(".")[1] for path in folder.glob("hwe.*.people")})
        times = bare(study, folder, groups)
    old = times.pop("pca, PLINK 1.9")
    total = sum(times.values())
    for what, seconds in times.items():
        print(f"{what:24} {seconds:7.2f} CPU s")
    faster = total - times["pca"] + old
    print(f"{'bare PLINK calls':24} {total:7.2f} CPU s ({faster:.2f} with PLINK 1.9's --pca, {old:.2f})")
    print(f"ours: imports {imports:.2f}, reading, harmonising, merging {before:.2f}, the rest {after:.2f} CPU s")
    print(f"ratio of the rest to bare calls: {after / total:.2f}, with PLINK 1.9's --pca {after / faster:.2f}")
    whole = imports + before + after
    print(f"wall clock of ours: {wall:.1f} s, {os.cpu_count()} cores")
    print(
        f"RESULT qc_ratio={after / total:.2f} qc_ratio_plink19_pca={after / faster:.2f} qc_cpu_s={after:.1f}"
        f" qc_whole_program_cpu_s={whole:.1f}"
    )


if __name__ == "__main__":
    main()
