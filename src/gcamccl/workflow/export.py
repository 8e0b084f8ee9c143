"""One run as a portable archive: its results, their records and a description of both as an RO-Crate.

The description follows RO-Crate 1.1 and its profile for runs of programs (Process Run Crate 0.5,
https://w3id.org/ro/wfrun/process/0.5): files with digests, and for each job when it ran and what it read and wrote.
"""

import mimetypes
import tempfile
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

import yaml

from gcamccl import __version__
from gcamccl.workflow import records, runs
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import sha256
from gcamccl.workflow.stages import BY_NAME

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# What goes along unless everything is asked for, as patterns of files: of the other stages, whose files hold genotypes,
# scans, connectivity or predictions of people, only the records.
SHARED = {
    "compare": ("table3.tsv", "differences.tsv", "calibration.tsv", "metrics.tsv"),
    "threshold": ("*",),
    "enrichment": ("*",),
    "report": ("*",),
}
PROGRAM = "#gcamccl"
README = """This archive holds a run of gCAM-CCL {version}: {name}.

report/report.html      opens in a browser, without a network
settings.yaml           every setting of every stage; lay your own study over it:
                        snakemake --configfile settings.yaml study.yaml
<stage>/                the stage's files, or only its jobs' records (artifact.json: settings, inputs and outputs with
                        SHA-256, versions, times) where its files hold genotypes, scans, connectivity or predictions
ro-crate-metadata.json  all of it described for machines (RO-Crate 1.1, Process Run Crate)

The page and its tables list participants with score, scan quality and reasons of exclusion (under pseudonyms, if the
run used report.pseudonyms); records name participants and the paths of their files.
"""


def export(results, name, out, everything=False, license=None, say=lambda text: None):
    """Write the archive.

    Parameters
    ----------
    results : Path
    name : str
        Of the run.
    out : Path
        ``.zip``, not there yet.
    everything : bool
        Files of all stages, people's genotypes, scans and predictions among them.
    license : str, optional
        Under which terms others may use it: a URL or words.
    say : callable
        Takes a line of progress.

    Returns
    -------
    n_files, n_bytes : int
        In the archive, before compression.

    Raises
    ------
    InputError
        No such run, or not complete; a file that is not what its job wrote; `out` exists.
    """
    from rocrate.rocrate import ROCrate

    results, out, run = Path(results), Path(out), runs.read(results, name)
    if not run["complete"]:
        raise InputError(name, "this run is not complete", "finish it first")
    if out.exists() or out.suffix != ".zip":
        raise InputError(out, "exists already" if out.exists() else "does not end in .zip", "name another file")
    crate = ROCrate(gen_preview=False, version="1.1")  # on which the profile is built
    crate.name, crate.datePublished = f"gCAM-CCL run {name}", datetime.now(UTC)
    crate.description = "Imaging genetics: groups told apart by functional connectivity and SNPs, and what they rest on"
    crate.root_dataset["conformsTo"] = {"@id": PROFILE}
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        total = [0, 0]
        settings = {}
        _add_program(crate)
        _add_license(crate, license)
        for stage, key in run["keys"].items():
            settings |= _add_stage(
                crate, results / stage / key, stage, ("*",) if everything else SHARED.get(stage, ()), total
            )
            say(f"{stage:<14}{key}")
        _add_text(crate, Path(scratch), "settings.yaml", yaml.safe_dump(settings, sort_keys=False), "application/yaml")
        _add_text(crate, Path(scratch), "README.txt", README.format(version=__version__, name=name), "text/plain")
        # To a name of its own first: an archive that is there is whole.
        half = Path(scratch) / out.name
        crate.write_zip(half)
        half.replace(out)
    return total[0], total[1]


def _add_program(crate):
    """The program that every job is a run of."""
    from rocrate.model.contextentity import ContextEntity

    described = {"@type": "SoftwareApplication", "name": "gCAM-CCL", "softwareVersion": __version__}
    crate.add(ContextEntity(crate, PROGRAM, properties=described))
    crate.add(ContextEntity(crate, PROFILE, properties={"@type": "CreativeWork", "name": "Process Run Crate"}))


def _add_license(crate, license):
    """The terms of use, which a crate must state; that there are none is a statement, too."""
    from rocrate.model.contextentity import ContextEntity

    name = license or "None stated: ask who exported this run"
    place = license if license and "://" in license else "#license"
    facts = {"@type": "CreativeWork", "name": name, "description": "Terms of use of this run's files"}
    crate.root_dataset["license"] = crate.add(ContextEntity(crate, place, properties=facts))


def _add_stage(crate, folder, stage, patterns, total):
    """A stage's jobs: their records, and those files that match a pattern; returns its settings."""
    found = records.all_of(folder.parents[1], stage, folder.name)
    for place, record in found.items():
        job = folder / place
        below = Path(stage) / place
        written = []
        for output, digest in record["outputs"].items():
            if not any(fnmatch(output, pattern) for pattern in patterns):
                continue
            if sha256(job / output) != digest:
                raise InputError(job / output, "is not what its job wrote", "gcamccl verify RUN says more")
            written.append(_add_file(crate, job / output, below / output, digest, total))
        kept = job / records.RECORD
        written.append(_add_file(crate, kept, below / records.RECORD, sha256(kept), total))
        _add_action(crate, stage, below, record, written)
    return {stage: next(iter(found.values()))["settings"]} if found else {}


def _add_file(crate, path, to, digest, total):
    """A file with its digest; returns its entity."""
    total[0] += 1
    total[1] += path.stat().st_size
    facts = {"name": to.name, "contentSize": str(path.stat().st_size), "sha256": digest}
    facts["encodingFormat"] = _kind(path.name)
    return crate.add_file(path, to.as_posix(), properties=facts)


def _kind(name):
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _add_text(crate, scratch, name, text, kind):
    (scratch / name).write_text(text, encoding="utf-8")
    crate.add_file(scratch / name, name, properties={"name": name, "encodingFormat": kind})


def _add_action(crate, stage, below, record, written):
    """A job: what it did, when, with which files; those outside the archive by name and digest."""
    from rocrate.model.contextentity import ContextEntity

    read = []
    for path, digest in record["inputs"].items():
        made = records.place(path)
        inside = crate.dereference(f"{made[0]}/{made[2]}") if made else None
        name = f"{made[0]}/{made[2]}" if made else Path(path).name
        facts = {"@type": "File", "name": name, "sha256": digest, "encodingFormat": _kind(name)}
        read.append(inside or crate.add(ContextEntity(crate, f"#sha256-{digest}", properties=facts)))
    facts = {
        "@type": "CreateAction",
        "name": f"{below.as_posix()}: {BY_NAME[stage].does}",
        "startTime": record["started"],
        "endTime": record["ended"],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    action = crate.add(ContextEntity(crate, f"#job-{below.as_posix().replace('/', '-')}", properties=facts))
    action["instrument"] = crate.dereference(PROGRAM)
    # One value stands by itself, not in a list (RO-Crate 1.1, JSON-LD).
    for role, files in (("object", read), ("result", written)):
        if files:
            action[role] = files[0] if len(files) == 1 else files
    crate.root_dataset.append_to("mentions", action)
