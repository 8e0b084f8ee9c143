"""Enrichr: its table in our columns; one line where it does not answer."""

import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from test_enrichment import SCRIPT, write

from gcamccl.enrichment.online import COLUMNS, enrichr
from gcamccl.workflow.errors import InputError

# As gseapy 1.3 documents what Enrichr's export holds.
ANSWER = pd.DataFrame(
    {
        "Gene_set": ["KEGG_2021_Human", "KEGG_2021_Human"],
        "Term": ["Long-term potentiation", "Glycolysis"],
        "Overlap": ["2/67", "3/67"],
        "P-value": [1e-3, 1e-5],
        "Adjusted P-value": [1e-2, 1e-4],
        "Genes": ["CALM3;MAPK1", "A;B;C"],
    }
)


def test_answer_in_our_columns(monkeypatch):
    import gseapy

    asked = {}
    monkeypatch.setattr(gseapy, "enrichr", lambda **words: asked.update(words) or SimpleNamespace(results=ANSWER))
    table = enrichr({"MAPK1", "CALM3"}, ["KEGG_2021_Human"])
    assert asked["gene_list"] == ["CALM3", "MAPK1"] and asked["outdir"] is None
    assert list(table.columns) == list(COLUMNS)
    assert table.iloc[0].tolist() == ["KEGG_2021_Human", "Glycolysis", 67, 3, 1e-5, 1e-4, "A,B,C"]
    assert enrichr(set(), ["KEGG_2021_Human"]).empty


def test_no_answer_is_one_line(monkeypatch, tmp_path):
    import gseapy

    def fails(**words):
        raise Exception("Error sending gene list,\n try again later")

    monkeypatch.setattr(gseapy, "enrichr", fails)
    with pytest.raises(InputError, match="Enrichr: no answer: Error sending gene list, try again later"):
        enrichr({"A"}, ["KEGG_2021_Human"])
    monkeypatch.setattr(gseapy, "enrichr", lambda **words: SimpleNamespace(results=[]))
    with pytest.raises(InputError, match="nothing of NO_SUCH"):
        enrichr({"A"}, ["NO_SUCH"])


def test_program_on_a_machine_without_network(tmp_path):
    genes = write(tmp_path / "genes.txt", "CALM3")
    script = SCRIPT.with_name("enrichment_enrichr.py")
    nowhere = "http://127.0.0.1:9"  # the discard port: nobody listens
    done = subprocess.run(
        [sys.executable, script, "--genes", genes, "--libraries", "KEGG_2021_Human", "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "https_proxy": nowhere, "http_proxy": nowhere},
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("ERROR: Enrichr: no answer")]
    assert not (tmp_path / "out" / "enrichr.tsv").exists()
