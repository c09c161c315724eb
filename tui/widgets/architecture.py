"""The network as a table: a row per layer, a column per setting of a layer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import RenderResult
from textual.binding import BindingType
from textual.content import Content
from textual.reactive import reactive

from core.data.catalog import DataShape
from core.settings import HiddenLayer, SettingField
from core.text import printable
from tui.actions import bindings
from tui.draft import WIDTHS, Draft, with_layers
from tui.safe import cut, safe
from tui.widgets.form import Cell, Form

_COLUMNS = (("width", 8), ("batch_norm", 5), ("activation", 11), ("dropout", 7), ("l2", 3))
_HEADINGS = {"width": "width", "batch_norm": "norm", "activation": "activation", "dropout": "dropout", "l2": "L2"}
_NUMBER_COLUMNS = 7
_GAP = 1
OUTPUT_L2 = "model.output.l2"
_FIRST_LAYER = HiddenLayer(width=128, dropout=0.2)


class ArchitectureTable(Form):
    """A row for the input, one per hidden layer and one for the output; the hidden ones can be added and moved."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("architecture")]

    shape: reactive[DataShape | None] = reactive(None)

    def lay_out(self) -> list[Cell]:
        """Return where the fields are: heading and input come first, the output last."""
        cells = []
        layers = len(self.draft.settings.model.hidden)
        for number in range(1, layers + 1):
            x = _NUMBER_COLUMNS
            for name, width in _COLUMNS:
                cells.append(Cell(f"model.hidden.{number}.{name}", x, number + 1, width))
                x += width + _GAP
        cells.append(Cell(OUTPUT_L2, cells[4].x if cells else _l2_column(), layers + 2, _COLUMNS[-1][1]))
        return cells

    @property
    def layer_number(self) -> int | None:
        """The number of the hidden layer under the cursor, from 1; None at the output."""
        cell = self.current
        return None if cell is None or cell.path == OUTPUT_L2 else int(cell.path.split(".")[2])

    def action_add(self) -> None:
        """Add a hidden layer below the one under the cursor, with the same settings, and ask for its width."""
        layers = self.draft.settings.model.hidden
        after = self.layer_number or len(layers)
        self._insert(after, layers[after - 1] if layers else _FIRST_LAYER)
        self.cursor = f"model.hidden.{after + 1}.width"
        cell = self.current
        if cell is not None:
            self.type_into(cell)

    def action_duplicate(self) -> None:
        """Put a copy of the hidden layer below it."""
        if self.layer_number is not None:
            self._insert(self.layer_number, self.draft.settings.model.hidden[self.layer_number - 1])

    def action_remove(self) -> None:
        """Remove the hidden layer under the cursor."""
        at = self.layer_number
        if at is None:
            return
        layers = self.draft.settings.model.hidden
        numbers: list[int | None] = [number for number in range(1, len(layers) + 1) if number != at]
        draft = with_layers(self.draft, layers[: at - 1] + layers[at:], numbers)
        self._go_to(draft, min(at, len(layers) - 1))

    def action_move_up(self) -> None:
        """Let the hidden layer change places with the one above."""
        self._move(-1)

    def action_move_down(self) -> None:
        """Let the hidden layer change places with the one below."""
        self._move(1)

    def action_widths(self) -> None:
        """Open all widths as one line for typing."""
        self.type_into(Cell(WIDTHS, 0, 0, max(20, self.size.width - 4)))

    def _insert(self, after: int, layer: HiddenLayer) -> None:
        layers = self.draft.settings.model.hidden
        numbers: list[int | None] = [*range(1, after + 1), None, *range(after + 1, len(layers) + 1)]
        self._go_to(with_layers(self.draft, (*layers[:after], layer, *layers[after:]), numbers), after + 1)

    def _move(self, by: int) -> None:
        at = self.layer_number
        layers = list(self.draft.settings.model.hidden)
        if at is None or not 1 <= at + by <= len(layers):
            return
        numbers: list[int | None] = list(range(1, len(layers) + 1))
        here, there = at - 1, at - 1 + by
        layers[here], layers[there] = layers[there], layers[here]
        numbers[here], numbers[there] = numbers[there], numbers[here]
        self._go_to(with_layers(self.draft, tuple(layers), numbers), at + by)

    def _go_to(self, draft: Draft, layer: int) -> None:
        name = self.cursor.rpartition(".")[2] if self.layer_number is not None else "width"
        self.edit(draft, "")
        self.cursor = f"model.hidden.{layer}.{name}" if layer else OUTPUT_L2

    def render(self) -> RenderResult:
        """Return all lines."""
        widths = self.draft.wrong.get(WIDTHS)
        lines = [self._heading() if widths is None else safe(f"✗ {widths.text}: {widths.reason}", "$text-error")]
        lines.append(self._input_line())
        old, added = self.draft.old_values, self.draft.added_layers
        numbers = range(1, len(self.draft.settings.model.hidden) + 1)
        lines += [self._layer_line(number, old, number in added) for number in numbers]
        lines.append(self._output_line(old))
        return Content("\n").join(lines)

    def _heading(self) -> Content:
        names = " ".join(f"{_HEADINGS[name]:<{width}}" for name, width in _COLUMNS)
        return Content.styled(f"{'layer':<{_NUMBER_COLUMNS}}{names}".rstrip(), "bold $primary")

    def _input_line(self) -> Content:
        what = f"{self.shape.image.values:,}  {self.shape.image}" if self.shape else "not known yet"
        return Content.styled(f"{'input':<{_NUMBER_COLUMNS}} {what}", "dim")

    def _layer_line(self, number: int, old: dict[str, str], is_new: bool) -> Content:
        parts = [
            Content.styled(
                f"{'+' if is_new else ' '}{number:<{_NUMBER_COLUMNS - 1}}", "" if not is_new else "$text-success"
            )
        ]
        was = []
        for name, width in _COLUMNS:
            path = f"model.hidden.{number}.{name}"
            parts += [self._cell(path, width, path in old), Content(" " * _GAP)]
            if path in old:
                was.append(old[path] if name not in ("batch_norm", "l2") else f"{_HEADINGS[name]} {old[path]}")
        if is_new:
            was = ["new"]
        used = _NUMBER_COLUMNS + sum(width + _GAP for _, width in _COLUMNS)
        room = self.size.width - used
        if was and room > 3:  # noqa: PLR2004 - fewer columns tell nothing
            text = "new" if is_new else f"was {', '.join(was)}"
            parts.append(safe(text if len(text) <= room else cut(f"<{' '.join(was)}", room), "dim"))
        return Content("").join(parts)

    def _output_line(self, old: dict[str, str]) -> Content:
        what = f" {self.shape.classes:,}  classes" if self.shape else " classes"
        before = f"{'output':<{_NUMBER_COLUMNS}}{what}"
        cell = self._cell(OUTPUT_L2, _COLUMNS[-1][1], OUTPUT_L2 in old)
        return Content.assemble((f"{before:<{_l2_column()}}", "dim"), cell)

    def _cell(self, path: str, width: int, is_changed: bool) -> Content:
        wrong = path in self.draft.wrong
        text = self.draft.text_of(path)
        if self._field(path).kind is bool:
            text = f"{'■' if text == 'on' else '□'} {text}" if width > len("■ off") else "■" if text == "on" else "□"
        mark = "✗" if wrong else "*" if is_changed else ""
        here = self.current
        if here is not None and here.path == path:
            style = self.cursor_style
        else:
            style = "$text-error" if wrong else "$text-warning" if is_changed else ""
        return Content.styled(f"{printable(' ' + text, width - len(mark)) + mark:<{width}}", style)

    def _field(self, path: str) -> SettingField:
        row = self.field(path)
        assert row is not None  # noqa: S101 - the columns are fields of a layer
        return row

    def on_resize(self) -> None:
        """Draw anew what was cut to the width."""
        self.refresh()


def _l2_column() -> int:
    return _NUMBER_COLUMNS + sum(width + _GAP for _, width in _COLUMNS[:-1])
