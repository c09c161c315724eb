"""The best epoch, and how long ago a training last improved: read off its history alone."""

from __future__ import annotations

from collections.abc import Sequence

from core.epoch import Epoch


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """Return the epoch with the lowest cost by which epochs are chosen, the first of equals; None without epochs."""
    return min(history, key=lambda epoch: epoch.best_cost, default=None)


def epochs_without_improvement(history: Sequence[Epoch], min_delta: float) -> int:
    """Return how many epochs have passed since the last improvement; 0 without epochs.

    The first epoch is one, and so is each whose cost is more than `min_delta` below that of the improvement before it.
    Costs between the two do not count, even where they are lower: small steps may add up to an improvement.
    """
    waited, reached = 0, float("inf")
    for epoch in history:
        improved = epoch.best_cost < reached - min_delta
        waited, reached = (0, epoch.best_cost) if improved else (waited + 1, reached)
    return waited
