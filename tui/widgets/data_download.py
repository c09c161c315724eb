"""How the app's download stands: its bytes, rate and time left, and in the end what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.downloads import Download
from tui.safe import safe
from tui.words import duration

if TYPE_CHECKING:
    from tui.app import TrialbookApp

_POLL = 0.2  # seconds
_BAR_SHARE = 4  # the line is this many times as long as the bar
_SHORTEST_BAR = 8  # cells
_MEGA = 1e6


class DownloadBar(Static):
    """One line about the download that runs, or that has ended since the screen was opened; else nothing."""

    DEFAULT_CSS = """
    DownloadBar { height: auto; max-height: 3; padding: 0 2; background: $panel; display: none; }
    """

    class Changed(Message):
        """A download has begun or ended."""

    def __init__(self) -> None:
        """Make the line."""
        super().__init__()
        self._seen: Download | None = None

    @property
    def _trialbook(self) -> TrialbookApp:
        return cast("TrialbookApp", self.app)

    def on_mount(self) -> None:
        """Look at the download several times a second."""
        latest = self._trialbook.downloads.latest
        self._seen = None if latest is None or latest.is_running else latest
        self.set_interval(_POLL, self.look)

    def look(self) -> None:
        """Show how the download stands now."""
        latest = self._trialbook.downloads.latest
        if latest is None or latest == self._seen:
            return
        began_or_ended = self._seen is None or self._seen.is_running is not latest.is_running
        self._seen = latest
        self.display = True
        self.update(self._words(latest))
        if began_or_ended:
            self.post_message(self.Changed())

    def _words(self, latest: Download) -> Content:
        if latest.error:
            return safe(latest.error, "$text-error")
        ended = {
            "ready": f"{latest.name} is ready: {self._trialbook.key_of('data.choose')} trains on it",
            "cancelled": f"the download of {latest.name} is cancelled",
            "cancelling": f"{latest.name}: cancelling …",
        }
        if latest.state in ended:
            return Content(ended[latest.state])
        return Content.assemble(self._progress(latest), f"  {self._trialbook.key_of('data.cancel')} cancels")

    def _progress(self, latest: Download) -> Content:
        if latest.done == 0:
            what = "connecting" if self._trialbook.engine_ready else "PyTorch is still loading"
            return Content(f"{latest.name}: {what} … ")
        if latest.done >= latest.total:
            return Content(f"{latest.name}: all {latest.total / _MEGA:,.1f} MB are here, reading the images … ")
        width = max(self.size.width // _BAR_SHARE, _SHORTEST_BAR)
        full = round(width * latest.done / latest.total)
        figures = f" {latest.done / _MEGA:,.1f} of {latest.total / _MEGA:,.1f} MB"
        if latest.seconds_left is not None:
            figures += f"  {latest.rate / _MEGA:,.1f} MB/s  {duration(latest.seconds_left)} left"
        return Content.assemble(
            f"{latest.name} ", ("━" * full, "$accent"), ("─" * (width - full), "$text-muted"), figures
        )
