"""The optimizer, and the L2 penalty's part in the cost and in the gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.model import Mlp
from core.settings import TrainingSettings
from core.tensors import check_tensors
from core.uncompiled import leave_out_compiler, plain_step

BETAS = (0.9, 0.999)
ADAM_EPS = 1e-8
_MOMENTA = {"sgd": ("momentum_buffer",), "adam": ("exp_avg", "exp_avg_sq"), "adamw": ("exp_avg", "exp_avg_sq")}
_STEP = "step"  # Adam's and AdamW's count of steps, one number per parameter


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
        steps: How many steps were made, (), float32; None for SGD.
        weight_decay: AdamW's, past the gradient.
        is_penalized: Whether the L2 penalty covers it.
    """

    name: str
    parameter: nn.Parameter
    momenta: Sequence[Tensor]
    steps: Tensor | None
    weight_decay: float
    is_penalized: bool


class PenalizedOptimizer:
    """Minimizes cross-entropy + lambda / (2m) * sum of squared weights, given the cross-entropy's gradient.

    The penalty's gradient, lambda / m * W, is never computed by autograd. Adam and SGD add their `weight_decay` times W
    to the gradient before anything else, so it is set to lambda / m, anew for every size of batch. AdamW's decay goes
    past the gradient (Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101) and stays the trial's own
    `weight_decay`, on the weights of the Linear layers; there the penalty's gradient is added.
    """

    def __init__(self, model: Mlp, training: TrainingSettings) -> None:
        """Build the optimizer for a network that is already on its device."""
        self._penalized = model.penalized_weights
        self._named = dict(model.named_parameters())
        self._momenta = _MOMENTA[training.optimizer] if training.optimizer != "sgd" or training.momentum else ()
        self._lambda = training.l2_lambda
        self._decoupled = training.optimizer == "adamw"
        groups = _groups(model, training)
        leave_out_compiler()
        if training.optimizer == "sgd":
            self.inner: torch.optim.Optimizer = torch.optim.SGD(
                groups, lr=training.learning_rate, momentum=training.momentum, fused=True
            )
        else:
            kind = torch.optim.AdamW if self._decoupled else torch.optim.Adam
            on_gpu = model.linear(1).weight.is_cuda  # where steps become CUDA graphs
            self.inner = kind(
                groups, lr=training.learning_rate, betas=BETAS, eps=ADAM_EPS, fused=True, capturable=on_gpu
            )
        self._step = plain_step(self.inner)

    def penalty(self, batch_size: int) -> Tensor | float:
        """Return lambda / (2m) * sum of squared penalized weights, for the weights as they are now.

        Of a stacked network it is (K,): that of each copy.
        """
        if not self._lambda or not self._penalized:
            return 0.0
        # sums of a row's few thousand squares are exact enough in float32, sums of all the millions are not
        norms = [torch.linalg.vector_norm(weight.detach(), dim=-1) for weight in self._penalized]
        squares = torch.stack([norm.double().pow(2).sum(-1) for norm in norms]).sum(0)
        return squares * (self._lambda / (2 * batch_size))

    def state(self) -> dict[str, Tensor]:
        """Return what the optimizer remembers, by "parameter.kind"; the living tensors, not copies; {} before a step.

        The learning rate and the weight decay are not in it: every step sets them anew.
        """
        remembered: dict[str, Tensor] = {}
        for name, parameter in self._named.items():
            known = self.inner.state.get(parameter, {})
            remembered |= {f"{name}.{kind}": known[kind] for kind in self._kinds if kind in known}
        return remembered

    def remembered(self) -> list[Tensor]:
        """Return the living tensors that a step changes besides the weights."""
        return [tensor for tensors in self.inner.state.values() for tensor in tensors.values() if tensor is not None]

    def remember(self) -> None:
        """Begin to remember, as the first step would, where there was none yet."""
        for parameter in self._named.values():
            if not self.inner.state.get(parameter):
                first = {kind: torch.zeros_like(parameter, requires_grad=False) for kind in self._momenta}
                if _STEP in self._kinds:
                    first[_STEP] = torch.zeros((), device=parameter.device)
                self.inner.state[parameter] = first

    def parts(self) -> Iterator[Part]:
        """Yield all parameters, once the optimizer has begun to remember."""
        of = {id(parameter): group for group in self.inner.param_groups for parameter in group["params"]}
        for name, parameter in self._named.items():
            known, group = self.inner.state[parameter], of[id(parameter)]
            momenta = [known[kind] for kind in self._momenta]
            decay = group["weight_decay"] if self._decoupled else 0.0
            yield Part(name, parameter, momenta, known.get(_STEP), decay, group["penalized"])

    def steps_made(self) -> int:
        """Return the steps that Adam or AdamW remembers; 0 for SGD, which counts none."""
        known: Mapping[str, Tensor] = next(iter(self.inner.state.values()), {})
        return int(known[_STEP]) if _STEP in known else 0

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `state` returned.

        Raises:
            StateError: A tensor is missing, unknown or of another shape; nothing is changed then.
        """
        expected = {
            f"{name}.{kind}": parameter.shape if kind != _STEP else torch.Size(())
            for name, parameter in self._named.items()
            for kind in self._kinds
        }
        check_tensors(state, expected, "the optimizer")
        for name, parameter in self._named.items():
            self.inner.state[parameter] = {
                # memory of torch's own, which is aligned as a fresh optimizer's; Adam keeps its steps in float32
                kind: torch.empty_like(state[f"{name}.{kind}"], device=parameter.device).copy_(state[f"{name}.{kind}"])
                for kind in self._kinds
            }

    def share_state(self, stacked: PenalizedOptimizer, at: int) -> None:
        """Remember what a stacked network's optimizer remembers of the copy at a position: views of it, not copies."""
        for name, parameter in self._named.items():
            known = stacked.inner.state.get(stacked._named[name], {})
            self.inner.state[parameter] = {
                kind: known[kind] if kind == _STEP else known[kind][at] for kind in self._kinds if kind in known
            }

    @property
    def _kinds(self) -> tuple[str, ...]:
        return self._momenta if isinstance(self.inner, torch.optim.SGD) else (*self._momenta, _STEP)

    def step(self, batch_size: int, learning_rate: float | Tensor) -> None:
        """Change the weights by one step, from the gradients of a batch's mean cross-entropy.

        Args:
            batch_size: Images in the batch that the gradients come from.
            learning_rate: The step's learning rate, or a tensor () on the device that holds it.
        """
        decay = self._lambda / batch_size
        for group in self.inner.param_groups:
            group["lr"] = learning_rate
            if group["penalized"] and not self._decoupled:
                group["weight_decay"] = decay
        if self._decoupled and decay and self._penalized:
            gradients = [weight.grad for weight in self._penalized if weight.grad is not None]
            torch._foreach_add_(gradients, [weight.detach() for weight in self._penalized], alpha=decay)
        self._step()


def _groups(model: Mlp, training: TrainingSettings) -> list[dict[str, object]]:
    """Return the parameters in groups that differ in weight decay."""
    penalized = {id(weight) for weight in model.penalized_weights}
    linear_weights = [module.weight for module in model.modules() if isinstance(module, nn.Linear)]
    decayed = {id(weight) for weight in linear_weights} if training.optimizer == "adamw" else set()
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        groups.setdefault((id(parameter) in penalized, id(parameter) in decayed), []).append(parameter)
    return [
        {"params": parameters, "penalized": covered, "weight_decay": training.weight_decay if decay else 0.0}
        for (covered, decay), parameters in groups.items()
    ]
