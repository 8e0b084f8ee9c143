"""Simulated genomes, arrays and resources: honest, reproducible, and faulty exactly where planted."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed
from genetics_fixture import CHROMOSOMES, make

from gcamccl.genotype_qc import bed
from gcamccl.simulate import genetic_truth, genome
from gcamccl.workflow.files import sha256


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


def test_the_same_seed_gives_the_same_files(study, tmp_path):
    again = make(tmp_path)
    names = sorted(path.relative_to(study.folder) for path in study.folder.rglob("*") if path.is_file())
    assert len(names) > 30
    assert [str(name) for name in names if sha256(study.folder / name) != sha256(tmp_path / name)] == []
    assert again.truth["eqtl_snps"] == study.truth["eqtl_snps"]


def test_genes_cover_the_share_of_the_region_they_should(study):
    genes = study.genome.genes
    assert genes["symbol"].is_unique
    for _, own in genes.groupby("chrom"):
        own = own.sort_values("start")
        assert (own["start"].to_numpy()[1:] > own["end"].to_numpy()[:-1]).all()
        assert 0.35 < (own["end"] - own["start"]).sum() / 2e6 < 0.45


def test_the_first_component_is_the_population(study):
    common = study.genome.variants["frequency"].between(0.05, 0.95).to_numpy()
    dosage = study.genome.dosage[:, common].astype(float)
    dosage -= dosage.mean(axis=0)
    first = np.linalg.svd(dosage / dosage.std(axis=0), full_matrices=False)[0][:, 0]
    assert abs(np.corrcoef(first, study.genome.populations)[0, 1]) > 0.9
    assert study.genome.populations.mean() == pytest.approx(genome.MINOR_POPULATION, abs=0.01)


def test_causal_snps_are_common_inside_genes_and_within_reach(study):
    causal = study.truth["causal_snps"]
    variants = study.genome.variants
    assert (variants["id"].to_numpy()[causal["variant"]] == causal["id"]).all()
    assert causal["frequency"].between(0.15, 0.85).all()
    assert list(genetic_truth.gene_of(causal, study.genome.genes)) == list(causal["gene"])
    reached = causal["id"].isin(study.truth["eqtl_snps"]) | causal["gene"].isin(study.truth["expressed_genes"])
    assert reached.all()


def test_arrays_hold_disjoint_people_but_one(study):
    seen = [set(bed.read_fam(prefix)["iid"]) for prefix in study.genotypes]
    both = study.faults["people"].query("fault == 'typed_twice'")["genotype_id"].tolist()
    assert seen[0] & seen[1] == set(both)
    assert len(both) == 1
    assert not (seen[0] | seen[1]) & seen[2]
    assert set.union(*seen) == set(study.people)


def test_an_array_holds_the_true_genotypes(study):
    """As bed-reader reads them, independent of the project's own reader."""
    prefix = study.genotypes[0]
    with open_bed(f"{prefix}.bed") as file:
        copies, names, people, alleles = file.read(dtype="int8"), file.sid, file.iid, file.allele_1
    good = [row for row, name in enumerate(names) if name.startswith("rs") and name not in study.ids("hwe")]
    truth = study.true_copies(names[good], alleles[good])[:, [study.people.index(name) for name in people]].T
    called = copies[:, good] >= 0
    assert (copies[:, good] == truth)[called].mean() > 0.999
    assert 0.9 < called.mean() < 1


def test_the_panel_is_phased_and_holds_the_panel_haplotypes(study):
    chrom = CHROMOSOMES[0]
    path = study.folder / "reference" / f"panel.chr{chrom}.vcf.gz"
    query = ["bcftools", "query", "-r", str(chrom), "-f", "%ID[\\t%GT]\\n", str(path)]
    lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
    table = pd.DataFrame([line.split("\t") for line in lines]).set_index(0)
    variants = study.genome.variants.reset_index().set_index("id").loc[table.index]
    expected = study.genome.panel[variants["index"]]
    assert (table.map(lambda call: int(call[0])).to_numpy() == expected[:, 0::2]).all()
    assert (table.map(lambda call: int(call[2])).to_numpy() == expected[:, 1::2]).all()
