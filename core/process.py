"""Which process trains a trial, and whether it still lives; needs no torch, so that lists can tell."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> dict[str, Any]:
    """Return what identifies this process for good: a pid alone is used again."""
    import psutil  # noqa: PLC0415 - here as below: a list of trials need not wait for it

    process = psutil.Process()
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": process.pid,
        "started": process.create_time(),
    }


def is_alive(process: dict[str, Any]) -> bool | None:
    """Return whether a process that `this_process` described still runs; None if it was on another host."""
    if process.get("host") != socket.gethostname():
        return None
    if process.get("boot") != _boot():
        return False
    import psutil  # noqa: PLC0415

    try:
        return bool(abs(psutil.Process(process["pid"]).create_time() - process["started"]) < 1)
    except (psutil.Error, KeyError, TypeError, ValueError, OverflowError):
        return False


def is_suspended(process: dict[str, Any]) -> bool:
    """Return whether a process of this host that `this_process` described is stopped by its shell, as by Ctrl-Z."""
    if is_alive(process):
        import psutil  # noqa: PLC0415

        with contextlib.suppress(psutil.Error):  # it ends just now
            return bool(psutil.Process(process["pid"]).status() == psutil.STATUS_STOPPED)
    return False


def wake(process: dict[str, Any]) -> None:
    """Let a suspended process go on; one with a screen stops again until it is in its terminal's foreground."""
    if is_suspended(process):
        with contextlib.suppress(OSError):  # it ends just now, or is somebody else's
            os.kill(process["pid"], signal.SIGCONT)


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        import psutil  # noqa: PLC0415

        return str(int(psutil.boot_time()))
