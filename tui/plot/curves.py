"""The curves of trials as numbers: which there are, smoothed, thinned; no drawing here."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from core.early_stopping import best_epoch
from core.epoch import Epoch
from tui.plot.view import View
from tui.safe import short_name

Dash = Literal["solid", "dashed", "dotted"]

OVERLAY_COLOURS = 3
"""How many colours the overlaid trials take in turn; their number tells them apart in any case."""

LARGEST = 1e300
"""A figure beyond it counts as infinite: differences of such figures are no doubles any more."""

_TITLE_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Run:
    """One trial, as the curves show it.

    Attributes:
        title: Its name or id; foreign text.
        history: Its complete epochs, in order.
        epochs: Epochs that were planned: while it trains, the axis reaches to there.
    """

    title: str
    history: tuple[Epoch, ...]
    epochs: int

    @property
    def is_title(self) -> bool:
        """Whether it has no curves and never will: it stands for the overlaid trials, all of equal rank."""
        return not self.history and not self.epochs


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve.

    Attributes:
        label: What stands at its end, harmless and short.
        role: What its colour is called: "train", "test", "validation", "parent" or "overlay0" and so on.
        dash: How its line is broken.
        sign: A character that is set on the line, by which the other trials' curves are told apart; "" for none.
        epochs: The epochs of its points.
        values: Its points: costs, or accuracies in percent; NaN where the curve has a gap.
    """

    label: str
    role: str
    dash: Dash
    sign: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]

    def at(self, epoch: int) -> float:
        """Return the value at an epoch, NaN where there is none."""
        index = bisect_left(self.epochs, epoch)
        found = index < len(self.epochs) and self.epochs[index] == epoch
        return self.values[index] if found else math.nan

    def within(self, first: int, last: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """Return epochs and values of the points from epoch `first` to `last`, both included."""
        begin, end = bisect_left(self.epochs, first), bisect_left(self.epochs, last + 1)
        return self.epochs[begin:end], self.values[begin:end]


def curves_of(run: Run, parent: Run | None, overlays: Sequence[Run], view: View) -> list[Curve]:
    """Return the curves of a trial, its parent and other trials, in the order in which they are drawn.

    The trial has all its curves, its parent the train and the test curve, and of other trials there is the test
    curve alone: it is the one by which trials are compared, and eight trials' train curves would hide it.
    """
    curves = []
    for index, other in enumerate(overlays):
        role, sign = overlay_role(index), overlay_sign(index)
        curves.append(_curve(other, "test", view, f"{sign} {short_title(other)}", role, "solid", sign))
    if parent is not None and view.parent:
        curves.append(_curve(parent, "train", view, "p train", "parent", "dashed", "p"))
        curves.append(_curve(parent, "test", view, "p test", "parent", "solid", "p"))
    if any(epoch.validation_cost is not None for epoch in run.history):
        curves.append(_curve(run, "validation", view, "val", "validation", "dotted"))
    curves.append(_curve(run, "train", view, "train", "train", "dashed"))
    curves.append(_curve(run, "test", view, "test", "test", "solid"))
    return curves


def overlay_sign(index: int) -> str:
    """Return the character that marks an overlaid trial: its number; letters follow the nine."""
    return "123456789abcdefghijklmnoqrstuvwxyz"[index % 34]


def overlay_role(index: int) -> str:
    """Return what an overlaid trial's colour is called."""
    return f"overlay{index % OVERLAY_COLOURS}"


def short_title(run: Run, length: int = _TITLE_LENGTH) -> str:
    """Return a trial's title as harmless text of at most `length` characters."""
    return short_name(run.title, length)


def best_of(run: Run) -> Epoch | None:
    """Return the trial's best epoch; epochs whose cost is no number are left out of the comparison."""
    return best_epoch([epoch for epoch in run.history if math.isfinite(epoch.best_cost)])


def epoch_of(run: Run, number: int) -> Epoch | None:
    """Return one epoch of a trial, None where the trial has none of that number."""
    index = bisect_left(run.history, number, key=lambda epoch: epoch.epoch)
    return run.history[index] if index < len(run.history) and run.history[index].epoch == number else None


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return the exponential moving average of the values, without the bias towards zero at its beginning.

    The correction is that of Adam (Kingma and Ba 2015, section 3), and TensorBoard smooths curves the same way:
    m_t = w m_(t-1) + (1 - w) x_t, shown as m_t / (1 - w^t). A value that is not finite leaves a gap and is left out of
    the average.

    Args:
        values: The values in order.
        weight: w, the weight of the past, from 0.0 (not smoothed) to less than 1.0.
    """
    average, rest, result = 0.0, 1.0, []
    for value in values:
        if not is_drawable(value):
            result.append(math.nan)
            continue
        average = weight * average + (1 - weight) * value
        rest *= weight
        result.append(average / (1 - rest))
    return result


def thinned(
    epochs: Sequence[int], values: Sequence[float], first: int, last: int, columns: int
) -> tuple[list[int], list[float]]:
    """Return at most two points a column, the lowest and the highest, so that no peak is lost; NaN stays a gap.

    Args:
        epochs: The points' epochs in order, all of them from `first` to `last`.
        values: The points' values.
        first: The epoch at the left edge.
        last: The epoch at the right edge.
        columns: How many columns lie between.
    """
    if len(epochs) <= 2 * columns:
        return list(epochs), list(values)
    kept: list[int] = []
    for bucket in _buckets(epochs, first, max(1, last - first + 1), columns):
        numbers = [index for index in bucket if not math.isnan(values[index])]
        chosen = set(bucket) - set(numbers)
        chosen = {min(chosen)} if chosen else set()
        if numbers:
            chosen |= {min(numbers, key=values.__getitem__), max(numbers, key=values.__getitem__)}
        kept += sorted(chosen)
    return [epochs[index] for index in kept], [values[index] for index in kept]


def is_drawable(value: float) -> bool:
    """Return whether a value has a place on an axis."""
    return abs(value) <= LARGEST  # False for NaN too


def _buckets(epochs: Sequence[int], first: int, span: int, columns: int) -> Iterator[range]:
    """Yield the indices of the points of each column that has any."""
    begin = 0
    while begin < len(epochs):
        column = (epochs[begin] - first) * columns // span
        end = begin + 1
        while end < len(epochs) and (epochs[end] - first) * columns // span == column:
            end += 1
        yield range(begin, end)
        begin = end


def _curve(run: Run, kind: str, view: View, label: str, role: str, dash: Dash, sign: str = "") -> Curve:  # noqa: PLR0913, PLR0917 - a row of a table
    values = smoothed([_value(epoch, kind, view) for epoch in run.history], view.smoothing)
    return Curve(label, role, dash, sign, tuple(epoch.epoch for epoch in run.history), tuple(values))


def _value(epoch: Epoch, kind: str, view: View) -> float:
    """Return the value of one curve at one epoch: a cost, or an accuracy in percent."""
    if view.quantity == "accuracy":
        fraction = {
            "train": epoch.train_accuracy,
            "test": epoch.test_accuracy,
            "validation": epoch.validation_accuracy,
        }[kind]
        return math.nan if fraction is None else 100 * fraction
    if kind == "train":
        return epoch.train_cost if view.penalty else epoch.train_cross_entropy
    cost = epoch.test_cost if kind == "test" else epoch.validation_cost
    return math.nan if cost is None else cost
