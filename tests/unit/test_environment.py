"""What is installed where: lock, conda file and package agree."""

import re
import subprocess

import yaml

from gcamccl.workflow.artifacts import ROOT

LOCK = (ROOT / "requirements.lock").read_text().split()


def test_the_lock_is_exact_versions_and_names_no_host():
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line) for line in LOCK)


def test_the_lock_has_every_dependency():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for group in project["optional-dependencies"].values() for name in group),
    ]
    locked = {line.split("==")[0].lower().replace("_", "-") for line in LOCK}
    assert {re.split(r"[<>=]", name)[0] for name in wanted} <= locked


def test_every_dependency_is_explained():
    import tomllib

    text = (ROOT / "docs/decisions/dependencies.md").read_text()
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        assert re.split(r"[<>=]", name)[0] in text


def test_the_conda_file_has_the_same_versions():
    packages = yaml.safe_load((ROOT / "envs/gcamccl.yaml").read_text())["dependencies"]
    assert packages[-1]["pip"] == LOCK


def test_missing_programs_give_one_message(tmp_path):
    """Without root and without the programs: which are missing, and both ways to get them."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    for name in ("bash", "cat", "grep", "env"):
        (tmp_path / name).symlink_to(subprocess.check_output(["which", name], text=True).strip())
    done = subprocess.run(
        ["bash", ROOT / "envs/install_programs.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ERROR: programs not found: plink1.9 plink2 shapeit4 minimac4 beagle bcftools tabix" in done.stderr
    assert "sudo apt-get install plink1.9" in done.stderr
    assert "conda env create -f envs/gcamccl.yaml" in done.stderr
