"""Apply every rule to a history, the most important first."""

from __future__ import annotations

from collections.abc import Sequence

from core.data.catalog import known_shape
from core.diagnosis.fitting import THEN, healthy
from core.diagnosis.learning import FIRST
from core.diagnosis.series import Curves
from core.diagnosis.values import Diagnosis, Suggestion
from core.epoch import Epoch
from core.settings import Settings
from core.trials.store import listed_trial
from core.trials.trial import Trial


def diagnose(
    history: Sequence[Epoch], settings: Settings, *, classes: int | None = None, reason: str = ""
) -> list[Diagnosis]:
    """Return what the curves show, the most important first; [] where they are too short to tell anything.

    What makes the rest unreadable (a learning rate too high, nothing learnt) stands alone. Otherwise the order is:
    dead hidden units, overfitting, then what holds the network back (L2 lambda, dropout, its size), then a training
    that ended too early, then a wide gap. The first that has a suggestion is the one to try next. Where no rule finds
    anything, one line says so.

    Args:
        history: The complete epochs; the training may still be going on.
        settings: What it is trained with.
        classes: Number of classes; None: that of the data set known by name.
        reason: Why the training ended, as the trial's summary tells it; "" where it is not known.
    """
    shape = known_shape(settings)
    curves = Curves(tuple(history), settings, classes or (shape.classes if shape else None), reason)
    for rules in (FIRST, THEN, (healthy,)):
        found = [each for rule in rules if (each := rule(curves)) is not None]
        if found:
            return found
    return []


def diagnose_trial(trial: Trial) -> list[Diagnosis]:
    """Return what a saved trial's curves show, as `diagnose` does; a running one's as well.

    Raises:
        TrialError: A file of it cannot be read.
        SettingsError: Its settings are wrong.
    """
    data = trial.ran_on().get("data")
    names = data.get("classes") if isinstance(data, dict) else None
    return diagnose(
        trial.history()[0],
        trial.settings(),
        classes=len(names) if isinstance(names, list) and names else None,
        reason=str(listed_trial(trial).summary.get("reason", "")),  # a damaged summary tells none
    )


def next_step(found: Sequence[Diagnosis]) -> Suggestion | None:
    """Return the one change to try next; None where no diagnosis suggests any."""
    return next((each.suggestion for each in found if each.suggestion is not None), None)
