"""What a run will work on: files that are missing are named before anything runs."""

import copy

import pytest

from gcamccl.simulate.layout import TISSUES
from gcamccl.workflow.config import PAPER, read_yaml
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.plan import plan


@pytest.fixture
def config(tmp_path):
    """A study of one's own with empty files."""
    (tmp_path / "eqtl").mkdir()
    for name in ("array.bed", "array.bim", "array.fam", "lookup", "tpm", "glist", "sets.gmt", "panel.1", "map.1"):
        (tmp_path / name).touch()
    for tissue in TISSUES:
        (tmp_path / f"eqtl/{tissue}.v8.signif_variant_gene_pairs.txt.gz").touch()
    (tmp_path / "series.tsv").touch()
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tgenotype_id\tscore\ttimeseries\trepetition_time\n"
        "a\ta\t1\tseries.tsv\t2\nb\tb\t2\tseries.tsv\t2\n"
    )
    result = copy.deepcopy(read_yaml(PAPER))
    result["study"] |= {
        "participants": str(tmp_path / "participants.tsv"),
        "genotypes": [str(tmp_path / "array")],
        "reference_panel": str(tmp_path / "panel.{chrom}"),
        "genetic_map": str(tmp_path / "map.{chrom}"),
        "gtex_eqtl": str(tmp_path / "eqtl"),
        "gtex_lookup": str(tmp_path / "lookup"),
        "gtex_expression": str(tmp_path / "tpm"),
        "gene_bodies": str(tmp_path / "glist"),
        "gene_sets": [str(tmp_path / "sets.gmt")],
        "chromosomes": [1],
    }
    return result


def test_everything_is_there(config, tmp_path):
    found = plan(config)
    assert [row["participant_id"] for row in found.participants] == ["a", "b"]
    assert len(found.study.gtex_eqtl_files) == len(TISSUES)
    assert found.study.genotype_files == [str(tmp_path / f"array.{end}") for end in ("bed", "bim", "fam")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("glist", r"1 file of the study missing\n  study.gene_bodies: no such file .*glist"),
        ("tpm", "study.gtex_expression: no such file"),
        ("lookup", "study.gtex_lookup: no such file"),
        ("sets.gmt", "study.gene_sets: no such file"),
        ("panel.1", "study.reference_panel: no such file .*panel.1"),
        (f"eqtl/{TISSUES[3]}.v8.signif_variant_gene_pairs.txt.gz", f"no file of significant pairs for {TISSUES[3]}"),
    ],
)
def test_a_missing_file_is_named_with_its_setting(config, tmp_path, name, message):
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=message):
        plan(config)


def test_many_missing_files_are_counted(config):
    config["study"]["chromosomes"] = list(range(2, 12))
    with pytest.raises(InputError, match=r"(?s)20 files of the study missing.*and 15 more"):
        plan(config)


def test_the_folder_of_gtex(config, tmp_path):
    config["study"]["gtex_eqtl"] = str(tmp_path / "none")
    with pytest.raises(InputError, match="none: no such folder"):
        plan(config)


def test_a_release_with_grch38_ids_needs_the_lookup_table(config, tmp_path):
    config["study"]["gtex_lookup"] = None
    with pytest.raises(InputError, match=r"study.gtex_lookup: missing, and Brain_.*v8.* has GRCh38 ids"):
        plan(config)
    for path in (tmp_path / "eqtl").iterdir():
        path.rename(path.with_name(path.name.replace(".v8.", ".v7.")))
    plan(config)


def test_a_study_of_scans_needs_none_of_them(config, tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text(table.read_text().replace("\ta\t1", "\t\t1").replace("\tb\t2", "\t\t2"))
    config["study"] |= {"genotypes": [], "gene_bodies": None, "gtex_eqtl": str(tmp_path / "none")}
    config["train"]["views"] = ["connectivity"]
    assert plan(config).study.gtex_eqtl_files == []
