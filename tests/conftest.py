"""For all tests: one thread a process, since tests run side by side, and figures without a screen."""

import os

import pytest

from gcamccl.workflow.job import limit_threads

limit_threads(1)
os.environ.setdefault("MPLBACKEND", "Agg")
E2E = "tests/e2e/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file run in one process; all end-to-end tests do, since they share one run of the workflow.

    In order of the files, so that the end-to-end tests, the longest piece of work, start first. Not by xdist's own
    groups: under pytest 9.2 xdist 3.8 does not see them, and deals the tests out one by one.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return E2E if file.startswith(E2E) else file

    config.option.loadscopereorder = False
    return ByFile(config, log)
