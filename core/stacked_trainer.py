"""Train several copies of a network, which differ in their seed alone, in the same steps."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from core.averaging import AveragedWeights
from core.control import Control
from core.data.batches import Plan
from core.data.dataset import Dataset
from core.data.stacked import StackedBatches
from core.device import device_errors_explained, matmul_precision
from core.errors import DivergedError
from core.events import EpochFinished, Outcome, Paused, Progress, Resumed
from core.gpu_steps import GpuSteps, makes_graphs
from core.heap import freed_memory_kept
from core.optimizer import PenalizedOptimizer
from core.randomness import epoch_key
from core.settings import Settings, change_settings
from core.stacked import stack_networks, view_into
from core.stepping import Clock, steps_of
from core.trainer import Trainer, check_memory


@dataclass(frozen=True, slots=True)
class OfCopy:
    """What happened to one copy.

    Attributes:
        copy: Its position, from 0.
        what: An epoch, or how its training ended.
    """

    copy: int
    what: EpochFinished | Outcome


@dataclass(frozen=True, slots=True)
class AllProgress:
    """How far the running copies are in the epoch that they share.

    Attributes:
        copies: The progress of each, by its position, but for those that have diverged. The images per second are
            those of all.
    """

    copies: Mapping[int, Progress]

    def together(self) -> Progress | None:
        """Return the progress with the mean cost; None if all have diverged."""
        each = list(self.copies.values())
        return dataclasses.replace(each[0], cost=statistics.fmean(one.cost for one in each)) if each else None


StackedEvent = AllProgress | Paused | Resumed | OfCopy


class StackedTrainer:
    """K networks and their training.

    Attributes:
        copies: The trainings of each, which hold its network, its history and its `state`; none of them steps itself.
        device: Where they are trained.
        model: The K networks as one, of which each copy's own is a part.
        averaged: The moving averages of their weights; None where that is off.
    """

    def __init__(self, settings: Settings, data: Dataset, seeds: Sequence[int]) -> None:
        """Prepare the trainings: as `Trainer`, with the images on the device once.

        Args:
            settings: What to train; its own seed plays no part.
            data: The data set that `load_data(settings.data)` gave.
            seeds: The seed of each copy.

        Raises:
            TrainingError: As `Trainer`, or there is not enough memory for all.
            DataError: As `Trainer`.
        """
        first = Trainer(change_settings(settings, {"training.seed": seeds[0]}), data)
        self.device = first.device
        check_memory(settings, data, self.device, len(seeds))
        self._training = settings.training
        self._advice = lambda: "choose fewer seeds, a smaller batch size or narrower hidden layers"
        with device_errors_explained(self._advice):
            self._prepare([first, *(first.reseeded(seed) for seed in seeds[1:])])

    def _prepare(self, copies: Sequence[Trainer]) -> None:
        """Stack the networks, and let each copy's be a part of the stack."""
        self.copies = copies
        self._running = list(range(len(copies)))
        self._images = len(copies) * self._training.batch_size  # in a step
        self._batches = StackedBatches([each.batches for each in copies], self._training.batch_size)
        self.model = stack_networks([each.model for each in copies])
        self.averaged = AveragedWeights(self.model, self._training.ema_decay) if self._training.ema_decay else None
        self.optimizer = PenalizedOptimizer(self.model, self._training)
        self._sums = torch.zeros(3, len(copies), dtype=torch.float64, device=self.device)  # what `step` returns
        self._gpu: GpuSteps | None = None
        for at, each in enumerate(copies):
            view_into(each.model, self.model, at)
            if self.averaged is not None and each.averaged is not None:
                view_into(each.averaged.model, self.averaged.model, at)
                each.averaged.follow(each.model)

    def drop(self, copy: int) -> None:
        """Yield no more of a copy; the others go on."""
        if copy in self._running:
            self._running.remove(copy)

    def run(self, control: Control) -> Generator[StackedEvent, None, None]:
        """Train all epochs, yielding for each epoch what came of one copy after the other, and how each copy ended.

        A copy that diverges fails, and one that stops early is finished; the others go on as if it were still there.

        Raises:
            TrainingError: Memory ran out.
        """
        with freed_memory_kept():
            yield from self._epochs(control)

    def _epochs(self, control: Control) -> Generator[StackedEvent, None, None]:
        for epoch in range(1, self._training.epochs + 1):
            for copy in self._each():
                early = self.copies[copy].early_end()
                if early is not None:
                    yield self._end(copy, early)
            if not self._running:
                return
            if epoch > 1 and (control.finishing or control.stopping):
                yield from self._end_all("stopped", f"stopped after epoch {epoch - 1}")
                return
            with device_errors_explained(self._advice):
                is_complete = yield from self._epoch(epoch, control)
            if not is_complete:
                yield from self._end_all("stopped", f"stopped in epoch {epoch}")
                return
        yield from self._end_all("finished", "")

    def _end(self, copy: int, outcome: Outcome) -> OfCopy:
        self.drop(copy)
        return OfCopy(copy, outcome)

    def _end_all(self, status: Literal["finished", "stopped"], reason: str) -> Generator[OfCopy, None, None]:
        for copy in self._each():
            yield self._end(copy, self.copies[copy].outcome(status, reason))

    def _epoch(self, epoch: int, control: Control) -> Generator[StackedEvent, None, bool]:
        """Train and evaluate one epoch of all copies; return False if it was stopped."""
        clock = Clock(self.device)
        is_complete = yield from self._steps(epoch, control, clock)
        if not is_complete:
            return False
        seconds = self._share_of(clock.seconds())
        for copy in self._each():
            yield self._complete(copy, epoch, seconds)
        return True

    def _each(self) -> Iterator[int]:
        """Yield the copies that are running, but for those that are dropped before their turn."""
        return (copy for copy in tuple(self._running) if copy in self._running)

    def _share_of(self, seconds: float) -> float:
        """Return the part of some time that each running copy took."""
        return seconds / max(1, len(self._running))

    def _complete(self, copy: int, epoch: int, seconds: float) -> OfCopy:
        """Evaluate a copy; the seconds are its share of the time that training took."""
        own = self.copies[copy]
        own.optimizer.share_state(self.optimizer, copy)
        if self.averaged is not None and own.averaged is not None:
            own.averaged.steps = self.averaged.steps
        try:
            return OfCopy(copy, own.complete(epoch, self._sums[:, copy], seconds))
        except DivergedError as error:
            return self._end(copy, own.outcome("failed", str(error)))

    def _steps(self, epoch: int, control: Control, clock: Clock) -> Generator[StackedEvent, None, bool]:
        """Train all batches of an epoch; return False if it was stopped."""
        first, plan = self.copies[0], self._batches.plan(epoch)
        self.model.train()
        gpu = self._steps_on_gpu() if makes_graphs(self.device) else None
        if gpu is not None:  # before dropout begins, as the first time draws random numbers
            rates = [first.learning_rate(epoch, step) for step in range(len(first.batches))]
            keys = [epoch_key(each.settings.training.seed, epoch, "dropout") for each in self.copies]
            sizes = gpu.epoch(plan, rates, keys)
        self._sums.zero_()
        for each in self.copies:
            each.model.start_epoch(each.settings.training.seed, epoch, self.device)

        def take(step: int, part: Plan) -> None:
            share = self.averaged.next_share() if self.averaged is not None else 0.0
            self._sum_step(part, first.learning_rate(epoch, step), share)

        def tell(steps: int) -> AllProgress:
            costs = (self._sums[0] / steps).tolist()
            seconds = self._share_of(clock.seconds())
            # one that has diverged is told of at the end of the epoch
            running = [copy for copy in self._running if math.isfinite(costs[copy])]
            return AllProgress({copy: first.progress(epoch, steps, costs[copy], seconds) for copy in running})

        if gpu is None:
            return (yield from steps_of(epoch, plan.batches(self._images), control, clock, take=take, tell=tell))
        return (yield from steps_of(epoch, sizes, control, clock, take=gpu.step, tell=tell))

    def _steps_on_gpu(self) -> GpuSteps:
        """Return what makes steps that are CUDA graphs."""
        if self._gpu is None:
            self._gpu = GpuSteps(
                self.copies[0].settings,
                self.model,
                self.optimizer,
                self.averaged,
                self.copies[0].batches,
                self._sums,
                plain=self._sum_step,
                generators=[each.model.dropout_generator(self.device) for each in self.copies],
            )
        return self._gpu

    def _sum_step(self, part: Plan, learning_rate: float | Tensor, share: float | Tensor) -> None:
        """Make a batch of each copy and train on them, adding up what `step` returns."""
        self._sums += self.step(*self._batches.make(part), learning_rate, share)

    def step(
        self, inputs: Tensor, targets: Tensor, learning_rate: float | Tensor, share: float | Tensor = 0.0
    ) -> Tensor:
        """Change the weights of all copies, and their averages where there are any, each by a batch of its own.

        Args:
            inputs: (K, m, values), float32.
            targets: Labels (K, m), int64, or the classes' shares (K, m, classes), float32.
            learning_rate: The step's learning rate, as `Trainer.step` takes it.
            share: The share of the new weights in their averages, as `Trainer.step` takes it.

        Returns:
            As `Trainer.step` of each copy, (3, K).
        """
        copies, images = targets.shape[:2]
        with matmul_precision(self._training, self.device):
            logits = self.model(inputs)
            losses = functional.cross_entropy(
                logits.float().flatten(0, 1),
                targets.flatten(0, 1),
                reduction="none",
                label_smoothing=self._training.label_smoothing,
            )
            means = losses.view(copies, images).mean(1)
            parameters = dict(self.model.named_parameters())
            # no copy's weights play a part in another's loss
            taken = torch.autograd.grad(means.sum(), list(parameters.values()))
        values = means.detach()
        costs = values + self.optimizer.penalty(images)
        self.optimizer.step(dict(zip(parameters, taken, strict=True)), images, learning_rate)
        if self.averaged is not None:
            self.averaged.update(share)
        labels = targets if targets.dim() == 2 else targets.argmax(2)  # noqa: PLR2004 - copies and images
        right = (logits.detach().argmax(2) == labels).sum(1)
        return torch.stack((costs.double(), values.double(), right.double()))
