"""Batches for several copies of a network at once: each copy's own images, in its own order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from core.data.batches import Plan, TrainingBatches, mix


class StackedBatches:
    """The batches of K trainings that differ in their seed alone, made all at once."""

    def __init__(self, copies: Sequence[TrainingBatches], batch_size: int) -> None:
        """Keep the batches of each.

        Args:
            copies: Those of the K trainings, on the same images.
            batch_size: Images in a batch of each.
        """
        self._copies = copies
        self._batch_size = batch_size

    def plan(self, number: int) -> Plan:
        """Return what the epoch, counted from 1, is made of: of each batch the images of all K, one after the other."""
        columns = zip(*(each.plan(number).tensors() for each in self._copies), strict=True)
        positions, *others = ([tensor for tensor in column if tensor is not None] for column in columns)
        return Plan(self._by_batch(positions), *(self._by_batch(each) if each else None for each in others))

    def make(self, part: Plan) -> tuple[Tensor, Tensor]:
        """Return a batch of each of the K: inputs (K, m, values) and targets (K, m) or (K, m, classes).

        Both are as `TrainingBatches.make` returns them for one.
        """
        copies, first = len(self._copies), self._copies[0]
        inputs, labels = first.make(dataclasses.replace(part, shares=None))
        inputs, labels = inputs.unflatten(0, (copies, -1)), labels.unflatten(0, (copies, -1))
        if part.shares is None:
            return inputs, labels
        return mix(inputs, labels, part.shares.unflatten(0, (copies, -1)), first.classes)

    def _by_batch(self, tensors: Sequence[Tensor]) -> Tensor:
        """Return K tensors (N, ...) as one (K * N, ...) that goes batch by batch, and in each batch copy by copy."""
        stacked = torch.stack(tuple(tensors))
        full = stacked.shape[1] // self._batch_size
        whole = stacked[:, : full * self._batch_size].unflatten(1, (full, self._batch_size)).transpose(0, 1)
        return torch.cat((whole.flatten(0, 2), stacked[:, full * self._batch_size :].flatten(0, 1)))
