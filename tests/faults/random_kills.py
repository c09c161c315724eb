"""Kill a longer training at random moments, resume it to its end, and compare."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import core.trials.saver
from core.data.dataset import Dataset
from core.session import train
from core.settings import change_settings
from tests.faults.fork import forked
from tests.faults.points import Ground, go_on
from tests.faults.scenes import AHEAD, SETTINGS, Scene, copied, finish

EPOCHS = 30
_LONGER = change_settings(SETTINGS, {"training.epochs": EPOCHS, "training.batch_size": 200})


def kill_at_random(count: int, seed: int, data: Dataset, place: Path) -> int:
    """Kill so many trainings; print a line, return how many of them could not go on as if they had not been killed."""
    begin = time.monotonic()
    scene = Scene("random", EPOCHS, lambda home, data: None, _begin)  # noqa: ARG005
    ground = Ground(scene, data, place / scene.name)
    source = random.Random(seed)
    lasted = _lasts(ground)
    killed, too_late, begun, failures = 0, 0, 0, 0
    while killed < count:
        copied(ground.template, ground.home)
        moment = source.uniform(0, lasted)
        ended = forked(lambda: finish(scene.begin(ground.home, data)) and None, kill_after=moment)
        if not ended.killed:
            too_late += 1
            lasted *= 0.98  # the machine has become faster meanwhile
            assert not ended.error, ended.error
            continue
        killed += 1
        trial = scene.trial(ground.home)
        begun += trial is not None and bool(trial.history()[0])
        after = forked(lambda: go_on(ground, ground.home))
        if after.error or after.killed:
            failures += 1
            print(f"random, killed after {moment:.3f} s: {after.error or 'killed'}", flush=True)
    print(
        f"{killed} kills at random moments of {EPOCHS} epochs (seed {seed}), {begun} of them after the first epoch: "
        f"{failures} failures  {time.monotonic() - begin:.0f} s; {too_late} trainings more had ended before",
        flush=True,
    )
    return failures


def _begin(home: Path, data: Dataset) -> Iterator[Any]:
    core.trials.saver.AHEAD = AHEAD
    return train(_LONGER, data, home=home)


def _lasts(ground: Ground) -> float:
    """Return how many seconds a training takes without a fault."""
    copied(ground.template, ground.home)
    begin = time.monotonic()
    ended = forked(lambda: finish(ground.scene.begin(ground.home, ground.data)) and None)
    assert not ended.error, ended.error
    return time.monotonic() - begin
