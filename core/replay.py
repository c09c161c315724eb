"""Replay presets: train them one after the other, and go on where an earlier replay was stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.continuation import resume
from core.control import Control
from core.data.dataset import Dataset
from core.data.normalize import make_normalizer
from core.errors import DataError, DivergedError, TrialbookError
from core.events import Event
from core.presets import Preset
from core.replay_table import TAG
from core.session import train
from core.settings import Settings, change_settings
from core.trials.lineage import repeat_key
from core.trials.store import Listed, list_trials
from core.trials.trial import Trial


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """The replay comes to its next preset.

    Attributes:
        preset: The preset.
        settings: What is trained: the preset's settings with the replay's changes.
        number: Its place in this replay, from 1.
        count: Presets in this replay.
        trial: The finished trial that an earlier replay left, which is not trained again; None: it is trained now.
    """

    preset: Preset
    settings: Settings
    number: int
    count: int
    trial: Trial | None


_GOES_ON = ("stopped", "interrupted")

ReplayEvent = Event | ReplayStep


def replay(
    presets: Sequence[Preset],
    data: Dataset,
    *,
    home: Path | str = ".",
    changes: Mapping[str, object] | None = None,
    control: Control | None = None,
) -> Generator[ReplayEvent, None, None]:
    """Train presets one after the other, yielding a `ReplayStep` before each and then what `core.session.train` yields.

    Each becomes a trial with the preset as its parent and the tag "replay". A preset that has such a trial already,
    finished, with the same settings on the same images, is not trained again; one that was stopped goes on. One that
    diverges is `Finished` as failed, and the next is trained. Asking the control to end ends the whole replay.

    Args:
        presets: What to train, in this order.
        data: The images for all of them.
        home: The directory with `saved_models/` in it.
        changes: Settings that differ from every preset's, as `change_settings` takes them: "data.source" must name
            the data, unless it is the presets' own.
        control: Lets others pause and end the replay.

    Raises:
        SettingsError: The changes are wrong; nothing is trained.
        DataError: A preset's normalization does not suit the data; nothing is trained.
        TrainingError: A training cannot start, or cannot go on for another reason than a cost that is not finite.
        TrialError: A file cannot be read or written.
    """
    home, control = Path(home), control or Control()
    wanted = [(preset, change_settings(preset.settings, changes or {})) for preset in presets]
    for preset, settings in wanted:
        _check_normalization(preset, settings, data)
    for number, (preset, settings) in enumerate(wanted, 1):
        known = _known(list_trials(home), preset, settings, data.fingerprint)
        done = next((each.trial for each in known if each.status == "finished"), None)
        yield ReplayStep(preset, settings, number, len(wanted), done)
        if done is None:
            begun = next((each.trial for each in known if each.status in _GOES_ON), None)
            yield from _trained(preset, settings, data, home, control, begun)
        if control.finishing or control.stopping:
            return


def _trained(  # noqa: PLR0913, PLR0917 - what `train` is told
    preset: Preset, settings: Settings, data: Dataset, home: Path, control: Control, begun: Trial | None
) -> Generator[ReplayEvent, None, None]:
    if begun is not None:
        events = resume(begun, data, control=control)
    else:
        said: dict[str, Any] = {"name": preset.name, "note": preset.about, "parent": preset.name}
        events = train(settings, data, home=home, tags=(TAG,), control=control, **said)
    # a cost that is not finite is a result like any other, and the rest of the history is worth having
    with contextlib.closing(events), contextlib.suppress(DivergedError):
        yield from events


def _check_normalization(preset: Preset, settings: Settings, data: Dataset) -> None:
    if settings.data.normalization == "measured":  # which suits any data and takes its time
        return
    try:
        make_normalizer(settings.data, data.train, None)
    except DataError as error:
        raise DataError(f"{preset.name}: {error}") from error


def _known(listed: Sequence[Listed], preset: Preset, settings: Settings, fingerprint: str) -> list[Listed]:
    """Return the replays of a preset with the same settings, seed and images, the newest first."""
    key = repeat_key(settings, fingerprint)
    return [
        each
        for each in reversed(listed)
        if each.summary.get("parent") == preset.name
        and each.summary.get("repeats") == key
        and TAG in each.about.tags
        and _has_seed(each.trial, settings)
    ]


def _has_seed(trial: Trial, settings: Settings) -> bool:
    try:
        return trial.settings().training.seed == settings.training.seed
    except TrialbookError:  # which cannot be told from another trial
        return False
