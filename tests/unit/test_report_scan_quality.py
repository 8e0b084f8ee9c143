"""The report's figures of scan quality: who is drawn where, limits, unknown values, QC-FC."""

import numpy as np
import pandas as pd
import pytest
from report_fixture import make_study

from gcamccl.report import figure_list, maps
from gcamccl.report.collect import collect
from gcamccl.report.figures import scan_quality, style
from gcamccl.workflow.config import stage_defaults

SETTINGS = stage_defaults("connectivity")


@pytest.fixture(autouse=True)
def in_style():
    with style.styled():
        yield
        style.plt.close("all")


def study():
    """Quality and exclusions of ten people: kept, moved, noisy, both, strange reason, unknown motion, no scan."""
    quality = pd.DataFrame(
        {
            "participant_id": list("abcdefghij"),
            "max_translation_mm": [0.2, 0.4, 0.0, 2.5, 0.6, 3.5, 0.3, np.nan, np.nan, np.nan],
            "mean_fd_mm": [0.1, 0.1, 0.05, 0.6, 0.2, 0.7, 0.1, np.nan, 0.2, np.nan],
            "sfnr_global": [300, 310, 420, 330, 200, 180, 340, 350, 360, np.nan],
            "sfnr_roi_median": np.arange(10.0),
        }
    )
    excluded = pd.DataFrame(
        [
            ("d", "max_translation_mm"),
            ("e", "min_sfnr"),
            *(("f", "max_translation_mm"), ("f", "min_sfnr"), ("g", "made_up"), ("j", "no_scan")),
        ],
        columns=["participant_id", "reason"],
    )
    return quality, excluded


def dots(axis):
    """Label -> places of the dots of each kind of people."""
    return {part.get_label(): np.asarray(part.get_offsets()) for part in axis.collections}


def test_everybody_is_drawn_once_and_marked_by_reason():
    quality, excluded = study()
    drawing = scan_quality.scatter(quality, excluded, SETTINGS)
    strip, plane, histogram = drawing.axes
    shown = dots(plane)
    assert {name: len(places) for name, places in shown.items()} == {
        **{"kept": 3, "translation": 1, "SFNR": 1, "several reasons": 1, "another reason": 1}
    }
    np.testing.assert_allclose(shown["several reasons"], [[3.5, 180]])
    np.testing.assert_allclose(shown["kept"], [[0.2, 300], [0.4, 310], [scan_quality.SMALLEST_MM, 420]])
    assert {name: places[:, 1].tolist() for name, places in dots(strip).items()} == {"kept": [350, 360]}
    lines = sorted(tuple(line.get_xdata()) for line in plane.lines if line.get_label() == "limits")
    assert (2.0, 2.0) in lines
    assert any(set(line.get_ydata()) == {275.0} for line in plane.lines)
    heights = [sum(bar.get_height() for bar in container) for container in histogram.containers]
    assert heights == [4, 4]
    legend = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert legend == [
        *("kept (5)", "translation (1)", "SFNR (1)", "several reasons (1)", "another reason (1)", "limits")
    ]


def test_unknown_values_are_counted():
    quality, excluded = study()
    assert scan_quality.note(quality, excluded, SETTINGS) == (
        "9 people with scans; translation unknown: 2; framewise displacement unknown: 1; no scan: 1."
    )
    other = SETTINGS | {"sfnr_metric": "sfnr_roi_median"}
    assert scan_quality.scatter(quality, excluded, other).axes[0].get_ylabel() == "SFNR, median of ROIs"


def test_studies_of_which_little_is_known():
    quality, excluded = study()
    still = quality.assign(max_translation_mm=np.nan, mean_fd_mm=np.nan)
    strip, plane, histogram = scan_quality.scatter(still, excluded, SETTINGS).axes
    assert sum(len(places) for places in dots(strip).values()) == 9
    assert not dots(plane) and "unknown" in plane.texts[0].get_text() and "unknown" in histogram.texts[0].get_text()
    nothing = still.assign(sfnr_global=np.nan)
    assert "Neither" in scan_quality.scatter(nothing, excluded, SETTINGS).axes[0].texts[0].get_text()
    moving = quality[quality["max_translation_mm"].notna()]
    strip, plane, _ = scan_quality.scatter(moving, excluded, {}).axes  # a record without settings
    assert not strip.get_visible() and plane.get_ylabel() == "SFNR of the whole brain" and not plane.lines


def test_the_report_draws_it_and_says_who_is_unknown(tmp_path):
    results = collect(make_study(tmp_path))
    summaries = maps.summarise(results.folders["activation"], results.replicates)
    name, drawing, note = next(figure_list.drawings(results, summaries))
    assert name == "scan_quality"
    assert note == "240 people with scans; translation unknown: 5; framewise displacement unknown: 5."
    assert len(dots(drawing.axes[1])["kept"]) == 240 - 12 - 5


def connections(slope=-0.002, n=200, seed=0):
    """A made-up QC-FC table whose r falls with distance."""
    rng = np.random.default_rng(seed)
    distance = rng.uniform(10, 150, 5000)
    r = 0.2 + slope * distance + rng.normal(0, 1 / np.sqrt(n), distance.size)
    table = pd.DataFrame({"roi_a": 1, "roi_b": 2, "distance_mm": distance, "r": r, "n": n})
    table.loc[::100, "r"] = np.nan
    return table


def test_qc_fc_shows_the_fall_with_distance():
    table = connections()
    drawing = scan_quality.qc_fc(table)
    plane, histogram = drawing.axes[:2]
    known = table.dropna()
    assert plane.collections[0].get_array().sum() == len(known)
    places, means = (np.asarray(values) for values in plane.lines[0].get_data())
    own = known[(known["distance_mm"] >= 50) & (known["distance_mm"] < 60)]["r"].mean()
    assert means[places == 55] == pytest.approx(own)
    assert means[0] - means[-1] == pytest.approx(0.002 * (places[-1] - places[0]), abs=0.03)
    assert f"{known['distance_mm'].corr(known['r'], method='spearman'):.2f}" in plane.get_title()
    assert f"{known['r'].abs().median():.2f}" in histogram.get_title()
    assert sum(patch.get_height() for patch in histogram.patches) == len(known)


def test_qc_fc_without_influence_of_motion_is_the_expected_distribution():
    table = connections(slope=0).assign(r=lambda table: table["r"] - 0.2)
    histogram = scan_quality.qc_fc(table).axes[1]
    counts = np.array([patch.get_height() for patch in histogram.patches])
    expected = np.asarray(histogram.lines[0].get_ydata())
    assert expected.sum() == pytest.approx(counts.sum(), rel=0.01)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected.max())


def test_qc_fc_of_nothing_says_so():
    drawing = scan_quality.qc_fc(connections().assign(r=np.nan))
    assert "no correlation" in drawing.axes[0].texts[0].get_text()


def test_bins_of_few_connections_have_no_mean():
    distance = np.r_[np.full(30, 5.0), np.full(3, 15.0), np.full(25, 28.0)]
    places, means = scan_quality.binned_mean(distance, np.r_[np.ones(30), np.zeros(3), np.full(25, 0.5)])
    np.testing.assert_allclose(places, [5, 25])
    np.testing.assert_allclose(means, [1, 0.5])
