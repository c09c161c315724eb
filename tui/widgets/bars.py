"""Precision, recall and F1 of every class as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.text import printable
from tui.actions import bindings
from tui.widgets.cells import bar, fit

if TYPE_CHECKING:
    from core.evaluation import ClassScore

_LONGEST_NAME = 16
_NUMBER = 6  # cells: "100.0 "
_SCORES = ("recall", "precision", "F1")
_LEAST_BAR = 4
_LONGEST_BAR = 20


class ClassBars(ScrollView):
    """A line per class: its recall as a bar, or all three scores where there is room, the numbers beside the bars."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("scores")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"class-bars--heading", "class-bars--bar"}
    DEFAULT_CSS = """
    ClassBars { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    ClassBars > .class-bars--heading { color: $text-muted; text-style: bold; }
    ClassBars > .class-bars--bar { color: $success; background: $foreground 15%; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty table; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self._scores: tuple[ClassScore, ...] = ()
        self._name_width = 0

    def show(self, scores: Sequence[ClassScore]) -> None:
        """Show the scores of these classes, in this order."""
        self._scores = tuple(scores)
        longest = max((cell_len(printable(score.name, 80)) for score in scores), default=0)
        self._name_width = min(max(longest, len("class")), _LONGEST_NAME)
        self.virtual_size = Size(0, len(self._scores) + 1)
        self.refresh()

    def action_cursor_up(self) -> None:
        """Scroll a line up."""
        self.scroll_relative(y=-1, animate=False)

    def action_cursor_down(self) -> None:
        """Scroll a line down."""
        self.scroll_relative(y=1, animate=False)

    def render_line(self, y: int) -> Strip:
        """Draw the heading or a class."""
        width, base = self.size.width, self.visual_style.rich_style
        at = y - 1 + self.scroll_offset.y
        images = max((len(f"{score.images:,}") for score in self._scores), default=0)
        images = max(images, len("images")) + 1
        room = width - self._name_width - images - 1
        barred = 3 if room >= 3 * (_LEAST_BAR + _NUMBER + 2) else 1
        length = min(max((room - 3 * (_NUMBER + 1)) // barred - 1, 0), _LONGEST_BAR)
        if y == 0:
            heading = self.get_component_rich_style("class-bars--heading")
            text = fit("class", self._name_width) + fit("images", images, right=True) + " "
            for kind, name in enumerate(_SCORES):
                title = f"{name} %" if kind < barred else f"{name[:4]} %"
                text += fit(title, length + 1 + _NUMBER + 1) if kind < barred else fit(title, _NUMBER, right=True) + " "
            return Strip([Segment(fit(text, width), heading)], width)
        if at >= len(self._scores):
            return Strip.blank(width, base)
        score = self._scores[at]
        drawn = self.get_component_rich_style("class-bars--bar")
        segments = [
            Segment(fit(score.name, self._name_width) + fit(f"{score.images:,}", images, right=True) + " ", base)
        ]
        precision, recall, f1 = score.measured
        for kind, value in enumerate((recall, precision, f1)):
            if kind < barred:
                segments += [Segment(bar(value or 0.0, length), drawn), Segment(" ", base)]
            shown = "-" if value is None else f"{100 * value:.1f}"
            segments.append(Segment(fit(shown, _NUMBER, right=kind >= barred) + " ", base))
        return Strip(segments).adjust_cell_length(width, base)
