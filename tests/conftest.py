"""For all tests: one thread a process, since tests run side by side, and figures without a screen."""

import os

from gcamccl.workflow.job import limit_threads

limit_threads(1)
os.environ.setdefault("MPLBACKEND", "Agg")
