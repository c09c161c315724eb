"""Whether the kernels can be compiled here."""

from __future__ import annotations

import functools
import importlib

import torch


@functools.cache
def kernels_work() -> bool:
    """Return whether Triton is there, and compiles for the GPU: it needs a C compiler, and a GPU of 2017 or later."""
    try:
        kernels = importlib.import_module("core.fused.kernels.change")
        at, sums, squares = (
            torch.zeros(1, device="cuda", dtype=kind) for kind in (torch.int64, torch.float64, torch.float32)
        )
        kernels.finish[1,](squares, sums, sums, at, 1, 0.0, BLOCK=1)
    except Exception:  # whatever it is, a training goes on without them, only slower
        return False
    return int(at) == 1


def kernel_errors() -> tuple[type[Exception], ...]:
    """Return what is raised where one of the kernels cannot be compiled, or takes more than the GPU has."""
    if not kernels_work():
        return ()
    error: type[Exception] = importlib.import_module("triton.errors").TritonError
    return (error,)
