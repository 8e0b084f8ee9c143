"""The later stages of `report_fixture`: selection, maps, pathways, and every job's record."""

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from gcamccl.activation.store import relative
from gcamccl.enrichment.difference import COLUMNS as DIFFERENCE
from gcamccl.workflow.config import PAPER, read_yaml
from gcamccl.workflow.files import write_json, write_tsv

N_LOCI, SPLITS = 200, 2
CLASSES = ("low", "high")
SUMMARY = [
    *("method", "view", "class", "n_features", "n_selected", "n_selected_permuted"),
    *("n_all_zero_maps", "n_maps", "p_any"),
]
GENE_SETS = [
    *("source", "gene_set", "set_size", "contained", "p", "q", "genes"),
    *("p_candidates", "q_candidates", "set_size_candidates"),
]
UNMATCHED = ["gene", "maybe"]
EVIL = "<script>alert('set')</script> & \"quoted\""


def record(folder, stage, **facts):
    """Write a job's artifact.json with the paper's settings of its stage."""
    write_json(
        folder / "artifact.json",
        {
            "stage": stage,
            "key": "0123456789ab",
            "recipe": None,
            "settings": read_yaml(PAPER)[stage],
            "inputs": {},
            "outputs": {},
            "git": {"commit": "a" * 40, "dirty": False},
            "versions": {"python": "3.11.2", "numpy": "2.0.0"},
            "device": "cpu",
            "started": "2025-01-01T00:00:00+00:00",
            "ended": "2025-01-01T00:01:00+00:00",
            "cpu_seconds": 12.5,
            "peak_rss_mb": 345.6,
            **facts,
        },
    )


def selection(folder, rois, loci, planted, rng, selected, permuted_alike):
    """Threshold stage: edges, snps, gene lists, summary; returns the two tables of features."""
    a, b = np.triu_indices(len(rois), 1)
    names = rois["name"].to_numpy(dtype=object)
    networks = rois["network"].to_numpy(dtype=object)
    place = {pair: row for row, pair in enumerate(zip(a + 1, b + 1, strict=True))}
    tables = []
    t_edges, t_snps = rng.standard_normal(len(a)), rng.standard_normal(len(loci))
    for sign, pairs in ((1, planted[:15]), (-1, planted[15:])):
        t_edges[[place[pair] for pair in pairs]] = 6 * sign
    t_snps[:6] = 5
    for name, number in (("low", 75), ("high", 40)):
        edges = pd.DataFrame(
            {
                "class": name,
                "roi_a": a + 1,
                "roi_b": b + 1,
                "name_a": names[a],
                "name_b": names[b],
                "network_a": networks[a],
                "network_b": networks[b],
            }
        )
        own = [place[pair] for pair in (planted[:15] if name == "high" else planted[15:])[:10]]
        tables.append(chosen(edges, t_edges, own, number, rng, selected))
        snps = loci[["snp_id", "chrom", "pos", "genes"]].copy()
        snps.insert(0, "class", name)
        tables.append(chosen(snps, t_snps, list(range(4)), 20 if name == "low" else 12, rng, selected))
    edges, snps = pd.concat(tables[0::2], ignore_index=True), pd.concat(tables[1::2], ignore_index=True)
    edges.to_parquet(folder / "edges_all.parquet")
    write_tsv(folder / "edges.tsv", edges[edges["selected"] | (edges["q"] <= 0.1)])
    write_tsv(folder / "snps.tsv", snps)
    rows = []
    for view, table in (("connectivity", edges), ("snps", snps)):
        for name in ("low", "high"):
            own = table[table["class"] == name]
            count = int(own["selected"].sum())
            rows.append(
                (
                    "guided_gradcam",
                    view,
                    name,
                    len(own),
                    count,
                    count * (0.98 if permuted_alike else 0.1),
                    1,
                    40,
                    np.nan,
                )
            )
            rows.append(("gradcam", view, name, len(own), len(own), len(own), 0, 40, np.nan))
            if view == "snps":
                genes = sorted({gene for cell in own.loc[own["selected"], "genes"] for gene in cell.split(",")})
                (folder / f"genes_{name}.txt").write_text("".join(f"{gene}\n" for gene in genes))
                (folder / "genes_confirmed.txt").write_text("GENE1\nGENE2\n")
            rows.append(("calibrated", view, name, len(own), int(own["selected_calibrated"].sum()), 0, 0, 10, 1e-6))
    columns = SUMMARY
    write_groups(folder)
    write_tsv(folder / "summary.tsv", pd.DataFrame(rows, columns=columns))
    return edges, snps


def chosen(table, t, first, number, rng, selected):
    """Add frequencies, selection and tests to a table of features; `first` are surely selected."""
    from scipy import stats

    table["frequency"] = rng.uniform(0, 0.65, len(table))
    if selected:
        others = np.setdiff1d(np.arange(len(table)), first)
        rows = np.concatenate([first, rng.permutation(others)[: number - len(first)]]).astype(int)
        table.loc[rows, "frequency"] = rng.uniform(0.72, 1, len(rows))
    table["frequency_permuted"] = rng.uniform(0, 0.65, len(table))
    table["selected"] = table["frequency"] > 0.7
    table["sign"] = np.sign(t).astype(int) * np.where(table["class"] == "high", 1, -1)
    table["t"], table["p"] = t, 2 * stats.norm.sf(np.abs(t))
    table["q"] = stats.false_discovery_control(table["p"])
    table["direction"] = np.sign(t)
    table["q_calibrated"] = np.where(np.abs(t) >= 5, 0.01, 1.0)
    table["selected_calibrated"] = (table["q_calibrated"] <= 0.1) & (
        table["direction"] == np.where(table["class"] == "high", 1, -1)
    )
    table["stability"], table["q_linear"] = 0.5, table["q_calibrated"]
    return table


def write_groups(folder):
    """Tables of network pairs and LD blocks."""
    pairs = pd.DataFrame({"network_a": ["Auditory", "Default mode"], "network_b": ["Visual", "Visual"]})
    pairs = pairs.assign(n_edges=[100, 200], n_high=[3, 0], n_low=[0, 0], p=[1e-4, 1.0], q=[2e-4, 1.0])
    write_tsv(folder / "network_pairs.tsv", pairs)
    blocks = pd.DataFrame({"chrom": ["5"], "first": [10], "last": [900], "lead": ["rs1"], "n_snps": [7]})
    write_tsv(folder / "ld_blocks.tsv", blocks.assign(n_high=0, n_low=1, p=0.01, q=0.02))


def maps(folder, cohort, n_rois, edges, rng):
    """Activation stage: maps of the 20 test people of each replicate."""
    splits = np.load(folder.parent / "cohort" / "splits.npy")
    label = (cohort["group"] == "high").astype(int).to_numpy()
    n_edges = n_rois * (n_rois - 1) // 2
    high = edges["selected"].to_numpy()[n_edges:]
    for split in range(SPLITS):
        shard = folder / f"replicates-{2 * split}-{2 * split + 1}"
        shard.mkdir()
        record(shard, "activation", seed=split)
        test = np.flatnonzero(splits[split] == 2)
        tensors, people = {}, []
        for number in (2 * split, 2 * split + 1):
            shape = (len(test), 2, n_edges)
            smooth = np.abs(rng.standard_normal(shape)).astype(np.float32) + np.linspace(
                0, 2, n_edges, dtype=np.float32
            )
            fine = (rng.standard_normal(shape) ** 3).astype(np.float32)
            fine[:, 1, high] += 4
            smooth[0] = 0
            for method, values in (("gradcam", smooth), ("guided_gradcam", fine)):
                tensors[f"{number:04d}/{method}/connectivity"] = relative(values)[0]
                tensors[f"{number:04d}/{method}/snps"] = relative(rng.standard_normal((len(test), 2, N_LOCI)))[0]
            people += [
                (number, split, number % 2, row, cohort["participant_id"][person], "test", label[person])
                for row, person in enumerate(test)
            ]
        save_file(tensors, shard / "maps.safetensors")
        columns = ["replicate", "split", "permutation", "row", "participant_id", "part", "label"]
        pd.DataFrame(people, columns=columns).to_parquet(shard / "people.parquet")


def map_checks(folder, rng):
    """What `activation_checks` leaves: one check that fails, the others pass."""
    rows, curves = [], []
    for view in ("connectivity", "snps"):
        for method in ("gradcam", "guided_gradcam"):
            for check, groups in (("untrained", CLASSES), ("permuted_labels", CLASSES), ("other_class", CLASSES)):
                for group in groups:
                    shared = 0.9 if (method, check) == ("guided_gradcam", "untrained") else 0.1
                    verdict = "fails" if shared > 0.5 else "passes"
                    rows.append(
                        (
                            method,
                            view,
                            check,
                            group,
                            0.6,
                            0.6 * shared,
                            shared,
                            shared - 0.05,
                            shared + 0.05,
                            SPLITS,
                            verdict,
                        )
                    )
            rows.append((method, view, "deletion", "said", 0.5, 0.2, 0.4, 0.2, 0.6, SPLITS, "passes"))
            for level in ("head", *(f"block {n}" for n in ((4, 3, 2, 1) if view == "connectivity" else (3, 2, 1)))):
                for group in CLASSES:
                    curves.append((view, method, "randomised", level, group, rng.uniform(0, 1), 0.1, SPLITS))
        for method in ("gradcam", "guided_gradcam", "random"):
            for level in ("0.01", "0.02", "0.05", "0.1", "0.2", "0.5"):
                curves.append((view, method, "deletion", level, "said", float(level), 0.1, SPLITS))
    columns = [
        "method",
        "view",
        "check",
        "map_class",
        "likeness",
        "other",
        "shared",
        "low",
        "high",
        "n_splits",
        "verdict",
    ]
    write_tsv(folder / "checks.tsv", pd.DataFrame(rows, columns=columns))
    columns = ["view", "method", "check", "level", "map_class", "mean", "sd", "n_splits"]
    write_tsv(folder / "curves.tsv", pd.DataFrame(curves, columns=columns))


def pathways(folder, selected):
    """Enrichment stage; one gene set has a hostile name."""
    columns = GENE_SETS
    sets = [EVIL, "planted pathway", *[f"Pathway number {n} with a name of ordinary length" for n in range(20)]]
    (folder / "difference").mkdir()
    record(folder / "difference", "enrichment")
    favoured = [("simulated", "planted pathway", 1, 6, 9.5, 0.01, 0.4, "GENE1", "GENE2,GENE3")]
    write_tsv(folder / "difference" / "difference.tsv", pd.DataFrame(favoured, columns=list(DIFFERENCE)))
    for name in ("low", "high", "confirmed"):
        (folder / name).mkdir()
        record(folder / name, "enrichment")
        write_tsv(
            folder / name / "unmatched.tsv", pd.DataFrame([("LOC1", None), ("gene9", "GENE9")], columns=UNMATCHED)
        )
        p = np.array([1e-5, 1e-4, *np.linspace(0.001, 0.9, 20)])
        rows = [
            (
                "simulated",
                text,
                40 + n,
                5,
                p[n],
                min(1, 10 * p[n]),
                "GENE1,GENE2",
                min(1, 30 * p[n]),
                min(1, 300 * p[n]),
                12,
            )
            for n, text in enumerate(sets)
        ]
        write_tsv(folder / name / "enrichment.tsv", pd.DataFrame(rows if selected else [], columns=columns))
