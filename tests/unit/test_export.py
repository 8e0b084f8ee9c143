"""A run's archive: whole, readable by RO-Crate's own library, and without values of people unless asked for."""

import json
import zipfile

import pytest
from rocrate.rocrate import ROCrate

from gcamccl.cli import main
from gcamccl.workflow import runs
from gcamccl.workflow.config import PAPER, errors, merge, read_yaml
from gcamccl.workflow.files import sha256, write_json

KEYS = {"cohort": "c" * 12, "compare": "f" * 12, "threshold": "d" * 12, "report": "e" * 12}
FILES = {
    "cohort": ["cohort.tsv"],
    "compare": ["table3.tsv", "svm/predictions.parquet"],
    "threshold": ["edges.tsv", "deep/more.tsv"],
    "report": ["report.html"],
}


@pytest.fixture
def results(tmp_path):
    """A complete run of three stages."""
    results = tmp_path / "results"
    defaults, inputs = read_yaml(PAPER), {"/data/scan.nii.gz": "0" * 64}
    for stage, key in KEYS.items():
        folder = results / stage / key
        for name in FILES[stage]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(f"{stage} {name}")
        record = {
            "settings": defaults[stage],
            "inputs": inputs,
            "outputs": {name: sha256(folder / name) for name in FILES[stage]},
            "started": "2026-01-01T10:00:00+00:00",
            "ended": "2026-01-01T10:01:00+00:00",
        }
        write_json(folder / "artifact.json", record)
        inputs = {f"results/{stage}/{key}/{name}": digest for name, digest in record["outputs"].items()}
    runs.link(results, "one", KEYS)
    return results


def exported(results, tmp_path, *options):
    out = tmp_path / "one.zip"
    main(["--results", str(results), "export", "one", "--out", str(out), *options])
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "out")
        return tmp_path / "out", set(archive.namelist())


def test_what_is_in_it(results, tmp_path, capsys):
    folder, names = exported(results, tmp_path)
    assert not {"cohort/cohort.tsv", "compare/svm/predictions.parquet"} & names, "people's values stay"
    assert names == {
        *("ro-crate-metadata.json", "README.txt", "settings.yaml", "cohort/artifact.json", "report/report.html"),
        *("compare/artifact.json", "compare/table3.tsv"),
        *("threshold/artifact.json", "threshold/edges.tsv", "threshold/deep/more.tsv", "report/artifact.json"),
    }
    assert (folder / "threshold/deep/more.tsv").read_text() == "threshold deep/more.tsv"
    assert (
        errors(merge(merge(read_yaml(PAPER), {"study": {"simulated": True}}), read_yaml(folder / "settings.yaml")))
        == []
    )
    assert "8 files" in capsys.readouterr().out


def test_everything(results, tmp_path):
    _, names = exported(results, tmp_path, "--all")
    assert {"cohort/cohort.tsv", "compare/svm/predictions.parquet"} <= names


def test_the_description(results, tmp_path):
    """Read by rocrate; each job with what it read and wrote, and every file with its digest."""
    folder, names = exported(results, tmp_path, "--license", "https://creativecommons.org/licenses/by/4.0/")
    crate = ROCrate(folder)
    assert {entity.id for entity in crate.data_entities} - {"./"} == names - {"ro-crate-metadata.json"}
    assert crate.root_dataset["license"].id == "https://creativecommons.org/licenses/by/4.0/"
    jobs = {
        entity["name"].split(":")[0]: entity for entity in crate.contextual_entities if entity.type == "CreateAction"
    }
    assert set(jobs) == set(KEYS)
    assert jobs["report"]["instrument"].id == "#gcamccl"
    assert {entity.id for entity in jobs["report"]["object"]} == {"threshold/edges.tsv", "threshold/deep/more.tsv"}
    assert {entity.id for entity in jobs["report"]["result"]} == {"report/report.html", "report/artifact.json"}
    assert jobs["cohort"]["object"]["sha256"] == "0" * 64
    read = {entity["name"]: entity.id for entity in jobs["threshold"]["object"]}
    assert read["table3.tsv"] == "compare/table3.tsv"
    assert read["compare/svm/predictions.parquet"].startswith("#sha256-"), "not in the archive, but named"
    for name in names & {"threshold/edges.tsv", "report/report.html"}:
        assert crate.dereference(name)["sha256"] == sha256(folder / name)
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())
    assert graph["@context"] == "https://w3id.org/ro/crate/1.1/context"


@pytest.mark.parametrize("damage", ["file", "run", "there"])
def test_what_cannot_be_exported(results, tmp_path, capsys, damage):
    out = tmp_path / "one.zip"
    if damage == "file":
        (results / "threshold" / KEYS["threshold"] / "edges.tsv").write_text("another")
    elif damage == "run":
        runs.begin(results, "one", KEYS)
    else:
        out.write_text("mine")
    with pytest.raises(SystemExit) as stop:
        main(["--results", str(results), "export", "one", "--out", str(out)])
    assert stop.value.code == 2
    said = {"file": "is not what its job wrote", "run": "not complete", "there": "exists already"}[damage]
    assert said in capsys.readouterr().err
    assert out.exists() == (damage == "there")
    assert not list(tmp_path.glob(".one*"))
