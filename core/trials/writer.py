"""Write a trial's files as its training goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import threading
import time
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from core.control import Control
from core.data.catalog import class_type
from core.errors import TrialbookError, TrialError
from core.events import EpochFinished, Outcome, Paused, Progress, Resumed
from core.files import keep_as, put, staged_file, temporary_name
from core.settings import Change
from core.trials.beginning import Done, First
from core.trials.checkpoint import Checkpoint, checkpoint_content, write_and_read_back
from core.trials.history import append, epoch_line
from core.trials.lease import Lease
from core.trials.store import id_of_new, new_directory, publish
from core.trials.summary import LONGEST_CHANGES, figures, shortened, summary_of_settings, write_summary
from core.trials.taken import Taken, copied
from core.trials.trial import (
    BEST_CHECKPOINT,
    BEST_WEIGHTS,
    CHECKPOINT,
    HISTORY,
    LAST_WEIGHTS,
    LIVE,
    PREDICTIONS,
    Trial,
)
from core.verdict import Verdict, images_tested_on, last_epoch, verdict_on
from core.weights import weights_content

_LIVE_EVERY = 0.5  # seconds


def new_writer(  # noqa: PLR0913 - all that is known at the start
    home: Path,
    first: First,
    control: Control,
    *,
    parent: str | None,
    changes: Sequence[Change],
    parameters: int,
    best_by: str,
    branched_at: int = 0,
    done: Done | None = None,
) -> TrialWriter:
    """Make a trial's directory and write all that is known before the first epoch.

    No list shows the trial before `TrialWriter.publish`: it appears complete, or, if the process is killed, never.

    Args:
        home: The directory with `saved_models/` in it.
        first: What is written.
        control: What others' requests to the training are passed on to.
        parent: The preset or the trial that the settings were derived from.
        changes: What differs from the parent's settings.
        parameters: Trained numbers of the network.
        best_by: What decides which epoch is the best.
        branched_at: The epoch of the parent that the trial goes on from; 0: it begins anew.
        done: The epochs up to that one; `TrialWriter.begin` writes them.

    Raises:
        TrialError: They cannot be written; no directory is left.
    """
    trial = Trial(new_directory(home))
    trial_id = id_of_new(trial.directory)
    words = [f"branched at epoch {branched_at}"] if branched_at else []
    summary = {
        "id": trial_id,
        "status": "running",
        "reason": "",
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "parent": parent,
        "changes": shortened("; ".join([*words, *map(str, changes)]), LONGEST_CHANGES),
        **summary_of_settings(first.settings, first.ran_on["data"]),
        **({"repeats": trial_id} if branched_at else {}),  # its first epochs had other settings: it repeats no trial
        "branched_at": branched_at or None,
        "parameters": parameters,
        "best_by": best_by,
        "seconds": 0.0,
        "last": None,
        "best": None,
        "verdict": None,
    }
    lease: Lease | None = None
    try:
        lease = Lease(trial, control)
        first.write(trial)
        write_summary(trial, summary)
    except BaseException:
        if lease is not None:
            lease.release()
        shutil.rmtree(trial.directory, ignore_errors=True)
        raise
    return TrialWriter(trial, first, summary, lease, done)


class Unsaved:
    """A trial that could not be written to its directory, whole in memory, to be saved elsewhere.

    Attributes:
        trial: Where it should have been.
        reason: Why it could not be written.
    """

    def __init__(self, writer: TrialWriter, reason: str) -> None:
        """Keep what the writer knows."""
        self.trial = writer.trial
        self.reason = reason
        self._writer = writer

    def save(self, home: Path) -> Trial:
        """Write the trial, complete, under another home, or under its own once it can be written again.

        Raises:
            TrialError: It cannot be written there either.
        """
        return self._writer.save_to(home)


class TrialWriter:
    """The one writer of a trial's files, but for `about.json`.

    All but the weights is kept in memory too, a few megabytes: what cannot be written now can be later, or elsewhere.

    Attributes:
        trial: The saved trial.
        not_saved: Why the last epoch is not on the disk; "" if it is.
    """

    def __init__(
        self,
        trial: Trial,
        first: First,
        summary: dict[str, Any],
        lease: Lease,
        done: Done | None = None,
    ) -> None:
        """Write on; `new_writer` and `core.continuation.resume` make one.

        Args:
            trial: The trial, whose directory is there.
            first: What is written before the first epoch.
            summary: Its summary so far.
            lease: This process's right to train it; `finish` releases it.
            done: Its complete epochs; None before the first.
        """
        self.trial = trial
        self.not_saved = ""
        self._first = first
        self._summary = summary
        done = done or Done(b"", b"")
        self._history, self._answers = bytearray(done.history), bytearray(done.answers)
        self._written = (
            (len(done.answers), len(done.history)) if done.written else (0, 0)
        )  # bytes of both that are on the disk for good
        self._seconds: float = summary["seconds"]
        self._taken: list[Taken] = []  # what is to be written, in order
        self._lock = threading.Lock()  # around what `take` changes: it is called while another thread writes
        self._told = 0.0  # when the progress was last written
        self._lease = lease

    def begin(self, last: EpochFinished | None) -> None:
        """Write what a training goes on with: files end with the complete epochs, weights are those of the last.

        Args:
            last: The last complete epoch; None if there is none.

        Raises:
            TrialbookError: A file cannot be written.
        """
        if last is not None:
            self._write(Taken(last, len(self._history), len(self._answers), self._seconds))
            return
        for name in (PREDICTIONS, HISTORY):
            if (self.trial.directory / name).exists():  # an epoch that did not count
                append(self.trial.directory / name, b"", 0)
        write_summary(self.trial, self._summary)

    def publish(self) -> None:
        """Let a new trial appear in the list, as there is all now that a training goes on with.

        Raises:
            TrialError: It cannot be renamed.
        """
        self.trial = Trial(publish(self.trial.directory))
        self._lease.moved(self.trial)

    def take(self, event: EpochFinished) -> None:
        """Keep a copy of an epoch, to be written by `write_taken`, which may run in another thread meanwhile.

        Of the epochs that are not on the disk yet, only the last and the best keep their weights: history and
        predictions become complete without the others'.
        """
        taken = copied(event)
        with self._lock:
            self._history += epoch_line(event.result).encode()
            self._answers += event.predictions.tobytes()
            self._seconds = round(self._seconds + event.result.seconds, 3)
            best = [] if event.is_best else [each for each in self._taken if each.event.is_best]
            self._taken = [*best, Taken(taken, len(self._history), len(self._answers), self._seconds)]

    def write_taken(self) -> int:
        """Write the epochs that have been taken and are not on the disk.

        Those that are taken meanwhile are left to the next call: else, of epochs that end faster than they are written,
        nobody would be told before the last. Of each, predictions and history go first, then the checkpoint, that makes
        the epoch count, then the weights, which are also in the checkpoint, and the summary.

        Returns:
            The last of them, counted from 1; 0 if there was none. `not_saved` tells why it is not on the disk; the disk
            then holds the epochs before, and the next call tries again.
        """
        last = 0
        with self._lock:
            newest = self._taken[-1].event.result.epoch if self._taken else 0
        while True:
            with self._lock:
                taken = next(iter(self._taken), None)
            if taken is None or taken.event.result.epoch > newest:
                return last
            last = taken.event.result.epoch
            try:
                self._write(taken)
            except TrialbookError as error:
                self.not_saved = str(error)
                return last
            self.not_saved = ""
            with self._lock:
                self._taken = [each for each in self._taken if each is not taken]

    def _write(self, taken: Taken) -> None:
        """Write all up to an epoch that is not on the disk yet.

        Raises:
            TrialbookError: Something cannot be written; history and predictions are as they were.
        """
        directory = self.trial.directory
        self._refuse_vanished()
        paths = (directory / PREDICTIONS, directory / HISTORY)
        with self._lock:
            answers, history = bytes(self._answers[: taken.answers]), bytes(self._history[: taken.history])
        try:
            for path, content, done in zip(paths, (answers, history), self._written, strict=True):
                append(path, memoryview(content)[done:], done)
            self._write_tensors(taken.event, history, len(answers))
        except TrialbookError:
            for path, done in zip(paths, self._written, strict=True):
                with contextlib.suppress(OSError):  # the first error is the one to report
                    os.truncate(path, done)
            self._refuse_vanished()
            raise
        if taken.event.is_best:
            keep_as(directory / CHECKPOINT, directory / BEST_CHECKPOINT)
            keep_as(self.trial.weights(), self.trial.weights(best=True))
        event = taken.event
        self._summary |= {"seconds": taken.seconds, "last": figures(event.result), "best": figures(event.best)}
        write_summary(self.trial, self._summary)

    def _refuse_vanished(self) -> None:
        directory = self.trial.directory
        if not directory.is_dir():
            raise TrialError(f"{directory} is gone: somebody has removed or renamed the trial while it was trained")

    def _write_tensors(self, event: EpochFinished, history: bytes, answers: int) -> None:
        """Replace checkpoint and weights, neither before both are on the disk."""
        checkpoint, weights = self.trial.directory / CHECKPOINT, self.trial.weights()
        mark = Checkpoint(event.result.epoch, len(history), zlib.crc32(history), event.state)
        content, plain = checkpoint_content(mark), weights_content(event.weights)
        with (
            staged_file(checkpoint, lambda file: write_and_read_back(file, content)) as new_checkpoint,
            staged_file(weights, lambda file: file.write(plain)) as new_weights,
        ):
            put(new_checkpoint, checkpoint)
            self._written = answers, len(history)  # from here on the epoch counts
            put(new_weights, weights)

    def write_progress(self, event: Progress | Paused | Resumed) -> None:
        """Tell other processes how far the epoch is, a few times a second; nothing depends on it, and nothing waits.

        `live.json` holds the event's kind and values, and the time in seconds since 1970.
        """
        now = time.monotonic()
        if isinstance(event, Progress) and now - self._told < _LIVE_EVERY:
            return
        self._told = now
        values = {"event": type(event).__name__.lower(), "time": time.time(), **dataclasses.asdict(event)}
        path = self.trial.directory / LIVE
        with contextlib.suppress(OSError):
            temporary = temporary_name(path)
            temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")
            temporary.replace(path)

    def verdict(self, before: Trial | None) -> Verdict | None:
        """Compare the last epoch with another trial's, also where the epoch could not be written.

        Returns:
            None where they were not tested on the same images, or one has no complete epoch.
        """
        data, labels = self._first.ran_on["data"], self._first.test_labels
        if before is None or not self._answers:
            return None
        try:
            if images_tested_on(before) != (data["fingerprint"], data["test_images"]):
                return None
            others = before.predictions(last_epoch(before))
        except TrialbookError:
            return None
        kind = class_type(len(data["classes"]))
        last = bytes(self._answers[-len(labels) :])
        return verdict_on(np.frombuffer(labels, kind), others, np.frombuffer(last, kind))

    def finish(self, outcome: Outcome, verdict: Verdict | None = None) -> Unsaved | None:
        """Record how the training ended.

        Args:
            outcome: How it ended.
            verdict: How its last epoch compares with the parent's; None where there is nothing to compare with.

        Returns:
            What could not be written, to be saved elsewhere; None if all is on the disk.
        """
        with contextlib.suppress(OSError):
            (self.trial.directory / LIVE).unlink()
        self._summary |= {"status": outcome.status, "reason": shortened(outcome.reason)}
        self._summary["verdict"] = None if verdict is None else dataclasses.asdict(verdict)
        try:
            for taken in self._taken:
                self._write(taken)
            self._taken = []
            write_summary(self.trial, self._summary)
        except TrialbookError as error:
            self.not_saved = str(error)
            return Unsaved(self, self.not_saved)
        finally:
            self._lease.release()
        self.not_saved = ""
        return None

    def discard(self) -> None:
        """Remove a trial that could not begin."""
        self._lease.release()
        shutil.rmtree(self.trial.directory, ignore_errors=True)

    def save_to(self, home: Path) -> Trial:
        """Write the whole trial under a home, under its own id where that is free.

        Raises:
            TrialError: It cannot be written.
        """
        trial = Trial(new_directory(home, self.trial.id))
        there, written = self.trial, self._written
        try:
            for name in (CHECKPOINT, BEST_CHECKPOINT, LAST_WEIGHTS, BEST_WEIGHTS):
                with contextlib.suppress(OSError):  # what could not be written before is written below
                    shutil.copyfile(there.directory / name, trial.directory / name)
            self._first.write(trial)
            self.trial, self._written = trial, (0, 0)
            self._summary["id"] = id_of_new(trial.directory)
            for taken in self._taken:
                self._write(taken)
            if not self._taken:
                append(trial.directory / PREDICTIONS, self._answers, 0)
                append(trial.directory / HISTORY, self._history, 0)
                write_summary(trial, self._summary)
            self.trial = Trial(publish(trial.directory))
        except TrialbookError:
            self.trial, self._written = there, written
            self._summary["id"] = there.id
            shutil.rmtree(trial.directory, ignore_errors=True)
            raise
        return self.trial
