"""Keep the memory that training steps free and take again, instead of giving it back to the system every time."""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator

_MMAP_THRESHOLD, _TRIM_THRESHOLD, _MOST_HEAPS = -3, -1, -8  # numbers of glibc's mallopt
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


def one_heap() -> None:
    """Let the threads that begin from now on share the first thread's heap, for `freed_memory_kept` to reach them.

    glibc gives each thread a heap of its own, made of parts of 64 MiB, and a part that has become empty back to the
    system whatever it is told: a training in a thread touched some thousand new pages an epoch. Where the C library is
    not glibc, nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_MOST_HEAPS, 1)
