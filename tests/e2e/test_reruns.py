"""What runs again after a change: what depends on it and nothing else. The table is in docs/reruns.md."""

import contextlib
import os

import pandas as pd
import pytest
from project import OwnStudy, Project

from gcamccl.workflow.stages import NAMES

pytestmark = pytest.mark.e2e

AFTER_COHORT = "cohort train compare activation threshold enrichment report"
AFTER_PREPROCESS = f"preprocess connectivity {AFTER_COHORT}"
AFTER_GENOTYPES = f"genotype_qc impute eqtl_filter {AFTER_COHORT}"
SETTINGS = [
    ({"run": {"name": "own", "people_per_job": 5}}, ""),
    ({"preprocess": {"smoothing_fwhm_mm": 5}}, AFTER_PREPROCESS),
    ({"connectivity": {"kind": "fisher_z"}}, f"connectivity {AFTER_COHORT}"),
    ({"genotype_qc": {"maf": 0.06}}, AFTER_GENOTYPES),
    ({"impute": {"method": "mode"}}, f"impute eqtl_filter {AFTER_COHORT}"),
    ({"eqtl_filter": {"top_genes": 50}}, f"eqtl_filter {AFTER_COHORT}"),
    ({"cohort": {"seed": 2}}, AFTER_COHORT),
    ({"train": {"dropout": 0.1}}, "train compare activation threshold enrichment report"),
    ({"compare": {"confidence": 0.9}}, "compare report"),
    ({"activation": {"relu_on": "none"}}, "activation threshold enrichment report"),
    ({"threshold": {"max_fraction": 0.2}}, "threshold enrichment report"),
    ({"enrichment": {"min_set_size": 3}}, "enrichment report"),
    ({"report": {"title": "another"}}, "report"),
]


@pytest.fixture(scope="module")
def own(project, tmp_path_factory):
    """Somebody's own files, run to the end; their score column has another name."""
    own = OwnStudy(project, tmp_path_factory.mktemp("own"))
    own.people.write_text(own.people.read_text().replace("\tscore\t", "\twrat\t", 1))
    planned = project.planned(overlays=settings(own))
    assert "simulate_study" not in planned
    assert planned["preprocess"] < 10
    done = project.snakemake(overlays=settings(own))
    assert done.returncode == 0, done.stdout[-4000:]
    return own


def settings(own, more=None):
    return own.overlays(score="wrat", run={"name": "own"}, more=more)


def stages(planned):
    """Stages of the planned rules, in order, in words."""
    of_rule = {rule: next(stage for stage in NAMES if rule.startswith(stage)) for rule in planned}
    return " ".join(stage for stage in NAMES if stage in of_rule.values())


@contextlib.contextmanager
def changed(path, content=None):
    """A file with other content, or touched, for a while."""
    before, times = path.read_bytes(), path.stat()
    if content is None:
        path.touch()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@contextlib.contextmanager
def people(own, change):
    """The participants table after `change` of its DataFrame, for a while."""
    table = change(pd.read_csv(own.people, sep="\t", dtype=str, keep_default_na=False))
    with changed(own.people, table.to_csv(sep="\t", index=False).encode()):
        yield


def test_a_study_of_ones_own_files(project, own):
    """Files of one's own, in a folder with an awkward name, give the same results."""
    run = project.folder / "results/runs/own"
    for name in ("cohort/fc.npy", "cohort/dosage.npy", "cohort/cohort.tsv", "compare/table3.tsv", "threshold/snps.tsv"):
        assert (run / name).read_bytes() == (project.run / name).read_bytes(), name
    assert (run / "report/report.html").stat().st_size > 10_000
    assert not (run / "simulate").exists()
    assert not list(project.folder.rglob("pwned*")), "nothing in a path was run as a command"


@pytest.mark.parametrize(("more", "expected"), SETTINGS, ids=[next(iter(more)) for more, _ in SETTINGS])
def test_a_setting(project, own, more, expected):
    assert stages(project.planned(overlays=settings(own, more))) == expected


def test_files_that_are_touched(project, own):
    """Their time changes, their content does not: a copy, a restored backup."""
    scan = next((own.folder.parent / "scans").rglob("*_bold.nii.gz"))
    gtex = next((own.folder / "gtex/eqtl").iterdir())
    with contextlib.ExitStack() as stack:
        for path in (
            scan,
            gtex,
            own.people,
            own.folder / "genotypes/hh550.bed",
            own.folder / "gene_sets/simulated.gmt",
        ):
            stack.enter_context(changed(path))
        assert project.planned(overlays=settings(own)) == {}


def test_a_scan_that_is_replaced(project, own):
    """Of its job's people only this one is done again; where its results are the same, nothing else is."""
    path = sorted((own.folder / "timeseries").glob("*.tsv"))[0]
    before = path.read_bytes().rstrip(b"\n")
    with changed(path, before[:-1] + (b"1" if before[-1:] != b"1" else b"2") + b"\n"):
        planned = project.planned(overlays=settings(own))
        assert stages(planned) == AFTER_PREPROCESS
        assert planned["preprocess"] == 1
        done = project.snakemake("--until", "preprocess", overlays=settings(own))
        assert done.returncode == 0, done.stdout[-3000:]
        assert stages(project.planned(overlays=settings(own))) == AFTER_PREPROCESS.removeprefix("preprocess ")
        logs = (project.run.parent / "own/preprocess/jobs").glob("*_log.txt")
        said = max(logs, key=lambda log: log.stat().st_mtime).read_text()
        assert said.count(": done before") == said.count(" of ") - 1
    path.touch()
    assert project.snakemake(overlays=settings(own)).returncode == 0
    assert project.planned(overlays=settings(own)) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gtex/gene_median_tpm.gct.gz", f"eqtl_filter {AFTER_COHORT}"),
        ("genotypes/hh550.fam", AFTER_GENOTYPES),
        ("gene_sets/simulated.gmt", "enrichment report"),
    ],
)
def test_another_file_that_is_replaced(project, own, name, expected):
    path = own.folder / name
    with changed(path, path.read_bytes() + b"\n"):
        assert stages(project.planned(overlays=settings(own))) == expected


def test_people_who_join_or_leave(project, own):
    def joins(table):
        return pd.concat([table, table.iloc[[20]].assign(participant_id="sub-new", genotype_id="n/a")])

    everything = f"preprocess connectivity {AFTER_GENOTYPES}"
    with people(own, joins):
        planned = project.planned(overlays=settings(own))
        assert stages(planned) == everything
        assert planned["preprocess"] <= 2  # the job that the new one falls into, parted where it was full
    with people(own, lambda table: table.drop(index=20)):
        planned = project.planned(overlays=settings(own))
        assert stages(planned) == everything
        assert planned["preprocess"] == 1


def test_a_line_of_the_table_that_is_corrected(project, own):
    def score(table):
        return table.assign(wrat=["101.5", *table["wrat"][1:]])

    def repetition_time(table):
        return table.assign(repetition_time=[*table["repetition_time"][:20], "2.5", *table["repetition_time"][21:]])

    def withdrawn(table):
        table.loc[30, ["timeseries", "repetition_time"]] = "n/a"
        return table

    with people(own, score):
        assert stages(project.planned(overlays=settings(own))) == AFTER_COHORT
    with people(own, repetition_time):
        planned = project.planned(overlays=settings(own))
        assert stages(planned) == AFTER_PREPROCESS
        assert planned["preprocess"] == 1
    with people(own, withdrawn):
        done = project.snakemake("--until", "connectivity", overlays=settings(own))
        assert done.returncode == 0, done.stdout[-4000:]
        made = max((project.folder / "results/connectivity").iterdir(), key=lambda folder: folder.stat().st_mtime)
        assert "sub-031\tno_scan" in (made / "excluded.tsv").read_text()
        assert "sub-031" not in (made / "people.tsv").read_text()


def test_a_fresh_clone_beside_old_results(project, own, tmp_path):
    """Without Snakemake's own folder: where results lie and their times are enough."""
    clone = Project(tmp_path)
    (project.folder / "results").rename(clone.folder / "results")
    own.project = clone
    try:
        assert clone.planned(overlays=settings(own)) == {}
    finally:
        own.project = project
        (clone.folder / "results").rename(project.folder / "results")


def test_two_runs_with_other_settings_at_the_same_time(project):
    before = project.digests()
    started = []
    for number in (1, 2):
        overlays = project.overlay(
            f"side{number}.yaml", f"run: {{name: side{number}}}\nthreshold: {{fdr_q: 0.{number}1}}\n"
        )
        started.append(project.start("--cores", "1", overlays=overlays))
    assert [one.wait(300) for one in started] == [0, 0], project.said[-4000:]
    after = project.digests()
    assert {name: after[name] for name in before} == before
    keys = {(project.folder / f"results/runs/side{number}/threshold").resolve() for number in (1, 2)}
    assert len(keys) == 2
