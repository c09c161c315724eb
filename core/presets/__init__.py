"""Presets: settings to start from, by name."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from core.errors import SettingsError
from core.settings import Settings, make_settings, settings_from_toml, show_value, widths_text
from core.text import printable

_REGULARIZED_LAYERS = 3

Lines = tuple[tuple[str, str], ...]
"""Labels and values, as an app shows them one below the other."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings with a name and a reason.

    Attributes:
        name: What `--preset` calls it.
        about: One line on what it is.
        settings: The settings.
        reported_accuracy: The test accuracy that its source reports, as a fraction, or None.
        assumed: What its source leaves open and the preset fills in: "epochs", "batch_size", "dropout", "l2".
        after: The preset that it was changed from, or None.
        stated: What its source says, as lines of label and value; () for a preset without a source.
        assumed_values: What the preset fills in, likewise.
    """

    name: str
    about: str
    settings: Settings
    reported_accuracy: float | None = None
    assumed: tuple[str, ...] = ()
    after: str | None = None
    stated: Lines = ()
    assumed_values: Lines = ()


@cache
def all_presets() -> dict[str, Preset]:
    """Return every preset by name: `digits`, `best-mlp`, and the reference history `trial-0` to `trial-25`."""
    entries = tomllib.loads(_data_file("reference.toml"))
    before = dict(zip(entries, [None, *entries], strict=False))
    reference = [_reference_preset(name, entry, before[name]) for name, entry in entries.items()]
    digits = Preset("digits", "the default: a small network on the built-in handwritten digits", Settings())
    best = Preset(
        "best-mlp",
        "the best fully connected network for CIFAR-10 that was found so far",
        settings_from_toml(_data_file("best-mlp.toml"), "best-mlp.toml"),
        after="trial-25",
    )
    return {preset.name: preset for preset in (digits, best, *reference)}


def _data_file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


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


def _reference_preset(name: str, entry: dict[str, Any], before: str | None) -> Preset:
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
    assumed_values = [line for part, line in _open_lines(settings).items() if part in entry["assumed"]]
    if "after" not in entry and before is not None:
        assumed_values.append(("changed from", f"{before}, the trial before"))
    return Preset(
        name=name,
        about=entry["log"] or "no comment in the log",
        settings=settings,
        reported_accuracy=None if accuracy is None else accuracy / 100,
        assumed=tuple(entry["assumed"]),
        after=entry.get("after", before),
        stated=_stated(entry, settings),
        assumed_values=tuple(assumed_values),
    )


def _stated(entry: dict[str, Any], settings: Settings) -> Lines:
    """Return what the log says of a trial: epochs, batch size, layers of dropout and penalty only where it does."""
    said = [line for part, line in _open_lines(settings).items() if part not in entry["assumed"]]
    if "after" in entry:
        said.append(("changed from", entry["after"]))
    accuracy = entry.get("accuracy")
    return (
        ("data", "CIFAR-10"),
        ("input normalization", "CIFAR-10's mean and deviation per channel" if entry["normalized"] else "none"),
        ("hidden layers", widths_text(settings)),
        ("each of them", "Linear, batch norm, ReLU, dropout"),
        ("dropouts", ", ".join(map(show_value, entry["log_dropout"]))),
        ("L2 lambda", show_value(settings.training.l2_lambda)),
        ("optimizer", "Adam"),
        ("learning rate", show_value(settings.training.learning_rate)),
        ("seed", str(settings.training.seed)),
        *said,
        ("reported accuracy", "none" if accuracy is None else f"{accuracy:.2f} %"),
        ("the log says", entry["log"] or "nothing"),
    )


def _open_lines(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return the lines for what the log states of some trials only, by their names in `assumed`."""
    covered = [str(number) for number, layer in enumerate(settings.model.hidden, 1) if layer.l2]
    dropouts = " ".join(show_value(layer.dropout) for layer in settings.model.hidden)
    return {
        "epochs": ("epochs", str(settings.training.epochs)),
        "batch_size": ("batch size", str(settings.training.batch_size)),
        "dropout": ("dropout per hidden layer", dropouts),
        "l2": ("L2 penalty on", f"the Linear layers {', '.join(covered[:-1])} and {covered[-1]}"),
    }
