"""The trainings that faults are put into: one from the beginning, one resumed, one with more epochs, a branch."""

from __future__ import annotations

import contextlib
import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import core.machine
import core.stepping
import core.trials.saver
import core.trials.writer
from core.continuation import branch, resume
from core.control import Control
from core.data.dataset import Dataset, load_data
from core.events import EpochFinished, Finished
from core.session import train
from core.settings import DataSettings, Settings, change_settings
from core.trials.history import epoch_line
from core.trials.store import list_trials
from core.trials.trial import HISTORY, PREDICTIONS, Trial

AHEAD = core.trials.saver.AHEAD
EPOCHS = 3
SETTINGS = change_settings(
    Settings(),
    {
        "model.hidden": "8",
        "model.hidden.*.dropout": 0.2,
        "training.epochs": EPOCHS,
        "training.batch_size": 500,
        "training.optimizer": "adam",
        "training.ema_decay": 0.9,
    },
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A training, and how what is left of it goes on.

    Attributes:
        name: What it is called.
        epochs: The epochs that the trial has in the end.
        prepare: Makes what is there before it, in an empty home.
        begin: Begins the training in a home.
    """

    name: str
    epochs: int
    prepare: Callable[[Path, Dataset], None]
    begin: Callable[[Path, Dataset], Iterator[Any]]

    def trial(self, home: Path) -> Trial | None:
        """Return the trial that it trains; None where it is not there yet."""
        there = [listed.trial for listed in list_trials(home)]
        if self.name == "branch":
            there = there[1:]
        return there[-1] if there else None


def digits() -> Dataset:
    """Load the data, and make the rest of a training the same every time and in every place."""
    core.machine.git_commit = lambda: None  # a process of its own, which takes longer than the training
    # every step is told, and every time written to live.json: how many calls there are must not depend on the time
    core.stepping.REPORT_EVERY = 0.0
    core.trials.writer._LIVE_EVERY = 0.0
    core.trials.saver.AHEAD = 0.0  # an epoch is saved before the next one begins: the calls have one order
    data = load_data(DataSettings())
    torch.set_num_threads(1)  # a forked child has none of its parent's threads
    with tempfile.TemporaryDirectory() as place:  # what a training imports and compiles is done once, not in each child
        finish(train(SETTINGS, data, home=place))
    gc.freeze()
    return data


def _nothing(home: Path, data: Dataset) -> None:
    del home, data


def _train(home: Path, data: Dataset) -> Iterator[Any]:
    return train(SETTINGS, data, home=home)


def _stopped(home: Path, data: Dataset) -> None:
    """Train two of the epochs, and leave what a process leaves that was killed while it wrote the third."""
    control = Control()
    for event in train(SETTINGS, data, home=home, control=control):
        if isinstance(event, EpochFinished) and event.result.epoch == EPOCHS - 1:
            control.finish_epoch()
            last = event.result
    (listed,) = list_trials(home)
    directory = listed.trial.directory
    with (directory / HISTORY).open("a") as history:
        history.write(epoch_line(last)[:-1].replace('"epoch": 2', '"epoch": 3')[:100])
    with (directory / PREDICTIONS).open("ab") as predictions:
        predictions.write(bytes(len(data.test)))
    (directory / ".model.pt.0123abcd").write_bytes(b"half")


def _whole(home: Path, data: Dataset) -> None:
    finish(train(SETTINGS, data, home=home))


def _resume(home: Path, data: Dataset) -> Iterator[Any]:
    return resume(list_trials(home)[0].trial, data)


def _extend(home: Path, data: Dataset) -> Iterator[Any]:
    return resume(list_trials(home)[0].trial, data, epochs=EPOCHS + 1)


def _branch(home: Path, data: Dataset) -> Iterator[Any]:
    other = change_settings(SETTINGS, {"training.epochs": EPOCHS + 2, "model.hidden.*.dropout": 0.4})
    return branch(list_trials(home)[0].trial, data, other, home=home)


SCENES = {
    scene.name: scene
    for scene in (
        Scene("train", EPOCHS, _nothing, _train),
        Scene("resume", EPOCHS, _stopped, _resume),
        Scene("extend", EPOCHS + 1, _whole, _extend),
        Scene("branch", EPOCHS + 2, _whole, _branch),
    )
}


def finish(events: Iterator[Any]) -> Finished:
    """Let a training run to its end; return its last event."""
    with contextlib.closing(events):  # type: ignore[type-var]
        *_, last = events
    assert isinstance(last, Finished)
    return last


def copied(template: Path, home: Path) -> Path:
    """Make a home that is the copy of another one; return it."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(template, home) if template.exists() else home.mkdir()
    return home
