"""Which hidden layers have a skip connection; needs no torch, so that forms and estimates can tell too."""

from __future__ import annotations

import itertools

from core.settings import ModelSettings


def skip_layers(model: ModelSettings, inputs: int) -> frozenset[int]:
    """Return the numbers, from 1, of the hidden layers whose input is added to their output; none where that is off.

    Args:
        model: The network.
        inputs: Values of one image.
    """
    return square_layers(model, inputs) if model.skip_connections else frozenset()


def square_layers(model: ModelSettings, inputs: int) -> frozenset[int]:
    """Return the numbers, from 1, of the hidden layers that are as wide as their input.

    Args:
        model: The network.
        inputs: Values of one image.
    """
    widths = [inputs, *(layer.width for layer in model.hidden)]
    return frozenset(number for number, (before, own) in enumerate(itertools.pairwise(widths), 1) if before == own)
