"""Keep large blocks of memory instead of giving them back after every layer.

glibc returns blocks above 32 MiB to the system when they are freed, so that a convolutional network on a CPU spends
most of its time on page faults. Asking the allocator to keep them makes large batches several times faster. It is done
once per process, on Linux with glibc only, and not at all where SEEWHY_KEEP_MEMORY=0.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = 2**31 - 1


@cache
def keep_large_blocks() -> bool:
    """Set the allocator once; says whether it was set."""
    if os.environ.get("SEEWHY_KEEP_MEMORY") == "0" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    # No block comes by mmap, and the heap is never trimmed: a freed block stays ours for the next layer.
    return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, NEVER))
