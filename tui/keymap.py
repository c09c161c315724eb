"""The keys that the user has given to actions in the file of keys."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

import platformdirs
from textual.binding import Binding, InvalidBinding
from textual.keys import Keys, key_to_character

from core.errors import SettingsError, TrialError
from core.files import read_text
from core.text import printable
from tui.actions import ACTIONS, BY_ID, Action

_MAX_CONFIG = 64_000
_TOLD_PROBLEMS = 20
_MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}
_NAMES = {key.value for key in Keys}
TOGETHER = (
    ("architecture", "workbench", "app"),
    ("training", "workbench", "app"),
    ("curves", "workbench", "app"),
    ("figures", "workbench", "app"),
    ("list", "begin", "app"),
    ("list", "history", "app"),
    ("list", "trash", "app"),
    ("scores", "evaluation", "app"),
    ("matrix", "evaluation", "app"),
    ("pictures", "evaluation", "app"),
    ("curves", "comparison", "app"),
    ("table", "comparison", "app"),
    ("pairs", "comparison", "app"),
    ("pictures", "comparison", "app"),
    ("film", "scrub", "app"),
    ("matrix", "scrub", "app"),
    ("scores", "scrub", "app"),
    ("data", "app"),
    ("folder", "app"),
    ("text", "app"),
    ("scroll", "app"),
    ("editor",),
)
"""Scopes that are active at the same time, the focused widget's first; the editor takes keys from whatever is below."""
HARMLESS = {
    "history.to_list": "goes from the filter to the list; where the list has the focus, down moves its cursor",
    "comparison.trials": "asks for the trials to compare, as the key of the curves there does too",
    "begin.to_list": "goes from the filter to the list; where the list has the focus, down moves its cursor",
}
"""Actions whose key another one takes while a list has the focus, and why nobody misses them there."""


def config_file() -> Path:
    """Return the file in which keys can be given to actions; on Linux below ~/.config."""
    return platformdirs.user_config_path("trialbook", appauthor=False) / "config.toml"


def read_keys(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the keys by action that a config file chooses, and a line for everything wrong with it.

    The file holds a table `[keys]`: `start = "f5"`, `"curves.log" = "ctrl+l"`; several keys are joined by commas.
    """
    if not os.path.lexists(path):
        return {}, []
    from core.settings.toml_file import toml_values  # noqa: PLC0415 - most have no such file

    try:
        values = toml_values(read_text(path, _MAX_CONFIG), "")
    except SettingsError as error:
        return {}, [f"{path} is not TOML: {printable(error, 100).removeprefix(': ')}"]
    except TrialError as error:
        return {}, [str(error)]
    keys = values.pop("keys", {})
    if not isinstance(keys, dict):
        return {}, [f'keys must be a table, [keys] and below it lines such as start = "f5", in {path}']
    chosen: dict[str, str] = {}
    problems = [f"{printable(name, 40)} is left out, only what is below [keys] is read: {path}" for name in values]
    for name, key in keys.items():
        if name not in BY_ID:
            meant = _meant(name) if len(problems) < _TOLD_PROBLEMS else ""
            problems.append(f"there is no action {printable(name, 40)}, {meant}: {path}")
        elif not (named := _named(key)):
            shown = printable(key, 20)
            problems.append(f"the key of {name} must be a name such as f5, ctrl+g or plus, not {shown!r}: {path}")
        else:
            chosen[name] = named
    while clash := _clash(chosen):
        name, key, other = clash
        del chosen[name]
        problems.append(f"{name} keeps its usual key, as {key} is the key of {other} already: {path}")
    more = len(problems) - _TOLD_PROBLEMS
    if more > 0:
        problems[_TOLD_PROBLEMS:] = [f"and {more:,} more lines are wrong in {path}"]
    return chosen, problems


def _meant(name: str) -> str:
    """Return what a wrong name of an action may have been meant to be. Takes about a millisecond."""
    near = get_close_matches(printable(name, 40), BY_ID, 2)
    return f"did you mean {' or '.join(near)}?" if near else "the help (?) names those of where you are"


def _named(keys: object) -> str:
    """Return Textual's names of keys, separated by commas; "" where one of them is no key."""
    if not isinstance(keys, str) or not keys.isprintable():  # a control character would be taken for a key's own
        return ""
    try:
        named = [row.key for row in Binding.make_bindings([Binding(keys, "")])]
    except InvalidBinding:
        return ""
    return ",".join(named) if all(map(_is_key, named)) else ""


def _is_key(name: str) -> bool:
    *modifiers, key = name.split("+")
    return name in _NAMES or (_MODIFIERS.issuperset(modifiers) and (key in _NAMES or key_to_character(key) is not None))


def _clash(chosen: dict[str, str]) -> tuple[str, str, str] | None:
    """Return a chosen action, one of its keys, and another action that has this key at the same time, if there is one.

    Of two chosen ones the later gives way.
    """
    order = list(chosen)
    for scopes in TOGETHER:
        owners: dict[str, Action] = {}
        for action in (row for row in ACTIONS if row.scope in scopes):
            for key in chosen.get(action.id, action.keys).split(","):
                first = owners.setdefault(key, action)
                names = [row.id for row in (first, action) if row.id in chosen]
                if first is action or not names or _is_harmless(first, action):
                    continue
                name = max(names, key=order.index)
                return name, key, action.id if name == first.id else first.id
    return None


def _is_harmless(first: Action, second: Action) -> bool:
    """Return whether nobody misses what the key of one of the two does where it does the other."""
    return first.scope != second.scope and not HARMLESS.keys().isdisjoint((first.id, second.id))
