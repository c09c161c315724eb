"""The home's trials as lists show them, looked at again and again: others train there too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from textual.signal import Signal

from core.errors import TrialbookError
from core.text import printable
from tui.messages import TrialsSeen
from tui.runs import Shown, ending_elsewhere
from tui.safe import safe

if TYPE_CHECKING:
    from textual.timer import Timer

    from core.trials.store import Listed
    from core.trials.watch import Seen
    from tui.app import TrialbookApp
    from tui.widgets.trial_rows import Built

_LOOK_AFTER = 1.0  # seconds from one look at the home's trials to the next
_LOOK_SHARE = 20  # or so many times what a look takes: on a slow disk, looks must not fill all time


@dataclass(frozen=True, slots=True)
class Feed:
    """The saved trials at a look.

    Attributes:
        seen: The trials by id, oldest first.
        built: Their lines.
        is_read: Whether there was a look at all.
        problem: Why they cannot be read; "" if they can.
    """

    seen: Mapping[str, Seen] = field(default_factory=dict)
    built: Mapping[str, Built] = field(default_factory=dict)
    is_read: bool = False
    problem: str = ""

    @property
    def listed(self) -> list[Listed]:
        """The trials, oldest first."""
        return [seen.listed for seen in self.seen.values()]


def look(home: Path, before: Feed) -> Feed:
    """Return the home's trials as they are now; the same value where nothing has changed. For worker threads."""
    from core.trials.watch import look_again  # noqa: PLC0415 - the first screen needs neither
    from tui.widgets.trial_rows import build_rows  # noqa: PLC0415

    try:
        seen = look_again(home, before.seen)
    except TrialbookError as error:
        problem = str(error)
        return before if before.problem == problem else Feed(is_read=True, problem=problem)
    built = before.built
    if not before.is_read or before.problem or not _is_same(seen, before.seen):
        built = build_rows([each.listed for each in seen.values()], before.built)
    elif seen == before.seen:
        return before
    return Feed(seen, built, is_read=True)


def _is_same(seen: Mapping[str, Seen], before: Mapping[str, Seen]) -> bool:
    """Return whether a list would show the same."""
    return list(seen) == list(before) and all(seen[key].listed is before[key].listed for key in seen)


class Lookout:
    """Looks at the home's trials again and again, in a worker, and tells what others do there.

    Attributes:
        feed: The trials at the last look.
        changed: Tells screens that `feed` is another one.
    """

    def __init__(self, app: TrialbookApp) -> None:
        """Look at nothing yet."""
        self.feed = Feed()
        self.changed: Signal[Feed] = Signal(app, "trials changed")
        self._app = app
        self._is_looking = False
        self._again = False
        self._timer: Timer | None = None

    def look(self) -> None:
        """Look now; soon after, and again and again, it looks by itself."""
        if self._is_looking:  # what that look has read may be older than what is asked for
            self._again = True
            return
        if self._timer is not None:
            self._timer.stop()
        self._is_looking = True
        before = self.feed
        self._app.run_worker(lambda: self._work(before), thread=True, exit_on_error=False, group="trials")

    def _work(self, before: Feed) -> None:
        begin, now = time.monotonic(), before
        try:
            now = look(self._app.home, before)
        finally:  # whatever went wrong, the next look is not waited for in vain
            self._app.post_message(TrialsSeen(now, time.monotonic() - begin))

    def take(self, feed: Feed, seconds: float) -> None:
        """Take over what a look has found.

        Args:
            feed: The trials.
            seconds: What the look took.
        """
        before, self.feed = self.feed, feed
        self._is_looking = False
        if self._again:
            self._again = False
            self.look()
        else:
            self._timer = self._app.set_timer(max(_LOOK_AFTER, _LOOK_SHARE * seconds), self.look)
        if feed is not before:
            self.changed.publish(feed)
            self._tell_begun(before, feed)

    def _tell_begun(self, before: Feed, now: Feed) -> None:
        """Say what others have begun to train, where nothing is trained here."""
        app = self._app
        if app.training is not None and app.training.is_running:
            return
        started = app.training.snapshot.started if app.training is not None else None
        others = begun_elsewhere(before, now, started.trial.id if started is not None else "")
        if others:
            title = others[-1].title
            app.say(safe(f"another process trains {title}: {app.key_of('history')} lists it"))

    def tell_ended(self, shown: Shown) -> None:
        """Say how the training of another process ended that was looked at."""
        text, title = ending_elsewhere(shown), f"{shown.run.title} {shown.state}"
        self._app.say(safe(f"{title}: {text}"))
        severity = "information" if shown.state in ("finished", "stopped") else "warning"
        self._app.notify(printable(text), title=printable(title, 60), severity=severity, markup=False)
        self.look()


def begun_elsewhere(before: Feed, now: Feed, own: str) -> list[Listed]:
    """Return the trials that another process has begun to train between two looks.

    Args:
        before: The first look.
        now: The second one.
        own: The id of the trial that this process trains, or "".
    """
    return [
        seen.listed
        for key, seen in now.seen.items()
        if key != own
        and seen.listed.status == "running"
        and (key not in before.seen or before.seen[key].listed.status != "running")
    ]
