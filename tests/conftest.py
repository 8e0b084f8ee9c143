"""For all tests: one thread a process, since tests run side by side, and figures without a screen."""

import os
from pathlib import Path

import pytest

from gcamccl.workflow.job import limit_threads

limit_threads(1)
os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_collection_modifyitems(items):
    """Tests of one file run in one process; all end-to-end tests do, since they share one run of the workflow."""
    for item in items:
        folder = Path(item.fspath).parent.name
        item.add_marker(pytest.mark.xdist_group("e2e" if folder == "e2e" else item.nodeid.split("::")[0]))
