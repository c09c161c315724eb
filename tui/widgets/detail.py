"""Three lines about the field under the cursor: what it does, what it may be, what is wrong with it."""

from __future__ import annotations

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from core.settings import field_of
from core.settings.fields import show_value
from tui.draft import ALL_DROPOUTS, WIDTHS, Draft
from tui.safe import safe

_WIDTHS_HELP = "Widths of all hidden layers, from the input to the output, joined by hyphens: 1024-512-64."


class Detail(Widget):
    """The explanation below a form."""

    DEFAULT_CSS = """
    Detail { height: 4; width: 1fr; padding: 0 1; border-top: solid $panel; color: $text-muted; }
    """

    path: reactive[str] = reactive("")
    draft: reactive[Draft] = reactive(Draft)
    problem: reactive[str] = reactive("")
    """What is wrong with the data, if that is the field."""

    def render(self) -> RenderResult:
        """Return the lines."""
        row = field_of(self.path)
        wrong = self.draft.wrong.get(self.path)
        reason = wrong.reason if wrong else self.problem if self.path == "data.source" else ""
        if reason:
            return safe(f"✗ {reason}", "$text-error")
        if row is None:
            return Content(_WIDTHS_HELP if self.path == WIDTHS else "")
        about = row.help if self.path != ALL_DROPOUTS else f"{row.help} One value for all layers, or 0.6,0.4,..."
        old = self.draft.old_values.get(self.path)
        was = f" Was {old}." if old else f" Default {show_value(row.default)}." if row.default is not None else ""
        return safe(f"{row.allowed.capitalize()}.{was} {about}")
