"""Atlases: coordinate tables and label images, and the points they mean; against nilearn and by hand."""

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiLabelsMasker

from gcamccl.atlas import atlas_files, read_atlas, read_labels
from gcamccl.preprocess import regions
from gcamccl.preprocess.resample import sample
from gcamccl.workflow.errors import InputError

AFFINE = np.array([[-2.0, 0, 0, 20], [0, 2, 0, -26], [0, 0, 2, -12], [0, 0, 0, 1]])  # stored LAS, on the 2 mm grid


def labels():
    """Three box-shaped regions, labels 3, 7 and 40."""
    data = np.zeros((20, 22, 16), np.int16)
    data[2:8, 3:9, 3:9] = 7
    data[10:16, 3:9, 3:9] = 3
    data[10:16, 12:18, 4:10] = 40
    return data


def save(folder, data=None, table=None, affine=AFFINE):
    """Write a label image and the table beside it; returns the setting ``preprocess.atlas``."""
    path = folder / "own_dseg.nii.gz"
    nib.save(nib.Nifti1Image(labels() if data is None else data, affine), path)
    if table is not None:
        (folder / "own_dseg.tsv").write_text(table)
    return str(path)


def test_a_label_image_is_an_atlas(tmp_path):
    atlas = read_atlas(save(tmp_path, table="index\tname\tnetwork\n40\tC\tN2\n3\tA\tN1\n7\tB\tn/a\n99\tunused\tN\n"))
    assert atlas["roi"].tolist() == [1, 2, 3] and atlas["label"].tolist() == [3, 7, 40]
    assert atlas["name"].tolist() == ["A", "B", "C"] and atlas["network"].tolist() == ["N1", "n/a", "N2"]
    centre = AFFINE @ [12.5, 5.5, 5.5, 1]
    np.testing.assert_allclose(atlas.loc[0, ["x", "y", "z"]].astype(float), centre[:3])
    assert [path.name for path in atlas_files(str(tmp_path / "own_dseg.nii.gz"))] == ["own_dseg.nii.gz", "own_dseg.tsv"]


def test_a_label_image_needs_no_table(tmp_path):
    atlas = read_atlas(save(tmp_path))
    assert atlas["name"].tolist() == ["n/a"] * 3 and len(atlas_files(str(tmp_path / "own_dseg.nii.gz"))) == 1


def test_means_over_labels_equal_nilearns(tmp_path):
    """The image is on the 2 mm grid, so the points are its voxels."""
    atlas = save(tmp_path)
    data = np.random.default_rng(0).normal(100, 10, (20, 22, 16, 25)).astype(np.float32)
    masker = NiftiLabelsMasker(atlas, standardize=None)
    theirs = masker.fit_transform(nib.Nifti1Image(data, AFFINE))
    found = regions.regions(atlas, read_atlas(atlas), 5.0)
    assert found.count == 3 and len(found.points) == (labels() > 0).sum()
    still = np.broadcast_to(np.eye(4), (25, 4, 4))
    values = sample(np.ascontiguousarray(np.moveaxis(data, 3, 0)), AFFINE, still, found.points)
    np.testing.assert_allclose(regions.roi_means(values, found.roi, 3), theirs, rtol=1e-4)


def test_finer_labels_are_thinned_and_small_regions_kept(tmp_path):
    data = np.kron(labels(), np.ones((2, 2, 2), np.int16))
    data[1, 1, 1] = 50  # 1 cubic millimetre, nearest to no grid point
    affine = AFFINE.copy()
    affine[:3, :3] /= 2
    affine[:3, 3] += affine[:3, :3] @ [-0.5, -0.5, -0.5]
    atlas = save(tmp_path, data, affine=affine)
    found = regions.regions(atlas, read_atlas(atlas), 5.0)
    counts = np.bincount(found.roi)
    assert counts.tolist() == [216, 216, 216, 1]
    np.testing.assert_allclose(found.points[-1], (affine @ [1, 1, 1, 1])[:3])
    assert (np.diff(found.roi) >= 0).all()


@pytest.mark.parametrize(
    ("data", "table", "words"),
    [
        (np.zeros((20, 22, 16), np.int16), None, "0 labels"),
        (labels() * 0.5, None, "whole numbers"),
        (np.stack([labels()] * 2, axis=3), None, "4D image .*expected 3D"),
        (labels(), "index\tname\n3\tA\n7\tB\n", "label 40 of the image is not in column index"),
        (labels(), "index\tname\n3\tA\n3\tB\n", "line 3: index must be a whole number, once"),
        (labels(), "label\tname\n3\tA\n", "no column index"),
    ],
)
def test_wrong_label_images_are_refused(tmp_path, data, table, words):
    with pytest.raises(InputError, match=words):
        read_atlas(save(tmp_path, data, table))


def test_labels_outside_the_head_are_refused(tmp_path):
    affine = AFFINE.copy()
    affine[:3, 3] = 300
    with pytest.raises(InputError, match="MNI152"):
        read_atlas(save(tmp_path, affine=affine))


def test_a_damaged_label_image_is_refused(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match="not a readable NIfTI"):
        read_labels(str(path))
    with pytest.raises(InputError, match="no such file"):
        read_labels(str(tmp_path / "b.nii.gz"))
