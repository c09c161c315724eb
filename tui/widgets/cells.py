"""Texts of a given width in terminal cells, and bars drawn with block characters."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from core.text import printable
from tui.safe import is_trial_id, short_name

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def fit(text: object, width: int, *, right: bool = False) -> str:
    """Return foreign text, made harmless, in exactly `width` cells; an ellipsis stands for what is cut off.

    A trial's id is cut as `short_name` does.

    Args:
        text: Any text; characters that take two cells count as two.
        width: Cells.
        right: Whether the text stands at the right end.
    """
    shown = short_name(str(text), width) if is_trial_id(text) and width > 1 else printable(text, max(width, 1) * 4 + 8)
    missing = width - cell_len(shown)
    if missing >= 0:
        return " " * missing + shown if right else shown + " " * missing
    return set_cell_size(shown, width - 1) + "…" if width > 0 else ""


def bar(fraction: float, width: int) -> str:
    """Return a bar of `width` cells, filled from the left to an eighth of a cell.

    Args:
        fraction: How much of it is filled, from 0 to 1; what is beyond is cut.
        width: Cells.
    """
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)
