"""Put faults into short trainings, at every call that changes a file and at random moments, and compare what comes out.

    python -m tests.faults                    every call, every kind of fault, every scene; then 100 kills at random
    python -m tests.faults --every 13         every 13th call only, for a test
    python -m tests.faults --scene train --kind kill --random 0

A scene is a training of three epochs on the built-in digits: from the beginning ("train"), resumed after what a killed
process left ("resume"), a finished one that gets an epoch more ("extend"), or one that branches off another ("branch").
It runs once without a fault, which counts its calls, and then once for each kind of fault (`tests.faults.inject.Kind`)
and each N in a child that is forked off, where the N-th call goes wrong. Each time

- whatever a list, a watcher and an evaluation read of the home can be read at once;
- if the process lives, what it says it has saved is, in the home or elsewhere, bitwise what it would have been;
- `core.continuation.resume` then makes of what is in the home what the uninterrupted training made of it, but for
  times: history, predictions, weights, checkpoints, settings and summary; and no temporary file is left.

The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from pathlib import Path

from core.data.dataset import Dataset
from tests.faults.inject import KINDS, Kind
from tests.faults.points import Ground, Tally, point
from tests.faults.random_kills import kill_at_random
from tests.faults.scenes import SCENES, Scene, digits

_MEMORY = Path("/dev/shm")  # in which flushing takes no time


def every_call(scene: Scene, kinds: list[Kind], step: int, data: Dataset, place: Path) -> int:
    """Put every kind of fault at every `step`-th call of a scene; print a line for each kind, return the failures."""
    ground = Ground(scene, data, place / scene.name)
    failures = 0
    for offset, kind in enumerate(kinds):
        begin = time.monotonic()
        tally = Tally()
        at = 1 + offset % step  # another call for each kind, where not every call is taken
        while point(ground, kind, at, tally):
            at += step
        print(
            f"{scene.name:<8}{kind:<8}{len(ground.calls):>5} calls {tally.points:>5} faults {tally.refused:>4} refused "
            f"{tally.elsewhere:} saved elsewhere {len(tally.failures):>4} failures {time.monotonic() - begin:>4.0f} s",
            flush=True,
        )
        for failure in tally.failures:
            print(failure, flush=True)
        failures += len(tally.failures)
    return failures


def main() -> None:
    """Do what the arguments say, and exit."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Put faults into short trainings.")
    parser.add_argument("--scene", choices=SCENES, action="append", help="default: all")
    parser.add_argument("--kind", choices=KINDS, action="append", help="default: all")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th call only")
    parser.add_argument("--random", type=int, default=100, metavar="N", help="kills at random moments")
    parser.add_argument("--seed", type=int, default=0, help="decides the random moments")
    options = parser.parse_args()
    data = digits()
    failures = 0
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as place:
        for name in options.scene or SCENES:
            failures += every_call(SCENES[name], options.kind or list(KINDS), options.every, data, Path(place))
        if options.random:
            failures += kill_at_random(options.random, options.seed, data, Path(place))
    print(f"{failures} failures in all")
    gc.unfreeze()  # or the extensions' modules complain of what is left at the end
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
