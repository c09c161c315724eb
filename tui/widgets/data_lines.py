"""Lists of one-line texts that are drawn only where they are seen: a thousand classes or folders cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.actions import bindings
from tui.widgets.cells import fit

Draw = Callable[[int, int], str]
"""Returns line number `n` of a list in so many cells; it has made foreign text harmless."""


class Lines(ScrollView, can_focus=True):
    """Lines that can be scrolled, below a heading that cannot."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lines--heading", "lines--cursor"}
    DEFAULT_CSS = """
    Lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; background: $surface; color: $foreground; }
    Lines > .lines--heading { text-style: bold; color: $text-muted; }
    Lines > .lines--cursor {
        background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;
    }
    Lines:focus > .lines--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    Lines:nocolor:focus > .lines--cursor { text-style: bold reverse; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty list."""
        super().__init__(id=id)
        self.count = 0
        self._draw: Draw = _nothing
        self._heading: Callable[[int], str] | None = None

    @property
    def _top(self) -> int:
        """Lines above the first that scrolls."""
        return 0 if self._heading is None else 1

    def fill(self, count: int, draw: Draw, heading: Callable[[int], str] | None = None) -> None:
        """Show other lines.

        Args:
            count: How many there are.
            draw: Returns one of them.
            heading: Returns the heading, in so many cells; None: there is no heading.
        """
        self.count, self._draw, self._heading = count, draw, heading
        self.virtual_size = Size(0, count + self._top)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        width = self.scrollable_content_region.width
        if y < self._top and self._heading is not None:
            return self._strip(self._heading(width), width, "lines--heading")
        at = y - self._top + self.scroll_offset.y
        return self._strip(self._draw(at, width) if at < self.count else "", width, self._part_of(at))

    def _part_of(self, at: int) -> str:  # noqa: ARG002 - subclasses tell lines apart
        """Return the component class of a line, or "" where the widget's own style will do."""
        return ""

    def _strip(self, text: str, width: int, part: str) -> Strip:
        style = self.get_component_rich_style(part) if part else self.rich_style
        return Strip([Segment(fit(text, width), style)], width)


class PickList(Lines, inherit_bindings=False):
    """Lines with a cursor.

    Attributes:
        cursor: The number of the line that is selected.
    """

    cursor: reactive[int] = reactive(0, repaint=True)

    class Moved(Message):
        """Another line is selected, or the same one has another content."""

    class Picked(Message):
        """The selected line was clicked once more."""

    def fill(
        self, count: int, draw: Draw, heading: Callable[[int], str] | None = None, cursor: int | None = None
    ) -> None:
        """Show other lines, with the cursor where it is, or on the line that is given."""
        super().fill(count, draw, heading)
        self.set_reactive(PickList.cursor, self.validate_cursor(self.cursor if cursor is None else cursor))
        self.call_after_refresh(self._follow)
        self.post_message(self.Moved())

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a line that there is."""
        return min(max(cursor, 0), max(self.count - 1, 0))

    def watch_cursor(self) -> None:
        """Keep the cursor in sight, and tell."""
        self._follow()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._follow()

    def on_click(self, event: events.Click) -> None:
        """Select the clicked line; pick it if it is selected already."""
        offset = event.get_content_offset(self)
        at = -1 if offset is None else offset.y - self._top + self.scroll_offset.y
        if at < 0 or offset is None or offset.y < self._top or at >= self.count:
            return
        if at == self.cursor:
            self.post_message(self.Picked())
        self.cursor = at

    def action_cursor_up(self) -> None:
        """Go to the line above."""
        self.cursor -= 1

    def action_cursor_down(self) -> None:
        """Go to the line below."""
        self.cursor += 1

    def action_page_up(self) -> None:
        """Go a page up."""
        self.cursor -= self._page

    def action_page_down(self) -> None:
        """Go a page down."""
        self.cursor += self._page

    def action_scroll_home(self) -> None:
        """Go to the first line."""
        self.cursor = 0

    def action_scroll_end(self) -> None:
        """Go to the last line."""
        self.cursor = self.count - 1

    @property
    def _page(self) -> int:
        return max(self.scrollable_content_region.height - self._top - 1, 1)

    def _part_of(self, at: int) -> str:
        return "lines--cursor" if at == self.cursor and self.count else ""

    def _follow(self) -> None:
        height = max(self.scrollable_content_region.height - self._top, 1)
        top = min(max(self.scroll_offset.y, self.cursor - height + 1), self.cursor)
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True)


def some_bindings(scope: str, actions: Sequence[str]) -> list[BindingType]:
    """Return those bindings of a scope that a list itself answers; the screen answers the others."""
    return [binding for binding in bindings(scope) if binding.action in actions]


def _nothing(_at: int, _width: int) -> str:
    return ""
