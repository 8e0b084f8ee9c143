"""The paragraph on maps and selection says what every setting does."""

from dataclasses import replace

import pytest
from report_fixture import make_study

from gcamccl.report.collect import collect
from gcamccl.report.methods_selection import OF_MAP, pathways, selection
from gcamccl.workflow.config import schema, stage_defaults


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return collect(make_study(tmp_path_factory.mktemp("study")))


def said(results, **settings):
    """The paragraph with other settings, by stage."""
    stages = ("cohort", "activation", "threshold")
    records = {stage: [{"settings": stage_defaults(stage) | settings.get(stage, {})}] for stage in stages}
    return selection(replace(results, records=results.records | records))


def test_paper(results):
    text, references = said(results)
    assert "Grad-CAM (Eqs. 8 and 10; Selvaraju et al. 2017) of block 2 of the connectivity branch" in text
    assert "its absolute value exceeds 0.05 of the map's maximum, and selected for a class if active in more" in text
    assert "in more than 70% of the held-out people of that class, over all splits together" in text
    assert "in 5 random halvings of the people" in text and "named 50% of the features" in text
    assert [reference.split()[0] for reference in references] == sorted(
        reference.split()[0] for reference in references
    )
    assert not any("Sundararajan" in reference for reference in references), "integrated gradients were not made"


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        *(("activation", name) for name in ("score", "relu_on", "baseline")),
        *(("threshold", name) for name in ("rule_values", "rule_maximum", "rule_people", "rule_splits", "method")),
    ],
)
def test_every_choice_reads_differently(results, stage, name):
    allowed = schema()["properties"][stage]["properties"][name]["enum"]
    texts = {
        said(results, **{"activation": {"methods": list(OF_MAP)}, stage: {name: value, **methods(stage)}})[0]
        for value in allowed
    }
    assert len(texts) == len(allowed) > 1


def methods(stage):
    return {"methods": list(OF_MAP)} if stage == "activation" else {}


def test_what_was_not_done_is_not_said(results):
    text, references = said(results, cohort={"halvings": 0}, activation={"checks": False})
    assert "Calibrated selection" not in text and "fresh weights" not in text
    assert not any(name in reference for reference in references for name in ("Liu", "Adebayo", "Simes"))
    text, _ = said(results, cohort={"permutations": 0})
    assert "permuted labels" not in text
    text, _ = said(results, threshold={"covariates": []})
    assert "adjusted" not in text
    alone = replace(results, folders={stage: path for stage, path in results.folders.items() if stage != "eqtl_filter"})
    assert "SNP" not in said(alone)[0]


def test_pathways(results):
    def told(**settings):
        records = {"enrichment": [{"settings": stage_defaults("enrichment") | settings}]}
        return pathways(replace(results, records=results.records | records))

    text, references = told()
    assert "of 2 to 5000 genes" in text and "against all genes of the gene-set files, and beside it" in text
    assert "drawn anew 1,000 times" in text
    assert [reference.split()[0] for reference in references] == ["Benjamini", "Fang"]
    texts = {told(background=name)[0] for name in ("union", "per_source", "candidates", "file")}
    assert len(texts) == 4
    assert "beside it" not in told(background="candidates")[0]
    assert "drawn anew" not in told(matched_draws=0)[0]
    assert pathways(replace(results, records={})) == ("", [])
