"""A saved trial at any of its epochs, from the predictions it keeps: scrub through it as through a film."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import TrialError
from core.trials.trial import PREDICTIONS, Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Moment:
    """How a trial classified its test images after one epoch.

    Attributes:
        epoch: The epoch, counted from 1.
        images: Test images.
        right: Those classified rightly.
        classes: The classes' names.
        confusion: (C, C) int64: how many images of the row's class were taken for the column's.
    """

    epoch: int
    images: int
    right: int
    classes: tuple[str, ...]
    confusion: NDArray[np.int64] = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """Fraction of the test images classified rightly."""
        return self.right / self.images


def moment(trial: Trial, epoch: int) -> Moment:
    """Return how a trial classified its test images after an epoch, counted from 1.

    Raises:
        TrialError: There is no such epoch, or a file cannot be read.
    """
    labels, predicted = trial.test_labels(), trial.predictions(epoch)
    classes = tuple(str(name) for name in trial.ran_on()["data"]["classes"])  # the two lines above have read it
    count = len(classes)
    if not len(labels) or max(labels.max(), predicted.max()) >= count:
        raise TrialError(f"{trial.directory / PREDICTIONS} holds a class that {trial.id} does not have")
    confusion = confusion_of(labels, predicted, count)
    return Moment(epoch, len(labels), int(confusion.trace()), classes, confusion)


def confusion_of(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """Return how many images of the row's class were taken for the column's (C, C).

    Args:
        labels: (N,) the true classes, each below C.
        predicted: (N,) the predicted ones, each below C.
        classes: C.
    """
    import numpy as np  # noqa: PLC0415 - takes longer than a list of trials, which may import this

    cells = np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)
