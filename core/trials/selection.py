"""How often a test set was used to choose, and how much too high the best accuracy on it may be for that reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.trials.store import Listed, last_accuracy

EXPLAINED = (
    "Of several trials tested on the same images, the best one is also a lucky one: the bound is the expected largest "
    "of that many independent standard normal numbers (Blom 1958) times the accuracy's standard error, and too high "
    "because trials on one test set err alike; a validation split keeps the test set out of the choice."
)


@dataclass(frozen=True, slots=True)
class Selection:
    """How often a test set was used to choose.

    Attributes:
        count: Different trials without a validation split that were tested on it.
        images: Test images.
        optimism_points: An upper bound of the percentage points by which the best trial's accuracy is expected to be
            too high.
    """

    count: int
    images: int
    optimism_points: float

    def __str__(self) -> str:
        """Return how often the test set was used to choose, and what optimism to expect at most."""
        if self.count == 1:
            return f"the {self.images:,} test images were not yet used to choose: one trial was tested on them so far"
        return (
            f"the {self.images:,} test images were used to choose among {self.count:,} trials without a validation "
            f"split: expect the best accuracy to be too high by up to {self.optimism_points:.2f} points"
        )


def selection_of(listed: Sequence[Listed], fingerprint: object) -> Selection | None:
    """Return how often the test set of some data was used to choose.

    The optimism is at most E[max of N standard normal numbers] * sqrt(p (1 - p) / n): p is the best accuracy of the N
    trials' last epochs and n the number of test images. The expectation is that of Blom (1958), "Statistical estimates
    and transformed beta-variables": the normal quantile of (N - 0.375) / (N + 0.25). What is the same trial again, with
    equal settings and seed, or with the same last epoch in every digit, as an imported copy has it, counts once: there
    is nothing to choose between them.

    Args:
        listed: All trials.
        fingerprint: What their summaries call `fingerprint`, for the data in question.

    Returns:
        None where no trial without a validation split has a complete epoch on that data.
    """
    if not isinstance(fingerprint, str) or not fingerprint:
        return None
    accuracies, images, count, known = list[float](), 0, 0, set[tuple[object, ...]]()
    for each in listed:
        summary, accuracy = each.summary, last_accuracy(each)
        same = summary.get("fingerprint") == fingerprint and summary.get("best_by") == "test cost"
        if same and accuracy is not None and isinstance(summary.get("test_images"), int):
            accuracies.append(accuracy)
            marks = _marks(summary)
            count += known.isdisjoint(marks)
            known |= marks
            images = max(1, summary["test_images"])
    if not accuracies:
        return None
    return Selection(count, images, 100 * _optimism(count, max(accuracies), images))


def _marks(summary: Mapping[str, Any]) -> set[tuple[object, ...]]:
    """Return what tells that two trials on the same images are one: any of this is equal then."""
    key, seed, last = summary.get("repeats"), summary.get("seed"), summary["last"]
    figures = tuple(last.get(name) for name in ("epoch", "train_cost", "test_cost", "test_accuracy"))
    marks = set[tuple[object, ...]]()
    if isinstance(key, str) and isinstance(seed, int):
        marks.add((key, seed))
    if all(isinstance(figure, int | float) for figure in figures):
        marks.add(figures)
    return marks


def _optimism(count: int, accuracy: float, images: int) -> float:
    from statistics import NormalDist  # noqa: PLC0415 - takes 10 ms

    margin = 0.5 / images  # an accuracy of 100 % is not one without error: half an image is taken as wrong
    p = min(max(accuracy, margin), 1 - margin)
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25)) * math.sqrt(p * (1 - p) / images)
