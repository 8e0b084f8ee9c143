"""Public files: fetched from a local server with all its faults, checked, written down, never changed unnoticed."""

import hashlib
import socket

import pytest
import resources_fixture
from resources_fixture import DATA, gets, resource

from gcamccl.resources import fetch, lock, transfer
from gcamccl.workflow.errors import InputError

site, session, run = resources_fixture.site, resources_fixture.session, resources_fixture.run


def test_a_file_is_fetched_checked_and_written_down(site, run):
    site.files["/list"] = DATA
    assert run(resource(site)) == []
    assert (run.folder / "genes/list").read_bytes() == DATA
    assert run.files() == ["genes/list"]
    entry = run.entry("genes/list")
    assert (entry.size, entry.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (entry.checked_by, entry.source) == ("content", f"{site.address}/list")


def test_a_second_run_asks_for_nothing(site, run):
    site.files["/list"] = DATA
    run(resource(site))
    site.asked.clear()
    assert run(resource(site)) == []
    assert site.asked == []


def test_a_cut_connection_is_gone_on_with(site, run):
    site.files["/list"], site.cut_after = DATA, [1000, 500]
    assert run(resource(site)) == []
    assert (run.folder / "genes/list").read_bytes() == DATA
    assert gets(site) == [None, "bytes=1000-", "bytes=1500-"]


def test_a_later_run_goes_on_where_the_earlier_one_gave_up(site, run):
    site.files["/list"], site.cut_after = DATA, [1000] + [0] * transfer.ATTEMPTS
    problem = run(resource(site))[0]
    assert "cut the connection" in str(problem)
    assert run.files() == ["genes/list.part", "genes/list.part.json"]
    site.asked.clear()
    assert run(resource(site)) == []
    assert gets(site) == ["bytes=1000-"]
    assert run.files() == ["genes/list"]
    assert (run.folder / "genes/list").read_bytes() == DATA


@pytest.mark.parametrize("ignore_if_range", [False, True])
def test_a_file_that_changes_meanwhile_is_fetched_anew(site, run, ignore_if_range):
    """Also from servers that give the rest of the new file whatever If-Range says."""
    new = DATA.replace(b"GENE", b"gene")
    site.files["/list"], site.cut_after, site.ignore_if_range = DATA, [1000], ignore_if_range
    site.after_cut = lambda: site.files.update({"/list": new})
    assert run(resource(site)) == []
    assert (run.folder / "genes/list").read_bytes() == new


def test_a_file_that_becomes_shorter_meanwhile_is_fetched_anew(site, run):
    new = DATA.replace(b"GENE", b"G")
    site.files["/list"], site.cut_after = DATA, [len(DATA) - 10]
    site.ignore_if_range = True
    site.after_cut = lambda: site.files.update({"/list": new})
    assert run(resource(site)) == []
    assert (run.folder / "genes/list").read_bytes() == new


@pytest.mark.parametrize("habit", ["ranges", "validators"])
def test_servers_that_cannot_go_on_begin_anew(site, run, habit):
    site.files["/list"], site.cut_after = DATA, [1000]
    setattr(site, habit, False)
    assert run(resource(site)) == []
    assert (run.folder / "genes/list").read_bytes() == DATA


def test_a_server_that_always_breaks_off_is_given_up(site, run):
    site.files["/list"], site.cut_after, site.ranges = DATA, [1000] * 50, False
    assert len(run(resource(site))) == 1
    assert len(gets(site)) == 1 + transfer.ATTEMPTS
    assert "genes/list" not in run.files()


def test_a_part_of_unknown_origin_is_not_used(site, run):
    site.files["/list"] = DATA
    (run.folder / "genes").mkdir(parents=True)
    (run.folder / "genes/list.part").write_bytes(b"x" * 1000)
    assert run(resource(site)) == []
    assert (run.folder / "genes/list").read_bytes() == DATA


def test_a_busy_server_is_asked_again(site, run):
    site.files["/list"], site.status = DATA, {"/list": [503, 429]}
    assert run(resource(site)) == []
    assert len(gets(site)) == 3


def test_a_server_without_head_or_length(site, run):
    site.files["/list"], site.head, site.length = DATA, False, False
    assert run(resource(site)) == []
    assert "1 files of unknown size" in " ".join(run.lines)


def test_a_missing_file_says_so_and_the_others_are_fetched(site, run):
    site.files["/list"] = DATA
    problems = run(resource(site, "genes/other"), resource(site))
    assert [str(problem) for problem in problems] == [
        f"{site.address}/other: the server answers 404 Not Found; its address has changed: find the new one and name it"
        " in resources/downloads.yaml"
    ]
    assert run.files() == ["genes/list"]


def test_no_connection_is_one_line_and_a_host_is_not_asked_twice(run):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    away = resources_fixture.Site()
    away.address = f"http://{host}"
    problems = run(resource(away), resource(away, "genes/other"))
    assert [f"no connection to {host}; give local files instead: resources/README.md" in str(p) for p in problems] == [
        True,
        True,
    ]
    assert all("\n" not in str(problem) for problem in problems)


def test_the_next_address_is_tried(site, run):
    site.files["/list"] = DATA
    urls = (f"{site.address}/gone", f"{site.address}/list")
    assert run(resource(site, urls=urls)) == []
    assert run.entry("genes/list").source == urls[1]


def test_a_wrong_published_md5_leaves_nothing(site, run):
    site.files["/list"] = DATA
    problem = run(resource(site, md5="0" * 32))[0]
    assert "md5 published 00000000000000000000000000000000" in str(problem)
    assert run.files() == []
    assert run(resource(site, md5=hashlib.md5(DATA).hexdigest())) == []
    assert run.entry("genes/list").checked_by == "md5 published"


def test_the_md5_that_google_states_is_compared(site, run):
    site.files["/list"], site.goog_md5 = DATA, {"/list": "0" * 32}
    assert "md5 stated by the server" in str(run(resource(site))[0])
    assert run.files() == []
    site.goog_md5 = {"/list": "right"}
    assert run(resource(site)) == []
    assert run.entry("genes/list").checked_by == "md5 stated by the server"


@pytest.mark.parametrize(
    "line", ["{md5}  list\n", "{md5} *./list\n", "ftp/release/list\tfile\t123\tTue Mar 16 12:00:00 2021\t{md5}\n"]
)
def test_md5s_of_a_published_list(site, run, line):
    other = f"{'1' * 32}  list.tbi\nold/list\tfile\t1\tMon\t{'2' * 32}\n"
    md5 = hashlib.md5(DATA).hexdigest()
    site.files |= {"/ftp/release/list": DATA, "/SUMS": (other + line.format(md5=md5)).encode()}
    published = resource(site, urls=(f"{site.address}/ftp/release/list",), index=f"{site.address}/SUMS")
    assert run(published) == []
    assert run.entry("genes/list").checked_by == "md5 published"
    site.files["/SUMS"] = (other + line.format(md5="3" * 32)).encode()
    (run.folder / "genes/list").unlink()
    assert f"md5 published {'3' * 32}" in str(run(published)[0])


def test_a_published_list_that_cannot_be_had_is_a_warning(site, run):
    site.files["/list"] = DATA
    assert run(resource(site, index=f"{site.address}/SUMS")) == []
    assert any(line.startswith("WARNING: no published checksums") for line in run.lines)
    assert run.entry("genes/list").checked_by == "content"


def test_local_files_are_checked_and_used(site, run):
    (run.folder / "genes").mkdir(parents=True)
    (run.folder / "genes/list").write_bytes(DATA)
    assert run(resource(site, md5=hashlib.md5(DATA).hexdigest())) == []
    assert site.asked == []
    assert run.entry("genes/list").source == "local"


def test_a_damaged_local_file_is_named_and_kept(site, run):
    site.files["/list"] = DATA
    (run.folder / "genes").mkdir(parents=True)
    (run.folder / "genes/list").write_bytes(DATA[: len(DATA) // 2])
    problem = run(resource(site))[0]
    assert "fewer than 3000" in str(problem) and "genes/list" in str(problem)
    assert (run.folder / "genes/list").stat().st_size == len(DATA) // 2
    assert gets(site) == []


def test_a_file_that_changes_on_disk_later_is_refused(site, run):
    site.files["/list"] = DATA
    run(resource(site))
    path = run.folder / "genes/list"
    path.write_bytes(DATA.replace(b"GENE7", b"GENE8"))
    assert "is not the file of" in str(run(resource(site))[0])
    path.write_bytes(DATA)  # another time of modification, the same content
    assert run(resource(site)) == []
    assert run(resource(site), reread=True) == []


def test_a_file_that_changes_at_its_provider_later_is_refused_until_wanted(site, run):
    site.files["/list"] = DATA
    run(resource(site))
    (run.folder / "genes/list").unlink()
    site.files["/list"] = DATA.replace(b"GENE", b"gene")
    problem = run(resource(site))[0]
    assert "remove its line in" in str(problem)
    assert run.files() == []
    (run.folder / lock.NAME).unlink()
    assert run(resource(site)) == []


def test_too_small_a_disk_is_found_before_anything_is_fetched(site, run, monkeypatch):
    site.files["/list"] = DATA
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda folder: type("usage", (), {"free": 1000}))
    with pytest.raises(InputError, match="MB needed, 0 MB free"):
        run(resource(site))
    assert gets(site) == []


def test_a_second_run_into_the_same_folder_waits_outside(site, run, tmp_path):
    (tmp_path / "with a blank").mkdir()
    with fetch._alone(tmp_path / "with a blank"), pytest.raises(InputError, match="another run"):
        run(resource(site))
