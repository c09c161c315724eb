"""The optimizer, and the L2 penalty's part in the cost and in the gradient."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from core.model import Mlp
from core.settings import TrainingSettings
from core.tensors import check_tensors

BETAS = (0.9, 0.999)
ADAM_EPS = 1e-8
_MOMENTA = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}
_STEP = "step"


def corrections(step: int) -> tuple[float, float]:
    """Return what Adam divides by at a step, from 1: the first momentum's part, and the root of the second's."""
    return 1 - BETAS[0] ** step, math.sqrt(1 - BETAS[1] ** step)


@dataclass(frozen=True, slots=True)
class Part:
    """A parameter and how it is changed: living tensors.

    Attributes:
        name: Its name in the network.
        parameter: Itself.
        momenta: What is remembered of its gradients, in the order of `PenalizedOptimizer.state`.
        weight_decay: AdamW's, past the gradient.
        is_penalized: Whether the L2 penalty covers it.
    """

    name: str
    parameter: nn.Parameter
    momenta: Sequence[Tensor]
    weight_decay: float
    is_penalized: bool


class PenalizedOptimizer:
    """Minimizes cross-entropy + lambda / (2m) * sum of squared weights, given the cross-entropy's gradient.

    The penalty's gradient, lambda / m * W, is never computed by autograd. Adam and SGD add their `weight_decay` times W
    to the gradient before anything else, so it is set to lambda / m, anew for every size of batch. AdamW's decay goes
    past the gradient (Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101) and stays the trial's own
    `weight_decay`, on the weights of the Linear layers; there the penalty's gradient is added.

    It calls the kernels of `torch.optim`'s fused optimizers itself: what those do around them takes as long as all the
    small layers of a network, and importing them as long as PyTorch.

    Attributes:
        steps: The steps made, (), float32, on the device; None for SGD, which counts none.
    """

    def __init__(self, model: Mlp, training: TrainingSettings) -> None:
        """Take a network that is already on its device; memory for what is remembered is taken when first needed."""
        self._model = model
        self._penalized = model.penalized_weights
        self._training = training
        self._kinds = _MOMENTA[training.optimizer] if training.optimizer != "sgd" or training.momentum else ()
        self.steps: Tensor | None = None
        if training.optimizer != "sgd":
            self.steps = torch.zeros((), device=model.linear(1).weight.device)

    @functools.cached_property
    def parts(self) -> list[Part]:
        """All parameters, in the network's order."""
        return list(_parts_of(self._model, self._training, len(self._kinds)))

    @functools.cached_property
    def _groups(self) -> list[list[Part]]:
        """The parameters that are decayed alike."""
        groups: dict[tuple[bool, float], list[Part]] = {}
        for part in self.parts:
            groups.setdefault((part.is_penalized, part.weight_decay), []).append(part)
        return list(groups.values())

    def penalty(self, batch_size: int) -> Tensor | float:
        """Return lambda / (2m) * sum of squared penalized weights, for the weights as they are now.

        Of a stacked network it is (K,): that of each copy.
        """
        if not self._training.l2_lambda or not self._penalized:
            return 0.0
        # sums of a row's few thousand squares are exact enough in float32, sums of all the millions are not
        norms = [torch.linalg.vector_norm(weight.detach(), dim=-1) for weight in self._penalized]
        squares = torch.stack([norm.double().pow(2).sum(-1) for norm in norms]).sum(0)
        return squares * (self._training.l2_lambda / (2 * batch_size))

    def state(self) -> dict[str, Tensor]:
        """Return what the optimizer remembers: "step", and "parameter.kind"; the living tensors, not copies.

        The learning rate and the weight decay are not in it: every step sets them anew.
        """
        remembered = {} if self.steps is None else {_STEP: self.steps}
        for part in self.parts:
            remembered |= {f"{part.name}.{kind}": each for kind, each in zip(self._kinds, part.momenta, strict=True)}
        return remembered

    def steps_made(self) -> int:
        """Return the steps that Adam or AdamW remembers; 0 for SGD, which counts none."""
        return 0 if self.steps is None else int(self.steps)

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `state` returned.

        Raises:
            StateError: A tensor is missing, unknown or of another shape; nothing is changed then.
        """
        own = self.state()
        check_tensors(state, {name: each.shape for name, each in own.items()}, "the optimizer")
        for name, each in own.items():
            each.copy_(state[name])

    def share_state(self, stacked: PenalizedOptimizer, at: int) -> None:
        """Remember what a stacked network's optimizer remembers of the copy at a position: views of it, not copies."""
        self.steps = stacked.steps
        pairs = zip(stacked.parts, self._model.parameters(), strict=True)
        self.parts = [
            dataclasses.replace(whole, parameter=own, momenta=[each[at] for each in whole.momenta])
            for whole, own in pairs
        ]

    def step(self, gradients: Mapping[str, Tensor], batch_size: int, learning_rate: float | Tensor) -> None:
        """Change the weights by one step.

        Args:
            gradients: Of a batch's mean cross-entropy, by the parameter's name; they may be changed.
            batch_size: Images in the batch.
            learning_rate: The step's learning rate, or a tensor () on the device that holds it.
        """
        decay = self._training.l2_lambda / batch_size
        with torch.no_grad():
            if self.steps is not None:
                self.steps += 1
            for parts in self._groups:
                # the kernels look at no strides
                given = [gradients[part.name].contiguous() for part in parts]
                self._change(parts, given, decay, learning_rate)

    def _change(self, parts: Sequence[Part], gradients: list[Tensor], decay: float, rate: float | Tensor) -> None:
        """Change parameters that are decayed alike; `decay` is lambda / m, where the penalty covers them."""
        weights: list[Tensor] = [part.parameter for part in parts]
        momenta = [[part.momenta[kind] for part in parts] for kind in range(len(self._kinds))]
        decay = decay if parts[0].is_penalized else 0.0
        if self._training.optimizer == "adamw":
            if decay:
                torch._foreach_add_(gradients, weights, alpha=decay)
            decay = parts[0].weight_decay
        same: dict[str, Any] = {"lr": rate, "weight_decay": decay, "maximize": False}
        if self.steps is None:
            same |= {"momentum": self._training.momentum, "dampening": 0, "nesterov": False, "is_first_step": False}
            torch._fused_sgd_(weights, gradients, momenta[0] if momenta else [], **same)
            return
        same |= {"beta1": BETAS[0], "beta2": BETAS[1], "eps": ADAM_EPS, "amsgrad": False}
        change: Any = torch._fused_adamw_ if self._training.optimizer == "adamw" else torch._fused_adam_
        change(weights, gradients, *momenta, [], [self.steps] * len(weights), **same)


def _parts_of(model: Mlp, training: TrainingSettings, momenta: int) -> Iterator[Part]:
    """Yield a network's parameters, of which nothing is remembered yet."""
    penalized = {id(weight) for weight in model.penalized_weights}
    linear_weights = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    for name, parameter in model.named_parameters():
        decay = training.weight_decay if training.optimizer == "adamw" and id(parameter) in linear_weights else 0.0
        zeros = [torch.zeros_like(parameter, requires_grad=False) for _ in range(momenta)]
        yield Part(name, parameter, zeros, decay, id(parameter) in penalized)
