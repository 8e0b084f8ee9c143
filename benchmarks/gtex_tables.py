"""Tables in GTEx's layout at the size of the real ones, with a known answer; for benchmarks.

Sizes: GTEx v8 has some 0.3 to 2 million significant pairs a brain tissue, and 46.6 million rows in its lookup table.
"""

import gzip
from pathlib import Path

CHUNK = 200_000  # rows written at a time: bounds the memory
N_COMMON = 3000  # variants that are significant in every tissue
BUILD_SHIFT = 500  # bp between GRCh37 and GRCh38 of these tables
CHROMOSOME_LENGTH = 248_000_000


def write_gtex_tables(folder, n_rows=800_000, n_lookup=10_000_000, seed=0, tissues=None):
    """Write significant pairs of all tissues and the lookup table in GTEx v8 layout.

    Parameters
    ----------
    folder : str or Path
        Gets ``eqtl/<tissue>.v8.signif_variant_gene_pairs.txt.gz`` and ``lookup.txt.gz``.
    n_rows : int
        Pairs of each tissue; p between 1e-12 and 1e-4, so about half of them are below 5e-8.
    n_lookup : int
        Rows of the lookup table.
    seed : int
    tissues : list of str, optional
        The paper's 13 by default.

    Returns
    -------
    list of str
        Ids of the variants below 5e-8 in every tissue, sorted.
    """
    import numpy as np
    import pyarrow as pa

    from gcamccl.simulate import layout

    folder, rng = Path(folder), np.random.default_rng(seed)
    tissues = list(layout.TISSUES if tissues is None else tissues)
    (folder / "eqtl").mkdir(parents=True, exist_ok=True)
    positions = np.cumsum(rng.integers(1, max(2, 2 * (CHROMOSOME_LENGTH // n_lookup)), n_lookup))
    bases = np.array([*"ACGT"])
    ref = rng.integers(0, 4, n_lookup, dtype=np.int8)
    alt = ((ref + rng.integers(1, 4, n_lookup, dtype=np.int8)) % 4).astype(np.int8)
    rs = rng.permutation(n_lookup) + 10_000

    def ids(rows, prefix, shift, build):
        first = np.char.add(prefix, (positions[rows] + shift).astype(str))
        alleles = np.char.add(np.char.add("_", bases[ref[rows]]), np.char.add("_", bases[alt[rows]]))
        return np.char.add(np.char.add(first, alleles), build)

    def lookup_rows(start):
        rows = np.arange(start, min(start + CHUNK, n_lookup))
        return pa.table(
            {
                "variant_id": ids(rows, "chr1_", BUILD_SHIFT, "_b38"),
                "chr": np.full(len(rows), "chr1"),
                "variant_pos": positions[rows] + BUILD_SHIFT,
                "ref": bases[ref[rows]],
                "alt": bases[alt[rows]],
                "num_alt_per_site": np.ones(len(rows), np.int8),
                "rs_id_dbSNP151_GRCh38p7": np.char.add("rs", rs[rows].astype(str)),
                "variant_id_b37": ids(rows, "1_", 0, "_b37"),
            }
        )

    _write(folder / "lookup.txt.gz", (lookup_rows(start) for start in range(0, n_lookup, CHUNK)))
    common = rng.choice(n_lookup, min(N_COMMON, n_rows, n_lookup), replace=False)
    for tissue in tissues:
        rows = np.concatenate([common, rng.integers(0, n_lookup, n_rows - len(common))])
        p = np.concatenate([rng.uniform(8, 30, len(common)), rng.uniform(4, 12, n_rows - len(common))])
        order = np.argsort(rows, kind="stable")
        rows, p = rows[order], 10.0 ** -p[order]
        frequency = rng.uniform(0.01, 0.5, n_rows).round(6)
        table = pa.table(
            {
                "variant_id": ids(rows, "chr1_", BUILD_SHIFT, "_b38"),
                "gene_id": np.char.add("ENSG00000", (rows // 170 + 100_000).astype(str)),
                "tss_distance": rng.integers(-1_000_000, 1_000_000, n_rows),
                "ma_samples": rng.integers(1, 150, n_rows),
                "ma_count": rng.integers(1, 200, n_rows),
                "maf": frequency,
                "pval_nominal": p,
                "slope": rng.normal(0, 0.4, n_rows).round(6),
                "slope_se": rng.uniform(0.01, 0.1, n_rows).round(6),
                "pval_nominal_threshold": np.full(n_rows, 1.1e-4),
                "min_pval_nominal": p,
                "pval_beta": np.minimum(p * 100, 1),
            }
        )
        _write(folder / "eqtl" / f"{tissue}.v8.signif_variant_gene_pairs.txt.gz", [table])
    return _truth(folder, ids(common, "chr1_", BUILD_SHIFT, "_b38"))


def _truth(folder, common):
    """Sorted ids, written beside the tables as well."""
    found = sorted(common.tolist())
    (folder / "common.txt").write_text("\n".join(found) + "\n", encoding="utf-8")
    return found


def _write(path, tables):
    """Tab-separated, gzipped at level 1."""
    from pyarrow import csv

    with gzip.open(path, "wb", compresslevel=1) as handle:
        for number, table in enumerate(tables):
            if number == 0:  # pyarrow would put the names in quotes
                handle.write(("\t".join(table.column_names) + "\n").encode())
            csv.write_csv(table, handle, csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"))
