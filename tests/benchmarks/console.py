"""How fast the console answers: time to the first screen, and from key press to changed screen while it trains.

    uv run python -m tests.benchmarks.console start      # against a minimal Textual app
    uv run python -m tests.benchmarks.console keys       # 200 presses during a training of CIFAR-10's size
    uv run python -m tests.benchmarks.console training   # the console's training against the command line's

All run the real program in a real pseudo-terminal. The images are random bytes of CIFAR-10's shape and number, because
only their size matters here.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
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
ROUNDS, EPOCHS = 4, 3
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
    """Print the seconds per epoch in the console, watched and typed in, and on the command line, alternating."""
    _prepare(environment, epochs=EPOCHS)
    home = environment["BENCHMARK_HOME"]
    arguments = ["--home", home, "train", "--preset", "trial-25", "--epochs", str(EPOCHS)]
    seconds: dict[str, list[float]] = {"command line": [], "console": []}
    for _ in range(ROUNDS):
        subprocess.run([*CONSOLE, *arguments], check=True, capture_output=True, cwd=ROOT, env=os.environ | environment)
        seconds["command line"] += _epochs(home)
        with terminal([*CONSOLE, "--home", home], *SIZE, **environment) as shown:
            shown.wait_for("ready", 60)
            shown.wait(lambda text: "PyTorch is loading" not in text, 120)
            shown.press("s")
            draw, end = random.Random(0), time.monotonic() + PATIENCE
            # drained unread: a terminal is drawn by another machine or by another process, not on these cores
            while b"Training ended" not in shown.drain(1.0):
                if time.monotonic() > end:
                    raise TimeoutError("the training does not end")
                shown.press(draw.choice("jk"))
        seconds["console"] += _epochs(home)
        _prepare(environment, epochs=EPOCHS)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, values in seconds.items():
        print(f"{name:<13} {medians[name]:.2f} s per epoch (median of {len(values)}, {min(values):.2f} the fastest)")
    print(f"ratio         {medians['console'] / medians['command line']:.3f}")


def _epochs(home: str) -> list[float]:
    """Return the seconds of the last trial's epochs but the first, which includes warming up."""
    last = max((Path(home) / "saved_models").iterdir())
    lines = (last / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["seconds"] for line in lines][1:]


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
