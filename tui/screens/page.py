"""What all screens share: their footer, the way back, and one plain line where the terminal is too small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.style import Style
from textual.widgets import Static

from tui.actions import bindings
from tui.widgets.keys import Keys

SMALLEST = (60, 16)
"""Columns and rows below which no screen is drawn."""


class Page(Screen[Any]):
    """A full screen with a footer; Esc goes back. Subclasses yield their content from `compose_page`."""

    BINDINGS: ClassVar[list[BindingType]] = [row for row in bindings("app") if row.id == "back"]

    def compose(self) -> ComposeResult:
        """Compose the page's content, its footer and the line for small terminals."""
        yield from self.compose_page()
        yield Keys()
        yield TooSmall()

    def compose_page(self) -> ComposeResult:
        """Compose the page's own content."""
        return iter(())

    def action_back(self) -> None:
        """Close the page."""
        self.dismiss(None)


class PagedPage(Page):
    """A page of several panels, of which keys show the next and the one before."""

    def panels(self) -> tuple[Sequence[str], str]:
        """Return the names of all panels, in order, and of the one that is in use."""
        return (), ""

    def action_show_panel(self, name: str) -> None:
        """Show a panel and give it the focus."""

    def action_next_panel(self) -> None:
        """Go to the next panel."""
        self._step_panel(1)

    def action_previous_panel(self) -> None:
        """Go to the panel before."""
        self._step_panel(-1)

    def _step_panel(self, by: int) -> None:
        names, current = self.panels()
        self.action_show_panel(names[(names.index(current) + by) % len(names)])


class Dialog(ModalScreen[Any]):
    """A box over the page; Esc closes it with None. Subclasses yield its content from `compose_page`."""

    # the app's own keys do not work behind a box
    BINDINGS: ClassVar[list[BindingType]] = [
        replace(row, action="app.help") if row.id == "help" else row
        for row in bindings("app")
        if row.id in ("back", "help")
    ]
    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > .dialog {
        width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 1; background: $surface;
        border: round $accent; border-title-color: $accent; border-title-style: bold;
    }
    """

    def compose(self) -> ComposeResult:
        """Compose the box, its footer and the line for small terminals."""
        yield from self.compose_page()
        yield Keys()
        yield TooSmall()

    def compose_page(self) -> ComposeResult:
        """Compose the box, whose class is "dialog"."""
        return iter(())

    def action_back(self) -> None:
        """Close the box without an answer."""
        self.dismiss(None)


def tab_line(titles: Mapping[str, str], current: str) -> Content:
    """Return the names of panels in a line, the current one marked; a click on one shows it."""
    tabs = []
    for name, title in titles.items():
        style = "bold reverse" if name == current else "$text-muted"
        click = Style.from_meta({"@click": f"screen.show_panel('{name}')"})
        tabs.append(Content.styled(f" {title} ", style).stylize(click))
    return Content(" ").join(tabs)


class TooSmall(Static):
    """One plain line, shown instead of everything else where the terminal is too small; wrapped where it must be."""

    SCOPED_CSS = False  # it is about the other widgets of the screen
    DEFAULT_CSS = """
    TooSmall { display: none; width: 1fr; height: auto; }
    .-tiny > *, .-flat > * { display: none !important; }
    .-tiny > TooSmall, .-flat > TooSmall { display: block !important; dock: top; }
    """

    def __init__(self) -> None:
        """Make the line."""
        super().__init__(f"Trialbook needs {SMALLEST[0]}x{SMALLEST[1]}; make the window larger")
