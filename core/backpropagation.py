"""The gradients of a training step, computed by hand.

Autograd computes the same. But around a network's narrow layers its nodes, and modules, take longer than the numbers:
by hand a step takes half as many calls, and nothing is written that the next call could not have changed in place.

What goes forward here returns what it makes, and a function that takes it back: it turns the gradient of what was made
into the gradient of what was given, and notes those of the parameters. It may change the gradient that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.model import ACTIVATIONS, Block, Dropout, Mlp

_Back = Callable[[Tensor], Tensor]
_Way = tuple[Tensor, _Back]
_aten = torch.ops.aten
_FORWARD = {**ACTIVATIONS, "relu": torch.relu_}
_BACK: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    # from the gradient, what went in, and what came out; of the latter, relu needs only which is above 0
    "relu": lambda gradient, _, after: _aten.threshold_backward(gradient, after, 0),
    "leaky_relu": lambda gradient, before, _: _aten.leaky_relu_backward(gradient, before, 0.01, False),
    "elu": lambda gradient, before, _: _aten.elu_backward(gradient, 1, 1, 1, False, before),
    "gelu": lambda gradient, before, _: _aten.gelu_backward(gradient, before),
    "silu": lambda gradient, before, _: _aten.silu_backward(gradient, before),
    "tanh": lambda gradient, before, _: _aten.tanh_backward(gradient, before.tanh()),
}


class Backpropagated(NamedTuple):
    """What came of a batch.

    Attributes:
        cross_entropy: The batch's mean, ().
        logits: (m, classes).
        gradients: Of that mean, by the parameter's name in the network.
    """

    cross_entropy: Tensor
    logits: Tensor
    gradients: dict[str, Tensor]


@torch.no_grad()
def backpropagate(
    model: Mlp, inputs: Tensor, targets: Tensor, label_smoothing: float, dtype: torch.dtype
) -> Backpropagated:
    """Send a batch through a network in training, and its mean cross-entropy's gradient back.

    Args:
        model: In training mode: dropout draws, and batch norm updates its running statistics.
        inputs: (m, values), of the parameters' type, as are all results.
        targets: Labels (m,), int64, or the classes' shares (m, classes), float32.
        label_smoothing: Part of each target that is spread evenly over all classes.
        dtype: Of the operands and results of matrix products, and of all between them.
    """
    gradients: dict[str, Tensor] = {}
    values = inputs
    ways: list[_Back] = []
    for block in model.blocks():
        values, back = _through_block(block, values, dtype, gradients)
        ways.append(back)
    number = len(ways) + 1
    values, back = _through_linear(f"linear{number}", model.linear(number), values, dtype, gradients)
    ways.append(back)
    logits = values.to(inputs.dtype)
    loss, gradient = _cross_entropy(logits, targets, label_smoothing)
    while ways:  # what a layer has kept is freed when it is done
        gradient = ways.pop()(gradient)
    return Backpropagated(loss, logits, gradients)


def _cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Return the mean cross-entropy (), and its gradient (m, classes) by the logits: (softmax - shares) / m."""
    m, classes = logits.shape
    shares = functional.one_hot(targets, classes).to(logits.dtype) if targets.dim() == 1 else targets
    if label_smoothing:
        shares = shares * (1 - label_smoothing) + label_smoothing / classes
    logarithms = torch.log_softmax(logits, 1)
    return (shares * logarithms).sum() / -m, logarithms.exp().sub_(shares).div_(m)


def _through_block(block: Block, values: Tensor, dtype: torch.dtype, gradients: dict[str, Tensor]) -> _Way:
    """Send values (m, width before) through a hidden block."""
    made, back_linear = _through_linear(f"linear{block.number}", block.linear, values, dtype, gradients)
    back_norm: _Back | None = None
    if block.norm is not None:
        made, back_norm = _through_norm(f"bn{block.number}", block.norm, made, gradients)
    made, back_activation = _through_activation(block.activation, block.dropout, made)

    def back(gradient: Tensor) -> Tensor:
        carried = gradient.clone() if block.carries else None
        gradient = back_activation(gradient)
        if back_norm is not None:
            gradient = back_norm(gradient)
        gradient = back_linear(gradient)
        return gradient if carried is None else gradient + carried

    return (values + made if block.carries else made), back


def _through_linear(
    name: str, linear: nn.Linear, values: Tensor, dtype: torch.dtype, gradients: dict[str, Tensor]
) -> _Way:
    operand, weight = values.to(dtype), linear.weight.to(dtype)

    def back(gradient: Tensor) -> Tensor:
        gradient = gradient.to(dtype)
        gradients[f"{name}.weight"] = torch.mm(gradient.t(), operand).to(linear.weight.dtype)
        gradients[f"{name}.bias"] = gradient.sum(0, dtype=linear.bias.dtype)
        # nobody asks for the gradient of the network's inputs
        return gradient if name == "linear1" else torch.mm(gradient, weight)

    return torch.addmm(linear.bias.to(dtype), operand, weight.t()), back


def _through_norm(name: str, norm: nn.BatchNorm1d, values: Tensor, gradients: dict[str, Tensor]) -> _Way:
    running = (norm.running_mean, norm.running_var)
    count, momentum = cast(Tensor, norm.num_batches_tracked), cast(float, norm.momentum)
    count.add_(1)
    made, *measured = torch.native_batch_norm(values, norm.weight, norm.bias, *running, True, momentum, norm.eps)

    def back(gradient: Tensor) -> Tensor:
        gradient, weight, bias = _aten.native_batch_norm_backward(
            gradient, values, norm.weight, *running, *measured, True, norm.eps, [True, True, True]
        )
        gradients[f"{name}.weight"], gradients[f"{name}.bias"] = weight, bias
        return gradient

    return made, back


def _through_activation(activation: str, dropout: Dropout | None, before: Tensor) -> _Way:
    after = _FORWARD[activation](before)
    if dropout is None:
        return after, lambda gradient: _BACK[activation](gradient, before, after)
    keep = dropout.keeper(after)
    after = keep(after)

    def back(gradient: Tensor) -> Tensor:
        return _BACK[activation](keep(gradient), before, after)

    return after, back
