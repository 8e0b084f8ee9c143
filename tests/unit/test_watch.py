"""A job ends with its Snakemake, and with nothing else."""

import signal
import subprocess
import sys
import time

import psutil

CODE = """
import subprocess, sys, time
sys.argv  # a program of the workflow
from gcamccl.workflow import watch
watch.EVERY_S = 0.1
watch.end_with_snakemake()
subprocess.Popen(["sleep", "60"])
print("ready", flush=True)
time.sleep(60)
"""


def started(tmp_path, name):
    """A process that is called like `name`, with a shell below it and a job below that; and the job's processes."""
    parent = tmp_path / name
    parent.write_text(
        "import subprocess, sys\n"
        f"subprocess.run(['bash', '-c', '{sys.executable} job.py; true'], cwd={str(tmp_path)!r})\n"
    )
    (tmp_path / "job.py").write_text(CODE)
    process = subprocess.Popen([sys.executable, str(parent)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    below = psutil.Process(process.pid).children(recursive=True)
    assert [one.name() for one in below if one.name() == "sleep"]
    return process, [one for one in below if one.name() != "bash"]


def gone(processes):
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_snakemake_takes_its_jobs_along(tmp_path):
    process, jobs = started(tmp_path, "snakemake")
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 10
    while not gone(jobs) and time.monotonic() < end:
        time.sleep(0.1)
    assert gone(jobs)


def test_without_a_snakemake_above_a_job_goes_on(tmp_path):
    process, jobs = started(tmp_path, "terminal")
    try:
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(1)
        assert not gone(jobs)
    finally:
        for job in jobs:
            job.kill()
