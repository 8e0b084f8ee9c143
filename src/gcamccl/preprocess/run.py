"""One person's work of this stage, from the scan's files to the files it leaves."""

from gcamccl import bids
from gcamccl.atlas import atlas_files, read_atlas
from gcamccl.preprocess import person, quality, results

# What each route needs of a person's files, by their columns of the participants table.
NEEDS = {"raw": ("bold",), "fmriprep": ("preproc_bold", "confounds"), "timeseries": ("timeseries",)}


def preprocess(run, name, route, files, repetition_time=None, device="cpu"):
    """Preprocess one person's scan; see docs/artifacts.md for what it leaves.

    Parameters
    ----------
    run : gcamccl.workflow.job.Job
        Its settings and where the files go.
    name : str
        Participant id.
    route : str
        One of `NEEDS`.
    files : dict of str to str
        ``bold``, ``t1w``, ``preproc_bold``, ``confounds``, ``timeseries``, as far as the person has them.
    repetition_time : float, optional
        Seconds, of the participants table.
    device : {"auto", "cpu", "cuda"}

    Raises
    ------
    InputError
        A file that cannot be used; says which and why.
    """
    settings = run.settings
    run.reads(*atlas_files(settings["atlas"]))
    atlas = read_atlas(settings["atlas"])
    run.reads(*files.values())
    source = files.get("bold") or files.get("preproc_bold") or files["timeseries"]
    names = bids.derivatives(bids.stem(name, source), settings["atlas"])
    if route == "timeseries":
        result = person.from_timeseries(name, source, len(atlas), repetition_time, files.get("confounds"))
    else:
        result = _of_images(run, name, route, files, repetition_time, device, atlas, names)
    results.write(run.path, names, result, atlas, settings, source)
    for warning in result.quality["warnings"]:
        run.say(f"WARNING: {warning}")
    run.say(quality.one_line(result.quality))


def _of_images(run, name, route, files, repetition_time, device, atlas, names):
    """The person of a raw or fMRIPrep scan; writes its page of pictures, and the normalised series if asked for."""
    import torch

    from gcamccl.device import choose_device, device_facts
    from gcamccl.preprocess import extract
    from gcamccl.preprocess.figures.page import page
    from gcamccl.preprocess.regions import regions

    settings = run.settings
    scan = files.get("bold") or files["preproc_bold"]
    run.reads(*bids.sidecars(scan))
    torch.set_num_threads(1)
    device = choose_device(device)
    run.facts.update(device_facts(device), seed=settings["seed"])
    where = regions(settings["atlas"], atlas, settings["sphere_radius_mm"])
    if route == "raw":
        scans = (scan, files.get("t1w"))
        result = person.from_raw(name, *scans, where, settings, run.scratch, repetition_time, run.say, device)
    else:
        result = person.from_fmriprep(name, scan, files["confounds"], where, settings, repetition_time, device)
    if settings["write_normalised"]:
        extract.write_normalised(run.path(names["normalised"]), result.located, settings, device)
        run.say("normalised series written")
    page(run.path(names["page"]), result, atlas)
    return result
