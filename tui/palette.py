"""What Ctrl+P finds: every action, every preset, every saved trial."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from core.errors import TrialbookError
from core.presets import all_presets
from core.text import printable
from core.trials.store import find_trial, list_trials
from tui.actions import ACTIONS, SCOPES, Action

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from tui.app import TrialbookApp

Found = tuple[str, str, Callable[[], object]]
"""What is shown, a line about it, and what choosing it does."""

_MOST_HITS = 100  # of those, Textual makes its list anew again and again: with 2,000 it stood still for half a second
_UNINTERRUPTED = 0.005  # seconds of a search without a look at what else there is to do


class TrialbookCommands(Provider):
    """Finds actions of the screen that the palette was opened on, presets and trials."""

    async def startup(self) -> None:
        """List what can be found, once for all letters that are typed; the trials are read in a thread."""
        self._actions = list(self._list_actions())
        self._places = await asyncio.to_thread(lambda: list(self._list_places()))

    def _read_trials(self) -> list[tuple[str, str]]:
        try:
            listed = list_trials(self._console.home)
        except TrialbookError:
            return []
        return [(each.trial.id, each.about.name or each.about.note) for each in reversed(listed)]

    @property
    def _console(self) -> TrialbookApp:
        return cast("TrialbookApp", self.app)

    async def discover(self) -> Hits:
        """Offer the actions before anything is typed."""
        for text, about, run in self._actions:
            yield DiscoveryHit(text, run, help=about)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Offer what matches best; the next letter, which ends this, comes in between."""
        matcher, found = self.matcher(query), list[tuple[float, Found]]()
        rested = time.monotonic()
        for each in (*self._actions, *self._places):
            score = matcher.match(each[0])
            if score > 0:
                found.append((score, each))
            if time.monotonic() - rested > _UNINTERRUPTED:
                await asyncio.sleep(0)
                rested = time.monotonic()
        for score, (text, about, run) in nlargest(_MOST_HITS, found, key=itemgetter(0)):
            yield Hit(score, matcher.highlight(text), run, text=text, help=about)

    def _list_actions(self) -> Iterator[Found]:
        """Return the actions that somebody does on this screen: the screen, a widget or the app."""
        doers: dict[str, DOMNode] = {}
        for node in (self.screen, *self.screen.query("*"), self.app):
            for _, binding in node._bindings:
                doers.setdefault(binding.id or "", node)
        for action in ACTIONS:
            node = doers.get(action.id)
            if action.in_palette and node is not None and self.app._check_action_state(action.action, node):
                title = action.title[0].upper() + action.title[1:]
                about = f"{SCOPES[action.scope]}, key {self._console.key_of(action.id)}"
                yield title, about, partial(self._run, action, node)

    async def _run(self, action: Action, node: DOMNode) -> None:
        if node is not self.app and node is not self.screen:
            self.screen.set_focus(node)  # type: ignore[arg-type]
        await self.app.run_action(action.action, node)

    def _list_places(self) -> Iterator[Found]:
        console = self._console
        for name, preset in all_presets().items():
            yield f"Begin from preset {name}", printable(preset.about, 120), partial(console.begin_from, name)
        for trial_id, about in self._read_trials():
            shown = printable(f"{trial_id} {about}".rstrip(), 80)
            yield f"Begin from trial {shown}", "settings into the forms", partial(console.begin_from, trial_id)
            yield (
                f"Show trial {shown}",
                "curves in the workbench",
                partial(self._show, trial_id),
            )

    def _show(self, trial_id: str) -> None:
        console = self._console
        try:
            console.show_trial(find_trial(console.home, trial_id))
        except TrialbookError as error:  # deleted since the list was read
            console.tell(str(error), "error")
