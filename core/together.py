"""Train trials that differ in their seed alone in the same steps, and keep each as if it were trained by itself."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path

from core.control import Control
from core.data.dataset import Dataset
from core.errors import TrialbookError
from core.events import EpochFinished, Event, Outcome, Paused, Resumed
from core.session import ended, new_trial, outcome_after, started
from core.settings import Settings
from core.stacked_trainer import AllProgress, OfCopy, StackedEvent, StackedTrainer
from core.trainer import Trainer
from core.trials.saver import Saver
from core.trials.trial import About
from core.trials.writer import TrialWriter


def train_together(  # noqa: PLR0913 - as `train`
    settings: Settings,
    data: Dataset,
    seeds: Sequence[int],
    abouts: Sequence[About],
    *,
    home: Path,
    parent: str | None,
    begin: Settings | None = None,
    control: Control,
) -> Generator[Event, None, None]:
    """Train a trial for each seed, all at once, and yield what `core.session.train` yields for each.

    What others ask of one of the trials, all obey. One that diverges, or whose files fail in an unforeseen way, is
    `Finished` as failed, one that stops early as finished, while the others go on.

    Args:
        settings: What to train; its own seed plays no part.
        data: The data set that `load_data(settings.data)` gave.
        seeds: The seed of each trial.
        abouts: The name, note and tags of each.
        home: The directory with `saved_models/` in it.
        parent: The preset or the trial that the settings were derived from.
        begin: The parent's settings; None: those found in the home, which need not hold the parent.
        control: Lets others pause and stop them.

    Raises:
        TrialbookError: As `train`, but for a trial that diverges; all trials have failed then. Other errors are those
            of a trial's files, and are raised when the other trials have ended.
    """
    trainer = StackedTrainer(settings, data, seeds)
    writers: list[TrialWriter] = []
    try:
        for own, about in zip(trainer.copies, abouts, strict=True):
            writers.append(new_trial(own, data, about, control, home=home, parent=parent, begin=begin))
    except BaseException:
        for writer in writers:  # those before the one that could not be made
            writer.discard()
        raise
    yield from _Session(trainer, writers, parent).run(control)


class _Kept:
    """One of the trials: what trains it, writes it, and saves its epochs."""

    def __init__(self, trainer: Trainer, writer: TrialWriter, parent: str | None) -> None:
        self.trainer = trainer
        self.writer = writer
        self._parent = parent
        self._saver = Saver(writer)

    def take(self, event: EpochFinished) -> list[Event]:
        """Save an epoch; return it with the trial's id."""
        named = dataclasses.replace(event, trial=self.writer.trial.id)
        self._saver.save(named)
        return [named]

    def told(self, wait: bool) -> list[Event]:
        """Return what came of saving; wait until all is saved, if told to."""
        return list(self._saver.told(wait=wait))

    def end(self, outcome: Outcome) -> list[Event]:
        """Complete the trial's files; return what came of saving, and how it ended."""
        with self._saver:
            told = self.told(wait=True)
        return [*told, ended(self.writer, outcome, self._parent)]

    def fail(self, error: BaseException) -> list[Event]:
        """End the trial after an error, whatever else goes wrong; return how it ended, if it could be written."""
        with contextlib.suppress(Exception):  # the first error is the one to report
            with self._saver:
                pass
            return [ended(self.writer, outcome_after(error, self.trainer), self._parent)]
        return []


class _Session:
    """The trials that are still trained."""

    def __init__(self, trainer: StackedTrainer, writers: Sequence[TrialWriter], parent: str | None) -> None:
        self._trainer = trainer
        self._running = {
            at: _Kept(own, writer, parent) for at, (own, writer) in enumerate(zip(trainer.copies, writers, strict=True))
        }
        self._errors: list[Exception] = []  # of single trials' files

    def run(self, control: Control) -> Generator[Event, None, None]:
        """Train to the end, yielding what happens."""
        try:
            try:
                for one in self._running.values():
                    yield started(one.trainer, one.writer, together=len(self._trainer.copies))
                with contextlib.closing(self._trainer.run(control)) as events:
                    for event in events:
                        yield from self._heard(event)
                        # who pauses may want to switch the machine off
                        yield from self._told(wait=isinstance(event, Paused))
            except TrialbookError as error:
                for at, one in tuple(self._running.items()):
                    yield from self._ended(at, outcome_after(error, one.trainer))
                raise
            except Exception as error:
                for at in tuple(self._running):
                    yield from self._running.pop(at).fail(error)
                raise
        except BaseException as error:  # nobody listens any more
            for one in self._running.values():
                one.fail(error)
            raise
        if self._errors:
            raise self._errors[0]

    def _heard(self, event: StackedEvent) -> Generator[Event, None, None]:
        """Write down an event, and yield what is told of it."""
        if isinstance(event, OfCopy):
            one, what = self._running[event.copy], event.what
            if isinstance(what, Outcome):
                yield from self._ended(event.copy, what)
            else:
                yield from self._tried(event.copy, partial(one.take, what))
        elif isinstance(event, Paused | Resumed):
            for one in self._running.values():
                one.writer.write_progress(event)
            yield event
        else:
            yield from self._progress(event)

    def _progress(self, event: AllProgress) -> Generator[Event, None, None]:
        for at, progress in event.copies.items():
            self._running[at].writer.write_progress(progress)
        together = event.together()
        if together is not None:
            yield together

    def _told(self, wait: bool) -> Generator[Event, None, None]:
        for at, one in tuple(self._running.items()):
            yield from self._tried(at, partial(one.told, wait))

    def _ended(self, at: int, outcome: Outcome) -> list[Event]:
        one = self._running[at]
        events = self._tried(at, partial(one.end, outcome))
        self._running.pop(at, None)
        return events

    def _tried(self, at: int, work: Callable[[], list[Event]]) -> list[Event]:
        """Return what some work on a trial's files returns; an error in it ends that trial and no other."""
        try:
            return work()
        except Exception as error:
            self._errors.append(error)
            self._trainer.drop(at)
            return self._running.pop(at).fail(error)
