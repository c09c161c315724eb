"""The lock of a trial: the system gives it to one process at a time and takes it from one that dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from core.errors import TrialError
from core.files import cannot_write

LOCK = "lock"
_PATIENCE = 0.3  # seconds until a lock that is held is believed to be held by somebody who trains
_AGAIN = 0.01
_HELD = (errno.EWOULDBLOCK, errno.EACCES)


def take_lock(directory: Path, trial_id: str) -> int:
    """Return a descriptor that holds the lock of a trial until it is closed or the process ends.

    Args:
        directory: The trial's.
        trial_id: What to call the trial.

    Raises:
        TrialError: Another process holds it, or the file cannot be made.
    """
    path = directory / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _HELD:  # a file system without locks
                return descriptor
            if time.monotonic() < deadline:  # `is_leased` of another process holds it for a moment
                time.sleep(_AGAIN)
                continue
            os.close(descriptor)
            raise TrialError(f"{trial_id} is being trained by another process") from error
        return descriptor


def is_leased(directory: Path) -> bool | None:
    """Return whether some process of this host trains the trial; None where its file system has no locks."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in _HELD else None
    finally:
        os.close(descriptor)
    return False


def last_beat(directory: Path) -> int:
    """Return the time of the last sign of life, in nanoseconds of the clock of the host that gave it; 0 without one.

    Clocks differ between hosts: only that it changes says something.
    """
    try:
        return os.stat(directory / LOCK).st_mtime_ns
    except OSError:
        return 0
