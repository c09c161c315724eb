"""Make the README's pictures from the real program: `uv run python -m tests.make_pictures`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text
from textual.pilot import Pilot

from tui.app import TrialbookApp
from tui.draft import edited

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 108
EPOCHS_SHOWN = 14
SESSION = (
    ("train", "--epochs", "8", "--dropout", "0.3", "--note", "more dropout"),
    ("trials",),
    ("evaluate", "last"),
)


CONSOLE_SIZE = (120, 40)


def main() -> None:
    """Make all pictures."""
    picture_of_the_command_line()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {name: f"{scratch}/{name}" for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
        asyncio.run(pictures_of_the_console(Path(scratch)))


def picture_of_the_command_line() -> None:
    """Run a short session in an empty home and draw what it printed."""
    screen = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory() as home:
        for arguments in SESSION:
            command = [sys.executable, "-m", "core", "--home", home, *arguments]
            shown = " ".join(f'"{part}"' if " " in part else part for part in arguments)
            screen.print(Text(f"$ trialbook {shown}", style="bold green"))
            # the bar of a training is drawn over and over on a terminal
            printed = _printed(command) if arguments[0] == "train" else _printed_on_terminal(command)
            screen.print(Text.from_ansi(printed.replace(f"{home}/", "").rstrip()), soft_wrap=False)
            screen.print()
    _keep("train", screen.export_svg(title="trialbook"))


def _printed(command: list[str]) -> str:
    """Return what a command prints to a file."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _printed_on_terminal(command: list[str]) -> str:
    """Return what a command prints on a terminal as wide as the picture."""
    reader, writer = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    with (
        open(reader, "rb", buffering=0) as terminal,
        subprocess.Popen(command, cwd=ROOT, stdout=writer, stderr=subprocess.DEVNULL, env=environment),
    ):
        os.close(writer)
        printed = b""
        with contextlib.suppress(OSError):  # that is how a terminal ends
            while part := terminal.read(65_536):
                printed += part
    return printed.decode().replace("\r\n", "\n")


async def pictures_of_the_console(home: Path) -> None:
    """Train the digits, change what the keys change, train again while a picture is taken, and evaluate."""
    app = TrialbookApp(home)
    async with app.run_test(size=CONSOLE_SIZE) as pilot:
        await pilot.press("s")
        await _until(pilot, lambda: app.training is not None and not app.training.is_running)
        await pilot.press("a", "6", "4", "enter", "tab", "right", "right", "down", "0", "full_stop", "4", "enter")
        await pilot.press("tab")
        app.edits.change(edited(app.edits.draft, "training.epochs", "60"))
        await pilot.press("s")
        await _until(pilot, lambda: app.training is not None and len(app.training.snapshot.history) >= EPOCHS_SHOWN)
        await pilot.press("p")
        await pilot.pause(1)
        _keep("workbench", app.export_screenshot(title="trialbook"))
        await pilot.press("p")
        await _until(pilot, lambda: app.training is not None and not app.training.is_running)
        await pilot.press("e")
        await _until(pilot, lambda: bool(app.screen.query("Pictures")))
        await pilot.pause(3)
        _keep("evaluation", app.export_screenshot(title="trialbook"))


async def _until(pilot: Pilot[None], is_so: Callable[[], bool]) -> None:
    while not is_so():
        await pilot.pause(0.05)


def _keep(name: str, svg: str) -> None:
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # a picture must load nothing from elsewhere
    (ROOT / ".pictures").mkdir(exist_ok=True)
    (ROOT / ".pictures" / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
    os._exit(0)  # PyTorch may still be loading in its thread
