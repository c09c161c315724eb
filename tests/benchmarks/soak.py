"""Train many trials in one console, one after the other: nothing may pile up.

    python -m tests.benchmarks.soak --trials 200

Every trial is the built-in digits with the default settings and few epochs, started by a key in a console in a real
terminal. After each the memory, the threads and the open files of the console's process are read. The exit status is 1
if at the end

- the memory is more than 10 % above what it was after the 10th trial, or
- there is a thread or an open file more than then.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from core.trials.store import list_trials
from tests.terminal import CONSOLE, Terminal, terminal
from tui.draft import Draft, draft_to_dict, edited
from tui.state import state_file, write_state

SETTLED = 10
"""The trial after which the console has all that it needs."""
_MOST_GROWTH = 0.10


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds.

    Attributes:
        megabytes: Its resident memory.
        threads: Its threads.
        files: What its open file descriptors lead to.
    """

    megabytes: float
    threads: int
    files: tuple[str, ...]


def held_by(pid: int) -> Held:
    """Return what a process holds now."""
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    files = []
    for descriptor in sorted((process / "fd").iterdir(), key=lambda path: int(path.name)):
        try:
            files.append(os.readlink(descriptor))
        except FileNotFoundError:  # closed meanwhile
            continue
    return Held(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list((process / "task").iterdir())), tuple(files))


def settled(pid: int, seconds: float = 3.0) -> Held:
    """Return the least that a process holds within some seconds, for a thread or a file may be about to go."""
    seen, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        seen.append(held_by(pid))
        time.sleep(0.1)
    fewest = min(seen, key=lambda each: len(each.files))
    return Held(seen[-1].megabytes, min(each.threads for each in seen), fewest.files)


def train_again(shown: Terminal, home: Path, count: int) -> None:
    """Start a training by its key, and return when the home has so many finished trials."""
    shown.press("s")
    end = time.monotonic() + 120
    while len(done := [each for each in list_trials(home) if each.status == "finished"]) < count:
        shown.read(0.5)
        if time.monotonic() > end:
            raise TimeoutError(shown.text)
    shown.wait_for(done[-1].trial.id, 30)
    shown.wait_for("95 % interval", 30)


def soak(trials: int, epochs: int) -> tuple[Held, Held]:
    """Train so many trials in one console; return what its process held after the 10th of them and at the end."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        home.mkdir()
        os.environ |= {name: str(Path(place) / name) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
        draft = draft_to_dict(edited(Draft(), "training.epochs", epochs))
        write_state(state_file(home), {"draft": draft})
        with terminal([*CONSOLE, "--home", str(home)], OMP_NUM_THREADS="1") as shown:
            shown.wait_for("ready", 60)
            for number in range(1, trials + 1):
                train_again(shown, home, number)
                if number == min(SETTLED, trials):
                    early = settled(shown.process.pid)
                if number % 10 == 0 or number == 1:
                    now = held_by(shown.process.pid)
                    print(
                        f"{number:>4} trials {now.megabytes:7.1f} MB {now.threads:>3} threads {len(now.files):>3} files"
                    )
            return early, settled(shown.process.pid)


def main() -> None:
    """Do what the arguments say, and exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description="Train many trials.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    early, late = soak(options.trials, options.epochs)
    growth = late.megabytes / early.megabytes - 1
    print(f"after {SETTLED}: {early.megabytes:.1f} MB, {early.threads} threads, {len(early.files)} files")
    print(f"after {options.trials}: {late.megabytes:.1f} MB ({growth:+.1%}), {late.threads}, {len(late.files)}")
    for more in sorted(set(late.files) - set(early.files)):
        print(f"open at the end and not before: {more}")
    piled_up = late.threads > early.threads or len(late.files) > len(early.files)
    sys.exit(1 if growth > _MOST_GROWTH or piled_up else 0)


if __name__ == "__main__":
    main()
