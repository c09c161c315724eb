"""A training step made of few kernels: forward, backward and the change of the weights, by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from core.data.batches import TrainingBatches, mix
from core.device import matmul_precision
from core.fused import kernels
from core.fused.weights import WeightsTable
from core.graphs import Now
from core.model import Mlp
from core.optimizer import PenalizedOptimizer
from core.settings import HiddenLayer, Settings
from core.skips import skip_layers

_ROWS, _COLUMNS = 256, 8  # of a hidden layer, which one program holds at once
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
        sums: Tensor,
        after: Callable[[Tensor], object],
    ) -> None:
        """Take memory for the gradients.

        Args:
            settings: What is trained.
            model: The network, or K stacked ones, on its device.
            optimizer: Its optimizer.
            batches: Where its batches come from.
            sums: What every step adds cost, cross-entropy and right answers to: (3,) or, stacked, (3, K), float64.
            after: Called when the weights have changed, with the share of the new ones in their average, ().
        """
        self._settings = settings
        self._source = batches.source
        self._classes = batches.classes
        self._is_stacked = sums.dim() > 1
        self._sums = sums.view(3, -1)
        self._copies = self._sums.shape[1]
        self._after = after
        precise = settings.training.precision != "bfloat16" or not sums.is_cuda
        self._factor_type = torch.float32 if precise else torch.bfloat16
        gradients = {name: torch.zeros_like(each) for name, each in model.named_parameters()}
        self._layers = self._make_layers(model, gradients)
        low = {} if precise else {f"linear{each.number}.weight": each.factors for each in self._layers}
        self._weights = WeightsTable(settings.training, optimizer, gradients, low, self._copies)

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
            gradient = self._loss(_products(values[-1], self._layers[-1].factors.mT), targets)
            self._backward(gradient, values, passed, now)
        self._weights.change(now, each)
        self._after(now.share())
        self._weights.finish(self._sums, now, each)

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
        kernels.gather[images, triton.cdiv(values, _VALUES)](
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
            products = _products(values[-1], layer.factors.mT)
            outputs = torch.empty_like(products, dtype=self._factor_type)
            means, deviations = torch.empty_like(layer.tensors["bias"]), torch.empty_like(layer.tensors["bias"])
            bias, m, width = layer.tensors["bias"], products.shape[1], products.shape[2]
            names = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
            kernels.block_forward[triton.cdiv(width, _COLUMNS), self._copies](
                products,
                bias,
                *(layer.tensors.get(f"bn.{name}", bias) for name in names),
                values[-1],
                outputs,
                means,
                deviations,
                now.keys,
                now.at,
                m,
                width,
                *_numbers(layer),
                *_BATCH_NORM,
                SKIP=layer.carries,
                **_constants(layer),
            )
            passed.append(_Passed(products, means, deviations))
            values.append(outputs)
        return passed, values

    def _loss(self, products: Tensor, targets: Tensor) -> Tensor:
        """Add up what is told of an epoch; return the gradient of the products of the output layer (K, m, classes)."""
        layer = self._layers[-1]
        columns = triton.next_power_of_2(products.shape[2])
        gradient = torch.empty_like(products, dtype=self._factor_type)
        kernels.loss[self._copies,](
            products,
            layer.tensors["bias"],
            targets,
            self._sums,
            gradient,
            layer.gradients["bias"],
            products.shape[1],
            products.shape[2],
            self._copies,
            self._settings.training.label_smoothing,
            SHARES=targets.dim() > 2,  # noqa: PLR2004 - copies and images
            ROWS=max(1, min(_ROWS, _LOGITS // columns)),
            COLUMNS=columns,
            num_warps=8,
        )
        return gradient

    def _backward(self, gradient: Tensor, values: list[Tensor], passed: list[_Passed], now: Now) -> None:
        """Make all gradients from that of the last layer's products."""
        side = _Side(gradient.device)
        of_outputs: Tensor | None = None
        read_beside = []  # memory that is given back could be written to before the stream beside has read it
        for layer in reversed(self._layers):
            before = values[layer.number - 1]
            with side.beside(is_last=layer.number == 1):
                _products(gradient.mT, before, out=layer.gradients["weight"])
            read_beside.append(gradient)
            if layer.number == 1:
                break
            of_inputs = _products(gradient, layer.factors)
            if layer.carries and of_outputs is not None:
                of_inputs += of_outputs
            of_outputs = of_inputs
            gradient = self._block_backward(self._layers[layer.number - 2], of_outputs, passed[layer.number - 2], now)
        side.wait()
        read_beside.clear()

    def _block_backward(self, layer: _Layer, of_outputs: Tensor, passed: _Passed, now: Now) -> Tensor:
        """Return the gradient of a hidden layer's products, given its outputs'; make that of its parameters."""
        gradient = torch.empty_like(of_outputs, dtype=self._factor_type)
        bias, m, width = layer.tensors["bias"], gradient.shape[1], gradient.shape[2]
        own = layer.gradients
        kernels.block_backward[triton.cdiv(width, _COLUMNS), self._copies](
            of_outputs,
            passed.products,
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
            width,
            *_numbers(layer),
            **_constants(layer),
        )
        return gradient


_BATCH_NORM = (torch.nn.BatchNorm1d(1).momentum, torch.nn.BatchNorm1d(1).eps)


def _numbers(layer: _Layer) -> tuple[int, int, float]:
    """Return a hidden layer's number, how many of 2^31 random numbers drop a neuron, and by what the others grow."""
    assert layer.hidden is not None  # noqa: S101 - the output layer has no block
    dropped = min(round(layer.hidden.dropout * _HALF_RANGE), _HALF_RANGE - 1)
    return layer.number, dropped, _HALF_RANGE / (_HALF_RANGE - dropped)


def _constants(layer: _Layer) -> dict[str, object]:
    """Return what kernels of a hidden layer are compiled for."""
    assert layer.hidden is not None  # noqa: S101 - the output layer has no block
    return {
        "ACTIVATION": layer.hidden.activation,
        "NORM": layer.hidden.batch_norm,
        "DROPOUT": layer.hidden.dropout > 0,
        "ROWS": _ROWS,
        "COLUMNS": _COLUMNS,
    }


def _products(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Return left @ right of each copy (K, ...), float32."""
    if len(left) == 1:
        return _float32(torch.mm, left[0], right[0], None if out is None else out[0])[None]
    return _float32(torch.bmm, left, right, out)


def _float32(multiply: Callable[..., Tensor], left: Tensor, right: Tensor, out: Tensor | None) -> Tensor:
    if left.dtype == torch.float32:
        return multiply(left, right, out=out)
    return multiply(left, right, out_dtype=torch.float32, out=out)


class _Side:
    """A stream beside the current one: the gradients of weights are made there, while the backward pass goes on."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @contextlib.contextmanager
    def beside(self, is_last: bool) -> Iterator[None]:
        """Do what is in the block after all that came before it; what comes after does not wait for it."""
        if self._stream is None or is_last:  # nothing would go on beside the last one
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            yield

    def wait(self) -> None:
        """Let what comes next wait for all that is beside."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)
