"""Downloads that go on while one looks at something else: one at a time, owned by the app."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from core.data.catalog import KNOWN_SETS
from core.errors import DataError, TrialbookError
from core.settings import DataSettings

if TYPE_CHECKING:
    from tui.app import TrialbookApp

_RATE_SECONDS = 5.0  # the rate is that of the last seconds
_RATE_STEP = 0.25  # seconds between two points of it
_PATIENCE = 1.0  # seconds that a cancelled download may take to clean up
_LAST_MOMENT = 0.3  # the same, while the app ends
_POLL = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Download:
    """How a download stands.

    Attributes:
        name: The data set.
        state: "running"; "cancelling": will end at the next block; "ready", "cancelled", "failed": has ended.
        done: Bytes so far.
        total: Bytes in all.
        rate: Bytes per second over the last seconds; 0.0 as long as it is not known.
        error: Why it failed, in one line.
    """

    name: str
    state: Literal["running", "cancelling", "ready", "cancelled", "failed"]
    done: int
    total: int
    rate: float
    error: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("running", "cancelling")

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all bytes are there, at the present rate; None as long as that is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None


def refuse_download(source: str) -> None:
    """Refuse a data set, known by name, that would have to be downloaded: only who asks for it waits so long for it.

    Raises:
        DataError: It is not on this machine.
    """
    from core.data.preview import data_state  # noqa: PLC0415 - Pillow

    if source in KNOWN_SETS and data_state(source).name == "not downloaded":
        raise DataError(f"{source} is not on this machine; it can be downloaded from the list of data sets")


class Downloads:
    """The app's downloads: at most one runs; the last one is remembered."""

    def __init__(self) -> None:
        """Begin without one."""
        self._job: _Job | None = None

    @property
    def latest(self) -> Download | None:
        """A snapshot of the download that runs, or else of the last one; None before the first."""
        return self._job.snapshot() if self._job is not None else None

    @property
    def is_running(self) -> bool:
        """Whether a download runs."""
        return self._job is not None and self._job.snapshot().is_running

    def start(self, app: TrialbookApp, name: str) -> bool:
        """Download a data set and make it ready; call it in the app's own thread.

        Args:
            app: Who watches it, and tells how it ended; if the app ends, the download is cancelled.
            name: The data set.

        Returns:
            Whether it was started; one at a time is.
        """
        if self.is_running:
            return False
        self._job = _Job(name)
        app.run_worker(_watch(app, self._job), group="download", exit_on_error=False)
        return True

    def cancel(self) -> None:
        """Cancel the download that runs, if one does; what is not complete is removed."""
        if self._job is not None:
            self._job.cancel()


class _CancelError(Exception):
    """The user does not want the data any more."""


class _Job:
    """One download, in a daemon thread.

    A connection that is silent is noticed only after its time-out. A thread of a pool would hold up quitting until
    then; this one does not, and cancelling need not wait for it either.
    """

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._now = Download(name, "running", 0, KNOWN_SETS[name].download_bytes, 0.0)
        self._points: deque[tuple[float, int]] = deque()
        self._cancel = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True, name=f"download {name}")

    def snapshot(self) -> Download:
        with self._lock:
            return self._now

    def cancel(self) -> None:
        self._cancel.set()
        with self._lock:
            if self._now.state == "running":
                self._end("cancelling")

    def give_up(self) -> None:
        """Wait no longer for the thread of a cancelled download."""
        with self._lock:
            if self._now.is_running:
                self._end("cancelled")

    def _end(self, state: Literal["cancelling", "ready", "cancelled", "failed"], error: str = "") -> None:
        now = self._now
        self._now = Download(now.name, state, now.done, now.total, 0.0, error)

    def _run(self) -> None:
        error = ""
        try:
            from core.data.dataset import load_data  # noqa: PLC0415 - torch

            load_data(DataSettings(source=self._now.name), self._on_progress)
            state: Literal["ready", "cancelled", "failed"] = "ready"
        except _CancelError:
            state = "cancelled"
        except TrialbookError as failure:
            state, error = "failed", str(failure)
        except Exception as failure:  # nobody else would tell: a thread has no caller
            state, error = "failed", f"cannot download {self._now.name}: {type(failure).__name__}: {failure}"
        with self._lock:
            if self._now.is_running:
                self._end(state, error)

    def _on_progress(self, _what: str, done: int, total: int) -> None:
        if self._cancel.is_set():
            raise _CancelError
        now = time.monotonic()
        with self._lock:
            if not self._points or now - self._points[-1][0] >= _RATE_STEP:
                self._points.append((now, done))
            while now - self._points[0][0] > _RATE_SECONDS:
                self._points.popleft()
            began, before = self._points[0]
            rate = (done - before) / (now - began) if now - began >= _RATE_STEP else 0.0
            self._now = Download(self._now.name, self._now.state, done, total, rate)


async def _watch(app: TrialbookApp, job: _Job) -> None:
    job.thread.start()
    cancelling = 0.0
    try:
        while job.thread.is_alive() and cancelling < _PATIENCE:
            cancelling += _POLL if job.snapshot().state == "cancelling" else 0.0
            await asyncio.sleep(_POLL)
    except asyncio.CancelledError:  # the app ends
        job.cancel()
        job.thread.join(_LAST_MOMENT)
        raise
    finally:
        job.give_up()
    ended = job.snapshot()
    if ended.state != "cancelled" and not app.screen.query("DownloadBar"):  # which says it itself
        app.tell(ended.error or f"{ended.name} is downloaded and ready", "error" if ended.error else "information")
