"""How a training is reported, to people and to programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core import verdict
from core.accuracy import accuracy_interval
from core.cli.options import Chosen
from core.cli.output import bar, err, out, percent, remark, say, tell
from core.data.catalog import DataShape
from core.diagnosis import diagnose_trial
from core.epoch import Epoch
from core.errors import TrialbookError, TrialError
from core.events import EpochFinished, Event, Finished, NotSaved, Outcome, Progress, Saved, Started
from core.settings import widths_text
from core.size import size_of
from core.text import counted, one_line_json
from core.trials import repeats, selection
from core.trials.conclusion import conclusion_of
from core.trials.store import told_name
from core.trials.trial import Trial

_VALIDATION = "val. cost"
_HEADINGS = ("epoch", "train cost", "test cost", _VALIDATION, "train acc.", "test acc.", " images/s")
_SEED_HEADING = f"{'seed':>10}  "


def report_json(events: Iterator[Event]) -> list[Finished]:
    """Print a line of JSON per event, a failure's too, which is raised again; return how each trial ended.

    What could not be saved in its home is saved elsewhere.

    Raises:
        TrialbookError: A training could not start or go on, or could be saved nowhere.
    """
    running: list[Trial] = []
    finished: list[Finished] = []
    lost: list[TrialError] = []
    try:
        for event in events:
            if isinstance(event, Started):
                trial = event.trial
                running.append(trial)
                print_json(
                    event="started",
                    trial=trial.id,
                    directory=str(trial.directory),
                    device=event.device,
                    parameters=event.parameters,
                    epochs=event.epochs,
                    steps=event.steps,
                    best_by=event.best_by,
                    complete_epochs=len(event.history),
                    remarks=list(event.remarks),
                )
                epochs = event.epochs
            elif isinstance(event, Saved):
                print_json(event="saved", trial=event.trial, epoch=event.epoch)
            elif isinstance(event, NotSaved):
                print_json(event="not saved", trial=event.trial, epoch=event.epoch, reason=event.reason)
            elif isinstance(event, EpochFinished):
                figures = dataclasses.asdict(event.result)
                which = {"trial": event.trial, "epoch": figures.pop("epoch"), "epochs": epochs}
                print_json(event="epoch", **which, **figures, is_best=event.is_best)
            elif isinstance(event, Finished):
                judged = None if event.verdict is None else dataclasses.asdict(event.verdict)
                trial = _saved(event, lost)
                told = {**_ending(event.outcome), "verdict": judged, "model": trial.weights() if event.model else None}
                told["not_saved"] = event.unsaved.reason if event.unsaved else None
                print_json(event="finished", trial=event.trial.id, **told)
                finished.append(event)
                if event.trial in running:
                    running.remove(event.trial)
    except TrialbookError as error:
        for trial in running:
            print_json(event="finished", trial=trial.id, status="failed", reason=str(error))
        raise
    if lost:
        raise lost[0]
    return finished


def print_json(**values: Any) -> None:
    """Print the values as one line of JSON, at once."""
    model = values.get("model")
    print(one_line_json({**values, "model": str(model)} if model else values), flush=True)  # noqa: T201 - the output


def _ending(outcome: Outcome) -> dict[str, Any]:
    last, best = outcome.last, outcome.best
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "epochs": last.epoch if last else 0,
        "test_accuracy": last.test_accuracy if last else None,
        "test_cost": last.test_cost if last else None,
        "best_epoch": best.epoch if best else None,
        "best_test_accuracy": best.test_accuracy if best else None,
    }


def report(  # noqa: PLR0913 - what is told, of what, and where
    events: Iterator[Event], chosen: Chosen, shape: DataShape, home: Path, *, concludes: bool = True, to: Console = out
) -> list[Finished]:
    """Tell people of one training or a series: what begins, a line per epoch below a bar, and the result.

    Args:
        events: What `core.session.train` or `core.series.train_series` yields.
        chosen: What is trained.
        shape: That of its data.
        home: The home of the command, in which those that are named at the end will look for the trial.
        concludes: Whether to tell at the end what the other trials of the trial's home let one say.
        to: Where the lines go; the bar goes there too if it is a terminal, else to stderr.

    Returns:
        How each trial ended. What could not be saved in its home is saved elsewhere.

    Raises:
        TrialbookError: A training could not start or go on, or could be saved nowhere.
    """
    on_terminal = to.is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    seeds: dict[str, int] = {}  # of the trials that have begun, by id
    running: set[str] = set()
    finished: list[Finished] = []
    lost: list[TrialError] = []
    together = 1
    with ExitStack() as stack:
        for event in events:
            if isinstance(event, Started):
                if seeds and not running:
                    say("", to=to)
                seeds[event.trial.id] = chosen.settings.training.seed + len(seeds)
                running.add(event.trial.id)
                _introduce(event, chosen, shape, list(seeds.values()), to)
                if len(running) < event.together:
                    continue
                say("", to=to)
                heading = _line(_HEADINGS, has_validation=event.best_by == "validation cost")
                say(_SEED_HEADING + heading if event.together > 1 else heading, to=to, style="bold")
                progress = stack.enter_context(bar(to if on_terminal else err, *columns))
                task = progress.add_task("epoch 1", total=event.epochs * event.steps)
                steps, together = event.steps, event.together
            elif isinstance(event, Progress):
                done = (event.epoch - 1) * steps + event.step
                progress.update(task, completed=done, description=f"epoch {event.epoch}, cost {event.cost:.4f}")
            elif isinstance(event, EpochFinished):
                progress.update(task, completed=event.result.epoch * steps)
                seed = f"{seeds[event.trial]:>10}  " if together > 1 else ""
                say(seed + _row(event.result, event.is_best), to=to)
            elif isinstance(event, NotSaved):
                remark(f"{event.reason}; the training goes on in memory")
            elif isinstance(event, Finished):
                trial = _saved(event, lost)
                running.discard(event.trial.id)
                if not running:
                    stack.close()
                if together > 1:
                    say("", to=to)
                    say(f"{event.trial.id}, seed {seeds[event.trial.id]}", to=to)
                _conclude(event, trial, shape.test_images, home, to, concludes=concludes)
                finished.append(event)
    if lost:
        raise lost[0]
    return finished


def _introduce(event: Started, chosen: Chosen, shape: DataShape, seeds: Sequence[int], to: Console) -> None:
    """Print what is trained: all of it for the first trial of a series, what is new for those with others before.

    Args:
        event: The trial that begins.
        chosen: What is trained.
        shape: That of its data.
        seeds: The seeds of the series until this one.
        to: Where it is printed.
    """
    settings, parent = chosen.settings, chosen.parent
    size = size_of(settings, shape)
    training = settings.training
    if len(seeds) > 1:
        say(f"{'trial':<9}{event.trial.id}, seed {seeds[-1]}", to=to)
        return
    built_in = " (built in; --data takes others)" if settings.data.source == "digits" else ""
    images = "all images" if event.steps == 1 else counted(training.batch_size, "image")
    steps = f"{counted(training.epochs, 'epoch')} of {counted(event.steps, 'step')} of {images}"
    for name, text in (
        ("trial", event.trial.id + (f", from {parent}" if parent else "")),
        ("data", f"{settings.data.source}{built_in}, {shape.image}, {shape.classes} classes"),
        ("images", _images(event, shape)),
        (
            "network",
            f"{widths_text(settings)}: {size.parameters:,} parameters, {size.flops / 1e6:,.1f} MFLOPs per image",
        ),
        ("training", f"{steps}, {training.optimizer}, learning rate {training.learning_rate:g}"),
        ("", f"L2 lambda {training.l2_lambda:g}, {training.precision} on {event.device}"),
    ):
        say(f"{name:<9}{text}", to=to)
    for index, change in enumerate(chosen.changes):
        say(f"{'changed' if index == 0 else '':<9}{change}", to=to)
    if event.history:
        say(f"{'goes on':<9}after epoch {len(event.history)}", to=to)
    for text in event.remarks:
        remark(f"not the same as before, so that results may differ in their last digits: {text}")
    if event.together > 1:
        say(f"{'together':<9}{event.together} seeds in the same steps; {event.trial.id} has seed {seeds[0]}", to=to)


def _images(event: Started, shape: DataShape) -> str:
    aside = shape.train_images - event.images
    kept = f"{aside:,} kept aside for validation, " if aside else ""
    return f"{event.images:,} for training, {kept}{shape.test_images:,} for testing"


def _row(epoch: Epoch, is_best: bool) -> str:
    validation = epoch.validation_cost
    costs = (epoch.train_cost, epoch.test_cost, 0.0 if validation is None else validation)
    texts = (
        str(epoch.epoch),
        *(f"{cost:.4f}" for cost in costs),
        *map(percent, (epoch.train_accuracy, epoch.test_accuracy)),
        f"{epoch.images_per_second:,.0f}",
    )
    return _line(texts, has_validation=validation is not None) + ("  best" if is_best else "")


def _line(texts: Sequence[str], *, has_validation: bool) -> str:
    """Return a line of the table of epochs; with the validation cost it just fits into 80 columns."""
    cells = zip(_HEADINGS, texts, strict=True)
    return "  ".join(f"{text:>{len(name)}}" for name, text in cells if has_validation or name != _VALIDATION)


def _conclude(  # noqa: PLR0913 - what is told, of what, and where
    event: Finished, trial: Trial, images: int, home: Path, to: Console, *, concludes: bool
) -> None:
    """Print how a training ended, and what can be said of its result.

    Args:
        event: How it ended; why it failed is left to the caller, who gets or raises an error then.
        trial: Where it is saved.
        images: Images of the test set.
        home: The home of the command.
        to: Where it is printed.
        concludes: Whether to tell what the other trials of the trial's home let one say.
    """
    last, best = event.outcome.last, event.outcome.best
    has_failed = event.outcome.status == "failed"
    if event.outcome.reason and not has_failed:
        say(event.outcome.reason, to=to)
    if last is None or best is None:
        say(f"no epoch is complete; the settings are kept in {trial.directory}", to=to)
        return
    low, high = accuracy_interval(round(last.test_accuracy * images), images)
    by = "" if best.validation_cost is None else f" by validation cost ({best.validation_cost:.4f})"
    say(f"best epoch {best.epoch}{by}: test cost {best.test_cost:.4f}, {percent(best.test_accuracy)}", to=to)
    if has_failed:
        say(f"the epochs until {last.epoch} are kept in {trial.directory}", to=to)
        return
    say(f"last epoch {last.epoch}: 95 % interval of the accuracy {percent(low)} to {percent(high)}", to=to)
    if event.verdict is not None:
        say(f"since the parent {event.verdict}", to=to)
    try:
        if concludes:
            print_conclusion(home, event, to)
        for found in diagnose_trial(trial)[:1]:
            tell(str(found), to=to)
    except TrialbookError as error:  # other trials' files must not spoil the end of this one
        remark(str(error))
    say(f"saved in {trial.directory}; `trialbook evaluate {told_name(home, trial)}` tells more", to=to)
    say(f"Accuracy on test set : {100 * last.test_accuracy:.4f}%", style="bold", to=to)


def _saved(event: Finished, lost: list[TrialError]) -> Trial:
    """Return the trial where it is saved; what could not be written to its home is saved elsewhere at once.

    Nothing stands between the end of a training and this: whatever is said of the result may fail to be found.

    Args:
        event: How the training ended.
        lost: Gets an error if it cannot be written elsewhere either.
    """
    if event.unsaved is None:
        return event.trial
    from core.trials.rescue import rescue  # noqa: PLC0415 - torch

    try:
        trial = rescue(event.unsaved)
    except TrialbookError as error:
        remark(f"{event.unsaved.reason}; nor could the trial be saved elsewhere: {error}")
        failed = f" after it failed: {event.outcome.reason}" if event.outcome.status == "failed" else ""
        lost.append(TrialError(f"{event.trial.id} could not be saved{failed}"))
        return event.trial
    remark(f"{event.unsaved.reason}; the whole trial is saved in {trial.directory} instead")
    return trial


def print_conclusion(home: Path, event: Finished, to: Console = out) -> None:
    """Print what explains the verdict, and what the other trials of its home let one say of a trial.

    Args:
        home: The home of the command.
        event: How the trial's training ended.
        to: Where it is printed.
    """
    if event.verdict is not None:
        tell(verdict.EXPLAINED, style="dim", to=to)
    lines = conclusion_lines(event.trial.directory.parent.parent, event.trial)
    for line in lines:
        tell(line, to=to)
    if lines:
        tell(f"`trialbook show {told_name(home, event.trial)}` explains these figures", style="dim", to=to)


def conclusion_lines(home: Path, trial: Trial, *, explained: bool = False) -> list[str]:
    """Return what the other trials of a home let one say of a trial, if need be each test with what explains it.

    Raises:
        TrialError: The trial or the list of trials cannot be read.
    """
    found, lines = conclusion_of(home, trial), []
    if found.repeats is not None:
        lines.append(f"these settings: {found.repeats}")
        if found.settings is not None:
            lines.append(f"since the parent's {found.settings}")
        if explained:
            lines.append(repeats.EXPLAINED)
    if found.selection is not None:
        lines.append(str(found.selection))
        if explained:
            lines.append(selection.EXPLAINED)
    return lines
