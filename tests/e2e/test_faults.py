"""What breaks is named, nothing half-made is taken for whole, one command goes on. The table is in docs/reruns.md."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.e2e

LONG = "train: {epochs: 40}\nrun: {checkpoint_minutes: 0}\n"
UNTIL = ("--cores", "2", "--until", "train")


@pytest.fixture
def training(project):
    """Function that starts a run and waits until one of its trainings is in the middle; overlays to use."""
    overlays = project.overlay("long.yaml", LONG)

    def start():
        begun = time.time()
        snakemake = project.start(*UNTIL, overlays=overlays)
        folder = project.folder / "results/train"

        def in_the_middle():
            if not project.working("train"):
                return False
            try:
                written = [path.stat().st_mtime for path in folder.glob("*/*/.checkpoint/training.safetensors")]
            except FileNotFoundError:
                return False  # that training has just ended
            return any(when > begun for when in written)

        project.wait_for(in_the_middle)
        return snakemake

    return start, overlays


def leftovers(project):
    return list((project.folder / "results").rglob(".partial-*"))


def test_jobs_and_snakemakes_that_are_killed(project, training):
    start, overlays = training
    before = project.digests()

    snakemake = start()
    for process in project.working("train"):  # as the kernel does where memory runs out
        process.kill()
    assert snakemake.wait(120) != 0
    assert "Removing output files of failed job" not in project.said, "a job that failed has left nothing"

    snakemake = start()
    second = project.snakemake("--until", "train", overlays=overlays)
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout
    assert snakemake.poll() is None, "the first one goes on"
    os.killpg(snakemake.pid, signal.SIGINT)  # Ctrl-C
    assert snakemake.wait(60) != 0
    project.wait_for(lambda: not project.working("train"), 20)

    snakemake = start()
    snakemake.kill()
    snakemake.wait()
    project.wait_for(lambda: not project.working("train"), 20)  # its jobs end with it

    done = project.snakemake("--until", "train", overlays=overlays)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "its lock is released" in done.stdout
    assert leftovers(project) == []
    after = project.digests()
    assert {name: after[name] for name in before} == before
    logs = [path.read_text() for path in (project.folder / "results/train").rglob("log.txt")]
    assert any("going on from a checkpoint" in text for text in logs)


def test_a_damaged_artifact_is_refused_found_and_made_again(project):
    of_run = tuple(f"{link.name}/{link.resolve().name}/" for link in project.run.iterdir() if link.is_symlink())
    before = {name: digest for name, digest in project.digests().items() if name.startswith(of_run)}
    path = (project.run / "cohort/dosage.npy").resolve()
    times, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a bad disk does it

    overlays = project.overlay("other_seed.yaml", "compare: {seed: 7, methods: [logist]}\n")
    done = project.snakemake("--until", "compare", overlays=overlays)
    assert done.returncode != 0
    assert "dosage.npy: is not what its job wrote" in done.stdout

    done = project.gcamccl("verify", "tiny")
    assert done.returncode == 1
    assert f"changed: results/cohort/{path.parent.name}/dosage.npy" in done.stdout
    done = project.gcamccl("verify", "tiny", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not path.exists()
    done = project.snakemake()
    assert done.returncode == 0, done.stdout[-4000:]
    after = project.digests()
    unlike = ("artifact.json", "report.html")  # hold times
    assert [name for name in before if after.get(name) != before[name] and not name.endswith(unlike)] == []
    assert project.gcamccl("verify", "tiny").returncode == 0
