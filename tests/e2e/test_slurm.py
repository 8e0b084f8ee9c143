"""The workflow on a real SLURM, of one node: what breaks there is made good, and the results are those of one machine.

Run by ``make test-slurm``, which installs SLURM; not among the tests of ``make test``.
"""

import json
import re
import signal

import pytest
from cluster import Cluster, missing_programs
from project import Project

pytestmark = [pytest.mark.e2e, pytest.mark.slurm]

OVERLAYS = ("config/tiny.yaml", "config/cluster.yaml")
# The node is this machine: asked for news more often than on a cluster with many users.
PROFILE = (
    "--workflow-profile",
    "profiles/slurm",
    "--slurm-init-seconds-before-status-checks",
    "3",
    "--latency-wait",
    "5",
)
MINUTE = 60
UNLIKE = ("artifact.json", "report.html")  # hold times and places


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    assert not missing_programs(), "run envs/install_slurm.sh"
    # Sockets have short names.
    with Cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def project(tmp_path_factory, cluster):
    project = Project(tmp_path_factory.mktemp("on_slurm"))
    project.use("cluster.yaml")
    return project


def test_a_run_through_three_failures(project, cluster):
    """The node's daemon and its jobs killed, then a training, then Snakemake itself; one command goes on."""
    environment = cluster.inside(project.environment)
    snakemake = project.start(*PROFILE, overlays=OVERLAYS, environment=environment)

    project.wait_for(lambda: project.working("preprocess_people"), 4 * MINUTE)
    cluster.kill_node()
    project.wait_for(lambda: not project.working("preprocess_people"), 10)
    cluster.start_node()

    trained = project.folder / "results/train"
    kept = "*/*/.checkpoint/training.safetensors"
    project.wait_for(lambda: project.working("train") and list(trained.glob(kept)), 6 * MINUTE)
    asked = cluster.ask("scontrol", "show", "jobs")
    lost = re.search("Restarts=[1-9]|JobState=(FAILED|NODE_FAIL)", asked)  # as SLURM is quick to notice
    assert lost, f"the jobs of the node that died have failed, or started anew: {asked}"
    assert "TresPerJob=gres:gpu:1" in asked, f"a training asks for a GPU: {asked}"
    for process in project.working("train"):
        process.send_signal(signal.SIGKILL)

    project.wait_for(lambda: project.working("compare"), 4 * MINUTE)
    snakemake.kill()
    snakemake.wait()
    snakemake = project.start(*PROFILE, overlays=OVERLAYS, environment=environment)
    assert snakemake.wait(10 * MINUTE) == 0, project.said[-4000:]

    logs = [path.read_text() for path in trained.rglob("log.txt")]
    assert any("going on from a checkpoint" in text for text in logs), logs
    assert "its lock is released" in project.said and "Its jobs are cancelled" in project.said
    assert not list((project.folder / "results").rglob(".partial-*"))
    again = project.start(*PROFILE, overlays=OVERLAYS, environment=environment)
    assert again.wait(2 * MINUTE) == 0
    assert "Nothing to be done" in project.said


def test_the_results_are_those_of_one_machine(project, tmp_path):
    """Every file but those that hold times; the records agree but for times and memory."""
    local = Project(tmp_path)
    local.use("cluster.yaml")
    done = local.snakemake(overlays=OVERLAYS)
    assert done.returncode == 0, done.stdout[-4000:]
    here, there = local.digests(), project.digests()
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name] and not name.endswith(UNLIKE)] == []
    for path in sorted((local.folder / "results").rglob("artifact.json")):
        one, two = (json.loads((one.folder / path.relative_to(local.folder)).read_text()) for one in (local, project))
        assert {"recipe": one["recipe"], "outputs": one["outputs"].keys()} == {
            "recipe": two["recipe"],
            "outputs": two["outputs"].keys(),
        }
