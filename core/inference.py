"""Run a network over images without training it: no random number is drawn, no statistic moves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from core.data.normalize import Normalizer
from core.model import Mlp
from core.size import evaluation_chunk


def logits_of(
    model: Mlp, images: Tensor, normalize: Normalizer, watch: Callable[[int, Tensor], object] | None = None
) -> Tensor:
    """Return logits (N, classes), float32, in evaluation mode.

    A thousand images or so, on a GPU more, go through the network at once. All at once, as in the reference's
    evaluation, would give the same logits to rounding and take more memory.

    Args:
        model: The network.
        images: (N, channels, height, width), uint8.
        normalize: Turns images into inputs.
        watch: Sees the outputs of the hidden layers' activations on the way, as in `Mlp.forward`.
    """
    chunk = evaluation_chunk(images[0].numel(), len(images), widest=model.widest, on_gpu=images.is_cuda)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return torch.cat([model(normalize(part), watch) for part in images.split(chunk)])
    finally:
        model.train(was_training)


class DeadUnits:
    """Counts the hidden units whose ReLU gives zero for every image (Lu et al. 2019, https://arxiv.org/abs/1903.06733).

    Such a unit does not help to tell the images apart; where it gives zero for all training images too, no gradient
    reaches its weights any more. What a skip connection adds behind the ReLU does not count.
    """

    def __init__(self, model: Mlp) -> None:
        """Begin without images."""
        self._widths = model.relu_widths
        self._peaks: dict[int, Tensor] = {}

    def watch(self, number: int, outputs: Tensor) -> None:
        """Take in the outputs (m, width) of a hidden layer's activation."""
        if number in self._widths:
            peak = outputs.amax(0)
            self._peaks[number] = torch.maximum(self._peaks[number], peak) if number in self._peaks else peak

    def fraction(self) -> float | None:
        """Return the part of the units with a ReLU that gave zero for all images; None if there are no such units."""
        if not self._widths:
            return None
        dead = torch.stack([(peak == 0).sum() for peak in self._peaks.values()]).sum()
        return int(dead) / sum(self._widths.values())


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
