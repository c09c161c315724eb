"""The footer: the keys that matter most where the focus is."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget

from tui.actions import BY_ID, FOOTER_KEYS, Action


class Keys(Widget):
    """One line of at most seven keys, those with the lowest ranks; help is always among them."""

    DEFAULT_CSS = """
    Keys { dock: bottom; height: 1; width: 1fr; background: $panel; color: $foreground; padding: 0 1; }
    """

    def on_mount(self) -> None:
        """Follow the focus, and whatever else enables or disables keys."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_updated)

    def _bindings_updated(self, _screen: Screen[object]) -> None:
        self.refresh()

    def render(self) -> RenderResult:
        """Return the keys and their labels, each of which can be clicked."""
        parts: list[Content] = []
        for key, action in shown_keys(self.screen):
            click = Style.from_meta({"@click": f"app.press_key('{key}')"})
            shown = Content.styled(self.app.get_key_display(_binding(self.screen, key)), "bold $accent")
            parts.append(Content.assemble(shown, " ", label_of(self.screen, action)).stylize(click))
        return Content("  ").join(parts)


def shown_keys(screen: Screen[object]) -> list[tuple[str, Action]]:
    """Return key and action of everything a footer shows now, in its order."""
    rows: dict[str, tuple[str, Action]] = {}
    for key, active in screen.active_bindings.items():
        action = BY_ID.get(active.binding.id or "")
        if action is not None and action.rank and active.enabled:
            rows.setdefault(action.id, (key, action))  # an action with several keys shows its first
    ranked = sorted(rows.values(), key=lambda row: row[1].rank)
    help_key = [row for row in ranked if row[1].id == "help"]
    others = [row for row in ranked if row[1].id != "help"]
    return others[: FOOTER_KEYS - len(help_key)] + help_key


def label_of(screen: Screen[object], action: Action) -> str:
    """Return the action's word for the footer, which the screen may change with its state: "Pause", "Resume"."""
    changed = getattr(screen, "label_of", None)
    return str(changed(action.id) or action.label) if changed is not None else action.label


def _binding(screen: Screen[object], key: str):  # type: ignore[no-untyped-def]
    return screen.active_bindings[key].binding
