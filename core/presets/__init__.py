"""Presets: settings to start from, by name."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from core.errors import SettingsError
from core.settings import Settings, make_settings
from core.text import printable

_REGULARIZED_LAYERS = 3


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings with a name and a reason.

    Attributes:
        name: What `--preset` calls it.
        about: One line on what it is.
        settings: The settings.
        reported_accuracy: The test accuracy that its source reports, as a fraction, or None.
        assumed: What its source leaves open and the preset fills in: "epochs", "batch_size", "dropout", "l2".
    """

    name: str
    about: str
    settings: Settings
    reported_accuracy: float | None = None
    assumed: tuple[str, ...] = ()


@cache
def all_presets() -> dict[str, Preset]:
    """Return every preset by name: `digits`, and the reference history `trial-0` to `trial-25`."""
    text = resources.files(__package__).joinpath("reference.toml").read_text(encoding="utf-8")
    reference = [_reference_preset(name, entry) for name, entry in tomllib.loads(text).items()]
    digits = Preset("digits", "the default: a small network on the built-in handwritten digits", Settings())
    return {preset.name: preset for preset in (digits, *reference)}


def preset(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        SettingsError: There is none.
    """
    known = all_presets()
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else "; `trialbook presets` lists them"
        raise SettingsError([f"there is no preset {printable(name, 60)}{hint}"])
    return known[name]


def _reference_preset(name: str, entry: dict[str, Any]) -> Preset:
    layers = [
        {"width": width, "dropout": dropout, "l2": index < _REGULARIZED_LAYERS}
        for index, (width, dropout) in enumerate(zip(entry["hidden"], entry["dropout"], strict=True))
    ]
    settings = make_settings(
        {
            "data": {"source": "cifar10", "normalization": "cifar10" if entry["normalized"] else "none"},
            "model": {"hidden": layers, "output": {"l2": False}},
            "training": {key: entry[key] for key in ("l2_lambda", "learning_rate", "batch_size", "epochs")},
        }
    )
    accuracy = entry.get("accuracy")
    return Preset(
        name=name,
        about=entry["log"] or "no comment in the log",
        settings=settings,
        reported_accuracy=None if accuracy is None else accuracy / 100,
        assumed=tuple(entry["assumed"]),
    )
