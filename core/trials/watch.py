"""What other processes do to a home's trials: only what has changed since the last look is read again."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from core.epoch import Epoch
from core.errors import TrialError
from core.events import Progress
from core.trials.history import MOST_PROBLEMS, read_on
from core.trials.lock import last_beat
from core.trials.store import DIRECTORY, Listed, is_id, listed_trial
from core.trials.trial import HISTORY, SUMMARY, Trial

SILENCE = 60.0
"""Seconds without a sign of life after which a trial that another host trained counts as interrupted."""

_SETTLED = 2_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class Seen:
    """A trial as it was at the last look.

    Attributes:
        listed: What a list shows of it.
        changed: When its directory was changed last, in nanoseconds since 1970; 0 where that was just before it was
            read, as file systems have coarse clocks and a second change could have the same time.
        beat: The last sign of life of whoever trains it, where it runs: a time, perhaps of another host's clock, of
            which only a change says something.
        beat_at: When that was first seen, in seconds of this process's own clock.
    """

    listed: Listed
    changed: int
    beat: int = 0
    beat_at: float = 0.0


def look_again(home: Path, before: Mapping[str, Seen]) -> dict[str, Seen]:
    """Return all saved trials by id, oldest first; `listed` is the same object as before where nothing has changed.

    Every file that a list shows is replaced as a whole, which changes its directory's time: that alone tells whether
    files must be read. A trial that runs is read at every look, as its process may have died.

    Args:
        home: The directory with `saved_models/` in it.
        before: What the last look returned; {} at the first.

    Raises:
        TrialError: The directory is there but cannot be read.
    """
    directory = home / DIRECTORY
    try:
        names = sorted(name for name in os.listdir(directory) if is_id(name))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise TrialError(f"cannot read {directory}: {error.strerror or error}") from error
    seen = ((name, _look_at(f"{directory}/{name}", before.get(name))) for name in names)
    return {name: now for name, now in seen if now is not None}


def _look_at(directory: str, before: Seen | None) -> Seen | None:
    """Return one trial as it is now; None where it is just being made or has just been removed."""
    now = time.time_ns()
    try:
        changed = os.stat(directory).st_mtime_ns
    except OSError:
        return None
    if before is not None and before.changed == changed and not (before.beat or before.listed.status == "running"):
        return before
    is_settled = now - changed > _SETTLED
    if before is None and not is_settled and not os.path.exists(f"{directory}/{SUMMARY}"):
        return None
    listed, beat, beat_at = listed_trial(Trial(Path(directory))), 0, 0.0
    if listed.status == "running":
        beat, beat_at = last_beat(Path(directory)), time.monotonic()
        if before is not None and before.beat == beat:
            beat_at = before.beat_at
            if time.monotonic() - beat_at > SILENCE:  # on another host; of this host's processes we know
                listed = dataclasses.replace(listed, status="interrupted")
    if before is not None and before.listed == listed:
        listed = before.listed
    return Seen(listed, changed if is_settled else 0, beat, beat_at)


@dataclass(frozen=True, slots=True)
class Watched:
    """A trial that another process may be training.

    Attributes:
        listed: What a list shows of it.
        history: Its complete epochs.
        remarks: A line for every damaged epoch.
        offset: Bytes of its history that are read.
        lines: The lines in them.
        progress: The epoch in progress, or None.
        is_paused: Whether its training is paused.
    """

    listed: Listed
    history: tuple[Epoch, ...] = ()
    remarks: tuple[str, ...] = ()
    offset: int = 0
    lines: int = 0
    progress: Progress | None = None
    is_paused: bool = False


def watch_trial(trial: Trial, before: Watched | None = None) -> Watched:
    """Return how a trial stands now, reading only the epochs that are new since the last look.

    Raises:
        TrialError: Its history is there but cannot be read.
    """
    listed = listed_trial(trial)  # first: a trial that has ended by then has its whole history
    before = before or Watched(listed)
    history, remarks, offset, lines = before.history, before.remarks, before.offset, before.lines
    path = trial.directory / HISTORY
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    if size < offset:  # cut off where a write has failed
        history, remarks, offset, lines = (), (), 0, 0
    if size > offset:
        epochs, problems, offset, lines = read_on(path, offset, lines, history[-1].epoch if history else 0)
        history, remarks = (*history, *epochs), (*remarks, *problems)[:MOST_PROBLEMS]
    live = trial.live() if listed.status == "running" else {}
    progress = _progress(live, len(history))
    return Watched(listed, history, remarks, offset, lines, progress, live.get("event") == "paused")


def _progress(live: Mapping[str, Any], done: int) -> Progress | None:
    """Return the progress that a process has told; None between epochs, or where what it says is no progress."""
    values = {field.name: live.get(field.name) for field in fields(Progress)}
    if not all(type(value) in (int, float) for value in values.values()):
        return None
    progress = Progress(**values)  # type: ignore[arg-type]
    return (
        progress if progress.epoch == done + 1 and progress.steps > 0 and 0 <= progress.step <= progress.steps else None
    )
