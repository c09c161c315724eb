"""How fast a trial trains: against a plain script, and against its matrix products alone.

    uv run python -m tests.benchmarks.training                      # trial 25, CPU: about four minutes
    uv run python -m tests.benchmarks.training --data FOLDER        # the same, and decoding the folder's images

All take turns in one run, on images that are random bytes of CIFAR-10's shape and number, because only these matter
here; the table shows medians. What is measured:

- plain: the script of `tests/benchmarks/plain.py`, with 0 and with 2 processes that load images;
- ours: `core.session.train` with the same settings, epochs saved, in float32 and in bfloat16;
- products: the matrix products of all batches of an epoch, forward and backward, and nothing else;
- evaluation: what evaluating all test images adds to an epoch, as a part of it;
- saving: what saving every epoch adds, as a part of it;
- first step, memory: of a fresh process that trains from the cache (`Started` and the first `Progress` come then).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from core.control import Control
from core.data.dataset import Dataset, load_data
from core.events import EpochFinished
from core.machine import processor_name
from core.presets import preset
from core.session import train
from core.settings import DataSettings, Settings, change_settings
from core.trainer import Trainer
from tests.benchmarks.console import MAKE_IMAGES, ROOT
from tests.benchmarks.plain import Plain

ROUNDS = 3
_FRESH = """
import json, sys, time, psutil
begin = psutil.Process().create_time()
from core.data.dataset import load_data
from core.events import EpochFinished, Progress
from core.presets import preset
from core.session import train
from core.settings import change_settings
settings = change_settings(preset("trial-25").settings, {"training.epochs": 1, "training.device": "cpu"})
data = load_data(settings.data)
loaded, first = time.time() - begin, None
for event in train(settings, data, home=sys.argv[1]):
    if first is None and isinstance(event, Progress):
        first = time.time() - begin
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"loaded": loaded, "first step": first, "peak": peak * 1024}))
"""


def trial_25(**changes: object) -> Settings:
    """Return the settings of trial 25 on the CPU, with changes to `training`."""
    changed = {f"training.{name}": value for name, value in {"device": "cpu", **changes}.items()}
    return change_settings(preset("trial-25").settings, changed)


class Ours:
    """A training in one precision, which goes on epoch by epoch."""

    def __init__(self, settings: Settings, data: Dataset, home: Path) -> None:
        """Begin, and train the first epoch, which nobody measures."""
        self._evaluating = 0.0
        self._events = train(settings, data, home=home, control=Control())
        self.epoch()

    def epoch(self) -> dict[str, float]:
        """Train an epoch; return the seconds of the whole, of its training steps and of its evaluation."""
        begin = time.perf_counter()
        event = next(event for event in self._events if isinstance(event, EpochFinished))
        whole = time.perf_counter() - begin
        training = 50_000 / event.result.images_per_second
        return {"whole": whole, "training": training, "evaluation": event.result.seconds - training}

    def close(self) -> None:
        """Stop."""
        self._events.close()


class Unsaved:
    """The same training, of which nothing is saved."""

    def __init__(self, settings: Settings, data: Dataset) -> None:
        """Begin, and train the first epoch, which nobody measures."""
        self._events = Trainer(settings, data).run(Control())
        self.epoch()

    def epoch(self) -> float:
        """Train and evaluate an epoch; return its seconds."""
        begin = time.perf_counter()
        next(event for event in self._events if isinstance(event, EpochFinished))
        return time.perf_counter() - begin


def products(settings: Settings, dtype: torch.dtype, device: str = "cpu") -> Callable[[], None]:
    """Return a function that makes the matrix products of an epoch: of each layer and batch, three or, first, two."""
    widths = [3072, *(layer.width for layer in settings.model.hidden), 10]
    batch = settings.training.batch_size
    sizes = [batch] * (50_000 // batch) + [50_000 % batch] * (50_000 % batch > 0)
    tensors = {
        size: [
            (
                torch.randn(size, before).to(device, dtype),
                torch.randn(after, before).to(device, dtype),
                torch.randn(size, after).to(device, dtype),
            )
            for before, after in itertools.pairwise(widths)
        ]
        for size in set(sizes)
    }

    def make() -> None:
        for size in sizes:
            for number, (inputs, weights, outputs) in enumerate(tensors[size]):
                torch.mm(inputs, weights.T)
                torch.mm(outputs.T, inputs)
                if number:
                    torch.mm(outputs, weights)

    return make


def timed(function: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def measure(rounds: int, home: Path, data: Dataset, plain_too: bool) -> dict[str, list[float]]:
    """Return the seconds of everything that takes turns."""
    arrays = {
        f"{part}_{kind}": getattr(getattr(data, part), kind).numpy()
        for part in ("train", "test")
        for kind in ("images", "labels")
    }
    settings = trial_25(epochs=10_000)
    bfloat16 = trial_25(epochs=10_000, precision="bfloat16")
    ours = {"float32": Ours(settings, data, home), "bfloat16": Ours(bfloat16, data, home)}
    unsaved = Unsaved(settings, data)
    plain = {f"plain, {workers} workers": Plain(settings, arrays, workers) for workers in (0, 2) if plain_too}
    alone = {
        name: products(settings, kind) for name, kind in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }
    for make in alone.values():
        make()
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, script in plain.items():
            seconds[name].append(timed(script.train))
            seconds[f"{name}: evaluation"].append(timed(script.evaluate))
        for name, training in ours.items():
            for part, taken in training.epoch().items():
                seconds[f"{name}: {part}"].append(taken)
        seconds["float32, unsaved"].append(unsaved.epoch())
        for name, make in alone.items():
            seconds[f"products, {name}"].append(timed(make))
    for training in ours.values():
        training.close()
    return seconds


def fresh(environment: dict[str, str]) -> dict[str, float]:
    """Train an epoch from the cache in a process of its own; return what it tells."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-P", "-c", _FRESH, home]
        done = subprocess.run(
            command, cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
        )
    values: dict[str, float] = json.loads(done.stdout)
    return values


def table(seconds: dict[str, list[float]]) -> list[tuple[str, str, str, str]]:
    """Return the table's rows: what, seconds per epoch, images per second, ratios."""
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    fastest = min((middle[name] for name in middle if name.startswith("plain") and ":" not in name), default=None)
    rows = []

    def row(words: str, name: str, *ratios: str) -> None:
        rows.append((words, f"{middle[name]:.2f}", f"{50_000 / middle[name]:,.0f}", "; ".join(ratios)))

    for workers in (0, 2):
        if f"plain, {workers} workers" in middle:
            row(f"plain script, {workers} loader workers", f"plain, {workers} workers")
    for name in ("float32", "bfloat16"):
        own = middle[f"{name}: training"]
        ratios = [f"{own / middle[f'products, {name}']:.2f} x the products' time"]
        if fastest is not None:
            ratios.insert(0, f"{fastest / own:.2f} x the plain script's speed")
        row(f"Trialbook, {name}", f"{name}: training", *ratios)
        row(f"matrix products alone, {name}", f"products, {name}")
    return rows


def main() -> None:
    """Do what the arguments say, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description="Measure trial 25.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--no-plain", action="store_true", help="leave the plain script out, which takes most of the time"
    )
    parser.add_argument("--data", type=Path, help="a folder of images to decode")
    options = parser.parse_args()
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = str(Path(place) / "cache")
        subprocess.run([sys.executable, "-c", MAKE_IMAGES], cwd=ROOT, check=True)
        data = load_data(trial_25().data)
        seconds = measure(options.rounds, Path(place), data, not options.no_plain)
        rows = [("", "s per epoch", "images/s", ""), *table(seconds)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for words, per_epoch, per_second, ratios in rows:
            print(f"{words:<{widths[0]}}  {per_epoch:>{widths[1]}}  {per_second:>{widths[2]}}  {ratios}")
        middle = {name: statistics.median(values) for name, values in seconds.items()}
        for name in ("float32", "bfloat16"):
            part = middle[f"{name}: evaluation"] / (middle[f"{name}: training"] + middle[f"{name}: evaluation"])
            print(f"evaluation, {name}: {middle[f'{name}: evaluation']:.2f} s, {part:.1%} of the epoch")
        saved, unsaved = middle["float32: whole"], middle["float32, unsaved"]
        print(f"saving every epoch: {saved:.2f} s with, {unsaved:.2f} s without ({saved / unsaved - 1:+.1%})")
        told = [fresh(dict(os.environ)) for _ in range(options.rounds)]
        loaded, first = (statistics.median(each[name] for each in told) for name in ("loaded", "first step"))
        print(f"from the cache, a fresh process: images there after {loaded:.2f} s, first steps after {first:.2f} s")
        print(f"peak memory of an epoch: {max(each['peak'] for each in told) / 1e9:.2f} GB")
        if options.data:
            source = DataSettings(source=str(options.data))
            first, again = timed(lambda: load_data(source)), timed(lambda: load_data(source))
            print(f"{options.data.name}: decoded and cached in {first:.1f} s, from the cache in {again:.3f} s")


if __name__ == "__main__":
    main()
