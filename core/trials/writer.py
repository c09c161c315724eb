"""Write a trial's files as its training goes on."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from core.epoch import Epoch
from core.errors import TrialbookError, TrialError
from core.events import EpochFinished, Outcome
from core.files import cannot_write, replace_text
from core.settings import Settings, widths_text, write_settings
from core.text import shorten
from core.trials.history import append, epoch_line
from core.trials.store import new_directory
from core.trials.trial import ABOUT, HISTORY, PREDICTIONS, RAN_ON, SETTINGS, SUMMARY, About, Trial
from core.weights import write_weights

MAX_SUMMARY = 1_000  # bytes
_LONG = 120  # characters of a text in a summary


def write_about(trial: Trial, about: About) -> None:
    """Replace a trial's name and note.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_text(trial.directory / ABOUT, json.dumps(dataclasses.asdict(about), indent=1) + "\n")


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
        parent: str | None,
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
            "source": _shortened(settings.data.source),
            "hidden": _shortened(widths_text(settings)),
            "parameters": parameters,
            "epochs": settings.training.epochs,
            "best_by": best_by,
            "seconds": 0.0,
            "last": None,
            "best": None,
        }
        try:
            write_settings(settings, self.trial.directory / SETTINGS)
            replace_text(self.trial.directory / RAN_ON, json.dumps(ran_on, indent=1) + "\n")
            write_about(self.trial, about)
            self._write_summary()
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
        self._summary |= {"last": _figures(event.result), "best": _figures(event.best)}
        self._write_summary()

    def _keep_best(self, event: EpochFinished) -> None:
        """Make the weights just written the best ones too: the same file under two names, until it is replaced."""
        best = self.trial.weights(best=True)
        link = best.with_name(f".{best.name}.{secrets.token_hex(4)}")
        try:
            link.hardlink_to(self.trial.weights())
            link.replace(best)
        except OSError:  # a file system without links
            write_weights(event.weights, best)

    def finish(self, outcome: Outcome) -> None:
        """Record how the training ended.

        Raises:
            TrialError: The file cannot be written.
        """
        self._summary |= {"status": outcome.status, "reason": _shortened(outcome.reason)}
        self._write_summary()

    def _write_summary(self) -> None:
        path = self.trial.directory / SUMMARY
        text = json.dumps(self._summary) + "\n"
        if len(text) > MAX_SUMMARY:
            raise cannot_write(path, OSError(f"it would have {len(text)} bytes"))
        replace_text(path, text)


def _figures(epoch: Epoch) -> dict[str, Any]:
    """Return what a list shows of an epoch."""
    figures = {
        "epoch": epoch.epoch,
        "train_cost": epoch.train_cost,
        "test_cost": epoch.test_cost,
        "test_accuracy": epoch.test_accuracy,
        "validation_accuracy": epoch.validation_accuracy,
    }
    return {name: float(f"{value:.8g}") if isinstance(value, float) else value for name, value in figures.items()}


def _shortened(text: str) -> str:
    # json writes a character outside ASCII as 6 or 12: the summary's size must hold for any text
    limit = _LONG
    while len(json.dumps(shorten(text, limit))) > _LONG:
        limit -= 5
    return shorten(text, limit)
