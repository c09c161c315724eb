"""The one-line input that opens over a field of a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from tui.actions import bindings
from tui.widgets.in_order import KeysInOrder

if TYPE_CHECKING:
    from tui.widgets.form import Form


class Editor(KeysInOrder, Input):
    """An input over a field: Enter keeps what is typed, Esc does not, the arrow keys step a number."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("editor")]
    DEFAULT_CSS = """
    Editor, Editor:focus {
        position: absolute; layer: editor; height: 1; border: none; padding: 0 1;
        background: $primary 30%; text-style: bold;
    }
    Editor.-wrong { color: $text-error; }
    """

    def __init__(self, form: Form, path: str, text: str, *, select: bool) -> None:
        """Open over a form's field.

        Args:
            form: The form.
            path: The field.
            text: What stands in it at first.
            select: Whether typing replaces that text.
        """
        super().__init__(text, select_on_focus=False, compact=True)
        self.form = form
        self.path = path
        self._select = select
        self._is_done = False

    def on_mount(self) -> None:
        """Take the keys."""
        self.screen.set_focus(self)  # at once: the next key may be on its way
        if self._select:
            self.select_all()  # not when the focus comes: by then something may have been typed
        else:
            self.cursor_position = len(self.value)

    def focus_now(self) -> Widget:
        """Return the widget that keys are meant for now: this one from its making until it is closed."""
        return super().focus_now() if self._is_done else self

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say at once what is wrong with the input."""
        event.stop()
        draft = self.form.take(self.path, self.value)
        self.set_class(self.path in draft.wrong, "-wrong")
        self.form.explain(self.form, draft)

    def action_keep(self) -> None:
        """Put what is typed into the draft, also if it is wrong: the form marks it."""
        self._close(keep=True)

    def action_drop(self) -> None:
        """Leave the field as it was."""
        self._close(keep=False)

    def action_keep_and_move(self, by: int) -> None:
        """Put what is typed into the draft and go to another field."""
        self._close(keep=True)
        if by > 0:
            self.form.action_cursor_down()
        else:
            self.form.action_cursor_up()

    def action_step(self, up: bool) -> None:
        """Step the number that is typed."""
        self.value = self.form.step_text(self.path, self.value, up)
        self.cursor_position = len(self.value)

    def on_blur(self, _event: events.Blur) -> None:
        """Whoever clicks elsewhere keeps what was typed; who looks into another window goes on typing afterwards."""
        if self.app.app_focus and self.screen.focused is not self:
            self._close(keep=True)

    def _close(self, keep: bool) -> None:
        if self._is_done:
            return
        self._is_done = True
        self.form.editor = None
        if keep:
            self.form.edit(self.form.take(self.path, self.value), "")
        else:
            self.form.explain(self.form, self.form.draft)
        if self.screen.focused is self:
            self.screen.set_focus(self.form, scroll_visible=False)
        self.remove()
