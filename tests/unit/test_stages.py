"""The stage list is the project's vocabulary: every place that uses a stage's name exists."""

from pathlib import Path

import pytest

from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import read_yaml, schema
from gcamccl.workflow.stages import NAMES, STAGES


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_has_one_name_everywhere(stage):
    name = stage.name
    assert name in read_yaml(ROOT / "config/config.yaml")
    assert name in schema()["properties"]
    assert (ROOT / f"rules/{name}.smk").exists()
    assert (ROOT / f"src/gcamccl/{name}.py").exists() or (ROOT / f"src/gcamccl/{name}/__init__.py").exists()
    assert list((ROOT / "tests/unit").glob(f"test_{name}*.py"))
    assert stage.scripts
    for script in stage.scripts:
        assert (ROOT / f"workflow/scripts/{script}.py").exists()
    assert all(need in NAMES[: NAMES.index(name)] for need in stage.needs)
    assert f"| {name} |" in (ROOT / "docs/artifacts.md").read_text()
    assert f'include: "rules/{name}.smk"' in (ROOT / "Snakefile").read_text()


def test_every_program_belongs_to_a_stage():
    """But for `resources`, which fetches public files before there is a study."""
    programs = {path.stem for path in Path(ROOT / "workflow/scripts").glob("*.py")}
    assert programs == {script for stage in STAGES for script in stage.scripts} | {"resources"}


def test_a_stages_study_keys_are_in_the_configuration():
    study = read_yaml(ROOT / "config/config.yaml")["study"]
    participants = read_yaml(ROOT / "workflow/schemas/participants.schema.yaml")["properties"]
    for stage in STAGES:
        assert set(stage.study) <= set(study)
        assert set(stage.participants) <= {*participants, "scan"}


def test_every_rule_has_log_benchmark_threads_and_memory():
    for path in sorted((ROOT / "rules").glob("*.smk")):
        blocks = path.read_text().split("\nrule ")[1:] or path.read_text().split("    rule ")[1:]
        for block in blocks:
            for directive in ("log:", "benchmark:", "threads:", "mem_mb", "runtime", "shell:"):
                assert directive in block, f"{path.name}: rule {block.split(':')[0]} has no {directive}"
