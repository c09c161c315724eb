"""What the two forms share: a cursor over the fields of the draft, steps by arrow keys, typing into a field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from core.settings import SettingField, field_of
from tui.draft import ALL_DROPOUTS, Draft, edited, stepped
from tui.widgets.in_order import KeysInOrder

if TYPE_CHECKING:
    from tui.widgets.editor import Editor

_TYPED = "0123456789."


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a field is drawn: column and row within the form, and how many columns it has."""

    path: str
    x: int
    y: int
    width: int


class Form(KeysInOrder, Widget, can_focus=True):
    """Fields of the draft, drawn as lines of text; one of them is under the cursor.

    Subclasses draw themselves and say in `lay_out` where the fields are.
    """

    DEFAULT_CSS = """
    Form { height: auto; width: 1fr; }
    """

    draft: reactive[Draft] = reactive(Draft, layout=True)
    cursor: reactive[str] = reactive("")

    @dataclass
    class SourceAsked(Message):
        """The user wants to choose the data."""

    def __init__(self, edit: Callable[[Draft, str], object], explain: Callable[[Form, Draft], object]) -> None:
        """Make a form. What it tells, it tells by a call: after a message, the screen would change a frame later.

        Args:
            edit: Takes the draft after an edit, and the field that an arrow key has stepped or "". The next key may
                have been pressed already and must see the new draft.
            explain: Takes the form and the draft, whenever another field is under the cursor or its input changes
                while it is typed: then the draft is what it would be with the input so far.
        """
        super().__init__()
        self.edit = edit
        self.explain = explain
        self.editor: Editor | None = None

    def lay_out(self) -> list[Cell]:
        """Return where the fields are, row by row, from left to right; a form of its own has none."""
        return []

    def field(self, path: str) -> SettingField | None:
        """Return the row of the table of fields that a path belongs to, if it is a setting."""
        return field_of(path)

    @property
    def cells(self) -> list[Cell]:
        """Where the fields are."""
        return self.lay_out()

    @property
    def current(self) -> Cell | None:
        """The cell under the cursor."""
        cells = self.cells
        return next((cell for cell in cells if cell.path == self.cursor), cells[0] if cells else None)

    @property
    def cursor_style(self) -> str:
        """How the field under the cursor is drawn."""
        if not self.has_focus:
            return "underline"
        return "bold reverse" if self.app.no_color else "bold $block-cursor-foreground on $block-cursor-background"

    def watch_cursor(self) -> None:
        """Show the field under the cursor."""
        self.refresh()
        cell = self.current
        if cell is not None and self.is_mounted:
            self.explain(self, self.draft)
            self._reveal(cell)

    def _reveal(self, cell: Cell) -> None:
        """Scroll to a field."""
        if isinstance(self.parent, Widget):
            # one row above and below, so that a group's heading comes into view with its first field
            self.parent.scroll_to_region(Region(0, max(0, cell.y - 1), 1, 3), animate=False, force=True)

    def watch_draft(self) -> None:
        """Keep the cursor on a field that is there."""
        cell = self.current
        if cell is not None and cell.path != self.cursor:
            self.cursor = cell.path
        elif self.is_mounted:
            self.explain(self, self.draft)

    def on_focus(self) -> None:
        """Tell which field is under the cursor."""
        self.refresh()
        self.explain(self, self.draft)
        if self.current is not None:
            self._reveal(self.current)

    def on_blur(self) -> None:
        """Draw the cursor as that of a form without the focus."""
        self.refresh()

    def action_cursor_up(self) -> None:
        """Go to the field above."""
        self._move_rows(-1)

    def action_cursor_down(self) -> None:
        """Go to the field below."""
        self._move_rows(1)

    def action_cursor_left(self) -> None:
        """Go to the field on the left."""
        self._move_in_row(-1)

    def action_cursor_right(self) -> None:
        """Go to the field on the right."""
        self._move_in_row(1)

    def action_cursor_edge(self, last: bool) -> None:
        """Go to the first or the last field."""
        cells = self.cells
        if cells:
            self.cursor = cells[-1 if last else 0].path

    def _move_rows(self, by: int) -> None:
        here = self.current
        if here is None:
            return
        rows = sorted({cell.y for cell in self.cells})
        at = rows.index(here.y) + by
        if 0 <= at < len(rows):
            row = [cell for cell in self.cells if cell.y == rows[at]]
            self.cursor = min(row, key=lambda cell: abs(cell.x - here.x)).path

    def _move_in_row(self, by: int) -> None:
        here = self.current
        if here is None:
            return
        row = [cell for cell in self.cells if cell.y == here.y]
        at = row.index(here) + by
        if 0 <= at < len(row):
            self.cursor = row[at].path

    def action_step(self, up: bool) -> None:
        """Go to the next larger or smaller value of the field, or to its next or previous choice."""
        cell = self.current
        if cell is not None:
            self.edit(stepped(self.draft, cell.path, up), cell.path)

    def action_edit(self) -> None:
        """Switch the field over, go to its next choice, or type into it."""
        cell = self.current
        if cell is None:
            return
        row = self.field(cell.path)
        if cell.path == "data.source":
            self.post_message(self.SourceAsked())
        elif row is not None and (row.kind is bool or row.choices):
            self.edit(stepped(self.draft, cell.path, up=True), "")
        else:
            self.type_into(cell)

    def type_into(self, cell: Cell, begun: str = "") -> None:
        """Open a field for typing.

        Args:
            cell: The field.
            begun: What is typed already; "": typing replaces the text that stands there.
        """
        from tui.widgets.editor import Editor  # noqa: PLC0415 - the first screen need not wait for inputs

        if isinstance(self.parent, Widget):
            editor = Editor(self, cell.path, begun or self.draft.text_of(cell.path), select=not begun)
            room = max(8, self.size.width - cell.x)
            editor.styles.offset = (cell.x, cell.y)
            editor.styles.width = min(room, max(cell.width + 2, 14))
            self.parent.mount(editor)
            self.editor = editor

    def take(self, path: str, text: str) -> Draft:
        """Return the draft with what was typed into a field."""
        return edited(self.draft, path, text)

    def step_text(self, path: str, text: str, up: bool) -> str:
        """Return the text of a field one step away from what is typed into it; the text itself if it has no step."""
        row = self.field(path)
        if row is None or row.step is None or path == ALL_DROPOUTS:
            return text
        draft = stepped(self.take(path, text), path, up)
        return draft.text_of(path)

    def focus_now(self) -> Widget:
        """Return the widget that keys are meant for now: the input over a field from the moment it was asked for."""
        return super().focus_now() if self.editor is None else self.editor

    def takes_text(self, event: events.Key) -> bool:
        """Begin to type into the field under the cursor if the key is a digit."""
        cell = self.current
        if event.character is None or event.character not in _TYPED or cell is None:
            return False
        row = self.field(cell.path)
        if row is None or row.kind not in (int, float, tuple):
            return False
        event.stop()
        self.type_into(cell, event.character)
        return True

    def on_click(self, event: events.Click) -> None:
        """Go to the field that is clicked; a click on the field under the cursor edits it."""
        for cell in self.cells:
            if cell.y == event.y and cell.x - 1 <= event.x < cell.x + cell.width + 1:
                if cell.path == self.cursor and event.chain > 1:
                    self.action_edit()
                self.cursor = cell.path
                return
        row = [cell for cell in self.cells if cell.y == event.y]
        if row:
            self.cursor = row[0].path
