"""Locks of a killed Snakemake are released, those of a living one are not."""

import os
import subprocess
import sys

import psutil
import pytest

from gcamccl.workflow import locks
from gcamccl.workflow.files import read_json, write_json

RELEASED = ["The last run here was killed: its lock is released."]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / locks.LOCKS).mkdir()
    (tmp_path / locks.LOCKS / "0.output.lock").write_text("results/a\n")
    return tmp_path


def left_by_a_killed_process(folder):
    code = f"from gcamccl.workflow import locks; import os; locks.register({str(folder)!r}); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)


def test_of_a_killed_process(folder):
    left_by_a_killed_process(folder)
    assert not locks.running(folder)
    assert locks.release_stale(folder) == RELEASED
    assert not list((folder / locks.LOCKS).iterdir())
    assert not list((folder / locks.OWNERS).iterdir())
    assert locks.release_stale(folder) == []


def test_of_a_living_process_beside_a_killed_one(folder):
    left_by_a_killed_process(folder)
    locks.register(folder)
    assert locks.running(folder)
    assert locks.release_stale(folder) == []
    assert list((folder / locks.LOCKS).iterdir())


def test_of_another_machine(folder):
    note = locks.register(folder)
    write_json(note, read_json(note) | {"host": "elsewhere", "pid": 1})
    assert locks.release_stale(folder) == []


def test_of_a_process_whose_number_another_one_has_now(folder):
    note = locks.register(folder)
    write_json(note, read_json(note) | {"started": "another boot 1"})
    assert locks.release_stale(folder) == RELEASED


def test_without_a_note_nothing_is_known(folder):
    assert locks.release_stale(folder) == []
    assert list((folder / locks.LOCKS).iterdir())


def test_a_note_that_a_full_disk_cut_off(folder):
    locks.register(folder).write_text("")
    assert locks.release_stale(folder) == RELEASED


def test_notes_of_another_machine_go_once_it_is_unlocked(folder):
    note = locks.register(folder)
    write_json(note, read_json(note) | {"host": "elsewhere", "pid": 1})
    assert locks.running(folder) == [note]
    next((folder / locks.LOCKS).iterdir()).unlink()  # snakemake --unlock
    assert locks.running(folder) == []
    assert locks.release_stale(folder) == []
    assert not note.exists()


def test_the_clock_does_not_matter(folder, monkeypatch):
    locks.register(folder)
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 0.0)
    assert locks.running(folder)
    assert locks.release_stale(folder) == []


def slurm(folder, monkeypatch, answers=True):
    """Stand-ins for SLURM's commands, with a job of this project in the queue, and the note of a killed Snakemake."""
    programs = folder / "bin"
    programs.mkdir()
    run = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f"
    queue = f"17|{run}|{folder.resolve().parent}\n18|other|{folder.resolve().parent}\n19|{run}|/elsewhere"
    (folder / "queue").write_text(queue + "\n")
    cancel = 'echo "$@" > cancelled; grep -v ^17 queue > left; mv left queue'
    for name, text in (("squeue", "cat queue" if answers else "exit 1"), ("scancel", cancel)):
        (programs / name).write_text(f"#!/bin/sh\ncd {folder}\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    note = locks.register(folder, locks.SLURM)
    write_json(note, read_json(note) | {"started": "another boot 1"})
    return note


@pytest.mark.parametrize("locked", [True, False])
def test_jobs_left_on_slurm_are_cancelled_first(folder, monkeypatch, locked):
    """With stand-ins for SLURM's commands; on a real one in tests/e2e/test_slurm.py."""
    slurm(folder, monkeypatch)
    if not locked:  # another Snakemake of the project has ended meanwhile
        next((folder / locks.LOCKS).iterdir()).unlink()
    assert locks.release_stale(folder) == (RELEASED if locked else []) + ["Its jobs are cancelled: 17"]
    assert (folder / "cancelled").read_text() == "17\n"
    assert not list((folder / locks.OWNERS).iterdir())


@pytest.mark.parametrize("installed", [True, False])
def test_where_slurm_does_not_answer_the_lock_stays(folder, monkeypatch, installed):
    note = slurm(folder, monkeypatch, answers=False)
    if not installed:
        monkeypatch.setenv("PATH", str(folder / "empty"))
    (said,) = locks.release_stale(folder)
    assert "cannot be found out" in said
    assert note.exists() and list((folder / locks.LOCKS).iterdir())


def test_jobs_of_another_login_node_are_left_alone(folder, monkeypatch):
    note = slurm(folder, monkeypatch)
    write_json(note, read_json(note) | {"host": "elsewhere"})
    next((folder / locks.LOCKS).iterdir()).unlink()
    assert locks.release_stale(folder) == []
    assert not (folder / "cancelled").exists()


def test_of_a_container_with_numbers_of_its_own(folder):
    note = locks.register(folder)
    write_json(note, read_json(note) | {"namespace": "pid:[1]", "started": "another boot 1"})
    assert locks.release_stale(folder) == []
    assert locks.running(folder) == [note]


def test_where_the_system_does_not_tell_it_lives(folder, monkeypatch):
    locks.register(folder)

    def started(pid):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(locks, "started", started)
    assert locks.release_stale(folder) == []


def test_two_that_start_take_over_one_after_the_other(folder, monkeypatch):
    """The second one waits until the first has cleared away and is noted; its lock is not taken for a stale one."""
    left_by_a_killed_process(folder)
    code = f"""
import time
from gcamccl.workflow import locks
remove = locks._remove
def slowly(paths):
    print("clearing away", flush=True)
    time.sleep(1)
    remove(paths)
locks._remove = slowly
locks.take_over({str(folder)!r})
open({str(folder / locks.LOCKS / "0.output.lock")!r}, "w").write("results/a")
time.sleep(60)
"""
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "clearing away\n"
        note, done = locks.take_over(folder)
        assert done == [] and note.exists()
        assert len(locks.running(folder)) == 2
    finally:
        first.kill()
        first.wait()


@pytest.mark.parametrize(
    "words",
    [
        "-n",
        "-np",
        "-pn",
        "-nj4",
        "-npc1",
        "--dry-run --cores 2",
        "--unlock",
        "--cores 2 -l",
        "-S",
        "--dag",
        "--lc code",
    ],
)
def test_what_does_no_jobs_takes_nothing_over(words):
    assert locks.only_looks(words.split())


@pytest.mark.parametrize(
    "words", ["", "-call", "-c2 -p", "--cores all", "-j4 --touch", "-kpc 2", "-t", "-F all", "--debug-dag -c2"]
)
def test_what_does_jobs_does(words):
    assert not locks.only_looks(words.split())
