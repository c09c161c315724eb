"""The command `trialbook`: the console on the screen, or the engine's command line where a subcommand is given."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from core.cli.main import main as command_line


def main() -> None:
    """Run the console or the command line, and exit with its status."""
    command_line(run_console)


def run_console(home: Path) -> int:
    """Run the console on a home directory; return its exit status."""
    # what is imported now stays until the end: looking for garbage in it would delay the first screen. The engine
    # switches the collector on again when PyTorch is imported
    gc.disable()
    from tui.app import TrialbookApp  # noqa: PLC0415 - the command line must not wait for it

    app = TrialbookApp(home)
    app.run()
    status = app.return_code or 0
    if app.engine.is_importing:
        # the interpreter's end would wait for a thread in the middle of PyTorch's import, or trip over it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status
