"""The workbench's panels, and the line of tabs that stands for them where there is room for one only."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import RenderResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from tui.actions import bindings

PANELS = {"architecture": "Architecture", "training": "Training", "curves": "Curves", "figures": "Figures"}
"""The workbench's panels in their order, and what they are called."""


class Panel(Vertical):
    """A frame with a title."""

    DEFAULT_CSS = """
    Panel {
        border: round $foreground 40%; border-title-color: $foreground; height: 1fr; width: 1fr; padding: 0;
        layers: base editor;
    }
    Panel:focus-within { border: round $accent; border-title-color: $accent; border-title-style: bold; }
    """

    def __init__(self, *children: Widget, id: str) -> None:  # noqa: A002 - Textual's term
        """Make a panel around its content.

        Args:
            children: The content.
            id: A key of `PANELS`.
        """
        super().__init__(*children, id=id)
        self.border_title = PANELS[id]


class Scroller(VerticalScroll, can_focus=False):
    """What scrolls within a panel; the keys belong to the content."""

    DEFAULT_CSS = """
    Scroller { layers: base editor; scrollbar-size-vertical: 1; padding: 0 1; }
    """


class FiguresScroller(VerticalScroll):
    """The figures, which the arrow keys scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("figures")]
    DEFAULT_CSS = """
    FiguresScroller { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    """

    def action_cursor_up(self) -> None:
        """Scroll up by a line."""
        self.scroll_relative(y=-1, animate=False)

    def action_cursor_down(self) -> None:
        """Scroll down by a line."""
        self.scroll_relative(y=1, animate=False)


class PanelTabs(Widget):
    """One line with the panels' names."""

    DEFAULT_CSS = """
    PanelTabs { height: 1; width: 1fr; display: none; padding: 0 1; }
    """

    active: reactive[str] = reactive("architecture")

    def render(self) -> RenderResult:
        """Return the names."""
        names = [
            Content.styled(f" {title} ", "bold reverse" if name == self.active else "dim")
            for name, title in PANELS.items()
        ]
        return Content(" ").join(names)

    async def on_click(self, event: events.Click) -> None:
        """Go to the panel whose name is clicked."""
        offset = event.get_content_offset(self)
        end = 0
        for name, title in PANELS.items():
            end += len(title) + 3
            if offset is not None and offset.x < end:
                await self.run_action(f"screen.show_panel('{name}')")
                return
