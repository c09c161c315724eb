"""A thread of its own for every piece of background work, ended with the work, or once nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from textual.worker import get_current_worker

if TYPE_CHECKING:
    from core.data.folder import OnProgress


class LeftError(Exception):
    """Raised to end a worker's work: whoever asked for it has gone on to something else."""


def until_left(tell: Callable[[str, int, int], object] = lambda *_: None) -> OnProgress:
    """Return what the work of the worker that calls this tells its progress to; it ends the work of a cancelled one.

    Work that nobody waits for would slow down the rest, and quitting waits for all threads.

    Args:
        tell: Told the progress as long as somebody waits.
    """
    worker = get_current_worker()

    def on_progress(what: str, done: int, total: int) -> None:
        if worker.is_cancelled:
            raise LeftError
        tell(what, done, total)

    return on_progress


class FreshThreads(ThreadPoolExecutor):
    """Runs each job in a new thread; Textual's thread workers run in the event loop's executor.

    Every thread that computes with PyTorch on a CPU gets OpenMP threads of its own, which live as long as it does. In
    a pool of threads those of an ended training would be counted on, and OpenMP, seeing more threads than cores, would
    let the next training's threads go to sleep between any two operations: it took 1.2 times as long.
    """

    def __init__(self) -> None:
        """Begin without a thread."""
        super().__init__()
        self._running: set[threading.Thread] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a call in a thread of its own; return its future."""
        future: Future[Any] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
            self._running.discard(threading.current_thread())

        thread = threading.Thread(target=work, name="worker")
        self._running.add(thread)
        thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the threads that run, if asked to."""
        if wait:
            for thread in list(self._running):
                thread.join()
        super().shutdown(wait, cancel_futures=cancel_futures)
