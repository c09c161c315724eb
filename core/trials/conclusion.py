"""What can be said at the end of a training beyond its own figures, from the other trials of its home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import TrialError
from core.trials.lineage import parent_trial
from core.trials.repeats import Repeats, SettingsVerdict, repeats_of, settings_verdict
from core.trials.selection import Selection, selection_of
from core.trials.store import list_trials
from core.trials.trial import Trial


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the other trials of a home let one say of one of them.

    Attributes:
        repeats: The finished trials of the same settings, itself among them; None with fewer than two seeds.
        settings: How these settings compare with the parent's; None where one of them has fewer than two seeds.
        selection: How often its test set was used to choose; None if it kept images aside for that, or if it is the
            only one.
    """

    repeats: Repeats | None
    settings: SettingsVerdict | None
    selection: Selection | None


def conclusion_of(home: Path, trial: Trial) -> Conclusion:
    """Return what the other trials of a home let one say of one of them.

    Raises:
        TrialError: The trial or the list of trials cannot be read.
    """
    summary, listed = trial.summary(), list_trials(home)
    groups = repeats_of(listed)
    key, parent_key = summary.get("repeats"), _repeats_of_parent(home, summary.get("parent"))
    own, before = groups.get(str(key)), groups.get(str(parent_key))
    selection = selection_of(listed, summary.get("fingerprint")) if summary.get("best_by") == "test cost" else None
    return Conclusion(
        repeats=own,
        settings=settings_verdict(before, own) if before and own and key != parent_key else None,
        selection=selection if selection is not None and selection.count > 1 else None,
    )


def _repeats_of_parent(home: Path, parent: object) -> object:
    """Return the key of the parent trial's repeats; None where there is no such trial, or none that can be read."""
    found = parent_trial(home, parent) if isinstance(parent, str) else None
    try:
        return None if found is None else found.summary().get("repeats")
    except TrialError:
        return None
