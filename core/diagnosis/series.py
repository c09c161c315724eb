"""What the rules read off a history: costs that can be compared, medians of windows, noise."""

from __future__ import annotations

from dataclasses import dataclass

from core.epoch import Epoch
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class Curves:
    """A history with what is needed to read it.

    Attributes:
        history: The complete epochs.
        settings: What the network is trained with.
        classes: Number of classes; None where it is not known.
        reason: Why the training ended, or "".
    """

    history: tuple[Epoch, ...]
    settings: Settings
    classes: int | None = None
    reason: str = ""
