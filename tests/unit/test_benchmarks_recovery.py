"""`benchmarks/recovery.py`: its studies hold what they say, its counts are right, docs/recovery.md is its table."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def programs(monkeypatch):
    """The modules `recovery` and `recovery_studies` of benchmarks/."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import recovery
    import recovery_studies

    yield recovery, recovery_studies
    for name in ("recovery", "recovery_studies"):
        sys.modules.pop(name, None)


def views(cohort):
    """Values of either view: dict of str to (people, features)."""
    rows, columns = np.triu_indices(cohort.n_rois, 1)
    return {"connectivity": cohort.fc[:, rows, columns], "snps": cohort.dosage}


@pytest.mark.parametrize("scenario", ["edges strong", "snps", "both", "blocks"])
def test_what_is_planted_differs_and_nothing_else_does(programs, scenario):
    cohort, truths = programs[1].small_study(scenario, 1, 2000, 16, 40, 2, 0.1)
    for view, values in views(cohort).items():
        t, p = stats.ttest_ind(values[cohort.labels[0] == 1], values[cohort.labels[0] == 0])
        truth = truths[view]
        assert truth.differs[truth.sought].all(), "what is to be found differs"
        found = t[truth.sought]
        assert (np.sign(found) == truth.differs[truth.sought])[np.abs(found) > 3].all()
        assert len(found) == 0 or (np.abs(found) > 3).mean() > 0.5
        same = p[truth.differs == 0]
        assert len(same) == 0 or (same < 0.001).mean() < 0.05
    assert any(truth.sought.any() for truth in truths.values())


def test_nothing_differs_in_a_null_study(programs):
    cohort, truths = programs[1].small_study("null", 3, 400, 16, 40, 2, 0.1)
    for view, values in views(cohort).items():
        assert not truths[view].differs.any() and not truths[view].sought.any()
        p = stats.ttest_ind(values[cohort.labels[0] == 1], values[cohort.labels[0] == 0]).pvalue
        assert (p < 0.01).mean() < 0.08
    assert len(cohort.splits) == 4


def test_counts_by_hand(programs):
    recovery, studies = programs
    truth = studies.Truth(np.array([1, -1, 1, 0, 0]), np.array([True, True, False, False, False]))
    chosen = np.array([True, True, True, True, False])
    counts = recovery.judge(truth, chosen, np.array([1, 1, 1, 1, 0]))
    # The second has the wrong direction, the third differs but is not among those to be found, the fourth is the same.
    assert counts == {"n_features": 5, "n_true": 2, "n_selected": 4, "n_hit": 1, "n_false": 2}
    grouped = recovery.of_groups(truth, np.array([0, 0, 1, 2, 2]))
    assert grouped.differs.tolist() == [1, 1, 0] and grouped.sought.tolist() == [True, False, False]


def test_rates_of_a_table(programs, tmp_path):
    recovery, _ = programs
    rows = [
        ("null", seed, view, "confirmed, network", 0.5, 10, 0, n, 0, n, 1)
        for seed, (a, b) in enumerate([(0, 0), (1, 0), (0, 2), (1, 1)])
        for view, n in (("connectivity", a), ("snps", b))
    ]
    rows.append(("both", 1, "snps", "confirmed, network", 0.7, 10, 4, 4, 3, 1, 1))
    path = tmp_path / "t.tsv"
    pd.DataFrame(rows, columns=list(recovery.COLUMNS)).to_csv(path, sep="\t", index=False)
    table = recovery.read_tables([path])
    rates = recovery.null_rates(table).set_index("view")["any_selected"]
    assert rates.to_dict() == {"connectivity": 0.5, "snps": 0.5, "both views": 0.75}
    shown = recovery.means(table).set_index(["scenario", "view"])
    assert shown.loc[("both", "snps"), ["fdp", "precision", "recall"]].tolist() == [0.25, 0.75, 0.75]


def test_the_documented_figures_are_those_of_the_table():
    text = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
    table = pd.read_csv(ROOT / "docs" / "recovery.tsv", sep="\t", keep_default_na=False, na_values=["n/a"])
    found = re.search(r"realised_fdr=(\S+) null_any=(\S+) recall_vs_univariate=(\S+)`", text)
    own, peer = (
        table[(table["method"] == name) & (table["n_true"] > 0)] for name in ("confirmed, network", "univariate")
    )
    assert (own["studies"] == 10).all() and (table.loc[table["scenario"] == "null", "studies"] == 50).all()
    assert own["fdp"].mean() == pytest.approx(float(found[1]), abs=0.001)
    assert own["n_hit"].sum() / peer["n_hit"].sum() == pytest.approx(float(found[3]), abs=0.01)
    null = table[(table["scenario"] == "null") & (table["method"] == "confirmed, network")]
    assert null["any_false"].max() <= float(found[2]) <= null["any_false"].sum() + 1e-9
    # Below the level, and at least half of the univariate tests where the networks tell the groups apart.
    assert own["fdp"].max() <= 0.1 and float(found[2]) <= 0.1
    learned = own["auc"].to_numpy() >= 0.58
    share = own["n_hit"].to_numpy() / peer["n_hit"].to_numpy()
    assert (share[learned] >= 0.5).all()
    for row in own.itertuples():
        assert f"| {row.n_hit:.1f} + {row.n_selected - row.n_hit:.1f} |" in text or row.view == "snps"
