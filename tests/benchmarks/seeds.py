"""How much faster seeds are trained together on a GPU than one after the other.

    uv run python -m tests.benchmarks.seeds                         # trial 25 and a small network, 8 seeds

What is measured is the seconds of an epoch's training and evaluation, of 8 seeds in the same steps and of one alone, in
turns; nothing is saved. The images are random bytes of CIFAR-10's shape and number, because only these matter here.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from core.control import Control
from core.data.dataset import Dataset, ImageSet
from core.device import device_name
from core.events import EpochFinished
from core.presets import preset
from core.settings import Settings, change_settings
from core.stacked_trainer import OfCopy, StackedTrainer
from core.trainer import Trainer

ROUNDS = 5
SEEDS = 8


def random_images(train: int = 50_000, test: int = 10_000) -> Dataset:
    """Return random images of 3 x 32 x 32 values and their random labels."""
    generator = torch.Generator().manual_seed(0)

    def some(images: int) -> ImageSet:
        values = torch.randint(0, 256, (images, 3, 32, 32), dtype=torch.uint8, generator=generator)
        return ImageSet(values, torch.randint(0, 10, (images,), generator=generator))

    return Dataset("random", tuple("0123456789"), some(train), some(test), "")


def together(settings: Settings, data: Dataset, seeds: int) -> Callable[[], float]:
    """Return a function that trains and evaluates the next epoch of several seeds, and returns its seconds."""
    events = StackedTrainer(settings, data, range(seeds)).run(Control())

    def epoch() -> float:
        begin, copies = time.perf_counter(), 0
        while copies < seeds:
            event = next(events)
            copies += isinstance(event, OfCopy) and isinstance(event.what, EpochFinished)
        return time.perf_counter() - begin

    return epoch


def alone(settings: Settings, data: Dataset) -> Callable[[], float]:
    """Return a function that trains and evaluates the next epoch of one seed, and returns its seconds."""
    events = Trainer(settings, data).run(Control())

    def epoch() -> float:
        begin = time.perf_counter()
        next(event for event in events if isinstance(event, EpochFinished))
        return time.perf_counter() - begin

    return epoch


def measure(settings: Settings, data: Dataset, seeds: int = SEEDS, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the median seconds of an epoch of several seeds together, and of one alone."""
    settings = change_settings(settings, {"training.epochs": rounds + 1, "training.early_stopping_patience": 0})
    many, one = together(settings, data, seeds), alone(settings, data)
    many(), one()  # the first epoch takes memory and captures graphs
    seconds = [(many(), one()) for _ in range(rounds)]
    return statistics.median(each for each, _ in seconds), statistics.median(each for _, each in seconds)


def main() -> None:
    """Measure, and print a line for each network and precision."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.seeds", description="Measure seeds together.")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no GPU: seeds are trained one after the other here")
        return
    print(f"{device_name(torch.device('cuda'))}, torch {torch.__version__}")
    data, base = random_images(), change_settings(preset("trial-25").settings, {"training.device": "cuda"})
    for words, changes in (("trial 25", {}), ("256-128", {"model.hidden": "256-128"})):
        for precision in ("float32", "tf32", "bfloat16"):
            settings = change_settings(base, {**changes, "training.precision": precision})
            many, one = measure(settings, data, options.seeds, options.rounds)
            print(
                f"{words}, {precision}: {options.seeds} seeds together {many:.3f} s per epoch, one {one:.3f} s: "
                f"{options.seeds * one / many:.1f} x as fast as one after the other"
            )


if __name__ == "__main__":
    main()
