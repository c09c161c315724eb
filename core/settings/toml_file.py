"""Settings as a TOML file that a person can read and edit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from core.errors import SettingsError
from core.files import read_text, replace_text
from core.settings.edit import make_settings
from core.settings.schema import Settings
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
    return make_settings(toml_values(text, name))


def toml_values(text: str, name: str) -> dict[str, Any]:
    """Return the values of a TOML text that anybody may have written.

    Args:
        text: The TOML text, in lines of at most 5,000 characters.
        name: What to call the text in messages.

    Raises:
        SettingsError: It is not TOML, or would take long to read.
    """
    import tomllib  # noqa: PLC0415 - the console's first screen needs it not

    shown = printable(name)
    _refuse_slow_toml(text, shown)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{shown}: {printable(error)}"]) from None
    except RecursionError:
        raise SettingsError([f"{shown}: nested too deeply"]) from None
    except ValueError:  # from integers of more digits than Python converts
        raise SettingsError([f"{shown}: a number has too many digits"]) from None


def settings_to_toml(settings: Settings) -> str:
    """Return the settings as TOML with every field, each explained by a comment."""
    from core.settings import toml_text  # noqa: PLC0415 - as it says itself

    return toml_text.settings_to_toml(settings)


def write_settings(settings: Settings, path: Path) -> None:
    """Write the settings to a TOML file, replacing it as a whole.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_text(path, settings_to_toml(settings))


def _refuse_slow_toml(text: str, shown: str) -> None:
    # tomllib needs quadratic time for long dotted keys and recurses on brackets: real settings have neither
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise SettingsError([f"{shown}: line {number} has more than {MAX_LINE:,} characters"])
        if not line.lstrip().startswith("#") and len(re.findall(r"[.\[{]", line)) > MAX_DEPTH:
            raise SettingsError([f"{shown}: line {number} has more than {MAX_DEPTH} dots and brackets"])
