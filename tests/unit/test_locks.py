"""Locks of a killed Snakemake are released, those of a living one are not."""

import os
import socket
import subprocess
import sys

import pytest

from gcamccl.workflow import locks
from gcamccl.workflow.files import read_json, write_json


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
    assert locks.release_stale(folder)
    assert not list((folder / locks.LOCKS).iterdir())
    assert not list((folder / locks.OWNERS).iterdir())
    assert not locks.release_stale(folder)


def test_of_a_living_process_beside_a_killed_one(folder):
    left_by_a_killed_process(folder)
    locks.register(folder)
    assert locks.running(folder)
    assert not locks.release_stale(folder)
    assert list((folder / locks.LOCKS).iterdir())


def test_of_another_machine(folder):
    note = locks.register(folder)
    write_json(note, read_json(note) | {"host": "elsewhere", "pid": 1})
    assert not locks.release_stale(folder)


def test_of_a_process_whose_number_another_one_has_now(folder):
    note = locks.register(folder)
    write_json(note, {"host": socket.gethostname(), "pid": os.getpid(), "started": 0})
    assert locks.release_stale(folder)


def test_without_a_note_nothing_is_known(folder):
    assert not locks.release_stale(folder)
    assert list((folder / locks.LOCKS).iterdir())


def test_a_note_that_a_full_disk_cut_off(folder):
    locks.register(folder).write_text("")
    assert locks.release_stale(folder)
