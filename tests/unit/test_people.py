"""A job of several people: who is done stays, who cannot be done does not keep the others from it."""

import argparse
import json

import pandas as pd
import pytest

from gcamccl.workflow import artifacts, people
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.files import read_json, write_json
from gcamccl.workflow.study import read_participants, scan_folder


@pytest.fixture
def study(tmp_path):
    """Three people with time series; function that works on them, and the list of those it was called for."""
    for name in "abc":
        (tmp_path / f"{name}.tsv").write_text(f"roi\n{name}\n")
    table = {"participant_id": list("abcd"), "score": 1.0, "repetition_time": 2.0}
    table["timeseries"] = ["a.tsv", "b.tsv", "c.tsv", None]
    pd.DataFrame(table).to_csv(tmp_path / "people.tsv", sep="\t", index=False, na_rep="n/a")
    settings = stage_defaults("preprocess")
    scripts = artifacts.BY_NAME["preprocess"].scripts
    recipe = {"stage": "preprocess", "settings": settings, "code": artifacts.code_digest(scripts)}
    worked = []

    def work(run, row, route, files):
        worked.append(row["participant_id"])
        text = run.reads(files["timeseries"]).read_text()
        if "bad" in text:
            raise people.InputError(files["timeseries"], "bad")
        run.path("out.txt").write_text(text)

    def call(*names):
        args = argparse.Namespace(
            stage="preprocess",
            recipe=json.dumps(recipe),
            settings=None,
            out=tmp_path / artifacts.digest(recipe),
            participants=tmp_path / "people.tsv",
            score="score",
            people=names,
            list=tmp_path / "jobs" / "all.json",
        )
        worked.clear()
        try:
            people.one_after_the_other(args, work)
        except SystemExit as stop:
            return list(worked), stop.code
        return list(worked), 0

    return tmp_path, call


def folders(folder):
    return {row["participant_id"]: scan_folder(row) for row in read_participants(folder / "people.tsv")}


def test_who_is_done_is_left_alone(study):
    folder, call = study
    assert call("a", "b") == (["a", "b"], 0)
    listed = read_json(folder / "jobs/all.json")["folders"]
    assert list(listed) == [folders(folder)[name] for name in "ab"]
    assert len({outputs["out.txt"] for outputs in listed.values()}) == 2, "says what results are"
    assert call("a", "b", "c") == (["c"], 0)
    (folder / "a.tsv").touch()
    assert call("a", "b", "c") == ([], 0), "content counts, not time"


def test_a_scan_that_changed_or_a_result_that_is_damaged_is_done_again(study):
    folder, call = study
    call("a", "b", "c")
    (folder / "a.tsv").write_text("roi\nA\n")
    assert call("a", "b", "c") == (["a"], 0)
    place = next(folder.glob(f"*/{folders(folder)['b']}/out.txt"))
    place.write_text("damaged")
    assert call("a", "b", "c") == (["b"], 0)
    place.unlink()
    assert call("a", "b", "c") == (["b"], 0)


def test_a_record_that_was_cut_off_and_one_that_names_more_files(study):
    folder, call = study
    call("a", "b")
    record = next(folder.glob(f"*/{folders(folder)['a']}/artifact.json"))
    record.write_text(record.read_text()[:50])
    assert call("a", "b") == (["a"], 0)
    told = read_json(record)
    write_json(record, told | {"inputs": told["inputs"] | {"task_bold.json": "0" * 64}})
    assert call("a", "b") == (["a"], 0), "a sidecar that was there is gone"


def test_one_who_fails_does_not_stop_the_others(study, capsys):
    folder, call = study
    (folder / "a.tsv").write_text("bad")
    assert call("a", "b", "c") == (["a", "b", "c"], 2)
    assert not (folder / "jobs/all.json").exists()
    said = capsys.readouterr()
    assert "a.tsv: bad" in said.err
    assert "1 of 3 people failed; the others are done" in said.out
    (folder / "a.tsv").write_text("good")
    assert call("a", "b", "c") == (["a"], 0)


@pytest.mark.parametrize(
    ("name", "said"), [("x", "nobody is called x"), ("d", "d has no scan"), ("a/00000000", "the line of a changed")]
)
def test_people_whom_the_table_does_not_have(study, capsys, name, said):
    _, call = study
    assert call("b", name) == ([], 2)
    assert said in capsys.readouterr().err


def test_records_count_each_ones_own_time(study):
    folder, call = study
    call("a", "b")
    spent = [read_json(path)["cpu_seconds"] for path in folder.glob("*/*/*/artifact.json")]
    assert min(spent) < 0.5 <= max(spent) + 0.5
