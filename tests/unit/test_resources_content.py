"""Public files: archives, contents, the manifest, the program and the rule."""

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import resources_fixture
import yaml
from resources_fixture import CHECK, DATA, resource

from gcamccl.resources import content, manifest
from gcamccl.resources.archive import unpack
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

site, session, run = resources_fixture.site, resources_fixture.session, resources_fixture.run


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
    return gzip.compress(text.encode(), mtime=0)  # tests are named by their data: the same in every process


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
