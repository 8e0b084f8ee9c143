"""Links of runs, differences between runs, clearing up."""

import os

import pytest

from gcamccl.cli import main
from gcamccl.workflow import runs
from gcamccl.workflow.files import write_json


@pytest.fixture
def results(tmp_path):
    """Two runs that share their connectivity and differ in threshold."""
    for stage, key, fraction in (("connectivity", "k0", None), ("threshold", "k1", 0.05), ("threshold", "k2", 0.2)):
        folder = tmp_path / stage / key
        folder.mkdir(parents=True)
        (folder / "edges.tsv").write_text(key)
        record = {
            "settings": {"max_fraction": fraction, "method": "gradcam"},
            "recipe": {"code": "c"},
            "inputs": {"a.tsv": "1" * 64},
            "outputs": {"edges.tsv": key * 32},
        }
        write_json(folder / "artifact.json", record)
    runs.link(tmp_path, "one", {"connectivity": "k0", "threshold": "k1"})
    runs.link(tmp_path, "two", {"connectivity": "k0", "threshold": "k2"})
    return tmp_path


def test_links(results):
    assert (results / "runs/one/threshold/edges.tsv").read_text() == "k1"
    assert (results / "latest/threshold/edges.tsv").read_text() == "k2"
    runs.link(results, "one", {"threshold": "k2"})
    assert (results / "latest/threshold/edges.tsv").read_text() == "k2"
    assert sorted(path.name for path in (results / "runs/one").iterdir()) == ["run.json", "threshold"]


def test_diff(results, capsys):
    main(["--results", str(results), "diff", "one", "two"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "threshold     setting max_fraction: 0.05 -> 0.2",
        f"threshold     result edges.tsv: {'k1' * 6} -> {'k2' * 6}",
    ]
    main(["--results", str(results), "diff", "one", "one"])
    assert "the same" in capsys.readouterr().out


def test_prune(results, capsys):
    main(["--results", str(results), "prune"])
    assert "0 artifacts" in capsys.readouterr().out
    runs.link(results, "two", {"connectivity": "k0", "threshold": "k1"})
    main(["--results", str(results), "prune"])
    assert "threshold/k2" in capsys.readouterr().out
    assert (results / "threshold/k2").exists()
    main(["--results", str(results), "prune", "--yes"])
    assert not (results / "threshold/k2").exists()
    assert (results / "threshold/k1").exists()


def test_unknown_run(results, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--results", str(results), "show", "three"])
    assert caught.value.code == 2
    assert "known: one, two" in capsys.readouterr().err


def test_failures_name_log_and_line(results):
    log = results / "threshold/k1/log.txt"
    log.write_text("hello\nERROR: a.tsv: line 2: bad\n  more\n")
    text = runs.failures(results, {"threshold": "k1"}, since=0)
    assert text.splitlines()[1:] == ["1 job failed:", "  ERROR: a.tsv: line 2: bad", "    more", f"    log: {log}"]
    assert "1 job" not in runs.failures(results, {"threshold": "k1"}, since=log.stat().st_mtime + 1)


def test_a_run_in_progress_is_not_pruned(results, capsys):
    """Artifacts of a run that has begun are referred to before it is complete."""
    (results / "threshold/k3").mkdir()
    runs.begin(results, "three", {"connectivity": "k0", "threshold": "k3"})
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
    report = results / "report/r1/artifact.json"
    assert not runs.is_complete(results, {"threshold": "k1", "report": "r1"})
    write_json(report, {})
    assert runs.is_complete(results, {"threshold": "k1", "report": "r1"})
    newer = report.stat().st_mtime + 10
    os.utime(results / "threshold/k1/artifact.json", (newer, newer))
    assert not runs.is_complete(results, {"threshold": "k1", "report": "r1"})
