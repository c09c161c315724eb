"""The footer: the keys that matter most where the focus is."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.app import RenderResult
from textual.binding import ActiveBinding, Binding
from textual.content import Content
from textual.keys import key_to_character
from textual.screen import Screen
from textual.widget import Widget

from tui.actions import BY_ID, FOOTER_KEYS, Action

_GAP = "  "
_SIGNS = {"slash": "/", "minus": "-", "plus": "+"}
"""Keys that Textual does not know the characters of."""


class Keys(Widget):
    """One line of at most seven keys, those with the lowest ranks; help is always among them."""

    DEFAULT_CSS = """
    Keys { dock: bottom; height: 1; width: 1fr; background: $panel; color: $foreground; padding: 0 1; }
    """

    def __init__(self) -> None:
        """Make an empty footer."""
        super().__init__()
        self._ends: list[tuple[int, str]] = []  # where each key ends, in columns

    def on_mount(self) -> None:
        """Follow the focus, and whatever else enables or disables keys."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_updated)

    def _bindings_updated(self, _screen: Screen[Any]) -> None:
        self.refresh()

    def render(self) -> RenderResult:
        """Return the keys and their labels."""
        parts = []
        for binding, action in shown_keys(self.screen):
            shown = (self.app.get_key_display(binding), "bold $text-accent")
            parts.append((Content.assemble(shown, " ", label_of(self.screen, action)), binding.key))
        while len(parts) > 1 and sum(part.cell_length + len(_GAP) for part, _ in parts) - len(_GAP) > self.size.width:
            del parts[-2]  # the last is help
        end, self._ends = 0, list[tuple[int, str]]()
        for part, key in parts:
            end += part.cell_length + len(_GAP)
            self._ends.append((end, key))
        return Content(_GAP).join(part for part, _ in parts)

    def on_click(self, event: events.Click) -> None:
        """Do what the key that is clicked does."""
        offset = event.get_content_offset(self)
        if offset is not None:
            key = next((key for end, key in self._ends if offset.x < end), None)
            if key is not None:
                self.app.simulate_key(key)


def shown_keys(screen: Screen[Any]) -> list[tuple[Binding, Action]]:
    """Return key and action of everything a footer shows now, in its order."""
    rows: dict[str, tuple[Binding, Action]] = {}
    for active in usable_bindings(screen).values():
        action = BY_ID.get(active.binding.id or "")
        if action is not None and action.rank:
            rows.setdefault(action.id, (active.binding, action))  # an action with several keys shows its first
    ranked = sorted(rows.values(), key=lambda row: row[1].rank)
    help_key = [row for row in ranked if row[1].id == "help"]
    others = [row for row in ranked if row[1].id != "help"]
    return others[: FOOTER_KEYS - len(help_key)] + help_key


def usable_bindings(screen: Screen[Any]) -> dict[str, ActiveBinding]:
    """Return the bindings that do something now, by key: not those whose letters an input takes as text."""
    focused = screen.focused
    return {
        key: active
        for key, active in screen.active_bindings.items()
        if active.enabled
        and not (focused is not None and focused.check_consume_key(key, _SIGNS.get(key) or key_to_character(key)))
    }


def label_of(screen: Screen[Any], action: Action) -> str:
    """Return the action's word for the footer, which the screen may change with its state: "Pause", "Resume"."""
    changed = getattr(screen, "label_of", None)
    return str(changed(action.id) or action.label) if changed is not None else action.label
