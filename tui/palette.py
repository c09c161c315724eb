"""What Ctrl+P finds: every action, every preset, every saved trial."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
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


class TrialbookCommands(Provider):
    """Finds actions of the screen that the palette was opened on, presets and trials."""

    async def startup(self) -> None:
        """Read the list of trials in a thread."""
        self._trials = await asyncio.to_thread(self._read_trials)

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
        for text, about, run in self._actions():
            yield DiscoveryHit(text, run, help=about)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Offer whatever matches."""
        matcher = self.matcher(query)
        for text, about, run in (*self._actions(), *self._places()):
            score = matcher.match(text)
            if score > 0:
                yield Hit(score, matcher.highlight(text), run, text=text, help=about)

    def _actions(self) -> Iterator[Found]:
        for action in ACTIONS:
            node = self._node_of(action)
            if action.in_palette and node is not None:
                title = action.title[0].upper() + action.title[1:]
                yield (
                    title,
                    f"{SCOPES[action.scope]}, key {action.keys.split(',')[0]}",
                    partial(self._run, action, node),
                )

    def _node_of(self, action: Action) -> DOMNode | None:
        """Return who does an action on this screen: a widget, the screen or the app; None if nobody does."""
        for node in (self.screen, *self.screen.query("*"), self.app):
            if any(binding.id == action.id for _, binding in node._bindings):
                return node if self.app._check_action_state(action.action, node) else None
        return None

    async def _run(self, action: Action, node: DOMNode) -> None:
        if node is not self.app and node is not self.screen:
            self.screen.set_focus(node)  # type: ignore[arg-type]
        await self.app.run_action(action.action, node)

    def _places(self) -> Iterator[Found]:
        console = self._console
        for name, preset in all_presets().items():
            yield f"Begin from preset {name}", printable(preset.about, 120), partial(console.begin_from, name)
        for trial_id, about in self._trials:
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
