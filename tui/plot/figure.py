"""Draw curves as a grid of characters, by plotext; colours come later, from the theme."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len

from tui.plot.axes import Scale, epoch_ticks, scale_of, value_ticks
from tui.plot.curves import OVERLAY_COLOURS, Curve, thinned

ROLES = ("axis", "train", "test", "validation", "parent", *(f"overlay{i}" for i in range(OVERLAY_COLOURS)))
"""What is coloured alike; plotext gets a role's index as if it were a colour's number."""

DOTS_WIDE, DOTS_HIGH = 2, 4
"""Braille dots in a cell."""

_DASHES = {"dashed": (6, 4), "dotted": (2, 1)}
_STEEP = 4
_LABELLED_WIDTH, _TICKS_WIDTH = 50, 30
_TICKS_ROWS = 6
_SIGN_DISTANCE = 14
_GUTTER_SHARE = 5


@dataclass
class Picture:
    """A grid of characters, with what is needed to draw on it and to read the mouse.

    Attributes:
        characters: Rows of cells, the top row first; "" is the second cell of a wide character.
        roles: What each cell is coloured as, "" for the background.
        left: Columns left of the curves' area.
        columns: Columns of the curves' area.
        rows: Rows of the curves' area, which begins at the top.
        first: The epoch at its left edge.
        last: The epoch at its right edge.
        scale: The vertical axis.
        is_empty: Whether no curve has a point here.
    """

    characters: list[list[str]]
    roles: list[list[str]]
    left: int
    columns: int
    rows: int
    first: int
    last: int
    scale: Scale
    is_empty: bool = False

    def share(self, epoch: float) -> float:
        """Return an epoch's place from 0 at the left edge to 1 at the right one; a lone epoch is in the middle."""
        return (epoch - self.first) / (self.last - self.first) if self.last > self.first else 0.5

    def column(self, epoch: int) -> int:
        """Return the column in which an epoch is drawn."""
        return self.left + math.floor(0.5 + (DOTS_WIDE * self.columns - 1) * self.share(epoch)) // DOTS_WIDE

    def row(self, value: float) -> int | None:
        """Return the row in which a value is drawn, None where it has none."""
        place = self.scale.fraction(value)
        if math.isnan(place):
            return None
        return self.rows - 1 - math.floor(0.5 + (DOTS_HIGH * self.rows - 1) * place) // DOTS_HIGH

    def epoch(self, column: int) -> int:
        """Return the epoch that is drawn closest to a column."""
        share = (column - self.left + 0.5) / self.columns
        return max(self.first, min(self.last, round(self.first + share * (self.last - self.first))))

    def copy(self) -> Picture:
        """Return a picture on which can be drawn without changing this one."""
        characters, roles = [row[:] for row in self.characters], [row[:] for row in self.roles]
        return replace(self, characters=characters, roles=roles)

    def write(self, row: int, column: int, text: str, role: str) -> None:
        """Write text over what is there; what does not fit is left out."""
        for character in text:
            width = cell_len(character)
            if column < 0 or not 0 <= row < len(self.characters) or column + width > len(self.characters[row]):
                return
            cells = [character, ""][:width]
            if column and not self.characters[row][column]:
                self.characters[row][column - 1] = " "  # half of a wide character is none
            self.characters[row][column : column + width] = cells
            self.roles[row][column : column + width] = [role] * width
            column += width

    def is_blank(self, row: int, column: int, width: int) -> bool:
        """Return whether nothing is drawn in some cells of the curves' area."""
        if not (0 <= row < self.rows and self.left <= column and column + width <= len(self.characters[row])):
            return False
        return not any(character.strip() for character in self.characters[row][column : column + width])


def draw(curves: Sequence[Curve], window: tuple[int, int], size: tuple[int, int], log: bool, percent: bool) -> Picture:
    """Draw curves with axes, ticks and labels.

    Args:
        curves: The curves, the most important one last.
        window: First and last epoch of the horizontal axis.
        size: Columns and rows, at least 3 and 2.
        log: Whether the vertical axis is logarithmic.
        percent: Whether the values are percentages.
    """
    width, height = size
    first, last = window
    shown = [(curve, *curve.within(first, last)) for curve in curves]
    scale = scale_of([value for _, _, values in shown for value in values], log, percent) or Scale(0.0, 1.0)
    has_values = any(not math.isnan(scale.fraction(value)) for _, _, values in shown for value in values)
    rows = height - (2 if height >= _TICKS_ROWS else 1)
    y_ticks = value_ticks(scale, rows, percent) if width >= _TICKS_WIDTH and has_values else []
    labels_width = max((len(label) for _, label in y_ticks), default=0)
    gutter = _gutter(curves, width)
    columns = width - gutter - 1 - labels_width
    canvas = Picture([], [], labels_width + 1, columns, rows, first, last, scale, is_empty=not has_values)
    lines = []
    for curve, epochs, values in shown:
        points = thinned(epochs, values, first, last, columns)
        xs = [canvas.share(epoch) for epoch in points[0]]
        lines.append((curve, *_broken(curve, xs, [scale.fraction(value) for value in points[1]], canvas)))
    x_ticks = epoch_ticks(first, last, columns) if height >= _TICKS_ROWS else []
    matrix = _plotted(lines, (width - gutter, height), y_ticks, [(canvas.share(e), str(e)) for e in x_ticks], scale)
    _take(canvas, matrix, gutter)
    if x_ticks:
        canvas.write(height - 1, width - gutter + 1, "epoch"[: max(0, gutter - 1)], "axis")
    for curve, epochs, values in shown:
        _mark(canvas, curve, epochs, values)
    if gutter:
        _label(canvas, shown)
    return canvas


def mark_best(canvas: Picture, curve: Curve, epoch: int) -> None:
    """Mark the best epoch on a curve and write its number where there is room beside."""
    row = canvas.row(curve.at(epoch))
    if row is None or not canvas.first <= epoch <= canvas.last:
        return
    column, label = canvas.column(epoch), f" best {epoch} "
    _make_way(canvas, row, column)
    canvas.write(row, column, "◆", "best")
    if canvas.columns < _LABELLED_WIDTH:
        return
    for distance in (1, 2, 3):
        for side in (1, -1):
            for shift in (len(label) // 2, 0, len(label)):
                if canvas.is_blank(row + side * distance, column - shift, len(label)):
                    canvas.write(row + side * distance, column - shift + 1, label.strip(), "best")
                    return


def _make_way(canvas: Picture, row: int, column: int) -> None:
    """Move a curve's label that stands in a cell behind it, if there is room."""
    characters, role = canvas.characters[row], canvas.roles[row][column]
    start = end = column
    while start > canvas.left and canvas.roles[row][start - 1] == role and _is_text(characters[start - 1]):
        start -= 1
    while end < len(characters) and canvas.roles[row][end] == role and _is_text(characters[end]):
        end += 1
    label = "".join(characters[start:end]).strip()
    if role and len(label) > 1 and column + 2 + cell_len(label) <= len(characters):
        canvas.write(row, start, " " * (end - start), "")
        canvas.write(row, column + 2, label, role)


def _is_text(character: str) -> bool:
    """Return whether a character is none of a curve's dots."""
    return not "\u2800" <= character <= "\u28ff"


def with_crosshair(picture: Picture, curves: Sequence[Curve], epoch: int) -> Picture:
    """Return a picture with a vertical line at an epoch, a dot on each curve there and the epoch's number below."""
    if not picture.first <= epoch <= picture.last:
        return picture
    canvas, column = picture.copy(), picture.column(epoch)
    for row in range(canvas.rows):
        if not canvas.roles[row][column] and canvas.characters[row][column] == " ":
            canvas.write(row, column, "│", "crosshair")
    for curve in curves:
        place = canvas.row(curve.at(epoch))
        if place is not None:
            canvas.write(place, column, curve.sign or "●", curve.role)
    if len(canvas.characters) > canvas.rows + 1:
        label, end = f" {epoch} ", min(len(canvas.characters[0]), canvas.left + canvas.columns + 1)
        canvas.write(canvas.rows + 1, max(0, min(column - len(label) // 2, end - len(label))), label, "cursor")
    return canvas


def _gutter(curves: Sequence[Curve], width: int) -> int:
    """Return how many columns are kept free at the right for the curves' labels."""
    if width < _LABELLED_WIDTH:
        return 0
    longest = max((cell_len(curve.label) for curve in curves), default=0)
    return min(max(longest, len("epoch")) + 1, width // _GUTTER_SHARE)


def _broken(curve: Curve, xs: list[float], ys: list[float], canvas: Picture) -> tuple[list[float], list[float]]:
    """Return a line as dashes or dots, with NaN between them; where it is steep it stays whole, so no peak is lost."""
    if curve.dash == "solid":
        return xs, ys
    period, drawn = _DASHES[curve.dash]
    wide, high = DOTS_WIDE * canvas.columns - 1, DOTS_HIGH * canvas.rows - 1
    result: list[tuple[float, float]] = []
    for (x0, y0), (x1, y1) in zip(zip(xs, ys, strict=True), zip(xs[1:], ys[1:], strict=True), strict=False):
        begin, end = math.floor(0.5 + x0 * wide), math.floor(0.5 + x1 * wide)
        if math.isnan(y0) or math.isnan(y1) or abs(y1 - y0) * high >= _STEEP or begin == end:
            result += [(x0, y0), (x1, y1)]
        else:
            for dot in range(begin, end + 1):
                on = dot % period < drawn
                result.append((dot / wide, y0 + (y1 - y0) * (dot - begin) / (end - begin) if on else math.nan))
        if result[-1][0] != x1:
            result.append((x1, math.nan))
    if len(xs) == 1:
        result = [(xs[0], ys[0])]
    return [x for x, _ in result], [y for _, y in result]


def _plotted(
    lines: Sequence[tuple[Curve, list[float], list[float]]],
    size: tuple[int, int],
    y_ticks: Sequence[tuple[float, str]],
    x_ticks: Sequence[tuple[float, str]],
    scale: Scale,
) -> Any:
    """Return plotext's matrix of the lines in a unit square; its rows begin at the bottom.

    The figure is a new one: the module's own is shared by everybody. plotext's colours are fixed ones of a terminal, so
    it gets the numbers of roles instead, and the matrix is read before it would become text with escape sequences.
    """
    from plotext._figure import _figure_class  # noqa: PLC0415 - takes 0.15 s

    figure = _figure_class()
    figure._limit_size(False, False)
    figure.plot_size(*size)
    axis = ROLES.index("axis")
    figure.canvas_color("default")
    figure.axes_color("default")
    figure.ticks_color(axis)
    figure.xaxes(True, False)
    figure.yaxes(True, False)
    figure.xlim(0, 1)
    figure.ylim(0, 1)
    figure.plot([0.5], [math.nan], marker="braille", color=axis)  # without any line plotext draws no ticks
    for curve, xs, ys in lines:
        if xs:
            figure.plot(xs, ys, marker="braille", color=ROLES.index(curve.role))
    figure.xticks([place for place, _ in x_ticks], [label for _, label in x_ticks])
    figure.yticks([scale.fraction(value) for value, _ in y_ticks], [label for _, label in y_ticks])
    figure.monitor.build_plot()
    return figure.monitor.matrix


def _take(canvas: Picture, matrix: Any, gutter: int) -> None:
    """Take over plotext's characters and roles."""
    for row in range(matrix.rows - 1, -1, -1):
        canvas.characters.append(matrix.marker[row] + [" "] * gutter)
        roles = (ROLES[colour] if isinstance(colour, int) else "" for colour in matrix.fullground[row])
        canvas.roles.append([*roles, *[""] * gutter])


def _mark(canvas: Picture, curve: Curve, epochs: Sequence[int], values: Sequence[float]) -> None:
    """Set another trial's sign on its line every few columns, and a large dot where a curve has a single point."""
    ends = (_first_drawn(canvas, epochs, values), _first_drawn(canvas, epochs[::-1], values[::-1]))
    if ends[0] is None or ends[1] is None:
        return
    begin, end = canvas.column(ends[0][0]), canvas.column(ends[1][0])
    if ends[0] == ends[1]:
        canvas.write(ends[1][1], end, curve.sign or "•", curve.role)
    elif curve.sign:
        shift = min(2 + 3 * (ord(curve.sign) % 5), end - begin)  # not all trials' signs in the same columns
        for column in range(begin + shift, end + 1, _SIGN_DISTANCE):
            epoch = canvas.epoch(column)
            row = canvas.row(curve.at(epoch))
            if row is not None:
                canvas.write(row, canvas.column(epoch), curve.sign, curve.role)


def _label(canvas: Picture, shown: Sequence[tuple[Curve, Sequence[int], Sequence[float]]]) -> None:
    """Write each curve's label behind its last point; those side by side in the same columns are moved apart."""
    ends: list[tuple[int, float, Curve]] = []
    for curve, epochs, values in shown:
        last = _first_drawn(canvas, epochs[::-1], values[::-1])
        if last is not None:
            place = (1 - canvas.scale.fraction(curve.at(last[0]))) * (canvas.rows - 1)
            ends.append((canvas.column(last[0]) + 2, place, curve))
    group: list[tuple[int, float, Curve]] = []
    for end in sorted(ends, key=lambda end: end[0]):
        if group and end[0] > max(column + cell_len(curve.label) for column, _, curve in group):
            _write_labels(canvas, group)
            group = []
        group.append(end)
    _write_labels(canvas, group)


def _write_labels(canvas: Picture, group: Sequence[tuple[int, float, Curve]]) -> None:
    ends = sorted(group, key=lambda end: end[1])[: canvas.rows]
    for row, (column, _, curve) in zip(spread([end[1] for end in ends], canvas.rows), ends, strict=True):
        canvas.write(row, column - 1, f" {curve.label} ", curve.role)  # not run together with another curve


def _first_drawn(canvas: Picture, epochs: Sequence[int], values: Sequence[float]) -> tuple[int, int] | None:
    """Return epoch and row of the first point that has a place."""
    rows = ((epoch, canvas.row(value)) for epoch, value in zip(epochs, values, strict=True))
    return next(((epoch, row) for epoch, row in rows if row is not None), None)


def spread(wanted: Sequence[float], rows: int) -> list[int]:
    """Return a row of its own for each label, close to where it is wanted, in the same order.

    Labels that would overlap form a block around the middle of their wanted rows; blocks that touch are joined.

    Args:
        wanted: Where the labels are wanted, in ascending order; at most `rows` of them.
        rows: How many rows there are.
    """
    blocks: list[tuple[float, int]] = []  # sum of (wanted row - place in the block), number of labels
    for row in wanted:
        blocks.append((row, 1))
        while len(blocks) > 1 and _top(blocks[-2], rows) + blocks[-2][1] > _top(blocks[-1], rows):
            (total, count), (before_total, before_count) = blocks.pop(), blocks.pop()
            blocks.append((before_total + total - before_count * count, before_count + count))
    return [_top(block, rows) + place for block in blocks for place in range(block[1])]


def _top(block: tuple[float, int], rows: int) -> int:
    total, count = block
    return max(0, min(rows - count, round(total / count)))
