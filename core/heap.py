"""Keep the memory that training steps free and take again, instead of giving it back to the system every time."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # numbers of glibc's mallopt
_LARGEST_KEPT = 32 * 1024 * 1024  # bytes of a block; glibc takes no more
_MOST_KEPT = 1024 * 1024 * 1024  # bytes of all free blocks at the heap's end


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Let freed memory stay with the process inside the block, and give it back after it.

    A step in bfloat16 otherwise touches some thousand pages that the system has just cleared. Where the C library is
    not glibc, nothing is changed. https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
    library.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)
    try:
        yield
    finally:
        library.mallopt(_TRIM_THRESHOLD, _LARGEST_KEPT)
        library.malloc_trim(0)
