"""Bad input ends in one clear line, a non-zero exit and no partial artifact."""

import json
import subprocess

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from project import OwnStudy

pytestmark = pytest.mark.e2e


@pytest.fixture
def study(project, tmp_path):
    """The tiny study as somebody's own files: (folder, function that writes its configuration overlays)."""
    own = OwnStudy(project, tmp_path)
    return own.folder, own.overlays


def keep_few(folder, count):
    """Only so many people, the one with images among them: what a test does not ask about takes no time."""
    path = folder / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    kept = table.sort_values("bold", key=lambda column: column == "n/a", kind="stable").head(count)
    kept.to_csv(path, sep="\t", index=False)
    return kept


def fails(project, overlays, *words, until=None):
    """Run; check the exit status, that the error has all `words`, and that no stage left a half artifact."""
    done = project.snakemake(*(["--until", until] if until else []), overlays=overlays)
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if "ERROR:" in line]
    text = done.stdout[done.stdout.index("ERROR:") :] if lines else done.stdout
    assert all(word in text for word in words), done.stdout[-3000:]
    leftovers = list((project.folder / "results").rglob(".partial-*"))
    assert leftovers == []
    return done.stdout


def test_events_are_inputs_where_the_task_is_regressed_out(project, study):
    folder, overlays = study
    path = folder / "participants.tsv"
    table = keep_few(folder, 12)
    (folder / "events.tsv").write_text("onset\tduration\ttrial_type\n20\t40\t0back\n100\t40\t2back\n")
    table["events"] = "events.tsv"
    table.loc[table.index[7], "events"] = "n/a"
    table.to_csv(path, sep="\t", index=False)
    settings = project.overlay("task.yaml", "connectivity: {task_regressors: glover}\n")[1]
    fails(
        project,
        (*overlays(), settings),
        f"1 of 12 have none: {table['participant_id'].iloc[7]}",
        "the column events",
        until="connectivity",
    )
    table["events"] = "events.tsv"
    table.to_csv(path, sep="\t", index=False)
    both = (*overlays(), settings)
    done = project.snakemake("--until", "connectivity", overlays=both)
    assert done.returncode == 0, done.stdout[-4000:]
    made = max((project.folder / "results/connectivity").iterdir(), key=lambda place: place.stat().st_mtime)
    quality = pd.read_csv(made / "group_bold_qc.tsv", sep="\t")
    assert quality["regressors"].str.contains("task_glover").all()
    assert "connectivity" not in project.planned(overlays=both)
    # Other events of the same name: connectivity is done again, and a table that is broken is named.
    (folder / "events.tsv").write_text("onset\tduration\n20\t-1\n")
    planned = project.planned(overlays=both)
    assert planned["connectivity"] == 1 and "preprocess" not in planned
    fails(project, both, "events.tsv: line 2: duration is negative", until="connectivity")


def test_bad_configuration(project):
    overlays = project.overlay("bad.yaml", "train: {epochs: many}\nthreshold: {max: 1}\n")
    text = fails(project, overlays, "train.epochs: 'many'", "threshold.max: unknown key")
    assert "Traceback" not in text


def test_a_missing_file(project, study):
    folder, overlays = study
    table = pd.read_csv(folder / "participants.tsv", sep="\t", dtype=str)
    name = table.loc[3, "timeseries"]
    (folder / name).unlink()
    fails(project, overlays(), "participants.tsv", "line 5", "timeseries: no such file")


def test_a_3d_scan(project, study):
    folder, overlays = study
    keep_few(folder, 3)
    path = next((folder.parent / "scans").rglob("*_bold.nii.gz"))
    scan = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(scan.dataobj)[..., 0], scan.affine), path)
    text = fails(project, overlays(), path.name, "3D", "log:", until="preprocess")
    assert "Traceback" not in text


def test_a_truncated_scan(project, study):
    folder, overlays = study
    keep_few(folder, 3)
    path = next((folder.parent / "scans").rglob("*_bold.nii.gz"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    fails(project, overlays(), path.name, until="preprocess")


def test_a_truncated_bed(project, study):
    folder, overlays = study
    path = folder / "genotypes/hh550.bed"
    path.write_bytes(path.read_bytes()[:-5])
    fails(project, overlays(), "hh550.bed", "log:", until="genotype_qc")


def made_last(project, stage):
    return max((project.folder / "results" / stage).iterdir(), key=lambda folder: folder.stat().st_mtime)


def test_genotype_ids_that_do_not_exist(project, study):
    """Single ones are people without genotypes; ids that match nobody are an error that says what is likely wrong."""
    folder, overlays = study
    path = folder / "participants.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    ids = table["genotype_id"].copy()
    table.loc[7, "genotype_id"] = "NOBODY"
    table.to_csv(path, sep="\t", index=False)
    done = project.snakemake("--until", "genotype_qc", overlays=overlays())
    assert done.returncode == 0, done.stdout[-4000:]
    matching = pd.read_csv(made_last(project, "genotype_qc") / "people_matching.tsv", sep="\t").set_index("genotype_id")
    assert matching.loc["NOBODY", "status"] == "no_genotypes"
    table["genotype_id"] = "sub-" + ids
    table.to_csv(path, sep="\t", index=False)
    fails(project, overlays(), "60 of 60 participants", "by a sub- prefix", "log:", until="genotype_qc")


def test_genotypes_that_are_not_there(project, study):
    """Known before anything runs."""
    folder, overlays = study
    text = fails(project, overlays(genotypes=[str(folder / "genotypes/hh6l0")]), "hh6l0: no such genotypes: neither")
    assert "log:" not in text and "Traceback" not in text
    text = fails(project, overlays(known_positions=str(folder / "nothing.tsv")), "nothing.tsv: no such file")
    assert "Traceback" not in text


def test_genotypes_in_other_formats(project, study):
    """PGEN and a VCF a chromosome give the results that .bed files give."""
    folder, overlays = study
    arrays = folder / "genotypes"
    words = ["plink2", "--threads", "1", "--bfile", str(arrays / "hh610"), "--make-pgen", "vzs", "--out"]
    subprocess.run([*words, str(arrays / "other")], check=True, capture_output=True)
    words[3:] = ["--bfile", str(arrays / "hh550"), "--export", "vcf", "bgz", "id-paste=iid", "--out"]
    subprocess.run([*words, str(arrays / "hh550.chr22")], check=True, capture_output=True)
    given = [str(arrays / name) for name in ("other.pgen", "hh550.chr{chrom}.vcf.gz", "omni")]
    done = project.snakemake("--until", "genotype_qc", overlays=overlays(genotypes=given))
    assert done.returncode == 0, done.stdout[-4000:]
    made = made_last(project, "genotype_qc")
    for name in ("qc.bed", "qc.bim", "pca.tsv"):
        assert (made / name).read_bytes() == (project.run / "genotype_qc" / name).read_bytes(), name
    inputs = json.loads((made / "artifact.json").read_text())["inputs"]
    assert {path.rsplit("/", 1)[1] for path in inputs} >= {"other.pvar.zst", "hh550.chr22.vcf.gz", "omni.fam"}
