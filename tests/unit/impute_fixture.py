"""A chromosome with known calls hidden, for the tests of imputation."""

import subprocess
from dataclasses import dataclass

import numpy as np
import pandas as pd
from genetics_fixture import CHROMOSOMES, SHARED, settings

from gcamccl import impute
from gcamccl.impute import alleles, score

CHROM = CHROMOSOMES[0]
REAL = SHARED / "genotypes" / "chr20_1kg"


@dataclass
class Cohort:
    """A study whose true calls are known; `hidden` ones are missing in it."""

    truth: np.ndarray
    study: impute.Study

    @property
    def hidden(self):
        return self.study.calls < 0

    def concordance(self, calls):
        """Share of the hidden calls that are right."""
        return (calls == self.truth)[self.hidden].mean()

    def part(self, snps=slice(None), people=slice(None)):
        """Some SNPs and people of it."""
        old = self.study
        study = impute.Study(old.chromosome, old.calls[snps][:, people], old.bim.iloc[snps], old.fam.iloc[people])
        return Cohort(self.truth[snps][:, people], study)


def family(names):
    """A .fam table of such people."""
    columns = {"fid": names, "iid": names, "father": "0", "mother": "0", "sex": "1", "phenotype": "-9"}
    return pd.DataFrame(columns, index=range(len(names)))


def simulated(study, chrom=CHROM):
    """3 % of the calls of a simulated study's array SNPs hidden; A1 is alt at every other SNP; some are turned."""
    rng = np.random.default_rng(2)
    variants = study.genome.variants
    rows = np.flatnonzero(variants["core"] & (variants["chrom"] == chrom))
    table = variants.iloc[rows].reset_index(drop=True)
    alt_first = np.arange(len(rows)) % 2 == 0
    bim = pd.DataFrame({"chrom": str(chrom), "id": table["id"], "cm": 0.0, "pos": table["pos"]})
    bim["a1"] = np.where(alt_first, table["alt"], table["ref"])
    bim["a2"] = np.where(alt_first, table["ref"], table["alt"])
    clear = ~(table["ref"] + table["alt"]).isin(["AT", "TA", "CG", "GC"]).to_numpy()
    turned = clear & (np.arange(len(rows)) % 5 == 0)
    for column in ("a1", "a2"):
        bim[column] = np.where(turned, alleles.complement(bim[column]), bim[column])
    copies = study.genome.dosage[:, rows].T
    truth = np.where(alt_first[:, None], copies, 2 - copies).astype(np.int8)
    calls = np.where(rng.random(truth.shape) < 0.03, -1, truth).astype(np.int8)
    return Cohort(truth, impute.Study(chrom, calls, bim, family(study.people)))


def aligned(study, cohort):
    """The same with A1 = alt and A2 = ref of the simulated genome: what is sent to a server."""
    old = cohort.study
    alt = study.genome.variants.set_index("id").loc[old.bim["id"], "alt"].to_numpy()
    ref = study.genome.variants.set_index("id").loc[old.bim["id"], "ref"].to_numpy()
    swap = np.arange(len(old.bim)) % 2 == 1  # as in `simulated`
    calls, truth = alleles.swapped(old.calls, swap), alleles.swapped(cohort.truth, swap)
    return Cohort(truth, impute.Study(old.chromosome, calls, old.bim.assign(a1=alt, a2=ref), old.fam))


def panel_of(study, chrom=CHROM):
    return study.folder / "reference" / f"panel.chr{chrom}.vcf.gz"


def map_of(study, chrom=CHROM):
    return study.folder / "reference" / f"map.chr{chrom}.map"


def fill(cohort, folder, say=lambda text: None, **changes):
    """`impute.impute` with the paper's settings; files and settings by name."""
    files = {name: changes.pop(name) for name in ("reference", "genetic_map", "imputed", "threads") if name in changes}
    folder.mkdir(exist_ok=True, parents=True)
    return impute.impute(cohort.study, settings("impute", **changes), folder, say=say, **files)


def mode_concordance(cohort):
    return cohort.concordance(score.most_frequent(cohort.study.calls))


def sh(*words):
    """Run a program; returns its output."""
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


def real(region="20:1000000-4000000", every=12):
    """1000 Genomes chr20, 203 people, every so many-th common SNP, 3 % of the calls hidden."""
    cut = ["bcftools", "view", "-r", region, "-v", "snps", "-m2", "-M2", "-q", "0.05:minor"]
    text = sh(*cut, REAL / "unphased.vcf.gz")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][::every]
    truth = np.array([[(c[0] == "1") + (c[2] == "1") for c in row[9:]] for row in rows], np.int8)
    bim = pd.DataFrame({"chrom": "20", "id": [f"s{i}" for i in range(len(rows))], "cm": 0.0})
    bim["pos"], bim["a1"], bim["a2"] = [int(r[1]) for r in rows], [r[4] for r in rows], [r[3] for r in rows]
    calls = np.where(np.random.default_rng(4).random(truth.shape) < 0.03, -1, truth).astype(np.int8)
    return Cohort(truth, impute.Study(20, calls, bim, family([f"p{i}" for i in range(truth.shape[1])])))


def vcf_by_hand(cohort, path):
    """The study as VCF, A1 as alt, written the slow and plain way."""
    text = {-1: "./.", 0: "0/0", 1: "0/1", 2: "1/1"}
    study = cohort.study
    lines = [
        "##fileformat=VCFv4.2",
        f"##contig=<ID={study.chromosome}>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *study.fam["iid"]]),
    ]
    for snp, calls in zip(study.bim.itertuples(), study.calls, strict=True):
        head = [str(study.chromosome), str(snp.pos), snp.id, snp.a2, snp.a1, ".", ".", ".", "GT"]
        lines.append("\t".join([*head, *(text[int(call)] for call in calls)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def calls_by_hand(path, cohort):
    """Copies of A1 from a VCF whose alt is A1, the slow and plain way."""
    found = {}
    for line in sh("bcftools", "query", "-f", "%POS[\\t%GT]\\n", path).splitlines():
        pos, *calls = line.split("\t")
        found[int(pos)] = [int(call[0]) + int(call[2]) for call in calls]
    return np.array([found[pos] for pos in cohort.study.bim["pos"]], np.int8)
