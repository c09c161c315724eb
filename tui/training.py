"""One training in a worker thread, and the snapshot of it that screens look at."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core.control import Control
from core.early_stopping import best_epoch
from core.errors import TrialbookError
from core.events import EpochFinished, Event, Finished, NotSaved, Outcome, Paused, Progress, Resumed, Saved, Started
from core.text import printable

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.folder import OnProgress
    from core.epoch import Epoch
    from core.settings import DataSettings
    from core.trials.selection import Selection
    from core.trials.trial import Trial
    from core.verdict import Verdict
    from tui.draft import Draft

LoadDataset = Callable[["DataSettings", "OnProgress"], "Dataset"]
Phase = Literal["loading", "training", "paused", "ended"]

_NOT_THE_SAME = "not the same as before, so that results may differ in their last digits"
_LOOK_AGAIN = 0.1  # seconds
_RECENT = 5  # epochs that an estimate of the time left is made from


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How a training stands: a value that the worker replaces as a whole and any thread may read.

    Attributes:
        phase: "loading" the data, "training", "paused" or "ended".
        loading: What is being loaded, how much of it is, and how much there is.
        started: What is known since the first step, or None.
        history: The complete epochs.
        best: The best of them, or None.
        progress: The epoch in progress, or None between epochs.
        memory: Bytes that the process takes on the device.
        outcome: How it ended, or None.
        verdict: Its last epoch against the parent trial's, once it has ended; None where there is no such trial.
        selection: How often its test set was used to choose by then; None where it was not, or before the end.
        error: Why it failed, in one line; "" if it did not.
        remarks: What the user should know of the data, and of the machine where a trial goes on.
        not_saved: Why the last epoch is not on the disk, and at the end where it was saved instead; "" if all is well.
    """

    phase: Phase = "loading"
    loading: tuple[str, int, int] = ("loading PyTorch", 0, 0)
    started: Started | None = None
    history: tuple[Epoch, ...] = ()
    best: Epoch | None = None
    progress: Progress | None = None
    memory: int = 0
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    selection: Selection | None = None
    error: str = ""
    remarks: tuple[str, ...] = ()
    not_saved: str = ""

    @property
    def epoch_fraction(self) -> float:
        """The part of the running epoch's steps that is done, 0 to 1."""
        return self.progress.step / self.progress.steps if self.progress else 0.0

    @property
    def trial_fraction(self) -> float:
        """The part of all steps that is done, 0 to 1."""
        return min(1.0, (len(self.history) + self.epoch_fraction) / self.started.epochs) if self.started else 0.0

    @property
    def epoch_seconds_left(self) -> float | None:
        """Seconds until the epoch in progress is complete, its evaluation included; None while nothing tells."""
        whole = self._epoch_seconds
        return None if whole is None else whole * (1 - self.epoch_fraction)

    @property
    def trial_seconds_left(self) -> float | None:
        """Seconds until all epochs are complete; None while nothing tells. Early stopping may end it sooner."""
        whole = self._epoch_seconds
        if whole is None or self.started is None:
            return None
        return whole * max(0.0, self.started.epochs - len(self.history) - self.epoch_fraction)

    @property
    def _epoch_seconds(self) -> float | None:
        """Seconds that an epoch takes."""
        if self.started is None or self.phase == "ended":
            return None
        recent = self.history[-_RECENT:]
        if recent:
            return sum(epoch.seconds for epoch in recent) / len(recent)
        return None if self.progress is None else self.started.images / max(self.progress.images_per_second, 1e-9)


@dataclass(frozen=True, slots=True)
class GoOn:
    """How a training goes on with a saved trial instead of beginning anew.

    Attributes:
        trial: The saved trial.
        epochs: How many epochs it shall have in all; None: as many as were asked for.
        branch: The epoch that a new trial branches off at, "last" or "best"; None: the trial itself is resumed.
        elsewhere: Whether another process trains it, which is asked to give it up first.
    """

    trial: Trial
    epochs: int | None = None
    branch: Literal["last", "best"] | None = None
    elsewhere: bool = False


class _CancelledError(Exception):
    """The training was stopped while its data was loaded."""


class Training:
    """One training. `run` works through it in a thread of its own; everything else may be called from any thread.

    Attributes:
        draft: What is trained.
        go_on: The trial that it goes on with, or None.
        control: Pauses and stops it.
        snapshot: How it stands.
    """

    def __init__(
        self,
        draft: Draft,
        home: Path,
        load: LoadDataset,
        tell: Callable[[Training], object],
        go_on: GoOn | None = None,
    ) -> None:
        """Prepare a training.

        Args:
            draft: What to train, under which name and note.
            home: The directory with `saved_models/` in it.
            load: Loads a data set.
            tell: Called in the worker's thread whenever more than the progress within an epoch has changed.
            go_on: The trial to go on with; None: a new one.
        """
        self.draft = draft
        self.go_on = go_on
        self.control = Control()
        self.snapshot = Snapshot()
        self._home = home
        self._load = load
        self._tell = tell

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.snapshot.phase != "ended"

    def run(self) -> None:
        """Load the data and train; return when all is over. Nothing raises: the snapshot tells what went wrong."""
        error = ""
        try:
            self._train()
        except _CancelledError:
            self._put(outcome=Outcome("stopped", "stopped before the first step", None, None))
        except TrialbookError as problem:
            error = printable(str(problem).replace("\n", "; "))
        except Exception as problem:
            frame = traceback.extract_tb(problem.__traceback__)[-1]
            where = f"{Path(frame.filename).name}:{frame.lineno}"
            error = printable(f"unexpected error, please report it: {where}: {type(problem).__name__}: {problem}")
        self._put(phase="ended", error=error, progress=None)
        self._tell(self)

    def _train(self) -> None:
        data = self._load(self.draft.settings.data, self._on_loading)
        if self.go_on is not None and self.go_on.elsewhere:
            self._take_back(self.go_on.trial)
        self._put(remarks=data.remarks, loading=("preparing the network", 0, 0))
        self._refuse_if_stopped()
        with closing(self._events(data)) as events:
            for event in events:
                self._take(event)

    def _events(self, data: Dataset) -> Generator[Event, None, None]:
        from core import continuation, session  # noqa: PLC0415 - torch, which takes seconds

        draft, go_on = self.draft, self.go_on
        said: dict[str, Any] = {"home": self._home, "name": draft.name, "note": draft.note, "control": self.control}
        if go_on is None:
            return session.train(draft.settings, data, parent=draft.parent, **said)
        if go_on.branch is not None:
            return continuation.branch(go_on.trial, data, draft.settings, best=go_on.branch == "best", **said)
        return continuation.resume(go_on.trial, data, epochs=go_on.epochs, control=self.control)

    def _take_back(self, trial: Trial) -> None:
        """Wait until the process that trains a trial has given it up, which it is asked to."""
        from core.trials.lease import ask  # noqa: PLC0415 - as above
        from core.trials.store import listed_trial  # noqa: PLC0415

        ask(trial, "stop")
        self._put(loading=("waiting for the other process to stop", 0, 0))
        while listed_trial(trial).status == "running":
            self._refuse_if_stopped()
            time.sleep(_LOOK_AGAIN)

    def _on_loading(self, what: str, done: int, total: int) -> None:
        self._put(loading=(what, done, total))
        self._refuse_if_stopped()

    def _refuse_if_stopped(self) -> None:
        if self.control.stopping or self.control.finishing:
            raise _CancelledError

    def _take(self, event: Event) -> None:
        from core.device import used_memory  # noqa: PLC0415 - torch

        if isinstance(event, Progress):
            self._put(progress=event)
            return
        if isinstance(event, Started):
            remarks = (*self.snapshot.remarks, *(f"{_NOT_THE_SAME}: {text}" for text in event.remarks))
            self._put(
                phase="training",
                started=event,
                memory=used_memory(event.device),
                history=event.history,
                best=best_epoch(event.history),
                remarks=remarks,
            )
        elif isinstance(event, EpochFinished):
            history = (*self.snapshot.history, event.result)
            memory = used_memory(self.snapshot.started.device) if self.snapshot.started else 0
            self._put(history=history, best=event.best, progress=None, memory=memory)
        elif isinstance(event, Paused):
            self._put(phase="paused")
        elif isinstance(event, Resumed):
            self._put(phase="training")
        elif isinstance(event, Saved | NotSaved):
            self._put(not_saved=event.reason if isinstance(event, NotSaved) else "")
        elif isinstance(event, Finished):
            rescued, selection = self._rescued(event), self._selection(event.trial)
            self._put(not_saved=rescued, outcome=event.outcome, verdict=event.verdict, selection=selection)
            return  # `run` tells, when all is over
        self._tell(self)

    def _rescued(self, event: Finished) -> str:
        """Save elsewhere what could not be saved in the home; return what to say of it, or ""."""
        if event.unsaved is None:
            return ""
        from core.trials.rescue import rescue  # noqa: PLC0415 - as above

        try:
            trial = rescue(event.unsaved)
        except TrialbookError as error:
            return f"{event.unsaved.reason}; nor could the trial be saved elsewhere: {error}"
        return f"{event.unsaved.reason}; the whole trial is saved in {trial.directory} instead"

    def _selection(self, trial: Trial) -> Selection | None:
        from core.trials.conclusion import conclusion_of  # noqa: PLC0415 - as above

        try:
            return conclusion_of(self._home, trial).selection
        except TrialbookError:  # other trials' files must not spoil the end of this one
            return None

    def _put(self, **changes: object) -> None:
        # one assignment of an immutable value: a reader in another thread sees the old one or the new one, whole
        self.snapshot = replace(self.snapshot, **changes)  # type: ignore[arg-type]
