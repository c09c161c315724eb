"""What somebody who watches a training may ask of it, from whatever thread or signal handler."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOK_AGAIN = 0.02  # seconds


class Control:
    """Requests to a running training, which obeys them within one step.

    Plain flags instead of locks: a signal handler that had to take a lock could wait for ever.

    Attributes:
        paused: Whether the training is asked to wait.
        finishing: Whether the training is asked to end after this epoch.
        stopping: Whether the training is asked to end before its next step.
        idle: Called again and again, in the training's thread, while it waits.
    """

    def __init__(self) -> None:
        """Begin with no request."""
        self.paused = False
        self.finishing = False
        self.stopping = False
        self.idle: Callable[[], object] = lambda: None

    def pause(self) -> None:
        """Ask the training to wait before its next step; one that is asked to end does not wait."""
        self.paused = not (self.finishing or self.stopping)

    def resume(self) -> None:
        """Let a paused training go on."""
        self.paused = False

    def finish_epoch(self) -> None:
        """Ask the training to end after this epoch; a paused one goes on until then."""
        self.finishing = True
        self.paused = False

    def stop(self) -> None:
        """Ask the training to end before its next step; the epoch it is in is lost."""
        self.stopping = True
        self.paused = False

    def wait(self) -> None:
        """Return as soon as the training is not asked to wait any more."""
        while self.paused and not (self.finishing or self.stopping):
            self.idle()
            time.sleep(_LOOK_AGAIN)
