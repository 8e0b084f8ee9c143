"""A study with scans, genotypes or both: which stages take part, what their keys depend on, what is refused."""

import copy

import pytest

from gcamccl.workflow import artifacts, config, modalities
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.stages import BY_NAME, MODALITIES, NAMES, taking_part

SCAN = [{"participant_id": f"p{i}", "genotype_id": None, "score": float(i), "timeseries": f"t{i}"} for i in range(4)]
GENOTYPE = [{"participant_id": f"p{i}", "genotype_id": f"g{i}", "score": float(i)} for i in range(4)]
BOTH = [{**a, **b} for a, b in zip(SCAN, GENOTYPE, strict=True)]
OF_SCANS, OF_GENOTYPES = {"preprocess", "connectivity"}, {"genotype_qc", "impute", "eqtl_filter", "enrichment"}


def settings(genotypes=("array",), views=MODALITIES, **study):
    """The paper's configuration with a study of one's own."""
    named = {"participants": "p.tsv", "genotypes": list(genotypes), "gtex_eqtl": "e", "gtex_expression": "x"}
    named |= {"gene_bodies": "b", "gene_sets": ["s.gmt"]} | study
    overlay = {"study": named, "train": {"views": list(views)}}
    return config.merge(config.read_yaml(config.PAPER), overlay)


def test_what_the_study_has_decides_which_stages_take_part():
    assert set(NAMES) - set(taking_part(["connectivity"])) == OF_GENOTYPES
    assert set(NAMES) - set(taking_part(["snps"])) == OF_SCANS
    assert taking_part(simulated=False) == NAMES[1:]
    assert modalities.require(settings(), BOTH) == MODALITIES
    assert modalities.require(settings(views=["snps"]), BOTH) == MODALITIES, "both stay where one is not trained on"
    assert modalities.require(settings((), ["connectivity"]), SCAN) == ("connectivity",)
    assert modalities.require(settings(views=["snps"]), GENOTYPE) == ("snps",)
    simulated = copy.deepcopy(settings())
    simulated["study"]["simulated"], simulated["simulate"]["modalities"] = True, ["snps"]
    simulated["train"]["views"] = ["snps"]
    assert modalities.require(simulated) == ("snps",)


@pytest.mark.parametrize(
    ("genotypes", "views", "people", "message"),
    [
        (
            (),
            MODALITIES,
            SCAN,
            r"train\.views: names snps, but study\.genotypes names no.*set train\.views: \[connectiv",
        ),
        (["a"], MODALITIES, GENOTYPE, r"train\.views: names connectivity, but nobody in p\.tsv has .*views: \[snps\]"),
        ((), ["connectivity"], GENOTYPE, r"study: neither scans nor genotypes"),
        (["a"], ["connectivity"], SCAN, r"study\.genotypes: names files, but nobody in p\.tsv has a genotype_id"),
    ],
)
def test_views_that_the_study_lacks(genotypes, views, people, message):
    with pytest.raises(InputError, match=message):
        modalities.require(settings(genotypes, views), people)


def test_a_simulated_study_lacks_a_view():
    simulated = copy.deepcopy(settings())
    simulated["study"]["simulated"], simulated["simulate"]["modalities"] = True, ["snps"]
    with pytest.raises(InputError, match=r"names connectivity, but simulate\.modalities is \[snps\]; set train\.views"):
        modalities.require(simulated)


def test_files_about_genotypes_are_needed_only_with_genotypes():
    nothing = dict.fromkeys(("gtex_eqtl", "gtex_expression", "gene_bodies")) | {"gene_sets": []}
    assert config.errors(settings((), ["connectivity"], **nothing)) == []
    missing = config.errors(settings((), MODALITIES, **nothing))
    assert [line.split(":")[0] for line in missing] == [
        f"study.{key}" for key in ("genotypes", "gtex_eqtl", "gtex_expression", "gene_bodies", "gene_sets")
    ]
    assert len(config.errors(settings(["a"], ["connectivity"], **nothing))) == 4, "genotypes are there: all is needed"
    external = settings((), ["connectivity"], **nothing)
    external["impute"]["method"] = "external"
    assert config.errors(external) == []


def keys(recipes):
    return {stage: artifacts.digest(recipe) for stage, recipe in recipes.items()}


@pytest.mark.parametrize(("views", "absent"), [(["connectivity"], OF_GENOTYPES), (["snps"], OF_SCANS)])
def test_absent_stages_are_in_no_key(views, absent):
    own = settings(views=views)
    recipes = artifacts.recipes(own, BOTH, tuple(views))
    assert set(recipes) == set(NAMES) - absent - {"simulate"}
    for stage, recipe in recipes.items():
        assert set(recipe["upstream"]) == set(BY_NAME[stage].needs) - absent
    other = copy.deepcopy(own)
    for stage in absent:
        other[stage]["changed"] = True
    assert keys(artifacts.recipes(other, BOTH, tuple(views))) == keys(recipes), "their settings change nothing"
    both = keys(artifacts.recipes(own, BOTH))
    first = "connectivity" if views == ["connectivity"] else "eqtl_filter"
    assert both[first] == keys(recipes)[first], "what does not depend on the other modality stays as it is"
    assert both["cohort"] != keys(recipes)["cohort"]
