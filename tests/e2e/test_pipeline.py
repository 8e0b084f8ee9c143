"""The whole workflow on a tiny study: it runs, and it runs again exactly what a change asks for."""

import json
import re

import pandas as pd
import pytest

from gcamccl.workflow.stages import NAMES

pytestmark = pytest.mark.e2e

AFTER_TRAIN = {
    "train": 4,
    "compare": 9,
    "compare_table": 1,
    "activation": 2,
    "activation_checks": 1,
    "activation_nominate": 2,
    "threshold": 1,
    "enrichment": 3,
    "enrichment_difference": 1,
    "report": 1,
}
AFTER_THRESHOLD = {"threshold": 1, "enrichment": 3, "enrichment_difference": 1, "report": 1}


def test_every_stage_left_its_artifact(project):
    for stage in NAMES:
        records = list((project.run / stage).rglob("artifact.json"))
        records += list((project.run / stage).resolve().rglob("artifact.json"))
        assert records, stage
        for record in map(json.loads, {path.resolve(): path.read_text() for path in records}.values()):
            assert record["stage"] == stage
            assert record["key"] == (project.run / stage).resolve().name
            assert record["outputs"]
    assert (project.folder / "results/latest/report/report.html").stat().st_size > 10_000
    assert "report.html" in project.output


def test_people_are_accounted_for(project):
    people = pd.read_csv(project.run / "cohort/people.tsv", sep="\t")
    assert len(people) == 60
    left_out = people[~people["group"].isin(["low", "middle", "high"])]
    assert left_out["reason"].notna().all()
    cohort = pd.read_csv(project.run / "cohort/cohort.tsv", sep="\t")
    assert (cohort["group"] == "low").sum() == (cohort["group"] == "high").sum()


def test_a_second_run_does_nothing(project):
    done = project.snakemake()
    assert "Nothing to be done" in done.stdout
    assert project.planned() == {}


def test_a_threshold_setting_reruns_only_what_follows_it(project):
    before = project.digests()
    overlays = project.overlay("strict.yaml", "threshold: {max_fraction: 0.5}\n")
    assert project.planned(overlays=overlays) == AFTER_THRESHOLD
    done = project.snakemake(overlays=overlays)
    assert done.returncode == 0, done.stdout[-4000:]
    after = project.digests()
    assert {name: after[name] for name in before} == before, "an old artifact was touched"
    assert {name.split("/")[0] for name in set(after) - set(before)} == {"threshold", "enrichment", "report"}
    strict = (project.run / "threshold").resolve()

    assert project.planned() == {}, "changing it back reruns nothing"
    project.snakemake()
    assert (project.run / "threshold").resolve() != strict, "the run points to its artifacts again"


def test_code_counts_and_comments_do_not(project):
    module = project.folder / "src/gcamccl/train/fit.py"
    source = module.read_text()
    try:
        module.write_text(source + "\n# a comment\n")
        assert project.planned() == {}
        module.write_text(source + "\nADDED_LINE = 1\n")
        assert project.planned() == AFTER_TRAIN
    finally:
        module.write_text(source)


def test_the_plan_is_clean(project):
    """A dry run from nothing plans every stage and warns of nothing."""
    overlays = project.overlay("other.yaml", "simulate: {seed: 2}\n")
    done = project.snakemake("--dry-run", overlays=overlays)
    assert done.returncode == 0
    assert not re.search(r"warning|error", done.stdout, flags=re.I), done.stdout
    assert set(project.planned(overlays=overlays)) >= {*AFTER_TRAIN, "simulate_study", "simulate_scan", "preprocess"}
