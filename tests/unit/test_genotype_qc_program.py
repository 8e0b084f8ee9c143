"""The program: what it writes, and one line where it stops."""

import subprocess
import sys

import numpy as np
import pytest
from genetics_fixture import make

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.array_strand import NO_EVIDENCE
from gcamccl.genotype_qc.harmonise import COUNTED
from gcamccl.genotype_qc.plink import ToolError, run
from gcamccl.genotype_qc.validate import read_fileset
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture
def fileset(study, tmp_path):
    """A sound fileset of 39 people (one of four slots of each record's last byte is free) that a test may break."""
    bim, fam = bed.read_bim(study.genotypes[0]), bed.read_fam(study.genotypes[0])
    calls = bed.read_bed(study.genotypes[0], len(fam), np.arange(len(bim)))
    bed.write_fileset(tmp_path / "array", calls[:, :39], bim, fam.iloc[:39])
    read_fileset(tmp_path / "array")
    return tmp_path / "array"


def test_a_tools_own_error_line_is_shown(fileset):
    with pytest.raises(ToolError, match=r"plink1\.9 .* ended with status \d+: Error: .*nowhere"):
        run(["plink1.9", "--bfile", "nowhere", "--freq", "--out", fileset])
    with pytest.raises(InputError, match="not installed"):
        run(["no-such-program"])


def test_the_program_stops_with_one_line_and_no_results(study, fileset, tmp_path):
    bed.path(fileset, ".bed").write_bytes(bed.path(fileset, ".bed").read_bytes()[:-7])
    script = ROOT / "workflow" / "scripts" / "genotype_qc.py"
    words = [sys.executable, script, "--genotypes", fileset, "--out", tmp_path / "out"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ERROR: {fileset}.bed: truncated")
    assert len(done.stderr.splitlines()) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_the_program_writes_what_the_contract_says(study, tmp_path):
    script = ROOT / "workflow" / "scripts" / "genotype_qc.py"
    words = [sys.executable, script, "--genotypes", *study.genotypes, "--participants", study.participants]
    subprocess.run([*map(str, words), "--out", str(tmp_path)], check=True, capture_output=True)
    pcs = ["pc1", "pc2", "pc3", "pc4", "pc5"]
    header = {path.name: path.read_text().splitlines()[0].split("\t") for path in tmp_path.glob("*.tsv")}
    assert header == {
        "attrition.tsv": ["step", "snps_in", "snps_out", "samples_in", "samples_out"],
        "dropped.tsv": ["kind", "id", "array", "step", "reason", "detail"],
        "harmonised.tsv": [
            *("id", "array", "array_id", "action", "matched_by", "position_by", "strand_by"),
            *("allele", "frequency", "frequency_first"),
        ],
        "strand.tsv": [
            *("array", "snps", "usable", "common", "kept", "renamed", "moved", "flipped"),
            *("ambiguous_same", "ambiguous_flipped", *COUNTED, *NO_EVIDENCE),
            *("effect_snps", "effect_p_5e_8", "effect_lambda"),
        ],
        "typed_twice.tsv": ["genotype_id", "array", "call_rate", "concordance", "n_compared", "keep"],
        "positions.tsv": ["array", "id", "chrom", "pos", "known_chrom", "known_pos", "why"],
        "people_matching.tsv": ["participant_id", "genotype_id", "array", "status", "suggestion"],
        "pca.tsv": ["genotype_id", *pcs],
        "eigenvalues.tsv": ["component", "eigenvalue", "variance_share", "stands_out"],
        "samples.tsv": [
            *("genotype_id", "participant_id", "arrays", "sex", "fam_sex", "genotype_sex", "call_rate"),
            *("heterozygosity", "f", "heterozygosity_z", "group", "n_related", "flags", "kept", "dropped_at", "reason"),
            *pcs,
        ],
        "relatedness.tsv": [
            *("genotype_id_1", "genotype_id_2", "kinship", "ibs0", "n_snps", "relation"),
            *("family_1", "family_2", "declared", "flag"),
        ],
        "sex_check.tsv": [
            *("genotype_id", "array", "fam_sex", "f", "n_x_snps", "y_call_rate", "n_y_snps", "genotype_sex")
        ],
        "hwe.tsv": ["id", "heterozygosity", "expected_heterozygosity", "p", "p_group1"],
        "hwe_summary.tsv": ["n_snps", "threshold", "pooled", "within", "both", "n_groups", "far_more"],
        "notes.tsv": ["check", "level", "text"],
    }
    assert sorted(path.suffix for path in tmp_path.glob("qc.*")) == [".bed", ".bim", ".fam"]
