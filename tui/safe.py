"""Foreign text on its way to the screen: names, notes, paths, class names and error texts can come from anybody."""

from __future__ import annotations

from textual.content import Content

from core.text import printable


def safe(text: object, style: str = "", limit: int = 500) -> Content:
    """Return foreign text as content: no markup in it is read, no control byte of it reaches the terminal.

    Args:
        text: What to show.
        style: Textual's style for all of it, such as "bold $error".
        limit: The most characters; a longer text is shortened in its middle.
    """
    return Content.styled(printable(text, limit), style) if style else Content(printable(text, limit))


def cut(text: object, columns: int) -> str:
    """Return foreign text made harmless and cut at its end where it is longer than the room, marked by an ellipsis."""
    shown = printable(text)
    return shown if len(shown) <= columns else f"{shown[: max(0, columns - 1)]}…"
