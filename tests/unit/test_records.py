"""Records: where a file lies, and that a file which is no longer what its job wrote is not read."""

from argparse import Namespace

import pytest

from gcamccl.workflow import job, records
from gcamccl.workflow.files import sha256, write_json


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("results/cohort/0123456789ab/fc.npy", ("cohort", "0123456789ab", "fc.npy")),
        # A person may be called like a key.
        (
            "results/preprocess/0123456789ab/aaaaaaaaaaaa/1/x.tsv",
            ("preprocess", "0123456789ab", "aaaaaaaaaaaa/1/x.tsv"),
        ),
        ("data/scans/0123456789ab/x.nii.gz", None),
        ("0123456789ab/x", None),
    ],
)
def test_place(path, found):
    assert records.place(path) == found


@pytest.fixture
def artifact(tmp_path):
    folder = tmp_path / "simulate" / "0123456789ab"
    (folder / "study").mkdir(parents=True)
    for name in ("study/a.txt", "b.txt"):
        (folder / name).write_text(name)
    outputs = {name: sha256(folder / name) for name in ("study/a.txt", "b.txt")}
    write_json(folder / "artifact.json", {"outputs": outputs})
    return folder


@pytest.mark.parametrize("name", ["study/a.txt", "b.txt"])
def test_a_damaged_input_is_refused(artifact, tmp_path, capsys, name):
    assert records.digest_of_input(artifact / name) == sha256(artifact / name)
    (artifact / name).write_text("another")
    args = Namespace(stage="cohort", recipe=None, settings=None, out=tmp_path / "out")
    with pytest.raises(SystemExit) as stop, job.run(args) as run:
        run.reads(artifact / name)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert f"{name}: is not what its job wrote" in said and "gcamccl verify RUN --repair" in said
    assert not list((tmp_path / "out").iterdir())


def test_a_file_of_no_record_is_read(artifact):
    (artifact / "c.txt").write_text("more")
    assert records.digest_of_input(artifact / "c.txt") == sha256(artifact / "c.txt")
    (artifact / "artifact.json").unlink()
    assert records.record_of(artifact / "b.txt") == (None, None)
