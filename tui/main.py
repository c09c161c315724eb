"""The command `trialbook`: the console on the screen, or the engine's command line where a subcommand is given."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from core.cli.main import main as command_line
from core.heap import one_heap

_STANDARD_ERROR = 2


def main() -> None:
    """Run the console or the command line, and exit with its status."""
    command_line(run_console)


@contextlib.contextmanager
def _screen_alone() -> Iterator[None]:
    """Let nothing but Python write to the terminal: libraries in C write warnings past it, into the middle of a screen.

    Textual draws on standard error, which gets a descriptor of its own; the usual one leads nowhere meanwhile.
    """
    kept = sys.stderr, sys.__stderr__
    if not os.isatty(_STANDARD_ERROR):
        yield
        return
    terminal = os.dup(_STANDARD_ERROR)
    try:
        with open(terminal, "w", encoding="utf-8", closefd=False) as screen, open(os.devnull, "wb") as nowhere:
            sys.stderr = sys.__stderr__ = screen  # type: ignore[misc]
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
            yield
    finally:
        os.dup2(terminal, _STANDARD_ERROR)
        os.close(terminal)
        sys.stderr, sys.__stderr__ = kept  # type: ignore[misc]


def run_console(home: Path) -> int:
    """Run the console on a home directory; return its exit status."""
    # what is imported now stays until the end: looking for garbage in it would delay the first screen. The engine
    # switches the collector on again when PyTorch is imported
    gc.disable()
    from tui.app import TrialbookApp  # noqa: PLC0415 - the command line must not wait for it

    one_heap()
    app = TrialbookApp(home)
    with _screen_alone():
        app.run()
    status = app.return_code or 0
    if app.engine.is_importing:
        # the interpreter's end would wait for a thread in the middle of PyTorch's import, or trip over it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status
