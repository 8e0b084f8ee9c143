"""Small BIDS datasets and fMRIPrep outputs: the names matter, the files are empty."""

DESCRIPTION = "dataset_description.json"


def write(root, *names, **texts):
    """Make the empty files `names` under `root`, and a TSV of each of `texts`, in which spaces stand for tabs."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name, text in texts.items():
        root.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.tsv").write_text(text.replace(" ", "\t"))
    return root


def person(label, session=None, task="nback", run=None, t1w=True):
    """Names of a person's raw scans."""
    folder = f"sub-{label}" + (f"/ses-{session}" if session else "")
    stem = folder.replace("/", "_")
    names = [f"{folder}/func/{stem}_task-{task}{f'_run-{run}' if run else ''}_bold.nii.gz"]
    return names + [f"{folder}/anat/{stem}_T1w.nii.gz"] * t1w


GENERATIONS = {
    "new": ("_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", "_desc-confounds_timeseries.tsv"),
    "older": ("_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz", "_desc-confounds_regressors.tsv"),
    "oldest": ("_bold_space-MNI152NLin2009cAsym_preproc.nii.gz", "_bold_confounds.tsv"),
}


def fmriprep_person(label, generation="new", task="nback"):
    """Names of fMRIPrep's output of a person."""
    return [f"sub-{label}/func/sub-{label}_task-{task}{end}" for end in GENERATIONS[generation]]
