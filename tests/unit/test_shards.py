"""Finding the shards of train and activation."""

import pytest

from gcamccl.shards import check_distinct, cover, shard_folders
from gcamccl.workflow.errors import InputError


def make(folder, *names):
    for name in names:
        (folder / name).mkdir()
        (folder / name / "x").touch()


def test_shards_are_in_the_order_of_their_replicates(tmp_path):
    make(tmp_path, "replicates-10-11", "replicates-2-9", "replicates-0-1")
    assert [place.name for place in cover(tmp_path)] == ["replicates-0-1", "replicates-2-9", "replicates-10-11"]
    assert shard_folders([tmp_path], "x") == cover(tmp_path)


def test_overlapping_shards_are_read_once(tmp_path):
    """After replicates_per_job was 3, then 2: neither all nor the largest first would do."""
    make(tmp_path, "replicates-0-2", "replicates-0-1", "replicates-2-3")
    assert [place.name for place in cover(tmp_path)] == ["replicates-0-1", "replicates-2-3"]


def test_gaps_and_doubles_are_errors(tmp_path):
    with pytest.raises(InputError, match="no replicates-"):
        cover(tmp_path)
    make(tmp_path, "replicates-0-1", "replicates-3-4")
    with pytest.raises(InputError, match="gap"):
        cover(tmp_path)
    with pytest.raises(InputError, match="replicate 1 is also in a"):
        check_distinct([("a", 1), ("b", 1)])
    with pytest.raises(InputError, match=r"no y here"):
        shard_folders([tmp_path / "replicates-0-1"], "y")
