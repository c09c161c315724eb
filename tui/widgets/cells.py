"""Texts of a given width in terminal cells, and bars drawn with block characters."""

from __future__ import annotations

import re

from rich.cells import cell_len, set_cell_size

from core.text import printable

_TRIAL_ID = re.compile(r"\d{8}-\d{6}-\w{6}", re.ASCII)
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def fit(text: object, width: int, *, right: bool = False) -> str:
    """Return foreign text, made harmless, in exactly `width` cells; an ellipsis stands for what is cut off.

    Of a trial's id that is the beginning: its end tells it apart from those of the same day.

    Args:
        text: Any text; characters that take two cells count as two.
        width: Cells.
        right: Whether the text stands at the right end.
    """
    shown = printable(text, max(width, 4) * 4 + 8)
    missing = width - cell_len(shown)
    if missing >= 0:
        return " " * missing + shown if right else shown + " " * missing
    if width <= 0:
        return ""
    if _TRIAL_ID.fullmatch(shown):
        return "…" + shown[len(shown) - width + 1 :]
    return set_cell_size(shown, width - 1) + "…"


def bar(fraction: float, width: int) -> str:
    """Return a bar of `width` cells, filled from the left to an eighth of a cell.

    Args:
        fraction: How much of it is filled, from 0 to 1; what is beyond is cut.
        width: Cells.
    """
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)
