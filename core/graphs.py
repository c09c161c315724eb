"""Training steps as CUDA graphs: a GPU is told once what a step is, and from then on only to do it again.

A step of a small network is many kernels of a few microseconds each; to start them one by one takes a processor longer
than a GPU needs for them. https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.batches import Plan
from core.device import side_stream
from core.optimizer import corrections

_CAPTURING = threading.Lock()  # PyTorch can capture one graph at a time
_WARM_UPS = 3  # steps before a graph is captured: libraries choose their kernels and take their memory in the first


@dataclass(frozen=True, slots=True)
class Now:
    """An epoch, and how far it is: all on the device, where a step reads it, and the same tensors in every epoch.

    Attributes:
        plan: The epoch's images, by position in its order; after the last there is room for the rest of a batch.
        numbers: For each step the learning rate, the share of the new weights in their average, and what Adam corrects
            both momenta by (4, steps), float32.
        keys: What the dropout of each copy depends on, besides the step and the neuron (K,), int64.
        at: The step that it is now, (), int64, from 0. Whoever makes the step counts it.
        rows: Images in every batch but the last, of all copies together.
    """

    plan: Plan
    numbers: Tensor
    keys: Tensor
    at: Tensor
    rows: int

    def take_in(self, plan: Plan, numbers: Tensor, keys: Sequence[int]) -> None:
        """Become the beginning of an epoch: of as many images and of the same kind as the one before."""
        for own, given in zip(self.plan.tensors(), plan.tensors(), strict=True):
            if own is not None and given is not None:
                own[: len(given)].copy_(given)
        self.numbers.copy_(numbers)
        self.keys.copy_(torch.tensor(keys))
        self.at.zero_()

    def part(self, images: int) -> Plan:
        """Return the plan of this step's batch, which has so many images."""
        whole = (None if each is None else self._batch(each, images) for each in self.plan.tensors()[1:])
        return Plan(self._batch(self.plan.positions, images), *whole)

    def rate(self) -> Tensor:
        """Return this step's learning rate, ()."""
        return self.numbers[0].take(self.at)

    def share(self) -> Tensor:
        """Return the share of the new weights in their average after this step, ()."""
        return self.numbers[1].take(self.at)

    def _batch(self, each: Tensor, images: int) -> Tensor:
        return each.view(-1, self.rows, *each.shape[1:]).index_select(0, self.at.view(1))[0, :images]


class StepGraphs:
    """One graph for every size of batch: the usual one, and the smaller last one."""

    def __init__(
        self,
        step: Callable[[Now, int], object],
        changed: Callable[[], list[Tensor]],
        generators: Sequence[torch.Generator],
        rows: int,
    ) -> None:
        """Capture nothing yet.

        Args:
            step: Makes the training step that it is now, with so many images, and counts it in `Now.at`. It must not
                wait for the device.
            changed: Returns all tensors that a step changes, as far as they are there already.
            generators: What the step draws random numbers from, on the device.
            rows: Images in every batch but the last.
        """
        self._step = step
        self._changed = changed
        self._generators = generators
        self._rows = rows
        self._now: Now | None = None
        self._captured: dict[int, torch.cuda.CUDAGraph] = {}

    def start_epoch(self, plan: Plan, numbers: Tensor, keys: Sequence[int]) -> None:
        """Take in an epoch; the first time capture the graphs. The weights and all else stay as they are.

        The generators are left in another state by the first time.

        Args:
            plan: Its images, on the device.
            numbers: As `Now` has them, on any device.
            keys: Likewise.
        """
        if self._now is None:
            self._now = room_for(plan, numbers, keys, self._rows)
        self._now.take_in(plan, numbers, keys)
        if not self._captured:
            with _CAPTURING:
                captured: dict[int, torch.cuda.CUDAGraph] = {}
                for size in dict.fromkeys(self.sizes(len(plan))):
                    captured[size] = self._capture(self._now, size, next(iter(captured.values()), None))
            self._captured = captured

    def sizes(self, images: int) -> Iterator[int]:
        """Yield the number of images in each batch of an epoch of so many."""
        for start in range(0, images, self._rows):
            yield min(self._rows, images - start)

    def step(self, size: int) -> None:
        """Let the GPU make the next training step, of a batch of that size, and do not wait for it."""
        self._captured[size].replay()

    def _capture(self, now: Now, size: int, earlier: torch.cuda.CUDAGraph | None) -> torch.cuda.CUDAGraph:
        """Return a graph, which shares its memory with an earlier one, and leave all as it was."""
        before = {tensor.data_ptr(): tensor.clone() for tensor in [*self._changed(), now.at]}
        try:
            return self._captured_step(now, size, earlier)
        finally:
            for tensor in [*self._changed(), now.at]:
                if tensor.data_ptr() in before:
                    tensor.copy_(before[tensor.data_ptr()])
                else:
                    tensor.zero_()  # what the optimizer remembers, and begins with nothing

    def _captured_step(self, now: Now, size: int, earlier: torch.cuda.CUDAGraph | None) -> torch.cuda.CUDAGraph:
        beside = side_stream("first steps")
        beside.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(beside):
                for _ in range(_WARM_UPS):
                    self._step(now, size)
                    now.at.zero_()
        finally:  # what is put back afterwards must not be overwritten by what still runs
            torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        pool = None if earlier is None else earlier.pool()
        # another thread may use the GPU at the same time: the console evaluates, and a saver copies
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            self._step(now, size)
        return graph


def step_numbers(rates: Sequence[float], shares: Sequence[float], steps_made: int) -> Tensor:
    """Return what differs from step to step in an epoch, as `Now.numbers`.

    Args:
        rates: The learning rate of each step.
        shares: The share of the new weights in their average after each.
        steps_made: How many steps the optimizer remembers before the first.
    """
    first, second = zip(*(corrections(steps_made + number) for number in range(1, len(rates) + 1)), strict=True)
    return torch.tensor([rates, shares, first, second])


def room_for(plan: Plan, numbers: Tensor, keys: Sequence[int], rows: int) -> Now:
    """Return an epoch of this shape that begins, with nothing in it."""
    room = math.ceil(len(plan) / rows) * rows
    device = plan.positions.device
    positions, *others = (None if each is None else each.new_zeros(room, *each.shape[1:]) for each in plan.tensors())
    assert positions is not None  # noqa: S101 - every plan has them
    at = torch.zeros((), device=device, dtype=torch.int64)
    return Now(
        Plan(positions, *others),
        torch.zeros(numbers.shape, device=device),
        torch.zeros(len(keys), device=device, dtype=torch.int64),
        at,
        rows,
    )
