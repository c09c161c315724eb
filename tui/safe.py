"""Foreign text on its way to the screen: names, notes, paths, class names and error texts can come from anybody."""

from __future__ import annotations

import re

from textual.content import Content

from core.errors import TrialbookError
from core.text import printable, shorten

_TRIAL_ID = re.compile(r"\d{8}-\d{6}-\w{6}", re.ASCII)


def safe(text: object, style: str = "", limit: int = 500) -> Content:
    """Return foreign text as content: no markup in it is read, no control byte of it reaches the terminal.

    Args:
        text: What to show.
        style: Textual's style for all of it, such as "bold $error".
        limit: The most characters; a longer text is shortened in its middle.
    """
    return Content.styled(printable(text, limit), style) if style else Content(printable(text, limit))


def error_text(error: BaseException) -> str:
    """Return an error in words: those of the program's own errors, else also its kind."""
    return str(error) if isinstance(error, TrialbookError) else f"{type(error).__name__}: {error}"


def is_trial_id(text: object) -> bool:
    """Return whether a text looks like a trial's id."""
    return isinstance(text, str) and _TRIAL_ID.fullmatch(text) is not None


def short_name(name: str, length: int) -> str:
    """Return a trial's name made harmless, shortened in its middle where it has more characters than `length`.

    Of an id the beginning goes: its end tells it apart from those of the same day.
    """
    shown = printable(name)
    if len(shown) > length and is_trial_id(shown):
        return "…" + shown[len(shown) - length + 1 :]
    return shorten(shown, length)


def cut(text: object, columns: int) -> str:
    """Return foreign text made harmless and cut at its end where it is longer than the room, marked by an ellipsis."""
    shown = printable(text)
    return shown if len(shown) <= columns else f"{shown[: max(0, columns - 1)]}…"
