"""Public files: fetched from a local server with all its faults, checked, written down, never changed unnoticed."""

import gzip
import hashlib
import io
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import requests
import yaml
from resources_fixture import Site, serving

from gcamccl.resources import content, fetch, lock, manifest, transfer
from gcamccl.resources.archive import unpack
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

DATA = "".join(f"{number} {number + 100} {number + 200} GENE{number}\n" for number in range(3000)).encode()
CHECK = {"kind": "table", "separator": None, "fields": 4, "min_rows": 3000}


@pytest.fixture
def site():
    site = Site()
    with serving(site) as address:
        site.address = address
        yield site


@pytest.fixture
def session(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer, "BLOCK", 100)  # the files here are small
    with requests.Session() as session:
        yield session


def resource(site, file="genes/list", **changes):
    values = {
        "group": "test",
        "file": file,
        "urls": (f"{site.address}/{Path(file).name}",),
        "size_mb": None,
        "md5": None,
        "index": None,
        "check": CHECK,
    }
    return manifest.Resource(**(values | changes))


class Run:
    """Fetches into a folder and keeps what was said."""

    def __init__(self, folder, session):
        self.folder, self.session, self.lines = folder, session, []

    def __call__(self, *wanted, **options):
        self.lines.clear()
        return fetch.fetch_all(wanted, self.folder, self.session, say=self.lines.append, pause_s=0.001, **options)

    def files(self):
        """Files in the folder but for the run's own ones."""
        names = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
        return sorted(set(names) - {lock.NAME, ".running"})

    def entry(self, name):
        return lock.Lock(self.folder).entries[name]


@pytest.fixture
def run(tmp_path, session):
    return Run(tmp_path / "with a blank", session)


def gets(site):
    return [asked[2] for asked in site.asked if asked[0] == "GET"]


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
    away = Site()
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


def packed_tar(members):
    """Bytes of a tar of name -> content; None: a link to /etc/passwd."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(data)
            file.addfile(info, io.BytesIO(data or b""))
    return target.getvalue()


def packed_zip(members):
    """Bytes of a zip of name -> content."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return target.getvalue()


WANTED = manifest.Unpack("Brain_*.txt", "eqtl", 2)
MEMBERS = [("top/Brain_A.txt", DATA), ("top/Liver.txt", b"no"), ("../../Brain_B.txt", DATA)]


@pytest.mark.parametrize("pack", [packed_tar, packed_zip])
def test_the_wanted_members_of_an_archive_are_taken(site, run, pack):
    site.files["/all.tar"] = pack(MEMBERS)
    wanted = resource(site, "all.tar", unpack=WANTED)
    assert run(wanted) == []
    assert run.files() == ["eqtl/Brain_A.txt", "eqtl/Brain_B.txt"]
    assert not list(run.folder.parent.glob("Brain*"))
    site.asked.clear()
    assert run(wanted) == [] and site.asked == []


def test_an_archive_that_is_here_already_is_used_and_kept(site, run):
    run.folder.mkdir()
    (run.folder / "all.tar").write_bytes(packed_tar(MEMBERS))
    assert run(resource(site, "all.tar", unpack=WANTED)) == []
    assert run.files() == ["all.tar", "eqtl/Brain_A.txt", "eqtl/Brain_B.txt"]
    assert site.asked == []


def test_one_member_under_another_name(site, run):
    site.files["/sets.zip"] = packed_zip([("ReactomePathways.gmt", DATA)])
    wanted = manifest.Unpack("ReactomePathways.gmt", "sets/Reactome.gmt", 1, rename=True)
    assert run(resource(site, "sets/sets.zip", unpack=wanted)) == []
    assert run.files() == ["sets/Reactome.gmt"]


def test_hostile_archives_write_nowhere_else(tmp_path):
    (tmp_path / "in").mkdir()
    outside = tmp_path / "outside"
    archive = tmp_path / "a.tar"
    archive.write_bytes(
        packed_tar([(f"{outside}/Brain_A.txt", b"a"), ("..\\..\\Brain_B.txt", b"b"), ("Brain_C.txt", None)])
    )
    files = unpack(archive, WANTED, tmp_path / "in")
    assert [file.name for file in files] == ["Brain_A.txt", "Brain_B.txt"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["Brain_A.txt", "Brain_B.txt", "a.tar", "in"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (packed_tar(MEMBERS)[:3000], "damaged or cut off"),
        (packed_zip(MEMBERS)[:-40], "neither a tar nor a zip"),
        (packed_zip(MEMBERS).replace(DATA[:0] + packed_zip(MEMBERS)[60:80], b"\0" * 20, 1), "damaged"),
        (b"<html>login</html>", "neither a tar nor a zip"),
        (packed_tar([*MEMBERS, ("other/Brain_A.txt", b"again")]), "twice"),
        (packed_tar(MEMBERS[:2]), "holds 1 files"),
        (packed_tar([("Brain_A.txt", DATA), ("Brain_B.txt", DATA[:500])]), "fewer than 3000"),
    ],
)
def test_a_bad_archive_leaves_nothing(site, run, data, says):
    site.files["/all.tar"] = data
    assert says in str(run(resource(site, "all.tar", unpack=WANTED))[0])
    assert run.files() == []


def gz(text):
    return gzip.compress(text.encode())


BGZF_END = content.BGZF_END
VCF = (
    "##fileformat=VCFv4.1\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n"
    "{}\t1\t.\tA\tC\t.\t.\t.\tGT\t{}\t0|1\n"
)
GCT = "#1.2\n3\t1\nName\tDescription\tBrain - Cortex\nx\ty\t1\n"


@pytest.mark.parametrize(
    ("name", "data", "expected", "says"),
    [
        ("a.gct.gz", gz(GCT), {"starts": "#1.2", "header": 3, "columns": ["Name"], "min_rows": 1}, None),
        ("a.gct.gz", gz(GCT), {"starts": "#1.2", "header": 3, "columns": ["Name"], "min_rows": 2}, "1 rows"),
        ("a.gct.gz", gz(GCT), {"header": 3, "columns": ["gene_id"], "min_rows": 1}, "no column gene_id"),
        ("a.gct.gz", gz("<html>"), {"starts": "#1.2", "min_rows": 1}, "first line is '<html>'"),
        ("a.txt.gz", gz("a\tb\n1\t2\n")[:-9], {"columns": ["a"], "min_rows": 1}, "damaged or cut off"),
        ("a.txt.gz", gz("a\n1\n")[:12] + b"~~~~~~~~" + gz("a\n1\n")[12:], {"min_rows": 1}, "damaged or cut off"),
        ("a.txt.gz", b"a\tb\n1\t2\n", {"columns": ["a"], "min_rows": 1}, "not a gzip file"),
        ("a.txt", b"a\tb\n1\t2", {"columns": ["a"], "min_rows": 1}, None),
        ("a.txt", b"", {"min_rows": 0}, "empty"),
        ("a.txt", b"\n <!DOCTYPE html><p>log in", {"min_rows": 0}, "web page"),
        ("a.txt", b"#!x\n1\t2\t3\n", {"comment": "#", "fields": 3, "min_rows": 1}, None),
        ("a.txt", b"#!x\n1\t2\n", {"comment": "#", "fields": 3, "min_rows": 1}, "2 fields"),
        ("a.txt", b"\xff\xfe\n", {"min_rows": 1}, "not text"),
        ("a.gmt", b"set\t\tGENE\n", {"min_fields": 3, "min_rows": 1}, None),
        ("a.gmt", b"set,GENE\n", {"min_fields": 3, "min_rows": 1}, "1 fields"),
        ("a.parquet", b"PAR1 no parquet", {"kind": "parquet"}, "not a whole Parquet file"),
        ("a.vcf.gz", gz(VCF.format(22, "0|0")) + BGZF_END, {"kind": "vcf"}, None),
        ("a.vcf.gz", gz(VCF.format("chr22", "0|0")) + BGZF_END, {"kind": "vcf"}, None),
        ("a.vcf.gz", gz(VCF.format(21, "0|0")) + BGZF_END, {"kind": "vcf"}, "chromosome '21', not 22"),
        ("a.vcf.gz", gz(VCF.format(22, "0/0")) + BGZF_END, {"kind": "vcf"}, "not phased"),
        ("a.vcf.gz", gz(VCF.format(22, "0|0")), {"kind": "vcf"}, "end mark"),
        ("a.vcf.gz", gz(VCF.format(22, "0|0"))[:-4] + BGZF_END, {"kind": "vcf"}, "damaged or cut off"),
        ("a.vcf.gz", gz(VCF.format(22, "0|0")) + BGZF_END, {"kind": "vcf", "min_samples": 3}, "2 people"),
        ("a.vcf.gz", gz("##other\n"), {"kind": "vcf"}, "not a VCF"),
        ("a.vcf.gz", b"plain", {"kind": "vcf"}, "damaged or cut off"),
    ],
)
def test_content(tmp_path, name, data, expected, says):
    (tmp_path / name).write_bytes(data)
    expected = {"kind": "table", "chrom": 22, "min_samples": 2} | expected
    if says is None:
        content.check(tmp_path / name, expected)
    else:
        with pytest.raises(InputError, match=says):
            content.check(tmp_path / name, expected)


def test_a_parquet_file(tmp_path):
    import pandas as pd

    path = tmp_path / "a.parquet"
    pd.DataFrame({"variant_id": ["a", "b"]}).to_parquet(path)
    expected = {"kind": "parquet", "columns": ["variant_id"], "min_rows": 2}
    content.check(path, expected)
    with pytest.raises(InputError, match="fewer than 3"):
        content.check(path, expected | {"min_rows": 3})
    with pytest.raises(InputError, match="no column gene_id"):
        content.check(path, expected | {"columns": ["gene_id"]})
    path.write_bytes(b"PAR1" + b"\0" * 30 + b"PAR1")
    with pytest.raises(InputError, match="damaged"):
        content.check(path, expected)


def test_the_manifest_that_is_shipped():
    sets = manifest.read_manifest()
    every = manifest.resources(sets, list(sets), range(1, 23))
    assert len({item.file for item in every}) == len(every)
    places = [item.unpack.to if item.unpack and item.unpack.rename else item.file for item in every]
    assert len({Path(place).name.split(".")[0] for place in places if "gene_sets" in place}) == 3  # sources' names
    assert all(url.startswith("https://") for item in every for url in item.urls)
    assert all(item.md5 is None or len(item.md5) == 32 for item in every)
    by_chrom = {item.chrom: item.md5 for item in every if item.group == "panel"}
    assert sorted(by_chrom) == list(range(1, 23)) and by_chrom[1] != by_chrom[10] and by_chrom[2] is None
    readme = (ROOT / "resources/README.md").read_text()
    assert all(f"`{name}`" in readme for name in sets)


def test_the_configuration_names_sets_that_exist_and_covers_the_study():
    from gcamccl.workflow.config import PAPER, read_yaml

    sets = manifest.read_manifest()
    chosen = read_yaml(PAPER)["resources"]["sets"]
    assert chosen == manifest.choose(sets)
    study = yaml.safe_load(manifest.study_lines(sets, chosen, "resources/downloaded"))["study"]
    paths = {
        "reference_panel",
        "genetic_map",
        "gtex_eqtl",
        "gtex_lookup",
        "gtex_expression",
        "gene_bodies",
        "gene_sets",
    }
    assert set(study) == paths
    assert study["reference_panel"].count("{chrom}") == 1 and len(study["gene_sets"]) == 3


def test_study_lines_are_yaml_whatever_the_folder(tmp_path):
    sets = manifest.read_manifest()
    for folder in ("a b/c: #d", 'say "x"', "ü{}", "back\\slash", "-x"):
        text = manifest.study_lines(sets, ["gene_sets", "gtex_v8", "gtex_v10"], folder)
        study = yaml.safe_load(text)["study"]
        assert study["gtex_eqtl"] == f"{folder}/gtex_v8/eqtl"
        assert study["gene_sets"][0] == f"{folder}/gene_sets/Reactome.gmt"
    assert "# or gtex_eqtl" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"file": "../x"}, "leaves the folder"),
        ({"file": "/x"}, "leaves the folder"),
        ({"urls": ["file:///etc/passwd"]}, "not an http"),
        ({"nonsense": 1}, "expected in each of files"),
    ],
)
def test_a_bad_manifest(tmp_path, change, says):
    sets = yaml.safe_load(manifest.MANIFEST.read_text())
    sets["gene_bodies"]["files"][0].update(change)
    path = tmp_path / "downloads.yaml"
    path.write_text(yaml.safe_dump(sets))
    with pytest.raises(InputError, match=says):
        manifest.read_manifest(path)


def test_an_unknown_set_is_named():
    with pytest.raises(InputError, match="no set gtex_v9; known: gtex_v8"):
        manifest.choose(manifest.read_manifest(), ["gtex_v9"])


def program(*words):
    return subprocess.run(
        [sys.executable, ROOT / "workflow/scripts/resources.py", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program(site, tmp_path):
    """From the list to the lines for the configuration, and its exit status where something is amiss."""
    sets = {"genes": yaml.safe_load(manifest.MANIFEST.read_text())["gene_bodies"]}
    sets["genes"]["files"][0] |= {"urls": [f"{site.address}/list"], "check": CHECK}
    path = tmp_path / "downloads.yaml"
    path.write_text(yaml.safe_dump(sets))
    failed = program("--manifest", path, "--to", tmp_path / "out")
    assert failed.returncode == 2 and failed.stderr.count("ERROR: ") == 1 and "404" in failed.stderr
    site.files["/list"] = DATA
    done = program("--manifest", path, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert f"gene_bodies: {tmp_path / 'out'}/genes/glist-hg19" in done.stdout
    assert "Please cite" in done.stdout


def test_the_program_lists_the_sets():
    done = program("--list")
    assert done.returncode == 0 and "gtex_v10  (not by default)" in done.stdout


SHARED = ROOT.parent / "shared/data"


@pytest.mark.skipif(not SHARED.exists(), reason="public test data (../shared/data) not there")
@pytest.mark.parametrize(
    ("group", "file", "name"),
    [("gene_bodies", "genes/glist-hg19", None), ("gene_bodies_magma", "genes/NCBI37.3.gene.loc", None)],
)
def test_real_files_pass_their_checks(group, file, name):
    entry = manifest.resources(manifest.read_manifest(), [group], [22])[0]
    content.check(SHARED / file, entry.check)


def snakemake(folder, *words):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--snakefile",
        ROOT / "Snakefile",
        "--directory",
        folder,
    ]
    return subprocess.run([*command, *words], capture_output=True, text=True, check=False)


def test_the_rule_needs_no_study_and_takes_local_files(tmp_path):
    config = ["--config", "resources={folder: 'public files', sets: [gene_bodies]}"]
    failed = snakemake(tmp_path, "resources", "--config", "resources={folder: 'public files', sets: [nonsense]}")
    assert failed.returncode == 1
    assert failed.stderr.rstrip().count("ERROR: resources: no set nonsense") == 1
    (tmp_path / "public files/genes").mkdir()
    (tmp_path / "public files/genes/glist-hg19").write_bytes(DATA * 7)
    done = snakemake(tmp_path, "resources", *config)
    assert done.returncode == 0, done.stderr
    assert 'gene_bodies: "public files/genes/glist-hg19"' in done.stdout
    assert not (tmp_path / "results").exists()


def test_a_study_never_fetches(tmp_path):
    """Not even where files of it are missing: the rule makes no file that another rule needs."""
    planned = snakemake(tmp_path, "--dry-run", "--quiet", "rules", "--configfile", ROOT / "config/demo.yaml")
    assert planned.returncode == 0, planned.stderr
    assert "simulate_study" in planned.stdout and "resources" not in planned.stdout.split("Job stats")[1]
