"""Whether the kernels can be compiled here."""

from __future__ import annotations

import functools
import importlib
import os

import torch


@functools.cache
def kernels_work() -> bool:
    """Return whether Triton is there, and compiles for the GPU: it needs a C compiler, and a GPU of 2017 or later."""
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")  # what it has always done; 3.9 warns, as that will change
    try:
        kernels = importlib.import_module("core.fused.kernels.change")
        sums, squares = torch.zeros(3, device="cuda", dtype=torch.float64), torch.zeros(1, device="cuda")
        at = torch.zeros(1, device="cuda", dtype=torch.int64)
        kernels.finish[1,](squares, sums, sums, at, 1, 0.0, BLOCK=1)
        return int(at) == 1
    except Exception:  # whatever it is, a training goes on without them, only slower
        return False
