"""People into jobs: small enough, and steady when somebody joins or leaves."""

import statistics

import pytest

from gcamccl.workflow.buckets import buckets, label

NAMES = [f"sub-{number:04d}" for number in range(854)]


@pytest.mark.parametrize("size", [1, 2, 8, 50, 1000])
def test_everybody_is_in_one_bucket_of_at_most_that_size(size):
    found = buckets(NAMES, size)
    assert sorted(name for bucket in found for name in bucket) == NAMES
    assert max(map(len, found)) <= size
    # Poisson splitting fills them to ln 2 on average (Knuth, The Art of Computer Programming 3, 6.3, on tries).
    assert statistics.mean(map(len, found)) > 0.55 * min(size, len(NAMES))


def test_a_person_more_or_less_changes_one_bucket():
    before = {tuple(bucket) for bucket in buckets(NAMES, 8)}
    for changed in ([*NAMES, "sub-new"], NAMES[:400] + NAMES[401:]):
        after = {tuple(bucket) for bucket in buckets(changed, 8)}
        gone, come = before - after, after - before
        assert len(gone) <= 2 and len(come) <= 2
        touched = {name for bucket in gone | come for name in bucket}
        assert len(touched) <= 17
    assert {tuple(bucket) for bucket in buckets(reversed(NAMES), 8)} == before


def test_nobody():
    assert buckets([], 8) == []


def test_a_job_is_called_by_its_people_and_scans():
    one = label(["sub-01/0a1b2c3d"])
    assert one.startswith("sub-01-") and len(one) == len("sub-01-") + 8
    two = label(["sub-01/0a1b2c3d", "sub-02/0a1b2c3d"])
    assert two.startswith("sub-01-and-1-more-")
    assert len({one, two, label(["sub-01/ffffffff"])}) == 3
