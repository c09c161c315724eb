"""Histories that the rules read, made for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from core.diagnosis import Diagnosis, diagnose
from core.epoch import Epoch
from core.settings import Settings, change_settings
from tests.curves import epoch_with


def made(
    fit: Sequence[float],
    test: Sequence[float],
    *,
    train_accuracy: float = 0.95,
    test_accuracy: float = 0.92,
    penalty: float = 0.0,
    **values: Any,
) -> list[Epoch]:
    """Return a history with the given train costs (without penalty) and test costs."""
    return [
        epoch_with(
            number,
            train_cost=mine + penalty,
            train_cross_entropy=mine,
            test_cost=other,
            train_accuracy=train_accuracy,
            test_accuracy=test_accuracy,
            **values,
        )
        for number, (mine, other) in enumerate(zip(fit, test, strict=True), 1)
    ]


def of(epochs: int, **changes: Any) -> Settings:
    """Return settings without regularization, but for the changes."""
    plain = {"model.hidden.*.dropout": 0.0, "training.epochs": epochs, "data.source": "cifar10"}
    return change_settings(Settings(), {**plain, **{name.replace("__", "."): value for name, value in changes.items()}})


def found(history: Sequence[Epoch], settings: Settings, **more: Any) -> dict[str, Diagnosis]:
    return {each.rule: each for each in diagnose(history, settings, **more)}


def falling(epochs: int, start: float, end: float) -> list[float]:
    """Return costs that fall fast at first and are level at the end."""
    return [end + (start - end) * math.exp(-8 * at / epochs) for at in range(epochs)]


def flat_then(epochs: int, level: float, late: Sequence[float]) -> list[float]:
    return [*falling(epochs - len(late), 2.3, level), *late]


HEALTHY = (falling(50, 2.3, 0.3), falling(50, 2.3, 0.4))
