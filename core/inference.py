"""Run a network over images without training it: no random number is drawn, no statistic moves."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.data.batches import Normalizer
from core.model import Mlp
from core.size import evaluation_chunk


def logits_of(model: Mlp, images: Tensor, normalize: Normalizer) -> Tensor:
    """Return logits (N, classes), float32, for images (N, channels, height, width), uint8, in evaluation mode.

    Up to 10,000 images go through the network at once, as in the reference's evaluation.
    """
    chunk = evaluation_chunk(images[0].numel(), len(images))
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return torch.cat([model(normalize(part)) for part in images.split(chunk)])
    finally:
        model.train(was_training)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of every image (N,), float32, from logits (N, classes) and labels (N,)."""
    return functional.cross_entropy(logits, labels, reduction="none")


def mean_of_batch_means(values: Tensor, batch_size: int) -> float:
    """Return the mean over batches of each batch's mean, in double precision.

    The reference averages so; a smaller last batch counts as much as a full one.

    Args:
        values: (N,), in order.
        batch_size: Values in a batch, but for the last.
    """
    means = [float(part.double().mean()) for part in values.split(batch_size)]
    return sum(means) / len(means)
