"""Programs: outputs appear all together or not at all; errors are one line."""

import json
import subprocess
import sys

import pytest

from gcamccl.workflow import job
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import atomic, read_tsv, sha256, write_json


def arguments(folder, *more):
    return job.parser("threshold", "Test.", "test").parse_args(["--out", str(folder), *more])


def test_outputs_and_record(tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("input")
    with job.run(arguments(tmp_path / "out")) as run:
        assert run.settings["max_fraction"] == 0.05
        run.reads(source)
        run.path("sub/a.txt").write_text("a")
        assert not (tmp_path / "out" / "sub").exists()
    record = json.loads((tmp_path / "out" / "artifact.json").read_text())
    assert record["outputs"] == {"sub/a.txt": sha256(tmp_path / "out" / "sub" / "a.txt")}
    assert record["inputs"] == {str(source): sha256(source)}
    assert record["peak_rss_mb"] > 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["artifact.json", "sub"]


def test_settings_file(tmp_path):
    (tmp_path / "s.yaml").write_text("max_fraction: 0.3\n")
    with job.run(arguments(tmp_path / "out", "--settings", str(tmp_path / "s.yaml"))) as run:
        assert run.settings["max_fraction"] == 0.3
        assert run.settings["min_frequency"] == 0.7


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.tsv", "line 3: bad", "mend it"), 2, "ERROR: a.tsv: line 3: bad; mend it"),
        (ValueError("two\nlines"), 1, "ERROR: threshold: ValueError: two lines"),
    ],
)
def test_failure_leaves_nothing(tmp_path, capsys, error, code, line):
    with pytest.raises(SystemExit) as caught, job.run(arguments(tmp_path / "out")) as run:
        run.path("a.txt").write_text("half")
        raise error
    assert caught.value.code == code
    assert capsys.readouterr().err.splitlines()[-1] == line
    assert list((tmp_path / "out").iterdir()) == []


def test_a_checkpoint_outlives_a_failed_job_and_not_a_successful_one(tmp_path):
    with pytest.raises(SystemExit), job.run(arguments(tmp_path / "out")) as run:
        run.checkpoint.mkdir()
        (run.checkpoint / "half").write_text("done")
        raise InputError("a", "b")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".checkpoint"]
    with job.run(arguments(tmp_path / "out")) as run:
        assert (run.checkpoint / "half").read_text() == "done"
        run.path("a.txt").write_text("a")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "artifact.json"]


HOLDER = """
import sys, time
from gcamccl.workflow import job
with job.run(job.parser("threshold", "Test.", "test").parse_args(["--out", sys.argv[1]])):
    print("at work", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("ends", [True, False])
def test_one_job_at_a_time_works_in_a_folder(tmp_path, monkeypatch, capsys, ends):
    """The second one waits for the first, and if that goes on leaves everything of it alone."""
    monkeypatch.setattr(job, "WAIT_S", 60 if ends else 1)
    words = [sys.executable, "-c", HOLDER, str(tmp_path), "60"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "at work\n"
        if ends:
            first.kill()  # what it holds is free, however it ends
        else:
            with pytest.raises(SystemExit), job.run(arguments(tmp_path)):
                pass
            assert f"{tmp_path}: another job is at work here" in capsys.readouterr().err
            assert list(tmp_path.glob(".partial-*")), "what it is writing"
            first.kill()
    with job.run(arguments(tmp_path)) as run:
        run.path("a.txt").write_text("a")
    with job.run(arguments(tmp_path)):  # given back at the end
        pass
    assert not list(tmp_path.glob(".partial-*"))


def test_a_promised_output_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(SystemExit), job.run(arguments(tmp_path / "out")) as run:
        run.path("a.txt")
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_input(tmp_path, capsys):
    with pytest.raises(SystemExit), job.run(arguments(tmp_path / "out")) as run:
        run.reads(tmp_path / "none.tsv")
    assert capsys.readouterr().err == f"ERROR: {tmp_path / 'none.tsv'}: no such file\n"


def test_atomic_keeps_the_old_file_on_failure(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})


def test_tables_with_a_byte_order_mark_and_crlf_are_read(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbfid\tx\r\na\tn/a\r\n")
    table = read_tsv(tmp_path / "a.tsv", columns=("id", "x"))
    assert table["id"].tolist() == ["a"]
    assert table["x"].isna().all()


def test_programs_show_help():
    """Every program explains itself, with an example, without loading heavy libraries."""
    from gcamccl.workflow.artifacts import ROOT

    for path in sorted((ROOT / "workflow/scripts").glob("*.py")):
        done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert f"workflow/scripts/{path.name}" in done.stdout
