"""What the curves show of a trial: read from its directory, or taken from a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.accuracy import accuracy_interval
from core.early_stopping import best_epoch
from core.errors import TrialbookError
from core.events import Started
from core.verdict import Verdict, verdict_from
from tui.plot.curves import Run
from tui.training import Snapshot
from tui.widgets.figures import FigureValues
from tui.words import percent

if TYPE_CHECKING:
    from core.trials.trial import Trial
    from core.trials.watch import Watched
    from tui.training import Training

_FIRST_AXIS = 10  # epochs


@dataclass(frozen=True, slots=True)
class Shown:
    """The trial that the curves and the figures show.

    Attributes:
        trial: The saved trial.
        run: Its curves.
        epochs: Epochs that were asked for.
        state: "finished", "stopped", "failed", "interrupted", or that it runs, and where.
        parent: The id of the trial that it was derived from, or the preset's name, or None.
        test_images: Images of its test set; 0 where that is not known.
        device: What it ran on; "" where that is not known.
        remarks: What is wrong with its files.
        verdict: Its last epoch against the parent's, once it has ended; None where there is nothing to compare with.
        watched: What its files said at the last look; None for a training of this process.
        elsewhere: How it stands, where another process trains it; else None.
    """

    trial: Trial
    run: Run
    epochs: int
    state: str
    parent: str | None
    test_images: int
    device: str
    remarks: tuple[str, ...] = ()
    verdict: Verdict | None = None
    watched: Watched | None = None
    elsewhere: Snapshot | None = None


def read_shown(trial: Trial, before: Watched | None = None) -> Shown:
    """Read what is shown of a saved trial. Takes milliseconds: for worker threads. What is damaged is left out.

    Args:
        trial: The trial.
        before: What its files said at the last look: only later epochs are read then.
    """
    from core.trials.watch import Watched, watch_trial  # noqa: PLC0415 - the first screen needs it not

    remarks: list[str] = []
    ran_on: dict[str, Any] = {}
    try:
        watched = watch_trial(trial, before)
        ran_on = trial.ran_on()
    except TrialbookError as error:
        from core.trials.store import listed_trial  # noqa: PLC0415 - as above

        watched = Watched(listed_trial(trial))
        remarks = [str(error)]
    data = ran_on.get("data")
    images = data.get("test_images") if isinstance(data, dict) else None
    summary, history = watched.listed.summary, watched.history
    asked, parent = summary.get("epochs"), summary.get("parent")
    planned = asked if isinstance(asked, int) else len(history)
    runs = watched.listed.status == "running"
    test_images = images if isinstance(images, int) else 0
    device = str(ran_on.get("device", ""))
    return Shown(
        trial=trial,
        run=Run(
            watched.listed.title,
            history,
            axis_end(len(history), planned) if runs else len(history),
        ),
        epochs=planned,
        state=f"{'paused' if watched.is_paused else 'running'} (another process)" if runs else watched.listed.status,
        parent=parent if isinstance(parent, str) else None,
        test_images=test_images,
        device=device,
        remarks=(*watched.remarks, *remarks),
        verdict=verdict_from(summary.get("verdict")),
        watched=watched,
        elsewhere=_snapshot_of(watched, planned, test_images, device, data) if runs else None,
    )


def _snapshot_of(watched: Watched, epochs: int, test_images: int, device: str, data: object) -> Snapshot:
    """Return how a trial stands that another process trains, as if it were trained here."""
    progress = watched.progress
    images = data.get("train_images") if isinstance(data, dict) else None
    started = Started(
        trial=watched.listed.trial,
        device=device,
        parameters=0,
        epochs=max(epochs, 1),
        steps=progress.steps if progress else 0,
        images=images if isinstance(images, int) else 0,
        test_images=test_images,
        best_by="test cost",
    )
    return Snapshot(
        phase="paused" if watched.is_paused else "training",
        started=started,
        history=watched.history,
        best=best_epoch(watched.history),
        progress=progress,
    )


def read_overlays(home: Path, names: Sequence[str], before: Sequence[Shown] = ()) -> tuple[Shown, ...]:
    """Read the curves of saved trials by id; those that are not there are left out. For worker threads.

    Args:
        home: The directory with `saved_models/` in it.
        names: The ids.
        before: What was read the last time: only later epochs are read then.
    """
    from core.trials.store import trial_of_id  # noqa: PLC0415 - as above

    known = {each.trial.id: each.watched for each in before}
    found = (trial_of_id(home, name) for name in names)
    read = (read_shown(trial, known.get(trial.id)) for trial in found if trial is not None)
    return tuple(shown for shown in read if shown.run.history)


@dataclass(frozen=True, slots=True)
class Parent:
    """The trial that another one was derived from.

    Attributes:
        shown: What is shown of it.
        is_comparable: Whether it was tested on the same images.
    """

    shown: Shown
    is_comparable: bool

    @property
    def run(self) -> Run:
        """Its curves."""
        return self.shown.run


def read_parent(home: Path, trial: Trial, name: str | None, before: Parent | None = None) -> Parent | None:
    """Read the parent of a trial; None where it has none with an epoch. For worker threads.

    Args:
        home: The directory with `saved_models/` in it.
        trial: The trial.
        name: The id of its parent, or a preset's name, or None.
        before: What was read the last time: only later epochs are read then.
    """
    from core.trials.lineage import parent_trial  # noqa: PLC0415 - as above

    parent = parent_trial(home, name)
    if parent is None or parent.id == trial.id:
        return None
    from core.verdict import images_tested_on  # noqa: PLC0415 - numpy

    shown = read_shown(parent, before.shown.watched if before is not None else None)
    if not shown.run.history:
        return None
    try:
        same = images_tested_on(trial) == images_tested_on(parent)
    except TrialbookError:
        same = False
    return Parent(shown, same)


def run_of(training: Training) -> Run | None:
    """Return the curves of a training as far as they are; None before its first step."""
    now = training.snapshot
    if now.started is None:
        return None
    end = axis_end(len(now.history), now.started.epochs) if training.is_running else len(now.history)
    return Run(training.draft.name or now.started.trial.id, now.history, end)


def axis_end(done: int, planned: int) -> int:
    """Return where the axis of epochs ends while a trial trains: soon enough to see the first epochs, seldom moving."""
    end = _FIRST_AXIS
    while end <= done:
        end *= 2
    return min(end, planned)


def figures_of(shown: Shown, training: Training | None, parent: Parent | None) -> FigureValues:
    """Return the figures of the shown trial, live ones if it is what is being trained.

    Args:
        shown: The trial.
        training: The training that runs or ran last, of this trial or of another, or None.
        parent: Its parent, or None.
    """
    own = training.snapshot if training is not None and training.is_running else None
    if own is not None and (own.started is None or own.started.trial != shown.trial):
        own = None
    now = own or shown.elsewhere
    history = now.history if now else shown.run.history
    progress = now.progress if now else None
    last = history[-1] if history else None
    return FigureValues(
        title=shown.run.title,
        state=own.phase if own else shown.state,
        history=history,
        epochs=shown.epochs,
        test_images=shown.test_images,
        is_running=now is not None,
        running_cost=progress.cost if progress else None,
        learning_rate=progress.learning_rate if progress else last.learning_rate if last else None,
        images_per_second=progress.images_per_second if progress else last.images_per_second if last else None,
        device=shown.device,
        memory=now.memory if now else 0,
        parent=parent.run.history if parent and parent.is_comparable else (),
        parent_title=parent.run.title if parent else "",
        verdict=str(shown.verdict) if shown.verdict is not None and now is None else "",
    )


def ending_words(now: Snapshot) -> str:
    """Return how a training ended: its accuracy, the verdict against its parent, and the accuracy's 95 % interval."""
    last = now.outcome.last if now.outcome else None
    reason = now.outcome.reason if now.outcome else ""
    if last is None or now.started is None:
        return reason or "no epoch is complete"
    return _ending(reason, last.test_accuracy, now.started.test_images, now.verdict)


def ending_elsewhere(shown: Shown) -> str:
    """Return the same of a trial that another process has trained."""
    reason = shown.watched.listed.summary.get("reason") if shown.watched is not None else ""
    said = reason if isinstance(reason, str) else ""
    if shown.state == "interrupted":
        said = "its process has died"
    if not shown.run.history:
        return said or "no epoch is complete"
    return _ending(said, shown.run.history[-1].test_accuracy, shown.test_images, shown.verdict)


def _ending(reason: str, accuracy: float, images: int, verdict: Verdict | None) -> str:
    said = [f"accuracy {percent(accuracy)}"]
    if verdict is not None:
        said.append(f"against its parent {verdict}")
    if images:
        low, high = accuracy_interval(round(accuracy * images), images)
        said.append(f"95 % interval {percent(low)} to {percent(high)}")
    return f"{reason + ': ' if reason else ''}{', '.join(said)}"
