"""The configuration: the paper's values, every error in one go."""

import copy
import json

import pytest

from gcamccl.compare.table import PAPER
from gcamccl.workflow import config
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError


def test_the_shipped_configurations_are_valid():
    assert config.errors(config.read_yaml(config.PAPER)) == [
        f"study.{key}: missing; name the file, or set study.simulated: true"
        for key in ("participants", "genotypes", "gtex_eqtl", "gtex_expression", "gene_bodies", "gene_sets")
    ]
    for overlay in sorted((ROOT / "config").glob("*.yaml")):
        if overlay not in (config.PAPER, ROOT / "config/tuned.yaml"):  # the latter names no study
            config.load(overlay)


def test_the_tuned_settings_are_valid_with_a_study_laid_over_them(tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text("study: {simulated: true}\ntrain: {patience_epochs: 5}\n")
    paper, tuned = config.read_yaml(config.PAPER), config.read_yaml(ROOT / "config/tuned.yaml")
    merged = config.load(ROOT / "config/tuned.yaml", study)
    assert merged["train"] == {**paper["train"], **tuned["train"], "patience_epochs": 5}
    assert merged["cohort"] == paper["cohort"]


def test_the_papers_values():
    """Sections III-A to III-D and Table II."""
    paper = config.read_yaml(config.PAPER)
    assert (paper["connectivity"]["low_hz"], paper["connectivity"]["high_hz"]) == (0.01, 0.1)
    assert (paper["connectivity"]["max_translation_mm"], paper["connectivity"]["min_sfnr"]) == (2.0, 275.0)
    assert (paper["connectivity"]["motion_parameters"], paper["connectivity"]["scrub_fd_mm"]) == (6, None)
    assert (paper["connectivity"]["global_signal"], paper["connectivity"]["task_regressors"]) == (False, "none")
    qc = paper["genotype_qc"]
    assert (qc["hwe_p"], qc["maf"], qc["ld_r2"]) == (1e-5, 0.05, 0.9)
    assert (qc["max_snp_missing"], qc["max_sample_missing"]) == (0.1, 0.05)
    assert (paper["eqtl_filter"]["eqtl_p"], paper["eqtl_filter"]["top_genes"]) == (5e-8, 100)
    assert len(paper["eqtl_filter"]["tissues"]) == 13
    cohort = paper["cohort"]
    fractions = (cohort["train_fraction"], cohort["validation_fraction"], cohort["test_fraction"])
    assert (cohort["tail_fraction"], *fractions) == (0.2, 0.7, 0.15, 0.15)
    train = paper["train"]
    assert (train["epochs"], train["batch_size"], train["learning_rate"]) == (500, 4, 1e-5)
    assert (train["halve_every_epochs"], train["dropout"], train["momentum"]) == (200, 0.2, 0.9)
    assert (paper["threshold"]["max_fraction"], paper["threshold"]["min_frequency"]) == (0.05, 0.7)
    assert [name for name in paper["compare"]["methods"] if name != "confounds"] == list(PAPER)


def test_all_errors_are_listed_in_one_go(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("train: {epochs: many, batch: 4}\ncohort: {tail_fraction: 0.7}\nfoo: 1\nstudy: {simulated: true}\n")
    with pytest.raises(InputError) as caught:
        config.load(path)
    text = str(caught.value)
    assert "4 errors" in text
    assert "train.epochs: 'many' is not of type 'integer'" in text
    assert "train.batch: unknown key; known here: batch_size" in text
    assert "cohort.tail_fraction: 0.7 is greater than the maximum of 0.5" in text
    assert "foo: unknown key" in text
    assert "mine.yaml" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cohort: {train_fraction: 0.8}\nstudy: {simulated: true}\n", "add up to 1.1, not 1"),
        ("connectivity: {motion_parameters: 12}\nstudy: {simulated: true}\n", r"12 is not one of \[0, 6, 24\]"),
        (
            "connectivity: {scrub_fd_mm: 0}\nstudy: {simulated: true}\n",
            "scrub_fd_mm: 0 is less than or equal",
        ),
        ("connectivity: {task_regressors: spm}\nstudy: {simulated: true}\n", "'spm' is not one of"),
        ("connectivity: {low_hz: 0.2}\nstudy: {simulated: true}\n", "must be above connectivity.low_hz"),
        (
            "activation: {methods: [gradcam]}\nstudy: {simulated: true}\n",
            "guided_gradcam is not among activation.methods",
        ),
        ("train: {epochs: [\n", "line 2"),
        ("- train\n", "expected a mapping"),
        ("train: {learning_rate: .nan}\nstudy: {simulated: true}\n", "learning_rate"),
        (
            "cohort: {splits: 100, permutations: 99}\nrun: {replicates_per_job: 4}\nstudy: {simulated: true}\n",
            "replicates_per_job: 10000 replicates are 2500 jobs of train; at most 2000: write at least 5",
        ),
        ("cohort: {splits: 0}\nstudy: {simulated: true}\n", "cohort.splits: 0 is less than the minimum of 1"),
    ],
)
def test_a_wrong_configuration_names_the_place(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        config.load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        config.load(tmp_path / "none.yaml")


def test_overlays_replace_lists_and_merge_mappings():
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 2}
    before = copy.deepcopy(base)
    assert config.merge(base, {"a": {"y": [3]}}) == {"a": {"x": 1, "y": [3]}, "b": 2}
    assert base == before


def test_every_key_is_described_and_in_the_readme():
    text = (ROOT / "config/README.md").read_text()
    for section, entry in config.schema()["properties"].items():
        assert f"## {section}" in text
        for key, value in entry["properties"].items():
            assert len(value["description"]) > 10, key
            assert f"| `{key}` |" in text


def test_the_readme_is_made_from_the_schema():
    from gcamccl.workflow.describe import config_readme

    assert (ROOT / "config/README.md").read_text() == config_readme(), "make config/README.md: see its first lines"


def test_numbers_in_yaml_and_json(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"learning_rate": 1e-5}))
    assert config.stage_defaults("train", tmp_path / "a.json")["learning_rate"] == 1e-5
    (tmp_path / "a.yaml").write_text("learning_rate: 1e-4\nseed: '3'\nepochs: ten\n")
    with pytest.raises(InputError) as caught:
        config.stage_defaults("train", tmp_path / "a.yaml")
    assert "train.learning_rate: '1e-4' is not of type 'number'; to YAML this is text, write 0.0001" in str(
        caught.value
    )
    assert str(caught.value).count("to YAML this is text") == 2
    (tmp_path / "b.json").write_text('{"epochs": 3,}')
    with pytest.raises(InputError, match=r"b\.json: line 1, column"):
        config.stage_defaults("train", tmp_path / "b.json")


def test_text_of_the_command_line_is_what_it_stands_for():
    """Snakemake reads --config "run={...}" as text; words that are no numbers stay what they are, and never crash."""
    given = {"people_per_job": "8", "replicates_at_once": "4", "device": "cpu", "name": "7"}
    own = config.merge(config.read_yaml(config.PAPER), {"study": {"simulated": True}, "run": given})
    more = {"train": {"learning_rate": "1e-4"}, "threshold": {"covariates": "*"}, "report": {"pseudonyms": "null"}}
    own = config.merge(own, more)
    told = config.typed(own)
    run = told["run"]
    assert (run["people_per_job"], run["replicates_at_once"], run["name"]) == (8, 4, "7")
    assert told["train"]["learning_rate"] == 1e-4
    assert told["report"]["pseudonyms"] is None
    assert told["threshold"]["covariates"] == "*"
    assert any("threshold.covariates" in line for line in config.errors(told))
