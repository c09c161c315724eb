"""What background threads tell the app; the app's handlers own all that happens next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from tui.training import Training

if TYPE_CHECKING:
    from tui.feed import Feed


@dataclass
class EngineLoaded(Message):
    """PyTorch has been imported, or could not be.

    Attributes:
        error: Why it could not; "" if it was.
        device: What "auto" trains on: "cpu" or the GPU's name.
    """

    error: str
    device: str


@dataclass
class TrainingChanged(Message):
    """A training has started, finished an epoch, paused, gone on or ended; its snapshot tells."""

    training: Training


@dataclass
class TrialsSeen(Message):
    """Somebody has looked at the home's trials.

    Attributes:
        feed: What there is; the same value as before where nothing has changed.
        seconds: What the look took.
    """

    feed: Feed
    seconds: float
