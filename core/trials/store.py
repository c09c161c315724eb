"""Where trials are kept: `saved_models/` below a home directory."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import TrialbookError, TrialError
from core.files import cannot_write, flush_directory
from core.process import is_alive
from core.text import printable
from core.trials.lock import is_leased
from core.trials.trial import RAN_ON, SETTINGS, About, Trial

DIRECTORY = "saved_models"
ID_PATTERN = r"\d{8}-\d{6}-\d{2}[a-z2-7]{4}"
_ID = re.compile(ID_PATTERN, re.ASCII)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_RANDOM_LETTERS = 4
_NEW = ".new-"  # before the id of a trial that is just being made
LAST = "last"  # means the newest trial, so that no trial may have it as its name
IMPORT = ".import-"  # begins the name of a directory that a trial is imported to
_NAMED = 3  # trials in an error
_ABANDONED = 3600.0  # seconds after which nobody is still making a trial that nobody holds


@dataclass(frozen=True, slots=True)
class Listed:
    """A line in the list of trials.

    Attributes:
        trial: The trial.
        about: Its name and note.
        summary: What its `summary.json` holds; {} if that is damaged.
        status: "running", "finished", "stopped", "failed", "interrupted" (its process has died) or "damaged".
        is_paused: Whether it runs, but waits until somebody lets it go on.
    """

    trial: Trial
    about: About
    summary: dict[str, Any]
    status: str
    is_paused: bool = False

    @property
    def title(self) -> str:
        """What people call the trial: its name, or else its id."""
        return self.about.name.strip() or self.trial.id

    @property
    def shown(self) -> str:
        """The status as people read it: a trial that runs but waits is "paused"."""
        return "paused" if self.status == "running" and self.is_paused else self.status


def new_directory(home: Path, wanted: str = "") -> Path:
    """Make the directory of a new trial, which no list shows until `publish` gives it its name, the trial's id.

    What processes left that were killed before they published theirs is removed.

    Args:
        home: The directory with `saved_models/` in it.
        wanted: The id it should have; another one of the same time if that is taken. "": one of now.

    Raises:
        TrialError: It cannot be made.
    """
    parent = home / DIRECTORY
    own = wanted
    while True:
        now = datetime.now()
        # down to the hundredth of a second, so that trials made by a script one after the other stay in their order
        own = own or _with_letters(f"{now:%Y%m%d-%H%M%S}-{now.microsecond // 10_000:02}")
        path = parent / f"{_NEW}{own}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            if not os.path.lexists(parent / own):
                path.mkdir()
                _remove_abandoned(parent)
                return path
        except FileExistsError:
            if not parent.is_dir():
                raise TrialError(f"cannot write {parent}: it is not a folder") from None
        except OSError as error:
            raise cannot_write(path, error) from error
        own = other_id(wanted) if wanted else ""


def id_of_new(directory: Path) -> str:
    """Return the id that a directory made by `new_directory` will have as its name."""
    return directory.name.removeprefix(_NEW)


def publish(directory: Path) -> Path:
    """Let a new trial, complete by now, appear in the list, on to the disk; return its directory.

    Raises:
        TrialError: It cannot be renamed, and is as it was.
    """
    path = directory.with_name(id_of_new(directory))
    try:
        directory.rename(path)
        try:
            flush_directory(path.parent)
        except OSError:
            path.rename(directory)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def _remove_abandoned(parent: Path) -> None:
    """Remove what killed processes left of trials that they were making."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if not name.startswith((_NEW, IMPORT)):
                continue
            # clocks differ between hosts, and jump
            is_old = abs(time.time() - os.stat(parent / name).st_mtime) > _ABANDONED
            if is_old and is_leased(parent / name) is False:
                shutil.rmtree(parent / name, ignore_errors=True)


def is_id(text: str) -> bool:
    """Return whether a text has the form of a trial's id."""
    return _ID.fullmatch(text) is not None


def other_id(trial_id: str) -> str:
    """Return a fresh id of the same time, so that a trial whose id is taken keeps its place in the history."""
    return _with_letters(trial_id[:-_RANDOM_LETTERS])


def _with_letters(time: str) -> str:
    return time + "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM_LETTERS))


def list_trials(home: Path) -> list[Listed]:
    """Return all saved trials, oldest first.

    Raises:
        TrialError: The directory is there but cannot be read.
    """
    return [listed_trial(trial) for trial in _trials(home)]


def trial_of_id(home: Path, text: str) -> Trial | None:
    """Return the trial whose id a text is, to the last letter; None where there is none."""
    trial = Trial(home / DIRECTORY / text)
    return trial if is_id(text) and trial.directory.is_dir() else None


def find_trial(home: Path, text: str) -> Trial:
    """Return the trial that a text means: "last", an id or its beginning or end, a name, or a trial's directory.

    Raises:
        TrialError: No trial is meant, or several are.
    """
    # an id comes before a path, a path before a name, and each only if it is the whole
    exact = trial_of_id(home, text)
    if exact is not None:
        return exact
    trials = _trials(home)
    if text == LAST and trials:
        return trials[-1]
    shown = printable(text, 80)
    if os.path.isfile(Path(text) / SETTINGS):  # unlike Path.is_file, never raises
        return Trial(Path(text).absolute())
    found = meant_by(trials, text)
    if found is not None:
        return found
    if not trials:
        raise TrialError(f"there is no trial {shown}: {home / DIRECTORY} holds none; `trialbook train` makes the first")
    names = [trial.about().name for trial in trials]
    meant = [f'"{printable(name, 80)}"' for name in dict.fromkeys(names) if text and name.startswith(text)]
    hint = f"did you mean {' or '.join(meant[:_NAMED])}?" if meant else "`trialbook trials` lists them"
    raise TrialError(f"there is no trial {shown} in {home / DIRECTORY}; {hint}")


def told_name(home: Path, trial: Trial) -> str:
    """Return what commands with the same home find a trial by: its id, or its directory where that is elsewhere."""
    is_here = os.path.realpath(home / DIRECTORY / trial.id) == os.path.realpath(trial.directory)
    return trial.id if is_here else str(trial.directory)


def meant_by(trials: Sequence[Trial], text: str) -> Trial | None:
    """Return the one of some trials that a name, or an id's beginning or end, means; None where it means none.

    Raises:
        TrialError: Several are meant.
    """
    for found in (
        [trial for trial in trials if trial.about().name == text] if text else [],
        [trial for trial in trials if text and (trial.id.startswith(text) or trial.id.endswith(text))],
    ):
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(trial.id for trial in found[:5])
            raise TrialError(f"{printable(text, 80)} means {len(found)} trials: {several}")
    return None


def _trials(home: Path) -> list[Trial]:
    directory = home / DIRECTORY
    try:
        names = sorted(entry.name for entry in directory.iterdir() if is_id(entry.name))
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
    status = _status(trial, summary)
    is_paused = status == "running" and trial.live().get("event") == "paused"
    return Listed(trial, trial.about(), summary, status, is_paused)


def last_accuracy(listed: Listed) -> float | None:
    """Return the test accuracy of a trial's last epoch, from 0 to 1; None where its summary tells none."""
    last = listed.summary.get("last")
    value = last.get("test_accuracy") if isinstance(last, dict) else None
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None


def _status(trial: Trial, summary: dict[str, Any]) -> str:
    status = str(summary.get("status"))
    if status not in ("running", "finished", "stopped", "failed", "interrupted"):
        return "damaged"  # whatever somebody wrote there, lists group and sort by it
    if status != "running":
        return status
    try:
        process = trial.ran_on().get("process")
    except TrialError:
        return status if not (trial.directory / RAN_ON).exists() else "damaged"
    alive = is_alive(process) if isinstance(process, dict) else False
    if alive is None:
        return status
    # where there are locks, the lock knows better: a process that lives may have given the trial up, where it could not
    # even write how it ended; one that seems dead may live in a container, whose processes have numbers of their own
    leased = is_leased(trial.directory)
    return status if leased or (leased is None and alive) else "interrupted"
