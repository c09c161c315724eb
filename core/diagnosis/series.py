"""What the rules read off a history: costs that can be compared, medians of windows, noise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.epoch import Epoch
from core.settings import Settings
from core.text import counted

LEAST_EPOCHS = 10
"""Fewer epochs tell nothing about how a training ends."""

PENALTY = 0.30
"""Part of the train cost that the L2 penalty may be."""

WINDOW = 3
"""Epochs that a median is taken over, at least; a tenth of the history where that is more."""
_USUAL_CLASSES = 10  # where the number of classes is not known: the floor below depends little on it
_NORMAL = 1.4826  # a normal distribution's standard deviation over its median absolute deviation


@dataclass(frozen=True, slots=True)
class Curves:
    """A history with what is needed to read it.

    Attributes:
        history: The complete epochs.
        settings: What the network is trained with.
        classes: Number of classes; None where it is not known.
        reason: Why the training ended, or "".
    """

    history: tuple[Epoch, ...]
    settings: Settings
    classes: int | None = None
    reason: str = ""

    @property
    def window(self) -> int:
        """Number of epochs at the end, or anywhere else, whose median is compared."""
        return max(WINDOW, len(self.history) // 10)

    @property
    def last_epochs(self) -> str:
        """What to call the epochs at the end whose median is compared."""
        return f"the last {counted(min(self.window, len(self.history)), 'epoch')}"

    @property
    def fit(self) -> list[float]:
        """How well the training images are fitted: their cross-entropy without what no network can go below.

        The L2 penalty is not in it, nor the least cross-entropy that label smoothing leaves. Dropout and augmentation
        still are: they make it higher than the same network's cost on the plain training images.
        """
        floor = smoothing_floor(self.settings.training.label_smoothing, self.classes or _USUAL_CLASSES)
        return [epoch.train_cross_entropy - floor for epoch in self.history]

    @property
    def held_out(self) -> list[float]:
        """The cost on images that are not trained on: validation images if there are any, or the test images."""
        return [epoch.best_cost for epoch in self.history]

    @property
    def held_out_name(self) -> str:
        """What to call it."""
        return "test cost" if self.history[0].validation_cost is None else "validation cost"

    @property
    def train_accuracy(self) -> float:
        """At the end."""
        return median([epoch.train_accuracy for epoch in self.history[-self.window :]])

    @property
    def held_out_accuracy(self) -> float:
        """At the end, on the images of `held_out`."""
        return median(held_out_accuracies(self.history[-self.window :]))

    @property
    def penalty_share(self) -> float:
        """What part of the train cost is L2 penalty, at the end."""
        return median(penalty_shares(self.history[-self.window :]))

    @property
    def is_complete(self) -> bool:
        """Whether all planned epochs are done."""
        return len(self.history) >= self.settings.training.epochs

    @property
    def is_young(self) -> bool:
        """Whether fewer than half the planned epochs are done, when costs still may go anywhere."""
        return 2 * len(self.history) < self.settings.training.epochs

    @property
    def is_augmented(self) -> bool:
        """Whether the training images are changed at random, which makes them harder than the test images."""
        return self.settings.data.crop_padding > 0 or self.settings.data.horizontal_flip

    @property
    def is_mixed(self) -> bool:
        """Whether the network is trained on mixtures: cost and accuracy on them do not compare with other images'."""
        return self.settings.data.mixup > 0


def smoothing_floor(label_smoothing: float, classes: int) -> float:
    """Return the least cross-entropy that labels smoothed over C classes leave: their own entropy, in nats.

    A label gives its class 1 - s + s/C and every other class s/C (Szegedy et al. 2016,
    https://arxiv.org/abs/1512.00567).
    """
    other = label_smoothing / classes
    own = 1 - label_smoothing + other
    return -sum(count * part * math.log(part) for count, part in ((1, own), (classes - 1, other)) if part > 0)


def penalty_shares(history: Sequence[Epoch]) -> list[float]:
    """Return what part of each epoch's train cost is L2 penalty."""
    return [1 - epoch.train_cross_entropy / epoch.train_cost if epoch.train_cost > 0 else 0.0 for epoch in history]


def held_out_accuracies(history: Sequence[Epoch]) -> list[float]:
    """Return the accuracies on the validation images if there are any, or on the test images."""
    return [
        epoch.test_accuracy if epoch.validation_accuracy is None else epoch.validation_accuracy for epoch in history
    ]


def median(values: Sequence[float]) -> float:
    """Return the median; the module `statistics` takes 10 ms to import.

    Raises:
        IndexError: There are no values.
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def running_median(values: Sequence[float], width: int = 5) -> list[float]:
    """Return the median around each value; at the ends, of what is there."""
    half, count = width // 2, len(values)
    inside = [sorted(values[at : at + width])[half] for at in range(count - width + 1)]  # spelled out: nearly all
    ends = [*range(half), *range(count - half, count)] if inside else range(count)
    medians = [median(values[max(at - half, 0) : at + half + 1]) for at in ends]
    return [*medians[:half], *inside, *medians[half:]] if inside else medians


def noise(values: Sequence[float]) -> float:
    """Return the standard deviation by which single values stray from a smooth curve, from their steps; robust.

    Raises:
        IndexError: There are fewer than two values.
    """
    steps = [after - before for before, after in itertools.pairwise(values)]
    usual = median(steps)
    return _NORMAL * median([abs(step - usual) for step in steps]) / math.sqrt(2)  # a step has the noise of two values


def is_beyond_noise(difference: float, values: Sequence[float], window: int) -> bool:
    """Return whether a difference of two windows' medians is more than twice its standard error.

    The median of w normal values has about 1.25 times the standard error of their mean.
    """
    return difference > 2 * 1.25 * noise(values) * math.sqrt(2 / window)


def percent(part: float, digits: int = 1) -> str:
    """Return "58.1 %"."""
    return f"{100 * part:.{digits}f} %"
