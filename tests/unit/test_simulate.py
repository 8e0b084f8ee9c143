"""The simulated study as a whole: reproducible, in real formats, with the truth that was planted."""

import json

import numpy as np
import pandas as pd
import pytest

from gcamccl.atlas import read_atlas
from gcamccl.genotype_qc import bed
from gcamccl.simulate import layout, relatives
from gcamccl.simulate.people import simulate_people
from gcamccl.simulate.study import simulate_study
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.files import read_tsv, sha256
from gcamccl.workflow.study import read_participants

SMALL = {"n_participants": 60, "n_raw": 2, "n_volumes": 60, "causal_snps": 4, "n_reference": 20, "gene_sets": 10}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A small study: (folder, files written, settings)."""
    folder = tmp_path_factory.mktemp("simulate")
    settings = stage_defaults("simulate") | SMALL
    return folder, simulate_study(settings, [22], folder, say=lambda text: None), settings


def test_the_layout_says_what_is_written(study):
    folder, written, settings = study
    files = layout.study_files([22], folder)
    for name in ("participants", "gtex_lookup", "gtex_expression", "gene_bodies", "truth"):
        assert files[name].removeprefix(f"{folder}/") in written
    for path in (*files["gtex_eqtl_files"], *files["gene_sets"], *(f"{g}.bed" for g in files["genotypes"])):
        assert path.removeprefix(f"{folder}/") in written
    rows = read_participants(files["participants"], check_files=False)
    planned = layout.participants(settings, folder)
    for row, plan in zip(rows, planned, strict=True):
        assert {key: row[key] for key in ("participant_id", "genotype_id")} == {
            key: plan[key] for key in ("participant_id", "genotype_id")
        }
        for column in ("bold", "t1w", "timeseries"):
            assert (row[column] or None) == (str(plan[column]) if column in plan else None)


def test_the_same_seed_gives_the_same_bits(study, tmp_path):
    folder, written, settings = study
    again = simulate_study(settings, [22], tmp_path, say=lambda text: None)
    assert again == written
    assert [name for name in written if sha256(folder / name) != sha256(tmp_path / name)] == []


@pytest.mark.parametrize("modality", ["connectivity", "snps"])
def test_a_study_of_one_modality_has_the_same_people(study, tmp_path, modality):
    """The files of the modality are those of the whole study; of the other there is nothing."""
    folder, written, settings = study
    own = settings | {"modalities": [modality]}
    names = simulate_study(own, [22], tmp_path, say=lambda text: None)
    places = {
        "connectivity": ("timeseries", "scan_truth"),
        "snps": ("genotypes", "reference", "gtex", "genes", "gene_sets"),
    }
    expected = [name for name in written if name.split("/")[1] in places[modality]]
    tables = ["study/participants.tsv", "study/truth.json", "study/truth_people.tsv"]
    assert sorted(names) == sorted([*expected, *tables])
    assert [name for name in expected if sha256(folder / name) != sha256(tmp_path / name)] == []
    assert sha256(folder / tables[2]) == sha256(tmp_path / tables[2])
    files = layout.study_files([22], tmp_path, [modality])
    assert [path for path in layout.resources(files) if path.removeprefix(f"{tmp_path}/") not in names] == []
    rows = read_participants(files["participants"], check_files=False)
    whole = read_participants(layout.study_files([22], folder)["participants"], check_files=False)
    assert [row["score"] for row in rows] == [row["score"] for row in whole]
    assert [row["genotype_id"] is not None for row in rows] == [modality == "snps"] * 60
    assert [bool(row["bold"] or row["timeseries"]) for row in rows] == [modality == "connectivity"] * 60
    truth = json.loads((tmp_path / "study/truth.json").read_text())
    assert ("edges_high" in truth, "causal_snps" in truth) == (modality == "connectivity", modality == "snps")


def test_the_planted_edges_follow_ability(study):
    folder, _, _ = study
    truth = json.loads((folder / "study/truth.json").read_text())
    people = pd.read_csv(folder / "study/truth_people.tsv", sep="\t")
    upper = np.triu_indices(264, 1)
    signals, ability = [], []
    for name, value in zip(people["participant_id"], people["ability"], strict=True):
        path = folder / f"study/timeseries/{name}_timeseries.tsv"
        if path.exists():
            signals.append(np.corrcoef(np.loadtxt(path, skiprows=1).T)[upper])
            ability.append(value)
    slopes = np.polyfit(ability, np.array(signals), 1)[0]
    square = np.zeros((264, 264))
    square[upper] = slopes
    square += square.T
    high, low = (np.array(truth[f"edges_{group}"]) - 1 for group in ("high", "low"))
    assert len(high) == len(low) == 60
    assert square[tuple(high.T)].mean() > 0.03
    assert square[tuple(low.T)].mean() < -0.03
    assert abs(slopes.mean()) < 0.01
    assert len(read_atlas()) == 264


def test_people_are_as_the_truth_says(study):
    folder, _, settings = study
    truth = json.loads((folder / "study/truth.json").read_text())
    assert len(truth["relatives"]) == settings["n_participants"] // relatives.PEOPLE_PER_PAIR
    table = read_tsv(folder / "study/participants.tsv", dtype=str).set_index("genotype_id")
    for pair in truth["relatives"]:
        families = table.loc[[pair["genotype_id_1"], pair["genotype_id_2"]], "family_id"]
        assert [None if value != value else value for value in families] == [pair["family_id"]] * 2
    parent, ages = truth["relatives"][0], table["age"].astype(float)
    assert ages[parent["genotype_id_1"]] - ages[parent["genotype_id_2"]] == pytest.approx(27)
    faults = {row["fault"] for row in truth["genotype_faults"]["people"]}
    assert faults >= {"contaminated", "wrong_sex", "wrong_fam_sex", "typed_twice"}
    assert set(truth["populations"]) == set(table.index)
    for prefix in layout.study_files([22], folder)["genotypes"]:
        bim = bed.read_bim(prefix)
        chrom = bim["chrom"].str.removeprefix("chr")
        assert {"22", "23", "24"} < set(chrom)
        place = chrom.astype(int) * 10**9 + bim["pos"]
        assert place.is_monotonic_increasing


def test_ability_has_the_heritability_asked_for():
    rng = np.random.default_rng(0)
    dosage = rng.binomial(2, 0.4, (4000, 5))
    people = simulate_people(dosage, np.array([1, -1, 1, 0.8, 1.2]), 0.6, rng)
    assert np.corrcoef(people.ability, people.polygenic)[0, 1] ** 2 == pytest.approx(0.6, abs=0.03)
    assert people.table["score"].mean() == pytest.approx(100, abs=1)
    assert people.table["score"].std() == pytest.approx(15, abs=0.6)
    assert people.table["score"].isna().sum() == 1


def test_a_causal_snp_that_does_not_vary_is_an_error():
    with pytest.raises(ValueError, match="does not vary"):
        simulate_people(np.ones((10, 1)), np.ones(1), 0.5, np.random.default_rng(0))
