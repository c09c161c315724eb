"""The test accuracy over all epochs, and the epoch that a film stands at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from tui.actions import bindings
from tui.plot.curves import Curve
from tui.plot.figure import Picture, draw, mark_best, with_crosshair
from tui.plot.strips import strips_of

_SMALLEST = (10, 3)
_ROLES = ("axis", "test", "crosshair", "best")


class FilmStrip(Widget, can_focus=True):
    """A curve that the arrow keys walk along; it is drawn in a worker, once for every size."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("film")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"film-strip--{role}" for role in _ROLES}
    DEFAULT_CSS = """
    FilmStrip > .film-strip--axis, FilmStrip > .film-strip--crosshair { color: $text-muted; }
    FilmStrip > .film-strip--test { color: $text-primary; text-style: bold; }
    FilmStrip > .film-strip--best { color: $text-success; text-style: bold; }
    """

    position: reactive[int] = reactive(1)
    """The epoch, from 1."""

    @dataclass
    class Moved(Message):
        """Another epoch is wanted.

        Attributes:
            epoch: Its number.
        """

        epoch: int

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty strip; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self._curve: Curve | None = None
        self._best = 0
        self._picture: Picture | None = None
        self._strips: list[Strip] = []
        self._strips_key: object = None
        self._drawer: Worker[Picture] | None = None

    def show(self, accuracies: Sequence[float], best: int) -> None:
        """Show a trial.

        Args:
            accuracies: Its test accuracy after each epoch, as fractions.
            best: Its best epoch; 0 where that is not known.
        """
        values = tuple(100 * accuracy for accuracy in accuracies)
        self._curve = Curve("test", "test", "solid", "", tuple(range(1, len(values) + 1)), values)
        self._best = best
        self._draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if self._curve is not None and width >= _SMALLEST[0] and height >= _SMALLEST[1]:
            drawing = partial(_drawn, self._curve, self._best, (width, height))
            self._drawer = self.run_worker(drawing, thread=True, exit_on_error=False, group="film", exclusive=True)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the finished drawing."""
        event.stop()
        if event.worker is self._drawer and event.state is WorkerState.SUCCESS:
            self._picture = self._drawer.result
            self.refresh()

    def action_step(self, by: int) -> None:
        """Ask for an epoch so many later."""
        self.post_message(self.Moved(self.position + by))

    def on_click(self, event: events.Click) -> None:
        """Ask for the epoch that is clicked."""
        picture = self._picture
        if picture is not None and picture.left <= event.x < picture.left + picture.columns:
            self.post_message(self.Moved(picture.epoch(event.x)))

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines, which are made again only if the drawing, the position or the theme has changed."""
        base = self.visual_style.rich_style
        styles = {role: self.get_visual_style(f"film-strip--{role}").rich_style for role in _ROLES}
        key = (id(self._picture), self.position, self.size, base, *styles.values())
        if key != self._strips_key and self._picture is not None and self._curve is not None:
            picture = with_crosshair(self._picture, [self._curve], self.position)
            self._strips, self._strips_key = strips_of(picture, styles, base, self.size.width), key
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Return one line of those that are ready."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.visual_style.rich_style)


def _drawn(curve: Curve, best: int, size: tuple[int, int]) -> Picture:
    picture = draw([curve], (1, max(len(curve.epochs), 1)), size, log=False, percent=True)
    if best:
        mark_best(picture, curve, best)
    return picture
