"""End the process after a signal, also where the screen cannot be closed in order."""

from __future__ import annotations

import os
import sys
import termios
import threading
import time
from collections.abc import Callable

_LOOK_AGAIN = 0.02  # seconds
_GRACE = 1.5  # seconds that a training has to end
_CLOSING = 3.0  # seconds that the app has to close its screen


def end_in_time(is_busy: Callable[[], bool], save: Callable[[], object], status: int) -> None:
    """Make sure that the process ends; return at once.

    Where the terminal is gone, Textual's writer has died of it, and the app would wait for ever to write to it. Then,
    or where the app does not end within seconds, a thread saves what is to be saved and ends the process.

    Args:
        is_busy: Whether something is still to be waited for, for at most 1.5 s.
        save: Called before the process is ended by the thread.
        status: Its exit status.
    """

    def end() -> None:
        deadline = time.monotonic() + _GRACE
        while is_busy() and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)
        if has_terminal():
            time.sleep(_CLOSING)  # the app ends the process by itself, and this thread with it
        save()
        os._exit(status)

    threading.Thread(target=end, daemon=True, name="end in time").start()


def has_terminal() -> bool:
    """Return whether the standard output's terminal is still there."""
    try:
        termios.tcgetattr(sys.__stdout__.fileno() if sys.__stdout__ else 1)
    except (OSError, ValueError, termios.error):
        return False
    return True
