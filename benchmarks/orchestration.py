"""What the workflow itself costs: planning, finding that nothing is to be done, starting a job, naming artifacts.

For each number of --subjects a study is laid out with empty files, a raw scan and a T1w a person, 22 chromosomes, 100
splits and as many label permutations; a dry run plans it. Then every file of the plan is made, empty, and a run finds
nothing to do. Keys: `gcamccl.workflow.artifacts.recipes` in a new process, without imports. Overhead of a job: --jobs
real people with ROI time series, one a job, minus what a run without work takes, what each job's record says that its
program took, and what Python's end takes after the record is written (by itself it is run a few times); what is left is
Snakemake's and the shell's. The check of the job's key, which the record has in it, is added. The peer is the least
workflow of as many jobs, `touch` one file each, in the same Snakemake and with the same profile.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import yaml  # noqa: E402

import measure  # noqa: E402
from gcamccl.simulate.layout import TISSUES  # noqa: E402

EXAMPLES = """examples:
  python benchmarks/orchestration.py                          854 people, and 10,000
  python benchmarks/orchestration.py --subjects 200 --jobs 20 quicker
"""
# What Snakemake gives a job of one thread.
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")}
KEYS = """
import json, sys, time
from gcamccl.workflow import plan
from gcamccl.workflow.config import load
config = load(sys.argv[1])
start = time.process_time()
plan.artifacts.recipes(config, json.loads(open(sys.argv[2]).read()))
print(time.process_time() - start)
"""
CHECK = """
import json, sys, time
from pathlib import Path
from gcamccl.workflow import artifacts
record = Path(sys.argv[1])
recipe = json.loads(record.read_text())["recipe"]
artifacts.announce_sources()
start = time.process_time()
artifacts.check_recipe(recipe, record.parent)
print(time.process_time() - start)
"""
ENDINGS = 10
LEAST = """
rule all:
    input: expand("made/{name}.txt", name=range(NUMBER))
rule one:
    output: "made/{name}.txt"
    shell: "touch {output}"
"""


def lay_out(folder, n_subjects):
    """A study of empty files; returns the path of its configuration."""
    (folder / "scans").mkdir(parents=True)
    names = [f"sub-{number:05d}" for number in range(n_subjects)]
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"participant_id": names, "genotype_id": names, "score": rng.normal(100, 15, n_subjects)})
    table["age"], table["sex"] = rng.uniform(8, 21, n_subjects), rng.choice(["M", "F"], n_subjects)
    for column, ending in (("bold", "task-nback_bold"), ("t1w", "T1w")):
        table[column] = [f"scans/{name}_{ending}.nii.gz" for name in names]
        for path in table[column]:
            (folder / path).touch()
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    others = [f"array.{ending}" for ending in ("bed", "bim", "fam")] + ["lookup.gz", "tpm.gct.gz", "glist", "sets.gmt"]
    others += [f"panel.chr{chrom}.vcf.gz" for chrom in range(1, 23)] + [f"map.chr{chrom}" for chrom in range(1, 23)]
    for name in others:
        (folder / name).touch()
    (folder / "eqtl").mkdir()
    for tissue in TISSUES:
        (folder / f"eqtl/{tissue}.v8.signif_variant_gene_pairs.txt.gz").touch()
    study = {
        "participants": "participants.tsv",
        "genotypes": ["array"],
        "reference_panel": "panel.chr{chrom}.vcf.gz",
        "genetic_map": "map.chr{chrom}",
        "gtex_eqtl": "eqtl",
        "gtex_lookup": "lookup.gz",
        "gtex_expression": "tpm.gct.gz",
        "gene_bodies": "glist",
        "gene_sets": ["sets.gmt"],
    }
    config = {"study": study, "cohort": {"splits": 100, "permutations": 1}, "run": {"device": "cpu"}}
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    return folder / "study.yaml"


def snakemake(folder, *words, snakefile=ROOT / "Snakefile", config=None):
    """Cost of Snakemake in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder, "--cores", "1"]
    profile = ["--workflow-profile", ROOT / "profiles/default"]
    return measure.run([*command, *profile, *(["--configfile", config] if config else []), *words])


def make_all(folder, config, settings):
    """Every file of the plan, empty, all of one moment after the study's."""
    table = snakemake(folder, "--summary", *settings, config=config).output.splitlines()
    now = time.time()
    for line in table[1:]:
        path = folder / line.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (now, now))


def keys_s(folder, config):
    """CPU seconds of naming all stages' artifacts."""
    from gcamccl.workflow.study import read_participants, scan_key

    people = [row | {"scan": scan_key(row)} for row in read_participants(folder / "participants.tsv")]
    (folder / "people.json").write_text(json.dumps(people))
    words = [sys.executable, "-c", KEYS, config, folder / "people.json"]
    return min(float(measure.run(words).output) for _ in range(3))


def planning(n_subjects, people_per_job):
    """Costs of a dry run and of a run without work, and seconds for the keys."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = lay_out(folder, n_subjects)
        settings = ["--config", f"run={{people_per_job: {people_per_job}}}"]
        dry = snakemake(folder, "--dry-run", "--quiet", "all", *settings, config=config)
        make_all(folder, config, settings)
        idle = snakemake(folder, *settings, config=config)
        return dry, idle, keys_s(folder, config)


def overhead(n_jobs):
    """CPU seconds a job: beyond its program, of its program, of the check of its key; and of the least workflow."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = lay_out(folder, n_jobs)
        series = np.random.default_rng(1).normal(size=(60, 264))
        columns = [f"roi_{number + 1:03d}" for number in range(264)]
        pd.DataFrame(series, columns=columns).to_csv(folder / "series.tsv", sep="\t", index=False)
        table = pd.read_csv(folder / "participants.tsv", sep="\t").drop(columns=["bold", "t1w"])
        table["timeseries"], table["repetition_time"] = "series.tsv", 2.0
        table.to_csv(folder / "participants.tsv", sep="\t", index=False)
        whole = snakemake(folder, "--until", "preprocess", config=config)
        idle = snakemake(folder, "--until", "preprocess", config=config)
        records = sorted((folder / "results/preprocess").rglob("artifact.json"))
        assert len(records) == n_jobs, "every person was a job"
        program = np.mean([json.loads(path.read_text())["cpu_seconds"] for path in records])
        ending = np.mean([ending_s(folder, number) for number in range(ENDINGS)])
        checking = min(float(measure.run([sys.executable, "-c", CHECK, records[0]]).output) for _ in range(3))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "Snakefile").write_text(LEAST.replace("NUMBER", str(n_jobs)))
        least = [snakemake(folder, snakefile=folder / "Snakefile") for _ in range(2)]
    ours = (whole.cpu_s - idle.cpu_s) / n_jobs - program - ending + checking
    return ours, program + ending, checking, (least[0].cpu_s - least[1].cpu_s) / n_jobs


def ending_s(folder, number):
    """CPU seconds that the program of one person takes after its record is written."""
    program = [sys.executable, ROOT / "workflow/scripts/preprocess_people.py", "--people", "sub-00000"]
    out = folder / f"alone{number}"
    words = ["--participants", folder / "participants.tsv", "--list", out / "list.json", "--out", out]
    cost = measure.run([*program, *words], **ONE_THREAD)
    return cost.cpu_s - json.loads(next(out.rglob("artifact.json")).read_text())["cpu_seconds"]


def main():
    """Print the tables."""
    p = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--subjects", type=int, nargs="+", default=[854, 10_000])
    p.add_argument("--jobs", type=int, default=40, help="real jobs of which the overhead is measured")
    args = p.parse_args()
    print(f"{'':<26}{'dry run':>16}{'nothing to do':>18}{'keys':>8}{'memory':>10}")
    rows = {}
    for n_subjects in args.subjects:
        for people_per_job in (1, 8):
            dry, idle, keys = rows[n_subjects, people_per_job] = planning(n_subjects, people_per_job)
            words = f"{n_subjects:,} people, {people_per_job} a job"
            peak = max(dry.peak_mb, idle.peak_mb)
            print(f"{words:<26}{dry.cpu_s:10.1f} CPU s{idle.cpu_s:12.1f} CPU s{keys:6.2f} s{peak:7.0f} MB", flush=True)
    ours, program, checking, least = overhead(args.jobs)
    print(
        f"a job beyond its program: {ours:.3f} CPU s, of it {checking:.3f} the check of its key (its program"
        f" {program:.2f}); least workflow, `touch`: {least:.3f}"
    )
    dry, idle, keys = rows[args.subjects[0], 1]
    print(
        f"RESULT dry_run_cpu_s={dry.cpu_s:.1f} noop_cpu_s={idle.cpu_s:.1f} job_overhead_cpu_s={ours:.3f}"
        f" keys_s={keys:.2f} rss_mb={max(dry.peak_mb, idle.peak_mb):.0f}"
    )


if __name__ == "__main__":
    main()
