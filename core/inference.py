"""Run a network over images without training it: no random number is drawn, no statistic moves."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from core.data.normalize import Normalizer
from core.model import Mlp
from core.size import evaluation_chunk


def logits_of(model: Mlp, images: Tensor, normalize: Normalizer) -> Tensor:
    """Return logits (N, classes), float32, for images (N, channels, height, width), uint8, in evaluation mode.

    A thousand images or so go through the network at once. All at once, as in the reference's evaluation, would give
    the same logits to rounding and take more memory.
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
    values = values.double()
    full = len(values) // batch_size * batch_size
    means = values[:full].view(-1, batch_size).mean(1)
    if full < len(values):
        means = torch.cat((means, values[full:].mean().view(1)))
    return float(means.mean())
