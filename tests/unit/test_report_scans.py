"""What the report says about scans: routes, QC-FC, warnings with their numbers, reasons in words."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from connectivity_fixture import SETTINGS
from report_fixture import make_study

from gcamccl.atlas import COLUMNS
from gcamccl.connectivity import exclusion
from gcamccl.connectivity.person import QC_COLUMNS
from gcamccl.connectivity.qc_fc import SUMMARY_COLUMNS, qc_fc
from gcamccl.preprocess.extract import LOW_T1W_GAIN
from gcamccl.report import figure_list, maps, names, scans, statistics, summary, tables
from gcamccl.report.collect import collect, read_table
from gcamccl.report.figures import style
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.files import write_tsv


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return collect(make_study(tmp_path_factory.mktemp("study")))


def changed(results, name="connectivity/group_bold_qc", rows=slice(None), **columns):
    """The study with other values in some columns of a table, in the rows chosen."""
    table = results.tables[name].copy()
    for column, value in columns.items():
        table[column] = table[column].astype(object)
        table.loc[rows, column] = value
    return replace(results, tables=results.tables | {name: table.infer_objects()})


def with_summary(results, **values):
    row = {"n_people": 223, "n_edges": 34716, "share_p_below_0_05": 0.1, "distance_spearman": 0.0, "reason": None}
    return replace(results, tables=results.tables | {"connectivity/qc_fc": pd.DataFrame([row | values])})


def lines(results, word):
    return [line for line in scans.warnings(results) if word in line]


def test_routes_are_counted(results):
    quality = results.tables["connectivity/group_bold_qc"]
    assert scans.routes(quality) == {"t1w": 40, "timeseries": 200}
    study = changed(results, rows=slice(50, 79), route="raw", t1w_gain=np.nan)
    study = changed(study, rows=slice(100, 104), route="fmriprep")
    counts = scans.routes(study.tables["connectivity/group_bold_qc"])
    assert counts == {"t1w": 30, "epi": 30, "fmriprep": 5, "timeseries": 175}


def test_people_without_scans_are_not_excluded_for_their_images(results):
    study = changed(results, rows=slice(0, 9), included=False, route=None, n_volumes=np.nan)
    people = study.tables["connectivity/group_bold_qc"]["participant_id"][:10]
    gone = pd.DataFrame({"participant_id": people, "reason": "no_scan"})
    study.tables["connectivity/excluded"] = pd.concat([study.tables["connectivity/excluded"], gone])
    scanned, kept = scans.tables(study)
    assert (len(scanned), len(kept)) == (230, 218)
    assert "12 of 230 with scans excluded" in summary.sentences(study)[0][1]
    assert not lines(study, "were excluded")


def test_motion_that_could_not_be_removed_is_a_warning(results):
    assert "motion of 5, out of 228 people kept" in lines(results, "unknown")[0]
    assert not lines(changed(results, regressors="motion6"), "unknown")
    rich = changed(results, rows=slice(0, 1), regressors="none: motion, global signal, framewise displacement unknown")
    assert "motion of 5, global signal of 2, framewise displacement of 2, out of 228" in lines(rich, "unknown")[0]
    assert not lines(changed(results, rows=slice(0, 4), included=False), "unknown")  # only those kept matter


def test_registration_without_a_t1w_is_a_warning(results):
    assert not lines(results, "without a T1w")
    study = changed(results, rows=slice(20, 22), t1w_gain=np.nan)
    text = lines(study, "without a T1w")[0]
    assert text.startswith("3 of 40 people kept with raw scans") and "column t1w" in text
    for record in study.records["preprocess"]:
        record["settings"]["registration"] = "epi_syn"
    assert "set preprocess.registration to t1w_syn" in lines(study, "without a T1w")[0]


def test_a_doubtful_t1w_is_a_warning_as_it_is_in_preprocess(results):
    assert scans.LOW_T1W_GAIN == LOW_T1W_GAIN
    assert not lines(changed(results, rows=slice(20, 59), t1w_gain=LOW_T1W_GAIN), "T1w hardly helps")
    text = lines(changed(results, rows=slice(20, 29), t1w_gain=0.0212), "T1w hardly helps")[0]
    assert "of 10 people kept" in text and "sub-021 (0.021), " in text and text.count("(0.021)") == scans.MOST_NAMED
    assert " and 2 more." in text


def test_few_degrees_of_freedom_and_much_scrubbing_are_a_warning(results):
    assert not lines(changed(results, residual_dof=scans.FEW_DOF, n_scrubbed=70), "people kept,")
    text = lines(changed(results, rows=slice(10, 11), residual_dof=14, n_scrubbed=71), "people kept,")[0]
    assert "2 keep fewer than 30 degrees of freedom after cleaning (fewest: 14) and 2 lost more than 50%" in text
    assert not lines(changed(results, rows=slice(10, 11), n_scrubbed=np.nan), "people kept,")  # motion unknown


def test_motion_in_the_connections_is_a_warning_from_its_ratio_on(results):
    assert not lines(results, "Motion is still")
    below = with_summary(results, median_abs_r=0.0629, median_abs_r_by_chance=0.045)
    above = with_summary(results, median_abs_r=0.0631, median_abs_r_by_chance=0.045)
    assert not lines(below, "Motion is still") and len(lines(above, "Motion is still")) == 1
    assert "is 0.063 over 223 people" in lines(above, "Motion is still")[0]
    for study, bad in ((below, False), (above, True)):
        assert {heading: found for heading, _, found in summary.sentences(study)}["Head motion"] is bad


def test_planted_motion_is_warned_of_and_none_is_not():
    """Half of the connections get stronger with displacement, by a third of their SD over people."""
    rng = np.random.default_rng(2)
    fd, rois = rng.gamma(3, 0.05, 200), pd.DataFrame(rng.uniform(-60, 60, (30, 3)), columns=["x", "y", "z"])
    rois["roi"] = np.arange(1, 31)
    fc = 0.15 * rng.standard_normal((200, 30, 30)).astype(np.float32)
    assert not scans.moved(qc_fc(fc, fd, rois)[1])
    fc[:, :, 15:] += (0.05 * (fd - fd.mean()) / fd.std())[:, None, None].astype(np.float32)
    assert scans.moved(qc_fc(fc, fd, rois)[1])


def test_too_few_people_with_known_motion_are_said_everywhere(results, tmp_path):
    fc, rois = np.load(results.folders["connectivity"] / "fc.npy"), results.tables["connectivity/rois"]
    edges, row = qc_fc(fc[:12], np.r_[np.linspace(0.1, 0.3, 9), [np.nan] * 3], rois)
    edges.to_parquet(tmp_path / "qc_fc.parquet")
    write_tsv(tmp_path / "qc_fc.tsv", row)
    found = {
        "connectivity/qc_fc": read_table(tmp_path / "qc_fc.tsv", ()),
        "connectivity/qc_fc_edges": read_table(tmp_path / "qc_fc.parquet", ()),
    }
    study = replace(results, tables=results.tables | found)
    why = "people kept with known motion: 9; at least 10 are needed."
    assert scans.qc_fc_sentence(found["connectivity/qc_fc"], 228) == f"QC-FC was not computed: {why}"
    assert summary.sentences(study)[1][1:] == (f"QC-FC was not computed: {why}", False)
    assert not lines(study, "Motion is still")
    made = {table.name: table for table in tables.build(study)}
    assert tables.for_page(made["qc_fc"])["rows"] == [["9", "0", why.removesuffix(".")]]
    with style.styled():
        drawn = figure_list.drawings(study, maps.summarise(study.folders["activation"], study.replicates))
        figures = {name: (drawing, note) for name, drawing, note in (next(drawn), next(drawn))}
        style.plt.close("all")
    drawing, note = figures["qc_fc"]
    assert why in drawing.axes[0].texts[0].get_text() and why in note


def test_every_limit_has_a_name_in_words_and_a_mark():
    from gcamccl.report.figures.scan_quality import REASONS

    facts = {"max_translation_mm": 9, "sfnr_global": 0, "registration_dice": 0, "t1w_gain": -1}
    limits = {name for name, _, _ in exclusion.reasons_to_exclude(facts, 1.0, 0, SETTINGS)}
    assert limits == set(REASONS) == set(names.REASONS) - {"no_scan"}
    assert len({marker for _, _, marker in REASONS.values()}) == len(REASONS)


def test_reasons_are_told_in_words(results):
    assert names.plain_reasons("no connectivity: min_t1w_gain; max_missing_rois") == (
        "no connectivity: doubtful T1w; missing ROIs"
    )
    assert names.plain_reasons(None) is None and names.plain_reasons("ambiguous: A/T") == "ambiguous: A/T"
    shown = tables.excluded_for_page(results.tables["connectivity/excluded"])
    assert shown.iloc[0].tolist() == ["sub-229", "SFNR", "min_sfnr", 210.0, 275.0]
    people = results.tables["cohort/people"].replace("no connectivity: translation", "no connectivity: min_sfnr")
    assert statistics.people_flow(people)[0][0][2] == [("no connectivity: SFNR", 12)]


def test_the_documentation_has_every_warning_of_the_section():
    table = (ROOT / "docs/report.md").read_text().split("## Scan quality")[0]
    rows = [line for line in table.splitlines() if line.startswith("| connectivity |")]
    assert len(rows) == 6
    for value in (f"{scans.QC_FC_RATIO:g} times", f"below {scans.LOW_T1W_GAIN:g} nats", f"fewer than {scans.FEW_DOF}"):
        assert any(value in row for row in rows), value


def test_the_documentation_has_every_column():
    text = (ROOT / "docs/artifacts.md").read_text()
    for file, columns in (("group_bold_qc.tsv", QC_COLUMNS), ("rois.tsv", COLUMNS), ("qc_fc.tsv", SUMMARY_COLUMNS)):
        row = next(line for line in text.splitlines() if line.startswith(f"| | `{file}`"))
        assert [name for name in columns if not re.search(rf"\b{name}\b", row)] == [], file
