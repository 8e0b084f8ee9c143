"""Verifying a run: every file is read again, and what is not as recorded is named."""

import pytest

from gcamccl.cli import main
from gcamccl.workflow import artifacts, runs, verify
from gcamccl.workflow.files import sha256, write_json


@pytest.fixture
def results(tmp_path):
    """A run with a stage of two jobs and one of one."""
    keys = {}
    for stage, jobs in (("preprocess", ("sub-01", "sub-02")), ("threshold", ("",))):
        recipe = {"stage": stage, "code": "c"}
        keys[stage] = artifacts.digest(recipe)
        for job in jobs:
            folder = tmp_path / stage / keys[stage] / job
            folder.mkdir(parents=True)
            (folder / "deep").mkdir()
            (folder / "a.tsv").write_text(f"{stage} {job}")
            (folder / "deep" / "b.npy").write_bytes(b"0" * 5000)
            outputs = {name: sha256(folder / name) for name in ("a.tsv", "deep/b.npy")}
            write_json(folder / "artifact.json", {"recipe": recipe, "settings": {}, "inputs": {}, "outputs": outputs})
    runs.link(tmp_path, "one", keys)
    return tmp_path


def folder_of(results, stage, job=""):
    return next((results / stage).iterdir()) / job


def test_a_sound_run(results, capsys):
    main(["--results", str(results), "verify"])
    out = capsys.readouterr().out
    assert "one: 6 files, 0.0 MB, 0 not as recorded" in out
    assert [line.split()[0] for line in out.splitlines()[:2]] == ["preprocess", "threshold"]


def test_every_kind_of_fault_is_named(results, capsys):
    (folder_of(results, "preprocess", "sub-01") / "a.tsv").write_text("preprocess sub-0X")  # as long as before
    (folder_of(results, "preprocess", "sub-02") / "deep" / "b.npy").unlink()
    record = folder_of(results, "threshold") / "artifact.json"
    write_json(record, {"recipe": {"stage": "threshold", "code": "d"}, "outputs": {}, "settings": {}, "inputs": {}})
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


def test_no_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--results", str(tmp_path), "verify"])
    assert stop.value.code == 2
    assert "no run is complete" in capsys.readouterr().err
