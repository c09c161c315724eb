"""Settings as a TOML file that a person can read and edit."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import tomlkit

from core.errors import SettingsError
from core.files import read_text, replace_text
from core.settings.edit import make_settings
from core.settings.schema import FIELDS, Settings
from core.text import printable

MAX_BYTES = 256_000
MAX_LINE = 5_000
MAX_DEPTH = 64


def read_settings(path: Path) -> Settings:
    """Read settings from a TOML file.

    Raises:
        TrialError: The file cannot be read.
        SettingsError: It is not TOML, or holds wrong settings: one line for each.
    """
    return settings_from_toml(read_text(path, MAX_BYTES), str(path))


def settings_from_toml(text: str, name: str = "settings") -> Settings:
    """Return the settings that a TOML text describes; what it leaves out is default.

    Args:
        text: The TOML text, at most 256 kB, in lines of at most 5,000 characters.
        name: What to call the text in messages.

    Raises:
        SettingsError: It is not TOML, or holds wrong settings: one line for each.
    """
    shown = printable(name)
    _refuse_slow_toml(text, shown)
    try:
        return make_settings(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{shown}: {printable(error)}"]) from None
    except RecursionError:
        raise SettingsError([f"{shown}: nested too deeply"]) from None
    except ValueError:  # from integers of more digits than Python converts
        raise SettingsError([f"{shown}: a number has too many digits"]) from None


def settings_to_toml(settings: Settings) -> str:
    """Return the settings as TOML with every field, each explained by a comment."""
    document = tomlkit.document()
    for section, values in settings.model_dump().items():
        table = tomlkit.table()
        for name, value in values.items():
            path = f"{section}.{name}"
            if path == "model.hidden":
                table.add(name, _layers(value))
            elif path == "model.output":
                table.add(name, _table(value, f"{path}.", explain=True))
            else:
                _add(table, path, name, value)
        document.add(section, table)
    return tomlkit.dumps(document)


def write_settings(settings: Settings, path: Path) -> None:
    """Write the settings to a TOML file, replacing it as a whole.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_text(path, settings_to_toml(settings))


def _layers(layers: Any) -> Any:
    if not layers:
        return tomlkit.array()
    tables = tomlkit.aot()
    for index, layer in enumerate(layers):
        tables.append(_table(layer, "model.hidden.*.", explain=index == 0))
    return tables


def _table(values: dict[str, Any], prefix: str, explain: bool) -> Any:
    table = tomlkit.table()
    for name, value in values.items():
        if explain:
            _add(table, prefix + name, name, value)
        else:
            table.add(name, value)
    return table


def _add(table: Any, path: str, name: str, value: Any) -> None:
    field = FIELDS[path]
    table.add(tomlkit.comment(f"{field.help} {field.allowed.capitalize()}." if field.choices else field.help))
    table.add(name, list(value) if isinstance(value, tuple) else value)


def _refuse_slow_toml(text: str, shown: str) -> None:
    # tomllib needs quadratic time for long dotted keys and recurses on brackets: real settings have neither
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise SettingsError([f"{shown}: line {number} has more than {MAX_LINE:,} characters"])
        if not line.lstrip().startswith("#") and len(re.findall(r"[.\[{]", line)) > MAX_DEPTH:
            raise SettingsError([f"{shown}: line {number} has more than {MAX_DEPTH} dots and brackets"])
