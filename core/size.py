"""Parameters, FLOPs and memory of a trial, from its settings and the shape of its data; needs no torch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from core.data.catalog import DataShape
from core.settings import Settings, change_settings
from core.skips import skip_layers

FLOAT = 4  # bytes of a float32
EVALUATION_IMAGES, EVALUATION_BYTES = 1_000, 64 * 2**20
GPU_EVALUATION_IMAGES, GPU_EVALUATION_BYTES = 10_000, 256 * 2**20
TAKEN = 2  # epochs that are on their way to the disk: one is written, one ends meanwhile; a slow disk has up to four
_OPTIMIZER_STATES = {"adam": 2, "adamw": 2, "sgd": 1}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that training a trial keeps or needs at its peak, without the libraries' own few hundred megabytes.

    Attributes:
        weights: Weights, biases and batch-norm statistics.
        averaged: The weights' moving average: as much as the weights, or 0 where it is off.
        gradients: One number per parameter.
        optimizer: What the optimizer remembers per parameter.
        activations: All that one training batch leaves for its backward pass, and what its matrix products need.
        evaluation: Inputs and outputs of the widest layers for one chunk of test images.
        saving: Copies of weights and state of the epochs on their way to the disk, while the next one is trained. On a
            CPU the weights' file too, before it is written; on a GPU that is in the machine's own memory.
        data: All images, one byte a value, and their labels; validation images twice.
    """

    weights: int
    averaged: int
    gradients: int
    optimizer: int
    activations: int
    evaluation: int
    saving: int
    data: int

    @property
    def total(self) -> int:
        """Bytes at the peak: epochs are saved while the next one is trained or evaluated."""
        return self.of_copies(1)

    def of_copies(self, copies: int) -> int:
        """Return the bytes at the peak of so many copies that are trained in the same steps, on the same images.

        They are evaluated one after the other, but each is saved by a thread of its own.
        """
        kept = copies * (self.weights + self.averaged + self.gradients + self.optimizer + self.saving) + self.data
        return kept + max(copies * self.activations, self.evaluation)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a network and its training are.

    Attributes:
        parameters: Trained numbers: weights, biases, batch-norm scales and shifts.
        flops: Floating-point operations to classify one image; a multiplication and an addition count as two. Only
            the Linear layers count; all else, skip connections too, is under one percent. A training step costs about
            three times as much.
        memory: What training needs.
    """

    parameters: int
    flops: int
    memory: Memory


def size_of(settings: Settings, shape: DataShape, *, on_gpu: bool = False) -> Size:
    """Return how large the settings' network and training are on data of the given shape.

    Args:
        settings: The network and its training.
        shape: That of the data.
        on_gpu: Whether it is trained on a GPU, which evaluates more images at once, and whose own memory is told.
    """
    hidden = settings.model.hidden
    widths = [shape.image.values, *(layer.width for layer in hidden), shape.classes]
    products = sum(before * after for before, after in itertools.pairwise(widths))
    normalized = sum(layer.width for layer in hidden if layer.batch_norm)
    parameters = products + sum(widths[1:]) + 2 * normalized
    weights = (parameters + 2 * normalized) * FLOAT
    averaged = weights if settings.training.ema_decay else 0
    optimizer = parameters * FLOAT * _OPTIMIZER_STATES[settings.training.optimizer]
    saved = 2 * weights + averaged + optimizer  # the checkpoint, and the weights once more
    memory = Memory(
        weights=weights,
        averaged=averaged,
        gradients=parameters * FLOAT,
        optimizer=optimizer,
        activations=_activation_bytes(settings, shape) + _product_bytes(settings, widths),
        evaluation=_evaluation_bytes(settings, shape, on_gpu),
        saving=saved * TAKEN + (0 if on_gpu else weights),
        data=int(shape.train_images * (1 + settings.data.validation_split) + shape.test_images)
        * (shape.image.values + 8),
    )
    return Size(parameters, 2 * products, memory)


def fitting_batch_size(settings: Settings, shape: DataShape, available: int, *, on_gpu: bool = False) -> int | None:
    """Return the largest power of two, below the settings' batch size, with which the training fits into memory.

    Args:
        settings: What is trained.
        shape: That of its data.
        available: Bytes that may be taken.
        on_gpu: As `size_of`.

    Returns:
        The batch size; None where it is not the batch size that takes too much.
    """
    size = 1 << (settings.training.batch_size - 1).bit_length() - 1 if settings.training.batch_size > 1 else 0
    least = 2 if any(layer.batch_norm for layer in settings.model.hidden) else 1
    while size >= least:
        fewer = change_settings(settings, {"training.batch_size": size})
        if size_of(fewer, shape, on_gpu=on_gpu).memory.total <= available:
            return size
        size //= 2
    return None


def evaluation_chunk(values: int, images: int, *, widest: int = 0, on_gpu: bool = False) -> int:
    """Return how many test images of `values` input values are evaluated at once by layers up to so wide.

    On a CPU 1,000 are as fast as more and take less memory; fewer, where their inputs would take more than 64 MiB. A
    GPU is given more, as it waits between one chunk and the next.
    """
    if on_gpu:
        return max(1, min(images, GPU_EVALUATION_IMAGES, GPU_EVALUATION_BYTES // ((values + 2 * widest) * FLOAT)))
    return max(1, min(images, EVALUATION_IMAGES, EVALUATION_BYTES // (values * FLOAT)))


def _product_bytes(settings: Settings, widths: list[int]) -> int:
    """Return the bytes of a fresh gradient and of a repacked copy of the largest weights, as matrix products make them.

    bfloat16 makes copies of all weights besides, half as large, for both directions.
    """
    products = [before * after for before, after in itertools.pairwise(widths)]
    copies = sum(products) * FLOAT if settings.training.precision == "bfloat16" else 0
    return 2 * max(products) * FLOAT + copies


def _evaluation_bytes(settings: Settings, shape: DataShape, on_gpu: bool) -> int:
    """Return the bytes of one chunk of test images: the inputs, then two or, past a skip, three of the widest layer."""
    inputs = shape.image.values
    widest = max([layer.width for layer in settings.model.hidden] + [shape.classes])
    at_once = 3 if skip_layers(settings.model, inputs) else 2
    return (
        evaluation_chunk(inputs, shape.test_images, widest=widest, on_gpu=on_gpu) * (inputs + at_once * widest) * FLOAT
    )


def _activation_bytes(settings: Settings, shape: DataShape) -> int:
    """Return the bytes of one training batch: inputs, what each block keeps for the backward pass, its gradients."""
    per_image = shape.image.values * (1 + 2 * FLOAT) + shape.classes * 4 * FLOAT
    skips = skip_layers(settings.model, shape.image.values)
    for number, layer in enumerate(settings.model.hidden, 1):
        # linear, activation, batch norm, and what dropout, a skip or both make of them for the next layer
        kept = 2 + layer.batch_norm + (layer.dropout > 0 or number in skips)
        per_image += layer.width * (FLOAT * (kept + 1) + 2 * (layer.dropout > 0))
    return per_image * min(settings.training.batch_size, shape.train_images)
