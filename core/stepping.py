"""The steps of an epoch, whatever is trained in them: what others ask for, and how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

import torch

from core.control import Control
from core.device import synchronize
from core.events import Paused, Resumed

REPORT_EVERY = 0.1  # seconds between two reports of progress within an epoch

_Batch = TypeVar("_Batch")
_Report = TypeVar("_Report")


class Clock:
    """Measures seconds since its making, without the time it was halted."""

    def __init__(self, device: torch.device) -> None:
        """Begin to measure.

        Args:
            device: Whose work is waited for before the time is read.
        """
        self._device = device
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds until all that the device was given is done."""
        synchronize(self._device)
        return max(time.monotonic() - self._start, 1e-9)

    @contextlib.contextmanager
    def halted(self) -> Iterator[None]:
        """Do not count the time inside the block."""
        halt = time.monotonic()
        yield
        self._start += time.monotonic() - halt


def steps_of(  # noqa: PLR0913 - what is done, and who is told
    epoch: int,
    batches: Iterable[_Batch],
    control: Control,
    clock: Clock,
    *,
    take: Callable[[int, _Batch], object],
    tell: Callable[[int], _Report],
) -> Generator[_Report | Paused | Resumed, None, bool]:
    """Train on all batches of an epoch, yielding reports of its progress and pauses; return False if it was stopped.

    Args:
        epoch: The epoch, from 1.
        batches: Its batches.
        control: Lets others pause and stop it between two steps.
        clock: Is halted while it is paused.
        take: Trains on a batch, given the number of the step, from 0.
        tell: Returns what to yield after so many steps.
    """
    reported = time.monotonic()
    for step, batch in enumerate(batches):
        if control.paused:
            with clock.halted():
                yield Paused(epoch, step)
                control.wait()
                if not control.stopping:
                    yield Resumed(epoch, step)
        if control.stopping:
            return False
        take(step, batch)
        now = time.monotonic()
        if now - reported >= REPORT_EVERY:
            reported = now
            yield tell(step + 1)
    return True
