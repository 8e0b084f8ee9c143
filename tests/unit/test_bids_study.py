"""`gcamccl study`: the participants table from BIDS datasets and fMRIPrep outputs."""

import pytest
from bids_fixture import DESCRIPTION, GENERATIONS, fmriprep_person, person, write

from gcamccl.cli import main
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.study import read_participants, route


@pytest.fixture
def root(tmp_path):
    """A dataset of two people with one scan each, and one who is only in the table."""
    people = "participant_id age sex site wrat\nsub-02 11 male A 88\nsub-01 14.2 F B 104\nsub-03 9 O n/a n/a\n"
    return write(tmp_path / "bids", DESCRIPTION, *person("01"), *person("02"), participants=people)


@pytest.fixture
def study(tmp_path, capsys):
    """Runs the command; returns the table by person, and what was printed."""

    def run(*words, score="score", out=None):
        out = out or tmp_path / "participants.tsv"
        main(["study", "--out", str(out), *map(str, words)])
        rows = read_participants(out, score)
        return {row["participant_id"]: row for row in rows}, capsys.readouterr().out

    return run


@pytest.fixture
def refused(tmp_path, capsys):
    """Runs the command, which must fail as on wrong input and leave no table; returns the error line."""

    def run(*words):
        out = tmp_path / "participants.tsv"
        with pytest.raises(SystemExit) as caught:
            main(["study", "--out", str(out), *map(str, words)])
        error = capsys.readouterr().err
        assert caught.value.code == 2 and not out.exists() and not list(tmp_path.glob(".partial-*"))
        assert error.startswith("ERROR: ") and error.count("\n") == 1
        return error

    return run


# Raw scans


def test_raw_scans_become_a_table(root, study, tmp_path):
    rows, said = study("--bids", root, "--score", "wrat", score="wrat")
    assert list(rows) == ["sub-02", "sub-01", "sub-03"]
    assert [route(row) for row in rows.values()] == ["raw", "raw", None]
    assert rows["sub-01"]["bold"] == str(root / "sub-01/func/sub-01_task-nback_bold.nii.gz")
    assert rows["sub-01"]["t1w"] == str(root / "sub-01/anat/sub-01_T1w.nii.gz")
    values = [rows["sub-01"][key] for key in ("score", "age", "sex", "site")]
    assert values == [104, 14.2, "F", "B"]
    assert [row["sex"] for row in rows.values()] == ["M", "F", None]
    assert "sex is not M, F, male or female, taken as n/a: 'O' (1)" in said
    assert f"sub-03: no scan: no folder {root / 'sub-03'}" in said
    assert "raw: 2" in said and "task: nback (2)" in said and "score: wrat" in said
    assert f"score: column wrat of {root / 'participants.tsv'}, 2 of 3 people have one" in said


def test_the_table_can_be_moved_with_the_data(root, study, tmp_path):
    (tmp_path / "tables").mkdir()
    for out in (tmp_path / "participants.tsv", tmp_path / "tables/participants.tsv"):
        study("--bids", root, out=out)
    moved = tmp_path.with_name(tmp_path.name + "-moved")
    tmp_path.rename(moved)
    try:
        for table in (moved / "participants.tsv", moved / "tables/participants.tsv"):
            row = read_participants(table)[0]
            assert row["bold"] == str(moved / "bids/sub-02/func/sub-02_task-nback_bold.nii.gz")
    finally:
        moved.rename(tmp_path)


def test_far_files_are_named_in_full(root, study, tmp_path):
    out = tmp_path / "a/b/participants.tsv"
    study("--bids", root, out=out)
    assert f"\t{root}/sub-01/func/" in out.read_text()


def test_a_missing_t1w_is_told(root, study):
    (root / "sub-01/anat/sub-01_T1w.nii.gz").unlink()
    rows, said = study("--bids", root)
    assert rows["sub-01"]["t1w"] is None and rows["sub-02"]["t1w"]
    assert "sub-01: raw: no T1w scan: its BOLD is registered straight to a template" in said


def test_sessions_are_not_chosen_from(root, study, refused):
    write(root, *person("04", "1"), *person("04", "2"), *person("05", "2"))
    error = refused("--bids", root)
    assert "sub-04" in error and "2 BOLD scans (ses: 1, 2)" in error and "choose with --session VALUE" in error
    rows, said = study("--bids", root, "--session", "ses-2")
    assert rows["sub-04"]["bold"].endswith("ses-2/func/sub-04_ses-2_task-nback_bold.nii.gz")
    assert rows["sub-04"]["t1w"].endswith("ses-2/anat/sub-04_ses-2_T1w.nii.gz")
    assert route(rows["sub-01"]) is None
    assert "sub-01: no scan: no BOLD scan with ses=2 among sub-01_task-nback_bold.nii.gz" in said


def test_people_of_different_sessions_are_told(root, study):
    write(root, *person("04", "1"))
    assert "ses: 1 (1), n/a (2)" in study("--bids", root)[1]


def test_runs_are_numbers(root, study, refused):
    write(root, *person("04", run="01"), *person("04", run="02", t1w=False), *person("05", run="1"))
    assert "(run: 01, 02); choose with --run VALUE" in refused("--bids", root)
    rows, _ = study("--bids", root, "--run", "1")
    assert [name for name, row in rows.items() if route(row)] == ["sub-04", "sub-05"]
    assert "_run-01_" in rows["sub-04"]["bold"]


def test_all_that_differs_is_named_at_once(root, refused):
    names = [
        f"sub-01/func/sub-01_task-{task}_acq-{acq}_bold.nii.gz" for task in ("nback", "rest") for acq in ("a", "b")
    ]
    error = refused("--bids", write(root, *names))
    assert "5 BOLD scans (task: nback, rest; acq: a, b, n/a)" in error
    assert "choose with --task VALUE, --entity acq=VALUE" in error


def test_names_without_an_entity_can_be_asked_for(root, study):
    write(root, "sub-01/func/sub-01_task-nback_acq-fast_bold.nii.gz")
    rows, _ = study("--bids", root, "--entity", "acquisition=n/a")
    assert rows["sub-01"]["bold"].endswith("sub-01_task-nback_bold.nii.gz")


def test_tasks_are_not_mixed_between_people(root, study, refused):
    write(root, *person("04", task="rest"))
    assert "scans of different tasks (nback: sub-02, sub-01; rest: sub-04)" in refused("--bids", root)
    rows, _ = study("--bids", root, "--task", "rest")
    assert [name for name, row in rows.items() if route(row)] == ["sub-04"]


def test_nobody_fits(root, refused):
    error = refused("--bids", root, "--task", "rest")
    assert "nobody has a scan that fits" in error and "sub-02_task-nback_bold.nii.gz" in error


def test_t1ws_are_not_chosen_from(root, study, refused):
    write(root, "sub-01/anat/sub-01_run-1_T1w.nii.gz", "sub-01/anat/sub-01_run-2_T1w.nii.gz")
    assert "3 T1w scans (run: 1, 2, n/a); choose with --t1w run=VALUE" in refused("--bids", root)
    rows, said = study("--bids", root, "--t1w", "run=2")
    assert rows["sub-01"]["t1w"].endswith("sub-01_run-2_T1w.nii.gz")
    assert "sub-02: raw: no T1w scan with run=2 among sub-02_T1w.nii.gz" in said


def test_the_only_t1w_may_be_of_another_session(root, study, refused):
    write(root, *person("04", "2", t1w=False), "sub-04/ses-1/anat/sub-04_ses-1_T1w.nii.gz")
    rows, said = study("--bids", root)
    assert rows["sub-04"]["t1w"].endswith("sub-04_ses-1_T1w.nii.gz")
    assert "sub-04: raw: its T1w is of another session, sub-04_ses-1_T1w.nii.gz" in said


def test_two_files_of_one_scan_are_refused(root, refused):
    write(root, "sub-01/func/sub-01_task-nback_bold.nii")
    assert "sub-01_task-nback_bold.nii, sub-01_task-nback_bold.nii.gz: BOLD scans with the same entities" in refused(
        "--bids", root
    )


def test_content_that_is_not_here_is_refused(root, refused):
    scan = root / "sub-01/func/sub-01_task-nback_bold.nii.gz"
    scan.unlink()
    scan.symlink_to(".git/annex/objects/nothing.nii.gz")
    assert "a link to a file that is not here; fetch it (datalad get" in refused("--bids", root)


def test_links_keep_their_names(root, study, tmp_path):
    scan = root / "sub-01/func/sub-01_task-nback_bold.nii.gz"
    (tmp_path / "objects").mkdir()
    scan.rename(tmp_path / "objects/MD5E-s0.nii.gz")
    scan.symlink_to(tmp_path / "objects/MD5E-s0.nii.gz")
    assert study("--bids", root)[0]["sub-01"]["bold"] == str(scan)


def test_events_are_inherited(root, study, refused):
    write(root, "task-nback_events.tsv", "task-rest_events.tsv", "sub-02/func/sub-02_task-nback_events.tsv")
    rows, said = study("--bids", root)
    assert rows["sub-01"]["events"] == str(root / "task-nback_events.tsv")
    assert rows["sub-02"]["events"] == str(root / "sub-02/func/sub-02_task-nback_events.tsv")
    assert rows["sub-03"]["events"] is None and "events tables: 2" in said


def test_events_that_contradict_are_refused(root, refused):
    write(root, "task-nback_events.tsv", "sub-04/func/sub-04_task-nback_dir-AP_bold.nii.gz", "dir-AP_events.tsv")
    assert "dir-AP_events.tsv and task-nback_events.tsv both apply to sub-04_task-nback_dir-AP" in refused(
        "--bids", root
    )


# fMRIPrep


@pytest.mark.parametrize("generation", GENERATIONS)
def test_fmriprep_alone(tmp_path, study, generation):
    derived = write(tmp_path / "fmriprep", *fmriprep_person("01", generation), *fmriprep_person("02", generation))
    write(
        derived,
        "sub-01.html",
        "sub-01/func/sub-01_task-nback_space-T1w_desc-preproc_bold.nii.gz",
        "sub-01/func/sub-01_task-nback_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz",
        "sub-01/func/sub-01_task-nback_bold_space-MNI152NLin2009cAsym_variant-smoothAROMAnonaggr_preproc.nii.gz",
    )
    rows, said = study("--fmriprep", derived)
    folder = derived / "sub-01/func"
    scan, confounds = (str(folder / f"sub-01_task-nback{end}") for end in GENERATIONS[generation])
    assert (rows["sub-01"]["preproc_bold"], rows["sub-01"]["confounds"]) == (scan, confounds)
    assert "fmriprep: 2" in said and "space: MNI152NLin2009cAsym (2)" in said


def test_fmriprep_spaces_and_resolutions_are_not_chosen_from(tmp_path, study, refused):
    derived = write(tmp_path / "fmriprep", *fmriprep_person("01"))
    write(
        derived,
        "sub-01/func/sub-01_task-nback_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz",
        "sub-01/func/sub-01_task-nback_space-MNI152NLin6Asym_res-2_desc-preproc_bold.nii.gz",
    )
    error = refused("--fmriprep", derived)
    assert "space: MNI152NLin2009cAsym, MNI152NLin6Asym; res: 2, n/a" in error
    assert "choose with --space VALUE, --entity res=VALUE" in error
    rows, _ = study("--fmriprep", derived, "--space", "MNI152NLin6Asym", "--entity", "res=2")
    assert rows["sub-01"]["preproc_bold"].endswith("_space-MNI152NLin6Asym_res-2_desc-preproc_bold.nii.gz")
    assert rows["sub-01"]["confounds"].endswith("_desc-confounds_timeseries.tsv")


def test_fmriprep_output_is_not_taken_for_raw_scans(tmp_path, refused):
    assert "nobody has a scan that fits; e.g. sub-01: no BOLD scan" in refused(
        "--bids", write(tmp_path / "fmriprep", *fmriprep_person("01"))
    )


def test_spaces_are_not_mixed_between_people(tmp_path, refused):
    derived = write(tmp_path / "fmriprep", *fmriprep_person("01"))
    write(derived, *(name.replace("2009c", "6") for name in fmriprep_person("02")))
    assert "scans of different spaces" in refused("--fmriprep", derived)


def test_confounds_are_of_the_same_run(tmp_path, study):
    derived = tmp_path / "fmriprep"
    write(derived, *(name.replace("nback", "nback_run-1") for name in fmriprep_person("01")))
    write(derived, *(name.replace("nback", "nback_run-2") for name in fmriprep_person("01")[:1]), *fmriprep_person("2"))
    rows, _ = study("--fmriprep", derived, "--run", "1")
    assert rows["sub-01"]["confounds"].endswith("_run-1_desc-confounds_timeseries.tsv")
    with pytest.raises(SystemExit):
        study("--fmriprep", derived, "--run", "2", "--force")


def test_scans_without_confounds_are_no_scans(tmp_path, study):
    derived = write(tmp_path / "fmriprep", *fmriprep_person("01"), *fmriprep_person("02")[:1])
    rows, said = study("--fmriprep", derived)
    assert route(rows["sub-02"]) is None
    assert "sub-02: no scan: no confounds table of fMRIPrep for sub-02_task-nback_space" in said


def test_echoes_share_a_confounds_table(tmp_path, study, refused):
    derived = write(tmp_path / "fmriprep", *fmriprep_person("01"))
    write(derived, "sub-01/func/sub-01_task-nback_echo-1_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz")
    assert "(echo: 1, n/a); choose with --entity echo=VALUE" in refused("--fmriprep", derived)
    rows, _ = study("--fmriprep", derived, "--entity", "echo=1")
    assert rows["sub-01"]["confounds"].endswith("sub-01_task-nback_desc-confounds_timeseries.tsv")


def test_fmriprep_comes_before_raw(root, study, tmp_path):
    derived = write(root / "derivatives/fmriprep", DESCRIPTION, *fmriprep_person("01"))
    write(root, "task-nback_events.tsv")
    rows, said = study("--bids", root, "--fmriprep", derived, "--space", "MNI152NLin2009cAsym")
    assert [route(row) for row in rows.values()] == ["raw", "fmriprep", None]
    assert rows["sub-01"]["events"] == str(root / "task-nback_events.tsv")
    assert rows["sub-01"]["age"] == 14.2
    assert "fmriprep: 1" in said and "raw: 1" in said and "NOTE: two routes in one study" in said
    assert f"sub-02: raw: not from fMRIPrep (no folder {derived / 'sub-02'})" in said


# Tables


def test_phenotype_tables_come_first(root, study, tmp_path):
    pheno = write(tmp_path, wrat="participant_id wrat iid\n01 7 1001\nsub-02 8 1002\nsub-99 9 1099\n") / "wrat.tsv"
    rows, said = study(
        "--bids", root, "--phenotype", pheno, "--score", "wrat", "--genotype-id", "iid", "--column", "site=n/a",
        score="wrat",
    )  # fmt: skip
    assert [(row["score"], row["genotype_id"]) for row in rows.values()] == [(8, "1002"), (7, "1001"), (None, None)]
    assert {row["site"] for row in rows.values()} == {None} and rows["sub-01"]["age"] == 14.2
    assert f"{pheno}: 1 people are not in the data set: sub-99" in said


def test_phenotype_tables_of_several_sessions(root, study, refused, tmp_path):
    write(root, *person("04", "2"))
    text = "participant_id session_id wrat\nsub-04 ses-1 7\nsub-04 ses-2 8\n"
    pheno = write(tmp_path, wrat=text) / "wrat.tsv"
    words = "--bids", root, "--phenotype", pheno, "--score", "wrat"
    assert "line 3: sub-04 is already on line 2; give --session" in refused(*words)
    assert study(*words, "--session", "2", score="wrat")[0]["sub-04"]["score"] == 8


def test_a_score_may_be_called_like_another_column(root, study):
    rows, said = study("--bids", root, "--score", "age")
    assert (rows["sub-01"]["score"], rows["sub-01"]["age"]) == (14.2, 14.2) and "    score: score" in said


def test_columns_under_other_names(root, study):
    write(root, participants="participant_id gender age\nsub-01 f 89+\n")
    rows, said = study("--bids", root, "--column", "sex=gender")
    assert (rows["sub-01"]["sex"], rows["sub-01"]["age"]) == ("F", None)
    assert "age is not a number, taken as n/a: '89+' (1)" in said


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("participant_id iq\nsub-01 1\n", ["--score", "wrat"], "no column wrat for --score; participants.tsv has"),
        ("participant_id iq\nsub-01 1\n", ["--genotype-id", "iid"], "participants.tsv has participant_id, iq"),
        ("participant_id wrat\nsub-01 high\n", ["--score", "wrat"], "line 2: wrat: 'high' is not of type"),
        ("participant_id iid\nsub-01 a/b\n", ["--genotype-id", "iid"], "line 2: iid: 'a/b' does not match"),
        ("participant_id site\nsub-01 A+B\n", [], "line 2: site: 'A+B' does not match"),
        ("participant_id\nsub-../x\n", [], "line 2: participant_id 'sub-../x' is not sub- with letters"),
        ("participant_id\nsub-01\nsub-01\n", [], "line 3: sub-01 is already on line 2"),
        ("id\nsub-01\n", [], "no column participant_id"),
        ("participant_id\nsub-01\n", ["--space", "MNI152NLin6Asym"], "space is of fMRIPrep's files only"),
        ("participant_id\nsub-01\n", ["--task", "a", "--entity", "task=b"], "task is given as a and as b"),
        ("participant_id\nsub-01\n", ["--task", "a_b"], "'task=a_b' is not KEY=VALUE"),
        ("participant_id\nsub-01\n", ["--phenotype", "none.tsv"], "none.tsv: no such file"),
        ("participant_id\nsub-01\n", ["--fmriprep", "none"], "none: no such folder"),
    ],
)
def test_wrong_tables_and_options_are_refused(root, refused, text, words, message):
    write(root, participants=text)
    assert message in refused("--bids", root, *words)


def test_folders_without_people_are_refused(root, refused, tmp_path):
    assert f"no folder sub-* in it; perhaps {root} is meant" in refused("--bids", tmp_path)
    assert "neither --bids nor --fmriprep is given" in refused()


def test_a_table_is_not_replaced_without_force(root, study, tmp_path, capsys):
    out = tmp_path / "participants.tsv"
    out.write_text("mine")
    with pytest.raises(SystemExit) as caught:
        study("--bids", root)
    assert caught.value.code == 2 and out.read_text() == "mine"
    assert f"ERROR: {out}: exists already; give another --out, or --force" in capsys.readouterr().err
    assert "sub-01" in study("--bids", root, "--force")[0]


def test_the_own_table_of_a_dataset_is_never_replaced(root, study, capsys):
    before = (root / "participants.tsv").read_text()
    with pytest.raises(SystemExit):
        study("--bids", root, "--force", out=root / "participants.tsv")
    assert "is a table of the data set" in capsys.readouterr().err
    assert (root / "participants.tsv").read_text() == before


def test_a_dataset_without_description_is_told(root, study):
    assert "has no dataset_description.json" not in study("--bids", root)[1]
    (root / DESCRIPTION).unlink()
    assert "has no dataset_description.json" in study("--bids", root, "--force")[1]


def test_a_table_that_the_pipeline_would_refuse_is_not_left(root, tmp_path, monkeypatch, refused):
    from gcamccl.workflow import bids_study

    def refuse(path, score):
        raise InputError(path, "wrong")

    monkeypatch.setattr(bids_study, "read_participants", refuse)
    assert refused("--bids", root) == f"ERROR: {tmp_path / 'participants.tsv'}: wrong\n"


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["study", "--help"])
    assert caught.value.code == 0
    assert "gcamccl study --bids data/bids --task nback --score wrat --out" in capsys.readouterr().out
