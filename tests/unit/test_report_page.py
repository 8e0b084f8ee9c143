"""The page: built by its program, self-contained, and working in a browser."""

import json
import re
import resource
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_fixture import arguments, comparison, make_study
from report_fixture_results import EVIL
from safetensors.numpy import load_file, save_file

from gcamccl.report.collect import OF_MODALITY
from gcamccl.report.figure_list import FIGURES
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.files import read_tsv, write_tsv

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = """
<script>
(function () {
  const out = { errors: window.seenErrors };
  const table = document.getElementById("t-enrichment_low");
  const column = 4;
  const heading = table.tHead.rows[0].cells[column];
  const cell = function (row) { return row.cells[column].textContent; };
  const values = function () { return Array.from(table.tBodies[0].rows).map(cell); };
  heading.querySelector("button").click();
  out.up = values(); out.upSort = heading.getAttribute("aria-sort");
  heading.querySelector("button").click();
  out.down = values(); out.downSort = heading.getAttribute("aria-sort");
  const bar = table.closest(".scroll").previousElementSibling;
  const input = bar.querySelector("input");
  input.value = "planted"; input.dispatchEvent(new Event("input"));
  out.shown = Array.from(table.tBodies[0].rows).filter(function (r) { return !r.hidden; }).length;
  out.status = bar.querySelector("[role=status]").textContent;
  const make = URL.createObjectURL;
  URL.createObjectURL = function (blob) { out.blobSize = blob.size; return make.call(URL, blob); };
  HTMLAnchorElement.prototype.click = function () { out.saved = this.download; };
  bar.querySelector("button").click();
  const images = Array.from(document.images);
  out.images = images.filter(function (i) { return i.complete && i.naturalWidth > 300; }).length;
  out.wide = document.documentElement.scrollWidth > window.innerWidth;
  const box = document.createElement("pre");
  box.id = "probe"; box.textContent = JSON.stringify(out);
  document.body.appendChild(box);
})();
</script>
"""
WATCH = """<script>window.seenErrors = [];
window.addEventListener("error", function (e) { window.seenErrors.push(String(e.message)); });
window.addEventListener("securitypolicyviolation", function (e) { window.seenErrors.push(e.blockedURI); });</script>"""


def build(root, **kwargs):
    """Run the program on a made-up study; returns its output folder and the CPU seconds it took."""
    folders = make_study(root / "in", **kwargs)
    command = [sys.executable, str(ROOT / "workflow" / "scripts" / "report.py"), *arguments(folders)]
    start = cpu_seconds()
    done = subprocess.run([*command, "--out", str(root / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "out", cpu_seconds() - start


def cpu_seconds():
    """CPU time of the programs run so far: unlike the wall time it does not depend on what else the machine does."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return build(tmp_path_factory.mktemp("report"))


class Page(HTMLParser):
    """Collects what a page refers to, its ids and its pictures."""

    def __init__(self, text):
        super().__init__()
        self.references, self.ids, self.pictures, self.scripts = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.references += [attrs[name] for name in ("src", "href", "srcset", "data", "action") if attrs.get(name)]
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.scripts += tag == "script"
        if tag == "img":
            self.pictures.append(attrs)


def test_page_is_quick_small_and_complete(report):
    out, seconds = report
    assert seconds < 60
    assert (out / "report.html").stat().st_size < 15e6
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    assert len(page.pictures) == len(FIGURES)
    assert all(picture["alt"] for picture in page.pictures)
    for name, (stage, _) in FIGURES.items():
        assert f"f-{name}" in page.ids
        assert stage in page.ids
        assert (out / "figures" / f"{name}.png").stat().st_size > 2000
        assert (out / "figures" / f"{name}.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize("modality", ["connectivity", "snps"])
def test_a_study_of_one_modality_has_a_page_without_gaps(tmp_path, modality):
    """No section, figure, table, sentence or method of a modality that the study lacks; everything else as usual."""
    folders = make_study(tmp_path / "in")
    one_modality(folders, modality)
    command = [sys.executable, str(ROOT / "workflow" / "scripts" / "report.py"), *arguments(folders)]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    page = Page(text)
    of_connections = {
        "fig2_maps_low",
        "fig3_maps_high",
        "fig5_chords",
        "fig6_brain",
        "confirmed_chords",
        "confirmed_brain",
    }
    gone = {"snps": of_connections, "connectivity": {"snp_frequency"}}[modality]
    shown = {name for name, (stage, _) in FIGURES.items() if stage in {*folders, "simulate"} and name not in gone}
    assert {name.removeprefix("f-") for name in page.ids if name.startswith("f-")} == shown
    absent = [stage for name, stages in OF_MODALITY.items() if name != modality for stage in stages]
    assert not set(absent) & set(page.ids)
    assert set(folders) - {"truth"} <= set(page.ids)
    words = re.sub(r"<[^>]+>|data:[^\"]*", " ", text.split("<main", 1)[1].split("<script", 1)[0])
    unsaid = ["SNP", "genotype", "PLINK", "Pathways"] if modality == "connectivity" else ["QC-FC", "fMRIPrep", "scans,"]
    summary = words.split("preprocess" if modality == "connectivity" else "genotype_qc")[0]
    methods = words[words.index("Values are those of this run") :].split("References")[0].split("Groups and model")[0]
    assert not [word for word in unsaid if word in summary or word in methods]
    tables = {path.stem for path in (tmp_path / "out/tables").glob("*.tsv")}
    assert ("edges" in tables, "snps" in tables) == (modality == "connectivity", modality == "snps")
    assert "have score and " + ("connectivity." if modality == "connectivity" else "genotypes.") in words

    command.remove("--cohort")
    command.remove(str(folders["cohort"]))
    if modality == "snps":
        command += ["--cohort", str(folders["cohort"]), "--preprocess", str(tmp_path)]
        done = subprocess.run([*command, "--out", str(tmp_path / "x")], capture_output=True, text=True, check=False)
        assert "the folder of connectivity is not given; add --connectivity" in done.stderr


def one_modality(folders, modality):
    """Take from a made-up study all that is about the other modality."""
    for name, stages in OF_MODALITY.items():
        for stage in stages if name != modality else ():
            shutil.rmtree(folders.pop(stage))
    other = "snps" if modality == "connectivity" else "connectivity"
    people = read_tsv(folders["cohort"] / "people.tsv")
    column = "has_genotypes" if other == "snps" else "has_connectivity"
    kept = people["reason"].isna() | ~people["reason"].astype(str).str.contains(column.removeprefix("has_"))
    write_tsv(folders["cohort"] / "people.tsv", people[kept].assign(**{column: False}))
    for path in folders["activation"].rglob("maps.safetensors"):
        maps = {name: values for name, values in load_file(path).items() if not name.endswith(other)}
        save_file(maps, path)
    for path in folders["train"].rglob("predictions.parquet"):
        pd.read_parquet(path).assign(**{f"p_high_{other}": np.nan}).to_parquet(path)
    comparison(folders["compare"], read_tsv(folders["cohort"] / "cohort.tsv"), np.random.default_rng(4), (modality,))
    summary = read_tsv(folders["threshold"] / "summary.tsv")
    write_tsv(folders["threshold"] / "summary.tsv", summary[summary["view"] == modality])
    gone = ["edges_all.parquet"] if other == "connectivity" else ["snps.tsv", "genes_low.txt", "genes_high.txt"]
    for name in gone:
        (folders["threshold"] / name).unlink()
    if other == "connectivity":
        (folders["cohort"] / "fc.npy").unlink()


def test_page_asks_nothing_of_the_network(report):
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.scripts == 1
    for reference in page.references:
        assert reference.startswith(("data:image/png;base64,", "#", "tables/")), reference[:80]
    assert not re.search(r"@import|url\(", text.split("</style>")[0])
    assert "default-src 'none'" in text
    assert len(page.ids) == len(set(page.ids))


def test_names_of_the_study_cannot_become_markup(report):
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    assert EVIL not in text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(&#39;set&#39;)" in text


def test_links_inside_the_page_lead_somewhere(report):
    out, _ = report
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    for reference in page.references:
        if reference.startswith("#"):
            assert reference[1:] in page.ids
        elif reference.startswith("tables/"):
            assert (out / reference).exists()


def test_tables_on_disk_hold_what_the_stages_left(report, tmp_path):
    out, _ = report
    edges = read_tsv(out / "tables" / "edges.tsv")
    assert edges["selected"].astype(str).str.lower().eq("true").sum() == 75 + 40
    planted = read_tsv(out / "tables" / "planted.tsv")
    assert set(planted["what"]) == {"connections", "SNPs", "genes", "gene set"}
    record = json.loads((out / "artifact.json").read_text())
    assert "report.html" in record["outputs"]
    assert any(name.endswith("maps.safetensors") for name in record["inputs"])


def test_provenance_and_differences_are_told(report):
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    assert "0123456789ab" in text
    assert "aaaaaaaaaa" in text
    assert "Differences from the paper" in text
    assert "All settings are those of" in text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH to open the page with")
def test_page_in_a_browser(report, tmp_path):
    text = (report[0] / "report.html").read_text(encoding="utf-8")
    copy = tmp_path / "page.html"
    copy.write_text(
        text.replace("<style>", WATCH + "<style>", 1).replace("</body>", PROBE + "</body>"), encoding="utf-8"
    )
    done = browse(copy, tmp_path, "--dump-dom", "--window-size=1280,900")
    found = json.loads(
        re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)[1].replace("&gt;", ">").replace("&lt;", "<")
    )
    assert found["errors"] == []
    assert "CONSOLE" not in done.stderr, done.stderr
    numbers = [float(value) for value in found["up"]]
    assert found["upSort"] == "ascending"
    assert numbers == sorted(numbers)
    assert len(numbers) == 22
    assert found["downSort"] == "descending"
    assert [float(value) for value in found["down"]] == numbers[::-1]
    assert (found["shown"], found["status"]) == (1, "1 of 22 rows")
    assert found["saved"] == "enrichment_low.tsv"
    assert found["blobSize"] > 100
    assert found["images"] == len(FIGURES)
    assert not found["wide"]


def browse(page, home, *options):
    """Open a page in headless Chromium with its own profile and no network."""
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={home}",
    ]
    offline = ["--proxy-server=127.0.0.1:9", "--disable-background-networking"]
    return subprocess.run(
        [*command, *offline, *options, Path(page).as_uri()], capture_output=True, text=True, check=True, timeout=90
    )


def test_empty_selection_is_said_not_a_crash(tmp_path):
    out, _ = build(tmp_path, selected=False)
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "0 of 34,716 for the low group" in text
    assert "Nothing was selected." in text
    assert "0 genes selected; no gene set was tested." in text
    assert "nothing was selected, so none of the 30 planted was recovered" in text
    assert len(Page(text).pictures) == len(FIGURES)


def test_missing_folder_is_one_line(tmp_path):
    folders = make_study(tmp_path / "in")
    shutil.rmtree(folders["enrichment"])
    command = [sys.executable, str(ROOT / "workflow" / "scripts" / "report.py"), *arguments(folders)]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("ERROR: ")
    assert "no such folder of stage enrichment" in done.stderr
    assert not list((tmp_path / "out").iterdir())
