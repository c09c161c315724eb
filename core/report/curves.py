"""Curves as SVG, written by hand: few lines, round ticks, labels at the lines' ends, readable without colour."""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.epoch import Epoch
from core.text import printable

WIDTH, HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 70, 34, 32
_LABEL_HEIGHT = 14
_TICKS = 5
_NOT_XML = re.compile("[\ufffe\uffff]")

STYLE = """
.curves { --ink: #222; --soft: #5c5c5c; --rule: #e3e3e3; --paper: #fff;
  --blue: #0072b2; --orange: #b34700; --grey: #6b6b6b; --green: #00785a; }
@media (prefers-color-scheme: dark) { .curves { --ink: #e6e6e6; --soft: #a9a9a9; --rule: #383838; --paper: #161616;
  --blue: #56b4e9; --orange: #f0914a; --grey: #a0a0a0; --green: #2cc295; } }
@media print { .curves { --ink: #222; --soft: #5c5c5c; --rule: #e3e3e3; --paper: #fff;
  --blue: #0072b2; --orange: #b34700; --grey: #6b6b6b; --green: #00785a; } }
.curves text { font: 11px system-ui, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.curves .head { font-weight: 600; fill: var(--ink); }
.curves .grid { stroke: var(--rule); stroke-width: 1; }
.curves .axis { stroke: var(--soft); stroke-width: 1; }
.curves polyline { fill: none; stroke-linejoin: round; stroke-linecap: butt; }
.curves .test { stroke: var(--blue); stroke-width: 2; }
.curves .train { stroke: var(--orange); stroke-width: 1.6; stroke-dasharray: 7 2.5; }
.curves .parent { stroke: var(--grey); stroke-width: 1.4; stroke-dasharray: 3 3; }
.curves .validation { stroke: var(--green); stroke-width: 1.8; stroke-dasharray: 9 2 2 2; }
.curves text.test { fill: var(--blue); } .curves text.train { fill: var(--orange); }
.curves text.parent { fill: var(--grey); } .curves text.validation { fill: var(--green); }
.curves text.test, .curves text.train, .curves text.parent, .curves text.validation { stroke: none; }
.curves circle { fill: var(--paper); stroke: var(--ink); stroke-width: 1.6; }
.curves .best { stroke: var(--ink); stroke-width: .75; }
.curves .mark { fill: var(--ink); }
""".strip()

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        label: What stands at its end.
        kind: How it is drawn: "test", "train", "parent" or "validation".
        points: Epoch and value.
    """

    label: str
    kind: str
    points: Points


def cost_chart(
    history: Sequence[Epoch], best: Epoch, before: Sequence[Epoch] = (), title: str = "", *, alone: bool = False
) -> str:
    """Return train and test cost per epoch, the best epoch marked and the test cost of the trial before dashed.

    Args:
        history: The trial's epochs, at least one.
        best: The best of them.
        before: The epochs of the trial it was changed from, as far as this one goes.
        title: Whose curves they are.
        alone: Whether it is a file of its own, with its own style.
    """
    lines = [_line("test", "test", history, lambda epoch: epoch.test_cost)]
    lines.append(_line("train", "train", history, lambda epoch: epoch.train_cost))
    if best.validation_cost is not None:
        lines.append(_line("validation", "validation", history, lambda epoch: epoch.validation_cost))
    lines += _before_line(history, before, lambda epoch: epoch.test_cost)
    mark = (best.epoch, best.best_cost, f"best: epoch {best.epoch}, {best.best_cost:.3f}")
    return _chart("cost", lines, mark, title, _told("Cost", history, best), alone)


def accuracy_chart(
    history: Sequence[Epoch], best: Epoch, before: Sequence[Epoch] = (), title: str = "", *, alone: bool = False
) -> str:
    """Return the test accuracy per epoch in percent; the arguments are those of `cost_chart`."""
    lines = [_line("test", "test", history, lambda epoch: 100 * epoch.test_accuracy)]
    if best.validation_accuracy is not None:
        lines.append(_line("validation", "validation", history, lambda epoch: _percent(epoch.validation_accuracy)))
    lines += _before_line(history, before, lambda epoch: 100 * epoch.test_accuracy)
    mark = (best.epoch, 100 * best.test_accuracy, f"best: epoch {best.epoch}, {100 * best.test_accuracy:.2f} %")
    return _chart("accuracy, %", lines, mark, title, _told("Accuracy", history, best), alone)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _before_line(
    history: Sequence[Epoch], before: Sequence[Epoch], value: Callable[[Epoch], float | None]
) -> list[Line]:
    shown = [epoch for epoch in before if epoch.epoch <= history[-1].epoch]
    return [_line("before", "parent", shown, value)] if shown else []


def _line(label: str, kind: str, history: Sequence[Epoch], value: Callable[[Epoch], float | None]) -> Line:
    return Line(label, kind, [(epoch.epoch, got) for epoch in history if (got := value(epoch)) is not None])


def _told(what: str, history: Sequence[Epoch], best: Epoch) -> str:
    last = history[-1]
    return (
        f"{what} over {len(history)} epochs. Last epoch {last.epoch}: train cost {last.train_cost:.4f}, test cost "
        f"{last.test_cost:.4f}, test accuracy {100 * last.test_accuracy:.2f} %. Best epoch {best.epoch}: test cost "
        f"{best.test_cost:.4f}, test accuracy {100 * best.test_accuracy:.2f} %."
    )


def _chart(head: str, lines: Sequence[Line], mark: tuple[float, float, str], title: str, told: str, alone: bool) -> str:  # noqa: PLR0913, PLR0917
    shown = [line for line in lines if line.points]
    epochs = [x for line in shown for x, _ in line.points]
    values = [y for line in shown for _, y in line.points]
    first, last = min(epochs), max(epochs)
    ticks = round_ticks(min(values), max(values), _TICKS)
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x_of(epoch: float) -> float:
        return _LEFT + (wide * (epoch - first) / (last - first) if last > first else wide / 2)

    def y_of(value: float) -> float:
        return _TOP + tall * (1 - (value - low) / (high - low))

    parts = [_head(head, title, told, alone), *_axes(ticks, first, last, x_of, y_of)]
    ends = []
    for line in reversed(shown):  # the first line is the one that matters: it lies on top
        points = thinned([(x_of(x), y_of(y)) for x, y in line.points])
        parts.append(f'<polyline class="{line.kind}" points="{_coordinates(points)}"/>')
        ends.append((points[-1], line))
    parts += _end_labels(ends)
    parts += _mark(x_of(mark[0]), y_of(mark[1]), mark[2])
    return "".join(parts) + "</svg>"


def _head(head: str, title: str, told: str, alone: bool) -> str:
    style = f"<style>{STYLE}</style>" if alone else ""
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="var(--paper)"/>' if alone else ""
    size = f'width="{WIDTH}" height="{HEIGHT}" ' if alone else ""
    name = _text(f"{head}: {title}" if title else head)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" {size}role="img">'
        f"<title>{name}</title><desc>{_text(told)}</desc>{style}{paper}"
        f'<text class="head" x="0" y="12">{_text(head)}</text>'
    )


def _axes(
    ticks: Sequence[float], first: float, last: float, x_of: Callable[[float], float], y_of: Callable[[float], float]
) -> list[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for tick in ticks:
        y = _number(y_of(tick))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{_number(y_of(tick) + 4)}" text-anchor="end">{tick_text(tick, ticks)}</text>'
        )
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    for tick in epoch_ticks(int(first), int(last)):
        x = _number(x_of(tick))
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{WIDTH}" y="{bottom + 16}" text-anchor="end">epoch</text>')
    return parts


def _end_labels(ends: Sequence[tuple[tuple[float, float], Line]]) -> list[str]:
    """Return the lines' names at the right, level with their ends, moved apart where they would overlap."""
    places = spread([end[1] for end, _ in ends], _LABEL_HEIGHT, _TOP, HEIGHT - _BOTTOM)
    return [
        f'<text class="{line.kind}" x="{WIDTH - _RIGHT + 8}" y="{_number(y + 4)}">{_text(line.label)}</text>'
        for (end, line), y in zip(ends, places, strict=True)
    ]


def _mark(x: float, y: float, text: str) -> list[str]:
    """Return the best epoch: a ring on its point, and a hairline up to its text, which is above every line."""
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    side, anchor = (x - 4, "end") if x > middle else (x + 4, "start")
    return [
        f'<line class="best" x1="{_number(x)}" x2="{_number(x)}" y1="{_TOP - 14}" y2="{_number(y)}"/>',
        f'<circle cx="{_number(x)}" cy="{_number(y)}" r="3.5"/>',
        f'<text class="mark" x="{_number(side)}" y="{_TOP - 7}" text-anchor="{anchor}">{_text(text)}</text>',
    ]


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about `count` round numbers, 1, 2 or 5 times a power of ten apart, that span from low to high."""
    spread_ = high - low if high > low else abs(high) or 1.0
    raw = spread_ / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(begin, max(end, begin + 1) + 1)]


def epoch_ticks(first: int, last: int) -> list[int]:
    """Return a few round epochs from first to last, the first one among them."""
    if last - first < _TICKS:
        return list(range(first, last + 1))
    step = max(1, round(round_ticks(0, last - first, _TICKS)[1]))
    ticks = [tick for tick in range(0, last + 1, step) if tick > first]
    return [first, *(tick for tick in ticks if tick - first >= step / 2)]


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """Return a tick's number with as many decimals as tell the ticks apart; "1e+06" where it would be long."""
    step = ticks[1] - ticks[0]
    if max(abs(each) for each in ticks) >= 1e5 or step < 1e-4:  # noqa: PLR2004 - more than fits beside the axis
        return f"{tick:.3g}"
    return f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"


def thinned(points: Points) -> Points:
    """Return the points, or where there are more than two a pixel column the lowest and the highest of each column."""
    if len(points) <= 2 * (WIDTH - _LEFT - _RIGHT):
        return points
    columns: dict[int, list[tuple[float, float]]] = {}
    for point in points:
        columns.setdefault(int(point[0]), []).append(point)
    kept: list[tuple[float, float]] = []
    for column in columns.values():
        kept += sorted({min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1])})
    return [*kept, points[-1]]


def spread(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Return the places moved so that neighbours are at least `least` apart, in their order, between low and high."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for before, at in itertools.pairwise(order):
        moved[at] = max(moved[at], moved[before] + least)
    over = moved[order[-1]] - high if order else 0
    if over > 0:
        moved[order[-1]] = high
        for after, at in itertools.pairwise(order[::-1]):
            moved[at] = min(moved[at], moved[after] - least)
    return [max(low, place) for place in moved]


def _coordinates(points: Points) -> str:
    shown = points if len(points) > 1 else [(points[0][0] - 3, points[0][1]), points[0]]  # one point is a short dash
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in shown)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return html.escape(_NOT_XML.sub("?", printable(text)))
