"""How the process handles memory; changes speed, never a result."""

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
NEVER = 1 << 30  # bytes


def keep_freed_memory():
    """Tell glibc to reuse freed memory rather than return it to the system after every large array.

    Training a network of Table IV spends a quarter of its time on page faults otherwise (measured: 43 against 34 s
    for 25 epochs of 56 people on one core, the same weights). Does nothing where there is no glibc.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, NEVER)
        libc.mallopt(M_TRIM_THRESHOLD, NEVER)
