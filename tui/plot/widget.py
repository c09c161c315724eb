"""The widget of the learning curves: a title, the plot, and the exact values at one epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, cast

from rich.style import Style as RichStyle
from textual import events, on
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from tui.actions import bindings
from tui.plot.curves import Run
from tui.plot.drawing import Drawing, Plan, drawing_of
from tui.plot.figure import ROLES, with_crosshair
from tui.plot.reading import legend, packed, readout, title
from tui.plot.strips import strips_of
from tui.plot.view import SMOOTHINGS, View

_WORDS = ("title", "quiet", "best", "crosshair", "better", "worse", "same")
_STYLED = (*ROLES, *_WORDS)

_SMALLEST_PLOT = (10, 3)
_TITLED, _LEGEND_BELOW, _MUCH_ROOM = 8, 12, 22  # rows


class CurvesPlot(Widget, can_focus=True):
    """The curves of a trial, with its parent's and other trials' behind them.

    They are drawn in a worker thread, one drawing at a time; until the next one is ready the last one stays.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("curves")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"curves--{name}" for name in _STYLED}
    DEFAULT_CSS = """
    CurvesPlot { width: 1fr; height: 1fr; }
    CurvesPlot > .curves--axis, CurvesPlot > .curves--quiet, CurvesPlot > .curves--same { color: $text-muted; }
    CurvesPlot > .curves--crosshair { color: $text-muted; }
    CurvesPlot > .curves--parent { color: $text-muted; }
    CurvesPlot > .curves--title { text-style: bold; }
    CurvesPlot > .curves--train { color: $text-warning; }
    CurvesPlot > .curves--test { color: $text-primary; text-style: bold; }
    CurvesPlot > .curves--validation { color: $foreground; }
    CurvesPlot > .curves--best { color: $text-success; text-style: bold; }
    CurvesPlot > .curves--better { color: $text-success; }
    CurvesPlot > .curves--worse { color: $text-error; }
    CurvesPlot > .curves--overlay0 { color: $text-success; }
    CurvesPlot > .curves--overlay1 { color: $text-error; }
    CurvesPlot > .curves--overlay2 { color: $text-secondary; }
    """

    view: reactive[View] = reactive(View)
    empty: reactive[str] = reactive("no trial yet")

    @dataclass
    class ViewChanged(Message):
        """The view has changed: worth remembering."""

        plot: CurvesPlot
        view: View

        @property
        def control(self) -> CurvesPlot:
            """The plot."""
            return self.plot

    @dataclass
    class OverlayAsked(Message):
        """Somebody wants to choose trials to draw too."""

        plot: CurvesPlot

        @property
        def control(self) -> CurvesPlot:
            """The plot."""
            return self.plot

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty plot; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self._run: Run | None = None
        self._parent_run: Run | None = None
        self._overlays: tuple[Run, ...] = ()
        self._drawing: Drawing | None = None
        self._is_drawing = False
        self._readout_rows = 1
        self._strips: list[Strip] = []
        self._strips_key: object = None

    def show(self, run: Run | None, parent: Run | None = None, overlays: Sequence[Run] = ()) -> None:
        """Show these trials; another trial than before is shown whole, without crosshair.

        Args:
            run: The trial; None: there is none, and `empty` says what to do.
            parent: The trial that it began from.
            overlays: Other trials.
        """
        shown = (run, parent, tuple(overlays))
        before = self._run
        if shown == (before, self._parent_run, self._overlays):
            return
        self._run, self._parent_run, self._overlays = shown
        if before is not None and run is not None and not _is_same(before, run):
            self.view = replace(self.view, first=None, last=None, crosshair=None)
        self._readout_rows = 1
        self._renew()
        self.refresh_bindings()

    def watch_view(self, before: View, view: View) -> None:
        """Draw what has changed, and let the app remember it."""
        self._renew()
        if before.quantity != view.quantity:
            self.refresh_bindings()
        self.post_message(self.ViewChanged(self, view))

    def watch_empty(self) -> None:
        """Write the other text."""
        self._renew()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._readout_rows = 1
        self._renew()

    # epochs

    @property
    def _shown(self) -> list[Run]:
        """All trials that are drawn."""
        parents = [self._parent_run] if self._parent_run is not None and self.view.parent else []
        return [run for run in (self._run, *parents, *self._overlays) if run is not None]

    @property
    def _reach(self) -> int:
        """The last epoch that any of the trials has."""
        return max((run.history[-1].epoch for run in self._shown if run.history), default=0)

    @property
    def _extent(self) -> int:
        """The last epoch of the axis: planned ones of the trial count too, those that only its parent has do not."""
        drawn = [run for run in (self._run, *self._overlays) if run is not None and run.history]
        reach = max((run.history[-1].epoch for run in drawn), default=0)
        return max(reach, self._run.epochs if self._run is not None else 0, 1)

    @property
    def _read(self) -> int:
        """The epoch whose values are read; 0 where there is none."""
        if self.view.crosshair is not None:
            return min(self.view.crosshair, self._reach)
        return self._run.history[-1].epoch if self._run is not None and self._run.history else self._reach

    # drawing

    def _renew(self) -> None:
        """Have everything made again that what is shown has changed of."""
        self._strips_key = None
        self._start_drawing()
        self.refresh()

    def _plan(self) -> Plan | None:
        """Return what to draw now; None where there is nothing, or no room."""
        if self._run is None or not self.is_attached:
            return None
        _, height, _ = self._divided()
        width = self.size.width
        if width < _SMALLEST_PLOT[0] or height < _SMALLEST_PLOT[1]:
            return None
        view = replace(self.view, crosshair=None)
        return Plan(self._run, self._parent_run, self._overlays, view, self._extent, (width, height))

    def _start_drawing(self) -> None:
        """Start a drawing if there is something new to draw and none is being made."""
        plan = self._plan()
        if plan is None or self._is_drawing or (self._drawing is not None and self._drawing.plan == plan):
            return
        self._is_drawing = True
        self.run_worker(partial(drawing_of, plan), thread=True, exit_on_error=False, group="curves")

    @on(Worker.StateChanged)
    def _drawn(self, event: Worker.StateChanged) -> None:
        """Show a finished drawing, and start the next one if something has changed meanwhile."""
        event.stop()
        if event.state in (WorkerState.PENDING, WorkerState.RUNNING):
            return
        self._is_drawing = False
        if event.state is WorkerState.SUCCESS:
            self._drawing = cast("Drawing", event.worker.result)
            self._strips_key = None
            self._start_drawing()
            self.refresh()

    def _style_of(self, role: str) -> Style:
        return self.get_visual_style(f"curves--{role}")

    def _divided(self) -> tuple[list[Content], int, list[Content]]:
        """Return the lines above the plot, the rows that are left for it, and the lines below it."""
        run, (width, height) = self._run, self.size
        if run is None:
            return [], height, []
        most = max(1, min(height // 4, max(3, height // 6)))
        parts = readout(run, self._parent_run, self._overlays, self.view, self._read, self._style_of)
        below = packed(parts, width, most) if self._read else []
        self._readout_rows = max(self._readout_rows, len(below))  # the plot does not jump while the crosshair moves
        below += [Content("")] * (self._readout_rows - len(below))
        above = self._above(run) if height >= _TITLED else []
        return above, height - len(above) - len(below), below

    def _above(self, run: Run) -> list[Content]:
        """Return the title with the legend behind it or below it."""
        width, height = self.size
        heading = title(run, self.view, self._extent, self._style_of)
        parts = legend(run, self._parent_run, self._overlays, self.view, self._style_of)
        lines = packed(parts, width, 2 if height >= _MUCH_ROOM else 1)
        room = width - heading.cell_length - (lines[0].cell_length if lines else 0)
        if room > 1 and len(lines) == 1:
            return [Content.assemble(heading, " " * room, lines[0])]
        return [heading.truncate(width, ellipsis=True), *(lines if height >= _LEGEND_BELOW else [])]

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines, which are made again only if something has changed: data, size, view or theme."""
        key = (self.size, tuple(self._style_of(name) for name in _STYLED), self.visual_style)
        if key != self._strips_key:
            self._strips_key = key
            self._strips = self._made()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Return one line of those that are ready."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.visual_style.rich_style)

    def _made(self) -> list[Strip]:
        """Return all lines."""
        (width, height), above_plot = self.size, []
        if self._run is None:
            blank = Content("")
            lines = [*[blank] * (max(0, height - 1) // 2), Content.styled(self.empty, self._style_of("quiet"))]
            return [self._strip(line.center(width) if line else line) for line in lines]
        above, rows, below = self._divided()
        above_plot = [self._strip(line) for line in above]
        plot = [Strip.blank(width, self.visual_style.rich_style)] * max(0, rows)
        if self._drawing is not None and rows >= _SMALLEST_PLOT[1]:
            plot = self._plot_strips(self._drawing)[:rows]
            plot += [Strip.blank(width, self.visual_style.rich_style)] * (rows - len(plot))
        return [*above_plot, *plot, *(self._strip(line) for line in below)][-height:] if height else []

    def _strip(self, line: Content) -> Strip:
        base = self.visual_style
        return Strip(line.render_segments(base)).adjust_cell_length(self.size.width, base.rich_style)

    def _plot_strips(self, drawing: Drawing) -> list[Strip]:
        """Return the drawing in the theme's colours, with the crosshair."""
        picture, view = drawing.picture, self.view
        if view.crosshair is not None:
            picture = with_crosshair(picture, drawing.curves, self._read)
        if picture.is_empty:
            picture = picture.copy()
            reason = self._reason()
            row, column = picture.rows // 2, picture.left + max(0, (picture.columns - len(reason)) // 2)
            picture.write(row, column, reason, "quiet")
        styles: dict[str, RichStyle] = {name: self._style_of(name).rich_style for name in _STYLED}
        return strips_of(picture, styles, self.visual_style.rich_style, self.size.width)

    def _reason(self) -> str:
        """Return why no curve is drawn."""
        if not self._reach:
            return "epoch 1 is not complete yet"
        return "nothing above 0 here" if self.view.is_log else "no numbers here"

    # keys and mouse

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's signature
        """Grey out what would change nothing."""
        if action in ("crosshair", "crosshair_to", "quantity", "smooth", "zoom", "pan", "all_epochs"):
            return True if self._run is not None else None
        if action == "penalty" and self._run is not None and self._run.is_title:
            return None  # there is no train cost
        if action in ("penalty", "log"):
            return True if self._run is not None and self.view.quantity == "cost" else None
        if action == "parent":
            return True if self._parent_run is not None else None
        return True

    def action_crosshair(self, by: int) -> None:
        """Move the crosshair by epochs."""
        if self._reach:
            self._read_at(max(1, min(self._reach, self._read + by)))

    def action_crosshair_to(self, last: bool) -> None:
        """Move the crosshair to the first epoch, or to the last one, and let it follow from there."""
        if self._reach:
            self._read_at(self._reach if last else 1)
        if last:
            self.view = replace(self.view, crosshair=None)

    def _read_at(self, epoch: int) -> None:
        self.view = self.view.with_crosshair(epoch, self._extent)

    def action_quantity(self) -> None:
        """Switch between cost and accuracy."""
        self.view = replace(self.view, quantity="cost" if self.view.quantity == "accuracy" else "accuracy")

    def action_penalty(self) -> None:
        """Show the train cost with or without the penalty."""
        self.view = replace(self.view, penalty=not self.view.penalty)

    def action_log(self) -> None:
        """Switch between a logarithmic and a linear axis."""
        self.view = replace(self.view, log=not self.view.log)

    def action_smooth(self) -> None:
        """Go through the ways of smoothing."""
        after = SMOOTHINGS.index(self.view.smoothing) + 1 if self.view.smoothing in SMOOTHINGS else 0
        self.view = replace(self.view, smoothing=SMOOTHINGS[after % len(SMOOTHINGS)])

    def action_parent(self) -> None:
        """Draw the parent too, or leave it out."""
        self.view = replace(self.view, parent=not self.view.parent)

    def action_overlay(self) -> None:
        """Ask for the trials to draw too."""
        self.post_message(self.OverlayAsked(self))

    def action_zoom(self, closer: bool) -> None:
        """Show half or twice as many epochs, around the crosshair."""
        self.view = self.view.zoomed(closer, self._read, self._extent)

    def action_pan(self, steps: int) -> None:
        """Move the window by quarters of itself."""
        self.view = self.view.panned(steps, self._extent)

    def action_all_epochs(self) -> None:
        """Show all epochs."""
        self.view = replace(self.view, first=None, last=None)

    def _epoch_at(self, event: events.MouseEvent) -> int | None:
        """Return the epoch below the pointer, None outside the curves' area."""
        offset = event.get_content_offset(self)
        if offset is None or self._drawing is None or self._run is None:
            return None
        above, rows, _ = self._divided()
        picture = self._drawing.picture
        inside = picture.left <= offset.x < picture.left + picture.columns
        return picture.epoch(offset.x) if inside and 0 <= offset.y - len(above) < rows else None

    def on_click(self, event: events.Click) -> None:
        """Put the crosshair where the click was."""
        epoch = self._epoch_at(event)
        if epoch is not None and self._reach:
            self._read_at(min(epoch, self._reach))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Zoom in around the pointer."""
        self._wheel(event, closer=True)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Zoom out around the pointer."""
        self._wheel(event, closer=False)

    def _wheel(self, event: events.MouseEvent, closer: bool) -> None:
        epoch = self._epoch_at(event)
        if epoch is not None:
            event.stop()
            event.prevent_default()
            self.view = self.view.zoomed(closer, epoch, self._extent)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        """Move the window to earlier epochs."""
        event.stop()
        self.action_pan(-1)

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        """Move the window to later epochs."""
        event.stop()
        self.action_pan(1)


def _is_same(before: Run, run: Run) -> bool:
    """Return whether two states of curves are one trial's; names may repeat."""
    return before.title == run.title and (not before.history or before.history[0] in run.history[:1])
