"""Trials side by side as a table: one column per trial, its heading and the labels always in sight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.text import printable
from tui.actions import bindings
from tui.plot.curves import overlay_sign
from tui.widgets.cells import fit

_LEAST, _MOST = 7, 18  # cells of a column
_CROWDED = 10  # the most cells of a column where there is no room for all: the screen writes the line in full elsewhere
_LONGEST_TITLE = 14
_LONGEST_LABEL = 24
_GUTTER = 1  # for the cursor's mark
_BEST = "*"


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line.

    Attributes:
        label: What it is of.
        values: A text per trial; () for a heading.
        best: The columns that have the best value.
    """

    label: str
    values: tuple[str, ...] = ()
    best: tuple[int, ...] = ()


class CompareTable(ScrollView):
    """Lines with a cursor; the keys to the sides scroll by columns where there are more than there is room for."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "compare-table--titles", "compare-table--heading", "compare-table--label", "compare-table--best",
        "compare-table--cursor",
    }  # fmt: skip
    DEFAULT_CSS = """
    CompareTable { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    CompareTable > .compare-table--titles { text-style: bold; background: $panel; }
    CompareTable > .compare-table--heading { color: $primary; text-style: bold; }
    CompareTable > .compare-table--label { color: $text-muted; }
    CompareTable > .compare-table--best { color: $text-success; text-style: bold; }
    CompareTable > .compare-table--cursor { background: $panel; color: $foreground; }
    CompareTable:focus > .compare-table--cursor {
        background: $block-cursor-blurred-background; color: $block-cursor-foreground; text-style: bold;
    }
    CompareTable:nocolor:focus > .compare-table--cursor { text-style: bold reverse; }
    """

    class Moved(Message):
        """The cursor is on another line."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty table; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self._titles: tuple[str, ...] = ()
        self._rows: tuple[TableRow, ...] = ()
        self._widths: list[int] = []
        self._label_width = 0
        self._cursor = self._first = 0

    def show(self, titles: Sequence[str], rows: Sequence[TableRow]) -> None:
        """Show lines under signs and names of the trials; under the same names the cursor stays on its line."""
        before = self.row.label if self.row is not None and tuple(titles) == self._titles else None
        self._titles, self._rows = tuple(titles), tuple(rows)
        at = next((at for at, row in enumerate(rows) if row.label == before), 0)
        if not at:
            self._cursor = self._first = 0
            self.scroll_to(y=0, animate=False, force=True)
        self._label_width = min(max((cell_len(row.label) for row in rows), default=0), _LONGEST_LABEL)
        self._measure()
        self.virtual_size = Size(0, len(self._rows) + 1)
        self.refresh()
        self._move(at)

    @property
    def row(self) -> TableRow | None:
        """The line under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    def _measure(self) -> None:
        """Make the columns as wide as their texts, or narrower where there is no room."""
        room, widths = self.size.width - _GUTTER - self._label_width, self._natural()
        if sum(widths) > room:
            widths = [min(width, _CROWDED + 2) for width in widths]
        self._widths = widths

    def _natural(self) -> list[int]:
        """Return the columns' widths where there is room for all."""
        widths = []
        for column, name in enumerate(self._titles):
            values = (cell_len(printable(row.values[column], 80)) for row in self._rows if row.values)
            title = min(cell_len(_title(column, name, 80).lstrip()), _LONGEST_TITLE)
            widths.append(min(max(title, max(values, default=0), _LEAST), _MOST) + 2)
        return widths

    def _shown(self) -> range:
        """Return the columns that there is room for; one is always shown."""
        room, end = self.size.width - _GUTTER - self._label_width, self._first
        while end < len(self._widths) and (room >= self._widths[end] or end == self._first):
            room -= self._widths[end]
            end += 1
        return range(self._first, end)

    def _move(self, to: int) -> None:
        """Put the cursor on a line; headings are passed over."""
        step = 1 if to >= self._cursor else -1
        to = min(max(to, 0), len(self._rows) - 1)
        while 0 <= to < len(self._rows) and not self._rows[to].values:
            to += step
        if 0 <= to < len(self._rows):
            self._cursor = to
        top = self._cursor - 1 if self._cursor and not self._rows[self._cursor - 1].values else self._cursor
        y = min(max(self.scroll_offset.y, self._cursor + 2 - self.size.height), top)
        if y != self.scroll_offset.y:
            self.scroll_to(y=y, animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def action_cursor_up(self) -> None:
        """Go to the line above."""
        self._move(self._cursor - 1)

    def action_cursor_down(self) -> None:
        """Go to the line below."""
        self._move(self._cursor + 1)

    def action_cursor_left(self) -> None:
        """Scroll to the column before."""
        self._first = max(self._first - 1, 0)
        self.refresh()

    def action_cursor_right(self) -> None:
        """Scroll to the next column, as long as there are more on the right."""
        if self._shown().stop < len(self._titles):
            self._first += 1
            self.refresh()

    def action_page_up(self) -> None:
        """Go a page up."""
        self._move(self._cursor - max(self.size.height - 2, 1))

    def action_page_down(self) -> None:
        """Go a page down."""
        self._move(self._cursor + max(self.size.height - 2, 1))

    def action_scroll_home(self) -> None:
        """Go to the first line."""
        self._move(0)

    def action_scroll_end(self) -> None:
        """Go to the last line."""
        self._move(len(self._rows) - 1)

    def on_click(self, event: events.Click) -> None:
        """Go to the clicked line."""
        at = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and at < len(self._rows):
            self._move(at)

    def on_resize(self) -> None:
        """Show the columns that there is room for now."""
        self._first = 0
        self._measure()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw the titles or a line."""
        width, base = self.size.width, self.visual_style.rich_style
        at = y - 1 + self.scroll_offset.y
        if not self._rows or (y > 0 and at >= len(self._rows)):
            return Strip.blank(width, base)
        shown = self._shown()
        if y == 0:
            style = self.get_component_rich_style("compare-table--titles")
            before, after = "◂" if shown.start else "", "▸" if shown.stop < len(self._titles) else ""
            text = fit(before, _GUTTER + self._label_width, right=True)
            text += "".join(" " + _title(at, self._titles[at], self._widths[at] - 2) + " " for at in shown)
            return Strip([Segment(fit(text, width - 1) + (after or " "), style)], width)
        row = self._rows[at]
        if not row.values:
            return Strip(
                [Segment(fit(row.label, width), self.get_component_rich_style("compare-table--heading"))], width
            )
        return self._line(row, shown, at == self._cursor, base)

    def _line(self, row: TableRow, shown: range, is_here: bool, base: Style) -> Strip:
        width = self.size.width
        label = base + self.get_component_rich_style("compare-table--label", partial=True)
        best = base + self.get_component_rich_style("compare-table--best", partial=True)
        if is_here:
            cursor = self.get_component_rich_style("compare-table--cursor", partial=True)
            base, label, best = base + cursor, label + cursor, best + cursor
        segments = [Segment(("▸" if is_here else " ") + fit(row.label, self._label_width), label)]
        for column in shown:
            is_best = column in row.best
            text = " " + fit(row.values[column], self._widths[column] - 2, right=True) + (_BEST if is_best else " ")
            segments.append(Segment(text, best if is_best else base))
        return Strip(segments).adjust_cell_length(width, base)


def _title(column: int, name: str, width: int) -> str:
    """Return a trial's sign and name, cut where there is no room; an id by itself, so that its end is what stays."""
    sign = overlay_sign(column)
    return fit(f"{sign} {fit(name, width - len(sign) - 1).rstrip()}", width, right=True)
