"""Studies with scans or genotypes alone run from nothing to the report, without a trace of the other."""

import json

import pandas as pd
import pytest

from gcamccl.workflow.stages import taking_part

pytestmark = pytest.mark.e2e

QUICK = {"compare": {"methods": ["gcamccl", "logist"]}, "cohort": {"tail_fraction": 0.5}}
PEOPLE = 16  # of the tiny study; two groups of eight are enough to split


def finished(project, overlays, name, modality):
    """Run to the end; check the stages of the run; returns its folder and the page."""
    done = project.snakemake(overlays=overlays)
    assert done.returncode == 0, done.stdout[-6000:]
    run = project.folder / "results/runs" / name
    record = json.loads((run / "run.json").read_text())
    assert record["complete"]
    stages = set(taking_part([modality], simulated=(run / "simulate").exists()))
    assert set(record["keys"]) == stages
    assert {path.name for path in run.iterdir() if path.is_symlink()} == stages
    assert project.planned(overlays=overlays) == {}
    page = (run / "report/report.html").read_text()
    assert all(f'id="{stage}"' in page for stage in stages - {"report"})
    absent = set(taking_part()) - set(taking_part([modality]))
    assert not [stage for stage in absent if f'id="{stage}"' in page]
    return run


def test_a_study_of_ones_own_without_genotypes(project):
    """Participants table without genotype_id, no genotype files named; PLINK is never asked for."""
    source = (project.run / "simulate").resolve() / "study"
    table = pd.read_csv(source / "participants.tsv", sep="\t").dropna(subset=["timeseries"]).head(PEOPLE)
    table["timeseries"] = [str(source.parent / path.replace("../", "", 1)) for path in table["timeseries"]]
    kept = ["participant_id", "score", "age", "sex", "family_id", "repetition_time", "timeseries"]
    (project.folder / "scans.tsv").write_text(table[kept].to_csv(sep="\t", index=False, na_rep="n/a"))
    study = {"simulated": False, "participants": "scans.tsv"}
    own = {"study": study, "train": {"views": ["connectivity"]}, "run": {"name": "scans"}, **QUICK}
    run = finished(project, project.overlay("scans.yaml", json.dumps(own)), "scans", "connectivity")
    cohort = pd.read_csv(run / "cohort/cohort.tsv", sep="\t")
    assert len(cohort) == PEOPLE
    assert cohort[["genotype_id", "pc1"]].isna().all(axis=None)
    made = {path.name for path in (run / "threshold/").iterdir()} - {"artifact.json", "benchmark.tsv", "log.txt"}
    assert made == {"edges.tsv", "edges_all.parquet", "network_pairs.tsv", "summary.tsv"}
    assert not [path for path in run.glob("*/artifact.json") if "plink" in path.read_text()]

    both = own | {"train": {"views": ["connectivity", "snps"]}}
    done = project.snakemake("--dry-run", overlays=project.overlay("both.yaml", json.dumps(both)))
    assert done.returncode != 0
    assert "study.genotypes: missing" in done.stdout


def test_a_simulated_study_without_scans(project):
    own = {"simulate": {"modalities": ["snps"]}, "train": {"views": ["snps"]}, "run": {"name": "snps"}}
    overlays = project.overlay("snps.yaml", json.dumps(own | {"compare": QUICK["compare"]}))
    run = finished(project, overlays, "snps", "snps")
    assert not (run / "simulate/scans").exists()
    assert "timeseries" not in (run / "simulate/study/participants.tsv").read_text().split("\n")[0]
    assert pd.read_csv(run / "cohort/cohort.tsv", sep="\t")["mean_fd_mm"].isna().all()
    assert len(pd.read_csv(run / "threshold/snps.tsv", sep="\t"))
    assert (run / "enrichment/high/enrichment.tsv").exists()
    assert not (run / "threshold/edges.tsv").exists()
    # The genotypes are those of the whole study, and so are the people's scores and the loci.
    same = [folder / "eqtl_filter/snps.tsv" for folder in (run, project.run)]
    assert same[0].read_text() == same[1].read_text()
