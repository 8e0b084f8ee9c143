"""Enrichr: its table in our columns; one line where it does not answer."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from test_enrichment import write

from gcamccl import cli
from gcamccl.enrichment.online import COLUMNS, enrichr
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

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


def test_command(monkeypatch, tmp_path, capsys):
    import gseapy

    genes, out = write(tmp_path / "genes.txt", "CALM3", "LINS"), tmp_path / "enrichr.tsv"
    asked = {}
    monkeypatch.setattr(gseapy, "enrichr", lambda **words: asked.update(words) or SimpleNamespace(results=ANSWER))
    words = ["enrichr", "--genes", str(genes), "--libraries", "KEGG_2021_Human", "--out", str(out)]
    cli.main(words)
    assert asked["gene_list"] == ["CALM3", "LINS1"], "symbols are updated"
    assert read_tsv(out, columns=COLUMNS)["gene_set"].tolist() == ["Glycolysis", "Long-term potentiation"]
    assert "2 genes, 2 sets hold one of them" in capsys.readouterr().out


def test_command_on_a_machine_without_network(tmp_path):
    genes = write(tmp_path / "genes.txt", "CALM3")
    nowhere = "http://127.0.0.1:9"  # the discard port: nobody listens
    words = ["enrichr", "--genes", genes, "--libraries", "KEGG_2021_Human", "--out", tmp_path / "out.tsv"]
    done = subprocess.run(
        [sys.executable, "-m", "gcamccl.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "https_proxy": nowhere, "http_proxy": nowhere, "PYTHONPATH": str(ROOT / "src")},
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("ERROR: Enrichr: no answer")]
    assert not (tmp_path / "out.tsv").exists()
