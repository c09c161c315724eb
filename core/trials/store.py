"""Where trials are kept: `saved_models/` below a home directory."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import TrialbookError, TrialError
from core.files import cannot_write
from core.process import is_alive
from core.text import printable
from core.trials.trial import RAN_ON, SETTINGS, About, Trial

DIRECTORY = "saved_models"
_ID = re.compile(r"\d{8}-\d{6}-\d{2}[a-z2-7]{4}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line in the list of trials.

    Attributes:
        trial: The trial.
        about: Its name and note.
        summary: What its `summary.json` holds; {} if that is damaged.
        status: "running", "finished", "stopped", "failed", "interrupted" (its process has died) or "damaged".
    """

    trial: Trial
    about: About
    summary: dict[str, Any]
    status: str


def new_directory(home: Path) -> Path:
    """Make the directory of a new trial, whose name no other trial has.

    Raises:
        TrialError: It cannot be made.
    """
    parent = home / DIRECTORY
    while True:
        now = datetime.now()
        # down to the hundredth of a second, so that trials made by a script one after the other stay in their order
        time = f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 10_000:02}"
        path = parent / (time + "".join(secrets.choice(_LETTERS) for _ in range(4)))
        try:
            parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError:
            if not parent.is_dir():
                raise TrialError(f"cannot write {parent}: it is not a folder") from None
        except OSError as error:
            raise cannot_write(path, error) from error
        else:
            return path


def list_trials(home: Path) -> list[Listed]:
    """Return all saved trials, oldest first.

    Raises:
        TrialError: The directory is there but cannot be read.
    """
    return [listed_trial(trial) for trial in _trials(home)]


def find_trial(home: Path, text: str) -> Trial:
    """Return the trial that a text means: "last", an id or its beginning or end, a name, or a trial's directory.

    Raises:
        TrialError: No trial is meant, or several are.
    """
    trials = _trials(home)
    shown = printable(text, 80)
    if text == "last" and trials:
        return trials[-1]
    # an id comes before a path, a path before a name, and each only if it is the whole
    exact = [trial for trial in trials if trial.id == text]
    if exact:
        return exact[0]
    if os.path.isfile(Path(text) / SETTINGS):  # unlike Path.is_file, never raises
        return Trial(Path(text).absolute())
    for found in (
        [trial for trial in trials if trial.about().name == text] if text else [],
        [trial for trial in trials if text and (trial.id.startswith(text) or trial.id.endswith(text))],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            raise TrialError(f"{shown} means {len(found)} trials: {', '.join(trial.id for trial in found[:5])}")
    if not trials:
        raise TrialError(f"there is no trial {shown}: {home / DIRECTORY} holds none; `trialbook train` makes the first")
    raise TrialError(f"there is no trial {shown} in {home / DIRECTORY}; `trialbook trials` lists them")


def _trials(home: Path) -> list[Trial]:
    directory = home / DIRECTORY
    try:
        names = sorted(entry.name for entry in directory.iterdir() if _ID.fullmatch(entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TrialError(f"cannot read {directory}: {error.strerror or error}") from error
    return [Trial(directory / name) for name in names]


def listed_trial(trial: Trial) -> Listed:
    """Return a trial as a list shows it; nothing that is wrong with it raises."""
    try:
        summary = trial.summary()
    except TrialbookError:
        return Listed(trial, trial.about(), {}, "damaged")
    return Listed(trial, trial.about(), summary, _status(trial, summary))


def _status(trial: Trial, summary: dict[str, Any]) -> str:
    status = str(summary.get("status", "damaged"))
    if status != "running":
        return status
    try:
        process = trial.ran_on().get("process")
    except TrialError:
        return status if not (trial.directory / RAN_ON).exists() else "damaged"
    alive = is_alive(process) if isinstance(process, dict) else False
    return "interrupted" if alive is False else status
