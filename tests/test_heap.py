"""Memory that a training frees stays with the process, in whichever thread it trains."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.terminal import ROOT

FAULTS = """
import resource, sys, threading
import torch
from core.heap import freed_memory_kept, one_heap

def step():
    blocks = [torch.zeros(size * 250_000) for size in (12, 1, 12, 4, 1, 8, 2, 12, 3, 1, 6)]
    while blocks:  # as backpropagation frees what the layers have kept: the last first
        blocks.pop()

def train():
    with freed_memory_kept():
        for _ in range(12):  # until the heap has room for all orders in which blocks come and go
            step()
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(8):
            step()
        print(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

if sys.argv[1] == "one heap":
    one_heap()
thread = threading.Thread(target=train)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's heap is told anything")
def test_a_thread_that_trains_touches_no_new_pages_in_every_step() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def faults(heaps: str) -> int:
        command = [sys.executable, "-c", FAULTS, heaps]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert 5 * faults("one heap") < faults("a heap per thread")
