"""Which process trains a trial, and whether it still lives; needs no torch, so that lists can tell."""

from __future__ import annotations

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


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        import psutil  # noqa: PLC0415

        return str(int(psutil.boot_time()))
