"""How fast the console answers: time to the first screen, and from key press to changed screen while it trains.

    uv run python -m tests.benchmarks.console start      # against a minimal Textual app
    uv run python -m tests.benchmarks.console keys       # 200 presses during a training of CIFAR-10's size
    uv run python -m tests.benchmarks.console training   # the console's training against the command line's

All run the real program in a real pseudo-terminal. The images are random bytes of CIFAR-10's shape and number, because
only their size matters here.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.terminal import CONSOLE, ROOT, Terminal, terminal

MINIMAL = """
from textual.app import App
from textual.widgets import Footer, Static
class Minimal(App):
    BINDINGS = [("q", "quit", "Quit")]
    def compose(self):
        yield Static("hello")
        yield Footer()
Minimal().run()
"""
MAKE_IMAGES = """
import numpy as np
from core.data.cache import cached_arrays
def build(target):
    draw = np.random.default_rng(0)
    for part, count in (("train", 50_000), ("test", 10_000)):
        np.save(target / f"{part}_images.npy", draw.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8))
        np.save(target / f"{part}_labels.npy", np.arange(count) % 10)
    return {"classes": [str(label) for label in range(10)], "fingerprint": "random"}
cached_arrays("cifar10", "cifar10", "", build)
"""
MAKE_DRAFT = """
import sys
from pathlib import Path
from core.presets import preset
from tui.draft import begun, draft_to_dict
from tui.state import state_file, write_state
draft = draft_to_dict(begun(preset("trial-25").settings, "trial-25"))
draft["settings"]["training"]["epochs"] = int(sys.argv[2])
write_state(state_file(Path(sys.argv[1])), {"draft": draft, "panel": "training"})
"""
PRESSES = 200
STARTS = 11
PAIRS = 20  # epochs of the console, each after one of the command line
LOOK = 0.02  # seconds
PATIENCE = 300  # seconds
SIZE = (120, 40)


def measure_start(environment: dict[str, str]) -> None:
    """Print the time to the first complete screen, alternating with a minimal app."""
    times: dict[str, list[float]] = {"minimal Textual app": [], "Trialbook": []}
    complete = {
        "minimal Textual app": lambda text: "hello" in text and "Quit" in text,
        # heading, both forms, curves, status and footer
        "Trialbook": lambda text: all(
            part in text for part in ("PyTorch is loading", "dropout", "L2 lambda", "Curves", "ready", "Help")
        ),
    }
    commands = {
        "minimal Textual app": [sys.executable, "-c", MINIMAL],
        "Trialbook": [*CONSOLE, "--home", environment["BENCHMARK_HOME"]],
    }
    for round_ in range(STARTS + 1):
        for name, command in commands.items():
            with terminal(command, *SIZE, **environment) as shown:
                seconds = shown.first(complete[name])
                if round_:  # the first start compiles what is imported, for both
                    times[name].append(seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:<20} {median:6.3f} s to the first complete screen (median of {STARTS})")
    print(f"ratio                {medians['Trialbook'] / medians['minimal Textual app']:6.2f}")


def measure_keys(environment: dict[str, str]) -> None:
    """Print the time from key press to changed screen while a training uses all cores."""
    _prepare(environment, epochs=1000)
    home = environment["BENCHMARK_HOME"]
    with terminal([*CONSOLE, "--home", home], *SIZE, **environment) as shown:
        shown.wait_for("ready", 60)
        shown.wait(lambda text: "PyTorch is loading" not in text, 120)
        idle = _presses(shown, 50)
        shown.press("s")
        shown.wait_for("so far in epoch", 120)
        busy = _presses(shown, PRESSES)
    for name, times in (("no training", idle), ("training", busy)):
        ordered = sorted(times)
        figures = ", ".join(
            f"{label} {1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]:.0f} ms"
            for label, part in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99), ("longest", 1.0))
        )
        print(f"{name:<12} {len(times)} presses: {figures}")


def _presses(shown: Terminal, count: int) -> list[float]:
    """Move the cursor of a form down and up; its line of help changes with every move."""
    draw = random.Random(0)
    times = []
    for number in range(count):
        shown.settle(0.02) if number == 0 else None
        end = time.perf_counter() + draw.uniform(0.05, 0.3)
        while time.perf_counter() < end:
            shown.read(0.01)
        before = _help(shown)
        begin = time.perf_counter()
        shown.press("j" if number % 10 < 5 else "k")
        while _help(shown) == before:
            if time.perf_counter() > begin + 5:
                raise TimeoutError(shown.text)
            shown.read(0.5)
        times.append(shown.changed - begin)
    return times


def _help(shown: Terminal) -> str:
    """Return the explanation below the forms: the lines above status and footer."""
    return "\n".join(line[:56] for line in shown.screen.display[SIZE[1] - 6 : SIZE[1] - 3])


def measure_training(environment: dict[str, str]) -> None:
    """Print the seconds per epoch in the console, watched and typed in, and on the command line, in turns.

    While one trains, the other is halted by SIGSTOP: the machine's good and bad minutes come to both.
    """
    _prepare(environment, epochs=10_000)
    home, other = environment["BENCHMARK_HOME"], f"{environment['BENCHMARK_HOME']}-command-line"
    arguments = ["--home", other, "train", "--preset", "trial-25", "--epochs", "10000"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    draw = random.Random(0)
    with (
        subprocess.Popen([*CONSOLE, *arguments], cwd=ROOT, env=os.environ | environment, **quiet) as command,
        contextlib.ExitStack() as ends,
    ):
        ends.callback(command.kill)  # a halted one would be waited for forever
        _epoch(command.pid, other, lambda: time.sleep(LOOK))
        with terminal([*CONSOLE, "--home", home], *SIZE, **environment) as shown:
            shown.wait_for("ready", 60)
            shown.wait(lambda text: "PyTorch is loading" not in text, 120)
            shown.press("s")
            typed = time.monotonic()

            def watch() -> None:
                nonlocal typed
                shown.drain(LOOK)  # unread: a terminal is drawn by another machine or by another process
                if time.monotonic() - typed > 1:
                    typed = time.monotonic()
                    shown.press(draw.choice("jk"))

            _epoch(shown.process.pid, home, watch)
            pairs = [
                (_epoch(command.pid, other, lambda: time.sleep(LOOK)), _epoch(shown.process.pid, home, watch))
                for _ in range(PAIRS)
            ]
            os.kill(shown.process.pid, signal.SIGCONT)
    for name, times in zip(("command line", "console"), zip(*pairs, strict=True), strict=True):
        print(
            f"{name:<13} {statistics.median(times):.2f} s per epoch (median of {PAIRS}, {min(times):.2f} the fastest)"
        )
    ratios = sorted(console / alone for alone, console in pairs)
    middle = (
        f"{statistics.median(ratios):.3f} (half of them from {ratios[PAIRS // 4]:.3f} to {ratios[-PAIRS // 4]:.3f})"
    )
    print(f"ratio         {middle}")


def _epoch(pid: int, home: str, meanwhile: Callable[[], object]) -> float:
    """Let a halted training go on until its next epoch is saved, and halt it again; return the seconds."""
    before, begin = _saved(home), time.perf_counter()
    os.kill(pid, signal.SIGCONT)
    while _saved(home) == before:
        if time.perf_counter() > begin + PATIENCE:
            raise TimeoutError(f"no epoch is saved in {home}")
        meanwhile()
    os.kill(pid, signal.SIGSTOP)
    return time.perf_counter() - begin


def _saved(home: str) -> int:
    """Return how many epochs of a home's only trial are saved."""
    return sum(path.read_bytes().count(b"\n") for path in Path(home).glob("saved_models/*/history.jsonl"))


def _prepare(environment: dict[str, str], epochs: int) -> None:
    for code in (MAKE_IMAGES, MAKE_DRAFT):
        command = [sys.executable, "-c", code, environment["BENCHMARK_HOME"], str(epochs)]
        subprocess.run(command, check=True, cwd=ROOT, env=os.environ | environment)


def main() -> None:
    """Run what the command line names."""
    measures = {"start": measure_start, "keys": measure_keys, "training": measure_training}
    if len(sys.argv) != 2 or sys.argv[1] not in measures:
        sys.exit(f"usage: python -m tests.benchmarks.console {'|'.join(measures)}")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users' Python keeps what it has compiled
    with tempfile.TemporaryDirectory() as scratch:
        names = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "BENCHMARK_HOME")
        measures[sys.argv[1]]({name: str(Path(scratch) / name) for name in names})


if __name__ == "__main__":
    main()
