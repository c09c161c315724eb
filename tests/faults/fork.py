"""Run something in a child that is forked off, so that thousands need not wait for torch to be imported."""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        killed: Whether a signal ended it.
        result: What the action returned; None if it returned nothing.
        error: The traceback of what it raised, or "it hung"; "" if neither.
    """

    killed: bool
    result: Any
    error: str


def forked(action: Callable[[], Any], seconds: float = 120.0, kill_after: float | None = None) -> Ended:
    """Run an action in a forked child and return how it ended.

    Args:
        action: What the child does; its result must be plain values.
        seconds: After which a child counts as hanging.
        kill_after: Seconds after which the child is killed; None: it is not.
    """
    reading, writing = os.pipe()
    begin = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(action, writing)
    os.close(writing)
    content, hung, is_killed = b"", False, False
    with open(reading, "rb", buffering=0) as pipe:
        while True:
            passed = time.monotonic() - begin
            if kill_after is not None and not is_killed and passed >= kill_after:
                os.kill(child, signal.SIGKILL)
                is_killed = True
            if passed > seconds:
                hung = True
                os.kill(child, signal.SIGKILL)
                break
            left = seconds - passed if kill_after is None or is_killed else max(kill_after - passed, 0)
            if select.select([pipe], [], [], left)[0]:
                part = pipe.read(1 << 16)
                if not part:
                    break
                content += part
    _, status = os.waitpid(child, 0)
    if hung:
        return Ended(True, None, "it hung")
    if os.WIFSIGNALED(status):
        return Ended(True, None, "")
    values = json.loads(content) if content else {"error": f"exit status {status} without a word"}
    return Ended(False, values.get("result"), values.get("error", ""))


def _run(action: Callable[[], Any], writing: int) -> None:
    """Do what the child does, and end it."""
    try:
        values = {"result": action()}
    except BaseException:
        values = {"error": traceback.format_exc()}
    content = json.dumps(values).encode()
    while content:
        content = content[os.write(writing, content) :]
    os._exit(0)
