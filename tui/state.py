"""What the console remembers over restarts, and the keys that its user has chosen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs

from core.errors import SettingsError, TrialError
from core.files import read_text, replace_text
from core.text import printable, strict_json
from tui.actions import BY_ID

_MAX_STATE = 4_000_000
_MAX_CONFIG = 64_000
_TOLD_PROBLEMS = 20


def state_file(home: Path) -> Path:
    """Return where the state of the console on a home directory is kept; on Linux below ~/.local/state."""
    digest = hashlib.sha256(os.fsencode(os.path.abspath(home))).hexdigest()[:12]
    return platformdirs.user_state_path("trialbook", appauthor=False) / f"console-{digest}.json"


def config_file() -> Path:
    """Return the file in which keys can be given to actions; on Linux below ~/.config."""
    return platformdirs.user_config_path("trialbook", appauthor=False) / "config.toml"


def read_state(path: Path) -> dict[str, Any]:
    """Return the remembered values; {} where there are none, or none that can be read."""
    try:
        values = strict_json(read_text(path, _MAX_STATE))
    except (TrialError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def write_state(path: Path, values: dict[str, Any]) -> None:
    """Replace the remembered values.

    Raises:
        TrialError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrialError(f"cannot make {path.parent}: {error.strerror or error}") from error
    replace_text(path, json.dumps(values) + "\n")


def read_keys(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the keys by action that a config file chooses, and a line for everything wrong with it.

    The file holds a table `[keys]`: `start = "f5"`, `"curves.log" = "ctrl+l"`; several keys are joined by commas.
    """
    if not os.path.lexists(path):
        return {}, []
    from core.settings.toml_file import toml_values  # noqa: PLC0415 - most have no such file

    try:
        keys = toml_values(read_text(path, _MAX_CONFIG), "").get("keys", {})
    except SettingsError as error:
        return {}, [f"{path} is not TOML: {printable(error, 100).removeprefix(': ')}"]
    except TrialError as error:
        return {}, [str(error)]
    if not isinstance(keys, dict):
        return {}, [f'keys must be a table, [keys] and below it lines such as start = "f5", in {path}']
    chosen, problems = {}, []
    for name, key in keys.items():
        if name not in BY_ID:
            problems.append(f"there is no action {printable(name, 40)}, the help (?) names them all: {path}")
        elif not isinstance(key, str) or not key.strip() or printable(key) != key:
            problems.append(f"the key of {name} must be a text such as f5 or ctrl+g, in {path}")
        else:
            chosen[name] = key.replace(" ", "")
    more = len(problems) - _TOLD_PROBLEMS
    if more > 0:
        problems[_TOLD_PROBLEMS:] = [f"and {more:,} more lines are wrong in {path}"]
    return chosen, problems
