"""Evaluate saved weights on a test set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from core.data.batches import Normalizer, make_normalizer
from core.data.catalog import KNOWN_SETS
from core.data.dataset import Dataset
from core.device import choose_device
from core.errors import WeightsError
from core.inference import cross_entropies, logits_of
from core.model import Mlp, architecture_of, load_into
from core.settings import DataSettings, Device, ModelSettings, TrainingSettings
from core.text import printable
from core.trials.trial import RAN_ON, SETTINGS, Trial
from core.weights import read_weights

CONFIDENCE = 0.95
CALIBRATION_BINS = 15
SHOWN_MISTAKES = 20


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fared; a score whose denominator is zero is 0.

    Attributes:
        name: The class.
        images: Its test images.
        precision: Of the images predicted to be of this class, the fraction that are.
        recall: Of the images of this class, the fraction predicted to be.
        f1: Harmonic mean of precision and recall.
    """

    name: str
    images: int
    precision: float
    recall: float
    f1: float


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


@dataclass(frozen=True, slots=True)
class SavedModel:
    """Weights from a file, in their network.

    Attributes:
        path: The file.
        model: The network, in evaluation mode.
        inputs: Values of one image.
        outputs: Number of classes.
        trial: The trial that the file belongs to; None for a bare file.
        ran_on: What the trial ran on; {} for a bare file.
    """

    path: Path
    model: Mlp
    inputs: int
    outputs: int
    trial: Trial | None
    ran_on: dict[str, Any]

    @property
    def trained_on(self) -> dict[str, Any]:
        """What `ran_on` tells of the data; {} for a bare file."""
        data = self.ran_on.get("data")
        return data if isinstance(data, dict) else {}


def open_model(path: Path) -> SavedModel:
    """Open a file of weights, a trial's or a bare state_dict such as the reference's own code writes.

    A bare file does not tell the activation; ReLU is assumed, as in the reference.

    Raises:
        WeightsError: The file cannot be read or holds no such network.
        TrialError: It belongs to a trial whose other files cannot be read.
        SettingsError: It belongs to a trial whose settings are wrong.
    """
    weights = read_weights(path)
    settings, inputs, outputs = architecture_of(weights)
    trial = Trial(path.parent) if all((path.parent / name).is_file() for name in (SETTINGS, RAN_ON)) else None
    ran_on: dict[str, Any] = {}
    if trial is not None:
        ran_on = trial.ran_on()
        settings = _same_network(trial.settings().model, settings, path)
    model = Mlp(settings, inputs, outputs)
    load_into(model, weights)
    return SavedModel(path, model.eval(), inputs, outputs, trial, ran_on)


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
    images, labels = data.test.images.to(where), data.test.labels.to(where)
    logits = logits_of(saved.model.to(where), images, normalize)
    cost = float(cross_entropies(logits, labels).double().mean())
    if not math.isfinite(cost):
        raise WeightsError(f"{printable(saved.path)}: the network's outputs are not finite on this data")
    confidence, predicted = logits.softmax(1).max(1)
    return _scores(data, cost, predicted.cpu().numpy(), confidence.cpu().double().numpy())


def accuracy_interval(right: int, images: int) -> tuple[float, float]:
    """Return the 95 % confidence interval (Wilson 1927) of an accuracy of `right` out of `images`."""
    interval = binomtest(right, images).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _scores(data: Dataset, cost: float, predicted: NDArray[Any], confidence: NDArray[Any]) -> Evaluation:
    true = data.test.labels.numpy()
    labels = np.arange(len(data.classes))
    precision, recall, f1, support = precision_recall_fscore_support(true, predicted, labels=labels, zero_division=0)
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
            ClassScore(name, int(support[at]), float(precision[at]), float(recall[at]), float(f1[at]))
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
    )


def _calibration_error(right: NDArray[np.bool_], confidence: NDArray[Any]) -> float:
    confidence = np.clip(confidence, 0, 1)
    accuracies, confidences = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)
    bins = np.linspace(0, 1, CALIBRATION_BINS + 1)[
        1:-1
    ]  # the bins that calibration_curve uses, which it does not count
    counts = np.bincount(np.searchsorted(bins, confidence))
    return float(np.average(np.abs(accuracies - confidences), weights=counts[counts > 0]))


def _same_network(settings: ModelSettings, found: ModelSettings, path: Path) -> ModelSettings:
    """Return a trial's layers if the weights are of these, which know the activation."""
    wanted = [(layer.width, layer.batch_norm) for layer in settings.hidden]
    if wanted != [(layer.width, layer.batch_norm) for layer in found.hidden]:
        raise WeightsError(f"{printable(path)} holds another network than the {SETTINGS} beside it describes")
    return settings


def _check_fit(saved: SavedModel, data: Dataset) -> None:
    shape = data.shape
    shown = printable(saved.path)
    if saved.inputs != shape.image.values:
        raise WeightsError(
            f"{shown} takes {saved.inputs:,} values per image, but the images of {printable(data.source)} are "
            f"{shape.image}, which makes {shape.image.values:,}; --data names other images"
        )
    if saved.outputs != shape.classes:
        raise WeightsError(
            f"{shown} tells {saved.outputs} classes apart, but {printable(data.source)} has {shape.classes}; "
            "--data names other images"
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


def data_settings_for(saved: SavedModel, source: str | None) -> tuple[DataSettings, tuple[str, ...]]:
    """Return which data to evaluate an open model on, and what its user should know about that choice.

    Args:
        saved: The open model.
        source: A data set by name or folder that was asked for; None: the one that the model was trained on.

    Raises:
        WeightsError: The file does not tell, and no source is given.
        TrialError: The trial's settings cannot be read.
        SettingsError: The trial's settings are wrong.
    """
    if saved.trial is None:
        if source is None:
            raise WeightsError(f"{printable(saved.path)} belongs to no trial: --data must name the images to test on")
        return DataSettings(source=source), ()
    settings = saved.trial.settings().data
    if source is None or source == settings.source:
        return settings, ()
    shape = saved.trained_on.get("image_shape")
    size = f"{shape[1]}x{shape[2]}" if isinstance(shape, list) and len(shape) == 3 else "auto"  # noqa: PLR2004
    return DataSettings(source=source, image_size="auto" if source in KNOWN_SETS else size), (
        f"these are other images than the trial was trained on ({printable(settings.source, 120)})",
    )


def data_remarks(saved: SavedModel, data: Dataset) -> list[str]:
    """Return what a user should know when a model meets data: that it has changed, or names other classes."""
    remarks = []
    known = saved.trained_on
    if known.get("source") == data.source and known.get("fingerprint") != data.fingerprint:
        remarks.append("the images have changed since this trial was trained")
    classes = known.get("classes")
    if isinstance(classes, list) and tuple(classes) != data.classes:
        remarks.append("the classes have other names than those the trial was trained on")
    return remarks
