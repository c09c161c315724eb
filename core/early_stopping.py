"""The best epoch, and how long ago a training last improved: read off its history alone."""

from __future__ import annotations

from collections.abc import Sequence

from core.epoch import Epoch


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """Return the epoch with the lowest cost by which epochs are chosen, the first of equals; None without epochs."""
    return min(history, key=lambda epoch: epoch.best_cost, default=None)


def epochs_without_improvement(history: Sequence[Epoch], min_delta: float) -> int:
    """Return how many epochs have passed since the cost last fell by more than `min_delta` below its lowest before."""
    waited, lowest = 0, float("inf")
    for epoch in history:
        improved = epoch.best_cost < lowest - min_delta
        waited, lowest = (0, epoch.best_cost) if improved else (waited + 1, lowest)
    return waited
