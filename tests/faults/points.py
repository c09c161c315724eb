"""One fault at one call: train, let it go wrong, look at what is left, go on, compare."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.continuation import resume
from core.data.dataset import Dataset
from core.errors import TrialbookError
from core.events import Finished
from core.trials.store import DIRECTORY, list_trials, listed_trial
from core.trials.trial import Trial
from tests.faults.check import differences, digest, leftovers, readable
from tests.faults.fork import Ended, forked
from tests.faults.inject import Faults, Kind
from tests.faults.scenes import Scene, copied, finish

LONG_AGO = 1_000_000_000  # seconds since 1970


@dataclass
class Tally:
    """What came of all points of one kind in one scene.

    Attributes:
        points: How many calls went wrong.
        refused: Trainings that did not begin, as nothing could be written.
        elsewhere: Trainings whose last epochs could not be written and were saved elsewhere.
        failures: What was wrong, one line each.
    """

    points: int = 0
    refused: int = 0
    elsewhere: int = 0
    failures: list[str] = field(default_factory=list)


class Ground:
    """A scene's places: the home as it is before, and what the uninterrupted training makes of it.

    Attributes:
        calls: The calls of the uninterrupted training.
    """

    def __init__(self, scene: Scene, data: Dataset, place: Path) -> None:
        """Prepare the scene and train it once without any fault."""
        self.scene = scene
        self.data = data
        self.template, self.home, self.other = place / "template", place / "home", place / "elsewhere"
        self.template.mkdir(parents=True)
        _sound(forked(lambda: scene.prepare(self.template, data)))
        copied(self.template, self.home)

        def whole() -> dict[str, Any]:
            faults = Faults(self.home)
            faults.install()
            ended = finish(scene.begin(self.home, data))
            assert ended.unsaved is None
            return {"digest": digest(ended.trial), "calls": faults.calls}

        values = _sound(forked(whole))
        self.reference: dict[str, Any] = values["digest"]
        self.calls: list[str] = values["calls"]
        assert len(self.reference["history"]) == scene.epochs

    def compare(self, other: dict[str, Any], which: str) -> None:
        """Raise if a training's digest is not the uninterrupted one's."""
        found = differences(self.reference, other)
        assert not found, f"{which} differs in {', '.join(found)}"


def point(ground: Ground, kind: Kind, at: int, tally: Tally) -> bool:
    """Put a fault of a kind at a call, and record what comes of it.

    Returns:
        Whether the training came to that call.
    """
    copied(ground.template, ground.home)
    shutil.rmtree(ground.other, ignore_errors=True)
    ended = forked(lambda: _fault(ground, kind, at))
    place = ended.result["call"] if ended.result else ground.calls[min(at, len(ground.calls)) - 1]
    if ended.result and not ended.result["call"]:
        return False
    tally.points += 1
    told = f"{ground.scene.name}, {kind} at call {at} ({place})"
    if ended.error:
        tally.failures.append(f"{told}: {ended.error}")
        return True
    if ended.result:
        tally.refused += ended.result["refused"]
        tally.elsewhere += ended.result["elsewhere"]
    after = forked(lambda: go_on(ground, ground.home))
    if after.error or after.killed:
        tally.failures.append(f"{told}: afterwards {after.error or 'killed'}")
    return True


def _fault(ground: Ground, kind: Kind, at: int) -> dict[str, Any]:
    """Train with a fault; where the process lives, what it says it has saved is looked at."""
    scene, home = ground.scene, ground.home
    faults = Faults(home, kind, at)
    faults.install()
    told: dict[str, Any] = {"refused": False, "elsewhere": False}
    try:
        ended = finish(scene.begin(home, ground.data))
    except TrialbookError as error:
        told["refused"] = True
        told["error"] = str(error)
        _nothing_is_left(scene, home, faults)
    else:
        _complete(ground, ended, told)
    assert "\n" not in told.get("error", "")
    told["call"] = faults.calls[at - 1] if len(faults.calls) >= at else ""
    return told


def _complete(ground: Ground, ended: Finished, told: dict[str, Any]) -> None:
    """Look at a training that has ended: in its home, or elsewhere, everything must be there."""
    assert ended.outcome.status == "finished"
    trial = ended.trial
    if ended.unsaved is not None:
        told["elsewhere"] = True
        trial = ended.unsaved.save(ground.other)
        (listed,) = readable(ground.other)
        assert listed.status == "finished"
        assert leftovers(ground.other) == []
    ground.compare(digest(trial), "what was saved")


def _nothing_is_left(scene: Scene, home: Path, faults: Faults) -> None:
    """A training that could not begin leaves no trial of its own."""
    before = {"train": 0}.get(scene.name, 1)
    assert len(list_trials(home)) == before, "a trial that did not begin is in the list"
    if not faults.calls[-1].startswith(("unlink", "rmdir")):
        return  # its own tidying up went wrong


def go_on(ground: Ground, home: Path) -> None:
    """Read a home that a fault was in, go on with its trial, and compare what comes out."""
    readable(home)
    for path in (home / DIRECTORY).glob(".*"):
        os.utime(path, (LONG_AGO, LONG_AGO))  # what a killed process left is tidied up only after a while
    ended = _go_on(ground, home)
    trials = readable(home)
    assert [each.status for each in trials] == ["finished"] * len(trials)
    ground.compare(digest(ended), "what was resumed")


def _go_on(ground: Ground, home: Path) -> Trial:
    """Train the scene's trial to its end, where it has not come to it already."""
    trial = ground.scene.trial(home)
    if trial is None:
        ended = finish(ground.scene.begin(home, ground.data))
    else:
        planned = trial.settings().training.epochs
        if listed_trial(trial).status == "finished" and planned == ground.scene.epochs == len(trial.history()[0]):
            return trial
        ended = finish(
            resume(trial, ground.data, epochs=ground.scene.epochs if planned != ground.scene.epochs else None)
        )
    assert ended.unsaved is None
    left = leftovers(home)
    assert left == [], f"left over: {', '.join(left)}"
    return ended.trial


def _sound(ended: Ended) -> Any:
    assert not ended.error and not ended.killed, ended.error or "killed"
    return ended.result
