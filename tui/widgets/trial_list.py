"""A list for thousands of lines: drawn line by line, sorted by a column, filtered as one types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.actions import bindings
from tui.widgets.cells import fit
from tui.widgets.tree import as_tree

_GAP = 2  # cells between columns
_GUTTER = 2  # cells for the marks of the cursor and of chosen lines

_TITLE = 10  # cells that the branches of a tree leave to what stands at their ends

SortValue = float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list.

    Attributes:
        title: Its heading.
        width: Its cells; for the flexible column the fewest.
        rank: Its importance: in a narrow terminal, columns of low rank are left out first.
        right: Whether its texts stand at the right end.
        descending: Whether sorting by it begins with the largest value.
        flexible: Its share of the cells that are left over; the first column that has one shows a tree's branches.
    """

    title: str
    width: int
    rank: int
    right: bool = False
    descending: bool = False
    flexible: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list.

    Attributes:
        key: What it stands for, unique.
        cells: A text per column; foreign text is made harmless when it is drawn.
        sort: A value per column that sorting compares, of one type within a column; None comes last.
        search: All that a filter looks at, in lower case.
        muted: Whether it is shown as less important.
        parent: The key of the line that it stands below in the order of a tree; None: of none.
    """

    key: str
    cells: tuple[str, ...]
    sort: tuple[SortValue, ...]
    search: str
    muted: bool = False
    parent: str | None = None


class TrialList(ScrollView):
    """Lines under a heading, with a cursor, and with marks where several can be chosen.

    Attributes:
        shown: The lines that pass the filter, in their order.
        chosen: The keys of the chosen lines, where several can be chosen.
        by_parent: Whether every line stands below its parent; lines with the same parent are sorted by the column.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("list")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "trial-list--heading", "trial-list--sorted", "trial-list--cursor", "trial-list--muted"
    }  # fmt: skip
    DEFAULT_CSS = """
    TrialList { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; background: $surface; }
    TrialList > .trial-list--heading { background: $panel; color: $foreground; text-style: bold; }
    TrialList > .trial-list--sorted { background: $panel; color: $accent; text-style: bold; }
    TrialList > .trial-list--cursor {
        background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;
    }
    TrialList:focus > .trial-list--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    TrialList > .trial-list--muted { color: $text-muted; }
    TrialList:nocolor:focus > .trial-list--cursor { text-style: bold reverse; }
    """

    class Moved(Message):
        """The cursor is on another line.

        Attributes:
            list: The list.
            row: The line; None where the list is empty.
        """

        def __init__(self, list: TrialList, row: Row | None) -> None:  # noqa: A002 - what it is
            """Keep the list and the line."""
            self.list = list
            self.row = row
            super().__init__()

    class Opened(Message):
        """A line was clicked that the cursor was on already; the screen's key for opening does the same.

        Attributes:
            list: The list.
            row: The line.
        """

        def __init__(self, list: TrialList, row: Row) -> None:  # noqa: A002 - what it is
            """Keep the list and the line."""
            self.list = list
            self.row = row
            super().__init__()

    class Marked(Message):
        """A line was chosen, or taken out again."""

    class Sorted(Message):
        """The order was changed by a click on a heading."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str,
        several: bool = False,
        sort_by: int = 0,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """Make an empty list.

        Args:
            columns: Its columns, from left to right.
            empty: What it says where no line is shown.
            several: Whether several lines can be chosen with a key.
            sort_by: The column that it is sorted by at first.
            id: Its name in the style sheet.
        """
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.sort_by = self._usual = sort_by
        self.reverse = False
        self.several = several
        self.empty = empty
        self.shown: list[Row] = []
        self.chosen: set[str] = set()
        self._rows: list[Row] = []
        self._words: list[str] = []
        self.by_parent = False
        self._cursor = 0
        self._wanted: str | None = None  # the line that was last gone to: a filter may leave it out for a while
        self._depths: dict[str, int] = {}
        self._needs = [0] * len(self.columns)  # the characters of every column's longest text

    @property
    def row(self) -> Row | None:
        """The line that the cursor is on; None where the list is empty."""
        return self.shown[self._cursor] if self.shown else None

    @property
    def rows(self) -> list[Row]:
        """All lines, also those that the filter leaves out."""
        return self._rows

    def set_rows(self, rows: Iterable[Row], cursor: str | None = None) -> None:
        """Show other lines.

        Args:
            rows: The lines.
            cursor: The key of the line for the cursor; None: the line that it is on now, if that is still there.
        """
        self._rows = list(rows)
        self.chosen &= {row.key for row in self._rows}
        headings = [(f"{column.title} ▼" for column in self.columns)]
        texts = zip(*headings, *(row.cells for row in self._rows), strict=True)
        self._needs = [max(map(len, column)) for column in texts]
        self._wanted = cursor or self._wanted
        self._arrange()

    def filter_by(self, text: str) -> None:
        """Show only the lines that contain every word of the text."""
        self._words = text.lower().split()
        self._arrange()

    def sort(self, column: int, reverse: bool = False) -> None:
        """Sort by a column, in its usual direction or in the other one."""
        self.sort_by, self.reverse = column, reverse
        self._arrange()

    def show_tree(self, by_parent: bool) -> None:
        """Show every line below its parent, or all in one order."""
        self.by_parent = by_parent
        self._arrange()

    def go_to(self, key: str) -> None:
        """Put the cursor on a line; if it is not shown now, as soon as it is, unless the cursor has been moved."""
        self._wanted = key
        at = next((at for at, row in enumerate(self.shown) if row.key == key), None)
        if at is not None:
            self._move(at)

    def _arrange(self) -> None:
        if self._wanted is None and self.row is not None:  # nobody has moved the cursor, but it is on a line
            self._wanted = self.row.key
        found = [row for row in self._rows if all(word in row.search for word in self._words)]
        descending = self.columns[self.sort_by].descending is not self.reverse
        known = [row for row in found if row.sort[self.sort_by] is not None]
        known.sort(key=lambda row: row.sort[self.sort_by], reverse=descending)  # type: ignore[arg-type,return-value]
        self.shown = known + [row for row in found if row.sort[self.sort_by] is None]
        self._depths = {}
        if self.by_parent:
            branches = as_tree(self.shown, self._rows)
            self.shown = [row for row, _ in branches]
            self._depths = {row.key: depth for row, depth in branches}
        self.virtual_size = Size(0, len(self.shown) + 1)
        at = next((at for at, row in enumerate(self.shown) if row.key == self._wanted), None)
        self._cursor = min(self._cursor, max(len(self.shown) - 1, 0)) if at is None else at
        self._follow()
        self.refresh()
        self.post_message(self.Moved(self, self.row))

    def _move(self, to: int) -> None:
        if self.shown:
            before, self._cursor = self._cursor, min(max(to, 0), len(self.shown) - 1)
            self._wanted = self.shown[self._cursor].key
            self._follow()  # scrolling draws everything anew; without it two lines are enough
            for at in (before, self._cursor):
                self.refresh(Region(0, at + 1 - self.scroll_offset.y, self.size.width, 1))
            self.post_message(self.Moved(self, self.row))

    def _follow(self) -> None:
        """Scroll so that the cursor is seen; the first line belongs to the heading."""
        lines = max(self.size.height - 1, 1)
        top = min(max(self.scroll_offset.y, self._cursor - lines + 1), self._cursor)
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._follow()

    def action_cursor_up(self) -> None:
        """Go to the line above."""
        self._move(self._cursor - 1)

    def action_cursor_down(self) -> None:
        """Go to the line below."""
        self._move(self._cursor + 1)

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
        self._move(len(self.shown) - 1)

    def action_mark(self) -> None:
        """Choose the line, or take it out again, and go on to the next one."""
        if self.row is not None:
            self.chosen ^= {self.row.key}
            self.post_message(self.Marked())
            self._move(self._cursor + 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer the key for choosing only where several lines can be chosen."""
        return action != "mark" or self.several

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the clicked line, open the line that it is on, or sort by the clicked heading."""
        if event.y == 0:
            self._sort_by_click(event.x)
            return
        at = event.y - 1 + self.scroll_offset.y
        if at >= len(self.shown):
            return
        if at == self._cursor:
            self.post_message(self.Opened(self, self.shown[at]))
        self._move(at)

    def _sort_by_click(self, x: int) -> None:
        left = _GUTTER
        for at, width in self._widths():
            if left <= x < left + width + _GAP:
                self.sort(at, at == self.sort_by and not self.reverse)
                self.post_message(self.Sorted())
                return
            left += width + _GAP

    def _widths(self) -> list[tuple[int, int]]:
        """Return the columns that there is room for, from left to right, and their cells."""
        # the column that the list is sorted by is always there, but for the usual one
        pinned = self.sort_by if self.sort_by != self._usual or self.reverse else None
        ranked = sorted(range(len(self.columns)), key=lambda at: (at != pinned, -self.columns[at].rank))
        left = self.size.width - _GUTTER + _GAP
        if self.show_vertical_scrollbar:  # which covers the end of the line
            left -= self.scrollbar_size_vertical
        kept = []
        for at in ranked:
            if self.columns[at].width + _GAP <= left:
                left -= self.columns[at].width + _GAP
                kept.append(at)
        shares = sum(self.columns[at].flexible for at in kept)
        widths = {}
        for at in sorted(kept):
            more = max(left, 0) * self.columns[at].flexible // shares if self.columns[at].flexible else 0
            left, shares = left - more, shares - self.columns[at].flexible
            widths[at] = self.columns[at].width + more
        self._lend(widths)
        return list(widths.items())

    def _lend(self, widths: dict[int, int]) -> None:
        """Give cells that no text of a column needs to columns, from left to right, whose texts need more."""
        texts = [at for at in widths if not self.columns[at].right]
        needs = {at: self._needs[at] for at in texts}
        if self._depths:
            needs[texts[0]] += 2 * max(self._depths.values())
        for at in texts:
            for other in reversed(texts):
                more = min(needs[at] - widths[at], widths[other] - needs[other])
                if more > 0:
                    widths[at], widths[other] = widths[at] + more, widths[other] - more

    def render_line(self, y: int) -> Strip:
        """Draw the heading or a line."""
        width = self.size.width
        if y == 0:
            return self._heading(width)
        base = self.visual_style.rich_style
        at = y - 1 + self.scroll_offset.y
        if at >= len(self.shown):
            text = self.empty if not self.shown and y == 2 else ""  # noqa: PLR2004 - a line below the heading
            muted = self.get_component_rich_style("trial-list--muted")
            return Strip([Segment(fit(f"  {text}", width), muted if text else base)], width)
        row = self.shown[at]
        if at == self._cursor:
            base = self.get_component_rich_style("trial-list--cursor")
        elif row.muted:
            base = self.get_component_rich_style("trial-list--muted")
        marks = ("▸" if at == self._cursor else " ") + ("●" if row.key in self.chosen else " ")
        parts = [self._cell(row, column, cells) for column, cells in self._widths()]
        return Strip([Segment(fit(marks + (" " * _GAP).join(parts), width), base)], width)

    def _cell(self, row: Row, column: int, cells: int) -> str:
        depth = self._depths.get(row.key, 0)
        if depth and column == next(at for at, each in enumerate(self.columns) if each.flexible):
            branch = "  " * min(depth - 1, (cells - _TITLE) // 2) + "└ "
            return branch + fit(row.cells[column], cells - len(branch))
        return fit(row.cells[column], cells, right=self.columns[column].right)

    def _heading(self, width: int) -> Strip:
        plain, chosen = (self.get_component_rich_style(f"trial-list--{name}") for name in ("heading", "sorted"))
        segments = [Segment(" " * _GUTTER, plain)]
        for at, cells in self._widths():
            column = self.columns[at]
            if at != self.sort_by:
                segments.append(Segment(fit(column.title, cells, right=column.right) + " " * _GAP, plain))
                continue
            arrow = "▼" if column.descending is not self.reverse else "▲"
            # the arrow of a column whose texts stand at its right end takes the gap beside it
            title = fit(column.title, cells, right=True) if column.right else fit(f"{column.title} {arrow}", cells)
            segments.append(Segment(title + (arrow if column.right else ""), chosen))
            segments.append(Segment(" " * (_GAP - column.right), plain))
        return Strip(segments).adjust_cell_length(width, plain)
