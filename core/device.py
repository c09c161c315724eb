"""Where a training runs, and in which precision."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import psutil
import torch

from core.data.catalog import DataShape
from core.errors import TrainingError
from core.settings import Settings, TrainingSettings
from core.size import fitting_batch_size
from core.text import printable


def choose_device(training: TrainingSettings) -> torch.device:
    """Return the device that the settings ask for.

    Raises:
        TrainingError: There is no such device here, or it cannot do the precision.
    """
    has_gpu = torch.cuda.is_available()
    if training.device == "cuda" and not has_gpu:
        raise TrainingError("training.device: there is no CUDA GPU that torch can use here; choose auto or cpu")
    device = torch.device("cuda" if has_gpu and training.device != "cpu" else "cpu")
    if training.precision == "tf32" and device.type == "cpu":
        raise TrainingError("training.precision: tf32 needs a CUDA GPU; on the CPU choose float32 or bfloat16")
    return device


def device_name(device: torch.device) -> str:
    """Return "cpu", or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def available_memory(device: torch.device) -> int:
    """Return how many bytes could be taken on the device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def used_memory(name: str) -> int:
    """Return how many bytes this process takes on the device of that name: of the GPU's memory, or of the machine's."""
    return int(psutil.Process().memory_info().rss if name == "cpu" else torch.cuda.memory_reserved())


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given, so that a clock read next is right."""
    if device.type == "cuda":
        # not all of the device, which fails while another thread captures a graph
        torch.cuda.current_stream(device).synchronize()


@functools.cache
def side_stream(_purpose: str) -> torch.cuda.Stream:
    """Return a stream beside the usual one; for each purpose the same, as libraries keep memory for every stream."""
    return torch.cuda.Stream()


@contextlib.contextmanager
def beside_training() -> Iterator[None]:
    """Let what this thread asks of a GPU inside the block wait for what was asked before, and not for what comes after.

    On a CPU it changes nothing.
    """
    if not torch.cuda.is_initialized():
        yield
        return
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.default_stream())
    with torch.cuda.stream(beside):
        yield


@contextlib.contextmanager
def device_errors_explained(advice: Callable[[], str]) -> Iterator[None]:
    """Turn running out of memory, or losing the GPU, inside the block into an error that says what to do.

    Args:
        advice: Says what to do where memory runs out, as the end of a sentence.

    Raises:
        TrainingError: Memory ran out, or the GPU failed.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            text = f"memory ran out: {advice()}"
        elif "CUDA error" in str(error):
            first = str(error).splitlines()[0]
            text = f"the GPU failed ({printable(first, 120)}); start Trialbook anew and resume the trial"
        else:
            raise
        raise TrainingError(text) from error


def less_memory(settings: Settings, shape: DataShape, device: torch.device) -> str:
    """Return what to change so that the training fits into memory: a sentence without its full stop."""
    try:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        fitting = fitting_batch_size(settings, shape, available_memory(device), on_gpu=device.type == "cuda")
    except RuntimeError:  # a GPU that does not even tell its memory any more
        fitting = None
    if fitting is None:
        return "choose narrower hidden layers"
    return f"a batch size of {fitting:,} would fit, or choose narrower hidden layers"


@contextlib.contextmanager
def matmul_precision(training: TrainingSettings, device: torch.device, *, autocast: bool = True) -> Iterator[None]:
    """Compute matrix products in the settings' precision inside the block, and as before after it.

    Args:
        training: The settings.
        device: Where they are computed.
        autocast: Turn operands into bfloat16, where that is the precision; off where the block does so itself.
    """
    if device.type != "cuda":
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast and training.precision == "bfloat16"):
            yield
        return
    before = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "tf32" if training.precision == "tf32" else "ieee"
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast and training.precision == "bfloat16"):
            yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
