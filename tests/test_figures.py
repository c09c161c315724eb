"""The panel of figures beside the curves."""

from __future__ import annotations

import pytest

from tests.curves import epoch_with
from tui.widgets.figures import FigureValues, _lines


@pytest.mark.parametrize(
    ("numbers", "at", "shown"),
    [
        ((1, 2, 3), 2, "at epoch 2"),
        ((1, 2, 3), 7, "at epoch 3, its last"),
        ((1, 3, 4), 3, "at epoch 3"),
        ((1, 3, 4), 2, "at epoch 1"),
        ((3, 4), 2, "at epoch 3"),
    ],
)
def test_the_difference_to_the_parent_is_that_at_the_same_epoch(numbers: tuple[int, ...], at: int, shown: str) -> None:
    parent = tuple(epoch_with(number, test_cost=float(number)) for number in numbers)
    history = tuple(epoch_with(number, test_cost=0.0) for number in range(1, at + 1))
    values = FigureValues(title="now", history=history, parent=parent, parent_title="before")
    text = "\n".join(line.plain for line in _lines(values, 80))
    cost = shown.split()[2].rstrip(",")
    assert f"against before {shown}\n" in text and f"test cost -{cost}.0000" in text
