"""Pseudonyms: no id is left in what the report writes, and the key file keeps its numbers."""

import re
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from report_fixture import arguments, make_study

from gcamccl.report.collect import Results
from gcamccl.report.pseudonyms import COLUMNS, pseudonymise
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv


def results(names, families=()):
    """Two tables as `collect` reads them."""
    people = pd.DataFrame({"participant_id": names, "genotype_id": [f"G{name}" for name in names]})
    kin = pd.DataFrame({"genotype_id_1": [f"G{names[0]}"], "genotype_id_2": ["GX"], "family_1": [*families, "fam"][:1]})
    return Results({}, tables={"cohort/cohort": people, "genotype_qc/related": kin}, predictions=people.copy())


def test_ids_of_one_person_get_one_name_and_keep_it(tmp_path):
    path = tmp_path / "keys" / "key.tsv"
    first = results(["a", "b"])
    pseudonymise(first, path)
    table = first.tables["cohort/cohort"]
    names = set(read_tsv(path)["pseudonym"])
    assert names == {"P0001", "P0002", "P0003", "F0001"}
    assert table["participant_id"].nunique() == 2 and set(table["participant_id"]) < names
    assert (table["genotype_id"] == table["participant_id"]).all()
    kin = first.tables["genotype_qc/related"].iloc[0]
    assert kin["genotype_id_1"] == table["participant_id"][0]
    assert kin["genotype_id_2"] in names - set(table["participant_id"])
    assert kin["family_1"] == "F0001"
    assert path.stat().st_mode & 0o077 == 0, "for its owner alone"
    known = dict(read_tsv(path)[list(COLUMNS)].itertuples(index=False))
    again = results(["a", "b", "c"])
    pseudonymise(again, path)
    more = dict(read_tsv(path)[list(COLUMNS)].itertuples(index=False))
    assert known.items() <= more.items()
    assert more["c"] not in known.values()


def test_sentences_keep_their_numbers(tmp_path):
    """Ids that are numbers stand in lists after a colon; elsewhere numbers are counts."""
    own = results(["2", "8", "S1"], families=["0"])
    told = "2 pairs of 8 people are related (kinship 0.354, of S1 too): 8, 2"
    own.tables["genotype_qc/notes"] = pd.DataFrame({"text": [told]})
    for frame in (*own.tables.values(), own.predictions):
        if "genotype_id" in frame:
            frame["genotype_id"] = frame["participant_id"]
    pseudonymise(own, tmp_path / "key.tsv")
    known = dict(read_tsv(tmp_path / "key.tsv", dtype=str)[list(COLUMNS)].itertuples(index=False))
    text = own.tables["genotype_qc/notes"]["text"][0]
    first, one, two = (known[name] for name in ("S1", "8", "2"))
    assert text == f"2 pairs of 8 people are related (kinship 0.354, of {first} too): {one}, {two}"


def test_a_broken_key_file(tmp_path):
    (tmp_path / "key.tsv").write_text("id\tpseudonym\na\tP1\na\tP2\n")
    with pytest.raises(InputError, match=r"key.tsv: a is on two lines"):
        pseudonymise(results(["a"]), tmp_path / "key.tsv")


def test_nothing_that_the_report_writes_has_an_id(tmp_path):
    folders = make_study(tmp_path / "in")
    own = pd.read_csv(folders["cohort"] / "people.tsv", sep="\t", dtype=str)["participant_id"]
    kept = tmp_path / "key.tsv"
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump({"pseudonyms": str(kept)}))
    command = [sys.executable, str(ROOT / "workflow/scripts/report.py"), *arguments(folders)]
    command += ["--settings", str(tmp_path / "settings.yaml"), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ids = set(read_tsv(kept, dtype=str)["id"])
    assert set(own) <= ids
    ids.discard("f1")  # the made-up study calls a family like a metric
    people = read_tsv(tmp_path / "out/tables/people.tsv", dtype=str)["participant_id"]
    assert people.is_monotonic_increasing, "not in the order of the ids"
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(ids, key=len, reverse=True)))})(?![\w-])")
    looked = 0
    for path in (tmp_path / "out").rglob("*"):
        if path.suffix in (".html", ".tsv", ".svg"):
            text = re.sub(r"data:[^\"']*", "", path.read_text(encoding="utf-8"))
            assert not pattern.search(text), f"{path.name}: {pattern.search(text)}"
            looked += 1
    assert looked > 10
    assert "P0001" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
