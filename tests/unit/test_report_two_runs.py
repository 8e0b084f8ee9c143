"""Two runs side by side: what differs is shown, what does not is not; the page needs nothing else."""

import json
import re
import shutil

import pytest
from report_fixture import make_study

from gcamccl import cli
from gcamccl.report import two_runs
from gcamccl.workflow import runs
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

STAGES = ("connectivity", "genotype_qc", "eqtl_filter", "cohort", "compare", "threshold", "enrichment", "report")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Runs "one" and "two": another setting, somebody left out, one connection less, other pathways."""
    root = tmp_path_factory.mktemp("runs")
    folders = make_study(root / "study")
    picture = root / "study" / "report" / "figures" / "people.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"png of one")
    (picture.parent.parent / "artifact.json").write_text(json.dumps(record("report")))
    folders["report"] = picture.parent.parent
    for name, key in (("one", "a" * 12), ("two", "b" * 12)):
        for stage in STAGES:
            shutil.copytree(folders[stage], root / "results" / stage / key)
        runs.link(root / "results", name, dict.fromkeys(STAGES, key))
    change(root / "results", "b" * 12)
    return root / "results"


def record(stage, settings=None):
    """What ``artifact.json`` needs to have here."""
    return {"stage": stage, "settings": settings or {}, "recipe": None, "inputs": {}, "outputs": {}}


def change(results, key):
    """Make the second run another one."""
    path = results / "threshold" / key / "artifact.json"
    known = json.loads(path.read_text())
    known["settings"]["min_frequency"] = 0.8
    path.write_text(json.dumps(known))
    people = read_tsv(results / "cohort" / key / "people.tsv", dtype=str)
    people.loc[0, ["group", "reason"]] = [None, "no connectivity: max_translation_mm"]
    write_tsv(results / "cohort" / key / "people.tsv", people)
    import pandas as pd

    path = results / "threshold" / key / "edges_all.parquet"
    edges = pd.read_parquet(path)
    edges.loc[edges.index[edges["selected"] & (edges["class"] == "high")][0], "selected"] = False
    edges.to_parquet(path)
    path = results / "enrichment" / key / "low" / "enrichment.tsv"
    write_tsv(path, read_tsv(path).iloc[1:])
    (results / "report" / key / "figures" / "people.png").write_bytes(b"png of two")


def test_only_what_differs_is_among_the_differences(results):
    found, lacking = two_runs.compare(results, "one", "two")
    assert not lacking
    assert found["settings"][["stage", "what", "one", "two"]].to_numpy().tolist() == [
        ["threshold", "min_frequency", "0.7", "0.8"]
    ]
    assert len(found["people"]) == 1
    assert found["people"]["reason, two"].tolist() == ["no connectivity: translation"]
    assert found["scans"].empty
    assert len(found["classifiers"]) > 3
    assert (found["classifiers"]["accuracy, second minus first"] == 0).all()


def test_selected_features_are_counted_alone_and_together(results):
    table = two_runs.compare(results, "one", "two")[0]["selection"].set_index(["what", "rule", "group"])
    row = table.loc[("connections", "paper's rule", "high")]
    assert row["selected, one"] == row["selected, two"] + 1 == row["in both"] + 1
    assert row["shared (Jaccard)"] == pytest.approx(row["in both"] / row["selected, one"])
    assert table.loc[("SNPs", "confirmed", "high"), "shared (Jaccard)"] == 1
    assert len(table) == 2 * 3 * 2


def test_a_pathway_of_one_run_only_is_there_without_values_of_the_other(results):
    table = two_runs.compare(results, "one", "two")[0]["pathways"]
    own = table[(table["genes"] == "low group") & table["p, two"].isna()]
    assert len(own) == 1 and own["p, one"].notna().all()
    first = table[table["genes"] == "high group"].iloc[0]
    assert first["q, one"] < 0.05, "significant ones first"


def test_page(results, tmp_path, capsys):
    out = tmp_path / "diff.html"
    cli.main(["--results", str(results), "diff", "one", "two", "--page", str(out)])
    assert capsys.readouterr().out.strip() == str(out)
    text = out.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=\"(?!data:|#|tables/)", text), "nothing from elsewhere"
    assert "<script>alert" not in text
    assert text.count("data:image/png;base64") == 2
    for name in two_runs.TITLES:
        assert f'id="h-{name}"' in text
    assert "The two runs are the same" not in text


def test_a_run_without_differences_and_a_run_with_itself(results, tmp_path):
    runs.link(results, "three", dict.fromkeys(STAGES, "a" * 12))
    two_runs.write_page(results, "one", "three", tmp_path / "same.html")
    assert "The two runs are the same." in (tmp_path / "same.html").read_text(encoding="utf-8")
    shutil.rmtree(results / "runs" / "three")
    with pytest.raises(InputError, match="one: is the first run, too"):
        two_runs.write_page(results, "one", "one", tmp_path / "x.html")


def test_a_run_of_an_older_version_is_compared_as_far_as_it_goes(results, tmp_path):
    import pandas as pd

    key = "c" * 12
    for stage in STAGES:
        shutil.copytree(results / stage / ("a" * 12), results / stage / key)
    runs.link(results, "old", dict.fromkeys(STAGES, key))
    path = results / "threshold" / key / "edges_all.parquet"
    pd.read_parquet(path).drop(columns="selected_calibrated").to_parquet(path)
    found, lacking = two_runs.compare(results, "one", "old")
    assert "selection" not in found and "pathways" in found
    (line,) = lacking
    assert "edges_all.parquet: no column selected_calibrated" in line
    two_runs.write_page(results, "one", "old", tmp_path / "old.html")
    text = (tmp_path / "old.html").read_text(encoding="utf-8")
    assert "Not compared." in text and "tables/" not in text.split("<main")[1].split("<script")[0]
    shutil.rmtree(results / "runs" / "old")


def test_no_such_run(results, tmp_path, capsys):
    with pytest.raises(InputError, match="no run three"):
        two_runs.write_page(results, "one", "three", tmp_path / "x.html")
    with pytest.raises(SystemExit):
        cli.main(["--results", str(results), "diff", "one", "three", "--page", str(tmp_path / "x.html")])
    assert "known: one, two" in capsys.readouterr().err
    assert not (tmp_path / "x.html").exists()
