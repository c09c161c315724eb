"""Settings as the text of a TOML file; apart, because tomlkit takes a while to import and only writing needs it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import tomlkit

from core.settings.schema import FIELDS, Settings


def settings_to_toml(settings: Settings) -> str:
    """Return the settings as TOML with every field, each explained by a comment."""
    document = tomlkit.document()
    for section, values in asdict(settings).items():
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
