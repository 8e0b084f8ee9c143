"""Whether every person and SNP that came in is in the results or in ``dropped.tsv``, and calls are still the arrays'.

A check of this program and of PLINK, not of the data: it must never fail, and nothing is written if it does.
"""

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.merge import other_way_round

SNPS_COMPARED = 1000  # of the result, spread over it, whose calls are compared with those of every array
SHOWN = 5


class AccountError(RuntimeError):
    """Somebody, some SNP or some call was lost or changed without a word."""


def check(given, merged, out, dropped):
    """Raise an `AccountError` unless everything that came in is accounted for.

    Parameters
    ----------
    given : inputs.Inputs
    merged : pipeline.Merged
    out : str or Path
        Prefix of the result, with its real ids.
    dropped : list of tuple
        kind, id, array, step, reason, without those of step harmonise.
    """
    bim, fam = bed.read_bim(out), bed.read_fam(out)
    everybody = {name for table in given.fams for name in table["iid"]}
    common = merged.agreed.snps[0]["id"]
    for kind, came, kept in (("people", everybody, fam["iid"]), ("SNPs", set(common), bim["id"])):
        gone = {row[1] for row in dropped if row[0] == {"people": "sample", "SNPs": "snp"}[kind] and row[2] == "all"}
        noted = gone if kind == "SNPs" else {row[1] for row in dropped if row[0] == "sample"}
        _none(kind + " twice in the result", kept[kept.duplicated()])
        _none(kind + " in the result that no array has", set(kept) - came)
        _none(kind + " both kept and dropped", set(kept) & gone)
        _none(kind + " neither kept nor dropped", came - set(kept) - noted)
    for number, snps in zip(merged.used, merged.agreed.snps, strict=True):
        name, n_snps = given.names[number], len(given.bims[number])
        n_dropped = int((merged.agreed.dropped["array"] == name).sum())
        if len(snps) + n_dropped != n_snps or snps["row"].duplicated().any():
            raise AccountError(f"{name}: {n_snps} SNPs came in, {len(snps)} are common, {n_dropped} dropped")
        _check_calls(given, merged, number, snps, out, bim, fam)


def _none(what, names):
    names = sorted(names)
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise AccountError(f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}")


def _check_calls(given, merged, number, snps, out, bim, fam):
    """Calls of an array's people in the result are those in its own ``.bed``, at `SNPS_COMPARED` SNPs."""
    name, own = given.names[number], given.fams[number]
    away = set(merged.twice["genotype_id"][(merged.twice["array"] == name) & ~merged.twice["keep"].astype(bool)])
    here = fam["iid"].isin(set(own["iid"]) - away).to_numpy()
    if not here.any():
        return
    rows = np.unique(np.linspace(0, len(bim) - 1, SNPS_COMPARED).astype(int))
    bim = bim.iloc[rows].reset_index(drop=True)
    snps = snps.iloc[pd.Index(snps["id"]).get_indexer(bim["id"])].reset_index(drop=True)
    result = bed.read_bed(out, len(fam), rows)[:, here]
    source = bed.read_bed(given.prefixes[number], len(own), snps["row"].to_numpy())
    source = source[:, pd.Index(own["iid"]).get_indexer(fam["iid"][here])]
    source = np.where(other_way_round(bim, snps)[:, None] & (source >= 0), 2 - source, source)
    different = (source != result).any(axis=0)
    _none(f"people of {name} have other calls in the result", fam["iid"][here][different])
