"""Cost of `impute` on one chromosome, beside Beagle called by hand in the same run.

The chromosome: --snps SNPs of --people people, simulated by the coalescent together with a phased panel of 300 people
that holds all other variants too, 2 % of the calls missing. Ours is the whole program: imports, reading and matching
the panel, hiding calls, Beagle, putting the observed calls back, dosages, scores and writing. The peer is Beagle alone,
given the same calls as a VCF that is already there: once with the panel as it comes, once with the panel cut to the
study's SNPs, which fills the same calls. One thread; Java's own threads count.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

sys.path.insert(0, str(measure.ROOT / "src"))

from gcamccl.workflow.job import limit_threads

limit_threads(1)

CHROM, PANEL_PEOPLE, SNPS_PER_MB, MISSING, MEMORY_MB = 22, 300, 150, 0.02, 4000
EXAMPLES = """examples:
  python benchmarks/genotype_impute.py                  some five minutes
  python benchmarks/genotype_impute.py --snps 500       quicker
"""


def make_study(folder, n_people, n_snps):
    """Write the study's fileset (``qc``), its calls as VCF, the panel whole and cut, and the genetic map."""
    import numpy as np
    import pandas as pd

    from gcamccl.genotype_qc import bed
    from gcamccl.simulate import arrays, genome

    rng = np.random.default_rng(1)
    world = genome.simulate_genome(
        n_people, PANEL_PEOPLE, [CHROM], SNPS_PER_MB, 1, region_mb=n_snps / SNPS_PER_MB
    )  # fmt: skip
    core = world.variants[world.variants["core"]]
    arrays.write_reference(world, folder)
    calls = np.ascontiguousarray(world.dosage[:, core.index].T)
    truth = calls.copy()
    calls[rng.random(calls.shape) < MISSING] = bed.MISSING
    bim = core.assign(chrom=str(CHROM), cm=0, a1=core["alt"], a2=core["ref"])
    people = [f"G{number:04d}" for number in range(n_people)]
    fam = pd.DataFrame({"fid": people, "iid": people, "father": "0", "mother": "0", "sex": "0", "phenotype": "-9"})
    bed.write_fileset(folder / "qc", calls, bim, fam)
    np.save(folder / "truth.npy", truth)
    np.save(folder / "calls.npy", calls)
    by_hand = ["plink2", "--bfile", folder / "qc", "--export", "vcf-4.2", "bgz", "--out", folder / "study"]
    subprocess.run(by_hand, check=True, stdout=subprocess.DEVNULL)
    (folder / "sites").write_text("".join(f"{CHROM}\t{pos}\n" for pos in core["pos"]), encoding="utf-8")
    whole = folder / f"panel.chr{CHROM}.vcf.gz"
    cut = ["bcftools", "view", "-T", folder / "sites", whole, "-Oz", "-o", folder / "cut.vcf.gz"]
    subprocess.run(cut, check=True)
    return len(core)


def beagle(folder, panel, name):
    """Cost of Beagle alone, and the share of the missing calls it fills rightly."""
    import numpy as np

    from gcamccl.genotype_qc import bed
    from gcamccl.impute import vcf

    os.environ["JAVA_TOOL_OPTIONS"] = f"-Xmx{MEMORY_MB * 7 // 10}m"
    cost = measure.run(
        [
            *(
                "beagle",
                f"gt={folder / 'study.vcf.gz'}",
                f"ref={folder / panel}",
                f"map={folder / f'map.chr{CHROM}.map'}",
            ),
            *(f"out={folder / name}", "impute=false", "nthreads=1", "seed=1"),
        ]
    )
    truth, calls = np.load(folder / "truth.npy"), np.load(folder / "calls.npy")
    sites, copies = vcf.read_calls(folder / f"{name}.vcf.gz", truth.shape[1])
    rows = bed.read_bim(folder / "qc").set_index("pos").index.get_indexer(sites["pos"])
    return cost, float((copies == truth[rows])[calls[rows] < 0].mean())


def ours(folder):
    """Cost of the program, and the share of the missing calls it fills rightly."""
    import numpy as np

    from gcamccl.genotype_qc import bed

    out = folder / "out"
    cost = measure.run(
        [
            *(sys.executable, measure.ROOT / "workflow/scripts/impute.py", "--genotypes", folder / "qc"),
            *("--chromosome", CHROM, "--reference", folder / f"panel.chr{CHROM}.vcf.gz"),
            *("--map", folder / f"map.chr{CHROM}.map", "--memory-mb", MEMORY_MB, "--out", out),
        ]
    )
    truth, calls = np.load(folder / "truth.npy"), np.load(folder / "calls.npy")
    filled = bed.read_bed(out / "imputed", truth.shape[1], np.arange(len(truth)))
    summary = json.loads((out / "summary.json").read_text())
    return cost, float((filled == truth)[calls < 0].mean()), summary


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=854, metavar="N", help="default: %(default)s, the paper's number")
    parser.add_argument("--snps", type=int, default=4500, metavar="N", help="default: %(default)s, chr22's of 313,000")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_snps = make_study(folder, args.people, args.snps)
        own, right, summary = ours(folder)
        whole, whole_right = beagle(folder, f"panel.chr{CHROM}.vcf.gz", "whole")
        cut, cut_right = beagle(folder, "cut.vcf.gz", "alone")
    print(f"{n_snps} SNPs, {args.people} people, panel of {PANEL_PEOPLE}")
    print(f"{'':32}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'filled rightly':>16}")
    for label, cost, share in (
        ("impute, whole program", own, right),
        ("Beagle, panel as it comes", whole, whole_right),
        ("Beagle, panel cut", cut, cut_right),
    ):
        print(f"{label:32}{cost.cpu_s:8.1f}{cost.wall_s:8.1f}{cost.peak_mb:9.0f}{share:16.4f}")
    print(f"our estimate of filled rightly, from calls hidden on purpose: {summary['masked_concordance']:.4f}")
    print(
        f"RESULT impute_ratio={own.cpu_s / whole.cpu_s:.2f} impute_ratio_cut_panel={own.cpu_s / cut.cpu_s:.2f}"
        f" impute_cpu_s={own.cpu_s:.1f} impute_rss_mb={own.peak_mb:.0f}"
    )


if __name__ == "__main__":
    main()
