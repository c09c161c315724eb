"""What a trial's files hold for a training to go on with."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
from torch import Tensor

from core.epoch import Epoch
from core.errors import StateError
from core.files import read_bytes
from core.settings import Settings
from core.size import size_of
from core.trials.archive import LIMITS, UnsoundError
from core.trials.beginning import Done
from core.trials.checkpoint import read_checkpoint
from core.trials.contents import answers_size, shape_of
from core.trials.history import MAX_BYTES, parse_history
from core.trials.trial import HISTORY, PREDICTIONS, TEST_LABELS, Trial

_SMALL = 1_000_000  # bytes of a state besides its large tensors: counts of steps and batches


@dataclass(frozen=True, slots=True)
class Stored:
    """What a training goes on with.

    Attributes:
        settings: The trial's settings.
        ran_on: What it ran on.
        test_labels: The true class of every test image.
        history: The epochs up to the checkpoint.
        done: Their lines and predictions, as the files hold them.
        state: What `core.trainer.Trainer.state` returned then; {} before the first epoch.
    """

    settings: Settings
    ran_on: Mapping[str, Any]
    test_labels: bytes
    history: tuple[Epoch, ...]
    done: Done
    state: Mapping[str, Tensor]


def read_stored(trial: Trial, best: bool = False) -> Stored:
    """Read what a training can go on with, changing nothing; what the files hold beyond the checkpoint is left out.

    Args:
        trial: The trial.
        best: Whether to go on after its best epoch instead of its last.

    Raises:
        TrialError: A file cannot be read.
        StateError: There is no such checkpoint, or the files do not belong together.
        SettingsError: The trial's settings are wrong.
    """
    settings, ran_on = trial.settings(), trial.ran_on()
    try:
        shape = shape_of(ran_on)
    except UnsoundError as error:
        raise StateError(f"cannot go on with {trial.id}: {error}") from error
    labels = read_bytes(trial.directory / TEST_LABELS, LIMITS[TEST_LABELS])
    path = trial.checkpoint(best)
    if not path.exists():
        if best or not _ended_before_an_epoch(trial):
            raise StateError(
                f"cannot go on with {trial.id}: it has no checkpoint of its {'best' if best else 'last'} epoch; "
                f"`trialbook train --from {trial.id}` begins a new trial from its settings"
            )
        return Stored(settings, ran_on, labels, (), Done(b"", b""), {})
    memory = size_of(settings, shape).memory
    limit = memory.weights + memory.averaged + memory.optimizer + _SMALL
    available = psutil.virtual_memory().available
    if limit > available:
        raise StateError(
            f"cannot go on with {trial.id}: its network takes {limit / 1e9:,.1f} GB; "
            f"{available / 1e9:,.1f} GB are available"
        )
    checkpoint = read_checkpoint(path, limit)
    # read after the checkpoint: whoever trains the trial writes an epoch's line before
    lines = _content(trial, HISTORY, MAX_BYTES)[: checkpoint.history_bytes]
    history, problems = parse_history(lines, HISTORY)
    if len(lines) != checkpoint.history_bytes or zlib.crc32(lines) != checkpoint.history_crc32 or problems:
        raise StateError(
            f"cannot go on with {trial.id}: its {HISTORY} is not the one that its checkpoint was made with"
        )
    if [epoch.epoch for epoch in history] != list(range(1, checkpoint.epochs + 1)):
        raise StateError(f"cannot go on with {trial.id}: its checkpoint is not of the last epoch in {HISTORY}")
    size = answers_size(shape, checkpoint.epochs)
    answers = _content(trial, PREDICTIONS, size)
    if len(answers) < size:
        raise StateError(f"cannot go on with {trial.id}: {PREDICTIONS} lacks an epoch")
    return Stored(settings, ran_on, labels, tuple(history), Done(lines, answers), checkpoint.state)


def _ended_before_an_epoch(trial: Trial) -> bool:
    """Return whether a trial without a checkpoint never had one; an imported trial has epochs, but none either."""
    # of a first epoch that did not count there may be the line, but not yet the summary
    return trial.summary().get("last") is None and _content(trial, HISTORY, MAX_BYTES).count(b"\n") <= 1


def _content(trial: Trial, name: str, limit: int) -> bytes:
    path = trial.directory / name
    return read_bytes(path, limit, whole=False) if os.path.lexists(path) else b""
