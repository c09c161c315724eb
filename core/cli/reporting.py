"""How a training is reported, to people and to programs, and how signals reach it."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core import verdict
from core.accuracy import accuracy_interval
from core.cli.options import Chosen
from core.cli.output import bar, err, out, percent, remark, say
from core.control import Control
from core.data.catalog import DataShape
from core.diagnosis import diagnose_trial
from core.epoch import Epoch
from core.errors import TrialbookError
from core.events import EpochFinished, Event, Finished, NotSaved, Outcome, Progress, Saved, Started
from core.settings import widths_text
from core.size import size_of
from core.text import one_line_json
from core.trials import repeats, selection
from core.trials.conclusion import conclusion_of
from core.trials.trial import Trial

_HEADING = (
    f"{'epoch':>7}  {'train cost':>10}  {'test cost':>10}  {'train acc.':>10}  {'test acc.':>10}  {'images/s':>9}"
)
_SEED_HEADING = f"{'seed':>10}"

_SHOW_CURSOR = b"\x1b[?25h"  # which the bar has hidden


@contextmanager
def signals(control: Control) -> Iterator[list[int]]:
    """Turn signals into requests to the training inside the block; yield the list of those that shall end it.

    A terminal that has gone ends the training as SIGHUP does, also where writing to it fails before the signal comes,
    or instead.
    """
    received: list[int] = []
    terminals = _terminals()

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGHUP:
            _drop_output([terminal for terminal in terminals if not os.isatty(terminal)])
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
        with _suspension(control):
            yield received
    except OSError as error:
        if error.errno != errno.EIO or all(os.isatty(terminal) for terminal in terminals):
            raise
        _drop_output(terminals)
        raise click.exceptions.Exit(128 + signal.SIGHUP) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminals() -> list[int]:
    """Return which of the output streams are terminals."""
    found = []
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # what tests put there is no file
            if os.isatty(stream.fileno()):
                found.append(stream.fileno())
    return found


def _drop_output(descriptors: Sequence[int]) -> None:
    """Let what is written from now on, at the interpreter's end too, go nowhere instead of failing."""
    with open(os.devnull, "wb", buffering=0) as nowhere:
        for descriptor in descriptors:
            os.dup2(nowhere.fileno(), descriptor)


@contextmanager
def _suspension(control: Control) -> Iterator[None]:
    """Let Ctrl-Z pause the training before it stops the process inside the block, and let it go on afterwards.

    So the time that the process was stopped is no part of an epoch's, and others see that the training is paused.
    """
    if signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL:  # ignored by whoever started us
        yield
        return
    asked, paused = False, False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked, paused
        asked = True
        if control.finishing or control.stopping:  # then the training waits for nobody
            suspend()
        elif not control.paused:
            paused = True
            control.pause()

    def suspend() -> None:
        nonlocal asked, paused
        if not asked:
            return
        asked = False
        for console in (out, err):
            if console.is_terminal:  # not through its buffer: this may be in the middle of a write to it
                with contextlib.suppress(OSError, ValueError):
                    os.write(console.file.fileno(), _SHOW_CURSOR)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)  # returns when the process goes on
        signal.signal(signal.SIGTSTP, ask)
        if paused:
            paused = False
            control.resume()

    signal.signal(signal.SIGTSTP, ask)
    control.idle = suspend
    try:
        yield
        suspend()  # where the training had no further step to wait before
    finally:
        control.idle = lambda: None
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


def report_json(events: Iterator[Event]) -> list[Finished]:
    """Print a line of JSON per event, a failure's too, which is raised again; return how each trial ended.

    Raises:
        TrialbookError: A training could not start or go on.
    """
    running: list[Trial] = []
    finished = []
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
                told = {**_ending(event.outcome), "verdict": judged, "model": event.model}
                told["not_saved"] = event.unsaved.reason if event.unsaved else None
                print_json(event="finished", trial=event.trial.id, **told)
                finished.append(event)
                running.remove(event.trial)
    except TrialbookError as error:
        for trial in running:
            print_json(event="finished", trial=trial.id, status="failed", reason=str(error))
        raise
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


def report(
    events: Iterator[Event], chosen: Chosen, shape: DataShape, home: Path | None = None, to: Console = out
) -> list[Finished]:
    """Tell people of one training or a series: what begins, a line per epoch below a bar, and the result.

    Args:
        events: What `core.session.train` or `core.series.train_series` yields.
        chosen: What is trained.
        shape: That of its data.
        home: Where the trials are whose results let one say more at the end; None: nothing more is said.
        to: Where the lines go; the bar goes there too if it is a terminal, else to stderr.

    Returns:
        How each trial ended.
    """
    on_terminal = to.is_terminal
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    seeds: dict[str, int] = {}  # of the trials that have begun, by id
    running: set[str] = set()
    finished: list[Finished] = []
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
                say(_SEED_HEADING + _HEADING if event.together > 1 else _HEADING, to=to, style="bold")
                progress = stack.enter_context(bar(to if on_terminal else err, *columns))
                task = progress.add_task("epoch 1", total=event.epochs * event.steps)
                steps, together = event.steps, event.together
            elif isinstance(event, Progress):
                done = (event.epoch - 1) * steps + event.step
                progress.update(task, completed=done, description=f"epoch {event.epoch}, cost {event.cost:.4f}")
            elif isinstance(event, EpochFinished):
                progress.update(task, completed=event.result.epoch * steps)
                seed = f"{seeds[event.trial]:>{len(_SEED_HEADING)}}" if together > 1 else ""
                say(seed + _row(event.result, event.is_best), to=to)
            elif isinstance(event, NotSaved):
                remark(f"{event.reason}; the training goes on in memory")
            elif isinstance(event, Finished):
                running.discard(event.trial.id)
                if not running:
                    stack.close()
                if together > 1:
                    say("", to=to)
                    say(f"{event.trial.id}, seed {seeds[event.trial.id]}", to=to)
                _conclude(event, shape.test_images, home, to)
                finished.append(event)
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
        say(f"{name:<9}{text}", to=to)
    for index, change in enumerate(chosen.changes):
        say(f"{'changed' if index == 0 else '':<9}{change}", to=to)
    if event.history:
        say(f"{'goes on':<9}after epoch {len(event.history)}", to=to)
    for text in event.remarks:
        remark(f"not the same as before, so that results may differ in their last digits: {text}")
    if event.together > 1:
        say(f"{'together':<9}{event.together} seeds in the same steps; {event.trial.id} has seed {seeds[0]}", to=to)


def _row(epoch: Epoch, is_best: bool) -> str:
    return (
        f"{epoch.epoch:>7}  {epoch.train_cost:>10.4f}  {epoch.test_cost:>10.4f}  {percent(epoch.train_accuracy):>10}  "
        f"{percent(epoch.test_accuracy):>10}  {epoch.images_per_second:>9,.0f}" + ("  best" if is_best else "")
    )


def _conclude(event: Finished, images: int, home: Path | None, to: Console) -> None:
    last, best = event.outcome.last, event.outcome.best
    if event.outcome.reason:
        say(event.outcome.reason, to=to)
    if last is None or best is None:
        say(f"no epoch is complete; the settings are kept in {event.trial.directory}", to=to)
        return
    low, high = accuracy_interval(round(last.test_accuracy * images), images)
    say(f"best epoch {best.epoch}: test cost {best.test_cost:.4f}, {percent(best.test_accuracy)}", to=to)
    say(f"last epoch {last.epoch}: 95 % interval of the accuracy {percent(low)} to {percent(high)}", to=to)
    if event.verdict is not None:
        say(f"since the parent {event.verdict}", to=to)
    if home is not None:
        print_conclusion(home, event, to)
    for found in diagnose_trial(event.trial)[:1]:
        say(str(found), to=to)
    say(f"saved in {event.trial.directory}; `trialbook evaluate {event.trial.id}` tells more", to=to)
    say(f"Accuracy on test set : {100 * last.test_accuracy:.4f}%", style="bold", to=to)


def save_elsewhere(finished: Sequence[Finished]) -> None:
    """Save what could not be written to its home in the user's state directory, or else among temporary files.

    Raises:
        TrialError: It cannot be written there either.
    """
    from core.trials.rescue import rescue  # noqa: PLC0415 - torch

    for event in finished:
        if event.unsaved is None:
            continue
        trial = rescue(event.unsaved)
        remark(f"{event.unsaved.reason}; the whole trial is saved in {trial.directory} instead")


def print_conclusion(home: Path, event: Finished, to: Console = out) -> None:
    """Print what the other trials of the home let one say of a trial, each test with the sentence that explains it."""
    found = conclusion_of(home, event.trial)
    if event.verdict is not None:
        say(verdict.EXPLAINED, style="dim", to=to)
    if found.repeats is not None:
        say(f"these settings: {found.repeats}", to=to)
        if found.settings is not None:
            say(f"since the parent's {found.settings}", to=to)
        say(repeats.EXPLAINED, style="dim", to=to)
    if found.selection is not None:
        say(f"{found.selection}", to=to)
        say(selection.EXPLAINED, style="dim", to=to)
