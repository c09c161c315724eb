"""Where a trial goes that could not be written to its home."""

from __future__ import annotations

import tempfile
from pathlib import Path

import platformdirs

from core.errors import TrialbookError
from core.trials.trial import Trial
from core.trials.writer import Unsaved


def rescue(unsaved: Unsaved) -> Trial:
    """Save a trial in the user's state directory, or else among temporary files.

    Raises:
        TrialError: It cannot be written there either.
    """
    places = [platformdirs.user_state_path("trialbook") / "rescued", Path(tempfile.gettempdir()) / "trialbook-rescued"]
    try:
        return unsaved.save(places[0])
    except TrialbookError:
        return unsaved.save(places[1])
