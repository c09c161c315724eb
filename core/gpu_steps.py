"""The training steps of an epoch on a GPU."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.averaging import AveragedWeights
from core.data.batches import Plan, TrainingBatches
from core.fused.available import kernels_work
from core.graphs import Now, StepGraphs, step_numbers
from core.model import Mlp
from core.optimizer import PenalizedOptimizer
from core.settings import Settings

if TYPE_CHECKING:
    from core.fused.step import FusedStep


def makes_graphs(device: torch.device) -> bool:
    """Return whether steps on a device are CUDA graphs."""
    return device.type == "cuda"


class GpuSteps:
    """CUDA graphs of a training's steps: of few kernels of our own or, where these cannot be compiled, of PyTorch's."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a step reads and changes
        self,
        settings: Settings,
        model: Mlp,
        optimizer: PenalizedOptimizer,
        averaged: AveragedWeights | None,
        batches: TrainingBatches,
        sums: Tensor,
        *,
        plain: Callable[[Plan, Tensor, Tensor], object],
        generators: Sequence[torch.Generator],
    ) -> None:
        """Prepare; nothing is captured yet.

        Args:
            settings: What is trained.
            model: The network, or K stacked ones, on a GPU.
            optimizer: Its optimizer.
            averaged: The average of its weights; None where that is off.
            batches: Where the batches of one copy come from.
            sums: What every step adds cost, cross-entropy and right answers to: (3,) or, stacked, (3, K), float64.
            plain: Makes a step by PyTorch alone, given a batch, the learning rate and the share in the average, both
                tensors ().
            generators: What it draws random numbers from.
        """
        self._model = model
        self._optimizer = optimizer
        self._averaged = averaged
        self._sums = sums
        self._plain = plain
        self._copied: list[Tensor] = []
        self._before_epoch: Callable[[], object] = lambda: None
        self._rows = settings.training.batch_size * max(1, sums[0].numel())
        self._graphs = StepGraphs(self._plain_step, self._changed, generators, self._rows)
        self._ours: Callable[[], FusedStep] | None = None
        if kernels_work():
            made = importlib.import_module("core.fused.step").FusedStep
            self._ours = functools.partial(made, settings, model, optimizer, batches, averaged, sums)

    def epoch(self, plan: Plan, rates: Sequence[float], keys: Sequence[int]) -> Iterator[int]:
        """Begin an epoch; return the number of images of each batch.

        Args:
            plan: Its images.
            rates: The learning rate of each step.
            keys: What the dropout of each copy depends on.
        """
        before = 0 if self._averaged is None else self._averaged.steps
        shares = [0.0 if self._averaged is None else self._averaged.share_after(before + n) for n in range(len(rates))]
        numbers = step_numbers(rates, shares, self._optimizer.steps_made())
        if self._ours is not None:
            self._begin_with_ours(self._ours, plan, numbers, keys)
            self._ours = None
        self._before_epoch()
        self._graphs.start_epoch(plan, numbers, keys)
        return self._graphs.sizes(len(plan))

    def _begin_with_ours(self, make: Callable[[], FusedStep], plan: Plan, numbers: Tensor, keys: Sequence[int]) -> None:
        """Capture steps of our own kernels, or leave it at PyTorch's where one of ours cannot be had."""
        try:
            fused = make()
            self._copied = fused.copied
            graphs = StepGraphs(fused, self._changed, (), self._rows)
            graphs.start_epoch(plan, numbers, keys)
        except Exception as error:  # compilers fail in many ways, and none may end a training that PyTorch can do
            if isinstance(error, torch.OutOfMemoryError) or "CUDA error" in str(error):
                raise
            self._copied = []
        else:
            self._graphs, self._before_epoch = graphs, fused.start_epoch

    def step(self, _number: int, images: int) -> None:
        """Let the GPU make the next step, on so many images, and do not wait for it. It counts the steps itself."""
        self._graphs.step(images)
        if self._averaged is not None:
            self._averaged.steps += 1

    def _plain_step(self, now: Now, images: int) -> None:
        self._plain(now.part(images), now.rate(), now.share())
        now.at.add_(1)

    def _changed(self) -> list[Tensor]:
        """Return all living tensors that a step changes, as far as they are there already."""
        averages = [] if self._averaged is None else list(self._averaged.model.state_dict().values())
        own = [self._sums, *self._model.state_dict().values(), *self._optimizer.state().values()]
        return own + averages + self._copied
