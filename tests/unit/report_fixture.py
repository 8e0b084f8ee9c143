"""A complete set of artifact folders in the contract's format, with made-up contents, for tests of the report."""

import numpy as np
import pandas as pd
from comparison_fixture import METHODS, predictions, write_compare
from nilearn.datasets import fetch_coords_power_2011
from report_fixture_results import N_LOCI, SPLITS, map_checks, maps, pathways, record, selection

from gcamccl.connectivity.qc_fc import qc_fc
from gcamccl.workflow.config import PAPER, read_yaml
from gcamccl.workflow.files import write_json, write_tsv

NETWORKS = ("Default Mode", "Visual", "Salience", "Fronto-parietal Task Control", "Auditory", "Uncertain")
NAMES = (
    "Middle Frontal Gyrus",
    "Lingual Gyrus",
    "Precuneus",
    "Angular Gyrus",
    "Posterior Insula",
    "Cerebellum Exterior",
)
N_PEOPLE, N_GROUP, N_TEST = 240, 66, 20
HISTORY = [
    *("replicate", "epoch", "train_loss", "validation_loss", "validation_cross_entropy"),
    *("validation_auc", "learning_rate"),
]
PREDICTIONS = [
    *("replicate", "split", "permutation", "participant_id", "part", "label"),
    *("p_high", "p_high_connectivity", "p_high_snps"),
]


def make_study(root, selected=True, permuted_alike=False):
    """Write all artifact folders under `root`.

    Parameters
    ----------
    root : Path
    selected : bool
        Whether the rule selects anything; False: nothing at all, and no gene set is tested.
    permuted_alike : bool
        Whether permuted labels select as many features as the true ones.

    Returns
    -------
    dict of str to Path
        Stage -> folder, and ``truth`` -> truth.json.
    """
    rng = np.random.default_rng(1)
    folders = {
        stage: root / stage for stage in read_yaml(PAPER) if stage not in ("run", "study", "resources", "simulate")
    }
    folders.pop("report")
    for stage, folder in folders.items():
        folder.mkdir(parents=True)
        if stage != "preprocess":
            record(folder, stage)
    people = [f"sub-{number:03d}" for number in range(1, N_PEOPLE + 1)]
    for name in people[:2]:
        scan = folders["preprocess"] / name / "0a1b2c3d"
        scan.mkdir(parents=True)
        record(scan, "preprocess")
    rois = imaging(folders["connectivity"], people, rng)
    loci = genotypes(folders, people, rng)
    cohort = groups(folders["cohort"], people, len(rois), rng)
    training(folders, cohort, rng)
    comparison(folders["compare"], cohort, np.random.default_rng(4))
    planted = [(a, b) for a, b in zip(range(1, 60, 2), range(100, 160, 2), strict=True)]
    edges, snps = selection(folders["threshold"], rois, loci, planted, rng, selected, permuted_alike)
    maps(folders["activation"], cohort, len(rois), edges, rng)
    map_checks(folders["activation"], np.random.default_rng(5))
    pathways(folders["enrichment"], selected)
    folders["truth"] = root / "truth.json"
    write_json(
        folders["truth"],
        {
            "edges_high": [list(pair) for pair in planted[:15]],
            "edges_low": [list(pair) for pair in planted[15:]],
            "causal_snps": [
                {"id": name, "chrom": "5", "pos": 1, "gene": "GENE1", "effect": 0.3} for name in snps["snp_id"][:6]
            ],
            "causal_genes": ["GENE1", "GENE2"],
            "planted_gene_set": "planted pathway",
            "eqtl_snps": [],
            "expressed_genes": [],
            "genotype_faults": {
                "snps": [
                    {
                        "array": "omni",
                        "id": f"rs{n}",
                        "array_id": f"snp{n}",
                        "fault": ("moved", "flipped", "renamed")[n % 3],
                    }
                    for n in range(3)
                ],
            },
        },
    )
    return folders


def imaging(folder, people, rng):
    """Connectivity stage: fc.npy, people, quality, exclusions, ROIs; returns the ROI table."""
    points = pd.DataFrame(fetch_coords_power_2011()["rois"])
    rois = pd.DataFrame({"roi": points["roi"], "x": points["x"], "y": points["y"], "z": points["z"]})
    kind = (np.arange(len(rois)) * len(NETWORKS)) // len(rois)
    rois["network"] = np.array(NETWORKS)[kind]
    rois["name"] = np.array(NAMES)[rng.integers(len(NAMES), size=len(rois))]
    rois.loc[3, "name"] = None
    write_tsv(folder / "rois.tsv", rois)
    kept = people[:-12]
    same = kind[:, None] == kind[None]
    fc = (0.1 + 0.3 * same + 0.15 * rng.standard_normal((30, len(rois), len(rois)))).astype(np.float32)
    fc = (fc + fc.transpose(0, 2, 1)) / 2
    fc[:, np.arange(len(rois)), np.arange(len(rois))] = 0
    fc[0, 5, :] = fc[0, :, 5] = np.nan
    np.save(folder / "fc.npy", fc[np.arange(len(kept)) % 30])
    write_tsv(folder / "people.tsv", pd.DataFrame({"participant_id": kept, "n_volumes": 140, "residual_dof": 60}))
    quality = pd.DataFrame({"participant_id": people, "route": "timeseries", "n_volumes": 140, "n_scrubbed": 0})
    quality["regressors"], quality["residual_dof"], quality["warnings"] = "motion6", 60, None
    quality["registration_dice"] = quality["t1w_gain"] = np.nan
    quality.loc[20:59, ["route", "registration_dice", "t1w_gain"]] = ["raw", 0.93, 0.12]  # raw scans with a T1w
    quality.loc[:4, "regressors"] = "none: motion unknown"
    quality["sfnr_global"] = rng.normal(330, 30, len(people)).clip(280)
    quality["sfnr_roi_median"], quality["sfnr_voxel_median"] = 0.4 * quality["sfnr_global"], np.nan
    quality["mean_fd_mm"] = rng.gamma(3, 0.05, len(people))
    quality["max_translation_mm"] = rng.gamma(2, 0.4, len(people)).clip(max=1.9)
    quality.loc[:4, ["max_translation_mm", "mean_fd_mm"]] = np.nan  # of five people only the series are known
    last = quality.index[-12:]
    quality.loc[last[:4], "sfnr_global"] = 210.0
    quality.loc[last[4:], "max_translation_mm"] = 2.4
    quality["included"] = quality["participant_id"].isin(kept)
    write_tsv(folder / "group_bold_qc.tsv", quality)
    edges, summary = qc_fc(fc[np.arange(len(kept)) % 30], quality["mean_fd_mm"].to_numpy()[: len(kept)], rois)
    edges.to_parquet(folder / "qc_fc.parquet")
    write_tsv(folder / "qc_fc.tsv", summary)
    excluded = pd.DataFrame({"participant_id": people[-12:], "reason": "max_translation_mm"})
    excluded["value"], excluded["limit"] = 2.4, 2.0
    excluded.loc[:3, ["reason", "value", "limit"]] = ["min_sfnr", 210.0, 275.0]
    write_tsv(folder / "excluded.tsv", excluded)
    return rois


def genotypes(folders, people, rng):
    """Genotype QC, imputation and eQTL filter; returns the table of loci."""
    write_tsv(folders["genotype_qc"] / "attrition.tsv", attrition(len(people)))
    samples(folders["genotype_qc"], people, np.random.default_rng(2))
    rows = [("snp", f"rs{n}", "omni" if n % 2 else None, "LD pruning", "r2 above 0.9") for n in range(50)]
    rows += [("sample", f"G{n:03d}", None, "sample missing", "above 0.05 missing") for n in range(5)]
    write_tsv(
        folders["genotype_qc"] / "dropped.tsv", pd.DataFrame(rows, columns=["kind", "id", "array", "step", "reason"])
    )
    rows = [
        (f"rs{n}", array, f"snp{n}", ("kept", "flipped", "renamed")[n % 3])
        for n in range(30)
        for array in ("hh610", "omni")
    ]
    write_tsv(
        folders["genotype_qc"] / "harmonised.tsv", pd.DataFrame(rows, columns=["id", "array", "array_id", "action"])
    )
    for chrom, concordance in ((5, 0.95), (17, 0.94), (22, 0.81)):
        folder = folders["impute"] / f"chr{chrom}"
        folder.mkdir()
        facts = {"n_snps": 10000, "n_samples": 235, "n_missing": 4000, "n_from_panel": 3900, "n_from_cohort": 100}
        write_json(folder / "summary.json", {**facts, "observed_changed": 0, "masked_concordance": concordance})
        row = {"source": "all", "stratum": "all", "n_masked": 100 * chrom, "concordance": concordance}
        table = pd.DataFrame([{**row, "concordance_mode": 0.6}, {**row, "source": "panel", "concordance_mode": 0.6}])
        write_tsv(folder / "concordance.tsv", table)
        record(folder, "impute")
    loci = pd.DataFrame({"snp_id": [f"rs{n}" for n in range(N_LOCI)]})
    loci["chrom"] = np.repeat(["5", "17", "22"], [80, 70, 50])
    loci["pos"] = np.concatenate([np.sort(rng.integers(1e6, 5e7, n)) for n in (80, 70, 50)])
    loci["counted_allele"], loci["other_allele"] = "A", "G"
    loci["frequency"] = rng.uniform(0.05, 0.5, N_LOCI)
    loci["genes"] = [f"GENE{n // 5}" + (",GENE_B" if n % 40 == 0 else "") for n in range(N_LOCI)]
    loci["why"], loci["n_imputed"] = "eqtl", 3
    write_tsv(folders["eqtl_filter"] / "snps.tsv", loci)
    table = pd.DataFrame(
        {
            "step": ["in gene bodies", "eQTL in 13 tissues", "expressed genes", "loci"],
            "snps": [9000, 60, 150, 200],
            "genes": [900, 30, 40, 60],
        }
    )
    write_tsv(folders["eqtl_filter"] / "attrition.tsv", table)
    return loci


def attrition(n):
    """Steps of genotype quality control: two arrays, then together."""
    a, b = 2 * n // 3, n - 2 * n // 3
    rows = [
        *(("read hh610", 60000, 60000, a + 2, a), ("read omni", 70000, 70000, b, b)),
        *(("usable hh610", 60000, 58000, a, a), ("common hh610", 58000, 52300, a, a)),
        *(("usable omni", 70000, 66000, b, b), ("common omni", 66000, 52300, b, b)),
        *(("merge", 52300, 52000, n, n), ("hwe", 52000, 51400, n, n), ("maf", 51400, 43000, n, n)),
        *(("ld", 43000, 31000, n, n), ("snp_missing", 31000, 30800, n, n), ("sample_missing", 30800, 30800, n, n - 5)),
    ]
    return pd.DataFrame(rows, columns=["step", "snps_in", "snps_out", "samples_in", "samples_out"])


def samples(folder, people, rng):
    """Reports on people of genotype quality control: two ancestry groups, one of everything that is odd."""
    n = len(people)
    ids = [name.replace("sub-", "G") for name in people]
    table = pd.DataFrame({"genotype_id": ids, "participant_id": people})
    table["arrays"] = np.where(np.arange(n) < 2 * n // 3, "hh610", "omni")
    table["sex"] = table["fam_sex"] = table["genotype_sex"] = rng.choice(["F", "M"], n)
    table["call_rate"] = 1 - rng.gamma(2, 0.002, n)
    table["heterozygosity"], table["f"] = rng.normal(0.32, 0.004, n), rng.normal(0, 0.01, n)
    table["heterozygosity_z"] = (table["heterozygosity"] - 0.32) / 0.004
    table["group"] = np.where(np.arange(n) % 3 == 0, "group2", "group1")
    table["n_related"], table["flags"], table["kept"] = 0, None, True
    table["dropped_at"] = table["reason"] = None
    for number in range(1, 6):
        table[f"pc{number}"] = rng.normal(0, 0.05, n) + 0.2 * (table["group"] == "group2") * (number == 1)
    table.loc[0, ["genotype_sex", "flags"]] = ["M" if table["sex"][0] == "F" else "F", "sex_mismatch"]
    table.loc[[1, 2], ["n_related", "flags"]] = [1, "same_dna"]
    table.loc[[3, 4], ["n_related", "flags"]] = [1, "undeclared_relative"]
    table.loc[5, ["heterozygosity", "heterozygosity_z", "flags"]] = [0.45, 12.0, "related_to_many;high_heterozygosity"]
    table.loc[6, "group"] = None
    table.loc[[7, 8], "n_related"] = 1
    last = table.index[-5:]
    table.loc[last, ["call_rate", "flags", "kept"]] = [0.9, "low_call_rate", False]
    table.loc[last, ["dropped_at", "reason"]] = ["sample_missing", "missing > 0.05"]
    write_tsv(folder / "samples.tsv", table)
    pairs = pd.DataFrame(
        [
            (ids[1], ids[2], 0.498, 0.0003, 50000, "duplicate or monozygotic twin", None, None, False, "same_dna"),
            (ids[3], ids[4], 0.251, 0.02, 50000, "full siblings", None, None, False, "undeclared"),
            (ids[7], ids[8], 0.247, 0.0002, 50000, "parent and child", "f1", "f1", True, None),
        ],
        columns=[
            *("genotype_id_1", "genotype_id_2", "kinship", "ibs0", "n_snps", "relation"),
            *("family_1", "family_2", "declared", "flag"),
        ],
    )
    write_tsv(folder / "relatedness.tsv", pairs)
    sexes = table[["genotype_id", "arrays", "fam_sex", "genotype_sex"]].rename(columns={"arrays": "array"})
    sexes["f"] = np.where(sexes["genotype_sex"] == "M", 0.99, rng.normal(0, 0.05, n))
    sexes["n_x_snps"], sexes["y_call_rate"], sexes["n_y_snps"] = 900, np.nan, 0
    write_tsv(folder / "sex_check.tsv", sexes)
    counts = {"n_snps": 52000, "threshold": 1e-5, "pooled": 600, "within": 150, "both": 120, "n_groups": 2}
    write_tsv(folder / "hwe_summary.tsv", pd.DataFrame([counts | {"far_more": True}]))
    values = pd.DataFrame({"component": [f"pc{number}" for number in range(1, 6)]})
    values["eigenvalue"], values["variance_share"] = [9.0, 1.5, 1.4, 1.3, 1.2], [0.04, 0.006, 0.005, 0.005, 0.004]
    values["stands_out"] = [True, False, False, False, False]
    write_tsv(folder / "eigenvalues.tsv", values)
    notes = [
        ("sex", "warning", f"another sex by genotypes than recorded: {ids[0]}"),
        ("relatedness", "warning", f"{ids[1]} and {ids[2]} have the same DNA (kinship 0.498)"),
        ("relatedness", "warning", "pairs of relatives that family_id does not declare: 1"),
        ("ancestry", "note", "people in no ancestry group of at least 30: 1"),
    ]
    write_tsv(folder / "notes.tsv", pd.DataFrame(notes, columns=["check", "level", "text"]))


def groups(folder, people, n_rois, rng):
    """Cohort stage; returns the cohort table."""
    table = pd.DataFrame({"participant_id": people, "score": np.linspace(70, 130, len(people)).round(1)})
    table["has_connectivity"] = np.arange(len(people)) < len(people) - 12
    table["has_genotypes"] = np.arange(len(people)) % 48 != 7
    usable = table["has_connectivity"] & table["has_genotypes"]
    table["group"] = None
    table["reason"] = None
    index = table.index[usable]
    table.loc[index, ["group", "reason"]] = ["middle", "score between the groups"]
    for name, rows in (("low", index[: N_GROUP // 2]), ("high", index[-N_GROUP // 2 :])):
        table.loc[rows, "group"], table.loc[rows, "reason"] = name, None
    table.loc[~table["has_connectivity"], "reason"] = "no connectivity: translation"
    table.loc[table["has_connectivity"] & ~table["has_genotypes"], "reason"] = "no genotypes: sample missing above 0.05"
    write_tsv(folder / "people.tsv", table)
    cohort = table[table["group"].isin(["low", "high"])][["participant_id", "score", "group"]].reset_index(drop=True)
    cohort["genotype_id"] = cohort["participant_id"].str.replace("sub-", "G")
    cohort["age"], cohort["sex"] = rng.uniform(8, 21, len(cohort)), rng.choice(["F", "M"], len(cohort))
    cohort["mean_fd_mm"] = rng.gamma(3, 0.05, len(cohort)) + 0.2 * (cohort["group"] == "low")
    cohort["relatives"] = None
    cohort["max_translation_mm"], cohort["pc1"] = rng.gamma(2, 0.4, len(cohort)), rng.standard_normal(len(cohort))
    write_tsv(folder / "cohort.tsv", cohort)
    np.save(folder / "fc.npy", (0.1 * rng.standard_normal((len(cohort), n_rois, n_rois))).astype(np.float32))
    splits = np.zeros((SPLITS, len(cohort)), np.int8)
    for split in splits:
        split[rng.permutation(len(cohort))[: 2 * N_TEST]] = np.repeat([1, 2], N_TEST)
    np.save(folder / "splits.npy", splits)
    return cohort


def training(folders, cohort, rng):
    """Train stage: two shards, one a split, with the true labels and one permutation each."""
    splits = np.load(folders["cohort"] / "splits.npy")
    label = (cohort["group"] == "high").astype(int).to_numpy()
    for split in range(SPLITS):
        shard = folders["train"] / f"replicates-{2 * split}-{2 * split + 1}"
        shard.mkdir()
        record(shard, "train", seed=split)
        found, history, predictions = [], [], []
        for permutation in (0, 1):
            number = 2 * split + permutation
            found.append(
                {
                    "replicate": number,
                    "split": split,
                    "permutation": permutation,
                    "seed": 1 + number,
                    "best_epoch": 9,
                    "epochs": 20,
                    "input_scale": {},
                }
            )
            signal = 0.6 if permutation == 0 else 0.0
            for epoch in range(20):
                loss = 1.4 - signal * epoch / 20 + 0.02 * rng.standard_normal()
                history.append((number, epoch, loss, loss + 0.1, loss, 0.5 + signal * epoch / 60, 1e-3))
            own = label if permutation == 0 else rng.permutation(label)
            p = 1 / (1 + np.exp(-(signal * 2 * (own - 0.5) + 0.5 * rng.standard_normal(len(label)))))
            parts = np.array(["train", "validation", "test"])[splits[split]]
            predictions += [
                (number, split, permutation, *row)
                for row in zip(cohort["participant_id"], parts, own, p, np.sqrt(p), p**2, strict=True)
            ]
        write_json(shard / "replicates.json", found)
        columns = HISTORY
        pd.DataFrame(history, columns=columns).to_parquet(shard / "history.parquet")
        columns = PREDICTIONS
        pd.DataFrame(predictions, columns=columns).to_parquet(shard / "predictions.parquet")


def comparison(folder, cohort, rng, views=("connectivity", "snps")):
    """Compare stage: all methods on the test people of each split, with one permutation of the labels."""
    splits = np.load(folder.parent / "cohort" / "splits.npy")
    names = cohort["participant_id"].to_numpy()
    label = (cohort["group"] == "high").astype(int).to_numpy()
    test_people = [(names[split == 2], label[split == 2]) for split in splits]
    skill = dict.fromkeys(METHODS, 1.2) | {"gcamccl": 2.5, "confounds": 0.2}
    people = predictions(test_people, skill, 1, rng, views)
    write_compare(folder, people, (splits == 2).sum() / (splits == 0).sum())


def arguments(folders):
    """Command-line options of workflow/scripts/report.py for these folders."""
    return [word for stage, folder in folders.items() for word in ("--" + stage.replace("_", "-"), str(folder))]
