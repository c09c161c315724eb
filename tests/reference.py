"""The reference in plain PyTorch, as its log describes it: this file knows nothing of Trialbook."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Network(nn.Module):
    """Linear -> BatchNorm1d -> ReLU -> Dropout, and a plain Linear at the end."""

    def __init__(self, inputs: int, widths: list[int], dropouts: list[float], classes: int) -> None:
        super().__init__()
        sizes = [inputs, *widths]
        self.depth = len(widths)
        for k in range(1, self.depth + 1):
            setattr(self, f"linear{k}", nn.Linear(sizes[k - 1], sizes[k]))
            setattr(self, f"bn{k}", nn.BatchNorm1d(sizes[k]))
            setattr(self, f"drop{k}", nn.Dropout(dropouts[k - 1]))
        setattr(self, f"linear{self.depth + 1}", nn.Linear(sizes[-1], classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for k in range(1, self.depth + 1):
            x = getattr(self, f"linear{k}")(x)
            x = getattr(self, f"drop{k}")(functional.relu(getattr(self, f"bn{k}")(x)))
        return getattr(self, f"linear{self.depth + 1}")(x)


def cost(network: Network, x: torch.Tensor, y: torch.Tensor, penalty: float, layers: list[int]) -> torch.Tensor:
    """Mean cross-entropy + lambda / (2 m) * sum of squared weights of the regularized layers."""
    squares = sum(getattr(network, f"linear{k}").weight.pow(2).sum() for k in layers)
    return functional.cross_entropy(network(x), y) + penalty / (2 * len(y)) * squares


def test_cost(network: Network, x: torch.Tensor, y: torch.Tensor, batch_size: int) -> float:
    """Mean of the test batches' cross-entropies, in evaluation mode."""
    network.eval()
    with torch.no_grad():
        parts = zip(x.split(batch_size), y.split(batch_size), strict=True)
        costs = [functional.cross_entropy(network(a), b).item() for a, b in parts]
    return sum(costs) / len(costs)


def accuracy(network: Network, x: torch.Tensor, y: torch.Tensor) -> float:
    """Fraction of right answers, in evaluation mode, in one batch."""
    network.eval()
    with torch.no_grad():
        return (network(x).argmax(1) == y).float().mean().item()
