"""Links of runs, differences between runs, clearing up."""

import os

import pytest

from gcamccl.cli import main
from gcamccl.workflow import runs
from gcamccl.workflow.files import write_json

K0, K1, K2, K3, R1 = (name * 6 for name in ("a0", "a1", "a2", "a3", "b1"))


@pytest.fixture
def results(tmp_path):
    """Two runs that share their connectivity and differ in threshold."""
    for stage, key, fraction in (("connectivity", K0, None), ("threshold", K1, 0.05), ("threshold", K2, 0.2)):
        folder = tmp_path / stage / key
        folder.mkdir(parents=True)
        (folder / "edges.tsv").write_text(key)
        record = {
            "settings": {"max_fraction": fraction, "method": "gradcam"},
            "recipe": {"code": "c"},
            "inputs": {"a.tsv": "1" * 64},
            "outputs": {"edges.tsv": key + "0" * 52},
        }
        write_json(folder / "artifact.json", record)
    runs.link(tmp_path, "one", {"connectivity": K0, "threshold": K1})
    runs.link(tmp_path, "two", {"connectivity": K0, "threshold": K2})
    return tmp_path


def test_links(results):
    assert (results / "runs/one/threshold/edges.tsv").read_text() == K1
    assert (results / "latest/threshold/edges.tsv").read_text() == K2
    runs.link(results, "one", {"threshold": K2})
    assert (results / "latest/threshold/edges.tsv").read_text() == K2
    assert sorted(path.name for path in (results / "runs/one").iterdir()) == ["run.json", "threshold"]


def test_diff(results, capsys):
    main(["--results", str(results), "diff", "one", "two"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "threshold     setting max_fraction: 0.05 -> 0.2",
        f"threshold     result edges.tsv: {K1} -> {K2}",
    ]
    main(["--results", str(results), "diff", "one", "one"])
    assert "the same" in capsys.readouterr().out


def test_prune(results, capsys):
    main(["--results", str(results), "prune"])
    assert "0 artifacts" in capsys.readouterr().out
    runs.link(results, "two", {"connectivity": K0, "threshold": K1})
    main(["--results", str(results), "prune"])
    assert f"threshold/{K2}" in capsys.readouterr().out
    assert (results / f"threshold/{K2}").exists()
    main(["--results", str(results), "prune", "--yes"])
    assert not (results / f"threshold/{K2}").exists()
    assert (results / f"threshold/{K1}").exists()


def test_unknown_run(results, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--results", str(results), "show", "three"])
    assert caught.value.code == 2
    assert "known: one, two" in capsys.readouterr().err


def test_what_the_links_show_is_kept_while_a_run_is_made_anew(results):
    """A run that is started again with other settings, and fails, still has its last results."""
    (results / "threshold" / K3).mkdir()
    runs.begin(results, "two", {"connectivity": K0, "threshold": K3})
    assert runs.unreferenced(results) == []
    runs.link(results, "two", {"connectivity": K0, "threshold": K3})
    assert [folder for folder, _ in runs.unreferenced(results)] == [results / "threshold" / K2]


def test_other_folders_are_not_for_pruning(results):
    (results / "mine/notes").mkdir(parents=True)
    (results / "threshold/notes").mkdir()
    (results / "mine" / K3).mkdir()
    assert runs.unreferenced(results) == []


def test_a_job_that_was_killed_is_named(results):
    """It leaves no line of its own; what it writes last is not there, or is of an earlier run."""
    folder = results / "threshold" / K1
    log, record = folder / "log.txt", folder / "artifact.json"
    log.write_text("epoch 3\n\n")
    text = runs.failures(results, {"threshold": K1}, since=record.stat().st_mtime)
    assert "stopped before any job" in text, "its record is of this run"
    os.utime(record, (1e9, 1e9))
    text = runs.failures(results, {"threshold": K1}, since=2e9 / 1.5)
    assert "1 job failed" in text and "Last line of its log: epoch 3" in text and str(log) in text
    bucket = folder / "jobs/a_log.txt"
    bucket.parent.mkdir()
    bucket.write_text("")
    assert "2 jobs failed" in runs.failures(results, {"threshold": K1}, since=2e9 / 1.5)
    bucket.with_name("a.json").write_text("{}")
    assert "1 job failed" in runs.failures(results, {"threshold": K1}, since=2e9 / 1.5)


def test_errors_of_the_system_are_one_line(results, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--results", str(results), "diff", "one", "two", "--page", str(results)])
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"ERROR: {results}: Is a directory")


def test_failures_name_log_and_line(results):
    log = results / f"threshold/{K1}/log.txt"
    log.write_text("hello\nERROR: a.tsv: line 2: bad\n  more\n")
    text = runs.failures(results, {"threshold": K1}, since=0)
    assert text.splitlines()[1:] == ["1 job failed:", "  ERROR: a.tsv: line 2: bad", "    more", f"    log: {log}"]
    assert "1 job" not in runs.failures(results, {"threshold": K1}, since=log.stat().st_mtime + 1)


def test_a_run_in_progress_is_not_pruned(results, capsys):
    """Artifacts of a run that has begun are referred to before it is complete."""
    (results / f"threshold/{K3}").mkdir()
    runs.begin(results, "three", {"connectivity": K0, "threshold": K3})
    assert runs.unreferenced(results) == []
    main(["--results", str(results), "runs"])
    assert "three  (not complete)" in capsys.readouterr().out
    (results.parent / ".snakemake/locks").mkdir(parents=True, exist_ok=True)
    lock = results.parent / ".snakemake/locks/0.input.lock"
    lock.touch()
    with pytest.raises(SystemExit):
        main(["--results", str(results), "prune", "--yes"])
    assert "a Snakemake run is going on" in capsys.readouterr().err
    lock.unlink()


def test_a_report_older_than_its_inputs_is_not_complete(results):
    report = results / f"report/{R1}/artifact.json"
    assert not runs.is_complete(results, {"threshold": K1, "report": R1})
    write_json(report, {})
    assert runs.is_complete(results, {"threshold": K1, "report": R1})
    newer = report.stat().st_mtime + 10
    os.utime(results / f"threshold/{K1}/artifact.json", (newer, newer))
    assert not runs.is_complete(results, {"threshold": K1, "report": R1})
