"""A page of panels: beside each other where there is room, else one at a time behind tabs."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.reactive import reactive
from textual.widget import Widget

from tui.screens.page import PagedPage
from tui.widgets.panel import PANELS, Panel, PanelTabs

BESIDE = (108, 30)
"""Columns and rows from which panels stand beside each other; below, one of them is shown at a time."""
LEFT = ("architecture", "training")
"""The panels of the left column; the others are in the right one."""


class PanelPage(PagedPage):
    """A page with the panels of `PANELS` in two columns, `#left` and `#right`, and `PanelTabs`.

    Attributes:
        panel: The panel that has the focus.
        alone: Whether it has the whole screen.
    """

    DEFAULT_CSS = """
    PanelPage.-single PanelTabs { display: block; }
    PanelPage.-single Panel { display: none; border: none; }
    PanelPage.-single Panel.-current { display: block; }
    PanelPage.-single #left, PanelPage.-single #right { width: 1fr; }
    PanelPage.-single #left.-away, PanelPage.-single #right.-away { display: none; }
    """

    panel: reactive[str] = reactive("architecture")
    alone: reactive[bool] = reactive(False)

    def content_of(self, panel: str) -> Widget:
        """Return what has the focus in a panel."""
        return self.query_one(f"#{panel}")

    def layout_changed(self) -> None:
        """Take notice that another panel is shown, or that one has the whole screen."""

    def on_resize(self, event: events.Resize) -> None:
        """Put the panels beside each other, or behind each other."""
        self._arrange(event.size.width, event.size.height)
        if self.is_mounted and self.focused is None:  # nothing was left to have it while the terminal was too small
            self.call_after_refresh(self.content_of(self.panel).focus)

    def _arrange(self, width: int, height: int) -> None:
        single = self.alone or width < BESIDE[0] or height < BESIDE[1]
        self.set_class(single, "-single")
        for name in PANELS:
            self.query_one(f"#{name}").set_class(name == self.panel, "-current")
        on_left = self.panel in LEFT
        self.query_one("#left").set_class(not on_left, "-away")
        self.query_one("#right").set_class(on_left, "-away")
        self.query_one(PanelTabs).active = self.panel

    def watch_panel(self) -> None:
        """Show the panel that is gone to."""
        if self.is_mounted:
            self._arrange(*self.size)
            self.layout_changed()

    def watch_alone(self) -> None:
        """Give the panel the screen, or give it back."""
        self.watch_panel()

    def action_show_panel(self, name: str) -> None:
        """Go to a panel."""
        self.panel = name
        self.content_of(name).focus(scroll_visible=False)

    def panels(self) -> tuple[Sequence[str], str]:
        """Return the names of all panels, and of the one that has the focus."""
        return list(PANELS), self.panel

    def action_maximize(self) -> None:
        """Give the panel the whole screen, or give it back."""
        self.alone = not self.alone

    def action_back(self) -> None:
        """Give a maximized panel's room back; there is no screen behind this one."""
        self.alone = False

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Note which panel has the focus, also when the mouse gave it."""
        panel = next((node for node in event.widget.ancestors_with_self if isinstance(node, Panel)), None)
        if panel is not None and panel.id:
            self.panel = panel.id
