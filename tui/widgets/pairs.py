"""All pairs of compared trials as a triangle of signs: better, worse, or not distinguishable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from core.verdict import Verdict
from tui.actions import bindings
from tui.plot.curves import overlay_sign
from tui.widgets.cells import fit

_CELL, _LABEL = 5, 4  # cells
_SIGNS = {"better": "+", "worse": "-", "same": "≈", "none": "?"}


class Pairs(Widget, can_focus=True):
    """A row and a column per trial; a cell says how the row's trial compares with the column's.

    Attributes:
        pair: The positions of the selected pair, the first, which is the column's, lower than the second.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pairs")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"pairs--{name}" for name in (*_SIGNS, "heading", "cursor")}
    DEFAULT_CSS = """
    Pairs { width: 1fr; padding: 0 1; }
    Pairs > .pairs--heading, Pairs > .pairs--none, Pairs > .pairs--same { color: $text-muted; }
    Pairs > .pairs--better { color: $text-success; text-style: bold; }
    Pairs > .pairs--worse { color: $text-error; text-style: bold; }
    Pairs > .pairs--cursor { background: $block-cursor-blurred-background; }
    Pairs:focus > .pairs--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    Pairs:nocolor:focus > .pairs--cursor { text-style: bold reverse; }
    """

    class Moved(Message):
        """Another pair is selected."""

    class Opened(Message):
        """The images of the pair are wanted."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty triangle; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self._verdicts: Mapping[tuple[int, int], Verdict | None] = {}
        self._count = 0
        self.pair = (0, 1)

    def show(self, verdicts: Mapping[tuple[int, int], Verdict | None], count: int) -> None:
        """Show the verdicts on the pairs of so many trials; None: they cannot be compared."""
        pair = self.pair if count == self._count else (0, 1)
        self._verdicts, self._count = verdicts, count
        self.styles.height = count  # the headings, and a line for every trial but the first
        self._go(*pair)

    def _go(self, first: int, second: int) -> None:
        second = min(max(second, 1), self._count - 1)
        self.pair = (min(max(first, 0), second - 1), second)
        self.refresh()
        self.post_message(self.Moved())

    def action_cursor_up(self) -> None:
        """Go to the row above."""
        self._go(self.pair[0], self.pair[1] - 1)

    def action_cursor_down(self) -> None:
        """Go to the row below."""
        self._go(self.pair[0], self.pair[1] + 1)

    def action_cursor_left(self) -> None:
        """Go to the column on the left."""
        self._go(self.pair[0] - 1, self.pair[1])

    def action_cursor_right(self) -> None:
        """Go to the column on the right."""
        self._go(self.pair[0] + 1, self.pair[1])

    def action_open(self) -> None:
        """Ask for the images of the pair."""
        self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        """Select the clicked pair, or open the one that is selected."""
        offset = event.get_content_offset(self)
        if offset is None or offset.y < 1 or offset.x < _LABEL:
            return
        pair = ((offset.x - _LABEL) // _CELL, offset.y)
        if pair not in self._verdicts:
            return
        if pair == self.pair:
            self.action_open()
        self._go(*pair)

    def render_line(self, y: int) -> Strip:
        """Draw the headings or a trial's row."""
        width, base = self.size.width, self.visual_style.rich_style
        heading = base + self.get_component_rich_style("pairs--heading", partial=True)
        if y >= self._count:
            return Strip.blank(width, base)
        if y == 0:
            names = "".join(f"{overlay_sign(column):^{_CELL}}" for column in range(self._count - 1))
            return Strip([Segment(" " * _LABEL + names, heading)]).adjust_cell_length(width, base)
        segments = [Segment(fit(f" {overlay_sign(y)}", _LABEL), heading)]
        for column in range(y):
            kind = kind_of(self._verdicts.get((column, y)))
            style = base + self.get_component_rich_style(f"pairs--{kind}", partial=True)
            if (column, y) == self.pair:
                style += self.get_component_rich_style("pairs--cursor", partial=True)
            segments.append(Segment(f"{_SIGNS[kind]:^{_CELL}}", style))
        return Strip(segments).adjust_cell_length(width, base)


def kind_of(verdict: Verdict | None) -> str:
    """Return "better", "worse", "same" where the two cannot be told apart, or "none" where they cannot be compared."""
    if verdict is None:
        return "none"
    if not verdict.is_distinguishable:
        return "same"
    return "better" if verdict.difference > 0 else "worse"
