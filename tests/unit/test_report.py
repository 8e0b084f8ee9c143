"""The report's numbers: figures, tables, warnings and recovered truth against the tables they are made from."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from report_fixture import N_GROUP, make_study
from sklearn.metrics import precision_score, recall_score

from gcamccl.report import checks, figure_list, maps, names, statistics, summary, tables, truth
from gcamccl.report.collect import collect
from gcamccl.report.figures import connections, heatmaps, scores, style
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def results(folders):
    return collect(folders, folders["truth"])


@pytest.fixture(scope="module")
def summaries(results):
    return maps.summarise(results.folders["activation"], results.replicates)


def test_missing_file_is_one_clear_line(folders, tmp_path):
    broken = dict(folders, cohort=tmp_path)
    with pytest.raises(InputError, match=r"cohort\.tsv: no such file"):
        collect(broken)


def test_missing_column_names_the_file_and_what_is_there(tmp_path):
    (tmp_path / "rois.tsv").write_text("roi\tx\n1\t2\n")
    from gcamccl.report.collect import read_table

    with pytest.raises(InputError, match=r"rois\.tsv: no column network; found roi, x"):
        read_table(tmp_path / "rois.tsv", ("roi", "network"))


@pytest.mark.parametrize(("value", "name"), [(0, "low"), ("1", "high"), ("low", "low"), ("middle", "middle")])
def test_classes_by_number_or_name(value, name):
    from gcamccl.report.collect import class_name

    assert class_name(value) == name


def test_mean_map_equals_numpy_over_all_shards(folders, summaries, results):
    from safetensors.numpy import load_file

    parts, zero = [], 0
    for number, shard in ((0, "replicates-0-1"), (2, "replicates-2-3")):
        tensor = load_file(folders["activation"] / shard / "maps.safetensors")[f"{number:04d}/gradcam/connectivity"]
        tensor = tensor.astype(np.float64)
        people = pd.read_parquet(folders["activation"] / shard / "people.parquet").query("replicate == @number")
        own = tensor[(people["label"] == 1).to_numpy(), 1]
        zero += int((own == 0).all(axis=1).sum())
        own = own[(own != 0).any(axis=1)]
        parts.append(own / np.abs(own).max(axis=1, keepdims=True))
    expected = np.concatenate(parts)
    part = summaries["gradcam", "connectivity", "high", False]
    assert (part.n_maps, part.n_zero) == (len(expected), zero)
    np.testing.assert_allclose(part.mean, expected.mean(axis=0), rtol=1e-4)
    rebuilt = maps.square(part.mean, 264)
    assert (
        rebuilt[3, 7]
        == rebuilt[7, 3]
        == pytest.approx(part.mean[np.ravel_multi_index((3, 7), (264, 264)) - 3 * 4 // 2 - 4])
    )
    counts, _ = np.histogram(np.round(expected[0].astype(np.float64) * 255), bins=32, range=(0, 256))
    np.testing.assert_allclose(maps.grey_histogram(expected[:1])[0], counts / expected.shape[1])
    assert part.histogram.sum() == pytest.approx(1)


def test_square_refuses_a_wrong_number_of_connections():
    with pytest.raises(ValueError, match="7 values are not the connections of 4 ROIs"):
        maps.square(np.zeros(7), 4)


def test_likeness_is_pearson_r(summaries):
    pair = [summaries["gradcam", "connectivity", "low", permuted].mean for permuted in (False, True)]
    assert maps.likeness(summaries, "gradcam", "connectivity", "low") == pytest.approx(np.corrcoef(*pair)[0, 1])
    assert np.isnan(maps.likeness(summaries, "none", "connectivity", "low"))


def test_networks_are_grouped_and_every_roi_drawn_once(results):
    networks = results.tables["connectivity/rois"]["network"].to_numpy()
    order, bands = names.network_order([*networks, "A network of my own"])
    assert sorted(order) == list(range(len(networks) + 1))
    assert bands[-1] == ("A network of my own", len(networks), len(networks) + 1)
    for name, start, stop in bands[:-1]:
        assert set(networks[order[start:stop]]) == {name}


def test_names_of_table_ix():
    assert names.abbreviate("Middle Occipital Gyrus") == "Mid Occi"
    assert names.abbreviate("precuneus") == "Precun"
    assert names.abbreviate("Inferior Occipital Gyrus L") == "Inf Occi L"
    assert names.abbreviate("Medial Orbital Gyrus") == "Med Orb"
    assert names.roi_label(4, float("nan")) == "ROI 4"


def test_chord_arcs_count_the_connections_of_the_table(results):
    edges = results.tables["threshold/edges"]
    low = edges[(edges["class"] == "low") & edges["selected"]]
    assert len(low) == 75
    kept = connections.strongest(edges[edges["class"] == "low"])
    assert len(kept) == connections.MAX_EDGES
    assert kept["frequency"].min() >= low["frequency"].drop(kept.index).max()
    counts = connections.arc_counts(kept)
    ends = pd.concat([kept["roi_a"], kept["roi_b"]]).value_counts()
    assert counts == ends.to_dict()
    spans = connections.arcs(counts, list(counts))
    widths = pd.Series({roi: stop - start for roi, (start, stop) in spans.items()})
    np.testing.assert_allclose(widths / widths.sum(), ends[widths.index] / ends.sum())
    assert widths.sum() + connections.GAP_DEGREES * len(widths) == pytest.approx(360)


def test_chord_diagram_draws_one_arc_a_roi_and_one_ribbon_a_connection(results):
    from matplotlib.patches import PathPatch, Wedge

    edges, rois = results.tables["threshold/edges"], results.tables["connectivity/rois"]
    drawing = connections.chord(edges, rois)
    for axis, name in zip(drawing.axes, ("low", "high"), strict=True):
        kept = connections.strongest(edges[edges["class"] == name])
        assert sum(isinstance(patch, PathPatch) for patch in axis.patches) == len(kept)
        assert sum(isinstance(patch, Wedge) for patch in axis.patches) == len(connections.arc_counts(kept))
    style.plt.close(drawing)


def test_groups_are_compared_as_scipy_does(results):
    from scipy import stats

    cohort = results.tables["cohort/cohort"]
    low, high = (cohort.loc[cohort["group"] == name] for name in ("low", "high"))
    table = statistics.balance(cohort).set_index("variable")
    assert table.loc["age", "p"] == pytest.approx(stats.ttest_ind(low["age"], high["age"], equal_var=False).pvalue)
    counts = [[(part["sex"] == sex).sum() for sex in "FM"] for part in (low, high)]
    assert table.loc["sex (share F)", "p"] == pytest.approx(stats.fisher_exact(counts).pvalue)
    assert table.loc["sex (share F)", ["people_low", "people_high"]].tolist() == [len(low), len(high)]
    assert [tables.heading(name) for name in ("people_low", "n_low")] == ["people low", "confirmed, larger in low"]


def test_flow_of_people_adds_up(results):
    people = results.tables["cohort/people"]
    steps, groups = statistics.people_flow(people)
    assert steps[0][1] == len(people)
    for (_, before, lost), (_, after, _) in pairwise(steps):
        assert before - sum(count for _, count in lost) == after
    assert steps[-1][1] == sum(groups.values()) == N_GROUP
    assert steps[0][2] == [("no connectivity: translation", 12)]


def test_mean_connectivity_leaves_missing_rois_out(tmp_path):
    stack = np.array([[[0, 1], [1, 0]], [[0, np.nan], [np.nan, 0]], [[0, 3], [3, 0]]], np.float32)
    np.save(tmp_path / "fc.npy", stack)
    np.testing.assert_array_equal(statistics.mean_connectivity(tmp_path / "fc.npy"), np.nanmean(stack, axis=0))
    difference = statistics.group_difference(tmp_path / "fc.npy", ["low", "high", "high"])
    assert difference[0, 1] == 2


def test_planted_faults_of_the_arrays_are_a_table(results):
    planted = truth.recovery(results, 0.1)
    made = {table.name: table for table in tables.build(results, planted)}
    found = made["genotype_faults"].full.set_index(["fault", "array"])
    assert found["mended"].to_dict() == {
        **{("flipped", "omni"): 1, ("renamed", "omni"): 1, ("moved", "omni"): 0},
        **{("none", "hh610"): 18, ("none", "omni"): 18},
    }
    assert found.loc[("moved", "omni"), "missed"] == 1
    assert "genotype_faults" not in {table.name for table in tables.build(results)}


def test_recovery_equals_scikit_learn(results):
    planted = truth.recovery(results, 0.1)
    edges = results.tables["threshold/edges"].query("`class` == 'high'")
    pairs = list(zip(edges["roi_a"], edges["roi_b"], strict=True))
    is_planted = [[a, b] in results.truth["edges_high"] for a, b in pairs]
    is_any = [[a, b] in results.truth["edges_high"] + results.truth["edges_low"] for a, b in pairs]
    row = planted.query("what == 'connections' and `class` == 'high'").set_index("rule").loc["paper's rule"]
    assert row["n_hit"] == 10 and row["n_planted"] == 30
    assert row["precision"] == pytest.approx(precision_score(is_any, edges["selected"]))
    assert row["recall"] == pytest.approx(recall_score(is_any, edges["selected"]))
    low = planted.query("what == 'connections' and `class` == 'low'").set_index("rule").loc["paper's rule"]
    assert low["n_hit"] == 10  # weaker in the high group, which is a larger value for low
    own = (edges["q"] <= 0.1) & (edges["t"] > 0)
    row = planted.query("what == 'connections' and `class` == 'high'").set_index("rule").loc["univariate q"]
    assert row["precision"] == pytest.approx(precision_score(is_planted, own))
    assert row["recall"] == 1


def test_recovery_counts_a_connection_whose_direction_is_right(results):
    edges = pd.DataFrame(
        [
            ("high", 1, 2, 1),  # planted stronger in high: right
            ("low", 1, 2, -1),  # right too: speaks against low
            ("high", 1, 3, -1),  # planted stronger in high, said weaker
            ("low", 1, 4, 1),  # planted stronger in low: right
            ("high", 1, 4, -1),  # right too
            ("low", 1, 5, 1),  # not planted
            ("low", 1, 3, 0),  # no direction stated
        ],
        columns=["class", "roi_a", "roi_b", "sign"],
    ).assign(selected=True, t=0.0, q=1.0, q_calibrated=1.0, direction=0)
    own = replace(
        results,
        tables=results.tables | {"threshold/edges": edges},
        truth=results.truth | {"edges_high": [[1, 2], [1, 3]], "edges_low": [[1, 4]]},
    )
    found = truth.recovery(own, 0.1).query("what == 'connections' and rule == \"paper's rule\"").set_index("class")
    assert found["n_planted"].to_dict() == {"low": 3, "high": 3, "any": 3}
    assert found["n_selected"].to_dict() == {"low": 4, "high": 3, "any": 4}
    assert found["n_hit"].to_dict() == {"low": 2, "high": 2, "any": 3}
    assert found.loc["high", "precision"] == pytest.approx(2 / 3)
    assert found.loc["low", "recall"] == pytest.approx(2 / 3)


def test_recovery_ranks_the_planted_gene_set(results):
    row = truth.recovery(results, 0.1).query("what == 'gene set' and `class` == 'low'").iloc[0]
    assert (row["rank"], row["n_tested"], row["q"]) == (2, 22, pytest.approx(1e-3))


def test_recovery_says_plainly_what_was_not_found(results):
    planted = truth.recovery(results, 0.1)
    planted.loc[planted["what"] == "connections", ["n_selected", "n_hit"]] = 0
    lines = truth.sentences(planted, results.truth)
    assert "nothing was selected, so none of the 30 planted was recovered" in lines[0]
    assert any(
        line.startswith("Planted gene set planted pathway, genes of the low group: recovered; rank 2 of 22")
        for line in lines
    )


def test_warnings_name_what_should_not_be_believed(results, summaries):
    found = checks.warnings(results, summaries)
    assert any("Grad-CAM, low group" in text for text in found["activation"])
    assert "22 (0.81)" in found["impute"][0]
    assert "mean_fd_mm" in found["cohort"][0]
    assert "threshold" not in found  # permuted labels select a tenth


def test_concordance_of_masked_calls_is_pooled_over_chromosomes(results):
    table = results.concordance.set_index(["source", "stratum"])
    pooled = (500 * 0.95 + 1700 * 0.94 + 2200 * 0.81) / 4400
    assert table.loc[("all", "all"), "concordance"] == pytest.approx(pooled)
    assert table.loc[("panel", "all"), "n_masked"] == 4400


def test_permuted_labels_that_select_as_many_are_a_plain_warning(tmp_path):
    folders = make_study(tmp_path, permuted_alike=True)
    results = collect(folders)
    by_heading = {heading: (text, bad) for heading, text, bad in summary.sentences(results)}
    text, bad = by_heading["Connections selected"]
    assert bad
    assert "75 of 34,716 for the low group (permuted labels: 74)" in text
    assert "must not be read as a finding" in text
    assert len(checks.warnings(results, {})["threshold"]) == 4


def test_what_is_confirmed_is_said_with_the_evidence_that_anything_differs(results):
    said = {heading: text for heading, text, _ in summary.sentences(results)}["Confirmed"]
    assert "over 5 halvings, at a false-discovery rate of 0.1: 30 of 34,716 connections and 6 of 200 SNPs" in said
    assert "(permuted labels: 0 connections and 0 SNPs). That anything differs at all has p = 1e-06." in said
    table = results.tables["threshold/summary"].assign(n_selected=0, p_any=0.4)
    nothing = replace(results, tables=results.tables | {"threshold/summary": table})
    said = {heading: text for heading, text, _ in summary.sentences(nothing)}["Confirmed"]
    assert "has p = 0.4. The groups do not differ, or the networks have not learned where" in said


def test_more_confirmed_with_permuted_labels_than_the_level_allows_is_a_warning(results):
    table = results.tables["threshold/summary"].copy()
    own = (table["method"] == "calibrated") & (table["view"] == "snps")
    table.loc[own, "n_selected_permuted"] = 2.0
    doubtful = replace(results, tables=results.tables | {"threshold/summary": table})
    (line,) = checks.warnings(doubtful, {})["threshold"]
    assert line.startswith("SNPs: the calibrated selection confirmed 6 with the labels and 4.0 with permuted labels")


def test_relatives_across_training_and_test_are_a_warning(results):
    cohort = results.tables["cohort/cohort"]
    splits = np.ones((2, len(cohort)), np.int8)
    splits[:, :4], splits[0, 4:8], splits[1, 8:12] = 0, 2, 2
    family = np.array([f"F{number}" for number in range(len(cohort))], object)

    def lines(**families):
        own = family.copy()
        for place, name in families.items():
            own[int(place[1:])] = name
        table = cohort.assign(family_id=own)
        nobody = results.tables["genotype_qc/relatedness"].iloc[:0]
        tables = results.tables | {"cohort/cohort": table, "genotype_qc/relatedness": nobody}
        study = replace(results, splits=splits, tables=tables)
        return [line for line in checks.warnings(study, {})["cohort"] if "relative" in line]

    assert not lines() and not lines(p0=None, p4=None)  # an unknown family is nobody's
    assert not lines(p4="F5") and not lines(p4="F20")  # both in test; in test and validation
    assert lines(p4="F0", p5="F0", p9="F20")[0].startswith("2 test people have a relative")
    assert "in 1 of 2 splits" in lines(p4="F0", p5="F0")[0]


@pytest.mark.parametrize(("kinship", "found"), [(0.25, True), (0.06, False)])
def test_relatives_by_their_genotypes_count_too(results, kinship, found):
    cohort = results.tables["cohort/cohort"]
    splits = np.ones((1, len(cohort)), np.int8)
    splits[0, :4], splits[0, 4:8] = 0, 2
    one, other = cohort["genotype_id"].iloc[[0, 5]]
    pair = {"genotype_id_1": [one, other], "genotype_id_2": [other, "nobody"], "kinship": [kinship, 0.5]}
    pair |= {"flag": None, "relation": "full siblings"}
    tables = results.tables | {"genotype_qc/relatedness": pd.DataFrame(pair)}
    tables["cohort/cohort"] = cohort.assign(family_id=None)
    lines = checks.warnings(replace(results, splits=splits, tables=tables), {})["cohort"]
    assert any(line.startswith("1 test people have a relative") for line in lines) == found


def test_names_with_dollars_can_be_drawn(results, tmp_path):
    tables = {
        name: table.assign(gene_set=["costs $a_{ and $b", *table["gene_set"][1:]])
        for name, table in results.enrichment.items()
    }
    with style.styled():
        style.save(scores.pathways(tables), tmp_path / "a.png", tmp_path / "a.svg")
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_logarithmic_axes_have_plain_numbers(summaries):
    with style.styled():
        drawing = heatmaps.histograms(summaries)
        drawing.canvas.draw()
        labels = [text.get_text() for axis in drawing.axes for text in axis.get_yticklabels(which="both")]
        style.plt.close(drawing)
    assert any(labels) and not any("$" in label for label in labels)


def test_a_branch_that_looks_at_nothing_is_a_warning(results):
    constant = replace(results, predictions=results.predictions.assign(p_high_connectivity=0.5))
    assert not any("connectivity branch" in line for line in checks.warnings(results, {}).get("train", []))
    lines = checks.warnings(constant, {})["train"]
    assert any("In 2 of 2 replicates the connectivity branch gives everybody the same" in line for line in lines)


def test_summary_counts_are_those_of_the_tables(results):
    text = " ".join(text for _, text, _ in summary.sentences(results))
    edges = results.tables["threshold/edges"]
    significant = edges[(edges["class"] == "low") & (edges["q"] <= 0.1)]
    assert f"{len(significant)} of 34,716 connections" in text
    assert "12 of 240 with scans excluded" in text
    assert "33 are in the low and 33 in the high group" in text
    assert f"{len(results.genes['low'])} genes selected" in text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "n/a"), (np.nan, "n/a"), (pd.NA, "n/a"), (True, "yes"), (3.0, "3"), (0.123456, "0.1235")]
)
def test_cells(value, text):
    assert tables.cell(value) == text


def test_every_figure_has_a_caption():
    for name in figure_list.FIGURES:
        assert len(figure_list.caption(name)) > 60


def test_the_rule_declares_every_figure():
    text = (ROOT / "rules" / "report.smk").read_text()
    for name, (stage, _) in figure_list.FIGURES.items():
        assert f'"{name}": "{stage}"' in text or f'["{name}"] = "{stage}"' in text


def test_the_same_figure_is_the_same_file(tmp_path):
    """Also where matplotlib names a clip path by its place in memory."""
    from matplotlib.patches import Circle

    kept = []
    for number in (1, 2):
        with style.styled():
            drawing, axis = style.figure()
            (line,) = axis.plot([0, 1], [0, 1])
            kept.append(Circle((0.5, 0.5), 0.2, transform=axis.transData))  # both live: at two places
            line.set_clip_path(kept[-1])
            style.save(drawing, tmp_path / f"{number}.png", tmp_path / f"{number}.svg")
    first, second = (tmp_path / f"{number}.svg" for number in (1, 2))
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text()
    names = re.findall(r'clipPath id="(\w+)"', text)
    assert names and set(re.findall(r"url\(#(\w+)\)", text)) <= set(names)
