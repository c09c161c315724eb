"""Training steps as CUDA graphs: a GPU is told once what a step is, and from then on only to do it again.

A step of a small network is some hundred kernels of a few microseconds each; to start them one by one takes a processor
longer than a GPU needs for them. https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.data.batches import Plan

_WARM_UPS = 3  # steps before a graph is captured: libraries choose their kernels and take their memory in the first


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: torch.cuda.CUDAGraph
    part: Plan  # what a replay reads: a batch is copied to it


class StepGraphs:
    """One graph for every size of batch: the usual one, and the smaller last one."""

    def __init__(
        self,
        step: Callable[[Plan, Tensor, Tensor], object],
        changed: Callable[[], list[Tensor]],
        generators: Sequence[torch.Generator],
        device: torch.device,
    ) -> None:
        """Capture nothing yet.

        Args:
            step: Makes a training step, given a batch, the learning rate and the share of the new weights in their
                average, both tensors () float32 on the device. It must not wait for the device.
            changed: Returns all tensors that a step changes, as far as they are there already.
            generators: What the step draws random numbers from, on the device.
            device: A GPU.
        """
        self._step = step
        self._changed = changed
        self._generators = generators
        self._captured: dict[int, _Captured] = {}
        self._rate, self._share = (torch.zeros((), device=device) for _ in range(2))

    def prepare(self, batches: Iterable[Plan]) -> None:
        """Capture a graph for each size of batch that has none; the weights and all else stay as they are.

        The generators are left in another state.
        """
        for part in batches:
            if len(part) not in self._captured:
                self._captured[len(part)] = self._capture(part)

    def step(self, part: Plan, learning_rate: float, share: float) -> None:
        """Let the GPU make a training step, and do not wait for it."""
        captured = self._captured[len(part)]
        for own, given in zip(captured.part.tensors(), part.tensors(), strict=True):
            if own is not None and given is not None:
                own.copy_(given)
        self._rate.fill_(learning_rate)
        self._share.fill_(share)
        captured.graph.replay()

    def _capture(self, part: Plan) -> _Captured:
        own = part.copy()
        before = {tensor.data_ptr(): tensor.clone() for tensor in self._changed()}
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                self._step(own, self._rate, self._share)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        pool = next(iter(self._captured.values())).graph.pool() if self._captured else None
        # another thread may use the GPU at the same time: the console evaluates, and a saver copies
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            self._step(own, self._rate, self._share)
        for tensor in self._changed():
            if tensor.data_ptr() in before:
                tensor.copy_(before[tensor.data_ptr()])
            else:
                tensor.zero_()  # what the optimizer remembers, and begins with nothing
        return _Captured(graph, own)
