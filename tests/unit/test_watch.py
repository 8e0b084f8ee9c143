"""A job ends with its Snakemake, also one that had ended before the job could look, and with nothing else."""

import signal
import subprocess
import sys
import time

import psutil

from gcamccl.workflow import watch

CODE = """
import subprocess, sys, time
from gcamccl.workflow import watch
watch.EVERY_S = 0.1
time.sleep(float(sys.argv[1]))
watch.end_with_snakemake()
subprocess.Popen(["sleep", "60"])
print("ready", flush=True)
time.sleep(60)
"""


ENDS_WELL = """
import signal
def asked(number, frame):
    watch.ENDING.set()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(2)
    open("checkpoint", "w").close()
    sys.exit()
signal.signal(signal.SIGTERM, asked)
"""


def start(tmp_path, announced, after_s=0.0, code=CODE):
    """A process with a shell below it and a job, which looks for it after some seconds, below that."""
    (tmp_path / "job.py").write_text(code)
    code = (
        "import subprocess\n"
        "from gcamccl.workflow import watch\n"
        f"{'watch.announce()' if announced else ''}\n"
        f"subprocess.run(['bash', '-c', '{sys.executable} job.py {after_s}; true'], cwd={str(tmp_path)!r})\n"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def jobs_of(process):
    """The processes below its shell, once they are there."""
    assert process.stdout.readline() == "ready\n"
    jobs = below(process)
    assert [one.name() for one in jobs if one.name() == "sleep"]
    return jobs


def below(process):
    return [one for one in psutil.Process(process.pid).children(recursive=True) if one.name() != "bash"]


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()


def gone(processes):
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_snakemake_takes_its_jobs_along(tmp_path):
    process = start(tmp_path, announced=True)
    jobs = jobs_of(process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: gone(jobs))


def test_also_those_that_have_not_looked_yet(tmp_path):
    process = start(tmp_path, announced=True, after_s=3.0)
    wait_for(lambda: below(process))
    jobs = below(process)
    process.send_signal(signal.SIGKILL)  # not waited for: it has ended, though the system still names it
    wait_for(lambda: gone(jobs))
    process.wait()


def test_a_job_that_is_ending_already_is_not_asked_again(tmp_path):
    """SLURM's SIGTERM reaches the program and what is above it; the program has seconds to write a checkpoint."""
    code = CODE.replace("subprocess.Popen", ENDS_WELL + "subprocess.Popen")
    process = start(tmp_path, announced=True, code=code)
    program = next(one for one in jobs_of(process) if one.name() != "sleep")
    program.terminate()
    process.kill()
    process.wait()
    wait_for(lambda: (tmp_path / "checkpoint").exists())


def test_what_no_snakemake_has_started_goes_on(tmp_path, monkeypatch):
    monkeypatch.delenv(watch.VARIABLE, raising=False)
    process = start(tmp_path, announced=False)
    jobs = jobs_of(process)
    try:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(1)
        assert not gone(jobs)
    finally:
        for job in jobs:
            job.kill()
