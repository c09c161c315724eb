"""Who trains a trial: at most one process at a time, whose signs of life others see and who hears their requests."""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import Any, Literal, get_args

from core.control import Control
from core.errors import TrialError
from core.files import cannot_write, read_text, replace_text
from core.process import wake
from core.trials.lock import LOCK, take_lock
from core.trials.trial import Trial

REQUEST = "request"
Request = Literal["pause", "resume", "finish", "stop"]

BEAT = 2.0  # seconds between two signs of life
_LISTEN = 0.1  # seconds between two looks for a request


class Lease:
    """The right to train a trial, from its making until `release` or the end of the process.

    A lock on a file of the trial, which the system takes from a process that dies, keeps others away; on a file system
    without locks nothing does. The file's time is set anew every two seconds, so that other hosts can see somebody at
    work. A thread does that, and listens for requests.
    """

    def __init__(self, trial: Trial, control: Control) -> None:
        """Take the right, or fail at once.

        Args:
            trial: The trial.
            control: What requests of other processes are passed on to.

        Raises:
            TrialError: Another process trains the trial, or its directory cannot be written.
        """
        self.moved(trial)
        self._control = control
        self._descriptor = take_lock(trial.directory, trial.id)
        try:
            self._request.unlink(missing_ok=True)  # what was asked of somebody before
        except OSError as error:  # a folder, or a directory that cannot be written
            os.close(self._descriptor)
            raise cannot_write(self._request, error) from error
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._attend, name="lease", daemon=True)
        self._thread.start()

    def __enter__(self) -> Lease:
        """Do nothing: the right is taken already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the right."""
        self.release()

    def moved(self, trial: Trial) -> None:
        """Tell that the trial's directory has another name now; the right to train it stays."""
        self._path = trial.directory / LOCK
        self._request = trial.directory / REQUEST

    def release(self) -> None:
        """Let others train the trial."""
        if self._released.is_set():
            return
        self._released.set()
        self._thread.join()
        os.close(self._descriptor)

    def _attend(self) -> None:
        looks = 0
        while not self._released.wait(_LISTEN):
            looks += 1
            if looks * _LISTEN >= BEAT:
                looks = 0
                with contextlib.suppress(OSError):  # the directory may have vanished, which whoever writes there tells
                    os.utime(self._path)
            if self._request.exists():
                self._obey()

    def _obey(self) -> None:
        with contextlib.suppress(TrialError, OSError):
            word = read_text(self._request, 100).strip()
            self._request.unlink()
            requests = {
                "pause": self._control.pause,
                "resume": self._control.resume,
                "finish": self._control.finish_epoch,
                "stop": self._control.stop,
            }
            requests.get(word, lambda: None)()


def ask(trial: Trial, request: Request) -> None:
    """Ask whoever trains a trial, in whatever process, to pause, resume, finish after the epoch or stop.

    It is heard within a tenth of a second and obeyed within a training step; a process of this host that its shell has
    stopped (Ctrl-Z) is woken for it.

    Raises:
        TrialError: The request cannot be written.
    """
    assert request in get_args(Request)  # noqa: S101 - for callers without a type checker
    replace_text(trial.directory / REQUEST, request + "\n")
    if request != "pause":
        wake(process_of(trial))


def process_of(trial: Trial) -> dict[str, Any]:
    """Return the process that trains a trial, or did, as `this_process` describes it; {} where nothing tells."""
    try:
        process = trial.ran_on().get("process")
    except TrialError:  # its file is damaged, which is no reason not to ask
        return {}
    return process if isinstance(process, dict) else {}
