"""A drawing as lines of the screen."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip

from tui.plot.figure import Picture


def strips_of(picture: Picture, styles: Mapping[str, RichStyle], base: RichStyle, width: int) -> list[Strip]:
    """Return a drawing as lines of the screen.

    Args:
        picture: The drawing.
        styles: The style of each role.
        base: The style of the background.
        width: Columns of a line.
    """
    styles = {**styles, "": base, "cursor": base + RichStyle(reverse=True)}
    strips = []
    for characters, roles in zip(picture.characters, picture.roles, strict=True):
        runs = groupby(zip(characters, roles, strict=True), key=lambda cell: cell[1])
        segments = [Segment("".join(cell[0] for cell in cells), styles[role]) for role, cells in runs]
        strips.append(Strip(segments).adjust_cell_length(width, base))
    return strips
