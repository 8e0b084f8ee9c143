"""BIDS names and the inheritance principle."""

import pytest
from bids_fixture import DESCRIPTION, write

from gcamccl import bids


def test_names_of_scans():
    path = "a/sub-01_ses-2_task-nback_run-01_bold.nii.gz"
    assert bids.entities(path) == {"sub": "01", "ses": "2", "task": "nback", "run": "01"}
    assert bids.suffix(path) == "bold" and bids.is_bids(path)
    assert bids.is_bids("participants.tsv") and not bids.is_bids("scan_of_a_bold.nii.gz")
    assert not bids.is_bids("sub-01_task-rest_bold_space-MNI152_preproc.nii.gz") and not bids.is_bids("sub-01.json")


def test_sidecars_are_inherited_nearest_first(tmp_path):
    scan = "sub-01/ses-1/func/sub-01_ses-1_task-nback_run-1_bold"
    names = [
        f"{scan}.json",
        "sub-01/ses-1/func/sub-01_ses-1_task-nback_bold.json",
        "sub-01/ses-1/sub-01_ses-1_bold.json",
        "sub-01/sub-01_task-nback_bold.json",
        "task-nback_bold.json",
        "bold.json",
    ]
    others = [
        "task-rest_bold.json",  # another task
        "task-nback_events.json",  # another suffix
        "task-nback_acq-fast_bold.json",  # an entity that the scan does not have
        "sub-01/ses-2/sub-01_ses-2_bold.json",  # not above it
        "notes_about_task-nback_bold.json",  # no BIDS name
    ]
    write(tmp_path / "data", DESCRIPTION, f"{scan}.nii.gz", *names, *others)
    write(tmp_path, "task-nback_bold.json")  # above the dataset
    assert bids.sidecars(tmp_path / "data" / f"{scan}.nii.gz") == [tmp_path / "data" / name for name in names]


def test_outside_of_a_dataset_only_the_own_folder_counts(tmp_path):
    folder = write(
        tmp_path, "sub-01/func/sub-01_task-a_bold.json", "sub-01/func/task-a_bold.json", "sub-01/sub-01_bold.json"
    )
    found = bids.sidecars(folder / "sub-01/func/sub-01_task-a_bold.nii")
    assert [path.name for path in found] == ["sub-01_task-a_bold.json", "task-a_bold.json"]


@pytest.mark.parametrize("name", ["a_bold", "scan", "sub-01_task-a_bold_space-MNI152_preproc", "sub-01"])
def test_other_names_have_the_sidecar_of_the_same_name_only(tmp_path, name):
    write(tmp_path, DESCRIPTION, "b_bold.json", "bold.json", "preproc.json", "scan.txt")
    assert bids.sidecars(tmp_path / f"{name}.nii.gz") == []
    write(tmp_path, f"{name}.json")
    assert bids.sidecars(tmp_path / f"{name}.nii.gz") == [tmp_path / f"{name}.json"]
