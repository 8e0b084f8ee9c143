# Paths and small helpers for the rules; no rules here.

import atexit
import contextlib
import gc
import json
import os
import shlex
import sys
import time
from shutil import which

# The programs and this file use the package of this checkout, installed or not.
sys.path.insert(0, f"{workflow.basedir}/src")
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        filter(None, [f"{workflow.basedir}/src", os.environ.get("PYTHONPATH")])
    )
)

from snakemake.exceptions import WorkflowError

from gcamccl.simulate import layout
from gcamccl.workflow import artifacts, impute_files, locks, runs, watch
from gcamccl.workflow.buckets import buckets, label
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.plan import plan
from gcamccl.workflow.stages import NAMES
from gcamccl.workflow.study import (
    route,
    scan_folder,
    scan_inputs,
)

STARTED = time.time()
# As in gcamccl.workflow.job: Snakemake's end takes half a second less; on a cluster it starts twice a job.
atexit.register(gc.freeze)
# `snakemake resources` fetches public files before there is a study: then nothing of the study is read.
FETCH_ONLY = "resources" in sys.argv[1:]
RESULTS = "results"
# Before anything is planned: a job takes notice of edits from here on.
artifacts.announce_sources()
watch.announce()


try:
    PLAN = plan(config, RESULTS, FETCH_ONLY)
except InputError as error:
    sys.exit(f"ERROR: {error}")
CONFIG, MODALITIES, RECIPES = PLAN.settings, PLAN.modalities, PLAN.recipes
PARTICIPANTS, STUDY = PLAN.participants, PLAN.study
# Of the stages that take part: those about a modality that the study lacks do not, and nothing asks for their files.
KEYS = {stage: artifacts.digest(recipe) for stage, recipe in RECIPES.items()}
CHROMOSOMES = CONFIG["study"]["chromosomes"]
BY_ID = {row["participant_id"]: row for row in PARTICIPANTS}
SCANNED = [name for name, row in BY_ID.items() if route(row)]
# Events tables, where connectivity.task_regressors uses them.
EVENTS = [BY_ID[name]["events"] for name in SCANNED if BY_ID[name].get("events")]
# Jobs of preprocess: name -> "<id>/<scan key>" of its people.
SCAN_JOBS = {
    label(folders): folders
    for folders in (
        [scan_folder(BY_ID[name]) for name in names]
        for names in buckets(SCANNED, CONFIG["run"]["people_per_job"])
    )
}
GENOTYPE_FILES = STUDY.genotype_files
# Known positions of the study, else its reference panel: what genotype_qc compares positions with.
KNOWN_POSITIONS = STUDY.known_files

N_REPLICATES = CONFIG["cohort"]["splits"] * (1 + CONFIG["cohort"]["permutations"])
# Label permutations that go through the halvings; networks trained on either half of each, for the calibrated selection.
HALVING_PERMUTATIONS = min(
    CONFIG["cohort"]["halving_permutations"], CONFIG["cohort"]["permutations"]
)
N_HALVES = 2 * CONFIG["cohort"]["halvings"] * (1 + HALVING_PERMUTATIONS)


def job_ranges(count):
    """Replicates one job works on, as "first-last", of so many."""
    step = CONFIG["run"]["replicates_per_job"]
    return [
        f"{first}-{min(first + step, count) - 1}" for first in range(0, count, step)
    ]


REPLICATE_RANGES = job_ranges(N_REPLICATES)
HALVING_RANGES = job_ranges(N_HALVES)


# Files of the cohort that the stages after it read.
COHORT_FILES = [
    "<cohort>/cohort.tsv",
    *(["<cohort>/fc.npy"] if "connectivity" in MODALITIES else []),
    *(["<cohort>/dosage.npy"] if "snps" in MODALITIES else []),
    "<cohort>/splits.npy",
    "<cohort>/labels.npy",
    "<cohort>/permutations.npy",
]


def stage_folder(stage):
    """Folder of a stage's artifact; of a stage that does not take part a name that nothing asks for."""
    return f"{RESULTS}/{stage}/{KEYS.get(stage, 'absent')}"


pathvars:
    **{stage: stage_folder(stage) for stage in NAMES},


wildcard_constraints:
    participant="[A-Za-z0-9][A-Za-z0-9_-]*",
    people="[A-Za-z0-9][A-Za-z0-9_-]*-[0-9a-f]{8}",
    chrom=r"\d+",
    replicates=r"\d+-\d+",
    kind="replicates|halvings",
    group="low|high",
    method="[a-z_]+",


# Name of the score column: a simulated study has its own participants table.
SCORE = "score" if CONFIG["study"]["simulated"] else CONFIG["study"]["score"]


def files_of(stage, *names):
    """Files of a stage as a rule's inputs, none where it does not take part."""
    return [f"<{stage}>/{name}" for name in names] if stage in KEYS else []


def stage_options(**stages):
    """Options with the folders of those stages that take part, e.g. loci="eqtl_filter"; quoted for the shell."""
    return shlex.join(
        word
        for option, stage in stages.items()
        if stage in KEYS
        for word in (f"--{option.replace('_', '-')}", stage_folder(stage))
    )


def folder_of(stage):
    """The same as a function, for rules' params."""
    return lambda wildcards: stage_folder(stage)


def program(name):
    """Path of a program of workflow/scripts."""
    return f"{workflow.basedir}/workflow/scripts/{name}.py"


def folder(wildcards, output):
    """Folder of a job's first output: what goes to a program's --out."""
    return os.path.dirname(output[0])


def recipe(stage):
    """A stage's recipe as JSON with sorted keys, so that it is one value that only changes with the key.

    A function for params, since Snakemake would fill the {chrom} of a study's file names into a string.
    """
    text = json.dumps(RECIPES.get(stage), sort_keys=True)
    return lambda wildcards: text


def growing(amount):
    """A job's memory (MB) or time (minutes): so much, twice that when it is tried again, and so on."""
    return lambda wildcards, attempt: attempt * amount


def scan_files(wildcards):
    """Files of a preprocess job's people, with the sidecars that it looks for by itself."""
    files = []
    for place in SCAN_JOBS[wildcards.people]:
        row = BY_ID[place.split("/")[0]]
        for file in scan_inputs(row, CONFIG["study"]["simulated"]).values():
            files += file if isinstance(file, list) else [file]
    return files


def scan_memory_mb(wildcards, input, attempt):
    """Memory of a preprocess job, MB: measured 1.1 GB for a scan of 54 MB (.nii.gz), 2.5 GB for one of 220 MB."""
    each = 25 if CONFIG["preprocess"]["write_normalised"] else 10
    largest = max(
        os.path.getsize(file) if os.path.exists(file) else 0 for file in input
    )
    return attempt * max(1500, 800 + each * largest // 10**6)


def scan_minutes(wildcards, attempt):
    """Minutes of a preprocess job: measured 1 to 3 for a scan of 231 volumes; what is done outlives the limit."""
    return attempt * (20 + 10 * len(SCAN_JOBS[wildcards.people]))


def genotype_arguments(wildcards):
    """Arrays and known positions as options of workflow/scripts/genotype_qc.py; quoted for the shell."""
    words = ["--genotypes", *STUDY.genotypes, "--chromosomes", *map(str, CHROMOSOMES)]
    if STUDY.known_positions:
        words += ["--known-positions", STUDY.known_positions]
    elif STUDY.reference_panel:
        words += ["--reference-panel", STUDY.reference_panel]
    return shlex.join(words)


def panel_files(wildcards):
    """The chromosome's panel, genetic map or server's file, as far as the method reads and the study has them."""
    method = CONFIG["impute"]["method"]
    return impute_files.of_chromosome(method, vars(STUDY), wildcards.chrom)


def impute_memory_mb(wildcards, input, attempt):
    """Memory of an impute job, MB; doubled and so on when it is tried again.

    Measured: Beagle 0.75 GB for 5,000 SNPs of 854 people, our arrays 0.4 GB for 25,000. Panels are cut to the study's
    SNPs, so what they need grows with their people, for which their size stands in.
    """
    return attempt * min(2000 + 2 * int(input.size_mb), 6000)


def panel_arguments(wildcards):
    """The same as options of workflow/scripts/impute.py; quoted for the shell."""
    return shlex.join(
        [
            word
            for name, path in panel_files(wildcards).items()
            for word in (f"--{name}", path)
        ]
    )


def replicate_bounds(wildcards):
    """--first and --last of a job's replicates."""
    first, last = wildcards.replicates.split("-")
    return f"--first {first} --last {last}"


def halvings_option(wildcards):
    """--halvings of a train job that works on them."""
    return f"--halvings {HALVING_PERMUTATIONS}" if wildcards.kind == "halvings" else ""


def nominations_option(wildcards, input):
    """--nominations and --permutations of threshold; nothing without halvings."""
    folders = [os.path.dirname(path) for path in input.nominations]
    options = ["--permutations", str(HALVING_PERMUTATIONS), "--nominations", *folders]
    return shlex.join(options) if folders else ""


def train_memory_mb(wildcards, attempt):
    """Memory of a train job, MB.

    3 GB, 5 MB of weights, predictions and embeddings for each replicate, and 150 MB for each further one that is
    trained beside the first (estimated 125 MB at 264 ROIs, 750 loci, batches of 4; on a GPU it is the GPU's memory that holds them).
    """
    first, last = map(int, wildcards.replicates.split("-"))
    count, at_once = last - first + 1, CONFIG["run"]["replicates_at_once"]
    beside = 0 if at_once == "auto" else min(at_once, count) - 1
    return attempt * (3000 + 5 * count + 150 * beside)


def gpus():
    """GPUs of a job of train or activation: with `--resources gpu=1` (profiles/default) jobs do not share one."""
    device = CONFIG["run"]["device"]
    return int(device == "cuda" or (device == "auto" and bool(which("nvidia-smi"))))


ON_NETWORK = ("gcamccl", "ccl_svm", "ccl_rf")


# Trees on tens of thousands of connections take seconds a replicate (docs/decisions), the others a tenth of that.
SLOW_METHODS = ("dt", "rf", "mlp_svm")


def compare_threads(wildcards):
    """Processes of a compare job."""
    return 4 if wildcards.method in SLOW_METHODS and N_REPLICATES > 100 else 1


def compare_memory_mb(wildcards, threads, attempt):
    """Memory of a compare job, MB: a process 1 GB (measured at 854 people, 264 ROIs), and the table of the replicates."""
    return attempt * (2000 + 1000 * threads + N_REPLICATES // 15)


def train_shards(wildcards):
    """Files of all train jobs, for the methods that build on the network."""
    if wildcards.method not in ON_NETWORK:
        return []
    names = ("predictions.parquet", "embeddings.npz")
    return [
        f"{stage_folder('train')}/replicates-{r}/{name}"
        for r in REPLICATE_RANGES
        for name in names
    ]


def train_folders(wildcards, input):
    """--train and the folders of those files, or nothing."""
    folders = list(dict.fromkeys(os.path.dirname(path) for path in input.train))
    return shlex.join(["--train", *folders]) if folders else ""


FAILED = []


def begin_run():
    """Note the run, so that gcamccl prune leaves its artifacts alone."""
    if FETCH_ONLY:
        return
    try:
        where = locks.LOCAL if workflow.local_exec else workflow.executor_plugin.name
        locks.register(".snakemake", where)
        runs.begin(RESULTS, CONFIG["run"]["name"], KEYS)
    except OSError as error:
        text = f"ERROR: {RESULTS}: cannot be written to ({error.strerror})"
        raise WorkflowError(text) from None


def explain_failure():
    """One readable line for each job that failed, with its log."""
    FAILED.append(True)
    if FETCH_ONLY:
        with open(f"{CONFIG['resources']['folder']}/log.txt", encoding="utf-8") as log:
            print(
                *(line for line in log if line.startswith("ERROR")),
                sep="",
                file=sys.stderr,
            )
    else:
        print(runs.failures(RESULTS, KEYS, STARTED), file=sys.stderr)


def finish_run():
    """Link results/runs/<name> and results/latest to this run's artifacts and say where to look.

    Called when Snakemake ends rather than by its onsuccess, which a run that finds everything done does not reach.
    """
    executed = (
        workflow.is_main_process
        and workflow.executor_plugin is not None
        and not workflow.dryrun
        and not FETCH_ONLY
    )
    if executed and not FAILED and runs.is_complete(RESULTS, KEYS):
        runs.link(RESULTS, CONFIG["run"]["name"], KEYS)
        print(runs.where_to_look(RESULTS, CONFIG["run"]["name"]), file=sys.stderr)


atexit.register(finish_run)


def take_over():
    """Clear away what a killed Snakemake has left here, and note that this one runs."""
    # A folder that cannot be written to is for Snakemake to complain about.
    with contextlib.suppress(OSError):
        note, done = locks.take_over(".snakemake")
        atexit.register(note.unlink, missing_ok=True)
        for line in done:
            print(line, file=sys.stderr)


if workflow.is_main_process and not locks.only_looks(sys.argv[1:]):
    take_over()
