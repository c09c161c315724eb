"""The settings of a trial: one immutable value, and what every part of it may be.

The table of fields reads the types from the declarations, which therefore are not postponed (`from __future__ import
annotations`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from core.settings.fields import SettingField, Step, setting
from core.settings.part import Part, members_of

Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"]
Normalization = Literal["none", "measured", "cifar10", "given"]
Optimizer = Literal["adam", "adamw", "sgd"]
Schedule = Literal["constant", "cosine", "one-cycle"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "tf32", "bfloat16"]

LEAST_DEVIATION = 1e-6
MAX_IMAGE_SIDE = 4096
MAX_WIDTH = 1_000_000


def parse_image_size(text: str) -> tuple[int, int] | None:
    """Return (height, width) in pixels from "HEIGHTxWIDTH" or from one number for both; None if it is neither."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch(r"[0-9]{1,4}", part) for part in parts):  # noqa: PLR2004
        return None
    height, width = int(parts[0]), int(parts[-1])
    return (height, width) if 1 <= height <= MAX_IMAGE_SIDE and 1 <= width <= MAX_IMAGE_SIDE else None


def _is_in_utf8(source: str, _: Mapping[str, Any]) -> str:
    try:
        source.encode()
    except UnicodeEncodeError:
        return "must be a name in UTF-8, as the settings are written in it"
    return ""


def _is_a_size(image_size: str, _: Mapping[str, Any]) -> str:
    if image_size == "auto" or parse_image_size(image_size) is not None:
        return ""
    return f"must be auto or HEIGHTxWIDTH, each from 1 to {MAX_IMAGE_SIDE}, such as 32x32"


def _is_given_when_needed(mean: tuple[float, ...], earlier: Mapping[str, Any]) -> str:
    if earlier.get("normalization") == "given" and len(mean) not in (1, 3):
        return "must be one number or three, one per channel, with normalization = given"
    return _only_if_given(mean, earlier)


def _fits_the_mean(std: tuple[float, ...], earlier: Mapping[str, Any]) -> str:
    given = earlier.get("normalization") == "given"
    if given and "mean" in earlier and len(std) != len(earlier["mean"]):
        return "must be as many numbers as the mean"
    if any(part < LEAST_DEVIATION for part in std):
        return f"must be numbers from {LEAST_DEVIATION:g}"
    return _only_if_given(std, earlier)


def _only_if_given(numbers: tuple[float, ...], earlier: Mapping[str, Any]) -> str:
    if numbers and earlier.get("normalization", "given") != "given":
        return "must be left out unless normalization = given"
    return ""


def _outlasts_the_warmup(epochs: int, earlier: Mapping[str, Any]) -> str:
    warmup = earlier.get("warmup_epochs", 0.0)
    return f"must be more than the {warmup:g} epochs of warm-up" if epochs <= warmup else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings(Part):
    """Which images, and what happens to them before the network sees them."""

    PATH: ClassVar[str] = "data."

    source: str = setting(
        "digits",
        label="data",
        option="--data",
        help="A known data set by name, or a folder of images.",
        rule=_is_in_utf8,
    )
    image_size: str = setting(
        "auto",
        label="image size",
        help="HEIGHTxWIDTH that a folder's images are resized to; auto: the size most of them have.",
        unit="pixels",
        rule=_is_a_size,
    )
    skip_broken: bool = setting(
        False,
        label="skip broken images",
        option="--skip-broken",
        help="Leave out images that cannot be read, instead of refusing the folder.",
    )
    normalization: Normalization = setting(
        "none",
        label="normalization",
        help="How pixels in [0, 1] are shifted and scaled per channel: not at all, by the training set's measured "
        "mean and deviation, by CIFAR-10's usual ones, or by given ones.",
    )
    mean: tuple[float, ...] = setting(
        (), label="mean", help="Mean per channel, for normalization = given.", rule=_is_given_when_needed
    )
    std: tuple[float, ...] = setting(
        (), label="deviation", help="Standard deviation per channel, for normalization = given.", rule=_fits_the_mean
    )
    crop_padding: int = setting(
        0,
        label="crop padding",
        help="Random crop: pad each training image by this much black and cut its size out at random; 0: off.",
        unit="pixels",
        ge=0,
        le=64,
        step=Step("add", 1),
    )
    horizontal_flip: bool = setting(
        False, label="horizontal flip", help="Mirror each training image with probability one half."
    )
    mixup: float = setting(
        0.0,
        label="mixup",
        help="Mix each training image and its label with another of its batch; the shares are drawn from Beta(mixup, "
        "mixup); 0: off.",
        ge=0,
        le=10,
        step=Step("add", 0.1),
    )
    validation_split: float = setting(
        0.0,
        label="validation split",
        help="Stratified part of the training set kept aside, so that the test set is not used to choose.",
        ge=0,
        le=0.9,
        step=Step("add", 0.05),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenLayer(Part):
    """One hidden block: Linear, batch normalization, activation, dropout."""

    PATH: ClassVar[str] = "model.hidden.*."

    width: int = setting(
        ..., label="width", help="Number of neurons.", unit="neurons", ge=1, le=MAX_WIDTH, step=Step("double", 1)
    )
    batch_norm: bool = setting(True, label="batch norm", help="Normalize the layer's outputs over the batch.")
    activation: Activation = setting("relu", label="activation", help="The layer's nonlinearity.")
    dropout: float = setting(
        0.0,
        label="dropout",
        help="Probability that a neuron is switched off in a training step.",
        ge=0,
        le=0.99,
        step=Step("add", 0.05),
    )
    l2: bool = setting(True, label="L2 penalty", help="Whether the L2 penalty covers the layer's weights.")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLayer(Part):
    """The last, plain Linear layer, one neuron per class."""

    PATH: ClassVar[str] = "model.output."

    l2: bool = setting(True, label="L2 penalty", help="Whether the L2 penalty covers the layer's weights.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings(Part):
    """The fully connected network."""

    PATH: ClassVar[str] = "model."

    skip_connections: bool = setting(
        False,
        label="skip connections",
        help="A hidden layer's input is added to its output, after activation and dropout, where both have the same "
        "width.",
    )
    hidden: tuple[HiddenLayer, ...] = (
        HiddenLayer(width=256, dropout=0.2),
        HiddenLayer(width=128, dropout=0.2),
    )
    output: OutputLayer = OutputLayer()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings(Part):
    """How the network is trained, and how it is kept from overfitting."""

    PATH: ClassVar[str] = "training."

    optimizer: Optimizer = setting(
        "adam",
        label="optimizer",
        help="Adam with betas (0.9, 0.999), AdamW with the same, or SGD with momentum.",
    )
    learning_rate: float = setting(
        1e-3,
        label="learning rate",
        option="--learning-rate",
        help="Step size; with a schedule, its highest value.",
        gt=0,
        le=10,
        step=Step("decades", 1e-6),
    )
    momentum: float = setting(
        0.9,
        label="momentum",
        help="Momentum of SGD; the other optimizers ignore it.",
        ge=0,
        lt=1,
        step=Step("add", 0.05),
    )
    weight_decay: float = setting(
        0.01,
        label="weight decay",
        help="Decoupled weight decay of AdamW; the other optimizers ignore it.",
        ge=0,
        le=10,
        step=Step("decades", 1e-5),
    )
    schedule: Schedule = setting(
        "constant", label="schedule", help="How the learning rate moves over the trial, after its warm-up."
    )
    warmup_epochs: float = setting(
        0.0,
        label="warm-up",
        help="Epochs over which the learning rate rises; one-cycle takes 0 as 30 % of the trial.",
        unit="epochs",
        ge=0,
        le=100_000,
        step=Step("add", 1),
    )
    batch_size: int = setting(
        128,
        label="batch size",
        option="--batch-size",
        help="Images per training step; a smaller last batch is kept.",
        unit="images",
        ge=1,
        le=1_000_000,
        step=Step("double", 1),
    )
    epochs: int = setting(
        20,
        label="epochs",
        option="--epochs",
        help="Passes over the training set.",
        unit="epochs",
        ge=1,
        le=100_000,
        step=Step("add", 10),
        rule=_outlasts_the_warmup,
    )
    l2_lambda: float = setting(
        0.0,
        label="L2 lambda",
        option="--l2-lambda",
        help="Weight of the penalty lambda/(2m) * sum of squared weights in the cost of a batch of m images.",
        ge=0,
        le=1000,
        step=Step("add", 0.001),
    )
    label_smoothing: float = setting(
        0.0,
        label="label smoothing",
        help="Part of each training label spread evenly over all classes.",
        ge=0,
        lt=1,
        step=Step("add", 0.05),
    )
    ema_decay: float = setting(
        0.0,
        label="weight averaging",
        help="Decay per step of the moving average of the weights that is evaluated and saved instead of the weights "
        "themselves, such as 0.999; 0: off.",
        ge=0,
        lt=1,
        step=Step("nines", 0.9),
    )
    early_stopping_patience: int = setting(
        0,
        label="early stopping patience",
        help="Stop after this many epochs in a row without improvement; 0: never.",
        unit="epochs",
        ge=0,
        le=100_000,
        step=Step("add", 5),
    )
    early_stopping_min_delta: float = setting(
        0.0,
        label="least improvement",
        help="What the cost must fall by to count as improved for early stopping.",
        ge=0,
        le=100,
        step=Step("add", 0.001),
    )
    seed: int = setting(
        0,
        label="seed",
        option="--seed",
        help="Where all random numbers of the trial begin.",
        ge=0,
        le=2**32 - 1,
        step=Step("add", 1),
    )
    device: Device = setting(
        "auto", label="device", option="--device", help="Where to train; auto: the GPU if there is one."
    )
    precision: Precision = setting(
        "float32",
        label="precision",
        help="Number format of the matrix products; weights are always kept in float32. TF32 needs a GPU.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Part):
    """Everything that decides what a trial does: an immutable value that can be compared and hashed."""

    PATH: ClassVar[str] = ""

    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()


FIELDS: dict[str, SettingField] = {
    row.path: row
    for kind in (DataSettings, ModelSettings, HiddenLayer, OutputLayer, TrainingSettings)
    for row in members_of(kind).values()
    if isinstance(row, SettingField)
}
"""The table of fields, by path, in the order in which forms and files show them."""
