"""The classes of a data set with their images counted: numbers, and a small bar beside each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from core.text import printable
from tui.widgets.cells import fit
from tui.widgets.data_lines import Lines

if TYPE_CHECKING:
    from core.data.preview import ClassCounts

_COUNT = 9  # cells: "1,234,567"
_LONGEST_NAME = 40  # cells
_NAME_SHARE = 3  # the names take at most one part in so many
_LONGEST_BAR = 24  # cells


class ClassLines(Lines):
    """A line per class: its name, its training images and its test images."""

    def show(self, counts: ClassCounts) -> None:
        """Show these classes.

        Args:
            counts: The classes; the longest bars are those of the largest class in training and in test set.
        """
        longest = min(max(cell_len(printable(name, 80)) for name in counts.classes), _LONGEST_NAME)
        most = (max(counts.train), max(counts.test))

        def layout(width: int) -> tuple[int, int]:
            name = min(max(longest, len("class")), width // _NAME_SHARE)
            return name, min((width - name) // 2 - _COUNT - 2, _LONGEST_BAR)

        def heading(width: int) -> str:
            name, room = layout(width)
            train, test = (fit(fit(part, _COUNT, right=True), _COUNT + 2 + room) for part in ("train", "test"))
            return fit("class", name) + train + test

        def draw(at: int, width: int) -> str:
            name, room = layout(width)
            parts = [fit(counts.classes[at], name)]
            for count, largest in zip((counts.train[at], counts.test[at]), most, strict=True):
                line = "━" * round(room * count / largest) if largest else ""
                parts += [fit(f"{count:,}", _COUNT, right=True), " ", fit(line, room), " "]
            return "".join(parts)

        self.fill(len(counts.classes), draw, heading)
        self.scroll_home(animate=False)
