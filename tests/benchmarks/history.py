"""How fast the history of trials is, on a home with 1,000 saved trials of 300 epochs.

    uv run python -m tests.benchmarks.history

It measures the real program in a real pseudo-terminal, from the first complete screen and from a key press, and inside
the app the longest time that its event loop stood still. The trials are made up by `tests.generated`.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from textual.widgets import Input

from core.trials.store import list_trials
from core.trials.watch import look_again
from tests.generated import make_home
from tests.terminal import CONSOLE, Terminal, terminal
from tui.app import TrialbookApp
from tui.screens.history import HistoryScreen

TRIALS, EPOCHS = 1000, 300
SIZE = (120, 40)
ROUNDS = 3
MARKED = 8
TYPED = "status:failed"
FRAME = 1 / 200  # seconds between two looks at whether the event loop stands still


def measure_lists(home: Path) -> None:
    """Print what reading all trials takes, and looking at them again."""
    times = [_seconds(lambda: list_trials(home)) for _ in range(ROUNDS)]
    seen = look_again(home, {})
    again = [_seconds(lambda: look_again(home, seen)) for _ in range(ROUNDS)]
    print(f"list_trials          {1000 * statistics.median(times):6.0f} ms (goal 300)")
    print(f"look_again           {1000 * statistics.median(again):6.0f} ms")


def _seconds(work: object) -> float:
    begin = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - begin


def measure_screen(home: Path, environment: Mapping[str, str]) -> None:
    """Print the time from the first screen, and from a key press, to the complete list, and per typed key."""
    at_once, later, typed = [], [], list[float]()
    for _ in range(ROUNDS):
        with terminal([*CONSOLE, "--home", str(home)], *SIZE, **environment) as shown:
            shown.wait_for("? Help", 60)
            at_once.append(_press(shown, "o"))  # while the trials are being read
            shown.press("\x1b")
            shown.wait(lambda text: "PyTorch is loading" not in text and "Architecture" in text, 120)
            shown.settle(0.5)
            later.append(_press(shown, "o"))
            shown.press("/")
            shown.settle()
            for letter in TYPED:
                begin = time.perf_counter()
                shown.press(letter)
                shown.read(1)
                shown.settle(0.06)
                typed.append(shown.changed - begin)
    for what, times in (("o to list, at start", at_once), ("o to list, later", later), ("a key of the filter", typed)):
        print(f"{what:<20} {1000 * statistics.median(times):6.0f} ms (longest {1000 * max(times):.0f}; goal 300)")


def _press(shown: Terminal, key: str) -> float:
    begin = time.perf_counter()
    shown.press(key)
    return shown.first(lambda text: f"{TRIALS:,} trials" in text and "best epoch" in text, 2, begin)


async def measure_frames(home: Path) -> None:
    """Print the longest time in which the event loop did nothing else, for what one does in the history."""
    app = TrialbookApp(home)
    longest: dict[str, float] = {}
    now = ["opening"]

    async def watch() -> None:
        while True:
            begin = time.perf_counter()
            await asyncio.sleep(FRAME)
            late = time.perf_counter() - begin - FRAME
            longest[now[0]] = max(longest.get(now[0], 0.0), late)

    async with app.run_test(size=SIZE) as pilot:
        while app.engine.is_importing or not app.engine_ready:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        watching = asyncio.create_task(watch())
        screen = HistoryScreen()
        await app.push_screen(screen)
        await asyncio.sleep(1)
        for what, keys in (("moving", ("down",) * 50), ("sorting", ("s",) * 19), ("tree", ("t", "end", "home", "t"))):
            now[0] = what
            for key in keys:
                await pilot.press(key)
        now[0] = "filtering"
        await pilot.press("slash")
        for letter in TYPED:
            screen.query_one(Input).value += letter
            await asyncio.sleep(0.05)
        watching.cancel()
    for what, seconds in longest.items():
        print(f"longest frame        {1000 * seconds:6.0f} ms, {what} (goal 50)")


def measure_comparison(home: Path, environment: Mapping[str, str]) -> None:
    """Print the time from the key that compares eight marked trials to their results on the screen."""
    times = []
    for _ in range(ROUNDS):
        with terminal([*CONSOLE, "--home", str(home)], *SIZE, **environment) as shown:
            shown.wait(lambda text: "PyTorch is loading" not in text and "Architecture" in text, 120)
            shown.settle(2)  # what is imported after PyTorch
            shown.press("o")
            shown.wait_for(f"{TRIALS:,} trials", 30)
            shown.press(" " * MARKED)
            shown.wait_for(f"{MARKED} marked", 30)
            shown.settle(0.5)
            begin = time.perf_counter()
            shown.press("v")
            times.append(shown.first(_is_compared, 2, begin))
            shown.press("\x1b\x1b")
    text = f"{1000 * statistics.median(times):6.0f} ms (longest {1000 * max(times):.0f}; goal 200)"
    print(f"v to eight compared  {text}")


def _is_compared(text: str) -> bool:
    """Return whether curves and results of a comparison are there."""
    return "Results" in text and "epoch" in text and "test accuracy" in text


def main() -> None:
    """Make the home and measure everything."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users' Python keeps what it has compiled
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            name: str(Path(scratch) / name) for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
        }
        os.environ |= environment
        home = Path(scratch) / "home"
        seconds = _seconds(lambda: make_home(home, TRIALS, EPOCHS))
        print(f"{TRIALS:,} trials of {EPOCHS} epochs made in {seconds:.1f} s; {os.cpu_count()} cores")
        time.sleep(3)  # what has just been changed is read again at every look
        measure_lists(home)
        measure_screen(home, environment)
        asyncio.run(measure_frames(home))
        measure_comparison(home, environment)


if __name__ == "__main__":
    sys.exit(main())
