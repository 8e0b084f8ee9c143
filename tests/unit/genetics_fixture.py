"""A small simulated study's genetics, for the tests of the genotype stages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import pipeline
from gcamccl.genotype_qc.plink_ids import Codes, write_named
from gcamccl.simulate import array_people, arrays, genome, gtex, layout, probe_faults, relatives
from gcamccl.workflow.config import stage_defaults

CHROMOSOMES = [21, 22]
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@dataclass
class Study:
    """What was simulated and where its files are."""

    folder: Path
    genome: genome.Genome
    truth: dict
    faults: dict
    people: list

    @property
    def genotypes(self):
        return [self.folder / "genotypes" / array for array in layout.ARRAYS]

    @property
    def participants(self):
        return self.folder / "participants.tsv"

    def ids(self, fault, array=None):
        """Ids of SNPs with a planted fault."""
        table = self.faults["snps"]
        return set(table["id"][(table["fault"] == fault) & ((table["array"] == array) | (array is None))])

    def true_copies(self, names, alleles):
        """Copies of the given alleles (on the simulated strand), int8 (SNPs, people)."""
        variants = self.genome.variants.reset_index().set_index("id").loc[names]
        copies = self.genome.dosage[:, variants["index"]].T
        is_alt = np.asarray(alleles) == variants["alt"].to_numpy()
        assert (is_alt | (np.asarray(alleles) == variants["ref"].to_numpy())).all()
        return np.where(is_alt[:, None], copies, 2 - copies).astype(np.int8)


def make(folder, n_people=120, n_reference=80, seed=5):
    """Simulate a study's genetics into `folder`."""
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    world = genome.simulate_genome(n_people, n_reference, CHROMOSOMES, 90, rng, region_mb=2.0)
    truth = gtex.choose_truth(world, {"causal_snps": 6}, rng)
    people = [f"G{number:03d}" for number in range(1, n_people + 1)]
    protect = {*truth["causal_snps"]["id"], *truth["eqtl_snps"]}
    sex = rng.choice(["M", "F"], n_people)
    faults = arrays.write_arrays(world, people, sex, folder / "genotypes", rng, protect=protect)
    probe_faults.write_dialects(folder / "genotypes")
    arrays.write_reference(world, folder / "reference")
    gtex.write_gtex(world, truth["eqtl_snps"], truth["expressed_genes"], layout.TISSUES, folder / "gtex", rng)
    gtex.write_genes(world, folder / "genes" / "glist-hg19")
    table = pd.DataFrame({"participant_id": [f"sub-{name}" for name in people], "genotype_id": people})
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    return Study(folder, world, truth, faults, people)


@dataclass
class PeopleStudy:
    """Arrays with relatives, X, Y and faults of people, and the truth about them."""

    folder: Path
    populations: np.ndarray
    people: list
    pairs: list
    faults: dict
    table: pd.DataFrame
    background: array_people.Background

    @property
    def genotypes(self):
        return [self.folder / "genotypes" / array for array in layout.ARRAYS]

    @property
    def participants(self):
        return self.folder / "participants.tsv"


def make_people(folder, n_people=150, seed=3):
    """Simulate arrays with faults of people into `folder`."""
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    world = genome.simulate_genome(n_people, 20, [22], 90, rng, region_mb=1.0)
    pairs = relatives.choose_pairs(world.populations, rng)
    world = relatives.with_relatives(world, pairs, rng)
    people = [f"G{number:03d}" for number in range(1, n_people + 1)]
    table = pd.DataFrame({"age": rng.uniform(8, 21, n_people), "sex": rng.choice(["M", "F"], n_people)})
    table = relatives.adjust_people(table, pairs)
    apart = [(pair.one, pair.other) for pair in pairs if pair.kind == "same DNA"]
    found = arrays.write_arrays(world, people, table["sex"], folder / "genotypes", rng, apart=apart)
    table, faults, background = array_people.plant(
        folder / "genotypes", people, table, found, world.populations, pairs, [22], rng
    )
    probe_faults.write_dialects(folder / "genotypes")
    table.insert(0, "participant_id", [f"sub-{name}" for name in people])
    table.insert(1, "genotype_id", people)
    table.to_csv(folder / "participants.tsv", sep="\t", index=False, na_rep="n/a")
    return PeopleStudy(folder, world.populations, people, pairs, faults, table, background)


def settings(stage, **changes):
    """The paper's settings of a stage, with changes."""
    return stage_defaults(stage) | changes


def quiet(text):
    """For `say`."""


def checked_people(study, folder):
    """The account of genotype_qc on a `PeopleStudy`; `folder` holds its filesets, under their real ids."""
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc"), folder, folder / "qc", participants=study.participants, say=quiet
    )
    with_real_ids(account, folder)
    return account


def with_real_ids(account, folder):
    """Give the filesets that `pipeline.prepare` left in its scratch folder, which have neutral ids, their real ones."""
    first = account.harmonised["array"].iloc[0]
    snps = account.harmonised["id"][account.harmonised["array"] == first]
    people = account.samples["genotype_id"][account.samples["reason"] != "not_a_participant"]
    merged, snps, people = folder / "merged", Codes("s", list(snps)), Codes("p", list(people))
    for file in folder.glob("*.bim"):
        if file.read_text()[:20].split()[1].startswith("s0") and not file.name.endswith(".in.bim"):
            write_named(file.with_suffix(""), folder / "named", people, snps)
            for suffix in (".bim", ".fam"):
                (folder / f"named{suffix}").rename(file.with_suffix(suffix))
    if (folder / "pca.fit").exists():
        codes = (folder / "pca.fit").read_text().split()[::2]
        (folder / "pca.fit").write_text("".join(f"{name}\t{name}\n" for name in people.decode(codes)))
    assert merged.with_suffix(".bim").read_text().split()[1] in snps
