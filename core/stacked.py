"""Several copies of a network as one, whose products are made all at once, as a GPU likes them.

A small network keeps a GPU waiting for its next kernel most of the time. K copies with stacked weights take as many
kernels as one, of which each does K times as much.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.model import Dropout, Mlp


def stack_networks(copies: Sequence[Mlp]) -> Mlp:
    """Return a network of K networks, which takes inputs (K, m, values) and returns logits (K, m, classes).

    Its state_dict has the names of one and tensors with K in front. It computes for each copy what the copy computes
    itself, to rounding, and draws dropout from the copies' own generators: call `start_epoch` on each of them.

    Args:
        copies: K networks with the same layers, whose tensors are copied; those of a stack cannot be stacked again.
    """
    first = copies[0]
    stacked = copy.deepcopy(first)
    for name, module in first.named_children():
        same = [each.get_submodule(name) for each in copies]
        if isinstance(module, Dropout):
            stacked.set_submodule(name, _StackedDropout([each for each in same if isinstance(each, Dropout)]))
        elif isinstance(module, nn.BatchNorm1d):
            stacked.set_submodule(name, _StackedBatchNorm(same, module))
        else:
            stacked.set_submodule(name, _StackedLinear(same))
    return stacked


def view_into(network: Mlp, stacked: Mlp, at: int) -> None:
    """Let a network's tensors be those of a copy in a stack: what changes the one changes the other.

    Args:
        network: A network with the layers of the stack's.
        stacked: What `stack_networks` returned.
        at: The copy's position in it.
    """
    whole = stacked.state_dict()
    for name, tensor in network.state_dict(keep_vars=True).items():
        tensor.data = whole[name][at]


class _StackedLinear(nn.Linear):
    """K Linears: weights (K, outputs, inputs), biases (K, outputs)."""

    def __init__(self, copies: Sequence[nn.Module]) -> None:
        nn.Module.__init__(self)  # nn.Linear's own would make weights of one copy's shape
        parts = _stacked_parts(copies)
        self.in_features, self.out_features = parts["weight"].shape[2], parts["weight"].shape[1]
        self.weight = nn.Parameter(parts["weight"])
        self.bias = nn.Parameter(parts["bias"])

    def forward(self, values: Tensor) -> Tensor:
        """Return (K, m, outputs) for (K, m, inputs)."""
        return torch.baddbmm(self.bias[:, None], values, self.weight.mT)


class _StackedBatchNorm(nn.Module):
    """K batch norms with statistics of their own: all tensors (K, width), counts of batches (K,)."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, copies: Sequence[nn.Module], first: nn.BatchNorm1d) -> None:
        super().__init__()
        parts = _stacked_parts(copies)
        self._momentum, self._eps = first.momentum or 0.0, first.eps
        self.weight = nn.Parameter(parts["weight"])
        self.bias = nn.Parameter(parts["bias"])
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, parts[name])

    def forward(self, values: Tensor) -> Tensor:
        """Return (K, m, width), normalized over m."""
        if self.training:
            self.num_batches_tracked.add_(1)
        normalized: Tensor = functional.batch_norm(
            values.transpose(0, 1).flatten(1),  # all neurons of all copies side by side
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            self.training,
            self._momentum,
            self._eps,
        )
        return normalized.view(-1, *self.weight.shape).transpose(0, 1)


class _StackedDropout(Dropout):
    """K dropouts, each of which draws from its own generator what it would draw alone."""

    def __init__(self, copies: Sequence[Dropout]) -> None:
        super().__init__(0.0)
        self._dropped = copies[0]._dropped
        self._copies = tuple(copies)  # in a tuple, so that they are no modules of the stack

    def draw(self, values: Tensor) -> Tensor:
        """Return which of the values (K, m, width) stay, as `Dropout.draw`."""
        return torch.stack([each.draw(part) for each, part in zip(self._copies, values, strict=True)])


def _stacked_parts(copies: Sequence[nn.Module]) -> Mapping[str, Tensor]:
    """Return the modules' tensors, by name, with K in front."""
    parts = [each.state_dict() for each in copies]
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
