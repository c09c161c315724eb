"""Python's garbage collector, kept from stopping the screen while somebody uses it."""

from __future__ import annotations

import atexit
import gc
import time
from typing import TYPE_CHECKING, Any

from textual._styles_cache import StylesCache
from textual.events import InputEvent

if TYPE_CHECKING:
    from textual.events import Event

# new objects that are looked through at a time, and how often: under a millisecond, and under ten
_THRESHOLDS = (2_000, 10)
# times that, until all is looked through even while the console is used. That takes as long as there is much to look
# through: 20 to 35 ms after these 100,000 objects, about five screens, but 0.4 to 0.8 s after two million
_AT_LAST = 5
_QUIET = 3.0  # seconds without a key or the mouse until nobody is thought to look for a moment
_DUE = 3  # collections of the younger objects, of up to 20,000 each, after which the older ones are looked through


def keep_imported() -> None:
    """Switch the collector on, for what is made from now on; what was imported by now stays until the end.

    Old objects are looked through seldom by themselves: nothing is drawn meanwhile, and every screen that is opened
    made it due. `Tidier` does it earlier where nobody looks.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)  # or libraries would complain at the end that nobody has cleaned up
    gc.set_threshold(*_THRESHOLDS, _AT_LAST)
    gc.enable()


def let_go_of_closed() -> None:
    """Keep Textual from keeping closed widgets' lines, which the collector would look through again and again.

    `StylesCache.get_inner_outer` is meant to be a class method, but is none up to Textual 8.2 (its issue 6665). So its
    cache also has the instance in its key, and keeps the drawn lines of the last 1,024 widgets: a million objects.
    """
    method: Any = vars(StylesCache).get("get_inner_outer")
    if hasattr(method, "cache_clear"):
        StylesCache.get_inner_outer = classmethod(method)  # type: ignore[assignment,method-assign]


class Tidier:
    """Collects the garbage of closed screens while nobody uses the console."""

    def __init__(self) -> None:
        """Take it that the console has just been used."""
        self._used = time.monotonic()

    def note(self, event: Event) -> None:
        """Take note of a key, a click or a move of the mouse."""
        if isinstance(event, InputEvent):
            self._used = time.monotonic()

    def tidy(self) -> bool:
        """Collect all garbage if enough has been made since and nobody uses the console; return whether it did."""
        if not gc.isenabled() or gc.get_count()[2] < _DUE or time.monotonic() - self._used < _QUIET:
            return False
        gc.collect()
        return True
