"""A trial epoch by epoch, like a film: what its predictions after each epoch tell, without its weights and its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.accuracy import accuracy_interval
from core.errors import TrialError
from core.trials.trial import PREDICTIONS, RAN_ON, TEST_LABELS, Trial
from core.verdict import Verdict, verdict_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One epoch.

    Attributes:
        epoch: Its number, from 1.
        right: Test images that are classified rightly.
        images: Test images.
        interval: The accuracy's 95 % interval (Wilson), as fractions.
        confusion_matrix: (C, C) images by true class (row) and predicted class (column).
        recalls: By class the part of its images that is found, as a fraction; None for a class without test images.
        since: How the epoch compares with the one before; None for the first.
    """

    epoch: int
    right: int
    images: int
    interval: tuple[float, float]
    confusion_matrix: NDArray[np.int64]
    recalls: tuple[float | None, ...]
    since: Verdict | None

    @property
    def accuracy(self) -> float:
        """The part of the test images that is classified rightly."""
        return self.right / self.images


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """All epochs of a trial.

    Attributes:
        classes: Class names by label; foreign text.
        labels: (N,) the true classes of the test images.
        predictions: (epochs, N) the predicted ones after each epoch.
        accuracies: The test accuracy after each epoch, as a fraction.
        steps: By epoch, how it compares with the one before; None for the first.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.integer[Any]]
    predictions: NDArray[np.integer[Any]]
    accuracies: tuple[float, ...]
    steps: tuple[Verdict | None, ...]

    @property
    def epochs(self) -> int:
        """How many epochs there are."""
        return len(self.predictions)


def read_film(trial: Trial) -> Film:
    """Read a trial's labels and predictions; they are read once and then kept: 3 MB for 300 epochs of 10,000 images.

    Raises:
        TrialError: A file cannot be read or does not fit the others, or no epoch is complete.
    """
    labels, predictions = trial.test_labels(), trial.all_predictions()
    classes = tuple(str(name) for name in trial.ran_on()["data"]["classes"])
    if not len(predictions):
        raise TrialError(f"trial {trial.id} has no complete epoch, so there is nothing to see of it yet")
    for name, values in ((TEST_LABELS, labels), (PREDICTIONS, predictions)):
        if int(values.max()) >= len(classes):
            path = trial.directory / name
            raise TrialError(f"{path} is damaged: it holds classes that {trial.directory / RAN_ON} does not name")
    steps = [verdict_on(labels, *predictions[at - 1 : at + 1]) for at in range(1, len(predictions))]
    accuracies = tuple(float((predicted == labels).mean()) for predicted in predictions)
    return Film(classes, labels, predictions, accuracies, (None, *steps))


def frame_of(film: Film, epoch: int) -> Frame:
    """Return one epoch of a film, counted from 1.

    Raises:
        TrialError: There is no such epoch.
    """
    if not 1 <= epoch <= film.epochs:
        raise TrialError(f"the trial holds no epoch {epoch}; its epochs are 1 to {film.epochs}")
    predicted = film.predictions[epoch - 1]
    right = int((film.labels == predicted).sum())
    return Frame(
        epoch=epoch,
        right=right,
        images=len(film.labels),
        interval=accuracy_interval(right, len(film.labels)),
        confusion_matrix=confusion_of(film.labels, predicted, len(film.classes)),
        recalls=recalls_of(film, epoch),
        since=film.steps[epoch - 1],
    )


def recalls_of(film: Film, epoch: int) -> tuple[float | None, ...]:
    """Return by class the part of its images that is found after an epoch, counted from 1, as `Frame` has it."""
    import numpy as np  # noqa: PLC0415 - nothing but numbers needs it to be imported

    found = film.labels[film.labels == film.predictions[epoch - 1]]
    parts, totals = (np.bincount(labels, minlength=len(film.classes)).tolist() for labels in (found, film.labels))
    return tuple(part / total if total else None for part, total in zip(parts, totals, strict=True))


def confusion_of(
    labels: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.int64]:
    """Return how many images of the row's class were taken for the column's (C, C).

    Args:
        labels: (N,) the true classes, each below C.
        predicted: (N,) the predicted ones, each below C.
        classes: C.
    """
    import numpy as np  # noqa: PLC0415 - as above

    cells = np.bincount(labels.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)
