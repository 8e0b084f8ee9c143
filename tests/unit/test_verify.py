"""Verifying a run: every file is read again, and what is not as recorded is named."""

import shutil

import pytest

from gcamccl.cli import main
from gcamccl.workflow import artifacts, locks, runs, verify
from gcamccl.workflow.files import read_json, sha256, write_json


@pytest.fixture
def results(tmp_path):
    """A run with a stage of two jobs and one of one, which has read the first one's files."""
    tmp_path = tmp_path / "results"
    keys, inputs, made = {}, {}, {}
    for stage, jobs in (("preprocess", ("sub-01", "sub-02")), ("connectivity", ("",))):
        recipe = {"stage": stage, "code": "c", "upstream": dict(keys)}
        keys[stage] = artifacts.digest(recipe)
        for job in jobs:
            folder = tmp_path / stage / keys[stage] / job
            folder.mkdir(parents=True)
            (folder / "deep").mkdir()
            (folder / "a.tsv").write_text(f"{stage} {job}")
            (folder / "deep" / "b.npy").write_bytes(b"0" * 5000)
            outputs = {name: sha256(folder / name) for name in ("a.tsv", "deep/b.npy")}
            record = {"recipe": recipe, "settings": {}, "inputs": inputs, "outputs": outputs}
            write_json(folder / "artifact.json", record)
            names = {name: f"results/{(folder / name).relative_to(tmp_path)}" for name in outputs}
            made |= {names[name]: digest for name, digest in outputs.items()}
        inputs = dict(made)
    runs.link(tmp_path, "one", keys)
    return tmp_path


def folder_of(results, stage, job=""):
    return next((results / stage).iterdir()) / job


def test_a_sound_run(results, capsys):
    main(["--results", str(results), "verify"])
    out = capsys.readouterr().out
    assert "one: 6 files, 0.0 MB, 0 not as recorded" in out
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["preprocess", "connectivity"]


def test_every_kind_of_fault_is_named(results, capsys):
    (folder_of(results, "preprocess", "sub-01") / "a.tsv").write_text("preprocess sub-0X")  # as long as before
    (folder_of(results, "preprocess", "sub-02") / "deep" / "b.npy").unlink()
    record = folder_of(results, "connectivity") / "artifact.json"
    recipe = {"stage": "connectivity", "code": "d", "upstream": {}}
    write_json(record, {"recipe": recipe, "outputs": {}, "settings": {}, "inputs": {}})
    *_, faults = verify.verify(results, "one")
    assert [(fault.path.name, fault.what) for fault in faults] == [
        ("a.tsv", verify.CHANGED),
        ("b.npy", verify.MISSING),
        ("artifact.json", verify.OTHER_KEY),
    ]
    with pytest.raises(SystemExit) as stop:
        main(["--results", str(results), "verify", "one"])
    assert stop.value.code == 1
    assert f"changed: {faults[0].path}" in capsys.readouterr().out
    record.unlink()
    assert verify.verify(results, "one")[2][-1].what == verify.NO_RECORD


def damage(results, *, kind):
    """Do a thing that happens to results; returns the folder that is to go and the number of faults."""
    first = folder_of(results, "preprocess", "sub-01")
    if kind == "a job is gone":
        shutil.rmtree(first)
        return first, 2
    if kind == "changed":
        (first / "a.tsv").write_text("another")
        return first, 1
    if kind == "made again, otherwise":
        (first / "a.tsv").write_text("another")
        record = read_json(first / "artifact.json")
        write_json(
            first / "artifact.json", record | {"outputs": record["outputs"] | {"a.tsv": sha256(first / "a.tsv")}}
        )
        return None, 1
    (first / "artifact.json").unlink()
    return first, 2


@pytest.mark.parametrize("kind", ["a job is gone", "changed", "made again, otherwise", "no record"])
def test_repair_removes_the_job_at_fault_and_all_after_it(results, capsys, kind):
    place, n_faults = damage(results, kind=kind)
    assert len(verify.verify(results, "one")[2]) == n_faults
    listed = folder_of(results, "preprocess", "jobs")
    listed.mkdir()
    (listed / "sub-01.json").write_text("{}")
    after = folder_of(results, "connectivity")
    # Made of it under a name that has other settings now, and one made of that; and one of something else.
    faulty = listed.parent.name
    before, later, other = (results / "connectivity" / (letter * 12) for letter in "abc")
    for folder, recipe in (
        (before, {"upstream": {"preprocess": faulty}}),
        (results / "cohort" / later.name, {"upstream": {"connectivity": before.name}}),
        (other, {"upstream": {"preprocess": "f" * 12}}),
    ):
        folder.mkdir(parents=True)
        write_json(folder / "artifact.json", {"recipe": recipe})
    main(["--results", str(results), "verify", "one", "--repair"])
    assert "start snakemake again" in capsys.readouterr().out
    assert not after.exists() and not before.exists() and not (results / "cohort" / later.name).exists()
    assert other.exists()
    assert (folder_of(results, "preprocess", "sub-02") / "artifact.json").exists(), "the other job is sound"
    if place is not None:
        assert not (place / "artifact.json").exists() and not (place / "a.tsv").exists()
        assert not list(listed.iterdir()), "nothing says that it is done"
    assert not runs.read(results, "one")["complete"]


def test_jobs_of_one_stage_that_build_on_each_other(results):
    """As compare's table on its methods' predictions: the table goes with the predictions, other methods' stay."""
    key = "c" * 12
    for job, read in (("svm", []), ("rf", []), ("", ["svm", "rf"])):
        folder = results / "compare" / key / job
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "p.tsv").write_text(job)
        inputs = {
            f"results/compare/{key}/{name}/p.tsv": sha256(results / "compare" / key / name / "p.tsv") for name in read
        }
        record = {"recipe": None, "settings": {}, "inputs": inputs, "outputs": {"p.tsv": sha256(folder / "p.tsv")}}
        write_json(folder / "artifact.json", record)
    runs.link(results, "two", {"compare": key})
    assert verify.verify(results, "two")[2] == []
    folder = results / "compare" / key
    (folder / "svm/p.tsv").write_text("another")
    verify.repair(results, "two", verify.verify(results, "two")[2])
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == ["rf/artifact.json", "rf/p.tsv"]


def test_a_record_that_was_cut_off(results):
    record = folder_of(results, "preprocess", "sub-01") / "artifact.json"
    record.write_text(record.read_text()[:40])
    faults = verify.verify(results, "one")[2]
    assert (faults[0].path, faults[0].what) == (record, verify.BROKEN)
    verify.repair(results, "one", faults)
    assert not record.exists() and not folder_of(results, "preprocess", "sub-01").joinpath("a.tsv").exists()
    assert (folder_of(results, "preprocess", "sub-02") / "artifact.json").exists()


def test_nothing_is_removed_beside_a_snakemake_at_work(results, capsys):
    damage(results, kind="changed")
    locks.register(results.parent / ".snakemake")
    with pytest.raises(SystemExit) as stop:
        main(["--results", str(results), "verify", "one", "--repair"])
    assert stop.value.code == 2
    assert "Snakemake is at work here" in capsys.readouterr().err
    assert folder_of(results, "connectivity").exists()


def test_no_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--results", str(tmp_path), "verify"])
    assert stop.value.code == 2
    assert "no run is complete" in capsys.readouterr().err
