"""`trialbook train`."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core.accuracy import accuracy_interval
from core.cli.options import Chosen, chosen_settings, trial_options
from core.cli.output import bar, err, loading_progress, out, percent, remark, say
from core.control import Control
from core.data.catalog import DataShape
from core.diagnosis import diagnose_trial
from core.epoch import Epoch
from core.errors import TrialbookError
from core.events import EpochFinished, Event, Finished, Outcome, Progress, Started
from core.settings import widths_text
from core.size import size_of
from core.text import one_line_json

_HEADING = (
    f"{'epoch':>7}  {'train cost':>10}  {'test cost':>10}  {'train acc.':>10}  {'test acc.':>10}  {'images/s':>9}"
)


@click.command()
@trial_options
@click.option("--name", default="", metavar="NAME", help="A short name for the trial.")
@click.option("--note", default="", metavar="TEXT", help="What is intended by it.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per event, and nothing else.")
@click.pass_obj
def train(home: Path, /, *, name: str, note: str, as_json: bool, **options: Any) -> int:
    """Train a trial and save it under saved_models/.

    Without a beginning and without --data it is a small network on the built-in handwritten digits. Ctrl-C finishes the
    epoch and keeps everything; a second Ctrl-C stops at once and keeps the epochs before.
    """
    chosen = chosen_settings(home, **options)
    from core.data.dataset import load_data  # noqa: PLC0415 - torch; wrong settings are told without waiting for it
    from core.session import train as train_trial  # noqa: PLC0415

    with loading_progress() as on_progress:
        data = load_data(chosen.settings.data, on_progress)
    for text in data.remarks:
        remark(text)
    control = Control()
    events = train_trial(chosen.settings, data, home=home, name=name, note=note, parent=chosen.parent, control=control)
    with _signals(control) as received, closing(events):
        if as_json:
            _report_json(events)
        else:
            _report(events, chosen, data.shape)
    return 128 + received[0] if received else 0


@contextmanager
def _signals(control: Control) -> Iterator[list[int]]:
    """Turn signals into requests to the training inside the block; yield the list of those that came."""
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number != signal.SIGINT or received.count(signal.SIGINT) > 1:
            control.stop()
        else:
            control.finish_epoch()
            # not through sys.stderr: the signal may come in the middle of a write to it
            os.write(2, b"\nfinishing this epoch; Ctrl-C again stops now and keeps the epochs before\n")

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report_json(events: Iterator[Event]) -> None:
    trial = None
    try:
        for event in events:
            if isinstance(event, Started):
                trial = event.trial
                _print_json(
                    event="started",
                    trial=trial.id,
                    directory=str(trial.directory),
                    device=event.device,
                    parameters=event.parameters,
                    epochs=event.epochs,
                    steps=event.steps,
                    best_by=event.best_by,
                )
                epochs = event.epochs
            elif isinstance(event, EpochFinished):
                figures = dataclasses.asdict(event.result)
                _print_json(event="epoch", epoch=figures.pop("epoch"), epochs=epochs, **figures, is_best=event.is_best)
            elif isinstance(event, Finished):
                _print_json(event="finished", trial=event.trial.id, **_ending(event.outcome), model=event.model)
    except TrialbookError as error:
        if trial is not None:
            _print_json(event="finished", trial=trial.id, status="failed", reason=str(error))
        raise


def _print_json(**values: Any) -> None:
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


def _report(events: Iterator[Event], chosen: Chosen, shape: DataShape) -> None:
    on_terminal = sys.stdout.isatty()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    progress = bar(out if on_terminal else err, *columns)
    rows = progress.console if on_terminal else out
    with ExitStack() as stack:
        for event in events:
            if isinstance(event, Started):
                _introduce(event, chosen, shape, rows)
                stack.enter_context(progress)
                task = progress.add_task("epoch 1", total=event.epochs * event.steps)
                steps = event.steps
            elif isinstance(event, Progress):
                done = (event.epoch - 1) * steps + event.step
                progress.update(task, completed=done, description=f"epoch {event.epoch}, cost {event.cost:.4f}")
            elif isinstance(event, EpochFinished):
                progress.update(task, completed=event.result.epoch * steps)
                say(_row(event.result, event.is_best), to=rows)
            elif isinstance(event, Finished):
                stack.close()
                _conclude(event, shape.test_images, rows)


def _introduce(event: Started, chosen: Chosen, shape: DataShape, rows: Console) -> None:
    settings, parent = chosen.settings, chosen.parent
    size = size_of(settings, shape)
    training = settings.training
    built_in = " (built in; --data takes others)" if settings.data.source == "digits" else ""
    steps = f"{training.epochs} epochs of {event.steps} steps of {training.batch_size} images"
    for name, text in (
        ("trial", event.trial.id + (f", from {parent}" if parent else "")),
        ("data", f"{settings.data.source}{built_in}, {shape.image}, {shape.classes} classes"),
        ("images", f"{shape.train_images:,} for training, {shape.test_images:,} for testing"),
        (
            "network",
            f"{widths_text(settings)}: {size.parameters:,} parameters, {size.flops / 1e6:,.1f} MFLOPs per image",
        ),
        ("training", f"{steps}, {training.optimizer}, learning rate {training.learning_rate:g}"),
        ("", f"L2 lambda {training.l2_lambda:g}, {training.precision} on {event.device}"),
    ):
        say(f"{name:<9}{text}", to=rows)
    for index, change in enumerate(chosen.changes):
        say(f"{'changed' if index == 0 else '':<9}{change}", to=rows)
    say("", to=rows)
    say(_HEADING, to=rows, style="bold")


def _row(epoch: Epoch, is_best: bool) -> str:
    return (
        f"{epoch.epoch:>7}  {epoch.train_cost:>10.4f}  {epoch.test_cost:>10.4f}  {percent(epoch.train_accuracy):>10}  "
        f"{percent(epoch.test_accuracy):>10}  {epoch.images_per_second:>9,.0f}" + ("  best" if is_best else "")
    )


def _conclude(event: Finished, images: int, rows: Console) -> None:
    last, best = event.outcome.last, event.outcome.best
    if event.outcome.reason:
        say(event.outcome.reason, to=rows)
    if last is None or best is None:
        say(f"no epoch is complete; the settings are kept in {event.trial.directory}", to=rows)
        return
    low, high = accuracy_interval(round(last.test_accuracy * images), images)
    say(f"best epoch {best.epoch}: test cost {best.test_cost:.4f}, {percent(best.test_accuracy)}", to=rows)
    say(f"last epoch {last.epoch}: 95 % interval of the accuracy {percent(low)} to {percent(high)}", to=rows)
    for found in diagnose_trial(event.trial)[:1]:
        say(str(found), to=rows)
    say(f"saved in {event.trial.directory}; `trialbook evaluate {event.trial.id}` tells more", to=rows)
    say(f"Accuracy on test set : {100 * last.test_accuracy:.4f}%", to=rows, style="bold")
