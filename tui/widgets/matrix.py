"""The confusion matrix: a table of cells with a cursor, whose headings stay in sight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.text import printable
from tui.actions import bindings
from tui.widgets.cells import fit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LONGEST_NAME = 14
_LEAST_CELL = 4  # cells: "99.9"
_LONGEST_CELL = 11
_RIGHT = (0.5, 0.75, 0.9)  # from which part of a class on a cell of the diagonal is shaded more
_WRONG = (0.01, 0.05, 0.15)  # the same beside the diagonal


class Matrix(ScrollView):
    """Images by true class (row) and predicted class (column)."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("matrix")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "matrix--heading", "matrix--here", "matrix--cursor", "matrix--none",
        "matrix--right-0", "matrix--right-1", "matrix--right-2", "matrix--right-3",
        "matrix--wrong-0", "matrix--wrong-1", "matrix--wrong-2", "matrix--wrong-3",
    }  # fmt: skip
    DEFAULT_CSS = """
    Matrix { overflow: auto auto; scrollbar-size: 1 1; }
    Matrix > .matrix--heading { color: $text-muted; }
    Matrix > .matrix--here { color: $accent; text-style: bold; }
    Matrix > .matrix--none { color: $text-disabled; }
    Matrix > .matrix--right-1 { background: $success 20%; }
    Matrix > .matrix--right-2 { background: $success 40%; }
    Matrix > .matrix--right-3 { background: $success 60%; }
    Matrix > .matrix--wrong-1 { background: $error 20%; }
    Matrix > .matrix--wrong-2 { background: $error 40%; }
    Matrix > .matrix--wrong-3 { background: $error 60%; text-style: bold; }
    Matrix:ansi > .matrix--right-1, Matrix:ansi > .matrix--right-2, Matrix:ansi > .matrix--right-3 {
        background: ansi_default; color: $success;
    }
    Matrix:ansi > .matrix--wrong-1, Matrix:ansi > .matrix--wrong-2, Matrix:ansi > .matrix--wrong-3 {
        background: ansi_default; color: $error;
    }
    Matrix > .matrix--cursor { background: $block-cursor-blurred-background; text-style: bold; }
    Matrix:focus > .matrix--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    Matrix:nocolor:focus > .matrix--cursor { text-style: bold reverse; }
    """

    class Moved(Message):
        """The cursor is on another cell."""

    class Opened(Message):
        """The images of a cell are wanted.

        Attributes:
            true: The label of its row.
            predicted: The label of its column.
        """

        def __init__(self, true: int, predicted: int) -> None:
            """Keep the cell."""
            self.true = true
            self.predicted = predicted
            super().__init__()

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty matrix; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self.shares = False
        self.has_images = True  # whether the images of a cell can be asked for
        self.true = self.predicted = 0
        self._counts: NDArray[np.integer[Any]] | None = None
        self._names: tuple[str, ...] = ()
        self._totals: list[int] = []
        self._longest = self._digits = self._name_width = self._cell_width = 0

    def show(self, classes: Sequence[str], counts: NDArray[np.integer[Any]], *, stay: bool = False) -> None:
        """Show the counts of a test set.

        Args:
            classes: The names of the C classes.
            counts: (C, C) images by true class and predicted class; with 1,000 classes they are a million.
            stay: Whether the cursor stays where it is; else it goes to the most frequent confusion.
        """
        if tuple(classes) != self._names:
            self._names = tuple(classes)
            self._longest = max(cell_len(printable(name, 80)) for name in classes)
        self._counts, self._totals = counts, counts.sum(axis=1).tolist()
        self._digits = len(f"{int(counts.max()):,}")
        if not stay:
            wrong = counts.copy()
            wrong.flat[:: len(counts) + 1] = 0  # the diagonal
            self.true, self.predicted = divmod(int(wrong.argmax()), len(counts))
            self.call_after_refresh(self._follow)
        self._measure()
        self.post_message(self.Moved())

    @property
    def described(self) -> str:
        """The cell under the cursor in words."""
        if not self._names:
            return ""
        count, total = self._of(self.true, self.predicted)
        true, predicted = (printable(self._names[label], 40) for label in (self.true, self.predicted))
        if not total:
            return f"{true} has no test images"
        what = "classified rightly" if self.true == self.predicted else f"taken for {predicted}"
        return f"{true} {what}: {count:,} of its {total:,} images, {100 * count / total:.1f} %"

    def on_resize(self) -> None:
        """Make the columns as wide as there is room for."""
        self._measure()
        self._follow()

    def _measure(self) -> None:
        if not self._names:
            return
        self._name_width = min(max(self._longest, 4), _LONGEST_NAME)
        least = max(self._digits, _LEAST_CELL) + 1
        room = (self.container_size.width - self._name_width - 2) // len(self._names)
        self._cell_width = min(max(room, least), max(min(self._longest, _LONGEST_CELL) + 1, least))
        across, down = self._name_width + 1 + len(self._names) * self._cell_width, len(self._names) + 1
        self.virtual_size = Size(across, down)
        self.refresh()

    def _move(self, true: int, predicted: int) -> None:
        last, lines = len(self._names) - 1, {self.true}
        self.true, self.predicted = min(max(true, 0), last), min(max(predicted, 0), last)
        self._follow()  # scrolling draws everything anew; without it a few lines are enough
        for line in (0, *(row + 1 - self.scroll_offset.y for row in lines | {self.true})):
            self.refresh(Region(0, line, self.size.width, 1))
        self.post_message(self.Moved())

    def _follow(self) -> None:
        """Scroll so that the cursor is seen beside the headings."""
        if not self._names:
            return
        rows, columns = self.size.height - 1, self.size.width - self._name_width - 1
        left, right = self.predicted * self._cell_width, (self.predicted + 1) * self._cell_width
        x = min(max(self.scroll_offset.x, right - columns), left)
        y = min(max(self.scroll_offset.y, self.true - rows + 1), self.true)
        if (x, y) != (self.scroll_offset.x, self.scroll_offset.y):
            self.scroll_to(x, y, animate=False, force=True)

    def action_cursor_up(self) -> None:
        """Go to the true class above."""
        self._move(self.true - 1, self.predicted)

    def action_cursor_down(self) -> None:
        """Go to the true class below."""
        self._move(self.true + 1, self.predicted)

    def action_cursor_left(self) -> None:
        """Go to the predicted class to the left."""
        self._move(self.true, self.predicted - 1)

    def action_cursor_right(self) -> None:
        """Go to the predicted class to the right."""
        self._move(self.true, self.predicted + 1)

    def action_page_up(self) -> None:
        """Go a page up."""
        self._move(self.true - max(self.size.height - 2, 1), self.predicted)

    def action_page_down(self) -> None:
        """Go a page down."""
        self._move(self.true + max(self.size.height - 2, 1), self.predicted)

    def action_scroll_home(self) -> None:
        """Go to the first cell."""
        self._move(0, 0)

    def action_scroll_end(self) -> None:
        """Go to the last cell."""
        self._move(len(self._names), len(self._names))

    def action_share(self) -> None:
        """Switch between counts and parts of the true class."""
        self.shares = not self.shares
        self.refresh()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer a cell's images only where there are some to show."""
        return action != "open" or self.has_images

    def action_open(self) -> None:
        """Ask for the images of the cell."""
        if self._names:
            self.post_message(self.Opened(self.true, self.predicted))

    def on_click(self, event: events.Click) -> None:
        """Go to the clicked cell, or open the one that the cursor is on already."""
        across = event.x - self._name_width - 1
        if event.y < 1 or across < 0 or not self._cell_width:
            return
        true, predicted = event.y - 1 + self.scroll_offset.y, (across + self.scroll_offset.x) // self._cell_width
        if true >= len(self._names) or predicted >= len(self._names):
            return
        if (true, predicted) == (self.true, self.predicted):
            self.action_open()
        self._move(true, predicted)

    def render_line(self, y: int) -> Strip:
        """Draw the headings of the columns, or a row."""
        width, base = self.size.width, self.visual_style.rich_style
        true = y - 1 + self.scroll_offset.y
        if not self._names or (y and true >= len(self._names)):
            return Strip.blank(width, base)
        first = self.scroll_offset.x // self._cell_width
        behind = self.scroll_offset.x - first * self._cell_width
        last = min(first + (width + behind) // self._cell_width + 1, len(self._names))
        if y == 0:
            name, named = "", False
            parts = [self._heading(self._names[label], label == self.predicted) for label in range(first, last)]
        else:
            name, named = self._names[true], true == self.true
            parts = [self._cell(true, label) for label in range(first, last)]
        cells = Strip(parts).crop(behind, behind + max(width - self._name_width - 1, 0))
        style = self.get_component_rich_style("matrix--here" if named else "matrix--heading")
        head = Strip([Segment(fit(name, self._name_width), style), Segment(" ", base)])
        return Strip.join([head, cells]).adjust_cell_length(width, base)

    def _heading(self, name: str, is_here: bool) -> Segment:
        style = self.get_component_rich_style("matrix--here" if is_here else "matrix--heading")
        return Segment(" " + fit(name, self._cell_width - 1, right=True), style)

    def _cell(self, true: int, predicted: int) -> Segment:
        count, total = self._of(true, predicted)
        share = count / total if total else 0.0
        text = "·" if not count else _percent(share) if self.shares else f"{count:,}"
        style = self.get_component_rich_style(self._shade(share, true == predicted, count))
        if (true, predicted) == (self.true, self.predicted):
            style += self._cursor_style()
        return Segment(fit(text, self._cell_width, right=True), style)

    def _of(self, true: int, predicted: int) -> tuple[int, int]:
        """Return the images of a cell, and all of its true class."""
        return (0, 0) if self._counts is None else (int(self._counts[true, predicted]), self._totals[true])

    def _cursor_style(self) -> Style:
        return self.get_component_rich_style("matrix--cursor")

    @staticmethod
    def _shade(share: float, right: bool, count: int) -> str:
        if not count:
            return "matrix--none"
        steps = _RIGHT if right else _WRONG
        return f"matrix--{'right' if right else 'wrong'}-{sum(share >= step for step in steps)}"


def _percent(share: float) -> str:
    """Return a part in percent in at most four cells."""
    text = f"{100 * share:.1f}"
    return text if len(text) <= _LEAST_CELL else "100"
