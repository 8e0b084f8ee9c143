"""A simulated study as impute leaves it, for the tests of eqtl_filter."""

import numpy as np
import pandas as pd
from genetics_fixture import CHROMOSOMES, make, quiet, settings

from gcamccl.eqtl_filter.loci import find_loci
from gcamccl.genotype_qc import bed


def make_imputed(folder):
    """A simulated study with complete genotypes of all array SNPs, a fileset a chromosome; some calls said filled."""
    study = make(folder)
    rng = np.random.default_rng(8)
    fam = pd.DataFrame({"fid": study.people, "iid": study.people, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
    for chrom in CHROMOSOMES:
        table = study.genome.variants.query("core and chrom == @chrom")
        swap = rng.random(len(table)) < 0.5
        copies = study.genome.dosage[:, table.index].T
        bim = pd.DataFrame({"chrom": chrom, "id": table["id"], "cm": 0, "pos": table["pos"]})
        bim["a1"] = np.where(swap, table["ref"], table["alt"])
        bim["a2"] = np.where(swap, table["alt"], table["ref"])
        calls = np.where(swap[:, None], 2 - copies, copies).astype(np.int8)
        bed.write_fileset(study.folder / f"chr{chrom}", calls, bim, fam)
        filled = rng.random(calls.shape) < 0.05
        filled[:3] = False
        counts = pd.DataFrame({"snp_id": bim["id"], "n_imputed": filled.sum(axis=1), "source": "panel"})
        counts.to_csv(study.folder / f"chr{chrom}.snps.tsv", sep="\t", index=False)
        row, person = np.nonzero(filled)
        expected = np.clip(calls[filled] + rng.uniform(-0.4, 0.4, len(row)), 0, 2).astype(np.float32)
        arrays = {"row": row.astype(np.int32), "person": person.astype(np.int32), "dosage": expected}
        np.savez(study.folder / f"chr{chrom}.dosage.npz", **arrays)
    return study


def prefixes(study):
    return [study.folder / f"chr{chrom}" for chrom in CHROMOSOMES]


def files(study):
    gtex = study.folder / "gtex"
    return {
        "gene_bodies": study.folder / "genes" / "glist-hg19",
        "gtex_eqtl": gtex / "eqtl",
        "gtex_expression": gtex / "gene_median_tpm.gct.gz",
        "gtex_lookup": gtex / "lookup.txt.gz",
    }


def find(study, out, genotypes=None, say=quiet, changes=(), **sources):
    """`find_loci` on the study, with other genotypes, settings or sources where given."""
    out.mkdir(exist_ok=True)
    found = settings("eqtl_filter", **dict(changes))
    return find_loci(genotypes or prefixes(study), found, files(study) | sources, out / "loci", say)
