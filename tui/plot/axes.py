"""Where values lie on an axis, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from tui.plot.curves import is_drawable

_MARGIN = 0.04
_SMALLEST_SPAN = 1e-12
_SMALLEST_SHARE = 1e-9
_HUNDRED = 100.0
_LARGE, _SMALL = 1e5, 1e-4
_FEW = 3
_MOST_DIGITS = 7
_LAST_DECADE = 307.0
_SMALLEST = 1e-300
"""A smaller figure counts as zero on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A vertical axis.

    Attributes:
        low: The value at its bottom, or that value's decimal logarithm where `log`.
        high: The value at its top, in the same way.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    log: bool = False

    def fraction(self, value: float) -> float:
        """Return a value's place from 0 at the bottom to 1 at the top; NaN where it has none."""
        if not is_drawable(value) or (self.log and value < _SMALLEST):
            return math.nan
        place = math.log10(value) if self.log else value
        return min(1.0, max(0.0, (place - self.low) / (self.high - self.low)))


def scale_of(values: Iterable[float], log: bool, percent: bool) -> Scale | None:
    """Return an axis that shows all the values with a little space around; None if none of them has a place.

    Args:
        values: What is drawn.
        log: Whether the axis is logarithmic, which has no place for zero and less.
        percent: Whether the values are percentages, so that the axis ends at 0 and 100.
    """
    places = [
        math.log10(value) if log else value
        for value in values
        if is_drawable(value) and (not log or value >= _SMALLEST)
    ]
    if not places:
        return None
    low, high = min(places), max(places)
    if high - low < max(_SMALLEST_SPAN, _SMALLEST_SHARE * max(abs(low), abs(high))):
        margin = max(abs(low) * 0.1, _SMALLEST_SPAN) if low and not log else 0.5
    else:
        margin = (high - low) * _MARGIN
    floor = 0.0 if low >= 0 and not log else -math.inf
    floor, ceiling = (-_LAST_DECADE, _LAST_DECADE) if log else (floor, math.inf)
    if percent and high <= _HUNDRED:
        ceiling = _HUNDRED
    return Scale(max(low - margin, floor), min(high + margin, ceiling), log)


def value_ticks(scale: Scale, rows: int, percent: bool) -> list[tuple[float, str]]:
    """Return the values to write beside a vertical axis and what is written: few, round, and no two on one row.

    Args:
        scale: The axis.
        rows: Its length.
        percent: Whether a value is a percentage.
    """
    most = max(2, min(8, rows * 2 // 5))
    values = _decades(scale, most) if scale.log else []
    labels = [f"{value:g}" for value in values]
    if len(values) < _FEW:
        low, high = (10**scale.low, 10**scale.high) if scale.log else (scale.low, scale.high)
        values = _round_values(low, high, most)
        labels = _labels(values)
    unit = " %" if percent else ""
    taken: set[int] = set()
    ticks = []
    for value, label in zip(values, labels, strict=True):
        place = scale.fraction(value)
        row = -1 if math.isnan(place) else round(place * (rows - 1))
        if row >= 0 and row not in taken:
            taken |= {row - 1, row, row + 1}
            ticks.append((value, label + unit))
    return ticks


def epoch_ticks(first: int, last: int, columns: int) -> list[int]:
    """Return the epochs to write below a horizontal axis: both ends, and round ones where there is room between."""
    width = len(str(last)) + 2
    span = max(1, last - first)
    step = max(1, math.ceil(_round_step(span / max(1, min(10, columns // (width + 5))))))  # 2.5 becomes 3
    chosen: list[int] = []
    for epoch in (first, last, *range(first - first % step + step, last, step)):
        if all(abs(epoch - other) * max(1, columns - 1) / span >= width for other in chosen):
            chosen.append(epoch)
    return sorted(chosen)


def _round_step(step: float) -> float:
    """Return the next larger of 1, 2, 2.5 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - _SMALLEST_SHARE))


def _round_values(low: float, high: float, most: int) -> list[float]:
    """Return the round values from low to high: about `most` of them, and more rather than a single one."""
    for count in range(most, 2 * most + 2):
        step = _round_step((high - low) / count)
        begin = math.ceil(low / step - _SMALLEST_SHARE)
        values = [(begin + i) * step for i in range(count + 1)]
        values = [value for value in values if value <= high + step * _SMALLEST_SHARE]
        if len(values) > 1:
            break
    return values


def _decades(scale: Scale, most: int) -> list[float]:
    """Return powers of ten, with their double and fivefold values between if these fit too."""
    powers = range(math.ceil(scale.low), math.floor(scale.high) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        every = [f * 10.0**p for p in range(math.floor(scale.low), math.floor(scale.high) + 1) for f in factors]
        inside = [value for value in every if scale.low <= math.log10(value) <= scale.high]
        if len(inside) <= most + 1:
            return inside
    step = math.ceil(len(powers) / most)
    return [10.0**power for power in powers[::step]]


def _labels(values: list[float]) -> list[str]:
    """Return the values with as many decimal places as they need, all with the same number."""
    largest = max(map(abs, values), default=0.0)
    step = min((b - a for a, b in pairwise(values)), default=largest or 1.0)
    if largest >= _LARGE or step < _SMALL:
        return [f"{value:.4g}" for value in values]
    for digits in range(_MOST_DIGITS):
        labels = [f"{value:.{digits}f}" for value in values]
        if all(abs(float(label) - value) < step / 100 for label, value in zip(labels, values, strict=True)):
            break
    return labels
