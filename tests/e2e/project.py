"""A copy of the project in which the workflow is run as a user would."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

from gcamccl.workflow.artifacts import ROOT

PARTS = ("Snakefile", "rules", "workflow", "src", "config", "envs", "profiles", "resources", "pyproject.toml")
SNAKEMAKE = (sys.executable, "-m", "snakemake")


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
        self.use("tiny.yaml")

    def use(self, overlay):
        """Give it one of the overlays of these tests."""
        shutil.copy(ROOT / "tests/e2e" / overlay, self.folder / "config" / overlay)

    @property
    def environment(self):
        """Environment of Snakemake's process."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return dict(os.environ, PYTHONPATH=str(self.folder / "src"), OMP_NUM_THREADS="1", PATH=path)

    def snakemake(self, *arguments, overlays=("config/tiny.yaml",)):
        """Run Snakemake; returns the completed process with stdout and stderr together in stdout."""
        return subprocess.run(
            [*SNAKEMAKE, "--cores", "2", "--configfile", *overlays, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def gcamccl(self, *arguments):
        """Run the command ``gcamccl``; returns the completed process."""
        code = "from gcamccl.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments, overlays=("config/tiny.yaml",), environment=None):
        """Start Snakemake in a session of its own, as from a terminal; its words go to ``said.txt``."""
        with (self.folder / "said.txt").open("ab") as out:
            return subprocess.Popen(
                [*SNAKEMAKE, "--configfile", *overlays, *arguments],
                cwd=self.folder,
                env=environment or self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self):
        """What the Snakemakes of `start` have said so far."""
        return (self.folder / "said.txt").read_text(errors="replace")

    def working(self, program):
        """Running processes of one of the project's programs, by its name in workflow/scripts."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                script = str(self.folder / f"workflow/scripts/{program}.py")
                if script in words and "python" in Path(words[0]).name:
                    found.append(process)
        return found

    def wait_for(self, what, seconds=120):
        """Wait until `what` returns something true and return that."""
        end = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < end, f"nothing within {seconds} s: {self.said[-3000:]}"
            time.sleep(0.05)
        return found

    def digests(self):
        """SHA-256 of every result by its path below ``results``; without logs, times and links."""
        folder = self.folder / "results"
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.endswith(("log.txt", "benchmark.tsv")) and "runs" not in path.parts
        }

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


class OwnStudy:
    """The study that a project has simulated, copied out as somebody's own files.

    Attributes
    ----------
    folder : Path
        Of its participants table.
    """

    def __init__(self, project, home):
        self.project = project
        source = (project.run / "simulate").resolve()
        home = home / "O'Brien's $(touch pwned) & `touch pwned`; files"  # what is in a path must not matter
        shutil.copytree(source / "study", home / "study")
        shutil.copytree(source / "scans", home / "scans")
        self.folder = home / "study"

    @property
    def people(self):
        """Path of the participants table."""
        return self.folder / "participants.tsv"

    def overlays(self, run=None, more=None, **changes):
        """Write its configuration; `changes` of its study section, `more` sections. Returns the overlays to use."""
        folder = self.folder
        lines = {
            "simulated": False,
            "participants": self.people,
            "genotypes": [str(folder / "genotypes" / name) for name in ("hh610", "hh550", "omni")],
            "reference_panel": folder / "reference/panel.chr{chrom}.vcf.gz",
            "genetic_map": folder / "reference/map.chr{chrom}.map",
            "gtex_eqtl": folder / "gtex/eqtl",
            "gtex_lookup": folder / "gtex/lookup.txt.gz",
            "gtex_expression": folder / "gtex/gene_median_tpm.gct.gz",
            "gene_bodies": folder / "genes/glist-hg19",
            "gene_sets": [str(folder / "gene_sets/simulated.gmt")],
        } | changes
        overlay = {"study": lines} | ({"run": run} if run else {}) | (more or {})
        return self.project.overlay("study.yaml", json.dumps(overlay, default=str))  # JSON is YAML
