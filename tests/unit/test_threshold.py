"""Univariate tests against scipy and planted truth, tables of a study with planted maps, bad input."""

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from scipy import stats

from gcamccl.activation.store import relative
from gcamccl.cohort import COHORT_COLUMNS
from gcamccl.threshold import maps, tables
from gcamccl.threshold.run import edge_tests, read_inputs
from gcamccl.threshold.run import run as run_stage
from gcamccl.threshold.univariate import bh, t_test
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

SETTINGS = {
    **{"method": "guided_gradcam", "max_fraction": 0.05, "min_frequency": 0.7, "fdr_q": 0.1},
    **{"rule_values": "absolute", "rule_maximum": "person", "rule_people": "class", "rule_splits": "pooled"},
    **{"nominate_share": 0.25, "covariates": [], "min_ld_r2": 0.2},
}

# --- univariate tests -------------------------------------------------------------------------------------------------


def test_t_and_q_equal_scipy():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], [17, 23])
    values = (rng.normal(size=(40, 60)) * np.where(labels, 3, 1)[:, None]).astype(np.float32)
    values[:, :10] += labels[:, None]
    values[rng.random(values.shape) < 0.05] = np.nan
    t, p = t_test(values, labels)
    exact = values.astype(np.float64)
    theirs = stats.ttest_ind(exact[labels == 1], exact[labels == 0], equal_var=False, nan_policy="omit")
    np.testing.assert_allclose(t, theirs.statistic, rtol=1e-10)
    np.testing.assert_allclose(p, theirs.pvalue, rtol=1e-9)
    np.testing.assert_allclose(bh(p), stats.false_discovery_control(p), rtol=1e-12)


def test_features_that_cannot_be_tested_are_missing_and_do_not_count():
    labels = np.repeat([0, 1], 5)
    values = np.random.default_rng(2).normal(size=(10, 5))
    values[:, 1] = 0.1  # constant
    values[:, 2] = np.where(np.arange(10) < 9, np.nan, 1)  # one value
    values[:, 3] = np.nan
    values[:, 4] = labels  # constant within both groups: no spread to measure the difference by
    t, p = t_test(values, labels)
    assert np.isfinite(t).tolist() == np.isfinite(p).tolist() == [True, False, False, False, False]
    q = bh(p)
    assert q[0] == pytest.approx(p[0]), "one test: nothing to correct for"
    assert np.isnan(q[1:]).all()
    assert np.isnan(bh(np.full(3, np.nan))).all()


def test_one_constant_group_still_gives_a_test():
    labels = np.repeat([0, 1], 6)
    values = np.concatenate([np.full(6, 0.1), np.random.default_rng(3).normal(1, 1, 6)])[:, None]
    theirs = stats.ttest_ind(values[6:], values[:6], equal_var=False)
    t, p = t_test(values, labels)
    np.testing.assert_allclose([t[0], p[0]], [theirs.statistic[0], theirs.pvalue[0]], rtol=1e-9)


def test_planted_connections_are_found_and_few_others():
    rng = np.random.default_rng(4)
    n, n_rois = 120, 30
    labels = np.arange(n) % 2
    half = rng.normal(0, 0.15, (n, n_rois, n_rois))
    fc = half + half.transpose(0, 2, 1)
    above = np.triu_indices(n_rois, 1)
    planted = rng.choice(len(above[0]), 30, replace=False)
    for i, edge in enumerate(planted):
        a, b = above[0][edge], above[1][edge]
        fc[:, a, b] = fc[:, b, a] = fc[:, a, b] + (0.25 if i % 2 else -0.25) * labels
    t, p = edge_tests(fc.astype(np.float32), labels)
    found = bh(p) <= 0.1
    assert found[planted].mean() >= 0.9
    assert (~np.isin(np.flatnonzero(found), planted)).mean() <= 0.25
    assert (np.sign(t[planted]) == np.where(np.arange(30) % 2, 1, -1)).all()


# --- a study with planted maps ----------------------------------------------------------------------------------------

N, R, L, PERMUTATIONS = 40, 8, 12, 2
E = R * (R - 1) // 2
SHAPES = {"connectivity": E, "snps": L}


def write_study(folder, splits=2, seed=0, zero=()):
    """Inputs and maps: features 0-3 speak for low, 4-7 for high under the true labels; nothing does when permuted."""
    rng = np.random.default_rng(seed)
    cohort, connectivity, loci = (folder / name for name in ("cohort", "connectivity", "loci"))
    for one in (cohort, connectivity, loci):
        one.mkdir(parents=True)
    rows = np.stack([np.arange(N), *(rng.permutation(N) for _ in range(PERMUTATIONS))])
    labels = (np.arange(N) % 2)[rows]
    table = pd.DataFrame(dict.fromkeys(COHORT_COLUMNS, np.nan), index=range(N)).astype(object)
    table["participant_id"] = [f"sub-{i:02d}" for i in range(N)]
    table["group"] = np.array(["low", "high"])[labels[0]]
    write_tsv(cohort / "cohort.tsv", table)
    half = rng.normal(0, 0.1, (N, R, R))
    fc = (half + half.transpose(0, 2, 1)).astype(np.float32)
    fc[:, 0, 5] = fc[:, 5, 0] = fc[:, 0, 5] + labels[0]  # edge 4 of triu_indices(8, 1)
    fc[:, np.arange(R), np.arange(R)] = 0
    np.save(cohort / "fc.npy", fc)
    np.save(cohort / "dosage.npy", rng.integers(0, 3, (N, L)).astype(np.float32))
    np.save(cohort / "labels.npy", labels.astype(np.int8))
    np.save(cohort / "permutations.npy", rows)
    part = np.repeat(np.array([0, 1, 2], dtype=np.int8), [20, 6, 14])
    parts = np.stack([rng.permutation(part) for _ in range(splits)])
    np.save(cohort / "splits.npy", parts)
    rois = {
        "roi": range(1, R + 1),
        "x": 0,
        "y": 0,
        "z": 0,
        "network": "Visual",
        "name": [f"n{i}" for i in range(1, R + 1)],
    }
    write_tsv(connectivity / "rois.tsv", pd.DataFrame(rois))
    snps = pd.DataFrame({"snp_id": [f"rs{i}" for i in range(L)], "chrom": "1", "pos": range(L)})
    snps["genes"] = [f"G{i}" if i != 5 else "G4,H5" for i in range(L)]
    write_tsv(loci / "snps.tsv", snps)
    pairs = [(f"rs{i}", gene) for i in range(L) for gene in snps["genes"][i].split(",")]
    write_tsv(loci / "snp_gene.tsv", pd.DataFrame(pairs, columns=["snp_id", "gene"]))
    activation = folder / "activation"
    for split in range(splits):
        shard = activation / f"replicates-{3 * split}-{3 * split + 2}"
        shard.mkdir(parents=True)
        tensors, people = {}, []
        for permutation in range(1 + PERMUTATIONS):
            replicate, test = 3 * split + permutation, np.flatnonzero(parts[split] == 2)
            for method in ("gradcam", "guided_gradcam"):
                for view, n_features in SHAPES.items():
                    values = np.zeros((len(test), 2, n_features), dtype=np.float32)
                    values[:, :, -1] = 1  # the maximum, everywhere
                    if permutation == 0:
                        values[:, 0, 0:4] = -0.5
                        values[:, 1, 4:8] = 0.5
                    if replicate in zero:
                        values[:] = 0
                    tensors[f"{replicate:04d}/{method}/{view}"] = relative(values)[0]
            rows = pd.DataFrame({"replicate": replicate, "row": range(len(test)), "label": labels[permutation][test]})
            rows = rows.assign(split=split, permutation=permutation, part="test")
            people.append(rows.assign(participant_id=table["participant_id"].to_numpy()[test]))
        save_file(tensors, shard / "maps.safetensors")
        pd.concat(people).to_parquet(shard / "people.parquet", index=False)
    return cohort, connectivity, loci, activation


def run_on(folders, **settings):
    return run_stage(read_inputs(*folders[:3]), maps.read_shards([folders[3]]), {**SETTINGS, **settings})


def test_planted_maps_are_selected_for_their_class(tmp_path):
    folders = write_study(tmp_path)
    found = run_on(folders)
    edges, snps = found["edges"], found["snps"]
    assert list(edges.columns) == tables.EDGE_COLUMNS
    assert list(snps.columns) == tables.SNP_COLUMNS
    assert (len(edges), len(snps)) == (2 * E, 2 * L)
    rows, columns = np.triu_indices(R, 1)
    for label, group in enumerate(("low", "high")):
        block = edges[edges["class"] == group].reset_index(drop=True)
        np.testing.assert_array_equal(block["roi_a"], rows + 1)
        np.testing.assert_array_equal(block["roi_b"], columns + 1)
        planted = [4 * label + i for i in range(4)] + [E - 1]
        assert np.flatnonzero(block["selected"]).tolist() == planted
        assert block["frequency"][planted[0]] == 1.0
        assert (block["sign"][planted[:4]] == (1 if label else -1)).all()
        assert np.flatnonzero(block["frequency_permuted"] > 0).tolist() == [E - 1]
    strongest = edges.loc[edges["p"].idxmin()]
    assert (strongest["roi_a"], strongest["roi_b"], np.sign(strongest["t"])) == (1, 6, 1)
    assert found["genes"]["low"] == sorted(["G0", "G1", "G2", "G3", "G11"])
    assert found["genes"]["high"] == sorted(["G4", "H5", "G6", "G7", "G11"])
    shown = tables.worth_showing(edges, 0.1)
    assert len(shown) == int((edges["selected"] | (edges["q"] <= 0.1)).sum()) < len(edges)
    summary = found["summary"].set_index(["method", "view", "class"])
    labels = np.load(folders[0] / "labels.npy")[0]
    splits = np.load(folders[0] / "splits.npy")
    row = summary.loc[("guided_gradcam", "connectivity", "high")]
    assert row["n_maps"] == sum(int((labels[split == 2] == 1).sum()) for split in splits), "only the class's own people"
    assert (row["n_selected"], row["n_selected_permuted"], row["n_features"]) == (5, 1, E)
    assert len(summary) == 2 * 2 * 2


@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_one_modality_selects_what_it_does_beside_the_other(tmp_path, view):
    folders = write_study(tmp_path)
    whole = run_on(folders)
    (folders[0] / ("dosage.npy" if view == "connectivity" else "fc.npy")).unlink()
    for path in folders[3].rglob("maps.safetensors"):
        save_file({name: values for name, values in load_file(path).items() if name.endswith(view)}, path)
    own = (folders[1], None) if view == "connectivity" else (None, folders[2])
    found = run_stage(read_inputs(folders[0], *own), maps.read_shards([folders[3]]), SETTINGS)
    mine, other = ("edges", "snps") if view == "connectivity" else ("snps", "edges")
    pd.testing.assert_frame_equal(found[mine], whole[mine])
    assert found[other] is None
    assert found["genes"] == ({} if view == "connectivity" else whole["genes"])
    expected = whole["summary"][whole["summary"]["view"] == view].reset_index(drop=True)
    pd.testing.assert_frame_equal(found["summary"], expected)
    with pytest.raises(InputError, match="the cohort has none"):
        read_inputs(*folders[:3])
    with pytest.raises(InputError, match="not given, but the cohort has"):
        read_inputs(folders[0])


def test_unsigned_maps_take_the_sign_of_t(tmp_path):
    edges = run_on(write_study(tmp_path), method="gradcam")["edges"]
    low, high = (edges[edges["class"] == group].reset_index(drop=True) for group in ("low", "high"))
    assert (low["sign"] == -np.sign(low["t"])).all()
    assert (high["sign"] == np.sign(high["t"])).all()
    assert high["sign"][4] == 1


def test_all_zero_maps_are_counted_and_left_out(tmp_path):
    folders = write_study(tmp_path, zero=(0,))
    found = run_on(folders)
    summary = found["summary"].set_index(["method", "view", "class"]).loc[("guided_gradcam", "snps", "low")]
    labels, splits = np.load(folders[0] / "labels.npy")[0], np.load(folders[0] / "splits.npy")
    assert summary["n_all_zero_maps"] == int((labels[splits[0] == 2] == 0).sum())
    assert summary["n_all_zero_maps"] < summary["n_maps"]
    assert found["snps"]["frequency"].max() == 1.0
    everything = run_on(write_study(tmp_path / "all", zero=range(6)))
    assert everything["snps"]["frequency"].isna().all()
    assert not everything["snps"]["selected"].any()
    assert everything["genes"] == everything["loci"] == {"low": [], "high": [], "confirmed": []}


def test_bad_input(tmp_path):
    folders = write_study(tmp_path)
    with pytest.raises(InputError, match=r"no margin_gradient maps, which threshold\.method asks for"):
        run_on(folders, method="margin_gradient")
    with pytest.raises(InputError, match=r"no maps\.safetensors"):
        maps.read_shards([tmp_path / "cohort"])
    shard = folders[3] / "replicates-0-2"
    with pytest.raises(InputError, match="replicate 0 is also in"):
        maps.read_shards([folders[3], shard])
    write_tsv(folders[1] / "rois.tsv", read_tsv(folders[1] / "rois.tsv").iloc[:-1])
    with pytest.raises(InputError, match="7 ROIs, but the cohort has 8"):
        read_inputs(*folders[:3])
    (shard / "maps.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="not a safetensors file"):
        maps.read_shards([folders[3]])
    (shard / "people.parquet").unlink()
    with pytest.raises(InputError, match=r"people\.parquet: no such file"):
        maps.read_shards([folders[3]])


def test_maps_of_another_cohort_are_refused(tmp_path):
    folders = write_study(tmp_path)
    dosage = np.load(folders[0] / "dosage.npy")
    np.save(folders[0] / "dosage.npy", dosage[:, :-1])
    write_tsv(folders[2] / "snps.tsv", read_tsv(folders[2] / "snps.tsv").iloc[:-1])
    with pytest.raises(InputError, match=r"expected \(14, 2, 11\)"):
        run_on(folders)
