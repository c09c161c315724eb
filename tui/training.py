"""One training in a worker thread, and the snapshot of it that screens look at."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.control import Control
from core.errors import TrialbookError
from core.events import EpochFinished, Event, Finished, Outcome, Paused, Progress, Resumed, Started
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
        remarks: What the user should know of the data.
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
        if self.started is None or self.phase == "ended":
            return None
        recent = self.history[-_RECENT:]
        if recent:
            seconds = sum(epoch.seconds for epoch in recent) / len(recent)
            return seconds * (1 - self.epoch_fraction)
        if self.progress is None:
            return None
        training = self.started.images / max(self.progress.images_per_second, 1e-9)
        return training * (1 - self.epoch_fraction)

    @property
    def trial_seconds_left(self) -> float | None:
        """Seconds until all epochs are complete; None while nothing tells. Early stopping may end it sooner."""
        left = self.epoch_seconds_left
        if left is None or self.started is None:
            return None
        whole = left / max(1e-9, 1 - self.epoch_fraction)
        return left + whole * (self.started.epochs - len(self.history) - 1)


class _CancelledError(Exception):
    """The training was stopped while its data was loaded."""


class Training:
    """One training. `run` works through it in a thread of its own; everything else may be called from any thread.

    Attributes:
        draft: What is trained.
        control: Pauses and stops it.
        snapshot: How it stands.
    """

    def __init__(self, draft: Draft, home: Path, load: LoadDataset, tell: Callable[[Training], object]) -> None:
        """Prepare a training.

        Args:
            draft: What to train, under which name and note.
            home: The directory with `saved_models/` in it.
            load: Loads a data set.
            tell: Called in the worker's thread whenever more than the progress within an epoch has changed.
        """
        self.draft = draft
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
        from core import session  # noqa: PLC0415 - torch, which takes seconds

        draft = self.draft
        data = self._load(draft.settings.data, self._on_loading)
        self._put(remarks=data.remarks, loading=("preparing the network", 0, 0))
        self._refuse_if_stopped()
        events = session.train(
            draft.settings,
            data,
            home=self._home,
            name=draft.name,
            note=draft.note,
            parent=draft.parent,
            control=self.control,
        )
        with closing(events):
            for event in events:
                self._take(event)

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
            self._put(phase="training", started=event, memory=used_memory(event.device))
        elif isinstance(event, EpochFinished):
            history = (*self.snapshot.history, event.result)
            memory = used_memory(self.snapshot.started.device) if self.snapshot.started else 0
            self._put(history=history, best=event.best, progress=None, memory=memory)
        elif isinstance(event, Paused):
            self._put(phase="paused")
        elif isinstance(event, Resumed):
            self._put(phase="training")
        elif isinstance(event, Finished):
            self._put(outcome=event.outcome, verdict=event.verdict, selection=self._selection(event.trial))
            return  # `run` tells, when all is over
        self._tell(self)

    def _selection(self, trial: Trial) -> Selection | None:
        from core.trials.conclusion import conclusion_of  # noqa: PLC0415 - as above

        try:
            return conclusion_of(self._home, trial).selection
        except TrialbookError:  # other trials' files must not spoil the end of this one
            return None

    def _put(self, **changes: object) -> None:
        # one assignment of an immutable value: a reader in another thread sees the old one or the new one, whole
        self.snapshot = replace(self.snapshot, **changes)  # type: ignore[arg-type]
