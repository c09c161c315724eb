"""Histories of trials, made up."""

from __future__ import annotations

import math
import random
from typing import Any

from core.epoch import Epoch
from tui.plot.curves import Run


def epoch_with(number: int, **values: Any) -> Epoch:
    """Return an epoch with ordinary figures where none are given."""
    figures = {
        "train_cost": 2.0,
        "train_cross_entropy": 1.5,
        "train_accuracy": 0.5,
        "test_cost": 1.6,
        "test_accuracy": 0.45,
        "validation_cost": None,
        "validation_accuracy": None,
        "learning_rate": 1e-3,
        "seconds": 1.0,
        "images_per_second": 5000.0,
    }
    return Epoch(epoch=number, **{**figures, **values})


def run_of_length(epochs: int, title: str = "trial", seed: int = 0, planned: int = 0, validation: bool = False) -> Run:
    """Return a trial whose costs fall, with some noise."""
    noise = random.Random(seed)
    history = []
    for number in range(1, epochs + 1):
        cost = 1 + math.exp(-number / 40) + noise.gauss(0, 0.02)
        test = 1.2 + 0.8 * math.exp(-number / 30) + noise.gauss(0, 0.02)
        history.append(
            epoch_with(
                number,
                train_cost=cost + 0.3,
                train_cross_entropy=cost,
                train_accuracy=0.6 - 0.3 * math.exp(-number / 40),
                test_cost=test,
                test_accuracy=0.55 - 0.25 * math.exp(-number / 30),
                validation_cost=test + 0.3 if validation else None,
                validation_accuracy=0.5 if validation else None,
            )
        )
    return Run(title, tuple(history), planned or epochs)
