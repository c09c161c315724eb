"""What the curves show of a trial: read from its directory, or taken from a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.accuracy import accuracy_interval
from core.errors import TrialbookError
from tui.plot.curves import Run
from tui.widgets.figures import FigureValues
from tui.words import percent

if TYPE_CHECKING:
    from core.trials.trial import Trial
    from tui.training import Snapshot, Training

_FIRST_AXIS = 10  # epochs


@dataclass(frozen=True, slots=True)
class Shown:
    """The trial that the curves and the figures show.

    Attributes:
        trial: The saved trial.
        run: Its curves.
        epochs: Epochs that were asked for.
        state: "finished", "stopped", "failed", "interrupted" or "running".
        parent: The id of the trial that it was derived from, or the preset's name, or None.
        test_images: Images of its test set; 0 where that is not known.
        device: What it ran on; "" where that is not known.
        remarks: What is wrong with its files.
    """

    trial: Trial
    run: Run
    epochs: int
    state: str
    parent: str | None
    test_images: int
    device: str
    remarks: tuple[str, ...] = ()


def title_of(trial: Trial, name: str) -> str:
    """Return what a trial is called: its name, or the end of its id's time."""
    return name or trial.id


def read_shown(trial: Trial) -> Shown:
    """Read what is shown of a saved trial. Takes milliseconds: for worker threads. What is damaged is left out."""
    from core.trials.store import listed_trial  # noqa: PLC0415 - the first screen needs it not

    listed = listed_trial(trial)
    remarks: list[str] = []
    history: tuple[Any, ...] = ()
    ran_on: dict[str, Any] = {}
    try:
        epochs, remarks = trial.history()
        history = tuple(epochs)
        ran_on = trial.ran_on()
    except TrialbookError as error:
        remarks = [*remarks, str(error)]
    data = ran_on.get("data")
    images = data.get("test_images") if isinstance(data, dict) else None
    asked = listed.summary.get("epochs")
    planned = asked if isinstance(asked, int) else len(history)
    parent = listed.summary.get("parent")
    return Shown(
        trial=trial,
        run=Run(title_of(trial, listed.about.name), history, len(history)),
        epochs=planned,
        state=listed.status,
        parent=parent if isinstance(parent, str) else None,
        test_images=images if isinstance(images, int) else 0,
        device=str(ran_on.get("device", "")),
        remarks=tuple(remarks),
    )


def read_runs(home: Path, names: list[str]) -> list[Run]:
    """Read the curves of saved trials by id; those that are not there are left out. For worker threads."""
    from core.trials.store import find_trial  # noqa: PLC0415 - as above

    runs = []
    for name in names:
        try:
            trial = find_trial(home, name)
        except TrialbookError:
            continue
        shown = read_shown(trial)
        if shown.run.history:
            runs.append(shown.run)
    return runs


def run_of(training: Training) -> Run | None:
    """Return the curves of a training as far as they are; None before its first step."""
    now = training.snapshot
    if now.started is None:
        return None
    end = axis_end(len(now.history), now.started.epochs) if training.is_running else len(now.history)
    return Run(title_of(now.started.trial, training.draft.name), now.history, end)


def axis_end(done: int, planned: int) -> int:
    """Return where the axis of epochs ends while a trial trains: soon enough to see the first epochs, seldom moving."""
    end = _FIRST_AXIS
    while end <= done:
        end *= 2
    return min(end, planned)


def figures_of(shown: Shown, training: Training | None, parent: Run | None) -> FigureValues:
    """Return the figures of the shown trial, live ones if it is what is being trained.

    Args:
        shown: The trial.
        training: The training that runs or ran last, of this trial or of another, or None.
        parent: The curves of its parent, or None.
    """
    now = training.snapshot if training is not None and training.is_running else None
    if now is not None and (now.started is None or now.started.trial != shown.trial):
        now = None
    history = now.history if now else shown.run.history
    progress = now.progress if now else None
    last = history[-1] if history else None
    return FigureValues(
        title=shown.run.title,
        state=now.phase if now else shown.state,
        history=history,
        epochs=shown.epochs,
        test_images=shown.test_images,
        running_cost=progress.cost if progress else None,
        learning_rate=progress.learning_rate if progress else last.learning_rate if last else None,
        images_per_second=progress.images_per_second if progress else last.images_per_second if last else None,
        device=shown.device,
        memory=now.memory if now else 0,
        parent=parent.history if parent else (),
        parent_title=parent.title if parent else "",
    )


def ending_words(now: Snapshot) -> str:
    """Return how a training ended: its accuracy with the 95 % interval, and where it is saved."""
    last = now.outcome.last if now.outcome else None
    reason = now.outcome.reason if now.outcome else ""
    if last is None or now.started is None:
        return reason or "no epoch is complete"
    images = now.started.test_images
    low, high = accuracy_interval(round(last.test_accuracy * images), images)
    said = f"accuracy {percent(last.test_accuracy)}, 95 % interval {percent(low)} to {percent(high)}"
    return f"{reason + ': ' if reason else ''}{said}"
