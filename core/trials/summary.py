"""What a list of trials reads of each: its summary, in at most 2 kB, and what it ran on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.epoch import Epoch
from core.files import cannot_write, replace_text
from core.settings import Settings, widths_text
from core.text import shorten
from core.trials.lineage import repeat_key
from core.trials.trial import RAN_ON, SUMMARY, Trial

MAX_SUMMARY = 2_000  # bytes
_LONG = 120  # characters of a text in a summary
LONGEST_CHANGES = 400  # characters of the changes since the parent


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


def figures(epoch: Epoch) -> dict[str, Any]:
    """Return what a list shows of an epoch."""
    values = {
        "epoch": epoch.epoch,
        "train_cost": epoch.train_cost,
        "test_cost": epoch.test_cost,
        "gap": epoch.gap,
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
