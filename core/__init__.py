"""Trialbook's engine: settings, data, training, evaluation and saved trials. It knows no screen.

Everything below is imported when it is first used, so that what needs no torch does not wait for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.comparison import Comparison, Disagreements, compare, disagreements
    from core.continuation import branch, resume
    from core.control import Control
    from core.data.catalog import known_shape
    from core.data.dataset import Dataset, load_data
    from core.diagnosis import Diagnosis, Suggestion, diagnose, diagnose_trial
    from core.epoch import Epoch
    from core.errors import TrialbookError
    from core.evaluation import Evaluation, evaluate
    from core.events import EpochFinished, Event, Finished, NotSaved, Paused, Progress, Resumed, Started
    from core.film import Film, Frame, frame_of, read_film
    from core.preflight import Finding, check
    from core.presets import Preset, all_presets, preset
    from core.saved_model import open_model
    from core.series import train_series
    from core.session import train
    from core.settings import Settings, change_settings, differences, read_settings, write_settings
    from core.size import size_of
    from core.trials.exchange import export_trial, import_trial
    from core.trials.repeats import Repeats, repeats_of, settings_verdict
    from core.trials.selection import Selection, selection_of
    from core.trials.store import find_trial, list_trials
    from core.trials.trial import Trial
    from core.trials.upkeep import delete_trial, edit_about, empty_trash, restore_trial, trashed

_HOMES = {
    "core.comparison": ("Comparison", "Disagreements", "compare", "disagreements"),
    "core.control": ("Control",),
    "core.data.catalog": ("known_shape",),
    "core.data.dataset": ("Dataset", "load_data"),
    "core.diagnosis": ("Diagnosis", "Suggestion", "diagnose", "diagnose_trial"),
    "core.errors": ("TrialbookError",),
    "core.evaluation": ("Evaluation", "evaluate"),
    "core.epoch": ("Epoch",),
    "core.events": ("EpochFinished", "Event", "Finished", "NotSaved", "Paused", "Progress", "Resumed", "Started"),
    "core.film": ("Film", "Frame", "frame_of", "read_film"),
    "core.preflight": ("Finding", "check"),
    "core.presets": ("Preset", "all_presets", "preset"),
    "core.continuation": ("branch", "resume"),
    "core.saved_model": ("open_model",),
    "core.series": ("train_series",),
    "core.session": ("train",),
    "core.settings": ("Settings", "change_settings", "differences", "read_settings", "write_settings"),
    "core.size": ("size_of",),
    "core.trials.exchange": ("export_trial", "import_trial"),
    "core.trials.repeats": ("Repeats", "repeats_of", "settings_verdict"),
    "core.trials.selection": ("Selection", "selection_of"),
    "core.trials.store": ("find_trial", "list_trials"),
    "core.trials.trial": ("Trial",),
    "core.trials.upkeep": ("delete_trial", "edit_about", "empty_trash", "restore_trial", "trashed"),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Comparison",
    "Control",
    "Dataset",
    "Diagnosis",
    "Disagreements",
    "Epoch",
    "EpochFinished",
    "Evaluation",
    "Event",
    "Film",
    "Finding",
    "Finished",
    "Frame",
    "NotSaved",
    "Paused",
    "Preset",
    "Progress",
    "Repeats",
    "Resumed",
    "Selection",
    "Settings",
    "Started",
    "Suggestion",
    "Trial",
    "TrialbookError",
    "all_presets",
    "branch",
    "change_settings",
    "check",
    "compare",
    "delete_trial",
    "diagnose",
    "diagnose_trial",
    "differences",
    "disagreements",
    "edit_about",
    "empty_trash",
    "evaluate",
    "export_trial",
    "find_trial",
    "frame_of",
    "import_trial",
    "known_shape",
    "list_trials",
    "load_data",
    "open_model",
    "preset",
    "read_film",
    "read_settings",
    "repeats_of",
    "restore_trial",
    "resume",
    "selection_of",
    "settings_verdict",
    "size_of",
    "train",
    "train_series",
    "trashed",
    "write_settings",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used.

    Raises:
        AttributeError: There is no such name.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
