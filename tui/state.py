"""What the console remembers over restarts."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import platformdirs

from core.errors import TrialError
from core.files import read_text, replace_text
from core.text import strict_json

_MAX_STATE = 4_000_000


def state_file(home: Path) -> Path:
    """Return where the state of the console on a home directory is kept; on Linux below ~/.local/state."""
    digest = hashlib.sha256(os.fsencode(os.path.abspath(home))).hexdigest()[:12]
    return platformdirs.user_state_path("trialbook", appauthor=False) / f"console-{digest}.json"


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
