"""Evaluate saved weights on a test set."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from core.accuracy import accuracy_interval
from core.data.dataset import Dataset
from core.data.normalize import Normalizer, make_normalizer
from core.device import choose_device, device_errors_explained
from core.errors import WeightsError
from core.inference import cross_entropies, logits_of
from core.saved_model import SavedModel, open_model
from core.settings import DataSettings, Device, TrainingSettings
from core.text import printable
from core.trials.trial import RAN_ON

CALIBRATION_BINS = 15
SHOWN_MISTAKES = 20


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fared; a score whose denominator is zero, as no image measures it, is 0.

    Attributes:
        name: The class.
        images: Its test images.
        predicted: The images predicted to be of it.
        precision: Of the images predicted to be of this class, the fraction that are.
        recall: Of the images of this class, the fraction predicted to be.
        f1: Harmonic mean of precision and recall.
    """

    name: str
    images: int
    predicted: int
    precision: float
    recall: float
    f1: float

    @property
    def measured(self) -> tuple[float | None, float | None, float | None]:
        """Precision, recall and F1, each None where no image measures it."""
        counts = (self.predicted, self.images, self.predicted + self.images)
        scores = (self.precision, self.recall, self.f1)
        precision, recall, f1 = (score if count else None for score, count in zip(scores, counts, strict=True))
        return precision, recall, f1


@dataclass(frozen=True, slots=True)
class Mistake:
    """A test image that was classified wrongly.

    Attributes:
        index: Its position in the test set, from 0.
        file: Its path relative to the data folder; None for a set known by name.
        true: Its class.
        predicted: The class it was taken for.
        confidence: The probability that the network gave to that class.
    """

    index: int
    file: str | None
    true: str
    predicted: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a network does on a test set.

    Attributes:
        images: Test images.
        right: Those classified rightly.
        accuracy: Their fraction.
        accuracy_interval: Its 95 % confidence interval (Wilson 1927).
        test_cost: Mean cross-entropy over all test images, without penalty.
        classes: Class names by label.
        per_class: Precision, recall and F1 of every class.
        confusion_matrix: Images by true class (row) and predicted class (column).
        expected_calibration_error: Mean distance of confidence and accuracy over 15 equal bins of confidence,
            weighted by images (Guo et al. 2017, https://arxiv.org/abs/1706.04599).
        most_confident_mistakes: The 20 wrong predictions of highest confidence, the most confident first.
        labels: (N,) the true class of every test image, in the test set's order.
        predicted: (N,) the class that it was taken for.
        confidence: (N,) the probability that the network gave to that class.
    """

    images: int
    right: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    test_cost: float
    classes: tuple[str, ...]
    per_class: tuple[ClassScore, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    expected_calibration_error: float
    most_confident_mistakes: tuple[Mistake, ...]
    # two evaluations are equal where their figures are; arrays can neither be hashed nor compared as one truth
    labels: NDArray[np.int64] = field(repr=False, compare=False)
    predicted: NDArray[np.int64] = field(repr=False, compare=False)
    confidence: NDArray[np.float64] = field(repr=False, compare=False)

    def figures(self) -> dict[str, Any]:
        """Return all but the three arrays as plain values, as `trialbook evaluate --json` prints them."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if name not in ("labels", "predicted", "confidence")}

    def images_of(self, true_label: int, predicted_label: int) -> NDArray[np.intp]:
        """Return where in the test set the images of a cell of the confusion matrix are, the most confident first."""
        return self._ranked((self.labels == true_label) & (self.predicted == predicted_label))

    def mistakes(self) -> NDArray[np.intp]:
        """Return where in the test set all wrongly classified images are, the most confident first."""
        return self._ranked(self.labels != self.predicted)

    def _ranked(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        where = np.flatnonzero(chosen)
        return where[np.argsort(-self.confidence[where], kind="stable")]


def evaluate(
    saved: SavedModel | Path, data: Dataset, *, bare: DataSettings | None = None, device: Device = "auto"
) -> Evaluation:
    """Evaluate saved weights on a data set's test images, in float32.

    Args:
        saved: An open model, or the file to open.
        data: Its test set is used.
        bare: How inputs are normalized where the file does not belong to a trial; None: not at all.
        device: Where to compute: "cpu", "cuda", or "auto" for the GPU if there is one.

    Raises:
        WeightsError: The file cannot be read, or its network does not suit the data.
        DataError: The normalization does not suit the data.
        TrainingError: There is no such device.
    """
    if isinstance(saved, Path):
        saved = open_model(saved)
    _check_fit(saved, data)
    where = choose_device(TrainingSettings(device=device))
    normalize = _normalizer(saved, data, bare or DataSettings(), where)
    with device_errors_explained(lambda: "choose another device or narrower hidden layers"):
        images, labels = data.test.images.to(where), data.test.labels.to(where)
        logits = logits_of(saved.model.to(where), images, normalize)
    cost = float(cross_entropies(logits, labels).double().mean())
    if not math.isfinite(cost):
        raise WeightsError(f"{printable(saved.path)}: the network's outputs are not finite on this data")
    confidence, predicted = logits.softmax(1).max(1)
    return _scores(data, cost, predicted.cpu().numpy(), confidence.cpu().double().numpy())


def _scores(data: Dataset, cost: float, predicted: NDArray[Any], confidence: NDArray[Any]) -> Evaluation:
    true = data.test.labels.numpy()
    labels = np.arange(len(data.classes))
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
    guessed = np.bincount(predicted, minlength=len(labels))
    right = predicted == true
    wrong = np.flatnonzero(~right)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:SHOWN_MISTAKES]
    return Evaluation(
        images=len(true),
        right=int(right.sum()),
        accuracy=int(right.sum()) / len(true),
        accuracy_interval=accuracy_interval(int(right.sum()), len(true)),
        test_cost=cost,
        classes=data.classes,
        per_class=tuple(
            ClassScore(name, int(support[at]), int(guessed[at]), float(precision[at]), float(recall[at]), float(f1[at]))
            for at, name in enumerate(data.classes)
        ),
        confusion_matrix=tuple(
            tuple(int(count) for count in row) for row in confusion_matrix(true, predicted, labels=labels)
        ),
        expected_calibration_error=_calibration_error(right, confidence),
        most_confident_mistakes=tuple(
            Mistake(
                index=int(at),
                file=data.test_files[at] if data.test_files else None,
                true=data.classes[true[at]],
                predicted=data.classes[predicted[at]],
                confidence=float(confidence[at]),
            )
            for at in worst
        ),
        labels=true,
        predicted=predicted,
        confidence=confidence,
    )


def _calibration_error(right: NDArray[np.bool_], confidence: NDArray[Any]) -> float:
    confidence = np.clip(confidence, 0, 1)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)
    bins = np.linspace(0, 1, CALIBRATION_BINS + 1)[
        1:-1
    ]  # the bins that calibration_curve uses, which it does not count
    counts = np.bincount(np.searchsorted(bins, confidence))
    return float(np.average(np.abs(accuracies - confidences), weights=counts[counts > 0]))


def _check_fit(saved: SavedModel, data: Dataset) -> None:
    shape = data.shape
    shown = printable(saved.path)
    if saved.inputs != shape.image.values:
        raise WeightsError(
            f"{shown} takes {saved.inputs:,} values per image, but the images of {printable(data.source)} are "
            f"{shape.image}, which makes {shape.image.values:,}; test it on other images (--data)"
        )
    if saved.outputs != shape.classes:
        raise WeightsError(
            f"{shown} tells {saved.outputs} classes apart, but {printable(data.source)} has {shape.classes}; "
            "test it on other images (--data)"
        )


def _normalizer(saved: SavedModel, data: Dataset, bare: DataSettings, device: torch.device) -> Normalizer:
    if saved.trial is None:
        return make_normalizer(bare, data.train, None, device)
    values = [saved.trained_on.get(name) for name in ("mean", "std")]
    channels = data.shape.image.channels
    for value in values:
        if not (isinstance(value, list) and len(value) in (0, channels) and all(_is_number(part) for part in value)):
            raise WeightsError(f"{saved.trial.directory / RAN_ON} does not tell how inputs were normalized")
    mean, std = (tuple(float(part) for part in value or ()) for value in values)
    if len(mean) != len(std) or 0.0 in std:
        raise WeightsError(f"{saved.trial.directory / RAN_ON} does not tell how inputs were normalized")
    return Normalizer(mean, std, device)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type] # the type is checked before
