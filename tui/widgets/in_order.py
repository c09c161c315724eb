"""Keys in the order in which they were pressed, also when many arrive at once: pasted, or typed ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.widget import Widget

# at run time not a widget: styles are inherited along first bases only, which must be those of what it is mixed into
if TYPE_CHECKING:
    _Base = Widget
else:
    _Base = object


class KeysInOrder(_Base):
    """Mixed into a widget, lets it do what a key is bound to before it looks at the next key.

    Textual hands a key that no widget wants to the app, which looks for its binding while the widget goes on with the
    next key. So of "Enter Down 5" the 5 could reach a field before Enter and Down had left it.
    """

    async def on_key(self, event: events.Key) -> None:
        """Do what the key is bound to, or hand it on to whoever has the focus since it was pressed."""
        focused = self.focus_now()
        if focused is not self:
            event.stop()
            event.prevent_default()
            focused.post_message(events.Key(event.key, event.character))
            return
        if self.takes_text(event):
            return
        active = self.screen.active_bindings.get(event.key)
        if active is not None and active.enabled:
            event.stop()
            event.prevent_default()
            await self.app.run_action(active.binding.action, active.node)

    def focus_now(self) -> Widget:
        """Return the widget that keys are meant for now."""
        screen = self.app.screen
        return screen.focused or (screen if screen is not self.screen else self)

    def takes_text(self, event: events.Key) -> bool:
        """Return whether the key is text for the widget itself."""
        return self.check_consume_key(event.key, event.character)
