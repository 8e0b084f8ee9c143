"""Cost of `impute` on one chromosome, beside Beagle called by hand in the same run.

The chromosome: --snps SNPs of --people people, simulated by the coalescent together with a phased panel of 300 people
that holds all other variants too but lacks every 25th of the study's, 2 % of the calls missing. Ours is the whole
program: imports, reading and matching the panel, hiding calls, Beagle, putting observed calls back, dosages, scores,
writing. The peer is Beagle alone, given the same calls as a VCF that is already there. With the panel it leaves SNPs
out that the panel lacks; to fill these too takes a second run, without panel, by hand as in ours. So ours is run twice:
on all SNPs, against both runs by hand, and on those that the panel has, against the first. One thread; Java's own
threads count.
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
  python benchmarks/genotype_impute.py                  some eight minutes
  python benchmarks/genotype_impute.py --snps 500       quicker
"""


def make_study(folder, n_people, n_snps):
    """Write the study's fileset (``qc``) and that of the panel's SNPs, its calls as VCF, panel and genetic map.

    Returns
    -------
    everything, in_panel : int array
        Rows of both filesets.
    """
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
    query = ["bcftools", "query", "-f", "%POS\\n", folder / f"panel.chr{CHROM}.vcf.gz"]
    found = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
    in_panel = np.flatnonzero(core["pos"].isin([int(pos) for pos in found]))
    bed.write_fileset(folder / "in_panel", calls[in_panel], bim.iloc[in_panel], fam)
    return np.arange(len(core)), in_panel


def beagle(folder, panel, name):
    """Cost of Beagle alone, and how many of the missing calls it fills, how many rightly."""
    import numpy as np

    from gcamccl.genotype_qc import bed
    from gcamccl.impute import vcf

    os.environ["JAVA_TOOL_OPTIONS"] = f"-Xmx{MEMORY_MB * 7 // 10}m"
    reference = [f"ref={folder / panel}", "impute=false"] if panel else []
    words = [f"gt={folder / 'study.vcf.gz'}", f"map={folder / f'map.chr{CHROM}.map'}", f"out={folder / name}"]
    cost = measure.run(["beagle", *words, *reference, "nthreads=1", "seed=1"])
    truth, calls = np.load(folder / "truth.npy"), np.load(folder / "calls.npy")
    sites, copies = vcf.read_calls(folder / f"{name}.vcf.gz", truth.shape[1])
    rows = bed.read_bim(folder / "qc").set_index("pos").index.get_indexer(sites["pos"])
    return cost, (copies == truth[rows])[calls[rows] < 0]


def ours(folder, prefix, rows):
    """Cost of the program on the SNPs `rows`, the missing calls that it fills rightly, its summary."""
    import numpy as np

    from gcamccl.genotype_qc import bed

    out = folder / f"out-{prefix}"
    cost = measure.run(
        [
            *(sys.executable, measure.ROOT / "workflow/scripts/impute.py", "--genotypes", folder / prefix),
            *("--chromosome", CHROM, "--reference", folder / f"panel.chr{CHROM}.vcf.gz"),
            *("--map", folder / f"map.chr{CHROM}.map", "--memory-mb", MEMORY_MB, "--out", out),
        ]
    )
    truth, calls = np.load(folder / "truth.npy")[rows], np.load(folder / "calls.npy")[rows]
    filled = bed.read_bed(out / "imputed", truth.shape[1], np.arange(len(truth)))
    return cost, (filled == truth)[calls < 0], json.loads((out / "summary.json").read_text())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=854, metavar="N", help="default: %(default)s, the paper's number")
    parser.add_argument("--snps", type=int, default=2000, metavar="N", help="default: %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        everything, in_panel = make_study(folder, args.people, args.snps)
        whole, whole_right, summary = ours(folder, "qc", everything)
        part, part_right, _ = ours(folder, "in_panel", in_panel)
        first, first_right = beagle(folder, f"panel.chr{CHROM}.vcf.gz", "first")
        second, second_right = beagle(folder, None, "second")
    print(f"{len(everything)} SNPs, {len(in_panel)} of them in the panel of {PANEL_PEOPLE}, {args.people} people")
    print(f"{'':38}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'filled':>9}{'rightly':>9}")
    for label, cost, right in (
        ("impute", whole, whole_right),
        ("impute, SNPs of the panel alone", part, part_right),
        ("Beagle by hand, with the panel", first, first_right),
        ("Beagle by hand, without", second, second_right),
    ):
        print(f"{label:38}{cost.cpu_s:8.1f}{cost.wall_s:8.1f}{cost.peak_mb:9.0f}{len(right):9}{right.mean():9.4f}")
    print(f"our estimate of filled rightly, from calls hidden on purpose: {summary['masked_concordance']:.4f}")
    print(
        f"RESULT impute_ratio={whole.cpu_s / (first.cpu_s + second.cpu_s):.2f}"
        f" impute_ratio_all_in_panel={part.cpu_s / first.cpu_s:.2f}"
        f" impute_ratio_first_run_alone={whole.cpu_s / first.cpu_s:.2f} impute_rss_mb={whole.peak_mb:.0f}"
    )


if __name__ == "__main__":
    main()
