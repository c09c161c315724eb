"""Go on with a trial: resume it exactly, add epochs to it, or branch another one off it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.control import Control
from core.data.dataset import Dataset
from core.early_stopping import best_epoch, epochs_without_improvement
from core.errors import StateError, TrialError
from core.events import EpochFinished, Event
from core.files import keep_as, remove_temporaries
from core.machine import describe_run, run_differences
from core.session import session
from core.settings import Settings, change_settings, differences, write_settings
from core.size import size_of
from core.text import counted
from core.trainer import Trainer
from core.trials.beginning import First
from core.trials.lease import REQUEST, Lease
from core.trials.store import is_id, listed_trial
from core.trials.stored import Stored, read_stored
from core.trials.summary import summary_of_settings, write_ran_on
from core.trials.trial import ABOUT, BEST_CHECKPOINT, BEST_WEIGHTS, LIVE, SETTINGS, Trial
from core.trials.upkeep import new_about
from core.trials.writer import TrialWriter, new_writer

_MOST_RUNS = 100  # earlier runs that are remembered
_MAY_DIFFER = ("data.crop_padding", "data.horizontal_flip", "data.mixup")
"""What of the data's settings a branch may change: the rest decides which images the shared curves are about."""


def resume(
    trial: Trial, data: Dataset, *, epochs: int | None = None, control: Control | None = None
) -> Generator[Event, None, None]:
    """Go on with a trial after its last complete epoch, yielding what `core.session.train` yields.

    On the same machine, version of PyTorch, device and number of threads, everything is bitwise what it would have been
    without the interruption; `Started.remarks` tells what is not the same. The epoch that was in progress begins anew.

    Args:
        trial: A trial that was stopped, failed or was interrupted, or a finished one that gets more epochs.
        data: The data set that `load_data(trial.settings().data)` gave.
        epochs: How many epochs it shall have in all; None: as many as were asked for.
        control: Lets others pause and stop the training.

    Raises:
        TrialError: Another process trains the trial, it needs no more epochs, or a file cannot be read or written.
        StateError: Its files do not belong together, or the images have changed.
        TrialbookError: As `core.session.train`.
    """
    control = control or Control()
    lease = Lease(trial, control)
    try:
        remove_temporaries(trial.directory, (ABOUT, REQUEST))
        with contextlib.suppress(OSError):  # one that was killed while it was paused is paused no more
            (trial.directory / LIVE).unlink()
        stored = read_stored(trial)
        settings = _with_epochs(trial, stored, epochs)
        _check_images(trial, stored, data)
        trainer = Trainer(settings, data)
        if stored.history:
            trainer.restore(stored.state, stored.history)
        ran_on = describe_run(trainer.device, data, trainer.normalize)
        remarks = run_differences(stored.ran_on, ran_on) if stored.history else []
        ran_on["before"] = [*_runs_before(stored.ran_on), _run(stored)][-_MOST_RUNS:]
        summary = _summary(trial, settings, stored, ran_on)
        write_ran_on(trial, ran_on)
        if settings != stored.settings:
            write_settings(settings, trial.directory / SETTINGS)
        writer = TrialWriter(
            trial, First(settings, ran_on, trial.about(), stored.test_labels), summary, lease, stored.done
        )
        writer.begin(_last_epoch(trainer, stored))
    except BaseException:
        lease.release()
        raise
    yield from session(trainer, writer, control, parent=summary["parent"], remarks=remarks)


def branch(  # noqa: PLR0913 - as `core.session.train`
    trial: Trial,
    data: Dataset,
    settings: Settings,
    *,
    best: bool = False,
    home: Path | str = ".",
    name: str = "",
    note: str = "",
    tags: Sequence[str] = (),
    control: Control | None = None,
) -> Generator[Event, None, None]:
    """Train a new trial that goes on from an epoch of another one with other settings, yielding what `train` yields.

    It shares the curves up to that epoch and names the other trial as its parent. Its network must have the same
    layers; an optimizer of another kind begins anew.

    Args:
        trial: The trial to branch off, which stays as it is.
        data: The data set that `load_data(settings.data)` gave.
        settings: All settings of the new trial.
        best: Whether to go on after the trial's best epoch instead of its last.
        home: The directory with `saved_models/` in it.
        name: A short name for the new trial.
        note: What is intended by it.
        tags: Words to find it by.
        control: Lets others pause and stop the training.

    Raises:
        StateError: The trial has no such epoch with a checkpoint, the settings do not suit it, or it is trained by
            somebody else and gets a better epoch just now.
        TrialbookError: As `core.session.train`.
    """
    control, about = control or Control(), new_about(name, note, tags)
    stored = read_stored(trial, best)
    if not stored.history:
        raise StateError(f"{trial.id} has no complete epoch to branch off")
    _check_images(trial, stored, data)
    _check_branch(trial, stored, settings)
    trainer = Trainer(settings, data)
    trainer.restore(_state_for(settings, stored), stored.history)
    ran_on = describe_run(trainer.device, data, trainer.normalize)
    first = First(settings, ran_on, about, stored.test_labels)
    writer = new_writer(
        Path(home),
        first,
        control,
        parent=trial.id,
        changes=differences(stored.settings, settings),
        parameters=size_of(settings, data.shape).parameters,
        best_by=trainer.best_by,
        branched_at=len(stored.history),
        done=dataclasses.replace(stored.done, written=False),
    )
    try:
        _keep_best(trial, stored, settings, writer.trial)
        writer.begin(_last_epoch(trainer, stored))
        writer.publish()
    except BaseException:
        writer.discard()
        raise
    yield from session(trainer, writer, control, parent=trial.id)


def _keep_best(trial: Trial, stored: Stored, settings: Settings, new: Trial) -> None:
    """Let a branch keep its parent's best epoch: the weights, and the checkpoint where its settings can go on with it.

    Raises:
        StateError: The parent has got a better epoch since it was read.
        TrialError: A file cannot be written.
    """
    best = best_epoch(stored.history)
    if best is None or best.epoch == len(stored.history):  # which `TrialWriter.begin` writes
        return
    goes_on = _state_for(settings, stored).keys() == stored.state.keys()
    for name in (BEST_WEIGHTS, *((BEST_CHECKPOINT,) if goes_on else ())):
        if (trial.directory / name).exists():
            keep_as(trial.directory / name, new.directory / name)
    # a better epoch's checkpoint is written before either of the two is replaced
    now = best_epoch(read_stored(trial).history)
    if now is None or now.epoch != best.epoch:
        raise StateError(f"{trial.id} has got a better epoch just now, as it is being trained; branch off it again")


def _with_epochs(trial: Trial, stored: Stored, epochs: int | None) -> Settings:
    """Return the settings to go on with.

    Raises:
        TrialError: There is nothing to go on with.
        StateError: Early stopping would end it at once.
        SettingsError: There cannot be so many epochs.
    """
    done, planned = len(stored.history), stored.settings.training.epochs
    if epochs is None:
        # one that was killed after its last epoch has none left to train, but has yet to be finished; one that was
        # killed when it had just got more epochs is finished with those that its summary tells
        listed = listed_trial(trial)
        if listed.status == "finished" and listed.summary.get("epochs") == planned:
            _refuse_early_stopped(trial, stored)
            raise TrialError(
                f"{trial.id} is finished with {counted(done, 'epoch')}; --epochs {done + planned} would add {planned}"
            )
        return stored.settings
    if epochs <= done:
        raise TrialError(f"{trial.id} has {counted(done, 'epoch')} already; --epochs must be more")
    _refuse_early_stopped(trial, stored)
    return change_settings(stored.settings, {"training.epochs": epochs})


def _refuse_early_stopped(trial: Trial, stored: Stored) -> None:
    """Raise if early stopping has ended a trial: whatever epochs it is given, it would end again before the next."""
    training, done = stored.settings.training, len(stored.history)
    waited = epochs_without_improvement(stored.history, training.early_stopping_min_delta)
    if not 0 < training.early_stopping_patience <= waited:
        return
    longer = f"--set training.early_stopping_patience={waited + training.early_stopping_patience}"
    epochs = f" --epochs {done + training.epochs}" if done >= training.epochs else ""
    raise StateError(
        f"{trial.id} was ended by early stopping after epoch {done}, and more epochs change nothing about that; "
        f"`trialbook train --from {trial.id} --branch last {longer}{epochs}` goes on with more patience"
    )


def _check_images(trial: Trial, stored: Stored, data: Dataset) -> None:
    if stored.ran_on["data"]["fingerprint"] != data.fingerprint:
        raise StateError(
            f"the images have changed since {trial.id} was trained; begin a new trial from its settings instead"
        )


def _check_branch(trial: Trial, stored: Stored, settings: Settings) -> None:
    if settings.training.epochs <= len(stored.history):
        raise TrialError(f"the branch begins after epoch {len(stored.history)} of {trial.id}; --epochs must be more")
    for change in differences(stored.settings, settings):
        if change.path.startswith("data.") and change.path not in _MAY_DIFFER:
            raise StateError(
                f"{change.path}: a branch shares its parent's curves, and so must be about the same images"
            )


def _state_for(settings: Settings, stored: Stored) -> dict[str, Tensor]:
    """Return a trial's state as a training with other settings can take it."""
    state = dict(stored.state)
    old, new = stored.settings.training, settings.training
    kinds = ("sgd" if each.optimizer == "sgd" else "adam" for each in (old, new))
    if len(set(kinds)) > 1 or (new.optimizer == "sgd" and (old.momentum == 0) != (new.momentum == 0)):
        state = {name: tensor for name, tensor in state.items() if not name.startswith("optimizer.")}
    if not new.ema_decay:
        return {name: tensor for name, tensor in state.items() if not name.startswith("averaged.")}
    if not old.ema_decay:  # the average begins with the weights as they are
        own = {name.removeprefix("model."): tensor for name, tensor in state.items() if name.startswith("model.")}
        state |= {f"averaged.{name}": tensor for name, tensor in own.items()}
        state["averaged.steps"] = torch.tensor(0)
    return state


def _last_epoch(trainer: Trainer, stored: Stored) -> EpochFinished | None:
    """Return the epoch that a restored trainer goes on after, as if it had just been trained."""
    best = best_epoch(stored.history)
    if best is None:
        return None
    # the predictions are in the files already
    nothing = np.empty(0, np.uint8)
    return EpochFinished(stored.history[-1], best, trainer.evaluated.state_dict(), nothing, trainer.state())


def _runs_before(ran_on: Mapping[str, Any]) -> list[Any]:
    before = ran_on.get("before")
    return before if isinstance(before, list) else []


def _run(stored: Stored) -> dict[str, Any]:
    """Return what is kept of an earlier run: what it ran on, without the data, and the epochs that are left of it."""
    kept = {name: value for name, value in stored.ran_on.items() if name not in ("data", "before")}
    return {"until_epoch": len(stored.history), "planned_epochs": stored.settings.training.epochs, **kept}


def _summary(trial: Trial, settings: Settings, stored: Stored, ran_on: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary of a trial that goes on."""
    before = trial.summary()
    parent = before.get("parent")
    summary = {
        **before,
        **summary_of_settings(settings, ran_on["data"]),
        "id": trial.id,
        "status": "running",
        "reason": "",
        "parent": parent if isinstance(parent, str) else None,
        "seconds": round(sum(epoch.seconds for epoch in stored.history), 3),
        "last": None,
        "best": None,
        "verdict": None,
    }
    was, key = before.get("repeats"), summary_of_settings(stored.settings, ran_on["data"])["repeats"]
    is_stretched = settings.training.schedule != "constant" and (settings != stored.settings or was != key)
    if is_stretched or is_id(str(was)):
        # its first epochs had another schedule, or other settings, than it has now: it repeats no trial
        summary["repeats"] = trial.id
    return summary
