"""What the tests of the console share: the real app in places of its own, its screen as text, and waiting."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from rich.segment import Segment
from textual.events import Key
from textual.keys import _character_to_key, key_to_character
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from core.settings import Settings, widths_text
from core.trials.store import list_trials
from core.trials.trial import Trial
from tui.app import TrialbookApp
from tui.draft import Draft, draft_to_dict, edited
from tui.state import state_file, write_state
from tui.widgets.keys import Keys
from tui.widgets.panel import PANELS
from tui.widgets.trial_view import TrialView

SIZES = ((80, 24), (120, 40), (200, 60))
LIMIT = 60.0
"""Seconds after which something that is waited for has failed; a loaded machine may need many of them."""
_FOREIGN = ("NO_COLOR", "TEXTUAL_THEME", "TEXTUAL", "TEXTUAL_ANIMATIONS", "TRIALBOOK_HOME")
_ROUNDS = 4
"""What a key causes are messages that cause messages; so many times all queues are emptied."""
_Kind = TypeVar("_Kind", bound=Widget)


def make_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home, and let all that the console writes elsewhere be below the same directory."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    user = tmp_path / "user"
    user.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(user))
    return tmp_path / "home"


def write_config(text: str) -> Path:
    """Write the file of keys; return its path."""
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "trialbook" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def settings_of(console: Console) -> Settings:
    """Return the settings that the forms show."""
    return console.app.edits.draft.settings


def widths(console: Console) -> str:
    """Return the widths of the hidden layers that the forms show."""
    return widths_text(settings_of(console))


def remember(home: Path, draft: Draft | None = None, **values: object) -> None:
    """Let the console on a home begin with a draft, and with whatever else it remembers."""
    state = {**values, **({"draft": draft_to_dict(draft)} if draft is not None else {})}
    write_state(state_file(home), state)


def draft_with(changes: dict[str, object], **about: Any) -> Draft:
    """Return a draft that differs from the defaults in these fields."""
    draft = Draft(**about)
    for path, value in changes.items():
        draft = edited(draft, path, value)
    assert not draft.wrong, draft.wrong
    return draft


def trials(home: Path) -> list[Trial]:
    """Return the saved trials, oldest first."""
    return [listed.trial for listed in list_trials(home)]


class Console:
    """The app while it runs, and a user's hands and eyes.

    Attributes:
        app: The app.
        pilot: Textual's pilot.
        presses: How many keys were pressed.
    """

    def __init__(self, app: TrialbookApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.presses = 0

    async def press(self, *keys: str) -> None:
        """Press keys one after the other, and let all that each one causes happen."""
        for key in keys:
            await self._send(key, key_to_character(key))

    async def _send(self, key: str, character: str | None) -> None:
        self.presses += 1
        event = Key(key, character)
        event.set_sender(self.app)
        self.app.post_message(event)
        await self.settle()

    async def settle(self) -> None:
        """Let everything happen that waits in the widgets' queues.

        Textual's pilot waits until the process is idle instead, which it never is while a training runs.
        """
        for _ in range(_ROUNDS):
            await asyncio.sleep(0.002)
            await self.pilot._wait_for_screen()
        self.app.screen._on_timer_update()

    async def write(self, text: str) -> None:
        """Type a text, character by character."""
        for letter in text:
            await self._send(_character_to_key(letter), letter)

    async def retype(self, text: str) -> None:
        """Type a text in place of what stands in the focused input."""
        assert isinstance(self.app.focused, Input)
        self.app.focused.value = ""
        await self.write(text)

    async def leave(self, key: str) -> None:
        """Press a key that ends the app, and wait until it has been told to end."""
        event = Key(key, key_to_character(key))
        event.set_sender(self.app)
        self.app.post_message(event)
        end = time.monotonic() + LIMIT
        while not self.app._exit:
            assert time.monotonic() < end, f"it does not end; the screen:\n{self.text}"
            await asyncio.sleep(0.02)

    async def go_to(self, panel: str, cursor: str = "") -> None:
        """Go to a panel of the workbench by Tab, and to a field in it."""
        for _ in PANELS:
            if self.app.workbench.panel == panel and self.app.focused is not None:
                break
            await self.press("tab")
        assert self.app.workbench.panel == panel
        if cursor:
            await self.move_to(cursor)

    async def move_to(self, path: str) -> None:
        """Walk with the arrow keys to a field of the form that has the focus."""
        form: Any = self.app.focused
        for key in ("up", "left"):
            before = None
            while before != form.cursor:
                before = form.cursor
                if key == "left" and form.parent.parent.id == "training":
                    break  # there the keys to the sides change values
                await self.press(key)
        sideways = form.parent.parent.id == "architecture"
        for _ in range(len(form.cells)):
            if form.cursor == path:
                return
            row = [cell.path for cell in form.cells if cell.y == form.current.y]
            if sideways and path in row:
                await self.press("right")
            else:
                await self.press("down")
        assert form.cursor == path

    @property
    def text(self) -> str:
        """What is on the screen, a line per row, blanks at the ends left out."""
        return "\n".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """The rows of the screen."""
        return ["".join(segment.text for segment in row).rstrip() for row in self.rows]

    @property
    def rows(self) -> list[list[Segment]]:
        """The rows of the screen with their styles."""
        screen = self.app.screen
        return [list(strip) for strip in screen._compositor.render_strips()]

    @property
    def view(self) -> TrialView:
        """The right side of the workbench."""
        return self.app.workbench.query_one(TrialView)

    @property
    def footer(self) -> str:
        """The line of keys, as it is drawn."""
        return str(self.app.screen.query_one(Keys).render())

    @property
    def words(self) -> str:
        """The line above the workbench's footer."""
        return self.app.status_words().plain

    @property
    def toasts(self) -> list[str]:
        """The messages that pop up."""
        return [each.message for each in self.app._notifications]

    async def clear(self) -> None:
        """Let the messages go that pop up over the lower right of the screen."""
        self.app.clear_notifications()
        await self.settle()

    def find(self, kind: type[_Kind], selector: str = "") -> _Kind:
        """Return a widget of the screen in front."""
        return self.app.screen.query_one(selector, kind) if selector else self.app.screen.query_one(kind)

    def place_of(self, text: str) -> tuple[int, int]:
        """Return column and row where a text begins on the screen."""
        for row, line in enumerate(self.lines):
            if text in line:
                return line.index(text), row
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def style_at(self, text: str) -> Any:
        """Return the style of a text's first character on the screen."""
        column, row = self.place_of(text)
        at = 0
        for segment in self.rows[row]:
            at += segment.cell_length
            if at > column:
                return segment.style
        raise AssertionError(f"{text!r} has no style")

    async def click(self, text: str, times: int = 1, right: int = 0) -> None:
        """Click on the beginning of a text, or so many columns to the right of it."""
        column, row = self.place_of(text)
        column += right
        await self.pilot.click(offset=(column, row), times=times)
        await self.settle()

    async def until(self, condition: Callable[[], object], limit: float = LIMIT) -> None:
        """Wait until something is the case."""
        end = time.monotonic() + limit
        while not condition():
            assert time.monotonic() < end, f"waited {limit:g} s in vain; the screen:\n{self.text}"
            await asyncio.sleep(0.02)
            self.app.screen._on_timer_update()
        await self.settle()

    async def see(self, *texts: str, limit: float = LIMIT) -> None:
        """Wait until all these texts are on the screen."""
        await self.until(lambda: all(text in self.text for text in texts), limit)

    async def not_see(self, text: str) -> None:
        """Wait until a text is no more on the screen."""
        await self.until(lambda: text not in self.text)

    async def idle(self) -> None:
        """Wait until PyTorch is there and no worker runs."""
        await self.until(lambda: self.app.engine_ready and not self.app.engine.is_importing)
        for _ in range(3):
            await self.until(lambda: all(worker.is_finished for worker in self.app.workers))

    async def epochs(self, count: int) -> None:
        """Wait until the training has so many complete epochs."""
        await self.until(lambda: self.app.training is not None and len(self.app.training.snapshot.history) >= count)

    async def ended(self) -> None:
        """Wait until the training has ended and the app knows."""
        await self.until(lambda: self.app.training is not None and not self.app.training.is_running)
        await self.until(lambda: self.app.trainings.ended is self.app.training)
        await self.idle()


Steps = Callable[[Console], Awaitable[None]]


def run(home: Path, steps: Steps, size: tuple[int, int] = (120, 40)) -> TrialbookApp:
    """Run the console on a home, let a user act, and close it; return the app."""

    async def body() -> TrialbookApp:
        app = TrialbookApp(home)
        app.animation_level = "none"
        async with app.run_test(size=size, notifications=True) as pilot:
            console = Console(app, pilot)
            await console.until(lambda: app.is_running and console.words)
            try:
                await steps(console)
            finally:
                if app.training is not None:
                    app.training.control.stop()
        return app

    return asyncio.run(body())
