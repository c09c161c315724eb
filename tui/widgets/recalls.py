"""How much of each class is found after an epoch, and by how much that differs from the epoch before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.text import printable
from tui.actions import bindings
from tui.widgets.cells import bar, fit

_LONGEST_NAME, _LEAST_NAME = 16, 4
_NUMBER, _CHANGE = 6, 7  # cells: " 100.0", " +100.0"
_LEAST_BAR, _LONGEST_BAR = 6, 30
_SMALLEST_CHANGE = 0.05  # points; a smaller one would be shown as zero


class Recalls(ScrollView):
    """A line per class: its name and a bar where there is room, the recall in percent, and the change in points."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("scores")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"recalls--heading", "recalls--bar", "recalls--more", "recalls--less"}
    DEFAULT_CSS = """
    Recalls { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    Recalls > .recalls--heading { color: $text-muted; text-style: bold; }
    Recalls > .recalls--bar { color: $success; background: $foreground 15%; }
    Recalls > .recalls--more { color: $text-success; }
    Recalls > .recalls--less { color: $text-error; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty table; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self._names: tuple[str, ...] = ()
        self._now: Sequence[float | None] = ()
        self._before: Sequence[float | None] = ()
        self._longest = 0

    def show(self, names: Sequence[str], now: Sequence[float | None], before: Sequence[float | None]) -> None:
        """Show recalls.

        Args:
            names: The classes.
            now: By class the part of its images that is found, as a fraction; None for a class without images.
            before: The same an epoch before; () where there is none.
        """
        if tuple(names) != self._names:
            self._names = tuple(names)
            self._longest = max(cell_len(printable(name, 80)) for name in names)
            self.virtual_size = Size(0, len(names) + 1)
        self._now, self._before = now, before
        self.refresh()

    def action_cursor_up(self) -> None:
        """Scroll a line up."""
        self.scroll_relative(y=-1, animate=False)

    def action_cursor_down(self) -> None:
        """Scroll a line down."""
        self.scroll_relative(y=1, animate=False)

    def render_line(self, y: int) -> Strip:
        """Draw the heading or a class."""
        width, base, at = self.size.width, self.visual_style.rich_style, y - 1 + self.scroll_offset.y
        room = width - _NUMBER - _CHANGE
        name = min(self._longest, _LONGEST_NAME, room)
        name = name if name >= min(_LEAST_NAME, self._longest) else 0  # the matrix beside has the names too
        length = min(room - name - 1, _LONGEST_BAR) if room - name - 1 >= _LEAST_BAR else 0
        left = name + (length + 1 if length else 0)
        if y == 0:
            heading = self.get_component_rich_style("recalls--heading")
            title = "recall %" if left + _NUMBER >= len("recall %") else "recall"
            text = fit(title, left + _NUMBER, right=True) + fit("change", _CHANGE, right=True)
            return Strip([Segment(fit(text, width), heading)], width)
        if at >= len(self._names):
            return Strip.blank(width, base)
        segments = [Segment(fit(self._names[at], name), base)] if name else []
        now, change = self._now[at], self._change(at)
        if length:
            drawn = self.get_component_rich_style("recalls--bar")
            segments += [Segment(" ", base), Segment(bar(now or 0.0, length), drawn)]
        segments.append(Segment(fit("-" if now is None else f"{100 * now:.1f}", _NUMBER, right=True), base))
        if abs(change) < _SMALLEST_CHANGE:
            segments.append(Segment(fit("·", _CHANGE, right=True), base))
        else:
            style = self.get_component_rich_style("recalls--more" if change > 0 else "recalls--less", partial=True)
            segments.append(Segment(fit(f"{change:+.1f}", _CHANGE, right=True), base + style))
        return Strip(segments).adjust_cell_length(width, base)

    def _change(self, at: int) -> float:
        """Return by how many points a class's recall has changed."""
        now, before = self._now[at], self._before[at] if self._before else None
        return 0.0 if now is None or before is None else 100 * (now - before)
