"""Keys change with what matters and with nothing else."""

import copy

import pytest

from gcamccl.workflow import artifacts, config
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.stages import NAMES


@pytest.fixture
def project(tmp_path):
    """A small package and program laid out as ours: (root, package)."""
    package = tmp_path / "src" / "gcamccl"
    (package / "train").mkdir(parents=True)
    (package / "workflow").mkdir()
    (tmp_path / "workflow" / "scripts").mkdir(parents=True)
    for folder in (package, package / "train", package / "workflow"):
        (folder / "__init__.py").write_text('"""A package."""\n')
    (package / "loss.py").write_text('"""Loss."""\n\n\ndef loss(x):\n    """Square."""\n    return x * x  # why\n')
    (package / "unused.py").write_text("VALUE = 1\n")
    (package / "workflow" / "job.py").write_text("TEXT = 'machinery'\n")
    (package / "train" / "loop.py").write_text("def fit(x):\n    from gcamccl.loss import loss\n    return loss(x)\n")
    script = "from gcamccl.train import loop\nfrom gcamccl.workflow import job\n\nprint(loop.fit(2), job.TEXT)\n"
    (tmp_path / "workflow" / "scripts" / "train.py").write_text(script)
    return tmp_path, package


def key(project):
    artifacts._parsed.cache_clear()
    root, package = project
    return artifacts.code_digest(["train"], root, package)


def test_imports_are_followed_also_inside_functions(project):
    root, package = project
    names = [str(path.relative_to(root)) for path in artifacts.code_files(["train"], root, package)]
    assert names == [
        "src/gcamccl/__init__.py",
        "src/gcamccl/loss.py",
        "src/gcamccl/train/__init__.py",
        "src/gcamccl/train/loop.py",
        "workflow/scripts/train.py",
    ]


def test_comments_formatting_and_docstrings_do_not_count(project):
    before = key(project)
    path = project[1] / "loss.py"
    path.write_text('"""Another text."""\n\ndef loss(x):\n\n    # a comment\n    return (x *  x)\n')
    assert key(project) == before


@pytest.mark.parametrize("name", ["unused.py", "workflow/job.py"])
def test_code_that_is_not_reached_does_not_count(project, name):
    before = key(project)
    (project[1] / name).write_text("TEXT = VALUE = 3\n")
    assert key(project) == before


@pytest.mark.parametrize("name", ["loss.py", "train/loop.py", "__init__.py", "../../workflow/scripts/train.py"])
def test_a_changed_line_counts(project, name):
    before = key(project)
    path = project[1] / name
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert key(project) != before


def test_relative_imports_are_refused(project):
    (project[1] / "train" / "loop.py").write_text("from . import other\n")
    with pytest.raises(SyntaxError, match="relative import"):
        key(project)


def keys(settings, people=None):
    return {stage: artifacts.digest(recipe) for stage, recipe in artifacts.recipes(settings, people).items()}


def changed(before, after):
    return [stage for stage in NAMES if before.get(stage) != after.get(stage)]


@pytest.fixture(scope="module")
def demo():
    return config.load(artifacts.ROOT / "config/demo.yaml")


def test_a_setting_changes_its_stage_and_those_after_it(demo):
    other = copy.deepcopy(demo)
    other["threshold"]["max_fraction"] = 0.2
    assert changed(keys(demo), keys(other)) == ["threshold", "enrichment", "report"]
    other = copy.deepcopy(demo)
    other["connectivity"]["kind"] = "fisher_z"
    assert changed(keys(demo), keys(other)) == [
        "connectivity", "cohort", "train", "compare", "activation", "threshold", "enrichment", "report",
    ]  # fmt: skip


def test_the_run_section_and_the_order_of_settings_change_nothing(demo):
    other = copy.deepcopy(demo)
    other["run"] = {"name": "other", "device": "cpu", "replicates_per_job": 1}
    other["train"] = dict(reversed(other["train"].items()))
    assert keys(demo) == keys(other)


PEOPLE = [{"participant_id": f"p{i}", "genotype_id": f"g{i}", "score": float(i), "bold": f"b{i}"} for i in range(4)]


@pytest.fixture
def real(demo):
    settings = copy.deepcopy(demo)
    settings["study"].update(simulated=False, participants="participants.tsv", genotypes=["array"])
    return settings


def test_who_takes_part_counts_only_where_everybody_is_looked_at(real):
    before = keys(real, PEOPLE)
    more = [*PEOPLE, {"participant_id": "p9", "genotype_id": "g9", "score": 1.0, "bold": "b9"}]
    assert "simulate" not in before
    assert changed(before, keys(real, more))[0] == "connectivity"
    assert "preprocess" not in changed(before, keys(real, more))
    assert "impute" in changed(before, keys(real, more))


def test_a_changed_score_reaches_only_the_cohort_and_after(real):
    other = copy.deepcopy(PEOPLE)
    other[0]["score"] = 50.0
    assert changed(keys(real, PEOPLE), keys(real, other))[0] == "cohort"


def test_events_that_are_used_reach_only_connectivity_and_after(real):
    """The rules give the path only where connectivity.task_regressors asks for it."""
    other = copy.deepcopy(PEOPLE)
    other[2]["events"] = "events/p2.tsv"
    found = changed(keys(real, PEOPLE), keys(real, other))
    assert found[:2] == ["connectivity", "cohort"] and "preprocess" not in found


def test_a_study_file_counts_where_it_is_read(real):
    other = copy.deepcopy(real)
    other["study"]["gene_sets"] = ["other.gmt"]
    assert changed(keys(real, PEOPLE), keys(other, PEOPLE)) == ["enrichment", "report"]


def test_a_job_in_the_wrong_folder_stops(demo, tmp_path):
    recipe = artifacts.recipes(demo)["threshold"]
    folder = tmp_path / "threshold" / artifacts.digest(recipe)
    assert artifacts.check_recipe(recipe, folder) == folder.name
    with pytest.raises(InputError, match="start snakemake again"):
        artifacts.check_recipe(dict(recipe, settings={}), folder)


@pytest.mark.parametrize("known", [None, "as it was", "as it is"])
def test_code_that_changed_after_the_plan(demo, tmp_path, monkeypatch, known):
    """Where any file changed, what counts is whether the code of this stage did: a comment does not."""
    monkeypatch.delenv(artifacts.SOURCES, raising=False)
    if known == "as it is":
        monkeypatch.setenv(artifacts.SOURCES, "")
        artifacts.announce_sources()
    elif known:
        monkeypatch.setenv(artifacts.SOURCES, known)
    recipe = artifacts.recipes(demo)["threshold"]
    folder = tmp_path / "threshold" / artifacts.digest(recipe)
    assert artifacts.check_recipe(recipe, folder) == folder.name
    planned = recipe | {"code": "another code"}
    folder = tmp_path / "threshold" / artifacts.digest(planned)
    if known == "as it is":  # then nothing is parsed
        assert artifacts.check_recipe(planned, folder) == folder.name
        return
    with pytest.raises(InputError, match="start snakemake again"):
        artifacts.check_recipe(planned, folder)


def test_every_source_file_counts_for_their_digest(tmp_path):
    package, scripts = tmp_path / "src/gcamccl", tmp_path / "workflow/scripts"
    for folder in (package / "model", scripts):
        folder.mkdir(parents=True)
    seen = set()
    for path in (package / "a.py", package / "model/b.py", scripts / "c.py"):
        for text in ("x = 1\n", "x = 1  # a comment\n"):
            path.write_text(text)
            seen.add(artifacts.sources_digest(tmp_path, package))
    (scripts / "c.py").rename(scripts / "d.py")
    seen.add(artifacts.sources_digest(tmp_path, package))
    assert len(seen) == 7
    (package / ".#a.py").symlink_to("nowhere")  # as Emacs makes beside a file that is being edited
    (package / "gone.py").symlink_to("nowhere")  # as a file that goes while the list is read
    assert artifacts.sources_digest(tmp_path, package) not in seen


def test_a_tables_content_counts_for_an_atlas_of_ones_own(demo, tmp_path):
    atlas = tmp_path / "atlas.tsv"
    other = copy.deepcopy(demo)
    other["preprocess"]["atlas"] = str(atlas)
    with pytest.raises(InputError, match="no such file"):
        keys(other)
    atlas.write_text("roi\tx\ty\tz\n1\t0\t0\t0\n")
    before = keys(other)
    atlas.write_text("roi\tx\ty\tz\n1\t2\t0\t0\n")
    assert changed(before, keys(other))[:2] == ["preprocess", "connectivity"]


def test_genes_given_to_a_simulated_study_count_where_they_are_read(demo):
    other = copy.deepcopy(demo)
    other["study"]["background_genes"] = "genes.txt"
    assert changed(keys(demo), keys(other)) == ["enrichment", "report"]
