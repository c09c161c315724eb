"""All weights of a training as one table, so that one kernel can change them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import triton
from torch import Tensor

from core.fused.kernels.change import finish, optimize
from core.graphs import Now
from core.optimizer import ADAM_EPS, BETAS, PenalizedOptimizer
from core.settings import TrainingSettings

_BLOCK = 1024  # weights that one program changes
_ADDED = 1024  # sums that a program adds at once


class WeightsTable:
    """Where weights, gradients and what the optimizer remembers lie, and what is changed in which block."""

    def __init__(
        self,
        training: TrainingSettings,
        optimizer: PenalizedOptimizer,
        gradients: Mapping[str, Tensor],
        low: Mapping[str, Tensor],
        copies: int,
    ) -> None:
        """Take down the addresses: none of the tensors may be replaced by another from now on.

        Args:
            training: The optimizer's settings.
            optimizer: What remembers.
            gradients: Of each parameter, by its name.
            low: The weights in bfloat16, by the parameter's name, which are changed as well; {} for none.
            copies: How many networks are stacked.
        """
        self._training = training
        self._copies = copies
        self._kept = (gradients, low)  # their memory must not be given to others
        tensors, decays, sizes = [], [], []
        for part in optimizer.parts:
            weights = part.parameter.detach()
            momenta = [*part.momenta, weights, weights][:2]
            each = [weights, gradients[part.name], *momenta, low.get(part.name)]
            tensors.append([0 if tensor is None else tensor.data_ptr() for tensor in each])
            decays.append([part.weight_decay, float(part.is_penalized)])
            sizes.append(weights.numel() // copies)
        blocks = [
            [number, copy * size + begin, (copy + 1) * size]
            for copy in range(copies)
            for number, size in enumerate(sizes)
            for begin in range(0, size, _BLOCK)
        ]
        device = next(iter(gradients.values())).device
        self._tensors = torch.tensor(tensors, device=device)
        self._steps = torch.zeros((), device=device) if optimizer.steps is None else optimizer.steps
        self._decays = torch.tensor(decays, device=device, dtype=torch.float32)
        self._blocks = torch.tensor(blocks, device=device)
        self._squares = torch.zeros(len(blocks), device=device)

    def change(self, now: Now, images: int) -> None:
        """Change the weights by the gradients of a mean over so many images, as the optimizer does."""
        training = self._training
        optimize[len(self._blocks),](
            self._tensors,
            self._decays,
            self._blocks,
            self._steps,
            self._squares,
            now.numbers,
            now.at,
            now.numbers.shape[1],
            training.momentum if training.optimizer == "sgd" else BETAS[0],
            BETAS[1],
            ADAM_EPS,
            training.l2_lambda / images,
            KIND=training.optimizer,
            MOMENTUM=training.momentum > 0,
            LOW=bool(self._kept[1]),
            BLOCK=_BLOCK,
            num_warps=4,
        )

    def finish(self, told: Tensor, sums: Tensor, now: Now, images: int) -> None:
        """Add what a step told to the epoch's sums, with the penalty of the weights before their change; count it.

        Args:
            told: Cross-entropy and right answers (2, K), float64.
            sums: Cost, cross-entropy and right answers of the epoch (3, K), float64.
            now: The epoch.
            images: Images in the batch of one copy.
        """
        finish[self._copies,](
            self._squares,
            told,
            sums,
            now.at,
            len(self._blocks) // self._copies,
            self._training.l2_lambda / (2 * images),
            BLOCK=triton.next_power_of_2(min(_ADDED, len(self._blocks) // self._copies)),
        )
