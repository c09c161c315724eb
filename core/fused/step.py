"""A training step made of few kernels: forward, backward and the change of the weights, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from core.averaging import AveragedWeights
from core.data.batches import TrainingBatches, mix
from core.device import matmul_precision
from core.fused.kernels.batch import gather
from core.fused.kernels.block import block_backward, block_forward
from core.fused.kernels.loss import loss
from core.fused.products import Side, products_of
from core.fused.weights import WeightsTable
from core.graphs import Now
from core.model import Mlp
from core.optimizer import PenalizedOptimizer
from core.settings import HiddenLayer, Settings
from core.skips import skip_layers

_ROWS = 256  # of a hidden layer that one program holds at once, at most
_WIDE = 512  # neurons; above, a program takes more of them
_DOT_COLUMNS, _DEPTH = 16, 32  # the smallest product that Triton makes at once, and how deep it is
_DOT_WARPS = 8
_DEEPEST = 256  # a product that is made by the kernel that works on it
_LOGITS = 4096  # that one program holds at once
_VALUES = 1024  # of an image, which one program makes
_HALF_RANGE = 1 << 31


@dataclass(frozen=True, slots=True)
class _Layer:
    """A Linear of K networks and, but for the last one, what comes after it in a hidden layer.

    Attributes:
        number: Counted from 1.
        hidden: Its settings; None for the output layer.
        carries: Whether its input is added to its output.
        tensors: "weight" (K, width, before), "bias" and batch norm's "bn.weight" and so on (K, width).
        gradients: Theirs, by the same names.
        factors: What is multiplied with in matrix products: the weights, or their copy in bfloat16.
    """

    number: int
    hidden: HiddenLayer | None
    carries: bool
    tensors: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    factors: Tensor


@dataclass(frozen=True, slots=True)
class _Passed:
    """What a hidden layer leaves for the backward pass: its products (K, m, width), their means, 1 / deviations."""

    products: Tensor
    means: Tensor
    deviations: Tensor


class FusedStep:
    """Makes the same of the weights as `Trainer.step`, but for rounding and for which neurons dropout draws.

    These depend on the copy's key of the epoch, the step, the layer and the neuron alone.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that a step reads and changes
        self,
        settings: Settings,
        model: Mlp,
        optimizer: PenalizedOptimizer,
        batches: TrainingBatches,
        averaged: AveragedWeights | None,
        sums: Tensor,
    ) -> None:
        """Take memory for the gradients.

        Args:
            settings: What is trained.
            model: The network, or K stacked ones, on its device.
            optimizer: Its optimizer.
            batches: Where its batches come from.
            averaged: The average of its weights; None where that is off.
            sums: What every step adds cost, cross-entropy and right answers to: (3,) or, stacked, (3, K), float64.
        """
        self._settings = settings
        self._source = batches.source
        self._classes = batches.classes
        self._is_stacked = sums.dim() > 1
        self._sums = sums.view(3, -1)
        self._copies = self._sums.shape[1]
        self._told = torch.zeros_like(self._sums[1:])
        self._averaged = averaged
        self._rows = max(_DOT_COLUMNS, min(_ROWS, triton.next_power_of_2(settings.training.batch_size)))
        self._precision = "tf32" if settings.training.precision == "tf32" else "ieee"
        precise = settings.training.precision != "bfloat16" or not sums.is_cuda
        self._factor_type = torch.float32 if precise else torch.bfloat16
        gradients = {name: torch.zeros_like(each, requires_grad=False) for name, each in model.named_parameters()}
        self._layers = self._make_layers(model, gradients)
        self._has_skips = any(layer.carries for layer in self._layers)
        low = {} if precise else {f"linear{each.number}.weight": each.factors for each in self._layers}
        self._weights = WeightsTable(settings.training, optimizer, gradients, low, self._copies)

    def start_epoch(self) -> None:
        """Take in weights that something else than a step may have changed."""
        for layer in self._layers:
            if layer.factors.dtype != torch.float32:
                layer.factors.copy_(layer.tensors["weight"])

    @property
    def copied(self) -> list[Tensor]:
        """The copies of weights in bfloat16, which a step changes besides the weights; [] in other precisions."""
        return [layer.factors for layer in self._layers if layer.factors.dtype != torch.float32]

    def __call__(self, now: Now, images: int) -> None:
        """Train on the batch of the step that it is now, and go on to the next.

        Args:
            now: The epoch.
            images: Images in the batch, of all copies together.
        """
        each = images // self._copies
        inputs, targets = self._gather(now, images)
        with matmul_precision(self._settings.training, self._sums.device, autocast=False):
            passed, values = self._forward(inputs, now)
            self._backward(self._loss(values[-1], targets), values, passed, now)
        self._weights.change(now, each)
        if self._averaged is not None:
            self._averaged.update(now.share())
        self._weights.finish(self._told, self._sums, now, each)

    def _make_layers(self, model: Mlp, gradients: Mapping[str, Tensor]) -> list[_Layer]:
        """Return all layers, with the network's own tensors."""
        own = model.state_dict()
        hidden = self._settings.model.hidden
        skips = skip_layers(self._settings.model, own["linear1.weight"].shape[-1])
        layers = []
        for number, settings in enumerate([*hidden, None], 1):
            tensors = self._named(number, own)
            factors = tensors["weight"].to(self._factor_type)  # the weights themselves, where these are of that type
            layers.append(_Layer(number, settings, number in skips, tensors, self._named(number, gradients), factors))
        return layers

    def _named(self, number: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a layer's tensors, with the copies in front, by the names that `_Layer` tells."""
        prefixes = {f"linear{number}.": "", f"bn{number}.": "bn."}
        return {
            short + name.removeprefix(prefix): tensor if self._is_stacked else tensor[None]
            for prefix, short in prefixes.items()
            for name, tensor in tensors.items()
            if name.startswith(prefix)
        }

    def _gather(self, now: Now, images: int) -> tuple[Tensor, Tensor]:
        """Return a batch's inputs (K, m, values) and targets (K, m) or (K, m, classes)."""
        source, plan = self._source, now.plan
        device, values = source.images.device, source.images[0].numel()
        is_mixed = plan.shares is not None
        kind = torch.float32 if is_mixed else self._factor_type
        inputs = torch.empty(images, values, device=device, dtype=kind)
        labels = torch.empty(images, device=device, dtype=torch.int64)
        gather[images, triton.cdiv(values, _VALUES)](
            source.images,
            source.labels,
            plan.positions,
            plan.positions if plan.shifts is None else plan.shifts,
            plan.positions if plan.flips is None else plan.flips.view(torch.uint8),
            source.mean,
            source.std,
            now.at,
            inputs,
            labels,
            now.rows,
            values,
            *source.images.shape[2:],
            source.padding,
            NORMALIZED=source.mean.numel() > 0,
            CROPPED=plan.shifts is not None,
            FLIPPED=plan.flips is not None,
            BLOCK=_VALUES,
        )
        inputs, labels = inputs.view(self._copies, -1, values), labels.view(self._copies, -1)
        shares = now.part(images).shares if is_mixed else None
        if shares is None:
            return inputs, labels
        mixed, targets = mix(inputs, labels, shares.view(self._copies, -1), self._classes)
        return mixed.to(self._factor_type), targets

    def _forward(self, inputs: Tensor, now: Now) -> tuple[list[_Passed], list[Tensor]]:
        """Return what each hidden layer leaves, and the inputs of all layers."""
        passed, values = [], [inputs]
        for layer in self._layers[:-1]:
            bias = layer.tensors["bias"]
            m, (_, width, before) = inputs.shape[1], layer.factors.shape
            is_made = self._is_made_within(m, before)
            if is_made:
                products = torch.empty(self._copies, m, width, device=inputs.device)
            else:
                products = products_of(values[-1], layer.factors.mT)
            outputs = torch.empty_like(products, dtype=self._factor_type)
            means, deviations = torch.empty_like(bias), torch.empty_like(bias)
            names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            grid, constants = self._block(layer, m, is_made)
            block_forward[grid](
                values[-1],
                layer.factors,
                products,
                bias,
                *(layer.tensors.get(f"bn.{name}", bias) for name in names),
                outputs,
                means,
                deviations,
                now.keys,
                now.at,
                m,
                before,
                width,
                *_numbers(layer),
                *_BATCH_NORM,
                SKIP=layer.carries,
                **constants,
            )
            passed.append(_Passed(products, means, deviations))
            values.append(outputs)
        return passed, values

    def _loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Tell cost and right answers; return the gradient of the products of the output layer (K, m, classes)."""
        layer = self._layers[-1]
        m, (_, classes, before) = inputs.shape[1], layer.factors.shape
        is_made = self._is_made_within(m, before) and classes <= _DOT_COLUMNS
        gradient = torch.empty(self._copies, m, classes, device=inputs.device, dtype=self._factor_type)
        columns = _DOT_COLUMNS if is_made else triton.next_power_of_2(classes)
        loss[self._copies,](
            inputs,
            layer.factors,
            inputs if is_made else products_of(inputs, layer.factors.mT),
            layer.tensors["bias"],
            targets,
            self._told,
            gradient,
            layer.gradients["bias"],
            m,
            before,
            classes,
            self._settings.training.label_smoothing,
            SHARES=targets.dim() > 2,  # noqa: PLR2004 - copies and images
            PRODUCT=is_made,
            PRECISION=self._precision,
            ROWS=self._rows if is_made else max(1, min(_ROWS, _LOGITS // columns)),
            COLUMNS=columns,
            DEPTH=_DEPTH,
            num_warps=8,
        )
        return gradient

    def _backward(self, gradient: Tensor, values: list[Tensor], passed: list[_Passed], now: Now) -> None:
        """Make all gradients from that of the last layer's products."""
        with Side(gradient.device) as side:
            self._backward_beside(side, gradient, values, passed, now)

    def _backward_beside(
        self, side: Side, gradient: Tensor, values: list[Tensor], passed: list[_Passed], now: Now
    ) -> None:
        carried: Tensor | None = None
        read_beside = []  # memory that is given back could be written to before the stream beside has read it
        for layer in reversed(self._layers[1:]):
            read_beside.append(gradient)
            below, own = self._layers[layer.number - 2], passed[layer.number - 2]
            is_made = self._is_made_within(gradient.shape[1], gradient.shape[2])
            side.mark()
            of_inputs = gradient if is_made else products_of(gradient, layer.factors)  # first, as others wait for it
            with side.beside():
                products_of(gradient.mT, values[layer.number - 1], out=layer.gradients["weight"])
            if layer.carries and carried is not None:
                of_inputs += carried
            carried = of_inputs
            gradient = self._block_backward(below, of_inputs, (gradient, layer.factors), own, now)
        products_of(gradient.mT, values[0], out=self._layers[0].gradients["weight"])

    def _block_backward(
        self, layer: _Layer, of_outputs: Tensor, following: tuple[Tensor, Tensor], passed: _Passed, now: Now
    ) -> Tensor:
        """Return the gradient of a hidden layer's products, and make those of its parameters.

        Args:
            layer: The layer.
            of_outputs: The gradient of its outputs, if it is not to be made from what follows.
            following: The gradient of the next layer's products, and its weights.
            passed: What it left on the way forward.
            now: The epoch.
        """
        bias, own = layer.tensors["bias"], layer.gradients
        products = passed.products
        m, after, width = products.shape[1], following[0].shape[2], products.shape[2]
        gradient = torch.empty_like(products, dtype=self._factor_type)
        grid, constants = self._block(layer, m, self._is_made_within(m, after))
        block_backward[grid](
            of_outputs,
            *following,
            products,
            bias,
            layer.tensors.get("bn.weight", bias),
            layer.tensors.get("bn.bias", bias),
            passed.means,
            passed.deviations,
            now.keys,
            now.at,
            gradient,
            own["bias"],
            own.get("bn.weight", own["bias"]),
            own.get("bn.bias", own["bias"]),
            m,
            after,
            width,
            *_numbers(layer),
            **constants,
        )
        return gradient

    def _is_made_within(self, m: int, depth: int) -> bool:
        """Return whether a matrix product of this depth is made by the kernel that works on it.

        Each of its programs then reads all of the left side, which pays where that is small. What skip connections add
        would come between the two.
        """
        return m <= self._rows and depth <= _DEEPEST and not self._has_skips

    def _block(self, layer: _Layer, m: int, is_made: bool) -> tuple[tuple[int, int], dict[str, object]]:
        """Return how many programs a hidden layer takes, and what they are compiled for."""
        assert layer.hidden is not None  # noqa: S101 - the output layer has no block
        width = layer.factors.shape[1]
        columns, warps = (_DOT_COLUMNS, _DOT_WARPS) if is_made else (8, 8) if width > _WIDE else (4, 4)
        constants = {
            "ACTIVATION": layer.hidden.activation,
            "NORM": layer.hidden.batch_norm,
            "DROPOUT": layer.hidden.dropout > 0,
            "WHOLE": m <= self._rows,
            "PRODUCT": is_made,
            "PRECISION": self._precision,
            "ROWS": self._rows,
            "COLUMNS": columns,
            "DEPTH": _DEPTH,
            "num_warps": warps,
        }
        return (triton.cdiv(width, columns), self._copies), constants


_BATCH_NORM = (torch.nn.BatchNorm1d(1).momentum, torch.nn.BatchNorm1d(1).eps)


def _numbers(layer: _Layer) -> tuple[int, int, float]:
    """Return a hidden layer's number, how many of 2^31 random numbers drop a neuron, and by what the others grow."""
    assert layer.hidden is not None  # noqa: S101 - the output layer has no block
    dropped = min(round(layer.hidden.dropout * _HALF_RANGE), _HALF_RANGE - 1)
    return layer.number, dropped, _HALF_RANGE / (_HALF_RANGE - dropped)
