"""The moving average of a network's weights, which is judged and saved instead of the weights themselves."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from core.model import Mlp
from core.tensors import check_tensors

_STEPS = "steps"


class AveragedWeights:
    """An exponential moving average of a network's weights over its training steps.

    The average of a path of weights lies nearer to the minimum than its last point, which still has the noise of the
    last batches (Polyak and Juditsky 1992, https://doi.org/10.1137/0330046). After step t, counted from 0,

        average = d * average + (1 - d) * weights    with    d = min(decay, (1 + t) / (10 + t)),

    so that the random first weights are soon forgotten, as in TensorFlow's ExponentialMovingAverage with num_updates.
    The running statistics of batch norm are averaged in the same way, for they belong to the weights they were taken
    with; its counts of batches are those of the network.

    Attributes:
        model: A network of its own with the averaged weights, on the same device.
        steps: The training steps in the average.
    """

    def __init__(self, model: Mlp, decay: float) -> None:
        """Begin with the weights as they are.

        Args:
            model: The network that is trained, already on its device.
            decay: The part of the average that a step leaves, 0 to 1.
        """
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.steps = 0
        self._decay = decay
        self.follow(model)

    def follow(self, model: Mlp) -> None:
        """Take in a network's weights from now on. Its tensors, and those of the average, must stay the same ones."""
        pairs = list(zip(self.model.state_dict().values(), model.state_dict().values(), strict=True))
        self._averages = [average for average, _ in pairs if average.is_floating_point()]
        self._weights = [weights for _, weights in pairs if weights.is_floating_point()]
        self._copies = [copied for copied, _ in pairs if not copied.is_floating_point()]
        self._counts = [count for _, count in pairs if not count.is_floating_point()]

    def state(self) -> dict[str, Tensor]:
        """Return the averages by the network's names, and "steps"; the living tensors, not copies."""
        return {**self.model.state_dict(), _STEPS: torch.tensor(self.steps)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `state` returned.

        Raises:
            StateError: A tensor is missing, unknown or of another shape; nothing is changed then.
        """
        own = self.state()
        check_tensors(state, {name: tensor.shape for name, tensor in own.items()}, "the averaged weights")
        self.steps = int(state[_STEPS])
        self.model.load_state_dict({name: tensor for name, tensor in state.items() if name != _STEPS})

    def next_share(self) -> float:
        """Return the share 1 - d of the weights in the average after the next step, and count that step."""
        share = self.share_after(self.steps)
        self.steps += 1
        return share

    def share_after(self, steps: int) -> float:
        """Return the share of the weights in the average after a step that so many steps came before."""
        return 1 - min(self._decay, (1 + steps) / (10 + steps))

    def update(self, share: float | Tensor) -> None:
        """Take in the network's weights after a training step.

        Args:
            share: What `next_share` returned, or a tensor () on the device that holds it.
        """
        if isinstance(share, Tensor):  # in a CUDA graph, where a number would be the same in every step
            differences = torch._foreach_sub(self._weights, self._averages)
            torch._foreach_mul_(differences, share)
            torch._foreach_add_(self._averages, differences)
        else:
            torch._foreach_lerp_(self._averages, self._weights, share)
        if self._counts:
            torch._foreach_copy_(self._copies, self._counts)
