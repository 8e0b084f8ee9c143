"""A copy of the project with one finished run of the tiny study, shared by all end-to-end tests."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gcamccl.workflow.artifacts import ROOT

PARTS = ("Snakefile", "rules", "workflow", "src", "config", "envs", "profiles", "resources", "pyproject.toml")


class Project:
    """A working copy in which Snakemake is run as a user would."""

    def __init__(self, folder):
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "downloaded")
        for part in PARTS:
            source, target = ROOT / part, folder / part
            if source.is_dir():
                shutil.copytree(source, target, ignore=ignored)
            else:
                shutil.copy(source, target)
        shutil.copy(ROOT / "tests/e2e/tiny.yaml", folder / "config/tiny.yaml")

    def snakemake(self, *arguments, overlays=("config/tiny.yaml",)):
        """Run Snakemake; returns the completed process with stdout and stderr together in stdout."""
        environment = dict(os.environ, PYTHONPATH=str(self.folder / "src"), OMP_NUM_THREADS="1")
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", *overlays, *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def planned(self, *arguments, overlays=("config/tiny.yaml",)):
        """Rules a dry run would run, with their numbers of jobs."""
        done = self.snakemake("--dry-run", "--quiet", "rules", *arguments, overlays=overlays)
        assert done.returncode == 0, done.stdout
        if "Nothing to be done" in done.stdout:
            return {}
        table = done.stdout.split("Job stats:", 1)[1].split("total", 1)[0]
        counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M)}
        counts.pop("all", None)
        return counts

    def overlay(self, name, text):
        """Write a configuration overlay; returns the overlays to use."""
        (self.folder / "config" / name).write_text(text)
        return ("config/tiny.yaml", f"config/{name}")

    @property
    def run(self):
        """Folder of the run's links."""
        return self.folder / "results/runs/tiny"


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """The tiny study, run once from nothing to the report."""
    project = Project(tmp_path_factory.mktemp("project"))
    done = project.snakemake()
    assert done.returncode == 0, done.stdout[-8000:]
    project.output = done.stdout
    return project
