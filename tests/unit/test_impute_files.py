"""impute's files and settings are checked before anything runs."""

import copy

import pytest

from gcamccl.workflow import impute_files
from gcamccl.workflow.config import PAPER, errors, read_yaml


@pytest.fixture
def config(tmp_path):
    """A study of one's own with a panel and a map for chromosomes 21 and 22."""
    result = copy.deepcopy(read_yaml(PAPER))
    for chrom in (21, 22):
        for name in ("panel", "map", "server"):
            (tmp_path / f"{name}.{chrom}").write_text("x")
    study = {key: "x" for key, value in result["study"].items() if value is None}
    study |= {"genotypes": ["x"], "gene_sets": ["x"], "chromosomes": [21, 22], "imputed": None}
    study |= {"reference_panel": str(tmp_path / "panel.{chrom}"), "genetic_map": str(tmp_path / "map.{chrom}")}
    result["study"] |= study
    return result


def wrong(config, method, **study):
    changed = copy.deepcopy(config)
    changed["impute"]["method"] = method
    changed["study"] |= study
    return errors(changed)


def test_each_method_asks_for_what_it_needs(config):
    for method in ("beagle", "shapeit4", "minimac4", "mode"):
        assert wrong(config, method) == []
    assert wrong(config, "beagle", reference_panel=None) == []
    assert wrong(config, "minimac4", reference_panel="x.msav") == []
    assert wrong(config, "external", imputed="server.{chrom}", reference_panel=None) == []
    assert "minimac4 needs study.reference_panel" in wrong(config, "minimac4", reference_panel=None)[0]
    assert "external needs study.imputed" in wrong(config, "external")[0]
    assert "external needs study.imputed" in wrong(config, "external", imputed="x", simulated=True)[0]
    assert "only minimac4 reads .msav" in wrong(config, "beagle", reference_panel="x.msav")[0]
    assert "impute.method" in wrong(config, "minimac3")[0]


def test_a_job_gets_the_files_its_method_reads(config, tmp_path):
    study = config["study"] | {"imputed": str(tmp_path / "server.{chrom}")}
    panel, the_map, server = (str(tmp_path / f"{name}.21") for name in ("panel", "map", "server"))
    assert impute_files.of_chromosome("minimac4", study, "21") == {"reference": panel, "map": the_map}
    assert impute_files.of_chromosome("external", study, 21) == {"map": the_map, "imputed": server}
    assert impute_files.of_chromosome("mode", study, 21) == {}
    assert impute_files.of_chromosome("beagle", study | {"genetic_map": None}, 21) == {"reference": panel}


def test_files_of_all_chromosomes(config, tmp_path):
    assert impute_files.files("beagle", config["study"]) == [
        (key, str(tmp_path / f"{name}.{chrom}"))
        for chrom in config["study"]["chromosomes"]
        for key, name in (("reference_panel", "panel"), ("genetic_map", "map"))
    ]
    assert impute_files.files("mode", config["study"]) == []
