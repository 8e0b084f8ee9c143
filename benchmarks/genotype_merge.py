"""Cost and correctness of merging three SNP arrays in `genotype_qc`, beside PLINK's own recipe in the same run.

The arrays: 600,000, 561,000 and 731,000 SNPs (times --scale), 313,000 of them on all three, --people different people.
The second reads 40 % of its SNPs on the other strand, the third names 2 % differently and has 0.1 % at another
position; 4 % of all SNPs are A/T or C/G. Frequencies are uniform between 0.05 and 0.95.

Ours: reading and checking the files, harmonising, extracting, merging with PLINK; in a process of its own. The peer is
the usual recipe with PLINK alone: the ids common to all, --bmerge, --flip of the .missnp it reports, --bmerge again,
--exclude of what is left. Both merged filesets are compared with the alleles that were planted.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import measure

sys.path.insert(0, str(measure.ROOT / "src"))

from gcamccl.workflow.job import limit_threads

limit_threads(1)

NAMES = ("hh610", "hh550", "omni")
SIZES, COMMON = (600_000, 561_000, 731_000), 313_000
PAIRS, SHARES = ("AG", "CT", "AC", "GT", "AT", "CG"), (0.4, 0.4, 0.08, 0.08, 0.02, 0.02)
COMPLEMENT = str.maketrans("ACGT", "TGCA")
MISSING = 0.005
BLOCK = 20_000
MERGED = {"peer": "merged", "ours": "named"}
EXAMPLES = """examples:
  python benchmarks/genotype_merge.py                 some two minutes
  python benchmarks/genotype_merge.py --scale 0.1     quicker
"""


def make_arrays(folder, n_people, scale, rng):
    """Write the arrays; returns the SNPs common to all (id, a1, a2 as planted, frequency of a1)."""
    import numpy as np
    import pandas as pd

    from gcamccl.genotype_qc import bed

    sizes, common = [round(size * scale) for size in SIZES], round(COMMON * scale)
    total = common + sum(size - common for size in sizes)
    world = pd.DataFrame({"chrom": np.sort(rng.integers(1, 23, total)), "cm": 0})
    world["pos"] = rng.choice(46_000_000, total, replace=False)  # the shortest chromosome has 48 million
    world = world.sort_values(["chrom", "pos"], ignore_index=True)
    pairs = rng.choice(PAIRS, total, p=SHARES)
    world["a1"], world["a2"] = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    world["id"], world["frequency"] = [f"rs{row + 1000}" for row in range(total)], rng.uniform(0.05, 0.95, total)
    order, start = rng.permutation(total), common
    for name, size, share in zip(NAMES, sizes, (0.35, 0.325, 0.325), strict=True):
        rows = np.sort(np.concatenate([order[:common], order[start : start + size - common]]))
        start += size - common
        table = world.iloc[rows].reset_index(drop=True)
        if name == "hh550":
            flip = rng.random(size) < 0.4
            for column in ("a1", "a2"):
                table.loc[flip, column] = table.loc[flip, column].str.translate(COMPLEMENT)
        if name == "omni":
            table.loc[rng.random(size) < 0.02, "id"] = "kgp" + table["id"].str[2:]
            table.loc[rng.random(size) < 0.001, "pos"] += 1
        n = round(share * n_people)
        people = [f"{name}-{number}" for number in range(n)]
        fam = pd.DataFrame({"fid": people, "iid": people, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
        bed.write_bim(table, bed.path(folder / name, ".bim"))
        bed.write_fam(fam, bed.path(folder / name, ".fam"))
        with bed.path(folder / name, ".bed").open("wb") as file:
            file.write(bed.MAGIC + bytes([bed.SNP_MAJOR]))
            for first in range(0, size, BLOCK):
                p = table["frequency"].to_numpy()[first : first + BLOCK, None]
                calls = rng.binomial(2, p, (len(p), n)).astype(np.int8)
                calls[rng.random(calls.shape, np.float32) < MISSING] = bed.MISSING
                bed.write_bed(calls, folder / "block.bed")
                file.write((folder / "block.bed").read_bytes()[3:])
    return world.iloc[np.sort(order[:common])]


def ours(folder):
    """Read, check, harmonise and merge; run in a process of its own."""
    from gcamccl.genotype_qc import bed, inputs, pipeline
    from gcamccl.genotype_qc.plink_ids import write_named
    from gcamccl.workflow.config import stage_defaults

    scratch, settings = folder / "ours", stage_defaults("genotype_qc")
    scratch.mkdir()
    given = inputs.load([folder / name for name in NAMES], scratch, settings)
    merged = pipeline.merge_arrays(given, settings, scratch)
    write_named(merged.prefix, scratch / "named", merged.people, merged.snps)
    bed.path(merged.prefix, ".bed").rename(scratch / "named.bed")


def peer(folder):
    """PLINK's own recipe."""
    from gcamccl.genotype_qc.plink import ToolError, plink

    (folder / "peer").mkdir()
    ids = [{line.split(None, 2)[1] for line in (folder / f"{name}.bim").open()} for name in NAMES]
    (folder / "peer" / "common").write_text("\n".join(set.intersection(*ids)) + "\n")
    for name in NAMES:
        plink(
            *("--bfile", folder / name, "--extract", folder / "peer" / "common"),
            *("--make-bed", "--out", folder / "peer" / name),
        )
    current = folder / "peer" / NAMES[0]
    for number, name in enumerate(NAMES[1:]):
        other, merged = folder / "peer" / name, folder / "peer" / ("merged" if number else "two")
        for mend in ("--flip", "--exclude", None):
            try:
                plink("--bfile", current, "--bmerge", other, "--make-bed", "--out", merged)
                break
            except ToolError:
                if mend is None:
                    raise
                bad = f"{merged}-merge.missnp"
                for prefix in (other,) if mend == "--flip" else (other, current):
                    plink("--bfile", prefix, mend, bad, "--make-bed", "--out", f"{prefix}.{mend[2:]}")
                if mend == "--exclude":
                    current = Path(f"{current}.exclude")
                other = Path(f"{other}.{mend[2:]}")
        current = merged


def wrong_strands(prefix, truth):
    """SNPs of a merged fileset, A/T and C/G ones among them, and those that hh550's people have on the other strand."""
    import numpy as np

    from gcamccl.genotype_qc import bed

    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    truth = truth.set_index("id").loc[bim["id"].str.replace("kgp", "rs")]
    strandless = np.array([pair in {"AT", "TA", "CG", "GC"} for pair in truth["a1"] + truth["a2"]])
    people = np.flatnonzero(fam["iid"].str.startswith("hh550-"))
    copies, n = np.zeros(len(bim)), np.zeros(len(bim))
    for first in range(0, len(bim), BLOCK):
        calls = bed.read_bed(prefix, len(fam), np.arange(first, min(first + BLOCK, len(bim))))[:, people]
        copies[first : first + BLOCK], n[first : first + BLOCK] = calls.clip(0).sum(axis=1), (calls >= 0).sum(axis=1)
    observed = copies / (2 * n)
    planted = np.where(bim["a1"].to_numpy() == truth["a1"].to_numpy(), truth["frequency"], 1 - truth["frequency"])
    # Near a half the right and the wrong strand look the same
    clear = np.abs(planted - 0.5) > 0.2
    wrong = clear & (np.abs(observed - planted) > np.abs(1 - observed - planted))
    return len(bim), int(strandless.sum()), int(wrong.sum())


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=854, metavar="N", help="default: %(default)s, the paper's number")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="of the arrays; default: %(default)s")
    parser.add_argument(
        "--folder", type=Path, metavar="DIR", help="where the arrays are made; default: a temporary one"
    )
    parser.add_argument("--only", choices=("ours", "peer"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        return {"ours": ours, "peer": peer}[args.only](args.folder)

    import numpy as np

    rows = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        truth = make_arrays(folder, args.people, args.scale, np.random.default_rng(1))
        for who in ("peer", "ours"):
            cost = measure.run([sys.executable, __file__, "--only", who, "--folder", folder])
            rows[who] = (cost.cpu_s, cost.wall_s, cost.peak_mb, *wrong_strands(folder / who / MERGED[who], truth))
    print(f"{args.people} people, {len(truth)} SNPs on all three arrays")
    print(f"{'':20}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'SNPs':>9}{'A/T, C/G':>10}{'wrong strand':>14}")
    for who, (cpu, wall, rss, n_snps, strandless, wrong) in rows.items():
        label = {"ours": "genotype_qc", "peer": "PLINK's recipe"}[who]
        print(f"{label:20}{cpu:8.1f}{wall:8.1f}{rss:9.0f}{n_snps:9}{strandless:10}{wrong:14}")
    own, other = rows["ours"], rows["peer"]
    print(
        f"RESULT merge_s={own[1]:.1f} merge_rss_mb={own[2]:.0f} merge_wrong_strand={own[5]}"
        f" merge_peer_s={other[1]:.1f} merge_peer_wrong_strand={other[5]}"
    )
    return None


if __name__ == "__main__":
    main()
