"""Cost of the genotype stages at a real study's size, beside the bare programs in the same run.

Quality control: 313,000 SNPs, 854 people of two populations; peer: the plink2 and plink1.9 calls that do the same,
called by hand. Merging: three arrays of 620,000, 561,000 and 731,000 SNPs, 313,000 of them common, each of 854 people,
one with flipped strands, one with renamed and moved SNPs; reading, checks and harmonising counted. GTEx: 13 tissues of
800,000 pairs each and a lookup table of 10 million variants. Imputation: one simulated chromosome, 2 % of calls
missing; peer: beagle called by hand with the same panel on the same calls, already in a VCF.

Everything runs with one thread. CPU seconds are those of the process and all its children; the peak is the largest sum
of the resident memory of the process and its children, looked at twenty times a second.
"""

import resource
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

N_COMMON, ARRAY_SIZES, N_PEOPLE = 313_000, (620_000, 561_000, 731_000), 854  # section III-B; people: PNC
PARTS = ("qc", "merge", "gtex", "impute")
LOOK_EVERY_S = 0.05
EXAMPLES = """examples:
  python benchmarks/genotype.py                         about fifteen minutes
  python benchmarks/genotype.py --parts merge gtex
  python benchmarks/genotype.py --small                 a tenth of the SNPs and rows, to try it
"""


class Peak:
    """Largest resident memory (MB) of this process and its children while the block ran."""

    def __enter__(self):
        import psutil

        self.mb, self._done, self._process = 0.0, threading.Event(), psutil.Process()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self):
        import psutil

        while not self._done.wait(LOOK_EVERY_S):
            total = 0
            for process in [self._process, *self._process.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.mb = max(self.mb, total / 2**20)

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def _cpu():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def measured(work, *arguments):
    """(result, CPU s, wall s, peak MB) of a function."""
    cpu, wall = _cpu(), time.perf_counter()
    with Peak() as peak:
        result = work(*arguments)
    return result, _cpu() - cpu, time.perf_counter() - wall, peak.mb
