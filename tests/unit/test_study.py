"""The participants table."""

import pytest

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.study import (
    portable,
    read_participants,
    require_events,
    route,
    scan_folder,
    scan_inputs,
    scan_key,
    scan_stem,
)


def table(folder, text, name="participants.tsv"):
    path = folder / name
    path.write_text(text.replace(" ", "\t"))
    return path


def test_routes_and_missing_values(tmp_path):
    for name in ("b.nii.gz", "t.nii.gz", "s.tsv"):
        (tmp_path / name).touch()
    rows = read_participants(
        table(
            tmp_path,
            "participant_id wrat age sex bold t1w timeseries repetition_time\n"
            "a 101.5 12 M b.nii.gz t.nii.gz n/a n/a\nb n/a n/a F n/a n/a s.tsv 2\nc 7 9 n/a n/a n/a n/a n/a\n",
        ),
        score="wrat",
    )
    assert [route(row) for row in rows] == ["raw", "timeseries", None]
    assert [row["score"] for row in rows] == [101.5, None, 7.0]
    assert rows[0]["bold"] == str(tmp_path / "b.nii.gz")
    assert rows[1]["age"] is None


def test_inherited_sidecars_are_inputs(tmp_path):
    for name in ("dataset_description.json", "task-nback_bold.json", "sub-01_task-nback_bold.json"):
        (tmp_path / name).touch()
    scan, beside = (str(tmp_path / f"sub-01_task-nback_bold.{end}") for end in ("nii.gz", "json"))
    row = {"participant_id": "sub-01", "bold": scan, "events": "e.tsv"}
    assert scan_inputs(row) == {"bold": scan, "sidecars": [beside, str(tmp_path / "task-nback_bold.json")]}
    (tmp_path / "sub-01_task-nback_bold.json").unlink()
    assert scan_inputs(row)["sidecars"] == [str(tmp_path / "task-nback_bold.json")]
    assert scan_inputs(row, simulated=True)["sidecars"] == [beside]
    assert scan_inputs({"participant_id": "a", "timeseries": "a.tsv"}) == {"timeseries": "a.tsv"}


def test_a_link_keeps_its_name(tmp_path):
    """The name holds the entities of BIDS; DataLad keeps the content elsewhere, under another name."""
    (tmp_path / "content").touch()
    (tmp_path / "sub-01_task-nback_bold.nii.gz").symlink_to(tmp_path / "content")
    path = table(tmp_path, "participant_id score bold\na 1 sub-01_task-nback_bold.nii.gz\n")
    assert scan_stem(read_participants(path)[0]) == "sub-a_task-nback"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id score\na 1\n", "no column participant_id"),
        ("participant_id score\n", "no participants"),
        ("participant_id score\na 1\na 2\n", "line 3: participant_id a is already on line 2"),
        ("participant_id score\n../x 1\n", "line 2: participant_id: '../x' does not match"),
        ("participant_id score\nn/a 1\n", "line 2: participant_id: None is not of type 'string'"),
        ("participant_id score\na high\n", "line 2: score: 'high' is not of type"),
        ("participant_id score\na inf\n", "line 2: score"),
        ("participant_id score sex\na 1 male\n", "line 2: sex: 'male' is not one of"),
        ("participant_id score bold\na 1 none.nii\n", "line 2: bold: no such file"),
        ("participant_id score t1w\na 1 participants.tsv\n", "line 2: t1w without bold"),
        ("participant_id score iq\na 1 2\n", "unknown column iq"),
        ("participant_id score preproc_bold\na 1 participants.tsv\n", "preproc_bold needs confounds"),
        (
            "participant_id score bold timeseries\na 1 participants.tsv participants.tsv\n",
            "bold and timeseries are both given",
        ),
        ("participant_id score timeseries\na 1 participants.tsv\n", "line 2: timeseries needs repetition_time"),
        ("participant_id score genotype_id\na 1 x.1\nb 2 x.1\n", "line 3: genotype_id x.1 is already on line 2"),
        ("participant_id score genotype_id\na 1 0\n", "line 2: genotype_id: '0' should not be valid under"),
        ("participant_id score genotype_id\na 1 x;y\n", "line 2: genotype_id: 'x;y' does not match"),
        ("participant_id score\na 1 3\n4 5 6 7 8\n", "line 3"),
        ("", "the file is empty"),
    ],
)
def test_errors_name_the_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_participants(table(tmp_path, text))


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(InputError, match="is a directory"):
        read_participants(tmp_path)


def test_all_errors_are_listed(tmp_path):
    with pytest.raises(InputError, match="3 errors"):
        read_participants(table(tmp_path, "participant_id score sex\na x M\nb 1 Q\na 3 F\n"))


def test_the_simulated_layout_is_what_the_simulation_writes(tmp_path):
    """Ids and routes known before simulating agree with the table's schema."""
    from gcamccl.simulate import layout

    rows = layout.participants({"n_participants": 5, "n_raw": 2, "repetition_time_s": 3.0}, tmp_path)
    assert [route(row) for row in rows] == ["raw", "raw", "timeseries", "timeseries", "timeseries"]
    assert len({row["genotype_id"] for row in rows}) == 5


def test_the_scan_key_changes_with_what_preprocess_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = {"participant_id": "a", "timeseries": str(tmp_path / "a.tsv"), "repetition_time": 3.0}
    key = scan_key(row)
    assert scan_key({**row, "timeseries": "a.tsv"}) == key  # the same file
    assert scan_key({**row, "score": 7.0, "age": 9.0}) == key
    others = [
        {**row, "repetition_time": 2.0},
        {**row, "timeseries": "b.tsv"},
        {**row, "timeseries": None, "bold": "a.tsv"},
    ]
    assert len({key, *map(scan_key, others)}) == 4
    assert scan_key({"participant_id": "a"}) is None
    assert scan_folder(row) == f"a/{key}"


def test_paths_below_the_working_directory_are_relative(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    assert portable(tmp_path / "project/bids/e.tsv") == portable("bids/e.tsv") == "bids/e.tsv"
    assert portable(tmp_path / "e.tsv") == str(tmp_path / "e.tsv")


def test_who_has_no_events_is_listed():
    require_events({"a": "a.tsv", "b": "b.tsv"}, "people.tsv")
    with pytest.raises(InputError, match=r"people.tsv: .*1 of 2 have none: b; name their tables in the column events"):
        require_events({"a": "a.tsv", "b": None}, "people.tsv")
    with pytest.raises(InputError, match=r"30 of 30 have none: p0, .*, p19 and 10 more"):
        require_events({f"p{number}": None for number in range(30)}, "people.tsv")
