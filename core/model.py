"""The network: hidden blocks Linear -> BatchNorm1d -> activation -> Dropout, and a plain Linear at the end.

With skip connections (He et al. 2016, https://arxiv.org/abs/1512.03385; here without projections) a block that is as
wide as its input x returns x + block(x).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from core.errors import WeightsError
from core.randomness import seed_generator
from core.settings import HiddenLayer, ModelSettings, OutputLayer
from core.skips import skip_layers
from core.text import printable

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
_SLICES = 1 << 16
_BATCH_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014) with random numbers of its own, so that nothing else shifts them.

    On a CPU each 64-bit random number decides for four neurons; the probability is thus a multiple of 1/65536.

    Attributes:
        generator: What it draws from: on a GPU PyTorch's, on a CPU NumPy's SFC64, which is twice as fast there. None:
            numbers that come out otherwise every time.
    """

    def __init__(self, probability: float) -> None:
        """Switch each neuron off with the probability, in training mode only."""
        super().__init__()
        self._dropped = max(1, round(probability * _SLICES)) if probability else 0
        self.generator: torch.Generator | np.random.SFC64 | None = None

    def forward(self, values: Tensor) -> Tensor:
        """Return the values (m, width), some of them zero and the others scaled to keep the expectation."""
        if not self.training or self._dropped == 0:
            return values
        return self.keeper(values)(values.clone())

    def keeper(self, values: Tensor) -> Callable[[Tensor], Tensor]:
        """Draw for values (m, width); return what switches off the same neurons of any such values, in place."""
        kept = self.draw(values)
        scale = _SLICES / (_SLICES - self._dropped)
        if values.dtype == torch.float32:
            kept.mul_(scale)
            return lambda some: some.mul_(kept)
        return lambda some: some.mul_(kept).mul_(scale)  # the scale itself would be rounded by up to 0.2 % in bfloat16

    def draw(self, values: Tensor) -> Tensor:
        """Return 1 for each of the values (m, width) that stays and 0 for the others, in their type."""
        if values.device.type == "cpu":
            if not isinstance(self.generator, np.random.SFC64):
                self.generator = np.random.SFC64()
            words = torch.from_numpy(self.generator.random_raw(-(-values.numel() // 4)).view(np.int16))
            slices = words[: values.numel()].view(values.shape)
            # straight into numbers: as bools first it takes six times as long
            return torch.ge(slices, self._dropped - _SLICES // 2, out=torch.empty(values.shape, dtype=values.dtype))
        drawn = self.generator if isinstance(self.generator, torch.Generator) else None
        return torch.empty_like(values).bernoulli_(1 - self._dropped / _SLICES, generator=drawn)


class Block(NamedTuple):
    """A hidden block.

    Attributes:
        number: Its layer, from 1.
        linear: Its product.
        norm: Its batch norm; None without.
        activation: What follows, a name in `ACTIVATIONS`.
        dropout: What is last; None without.
        carries: Whether its input is added to what comes out.
    """

    number: int
    linear: nn.Linear
    norm: nn.BatchNorm1d | None
    activation: str
    dropout: Dropout | None
    carries: bool


class Mlp(nn.Module):
    """A fully connected classifier whose parameters are named `linear1`, `bn1`, ... as in the reference.

    Its state_dict loads into the reference's class and the other way round. A fresh network has the weights that
    the reference's class draws after `torch.manual_seed(seed)`; the global random numbers are not touched.

    Attributes:
        widest: The neurons of its widest layer.
        relu_widths: The neurons of every hidden layer whose activation is ReLU, by its number from 1.
    """

    def __init__(self, settings: ModelSettings, inputs: int, classes: int, seed: int = 0) -> None:
        """Build the network with fresh weights.

        Args:
            settings: Its layers.
            inputs: Values of one image.
            classes: Number of classes.
            seed: Where the random weights begin.
        """
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self._generator: torch.Generator | None = None
        self._activations = [layer.activation for layer in settings.hidden]
        self._skips = skip_layers(settings, inputs)
        self.widest = max([layer.width for layer in settings.hidden] + [classes])
        self.relu_widths = {
            number: layer.width for number, layer in enumerate(settings.hidden, 1) if layer.activation == "relu"
        }
        before = inputs
        for number, layer in enumerate(settings.hidden, 1):
            self.add_module(f"linear{number}", _Linear(before, layer.width, generator))
            if layer.batch_norm:
                self.add_module(f"bn{number}", nn.BatchNorm1d(layer.width))
            if layer.dropout:
                self.add_module(f"dropout{number}", Dropout(layer.dropout))
            before = layer.width
        self.add_module(f"linear{len(settings.hidden) + 1}", _Linear(before, classes, generator))
        covered = [layer.l2 for layer in settings.hidden] + [settings.output.l2]
        self._covered = [number for number, l2 in enumerate(covered, 1) if l2]

    def linear(self, number: int) -> nn.Linear:
        """Return the Linear of a layer, counted from 1."""
        module = self.get_submodule(f"linear{number}")
        assert isinstance(module, nn.Linear)  # noqa: S101 - built so above
        return module

    def blocks(self) -> Iterator[Block]:
        """Yield the hidden blocks."""
        for number, activation in enumerate(self._activations, 1):
            norm, dropout = (self._modules.get(f"{name}{number}") for name in ("bn", "dropout"))
            parts = (self.linear(number), cast(nn.BatchNorm1d | None, norm), activation, cast(Dropout | None, dropout))
            yield Block(number, *parts, number in self._skips)

    @property
    def penalized_weights(self) -> list[Tensor]:
        """The weights, without biases, of the Linear layers that the L2 penalty covers."""
        return [self.linear(number).weight for number in self._covered]

    def dropout_generator(self, device: torch.device) -> torch.Generator:
        """Return what all dropout layers draw from on a GPU, always the same."""
        if self._generator is None or self._generator.device != device:
            self._generator = torch.Generator(device)
            self._let_draw(self._generator)
        return self._generator

    def start_epoch(self, seed: int, epoch: int, device: torch.device) -> None:
        """Let dropout draw the numbers of an epoch, which depend on the seed and the epoch alone."""
        if device.type == "cpu":
            self._let_draw(np.random.SFC64([seed, epoch, *b"dropout"]))
        else:
            seed_generator(self.dropout_generator(device), seed, epoch, "dropout")

    def _let_draw(self, generator: torch.Generator | np.random.SFC64) -> None:
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator

    def forward(self, inputs: Tensor, watch: Callable[[int, Tensor], object] | None = None) -> Tensor:
        """Return logits (m, classes).

        Args:
            inputs: (m, values).
            watch: Called with the number of every hidden layer, from 1, and the output of its activation (m, width).
        """
        values = inputs
        for block in self.blocks():
            carried = values
            values = block.linear(values)
            if block.norm is not None:
                values = block.norm(values)
            values = ACTIVATIONS[block.activation](values)
            if watch is not None:
                watch(block.number, values)
            if block.dropout is not None:
                values = block.dropout(values)
            if block.carries:
                values = carried + values
        return cast(Tensor, self.linear(len(self._activations) + 1)(values))


class _Linear(nn.Linear):
    """A Linear with torch's own initialization (He et al. 2015 with a = sqrt 5), drawn from a given generator."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__(inputs, outputs)
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5), generator=generator)
        nn.init.uniform_(self.bias, -1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)

    def reset_parameters(self) -> None:
        """Draw nothing: nn.Linear's own way would draw from the global random numbers."""


def architecture_of(weights: Mapping[str, Tensor]) -> tuple[ModelSettings, int, int]:
    """Recover the network from a bare state_dict.

    What a state_dict does not tell is assumed: ReLU and no skip connections, as in the reference; dropout and the L2
    penalty, which play no part in evaluation, are off.

    Returns:
        The layers, the number of input values, the number of classes.

    Raises:
        WeightsError: These are not the weights of such a network.
    """
    linears = sorted(
        int(match[1]) for name in weights if (match := re.fullmatch(r"linear([1-9]\d{0,5})\.weight", name))
    )
    if not linears or linears != list(range(1, len(linears) + 1)):
        raise WeightsError("the file has no linear1.weight, linear2.weight, ... as Trialbook's networks do")
    hidden = []
    expected: dict[str, tuple[int, ...]] = {}
    before = 0
    for number in linears:
        shape = tuple(weights[f"linear{number}.weight"].shape)
        if len(shape) != 2 or 0 in shape or (before and shape[1] != before):  # noqa: PLR2004 - rows and columns
            raise WeightsError(f"linear{number}.weight has the shape {shape}, which does not fit the layer before")
        before = shape[0]
        expected |= {f"linear{number}.weight": shape, f"linear{number}.bias": (before,)}
        normalized = f"bn{number}.weight" in weights and number < len(linears)
        if normalized:
            expected |= {f"bn{number}.{part}": (before,) for part in _BATCH_NORM_PARTS}
            expected[f"bn{number}.num_batches_tracked"] = ()
        hidden.append(HiddenLayer(width=before, batch_norm=normalized, l2=False))
    for name, wanted in expected.items():
        if name not in weights:
            raise WeightsError(f"the file has no {name}")
        if tuple(weights[name].shape) != wanted:
            raise WeightsError(f"{name} has the shape {tuple(weights[name].shape)} instead of {wanted}")
    foreign = sorted(set(weights) - set(expected))
    if foreign:
        raise WeightsError(f"the file holds {printable(foreign[0], 60)}, which no network of Trialbook has")
    inputs = weights["linear1.weight"].shape[1]
    return ModelSettings(hidden=tuple(hidden[:-1]), output=OutputLayer(l2=False)), inputs, before


def load_into(model: Mlp, weights: Mapping[str, Tensor]) -> None:
    """Load a state_dict into a network of the same shape.

    Raises:
        WeightsError: A tensor is missing, unknown or of another shape.
    """
    own = model.state_dict()
    for name in sorted(set(own) ^ set(weights)):
        raise WeightsError(f"{printable(name, 60)} is {'missing from' if name in own else 'unknown to'} the network")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            shapes = f"{tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
            raise WeightsError(f"{name} has the shape {shapes}: the weights are of another network")
    model.load_state_dict(dict(weights))
