"""Cost of finding the eQTLs of all tissues in tables of GTEx's size.

13 tissues of --rows pairs each and a lookup table of --lookup variants, in GTEx v8 layout, gzipped. Timed, in a process
of its own: reading the pairs of all tissues, what is significant in every one, and its rsIDs and GRCh37 positions. The
variants found are compared with the planted ones. One thread.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import measure

sys.path.insert(0, str(measure.ROOT / "src"))

from gcamccl.workflow.job import limit_threads

limit_threads(1)

MAX_P = 5e-8
EXAMPLES = """examples:
  python benchmarks/genotype_gtex.py                                   some four minutes, most of it writing the tables
  python benchmarks/genotype_gtex.py --rows 80000 --lookup 1000000     quicker
"""


def ours(folder):
    """Find the variants and their places; prints how many are the planted ones."""
    from gcamccl.eqtl_filter import pairs, variants
    from gcamccl.simulate import layout

    files = pairs.find_pairs_files(folder / "eqtl", layout.TISSUES)
    found = pairs.eqtls_in_all_tissues(files, MAX_P, say=lambda text: None)
    places = variants.look_up(found.variants, folder / "lookup.txt.gz", say=lambda text: None)
    planted = (folder / "common.txt").read_text(encoding="utf-8").split()
    print(len(found.variants), len({*found.variants} & {*planted}), len(planted), int((places["pos"] > 0).sum()))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=800_000, metavar="N", help="pairs a tissue; default: %(default)s")
    parser.add_argument("--lookup", type=int, default=10_000_000, metavar="N", help="variants; default: %(default)s")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours:
        ours(args.ours)
        return
    from gtex_tables import write_gtex_tables

    with tempfile.TemporaryDirectory() as name:
        write_gtex_tables(name, args.rows, args.lookup, seed=1)
        cost = measure.run([sys.executable, __file__, "--ours", name])
    found, right, planted, placed = map(int, cost.output.split())
    print(f"13 tissues x {args.rows} pairs, {args.lookup} variants in the lookup table")
    print(f"{found} variants are eQTLs everywhere, {right} of {planted} planted ones among them, {placed} have a place")
    print(f"{cost.cpu_s:.1f} CPU s, {cost.wall_s:.1f} s, {cost.peak_mb:.0f} MB")
    print(f"RESULT gtex_s={cost.wall_s:.1f} gtex_rss_mb={cost.peak_mb:.0f} gtex_cpu_s={cost.cpu_s:.1f}")


if __name__ == "__main__":
    main()
