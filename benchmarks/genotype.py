"""Cost of the genotype stages at a real study's size: quality control, merging, GTEx, imputation.

Runs the four benchmarks beside this one, each described by its own --help, and sums their last lines up in one.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = {  # part -> arguments, arguments for a quick look, what of its result goes into the last line
    "qc": ([], ["--snps", "30000"], ["qc_ratio", "qc_ratio_plink19_pca"]),
    # three arrays of 854 people each
    "merge": (["--people", "2562"], ["--people", "2562", "--scale", "0.1"], ["merge_s", "merge_rss_mb"]),
    "gtex": ([], ["--rows", "80000", "--lookup", "1000000"], ["gtex_s", "gtex_rss_mb"]),
    "impute": ([], ["--snps", "300"], ["impute_ratio", "impute_ratio_first_run_alone"]),
}
EXAMPLES = """examples:
  python benchmarks/genotype.py                       about twenty minutes
  python benchmarks/genotype.py --parts merge gtex
  python benchmarks/genotype.py --quick               a tenth of the SNPs and rows, to try it
"""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    args = parser.parse_args()
    results = []
    for part in args.parts:
        usual, quick, names = PARTS[part]
        print(f"== {part}", flush=True)
        command = [sys.executable, HERE / f"genotype_{part}.py", *(quick if args.quick else usual)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        print(done.stdout, flush=True)
        found = dict(re.findall(r"(\w+)=(\S+)", done.stdout.splitlines()[-1]))
        results += [f"{name}={found[name]}" for name in names]
    print("RESULT " + " ".join(results))


if __name__ == "__main__":
    main()
