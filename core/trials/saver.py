"""Save epochs in a thread of their own: the next epoch is trained meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from core.device import beside_training
from core.events import EpochFinished, NotSaved, Saved
from core.trials.writer import TrialWriter

AHEAD = 10.0  # seconds that a training goes on, at most, while epochs before are not on the disk


class Saver:
    """Hands epochs to a writer, whose work another thread does, and tells what came of it.

    Epochs that end while earlier ones are being written are written together, however fast they come. Leaving the
    context waits until all is written.
    """

    def __init__(self, writer: TrialWriter) -> None:
        """Begin with nothing to save."""
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "saver")
        self._jobs: list[tuple[float, Future[Saved | NotSaved | None]]] = []  # since when, and what; oldest first

    def __enter__(self) -> Saver:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait until all is written."""
        self._thread.shutdown(wait=True)

    def save(self, event: EpochFinished) -> None:
        """Take a copy of an epoch and return, while it is being written; wait only where the disk lags far behind."""
        self._writer.take(event)
        self._jobs.append((time.monotonic(), self._thread.submit(self._write)))
        for since, job in self._jobs:
            if time.monotonic() - since >= AHEAD:
                job.exception()  # waits for it; `told` raises it, if there is one

    def _write(self) -> Saved | NotSaved | None:
        with beside_training():
            epoch = self._writer.write_taken()
        if not epoch:
            return None  # written together with the epoch before
        trial, reason = self._writer.trial.id, self._writer.not_saved
        return NotSaved(epoch, reason, trial) if reason else Saved(epoch, trial)

    def told(self, *, wait: bool = False) -> Iterator[Saved | NotSaved]:
        """Yield what came of epochs since this was called the last time.

        Args:
            wait: Wait until all epochs are written.
        """
        while self._jobs and (wait or self._jobs[0][1].done()):
            _, job = self._jobs.pop(0)
            came = job.result()
            if came is not None:
                yield came
