"""The report on people's genotypes: warnings, tables, figures and methods say what the stage's tables say."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from report_fixture import N_PEOPLE, make_study

from gcamccl.report import checks, genotypes, methods
from gcamccl.report.collect import collect
from gcamccl.report.figures import genotypes as figures
from gcamccl.report.figures import style


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return collect(make_study(tmp_path_factory.mktemp("study")))


def changed(results, **tables):
    return replace(results, tables=results.tables | {f"genotype_qc/{name}": table for name, table in tables.items()})


def described(results, **settings):
    record = results.records["genotype_qc"][0]
    records = results.records | {"genotype_qc": [record | {"settings": record["settings"] | settings}]}
    return methods.genotypes(replace(results, records=records))


def test_warnings_are_the_stages_with_advice_once_a_check(results):
    lines = genotypes.warnings(results)
    assert len(lines) == 3
    assert "G001" in lines[0] and "remove_sex_mismatch" in lines[0]
    assert "same DNA" in lines[1] and "remove_related" not in lines[1]
    assert lines[2].endswith("remove_related leaves out the fewest people.")
    assert checks.warnings(results, {})["genotype_qc"] == lines
    quiet = changed(results, notes=results.tables["genotype_qc/notes"].query("level == 'note'"))
    assert genotypes.warnings(quiet) == []
    assert "genotype_qc" not in checks.warnings(quiet, {})


def test_sentences_count_people_and_repeat_every_note(results):
    first, *others = genotypes.sentences(results)
    samples = results.tables["genotype_qc/samples"]
    assert f"{N_PEOPLE:,} people are on the arrays, {N_PEOPLE - 5:,} were kept; 6 of these have a flag." in first
    assert f"group1 {(samples['group'] == 'group1').sum():,}, group2" in first
    assert others == ["People in no ancestry group of at least 30: 1."]


def test_tables_name_the_odd_ones_in_words(results):
    made = genotypes.tables(results)
    counts = made["genotype_flags"][0].set_index("flag")
    assert counts.loc["same DNA as somebody else"].tolist() == [2, 2]
    assert counts.loc["low call rate"].tolist() == [5, 0]
    whole, shown = made["genotype_samples"]
    assert len(whole) == N_PEOPLE
    assert len(shown) == 11
    assert list(shown["kept"]) == [True] * 6 + [False] * 5
    row = shown.set_index("genotype_id").loc["G006"]
    assert row["flags"] == "looks related to many (mixed sample); too heterozygous for the ancestry group"
    pairs = made["genotype_relatives"][1]
    assert pairs["flag"].tolist()[:2] == ["same DNA", "not declared"]
    assert pairs["flag"].isna().tolist() == [False, False, True]


def test_every_flag_and_pair_flag_of_the_stage_has_words():
    from pathlib import Path

    from gcamccl.genotype_qc import people, relatedness

    source = Path(people.__file__).read_text() + Path(relatedness.__file__).read_text()
    for flag in [*genotypes.FLAGS, *genotypes.FLAG_OF_PAIR]:
        assert f'"{flag}"' in source or flag.endswith("heterozygosity"), flag
    assert set(relatedness.RELATIONS) | {"unrelated"} == set(figures.RELATIONS)


def test_attrition_goes_array_by_array_and_adds_up(results):
    table = results.tables["genotype_qc/attrition"]
    rows = figures.rows_of(table, results.tables["eqtl_filter/attrition"])
    labels = [row["label"] for row in rows]
    assert labels[:7] == [
        *("hh610: on the array", "hh610: usable", "hh610: on all arrays"),
        *("omni: on the array", "omni: usable", "omni: on all arrays", "merged"),
    ]
    assert labels[7:10] == ["Hardy-Weinberg", "allele frequency", "LD pruning"]
    assert len(rows) == len(table) + len(results.tables["eqtl_filter/attrition"])
    assert rows[0]["people_lost"] == 2
    for before, after in pairwise(rows[6:12]):
        assert before["snps"] - after["snps"] == after["snps_lost"]
    assert len({row["colour"] for row in rows}) == 4


def test_an_attrition_without_arrays_is_drawn_too(results):
    table = results.tables["genotype_qc/attrition"].iloc[6:].assign(step=lambda t: "step " + t["step"])
    with style.styled():
        drawing = figures.attrition(table, results.tables["eqtl_filter/attrition"])
    assert len(drawing.axes[0].patches) == len(table) + 4
    style.plt.close(drawing)


def drawn(results, **tables):
    here = changed(results, **tables)
    get = here.tables.__getitem__
    with style.styled():
        drawing = figures.quality(
            get("genotype_qc/samples"),
            get("genotype_qc/relatedness"),
            get("genotype_qc/sex_check"),
            here.settings("genotype_qc"),
        )
    texts = [text.get_text() for axis in drawing.axes for text in axis.texts]
    dots = [sum(len(part.get_offsets()) for part in axis.collections) for axis in drawing.axes]
    style.plt.close(drawing)
    return texts, dots


def test_the_figure_shows_everybody_and_rings_the_flagged(results):
    _, dots = drawn(results)
    assert dots == [N_PEOPLE, 3 + 2, N_PEOPLE + 1, N_PEOPLE + 6]


def test_what_could_not_be_measured_is_said_in_the_figure(results):
    samples = results.tables["genotype_qc/samples"]
    nothing = samples.assign(pc1=np.nan, pc2=np.nan, heterozygosity=np.nan, group=None)
    sexes = results.tables["genotype_qc/sex_check"].assign(f=np.nan)
    pairs = results.tables["genotype_qc/relatedness"].iloc[:0]
    texts, dots = drawn(results, samples=nothing, sex_check=sexes, relatedness=pairs)
    assert dots == [0, 0, 0, 0]
    assert [text.split()[0] for text in texts] == ["too", "no", "too", "too"]
    assert figures.note(nothing) == f"{N_PEOPLE} people measured."
    assert "3 on the arrays, but not merged" in figures.note(
        samples.assign(call_rate=samples["call_rate"].where(samples.index > 2))
    )


def test_methods_tell_the_filters_that_are_on(results):
    text, references = described(results)
    assert "flagged only" in text
    assert "gave 2 ancestry groups" in text
    assert "below 1e-05 over everybody" in text
    assert len(references) == len(methods.GENETIC_REFERENCES)
    text, _ = described(results, remove_related=True, remove_sex_mismatch=True, hwe_within_ancestry=True)
    assert "contradict the recorded sex, then those so that no known kinship above 0.0884 was left" in text
    assert "within any ancestry group" in text
    assert "flagged only" not in text


def test_methods_keep_silent_on_what_was_not_measured(results):
    samples = results.tables["genotype_qc/samples"].assign(pc1=np.nan, heterozygosity=np.nan, group="group1")
    sexes = results.tables["genotype_qc/sex_check"].assign(f=np.nan)
    text, references = methods.genotypes(changed(results, samples=samples, sex_check=sexes))
    for absent in ("components come", "Gaussian", "Heterozygosity was", "inbreeding coefficient F"):
        assert absent not in text
    assert "Manichaikul" in " ".join(references)
    assert "Lee S" not in " ".join(references)
    text, _ = methods.genotypes(replace(results, records={}))
    assert text.startswith("Arrays were brought") and "Hardy" not in text


def test_flags_in_words():
    assert genotypes.in_words(None) is None
    assert genotypes.in_words("sex_unclear;new_flag") == "sex by genotypes is unclear; new_flag"
    assert genotypes.flag_counts(pd.DataFrame({"flags": [None], "kept": [True]})).empty
