"""Trialbook's engine: settings, data, training, evaluation and saved trials. It knows no screen.

Everything below is imported when it is first used, so that what needs no torch does not wait for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.comparison import Comparison, Disagreements, compare, disagreements
    from core.control import Control
    from core.data.catalog import known_shape
    from core.data.dataset import Dataset, load_data
    from core.diagnosis import Diagnosis, Suggestion, diagnose, diagnose_trial
    from core.epoch import Epoch
    from core.errors import TrialbookError
    from core.evaluation import Evaluation, evaluate
    from core.events import EpochFinished, Event, Finished, Paused, Progress, Resumed, Started
    from core.preflight import Finding, check
    from core.presets import Preset, all_presets, preset
    from core.saved_model import open_model
    from core.scrub import Moment, moment
    from core.session import train
    from core.settings import Settings, change_settings, differences, read_settings, write_settings
    from core.size import size_of
    from core.trials.store import find_trial, list_trials
    from core.trials.trial import Trial

_HOMES = {
    "core.comparison": ("Comparison", "Disagreements", "compare", "disagreements"),
    "core.control": ("Control",),
    "core.data.catalog": ("known_shape",),
    "core.data.dataset": ("Dataset", "load_data"),
    "core.diagnosis": ("Diagnosis", "Suggestion", "diagnose", "diagnose_trial"),
    "core.errors": ("TrialbookError",),
    "core.evaluation": ("Evaluation", "evaluate"),
    "core.epoch": ("Epoch",),
    "core.events": ("EpochFinished", "Event", "Finished", "Paused", "Progress", "Resumed", "Started"),
    "core.preflight": ("Finding", "check"),
    "core.presets": ("Preset", "all_presets", "preset"),
    "core.saved_model": ("open_model",),
    "core.scrub": ("Moment", "moment"),
    "core.session": ("train",),
    "core.settings": ("Settings", "change_settings", "differences", "read_settings", "write_settings"),
    "core.size": ("size_of",),
    "core.trials.store": ("find_trial", "list_trials"),
    "core.trials.trial": ("Trial",),
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
    "Finding",
    "Finished",
    "Moment",
    "Paused",
    "Preset",
    "Progress",
    "Resumed",
    "Settings",
    "Started",
    "Suggestion",
    "Trial",
    "TrialbookError",
    "all_presets",
    "change_settings",
    "check",
    "compare",
    "diagnose",
    "diagnose_trial",
    "differences",
    "disagreements",
    "evaluate",
    "find_trial",
    "known_shape",
    "list_trials",
    "load_data",
    "moment",
    "open_model",
    "preset",
    "read_settings",
    "size_of",
    "train",
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
