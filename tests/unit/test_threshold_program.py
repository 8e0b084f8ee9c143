"""The threshold program: tables with and without halvings, nominations that are not what they should be."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from test_threshold import E, L, write_study

from gcamccl.cohort import halving
from gcamccl.threshold import tables
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.files import read_tsv

SCRIPT = ROOT / "workflow" / "scripts" / "threshold.py"


def test_program(tmp_path):
    cohort, connectivity, loci, activation = write_study(tmp_path)
    out = tmp_path / "out"
    words = ["--cohort", cohort, "--connectivity", connectivity, "--loci", loci]
    shards = sorted(activation.iterdir())
    command = [sys.executable, SCRIPT, *words, "--out", out, "--activation"]
    done = subprocess.run([*command, *shards], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "guided_gradcam snps low: 5 of 12 selected, with permuted labels 1; 0 of " in done.stdout
    assert (out / "genes_low.txt").read_text() == "G0\nG1\nG11\nG2\nG3\n"
    everything = pd.read_parquet(out / "edges_all.parquet")
    edges = read_tsv(out / "edges.tsv", columns=tables.EDGE_COLUMNS)
    assert len(everything) == 2 * E
    assert len(edges) == int((everything["selected"] | (everything["q"] <= 0.1)).sum())
    assert len(read_tsv(out / "snps.tsv", columns=tables.SNP_COLUMNS)) == 2 * L
    assert len(read_tsv(out / "summary.tsv")) == 8
    done = subprocess.run([*command, cohort], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no maps.safetensors" in done.stderr


def write_halves(folders, halvings=4, permutations=2):
    """Halvings of the cohort, and nominations that name edge 4 and locus 7 first, as larger in high."""
    cohort, *_, activation = folders
    labels = np.load(cohort / "labels.npy")
    rng = np.random.default_rng(3)
    splits = np.concatenate([halving(labels[0], 0.2, rng) for _ in range(halvings)])
    np.save(cohort / "halvings.npy", splits)
    edges, loci = (np.linspace(0.2, 0.1, size, dtype=np.float32) for size in (E, L))
    edges[4] = loci[7] = 1
    shard = activation / "halvings-0-23"
    shard.mkdir()
    names = [f"{replicate:04d}" for replicate in range(2 * halvings * (1 + permutations))]
    tensors = {f"{name}/{view}": values for name in names for view, values in (("connectivity", edges), ("snps", loci))}
    write_nominations(shard, tensors)
    return shard


def write_nominations(shard, tensors, label_rows=3):
    save_file(tensors, shard / "nominations.safetensors", {"label_rows": str(label_rows)})


def test_what_halves_confirm_is_in_the_tables(tmp_path):
    folders = write_study(tmp_path)
    cohort, connectivity, loci, activation = folders
    shard = write_halves(folders)
    words = ["--cohort", cohort, "--connectivity", connectivity, "--loci", loci, "--permutations", "2"]
    shards = sorted(activation.glob("replicates-*"))
    settings = tmp_path / "settings.yaml"
    settings.write_text("nominate_share: 0.25\n")
    command = [sys.executable, SCRIPT, *words, "--settings", settings, "--activation", *shards, "--nominations"]
    done = subprocess.run([*command, shard, "--out", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        "connectivity: 1 confirmed of those that the network model nominates, with permuted labels 0, 0" in done.stdout
    )
    edges = pd.read_parquet(tmp_path / "out" / "edges_all.parquet")
    high = edges[edges["class"] == "high"].reset_index(drop=True)
    assert high.index[high["selected_calibrated"]].tolist() == [4]
    assert not edges.loc[edges["class"] == "low", "selected_calibrated"].any()
    assert (high.loc[4, "direction"], high.loc[4, "stability"]) == (1, 1)
    assert high.loc[4, "q_linear"] <= 0.1
    pairs = read_tsv(tmp_path / "out" / "network_pairs.tsv")
    assert pairs[["network_a", "network_b", "n_edges", "n_high", "n_low"]].to_numpy().tolist() == [
        ["Visual", "Visual", E, 1, 0]
    ]
    assert pairs["q"].item() <= 0.1
    blocks = read_tsv(tmp_path / "out" / "ld_blocks.tsv")
    assert blocks["n_snps"].sum() == L and not blocks[["n_high", "n_low"]].to_numpy().any()
    summary = read_tsv(tmp_path / "out" / "summary.tsv").set_index(["method", "view", "class"])["n_selected"]
    assert summary["calibrated", "connectivity", "high"] == 1 <= summary["calibrated_linear", "connectivity", "high"]
    assert summary["calibrated", "connectivity", "low"] == summary["calibrated", "snps", "high"] == 0


@pytest.mark.parametrize("fault", ["broken", "missing", "not finite", "other cohort", "other permutations", "odd"])
def test_bad_nominations(tmp_path, fault):
    folders = write_study(tmp_path)
    cohort, connectivity, loci, activation = folders
    shard = write_halves(folders)
    tensors = load_file(shard / "nominations.safetensors")
    if fault == "broken":
        (shard / "nominations.safetensors").write_bytes(b"not tensors")
    elif fault == "missing":
        (shard / "nominations.safetensors").unlink()
    elif fault == "not finite":
        tensors["0003/snps"][2] = np.nan
        write_nominations(shard, tensors)
    elif fault == "other cohort":
        tensors["0000/connectivity"] = np.ones(E + 1, np.float32)
        write_nominations(shard, tensors)
    elif fault == "other permutations":
        write_nominations(shard, tensors, label_rows=2)
    else:
        np.save(cohort / "halvings.npy", np.load(cohort / "halvings.npy")[:3])
    words = ["--cohort", cohort, "--connectivity", connectivity, "--loci", loci, "--permutations", "2"]
    shards = sorted(activation.glob("replicates-*"))
    words += ["--activation", *shards, "--nominations", shard, "--out", tmp_path / "out"]
    done = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    says = {
        "broken": "not a safetensors file",
        "missing": "no nominations.safetensors",
        "not finite": "0003/snps holds values that are not finite",
        "other cohort": "no 0000/connectivity of 28 features",
        "other permutations": "made with 2 label rows, not 3; give the same --permutations",
        "odd": "halvings.npy: is not pairs of rows",
    }
    assert says[fault] in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "summary.tsv").exists()
