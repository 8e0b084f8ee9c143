"""The cohort's files: what comes back as it was, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from cohort_fixture import SETTINGS, study

from gcamccl.cohort import (
    join,
)
from gcamccl.cohort_files import (
    read_cohort,
    read_connectivity,
    read_loci,
    read_relatives,
    replicate_parts,
    write_cohort,
)
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import write_tsv


def test_files_come_back_as_they_were(tmp_path):
    cohort = join(*study(), SETTINGS)
    write_cohort(cohort, lambda name: tmp_path / name)
    again = read_cohort(tmp_path)
    for name in ("fc", "dosage", "splits", "labels", "permutations"):
        assert np.array_equal(getattr(again, name), getattr(cohort, name))
    assert list(again.table["participant_id"]) == list(cohort.table["participant_id"])
    assert replicate_parts(again, 7)[:2] == (1, 2)  # 5 label rows a split
    assert np.array_equal(replicate_parts(again, 7)[2], cohort.splits[1][cohort.permutations[2]])
    assert np.array_equal(replicate_parts(again, 5)[2], cohort.splits[1])
    assert np.array_equal(replicate_parts(again, 7)[3], cohort.labels[2])
    for number in (-1, 15):
        with pytest.raises(InputError, match=f"no replicate {number}; this cohort has 0 to 14"):
            replicate_parts(again, number)


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("dosage.npy", lambda a: np.where(a == a[0, 0], np.nan, a), "row 0, locus 0 is nan"),
        ("dosage.npy", lambda a: a + 1.5, "not a dosage"),
        ("dosage.npy", lambda a: a[:-1], "39 rows, but"),
        ("fc.npy", lambda a: a * np.inf, "infinite|diagonal"),
        ("fc.npy", lambda a: a[:, :-1], "square"),
        ("fc.npy", lambda a: a + np.triu(np.ones(a.shape[1:]), 1), "not symmetric"),
        ("fc.npy", lambda a: a + np.eye(a.shape[1]), "diagonal"),
        ("fc.npy", lambda a: np.full_like(a, np.nan), "no connection at all"),
        ("fc.npy", lambda a: a[0], "3 dimensions, found 2"),
        ("splits.npy", lambda a: a + 1, "other than 0 train"),
        ("labels.npy", lambda a: a * 2, "other than 0 low"),
        ("labels.npy", lambda a: 1 - a, "row 0 is not the group"),
        ("permutations.npy", np.zeros_like, "a row is not a permutation"),
        ("permutations.npy", lambda a: a[:, ::-1], "does not lead to labels.npy"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_spoilt_files(tmp_path, name, spoil, message):
    write_cohort(join(*study(), SETTINGS), lambda name: tmp_path / name)
    np.save(tmp_path / name, spoil(np.load(tmp_path / name)))
    with pytest.raises(InputError, match=message) as caught:
        read_cohort(tmp_path)
    assert name in str(caught.value)


def test_truncated_file(tmp_path):
    write_cohort(join(*study(), SETTINGS), lambda name: tmp_path / name)
    (tmp_path / "fc.npy").write_bytes((tmp_path / "fc.npy").read_bytes()[:500])
    with pytest.raises(InputError, match=r"fc\.npy: not a NumPy array file"):
        read_cohort(tmp_path)


def stage_folders(folder, participants, connectivity, loci):
    """What the stages before leave, as far as the cohort reads it."""
    names, fc, quality = connectivity
    samples, dosage, components = loci
    for name in ("connectivity", "genotype_qc", "loci"):
        (folder / name).mkdir()
    np.save(folder / "connectivity/fc.npy", fc)
    write_tsv(folder / "connectivity/people.tsv", pd.DataFrame({"participant_id": names}))
    write_tsv(folder / "connectivity/group_bold_qc.tsv", quality.rename_axis("participant_id").reset_index())
    excluded = pd.DataFrame(
        {"participant_id": ["x", "x"], "reason": ["sfnr", "motion"], "value": [1, 2], "limit": [3, 1]}
    )
    write_tsv(folder / "connectivity/excluded.tsv", excluded)
    write_tsv(folder / "genotype_qc/pca.tsv", components.rename_axis("genotype_id").reset_index())
    dropped = {
        "kind": ["snp", "sample"],
        "id": ["rs1", "G9"],
        "array": ["a", "b"],
        "step": ["maf", "mind"],
        "reason": ["r", "s"],
    }
    write_tsv(folder / "genotype_qc/dropped.tsv", pd.DataFrame(dropped))
    np.save(folder / "loci/dosage.npy", dosage)
    write_tsv(folder / "loci/samples.tsv", pd.DataFrame({"genotype_id": samples}))
    write_tsv(folder / "participants.tsv", pd.DataFrame(participants))


def test_stage_folders(tmp_path):
    participants, connectivity, loci = study(30)
    stage_folders(tmp_path, participants, connectivity, loci)
    for column in ("kinship", "relation", "flag"):
        relatives = pd.DataFrame(columns=["genotype_id_1", "genotype_id_2", "kinship", "relation", "flag"])
        write_tsv(tmp_path / "genotype_qc/relatedness.tsv", relatives.drop(columns=column))
        with pytest.raises(InputError, match=rf"relatedness\.tsv.*{column}"):
            read_relatives(tmp_path / "genotype_qc")
    (names, fc, quality), excluded, files = read_connectivity(tmp_path / "connectivity")
    assert names == connectivity[0]
    assert np.array_equal(fc, connectivity[1])
    assert excluded == {"x": "sfnr; motion"}
    assert quality["mean_fd_mm"].to_numpy() == pytest.approx(connectivity[2]["mean_fd_mm"].to_numpy())
    assert quality["max_translation_mm"].isna().all()
    assert all(path.exists() for path in files)
    (samples, dosage, _), dropped, _ = read_loci(tmp_path / "loci", tmp_path / "genotype_qc")
    assert samples == loci[0]
    assert np.array_equal(dosage, loci[1])
    assert dropped == {"G9": "mind: s"}
    spoilt = dosage.copy()
    spoilt[3, 5] = np.nan
    np.save(tmp_path / "loci/dosage.npy", spoilt)
    with pytest.raises(InputError, match=rf"row 3 \({samples[3]}\), locus 5 is nan.*1 such"):
        read_loci(tmp_path / "loci", tmp_path / "genotype_qc")
    np.save(tmp_path / "loci/dosage.npy", dosage[:-1])
    with pytest.raises(InputError, match=r"29 rows, but .*samples.tsv has 30"):
        read_loci(tmp_path / "loci", tmp_path / "genotype_qc")
