"""The network's size and shape: parameters, FLOPs, memory, and a small drawing."""

from __future__ import annotations

import math

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from core.data.catalog import DataShape
from core.settings import Settings
from core.size import size_of
from tui.words import amount

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_ROWS = 4
_TEXT_COLUMNS = 28


class Network(Widget):
    """Figures on the left; on the right a bar per layer, as high as the logarithm of its width."""

    DEFAULT_CSS = """
    Network { height: 4; width: 1fr; }
    """

    settings: reactive[Settings] = reactive(Settings)
    shape: reactive[DataShape | None] = reactive(None)

    def render(self) -> RenderResult:
        """Return the four lines."""
        if self.shape is None:
            return Content.styled("parameters, FLOPs and memory: once the data is known", "dim")
        size = size_of(self.settings, self.shape)
        texts = (
            ("parameters", f"{size.parameters:,}"),
            ("FLOPs", f"{amount(size.flops)} per image"),
            ("memory", f"{amount(size.memory.total, 'B')} to train"),
            ("images", f"{self.shape.train_images:,} + {self.shape.test_images:,}"),
        )
        widths = [self.shape.image.values, *(layer.width for layer in self.settings.model.hidden), self.shape.classes]
        drawing = draw_network(widths, max(0, self.size.width - _TEXT_COLUMNS - 1))
        lines = []
        for (name, value), row in zip(texts, drawing, strict=True):
            text = Content.assemble((f"{name:<11}", "dim"), value)
            lines.append(Content.assemble(text, " " * max(1, _TEXT_COLUMNS - len(text.plain)), (row, "$primary")))
        return Content("\n").join(lines)

    def on_resize(self) -> None:
        """Draw anew: the bars depend on the room."""
        self.refresh()


def draw_network(widths: list[int], columns: int) -> list[str]:
    """Return four lines with a bar per layer, input first, as high as the logarithm of its width.

    Args:
        widths: Values of the input, neurons of every hidden layer, classes.
        columns: The room; where it is too narrow for all bars, those in the middle share three dots.
    """
    thick, gap = next(
        ((bar, space) for bar, space in ((3, 1), (2, 1), (1, 1), (1, 0)) if len(widths) * (bar + space) <= columns),
        (1, 0),
    )
    if len(widths) > columns:
        room = max(0, columns - 3)
        widths = [*widths[: room - room // 2], 0, 0, 0, *widths[len(widths) - room // 2 :]]
        widths = widths[:columns]
    top = math.log2(max(widths, default=1) + 1)
    heights = [max(1, round(math.log2(width + 1) / top * _ROWS * 8)) if width else 0 for width in widths]
    lines = []
    for row in range(_ROWS):
        floor = (_ROWS - 1 - row) * 8
        marks = [
            "·" if not height and row == _ROWS - 1 else _EIGHTHS[min(8, max(0, height - floor))] for height in heights
        ]
        lines.append((" " * gap).join(mark * thick for mark in marks))
    return lines
