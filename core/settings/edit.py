"""Build settings from plain values and change single ones by name, with all mistakes reported at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from core.errors import SettingsError
from core.settings.fields import SettingField
from core.settings.part import NO_SUCH_SETTING, Mistake, quoted, read_part
from core.settings.schema import FIELDS, Settings
from core.text import printable

_SECTIONS = ("data", "model", "training")
_TOLD_PROBLEMS = 50
_ALSO_CALLED = {"lr": "learning_rate"}
_ALIKE, _NEARLY = 0.75, 0.85  # how like each other last parts, or whole names, must be for a guess: 0 to 1
_LAYER_PATH = re.compile(r"model\.hidden\.(\d{1,9}|\*)\.(\w+)")


def make_settings(document: Mapping[str, Any]) -> Settings:
    """Return validated settings from nested plain values, as a TOML file holds them; what is missing is default.

    Raises:
        SettingsError: With one line for every mistake.
    """
    return _validated(document, [])


def change_settings(settings: Settings, changes: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Settings:
    """Return settings in which some values are replaced, in the order given.

    Args:
        settings: Where to start from; not changed.
        changes: Dotted names and new values. Hidden layers count from 1, as in `linear1`, or are all meant by a star:
            "training.epochs", "model.hidden.2.dropout", "model.hidden.*.dropout". "model.hidden" takes all widths,
            "1024-512-64": layers keep what else they have, new ones take it from the last. Texts are read as the
            command line's; for a star, "0.6,0.4" gives each layer its own value, and the last one goes on.

    Raises:
        SettingsError: With one line for every mistake.
    """
    document = asdict(settings)
    problems: list[str] = []
    for name, value in changes.items() if isinstance(changes, Mapping) else changes:
        problem = _change(document, name.strip(), value)
        if problem is not None:
            problems.append(problem)
    return _validated(document, problems)


def field_of(path: str) -> SettingField | None:
    """Return the row of the table for a dotted name such as "model.hidden.2.dropout", or None."""
    return FIELDS.get(re.sub(r"^model\.hidden\.\d{1,9}\.", "model.hidden.*.", path))


def widths_text(settings: Settings) -> str:
    """Return all hidden widths as one text, "1024-512-64"; "none" without hidden layers."""
    return "-".join(str(layer.width) for layer in settings.model.hidden) or "none"


def _change(document: dict[str, Any], name: str, value: Any) -> str | None:
    """Set one value in the document; return what is wrong with the name, or None."""
    if name == "model.hidden":
        return _change_widths(document, value)
    field = field_of(name)
    if field is None:
        return _unknown(name)
    layer = _LAYER_PATH.fullmatch(name)
    if layer is not None:
        return _change_layers(document["model"]["hidden"], name, layer[1], field, value)
    *parents, leaf = name.split(".")
    for parent in parents:
        document = document[parent]
    document[leaf] = field.parse(value) if isinstance(value, str) else value
    return None


def _change_layers(layers: list[dict[str, Any]], name: str, number: str, field: SettingField, value: Any) -> str | None:
    """Set one field of one hidden layer, or of all where the number is a star; return what is wrong, or None."""
    if number == "*":
        chosen = layers
        values = value.split(",") if isinstance(value, str) else [value]
        if len(values) > len(layers):
            return f"{name}: {len(values)} values are given for {len(layers)} hidden layers"
    elif 1 <= int(number) <= len(layers):
        chosen, values = [layers[int(number) - 1]], [value]
    else:
        return f"{name}: there is no hidden layer {number}; the layers are 1 to {len(layers)}"
    for index, layer in enumerate(chosen):
        given = values[min(index, len(values) - 1)]
        layer[field.path.rpartition(".")[2]] = field.parse(given) if isinstance(given, str) else given
    return None


def _change_widths(document: dict[str, Any], value: Any) -> str | None:
    if not isinstance(value, str):
        document["model"]["hidden"] = value
        return None
    text = value.strip()
    parts = [] if text in ("", "none") else re.split(r"\s*[-,]\s*|\s+", text)
    if not all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts):
        return f"model.hidden: {quoted(value)} is not allowed; must be widths joined by hyphens, such as 1024-512-64"
    old = list(document["model"]["hidden"])
    pattern = old[-1] if old else {}
    document["model"]["hidden"] = [
        {**(old[index] if index < len(old) else pattern), "width": int(part)} for index, part in enumerate(parts)
    ]
    return None


def _validated(document: Mapping[str, Any], problems: list[str]) -> Settings:
    mistakes: list[Mistake] = []
    settings = read_part(Settings, document, "", mistakes)
    problems = problems + [_line(mistake) for mistake in mistakes[:_TOLD_PROBLEMS]]
    if len(mistakes) > _TOLD_PROBLEMS:
        problems.append(f"and {len(mistakes) - _TOLD_PROBLEMS:,} more mistakes")
    if settings is None or problems:
        raise SettingsError(problems)
    return settings


def _line(mistake: Mistake) -> str:
    path, wrong = mistake
    return _unknown(path) if wrong == NO_SUCH_SETTING else f"{path}: {wrong}"


def _unknown(name: str) -> str:
    known = [*FIELDS, "model.hidden"]
    shown = printable(name, 80)
    if shown in _SECTIONS:
        member = next(path for path in FIELDS if path.startswith(shown))
        return f"{shown}: is a group of settings; name one of them, such as {member}"
    nearest = _nearest(re.sub(r"\.\d+\.", ".*.", shown), known)
    hint = f"; did you mean {nearest}?" if nearest else f"; they begin with {', '.join(_SECTIONS)}"
    return f"{shown}: {NO_SUCH_SETTING}{hint}"


def _nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the setting whose last part is like the name's, in whatever group, or that is nearly named so; or None."""
    last = _last(name)
    alike = difflib.get_close_matches(_ALSO_CALLED.get(last, last), [_last(path) for path in known], 1, _ALIKE)
    candidates = [path for path in known if alike and _last(path) == alike[0]]
    found = difflib.get_close_matches(name, candidates or known, 1, 0.0 if candidates else _NEARLY)
    return found[0] if found else None


def _last(path: str) -> str:
    return path.rpartition(".")[2]
