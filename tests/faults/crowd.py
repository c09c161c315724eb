"""Many writers and consoles on one home at once: nothing may be lost, and no screen may stall.

    python -m tests.faults.crowd --minutes 10              eight writers, three consoles
    python -m tests.faults.crowd --minutes 1 --writers 2 --consoles 1 --seed 3

A writer runs the command line again and again: it trains trials of the built-in digits, goes on with one that was
stopped or killed, often one that another writer wants too, or is killed itself. Meanwhile somebody asks whatever is
being trained to pause, go on, finish or stop. Each console shows the history; twice a second its help is opened or
closed by a key. At the end

- every epoch that a command called saved must be in its trial's history, with the same figures, and no line damaged;
- no epoch of a trial may have been told twice: a second owner would have trained it again;
- no console may have taken longer than two seconds to answer a key (root gives them priority over the writers). A
  clock in this process, of the same priority, tells when nothing at all ran here, as when the whole machine is held:
  that time is no console's, is taken off and told.

The exit status is 1 if any of that does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import TrialbookError
from core.trials.lease import Request, ask
from core.trials.store import list_trials
from tests.conftest import hear_signals
from tests.terminal import CONSOLE, ROOT, Terminal, terminal

LONGEST_ANSWER = 2.0  # seconds
_COMMAND = [sys.executable, "-c", "from core.cli.main import main; main()"]
_BEFORE_OTHERS = -10
"""The priority of consoles, and of this process, which reads them: how long a console takes is to be seen, and not how
long it waits for one of the cores that eight trainings rush for."""
_TICK, _LATE = 0.02, 0.2  # seconds
_HELP = "Keys ─"
_TRIALS = re.compile(r"\d{8}-\d{6}|s there trains the first")


@dataclass
class Seen:
    """What was seen, by all threads.

    Attributes:
        told: The figures of every epoch of every trial that a command told of.
        twice: Epochs that were told a second time.
        counts: How often something was done or came out.
        answers: When consoles were given a key and when they had answered it, in seconds of the clock.
        standstills: When this process, which reads the consoles, did not run either: from, until.
        complaints: What nobody expected.
    """

    told: dict[tuple[str, int], tuple[float, float]] = field(default_factory=dict)
    twice: list[tuple[str, int]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    answers: list[tuple[float, float]] = field(default_factory=list)
    standstills: list[tuple[float, float]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def complain(self, what: str) -> None:
        with self.lock:
            self.complaints.append(what)

    def tell(self, trial: str, epoch: int, figures: tuple[float, float]) -> None:
        with self.lock:
            if (trial, epoch) in self.told:
                self.twice.append((trial, epoch))
            self.told[trial, epoch] = figures


def write(home: Path, seed: int, until: float, seen: Seen) -> None:
    """Train, resume and be killed until a time."""
    draw = random.Random(seed)
    while time.monotonic() < until:
        idle = [each for each in list_trials(home) if each.status in ("stopped", "interrupted")]
        if idle and draw.random() < 0.5:
            # not just any: two writers shall often want the same
            arguments = ["resume", draw.choice(idle[-2:]).trial.id, "--json"]
        else:
            epochs = str(draw.randrange(20, 200))
            arguments = ["train", "--hidden", "8", "--epochs", epochs, "--json", "--seeds", str(draw.randrange(1, 5))]
        killed_at = time.monotonic() + draw.uniform(3, 20) if draw.random() < 0.3 else until
        _run(home, arguments, min(killed_at, until), killed_at < until, seen)


def _run(home: Path, arguments: list[str], until: float, is_killed: bool, seen: Seen) -> None:
    """Run a command, taking in what it tells, and kill it at a time, or end it in order where all shall end."""
    process = subprocess.Popen(
        [*_COMMAND, "--home", str(home), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_as_usual,  # noqa: PLW1509 - no lock of this process is taken there
    )
    end = process.kill if is_killed else process.terminate
    timer = threading.Timer(max(until - time.monotonic(), 0.1), end)
    timer.start()
    trial, trained = "", {}
    assert process.stdout is not None and process.stderr is not None
    for line in process.stdout:
        with contextlib.suppress(ValueError):  # cut off where it was killed
            values = json.loads(line)
            trial = values.get("trial", trial)
            if values["event"] == "epoch":
                trained[values["epoch"]] = (values["train_cost"], values["test_cost"])
            elif values["event"] in ("saved", "finished"):
                for epoch, figures in trained.items():
                    seen.tell(trial, epoch, figures)
                trained = {}
            elif values["event"] == "not saved":
                seen.complain(f"{trial}: {values['reason']}")
    errors = process.stderr.read()
    process.wait()
    timer.cancel()
    seen.count(f"{arguments[0]}: {_ending(process.returncode, errors, seen)}")


def _as_usual() -> None:
    hear_signals()
    os.setpriority(os.PRIO_PROCESS, 0, 0)


def _ending(status: int, errors: str, seen: Seen) -> str:
    if "is being trained by another process" in errors:
        return "refused, as another process trains it"
    if " is finished with " in errors:
        return "refused, as another process has finished it"
    if status == 0:
        return "ended"
    if status in (-9, -15, 143):
        return {-9: "killed", -15: "ended before it began", 143: "stopped by a signal"}[status]
    seen.complain(f"status {status}: {errors.strip()[-500:]}")
    return f"status {status}"


def meddle(home: Path, seed: int, until: float, seen: Seen) -> None:
    """Ask trainings to pause and go on, to finish and to stop, until a time."""
    draw = random.Random(seed)
    requests: list[Request] = ["pause", "resume", "resume", "finish", "stop"]
    while time.monotonic() < until:
        time.sleep(draw.uniform(0.2, 1.0))
        running = [each.trial for each in list_trials(home) if each.status == "running"]
        if not running:
            continue
        trial, request = draw.choice(running), draw.choice(requests)
        with contextlib.suppress(TrialbookError):
            ask(trial, request)
            seen.count(f"asked to {request}")
            if request == "pause":
                time.sleep(draw.uniform(0.2, 1.0))
                ask(trial, "resume")


def watch(home: Path, number: int, until: float, place: Path, seen: Seen) -> None:
    """Show the history in a console, and measure how long it takes to open and close its help."""
    own = {name: str(place / f"{name}{number}") for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
    with terminal([*CONSOLE, "--home", str(home)], **own) as shown:
        try:
            shown.wait_for("ready", 60)
            shown.press("o")
            shown.wait(lambda text: _TRIALS.search(text) is not None, 60)
            while time.monotonic() < until:
                for key, is_there in (("?", True), ("\x1b", False)):
                    end = time.monotonic() + 0.5
                    while (left := end - time.monotonic()) > 0:
                        shown.read(left)
                    seen.answers.append(_answer(shown, key, lambda text, there=is_there: (_HELP in text) is there))
        except TimeoutError as error:
            seen.complain(f"a console stalled: {str(error)[-3000:]}")


def _answer(shown: Terminal, key: str, until: Callable[[str], bool]) -> tuple[float, float]:
    begin = time.perf_counter()
    shown.press(key)
    shown.wait(until, 20)
    return begin, shown.changed


def tick(until: float, seen: Seen) -> None:
    """Take down when this process did not run, until a time."""
    before = time.perf_counter()
    while time.monotonic() < until:
        time.sleep(_TICK)
        now = time.perf_counter()
        if now - before > _TICK + _LATE:
            seen.standstills.append((before + _TICK, now))
        before = now


def own_seconds(answer: tuple[float, float], standstills: list[tuple[float, float]]) -> float:
    """Return how long a console took to answer, in seconds, without the time in which nothing ran."""
    begin, end = answer
    return end - begin - sum(max(0.0, min(end, late) - max(begin, early)) for early, late in standstills)


def lost(home: Path, seen: Seen) -> Iterator[str]:
    """Yield what is not as it should be, one line each."""
    histories = {}
    for each in list_trials(home):
        epochs, problems = each.trial.history()
        yield from problems
        if [epoch.epoch for epoch in epochs] != list(range(1, len(epochs) + 1)):
            yield f"{each.trial.id}: its epochs are not in order"
        if each.status in ("damaged", "failed", "running"):
            yield f"{each.trial.id} is {each.status} at the end: {each.summary.get('reason')}"
        histories[each.trial.id] = {epoch.epoch: (epoch.train_cost, epoch.test_cost) for epoch in epochs}
    for (trial, epoch), figures in seen.told.items():
        if histories.get(trial, {}).get(epoch) != figures:
            yield f"{trial}: epoch {epoch} was told and is not in its history as it was told"
    yield from (f"{trial}: epoch {epoch} was trained twice" for trial, epoch in seen.twice)
    yield from seen.complaints
    slow = [answer for answer in seen.answers if own_seconds(answer, seen.standstills) > LONGEST_ANSWER]
    if slow:
        when = ", ".join(f"{end - begin:.3f} s at {begin:.2f}" for begin, end in slow)
        yield f"{len(slow)} of {len(seen.answers)} keys were answered after more than {LONGEST_ANSWER:g} s: {when}"


def main() -> None:
    """Do what the arguments say, and exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.crowd", description="Crowd one home.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--consoles", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1"}
    with contextlib.suppress(OSError):  # who is not root takes part in the rush
        os.setpriority(os.PRIO_PROCESS, 0, _BEFORE_OTHERS)
    seen, until = Seen(), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        home.mkdir()
        seeds = [1000 * options.seed + number for number in range(options.writers)]
        threads = [
            threading.Thread(target=tick, args=(until, seen)),
            threading.Thread(target=meddle, args=(home, options.seed, until, seen)),
        ]
        threads += [threading.Thread(target=write, args=(home, seed, until, seen)) for seed in seeds]
        threads += [
            threading.Thread(target=watch, args=(home, number, until, Path(place), seen))
            for number in range(options.consoles)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        failures = list(lost(home, seen))
        trials = list_trials(home)
    print(f"{options.writers} writers, {options.consoles} consoles, {options.minutes:g} minutes, seed {options.seed}")
    print(f"{len(trials)} trials: {dict(Counter(each.status for each in trials))}")
    print(f"{len(seen.told)} epochs told, {len(seen.twice)} of them twice")
    for what, count in sorted(seen.counts.items()):
        print(f"{count:>6}  {what}")
    if seen.answers:
        ordered = sorted(end - begin for begin, end in seen.answers)
        middle, high = ordered[len(ordered) // 2], ordered[int(0.99 * len(ordered))]
        print(f"{len(ordered)} keys: median {middle:.3f} s, 99 % {high:.3f} s, longest {ordered[-1]:.3f} s")
    for begin, end in seen.standstills:
        print(f"nothing ran for {end - begin:.3f} s at {begin:.2f}")
    for failure in failures:
        print(failure)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
