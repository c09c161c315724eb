"""Write a trial's files as its training goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from core.epoch import Epoch
from core.errors import TrialbookError, TrialError
from core.events import EpochFinished, Outcome, Paused, Progress, Resumed
from core.files import cannot_write, replace_file, replace_text
from core.settings import Change, Settings, widths_text, write_settings
from core.text import shorten
from core.trials.history import append, epoch_line
from core.trials.lineage import repeat_key
from core.trials.store import new_directory
from core.trials.trial import (
    HISTORY,
    LIVE,
    PREDICTIONS,
    RAN_ON,
    SETTINGS,
    SUMMARY,
    TEST_LABELS,
    About,
    Trial,
)
from core.trials.upkeep import write_about
from core.verdict import Verdict
from core.weights import write_weights

MAX_SUMMARY = 2_000  # bytes
_LONG = 120  # characters of a text in a summary
LONGEST_CHANGES = 400  # characters of the changes since the parent
_LIVE_EVERY = 0.5  # seconds


def write_ran_on(trial: Trial, ran_on: Mapping[str, Any]) -> None:
    """Write what a trial runs on.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_text(trial.directory / RAN_ON, json.dumps(ran_on, indent=1) + "\n")


def write_summary(trial: Trial, summary: Mapping[str, Any]) -> None:
    """Replace a trial's summary.

    Raises:
        TrialError: The file cannot be written, or would be larger than a list wants to read.
    """
    path = trial.directory / SUMMARY
    text = json.dumps(summary) + "\n"
    if len(text) > MAX_SUMMARY:
        raise cannot_write(path, OSError(f"it would have {len(text)} bytes"))
    replace_text(path, text)


def summary_of_settings(settings: Settings, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a summary tells of a trial's settings and of its data.

    Args:
        settings: The trial's.
        data: The part `data` of what it runs on.
    """
    fingerprint = str(data["fingerprint"])
    return {
        "repeats": repeat_key(settings, fingerprint),
        "seed": settings.training.seed,
        "fingerprint": fingerprint[:16],
        "test_images": data["test_images"],
        "source": shortened(settings.data.source),
        "hidden": shortened(widths_text(settings)),
        "epochs": settings.training.epochs,
    }


class TrialWriter:
    """The one writer of a trial's files, but for `about.json`.

    Attributes:
        trial: The saved trial.
    """

    def __init__(  # noqa: PLR0913 - all that is known at the start
        self,
        home: Path,
        settings: Settings,
        ran_on: dict[str, Any],
        about: About,
        *,
        test_labels: bytes,
        parent: str | None,
        changes: Sequence[Change],
        parameters: int,
        best_by: str,
    ) -> None:
        """Make the trial's directory and write all that is known before the first epoch.

        Raises:
            TrialError: They cannot be written; no directory is left.
        """
        self.trial = Trial(new_directory(home))
        self._summary: dict[str, Any] = {
            "id": self.trial.id,
            "status": "running",
            "reason": "",
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "parent": parent,
            "changes": shortened("; ".join(map(str, changes)), LONGEST_CHANGES),
            **summary_of_settings(settings, ran_on["data"]),
            "parameters": parameters,
            "best_by": best_by,
            "seconds": 0.0,
            "last": None,
            "best": None,
            "verdict": None,
        }
        self._told = 0.0  # when the progress was last written
        try:
            write_settings(settings, self.trial.directory / SETTINGS)
            write_ran_on(self.trial, ran_on)
            write_about(self.trial, about)
            replace_file(self.trial.directory / TEST_LABELS, lambda file: file.write(test_labels))
            write_summary(self.trial, self._summary)
        except BaseException:
            shutil.rmtree(self.trial.directory, ignore_errors=True)
            raise

    def write_epoch(self, event: EpochFinished) -> None:
        """Add an epoch: predictions and history first, then the weights, then the summary.

        Raises:
            TrialError: A file cannot be written; all files are as they were after the epoch before.
        """
        directory = self.trial.directory
        if not directory.is_dir():
            raise TrialError(f"{directory} is gone: somebody has removed or renamed the trial while it was trained")
        predictions, history = directory / PREDICTIONS, directory / HISTORY
        sizes = {path: path.stat().st_size if path.exists() else 0 for path in (predictions, history)}
        try:
            append(predictions, event.predictions.tobytes())
            append(history, epoch_line(event.result).encode())
            write_weights(event.weights, self.trial.weights())
        except TrialbookError:
            for path, size in sizes.items():
                with contextlib.suppress(OSError):  # the first error is the one to report
                    os.truncate(path, size)
            raise
        if event.is_best:
            self._keep_best(event)
        self._summary["seconds"] = round(self._summary["seconds"] + event.result.seconds, 3)
        self._summary |= {"last": figures(event.result), "best": figures(event.best)}
        write_summary(self.trial, self._summary)

    def _keep_best(self, event: EpochFinished) -> None:
        """Make the weights just written the best ones too: the same file under two names, until it is replaced."""
        best = self.trial.weights(best=True)
        link = best.with_name(f".{best.name}.{secrets.token_hex(4)}")
        try:
            link.hardlink_to(self.trial.weights())
            link.replace(best)
        except OSError:  # a file system without links
            write_weights(event.weights, best)

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
            temporary = path.with_name(f".{LIVE}.{secrets.token_hex(4)}")
            temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")
            temporary.replace(path)

    def finish(self, outcome: Outcome, verdict: Verdict | None = None) -> None:
        """Record how the training ended.

        Args:
            outcome: How it ended.
            verdict: How its last epoch compares with the parent's; None where there is nothing to compare with.

        Raises:
            TrialError: The file cannot be written.
        """
        with contextlib.suppress(OSError):
            (self.trial.directory / LIVE).unlink()
        self._summary |= {"status": outcome.status, "reason": shortened(outcome.reason)}
        self._summary["verdict"] = None if verdict is None else dataclasses.asdict(verdict)
        write_summary(self.trial, self._summary)


def figures(epoch: Epoch) -> dict[str, Any]:
    """Return what a list shows of an epoch."""
    values = {
        "epoch": epoch.epoch,
        "train_cost": epoch.train_cost,
        "test_cost": epoch.test_cost,
        "test_accuracy": epoch.test_accuracy,
        "validation_accuracy": epoch.validation_accuracy,
    }
    return {name: float(f"{value:.8g}") if isinstance(value, float) else value for name, value in values.items()}


def shortened(text: str, longest: int = _LONG) -> str:
    """Return a text cut so that its JSON has at most so many characters, quotes included."""
    # json writes a character outside ASCII as 6 or 12: the summary's size must hold for any text
    limit = longest
    while len(json.dumps(shorten(text, limit))) > longest:
        limit -= 5
    return shorten(text, limit)
