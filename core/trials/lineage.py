"""Where a trial comes from: its parent, and what was changed since."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.errors import TrialbookError
from core.presets import all_presets
from core.settings import Change, Settings, differences
from core.trials.store import trial_of_id
from core.trials.trial import Trial

_NOT_COMPARED = ("training.seed", "training.device")


def parent_trial(home: Path, parent: str | None) -> Trial | None:
    """Return the trial that is a parent; None where it is a preset, or is not there any more.

    Trials are parents by their ids alone: a trial that happens to be named like a preset is nobody's parent for that.
    """
    return None if parent is None else trial_of_id(home, parent)


def ancestors(home: Path, parent: str | None) -> list[str]:
    """Return where a trial comes from, the parent first: trials' ids, and at the end a preset or what is gone.

    The chain ends where a trial names itself as an ancestor, as only a file that somebody wrote can.
    """
    chain: list[str] = []
    while parent is not None and parent not in chain:
        chain.append(parent)
        trial = parent_trial(home, parent)
        try:
            above = None if trial is None else trial.summary().get("parent")
        except TrialbookError:
            above = None
        parent = above if isinstance(above, str) else None
    return chain


def changes_since_parent(
    home: Path, parent: str | None, settings: Settings, begin: Settings | None = None
) -> list[Change]:
    """Return what differs from the parent's settings; [] where there is no parent or it cannot be read.

    Args:
        home: Where the parent is looked for.
        parent: The preset or the trial that the settings were derived from.
        settings: What they became.
        begin: The parent's settings, where they are known: it may be in another home.
    """
    if parent is None:
        return []
    if begin is not None:
        return differences(begin, settings)
    known = all_presets()
    if parent in known:
        return differences(known[parent].settings, settings)
    trial = parent_trial(home, parent)
    try:
        return [] if trial is None else differences(trial.settings(), settings)
    except TrialbookError:
        return []


def repeat_key(settings: Settings, fingerprint: str) -> str:
    """Return what is equal for trials that repeat each other: same settings but for seed and device, same images.

    It is made of the differences to the defaults, so that a setting which is added later changes no key.

    Args:
        settings: The trial's settings.
        fingerprint: The data's.
    """
    changed = [change for change in differences(Settings(), settings) if change.path not in _NOT_COMPARED]
    text = "\n".join(f"{change.path}: {change.old} -> {change.new}" for change in changed)
    return hashlib.sha256(f"{fingerprint}\n{text}".encode()).hexdigest()[:16]
