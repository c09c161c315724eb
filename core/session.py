"""Train a trial and keep it: what the command line, the console and a notebook all call."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from pathlib import Path

from core.control import Control
from core.data.catalog import class_type
from core.data.dataset import Dataset
from core.device import device_name
from core.errors import TrialbookError
from core.events import EpochFinished, Event, Finished, Outcome, Paused, Started, TrainerEvent
from core.machine import describe_run
from core.settings import Settings
from core.size import size_of
from core.trainer import Trainer
from core.trials.beginning import First
from core.trials.lineage import changes_since_parent, parent_trial
from core.trials.saver import Saver
from core.trials.trial import About
from core.trials.upkeep import new_about
from core.trials.writer import TrialWriter, new_writer
from core.verdict import Verdict


def train(  # noqa: PLR0913 - what is known of a trial, and who controls it
    settings: Settings,
    data: Dataset,
    *,
    home: Path | str = ".",
    name: str = "",
    note: str = "",
    tags: Sequence[str] = (),
    parent: str | None = None,
    begin: Settings | None = None,
    control: Control | None = None,
) -> Generator[Event, None, None]:
    """Train a trial and save it under `home/saved_models`, yielding an event for all that happens.

    Every epoch is written to disk while the next one is trained; a `Saved` tells when it is there. Closing the
    generator stops the training; what is complete by then is saved. Who may fail while listening closes it by
    `contextlib.closing`, or the trial would look as if it were still running. Where an error ends a training that has
    begun, a `Finished` tells how the trial was left, and the error is raised when the next event is asked for.

    Args:
        settings: What to train.
        data: The data set that `load_data(settings.data)` gave.
        home: The directory with `saved_models/` in it.
        name: A short name for the trial.
        note: What is intended by it.
        tags: Words to find it by.
        parent: The preset or the trial that the settings were derived from.
        begin: The parent's settings; None: those found in the home, which need not hold the parent.
        control: Lets others pause and stop the training.

    Raises:
        TrainingError: It cannot start, or cannot go on.
        DataError: The settings do not suit the data.
        TrialError: A trial cannot have such a name, note or tags, or its directory cannot be written. Later, what
            cannot be written ends no training: a `NotSaved` is yielded, and the `Finished` at the end tells what can be
            saved elsewhere.
    """
    control, about = control or Control(), new_about(name, note, tags)
    trainer = Trainer(settings, data)
    writer = new_trial(trainer, data, about, control, home=Path(home), parent=parent, begin=begin)
    yield from session(trainer, writer, control, parent=parent)


def new_trial(  # noqa: PLR0913 - what is known of a trial, and who controls it
    trainer: Trainer,
    data: Dataset,
    about: About,
    control: Control,
    *,
    home: Path,
    parent: str | None,
    begin: Settings | None,
) -> TrialWriter:
    """Make the directory of a trial whose training begins anew, so that lists show it.

    Args:
        trainer: What trains it.
        data: What it is trained on.
        about: Its name, note and tags.
        control: What others' requests to the training are passed on to.
        home: The directory with `saved_models/` in it.
        parent: The preset or the trial that the settings were derived from.
        begin: The parent's settings; None: those found in the home, which need not hold the parent.

    Raises:
        TrialError: It cannot be written; nothing is left of it.
    """
    labels = data.test.labels.numpy().astype(class_type(len(data.classes))).tobytes()
    ran_on = describe_run(trainer.device, data, trainer.normalize)
    writer = new_writer(
        home,
        First(trainer.settings, ran_on, about, labels),
        control,
        parent=parent,
        changes=changes_since_parent(home, parent, trainer.settings, begin),
        parameters=size_of(trainer.settings, data.shape).parameters,
        best_by=trainer.best_by,
    )
    try:
        writer.publish()
    except BaseException:
        writer.discard()
        raise
    return writer


def session(
    trainer: Trainer, writer: TrialWriter, control: Control, *, parent: str | None, remarks: Sequence[str] = ()
) -> Generator[Event, None, None]:
    """Let a trainer train and a writer write, yielding what `train` yields.

    Args:
        trainer: What trains, from the beginning or restored.
        writer: The writer of the trial's files.
        control: Lets others pause and stop the training.
        parent: The preset or the trial that the settings were derived from.
        remarks: What is not as it was when earlier epochs were trained.
    """
    try:
        yield started(trainer, writer, remarks)
        outcome = yield from _written(trainer, writer, control)
    except Exception as error:
        yield ended(writer, outcome_after(error, trainer), parent)
        raise
    except BaseException as error:  # nobody listens any more
        ended(writer, outcome_after(error, trainer), parent)
        raise
    yield ended(writer, outcome, parent)


def started(trainer: Trainer, writer: TrialWriter, remarks: Sequence[str] = (), together: int = 1) -> Started:
    """Return what is told when a trial has a directory and its training begins."""
    return Started(
        trial=writer.trial,
        device=device_name(trainer.device),
        parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        epochs=trainer.settings.training.epochs,
        steps=len(trainer.batches),
        images=trainer.batches.images,
        test_images=trainer.test_images,
        best_by=trainer.best_by,
        history=tuple(trainer.history),
        remarks=tuple(remarks),
        together=together,
    )


def outcome_after(error: BaseException, trainer: Trainer) -> Outcome:
    """Return how a training stands that an error has ended."""
    if isinstance(error, GeneratorExit):
        return trainer.outcome("stopped", "its output was closed")
    if isinstance(error, KeyboardInterrupt):
        return trainer.outcome("stopped", "interrupted")
    if isinstance(error, TrialbookError):
        return trainer.outcome("failed", str(error))
    if isinstance(error, Exception):
        return trainer.outcome("failed", f"{type(error).__name__}: {error}")
    return trainer.outcome("failed", "an error that Trialbook did not foresee")


def ended(writer: TrialWriter, outcome: Outcome, parent: str | None) -> Finished:
    """Complete a trial's files and let others train it; return what is told then."""
    home = writer.trial.directory.parent.parent
    verdict: Verdict | None = None
    try:
        verdict = writer.verdict(parent_trial(home, parent))
    finally:  # whatever the other trial is like
        unsaved = writer.finish(outcome, verdict)
    return Finished(writer.trial, outcome, writer.trial.weights() if outcome.last else None, verdict, unsaved)


def _written(trainer: Trainer, writer: TrialWriter, control: Control) -> Generator[Event, None, Outcome]:
    """Pass on the trainer's events, and what came of saving its epochs; return the outcome."""
    with Saver(writer) as saver:
        try:
            outcome = yield from _saved(trainer.run(control), writer, saver)
        except TrialbookError:
            yield from saver.told(wait=True)
            raise
        yield from saver.told(wait=True)
    return outcome


def _saved(
    events: Generator[TrainerEvent, None, Outcome], writer: TrialWriter, saver: Saver
) -> Generator[Event, None, Outcome]:
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome
        if isinstance(event, EpochFinished):
            event = dataclasses.replace(event, trial=writer.trial.id)
            saver.save(event)
        else:
            writer.write_progress(event)
        yield event
        # who pauses may want to switch the machine off
        yield from saver.told(wait=isinstance(event, Paused))
