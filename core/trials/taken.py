"""An epoch on its way to the disk."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from core.events import EpochFinished


@dataclass(frozen=True, slots=True)
class Taken:
    """An epoch that is to be written, which no later training step changes.

    Attributes:
        event: The epoch.
        history: Bytes of history up to it.
        answers: Bytes of predictions up to it.
        seconds: Seconds of training up to it.
    """

    event: EpochFinished
    history: int
    answers: int
    seconds: float


def copied(event: EpochFinished) -> EpochFinished:
    """Return an epoch that no later training step changes."""
    return dataclasses.replace(
        event,
        weights={name: tensor.detach().clone() for name, tensor in event.weights.items()},
        state={name: tensor.detach().clone() for name, tensor in event.state.items()},
    )
