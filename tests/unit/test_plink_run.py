"""Running external programs: one that hangs or takes too long is ended, with all it has started."""

import sys
import time

import psutil
import pytest

from gcamccl.genotype_qc import plink
from gcamccl.genotype_qc.plink import ToolError, run

BUSY = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\nprint('done')"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(plink, "POLL_S", 0.2)
    monkeypatch.setattr(plink, "STALLED_S", 1.0)


def running(pid):
    """Whether a process is there and has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path):
    start = time.monotonic()
    with pytest.raises(ToolError, match=r"^bash -c .* hangs, without processor time for .* and was ended: last words"):
        run(["bash", "-c", f"echo last words; sleep 99 & echo $! > {tmp_path}/pid; wait"], log=tmp_path / "log")
    assert time.monotonic() - start < 20
    assert (tmp_path / "log").read_text() == "last words\n"
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10  # a killed process takes a moment to be gone
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(child)


def test_a_program_that_has_let_go_of_another_one_does_not_block_the_job():
    with pytest.raises(ToolError, match="hangs"):
        run(["bash", "-c", "(sleep 8 &) ; exit 0"])


def test_a_program_that_works_may_take_longer_than_that():
    assert run([sys.executable, "-c", BUSY.format(1.5)]) == "done\n"
    # Its child works, it waits.
    assert run(["bash", "-c", f'{sys.executable} -c "{BUSY.format(1.5)}"; true']) == "done\n"


def test_a_program_that_works_too_long_is_ended():
    with pytest.raises(ToolError, match="was ended after 0 minutes, the job's time limit"):
        run([sys.executable, "-c", BUSY.format(60)], limit_s=1)
    assert run([sys.executable, "-c", BUSY.format(0.1)], limit_s=30) == "done\n"


def test_all_that_a_slow_program_says_is_kept(monkeypatch):
    monkeypatch.setattr(plink, "STALLED_S", 60)
    text = run(["bash", "-c", "for i in 1 2 3; do head -c 200000 /dev/zero | tr '\\0' x; sleep 0.5; done"])
    assert text == "x" * 600_000
