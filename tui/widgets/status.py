"""The two lines above the footer: progress bars with the time left, and what is to be said."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.training import Snapshot
from tui.words import duration

_FULL, _EMPTY = "━", "─"
_BROKEN = 15  # cells that may be lost where a line is broken between words


class Status(Widget):
    """Progress of the epoch and of the trial, and one line of words."""

    DEFAULT_CSS = """
    Status { height: 2; width: 1fr; padding: 0 1; background: $surface; }
    """

    snapshot: reactive[Snapshot | None] = reactive(None)
    words: reactive[Content] = reactive(Content)

    def render(self) -> RenderResult:
        """Return the two lines; words that need both have them where nothing is in progress."""
        bars, width = self._bars(), self.size.width
        if not bars.plain and width < self.words.cell_length <= 2 * width - _BROKEN:
            return self.words
        return Content("\n").join([bars, self.words.truncate(max(width, 1), ellipsis=True)])

    def _bars(self) -> Content:
        now = self.snapshot
        if now is None or now.phase == "ended":
            return Content("")
        if now.started is None:
            what, done, total = now.loading
            return self._bar(what, done / total, "", self.size.width // 2) if total else Content(f"{what}...")
        room = self.size.width // 2 - 1
        epoch = f"epoch {len(now.history) + 1}"
        left = "paused" if now.phase == "paused" else f"{duration(now.epoch_seconds_left)} left"
        first = self._bar(epoch, now.epoch_fraction, left, room)
        second = self._bar("trial", now.trial_fraction, f"{duration(now.trial_seconds_left)} left", room)
        return Content("  ").join([first, second])

    def _bar(self, label: str, fraction: float, left: str, room: int) -> Content:
        fraction = min(1.0, max(0.0, fraction))
        tail = f" {100 * fraction:3.0f} %  {left}".rstrip()
        columns = max(4, room - len(label) - len(tail) - 1)
        full = round(fraction * columns)
        return Content.assemble(f"{label} ", (_FULL * full, "$primary"), (_EMPTY * (columns - full), "dim"), tail)
