"""Cost of testing one list of genes, beside gseapy by itself on the same files; and that both say the same.

Draws --genes genes at random from the GMT files, with a fixed seed, and runs `workflow/scripts/enrichment.py` on
them: p and q against the union and, with all genes as candidates, against the candidates. The peer is `gseapy.enrich`
on the same sets with the union for background, once. Prints CPU seconds with Python's start, the peak memory, and the
largest relative difference of p.
"""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import measure  # noqa: E402
from gcamccl.enrichment.gmt import read_all_updates, read_gene_sets  # noqa: E402
from gcamccl.workflow.files import read_tsv  # noqa: E402

EXAMPLES = """examples:
  python benchmarks/enrichment.py --gene-sets GO_BP.gmt.gz GO_CC.gmt.gz
"""


def peer(files, genes, out):
    """gseapy by itself: p of every set that holds one of the genes."""
    import gseapy

    sets = read_gene_sets(files, read_all_updates()[0])
    union = sorted(set().union(*(one.genes for one in sets)))
    named = {f"{one.source}/{one.name}": sorted(one.genes) for one in sets}
    done = gseapy.enrich(genes.read_text().split(), named, background=union, outdir=None, no_plot=True)
    done.results[["Term", "P-value"]].to_csv(out, sep="\t", index=False)


def main():
    """Print the table."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--gene-sets", type=Path, nargs="+", required=True, metavar="GMT")
    p.add_argument("--genes", type=int, default=100)
    p.add_argument("--peer", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.peer:
        peer(args.gene_sets, *args.peer)
        return
    sets = read_gene_sets(args.gene_sets, read_all_updates()[0])
    union = sorted(set().union(*(one.genes for one in sets)))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        chosen = np.random.default_rng(1).choice(union, args.genes, replace=False)
        (folder / "genes.txt").write_text("\n".join(chosen) + "\n")
        rows = "".join(f"rs{number}\t{gene}\n" for number, gene in enumerate(union))
        (folder / "loci.tsv").write_text("snp_id\tgene\n" + rows)
        program = [sys.executable, ROOT / "workflow/scripts/enrichment.py", "--genes", folder / "genes.txt"]
        files = ["--gene-sets", *args.gene_sets]
        alone = measure.run([*program, *files, "--out", folder / "alone.tsv"])
        both = measure.run([*program, *files, "--candidates", folder / "loci.tsv", "--out", folder / "both.tsv"])
        command = [sys.executable, __file__, *files, "--peer", folder / "genes.txt", folder / "peer.tsv"]
        theirs = measure.run(command)
        own = read_tsv(folder / "alone.tsv", dtype={"gene_set": str})
        told = pd.read_csv(folder / "peer.tsv", sep="\t")
    p_of = dict(zip(told["Term"], told["P-value"], strict=True))
    hits = own[own["contained"] > 0]
    same = [abs(row.p / p_of[f"{row.source}/{row.gene_set}"] - 1) for row in hits.itertuples()]
    print(f"{args.genes} genes, {len(sets):,} sets of {len(union):,} genes; {len(hits):,} hold one of them")
    print(f"{'':<34}CPU s   peak MB")
    for name, cost in (("ours, union", alone), ("ours, union and candidates", both), ("gseapy, union", theirs)):
        print(f"{name:<34}{cost.cpu_s:5.1f}{cost.peak_mb:10.0f}")
    print(
        f"RESULT cpu_s={both.cpu_s:.1f} ratio_to_gseapy={alone.cpu_s / theirs.cpu_s:.2f}"
        f" max_relative_difference={max(same):.1e}"
    )


if __name__ == "__main__":
    main()
