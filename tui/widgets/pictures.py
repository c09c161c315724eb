"""Small pictures in a wrapping grid, drawn with half blocks, made in a thread for what is in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.worker import Worker, WorkerState

from tui.actions import bindings
from tui.widgets.cells import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST, _LARGEST = 16, 32  # pixels of the longer side
_SMALLER = 24  # the same in a low or narrow panel: what is written below must be seen, and two beside each other
_LABELS = 2  # lines below a picture
_GAP = 2  # cells between pictures
_AT_ONCE = 8  # pictures made by one worker: they appear in groups, soon
_KEPT = 400  # pictures


@dataclass(frozen=True, slots=True)
class Picture:
    """What is written about a picture.

    Attributes:
        true: Its class.
        predicted: The class that it was taken for.
        confidence: The probability that the network gave to that class; None where that is not known.
        by: The sign of the network that took it for that class, where there are several; else "".
    """

    true: str
    predicted: str
    confidence: float | None
    by: str = ""


@dataclass(frozen=True, slots=True)
class _Made:
    """Pictures that a worker has made, for one size of pictures."""

    size: tuple[int, int]
    strips: dict[int, list[Strip]]


class Pictures(ScrollView):
    """Images of a test set with their true and predicted class, and a cursor.

    Attributes:
        indices: The positions in the test set of the images that are shown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pictures")]
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"pictures--cursor", "pictures--wrong", "pictures--right"}
    DEFAULT_CSS = """
    Pictures { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    Pictures > .pictures--wrong { color: $text-error; }
    Pictures > .pictures--right { color: $text-success; }
    Pictures > .pictures--cursor { background: $block-cursor-blurred-background; }
    Pictures:focus > .pictures--cursor {
        background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
    }
    Pictures:nocolor:focus > .pictures--cursor { text-style: bold reverse; }
    """

    class Moved(Message):
        """The cursor is on another picture."""

    class AllWanted(Message):
        """The mistakes are wanted again, instead of a cell's images."""

    def __init__(self, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        """Make an empty grid; `id` is its name in the style sheet."""
        super().__init__(id=id)
        self.indices: Sequence[int] | NDArray[Any] = ()
        self.can_go_back = False
        self._empty = ""
        self._images: NDArray[Any] | None = None
        self._describe: Callable[[int], Picture] | None = None
        self._cursor = 0
        self._made: dict[int, list[Strip]] = {}
        self._maker: Worker[_Made] | None = None

    def show(
        self,
        images: NDArray[Any],
        indices: Sequence[int] | NDArray[Any],
        describe: Callable[[int], Picture],
        *,
        empty: str,
    ) -> None:
        """Show some of a test set's images.

        Args:
            images: (N, channels, height, width), uint8; 1 channel or 3.
            indices: Positions in it, in the order in which they are shown.
            describe: Returns what is written about the image of a position.
            empty: What is said where there are no indices.
        """
        if images is not self._images:
            self._made.clear()
        self._images, self.indices, self._describe, self._empty = images, indices, describe, empty
        self._cursor = 0
        self.scroll_to(y=0, animate=False, force=True)
        self._measure()
        self.post_message(self.Moved())

    def go_to(self, index: int) -> None:
        """Put the cursor on the image of a position in the test set, if it is among those that are shown."""
        at = next((at for at, each in enumerate(self.indices) if int(each) == index), None)
        if at is not None:
            self._move(at)

    @property
    def index(self) -> int | None:
        """The position in the test set of the image under the cursor; None where there is none."""
        return int(self.indices[self._cursor]) if len(self.indices) else None

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height of a picture in pixels: one cell across, half a cell down."""
        if self._images is None:
            return (_SMALLEST, _SMALLEST)
        height, width = self._images.shape[2:]
        longer = max(height, width)
        is_small = self.size.height < _LARGEST // 2 + _LABELS or self.size.width < 2 * _LARGEST + _GAP
        scale = min(_SMALLER if is_small else _LARGEST, max(longer, _SMALLEST)) / longer
        return (max(round(width * scale), 1), max(round(height * scale), 1))

    @property
    def _tile(self) -> tuple[int, int]:
        """Cells that a picture takes across, and lines down, with its labels and the gap."""
        width, height = self.picture_size
        return max(width, _SMALLEST) + _GAP, (height + 1) // 2 + _LABELS + 1

    @property
    def _columns(self) -> int:
        return max((self.size.width + _GAP - 1) // self._tile[0], 1)

    def _measure(self) -> None:
        rows = -(-len(self.indices) // self._columns)
        self.virtual_size = Size(0, max(rows * self._tile[1] - 1, 1))
        self._follow()
        self.refresh()
        self._make()

    def on_resize(self) -> None:
        """Wrap anew; pictures of another size are made anew."""
        self._made = {at: strips for at, strips in self._made.items() if len(strips) == self._tile[1] - _LABELS - 1}
        self._measure()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Make what comes into sight."""
        super().watch_scroll_y(old_value, new_value)
        self._make()

    def _make(self) -> None:
        """Have a worker make pictures in sight that are not there yet; one worker at a time."""
        images, size = self._images, self.picture_size
        if images is None or (self._maker is not None and not self._maker.is_finished) or not self.size.height:
            return
        top = self.scroll_offset.y // self._tile[1]
        bottom = (self.scroll_offset.y + self.size.height) // self._tile[1] + 1
        seen = self.indices[top * self._columns : bottom * self._columns]
        missing = [int(at) for at in seen if int(at) not in self._made][:_AT_ONCE]
        if missing:
            self._maker = self.run_worker(
                lambda: _Made(size, {at: draw(images[at], size) for at in missing}),
                name="pictures",
                thread=True,
                exit_on_error=False,
            )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what was made, and go on with what is missing."""
        event.stop()
        if event.worker is not self._maker or event.state is not WorkerState.SUCCESS:
            return
        made = self._maker.result
        if made is not None and made.size == self.picture_size:
            self._made |= made.strips
            for at in list(self._made)[: max(len(self._made) - _KEPT, 0)]:
                del self._made[at]
            self.refresh()
        self._make()

    def _move(self, to: int) -> None:
        if len(self.indices):
            self._cursor = min(max(to, 0), len(self.indices) - 1)
            self._follow()
            self.refresh()
            self.post_message(self.Moved())

    def _follow(self) -> None:
        """Scroll so that the picture under the cursor is seen with its labels."""
        height = self._tile[1]
        top = self._cursor // self._columns * height
        y = min(max(self.scroll_offset.y, top + height - 1 - self.size.height), top)
        if y != self.scroll_offset.y:
            self.scroll_to(y=y, animate=False, force=True)

    def action_cursor_up(self) -> None:
        """Go to the picture above."""
        if self._cursor >= self._columns:
            self._move(self._cursor - self._columns)

    def action_cursor_down(self) -> None:
        """Go to the picture below."""
        self._move(self._cursor + self._columns)

    def action_cursor_left(self) -> None:
        """Go to the picture before."""
        self._move(self._cursor - 1)

    def action_cursor_right(self) -> None:
        """Go to the next picture."""
        self._move(self._cursor + 1)

    def action_page_up(self) -> None:
        """Go a page up."""
        self._move(self._cursor - self._columns * max(self.size.height // self._tile[1], 1))

    def action_page_down(self) -> None:
        """Go a page down."""
        self._move(self._cursor + self._columns * max(self.size.height // self._tile[1], 1))

    def action_scroll_home(self) -> None:
        """Go to the first picture."""
        self._move(0)

    def action_scroll_end(self) -> None:
        """Go to the last picture."""
        self._move(len(self.indices) - 1)

    def action_all_mistakes(self) -> None:
        """Ask for the mistakes again."""
        self.post_message(self.AllWanted())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer the way back to the mistakes only where a cell's images are shown."""
        return action != "all_mistakes" or self.can_go_back

    def on_click(self, event: events.Click) -> None:
        """Go to the clicked picture."""
        across, height = self._tile
        column, row = event.x // across, (event.y + self.scroll_offset.y) // height
        if column < self._columns and row * self._columns + column < len(self.indices):
            self._move(row * self._columns + column)

    def render_line(self, y: int) -> Strip:
        """Draw a line of the pictures of a row, or of what is written below them."""
        width, base = self.size.width, self.visual_style.rich_style
        if not len(self.indices):
            text = self._empty if y == 1 else ""
            return Strip([Segment(fit(f" {text}", width), base)], width)
        row, line = divmod(y + self.scroll_offset.y, self._tile[1])
        positions = range(row * self._columns, min((row + 1) * self._columns, len(self.indices)))
        gap = Strip([Segment(" " * _GAP, base)])
        parts = [part for position in positions for part in (self._part(position, line), gap)]
        return Strip.join(parts).adjust_cell_length(width, base)

    def _part(self, position: int, line: int) -> Strip:
        """Return one line of one picture's tile."""
        width, base = self._tile[0] - _GAP, self.visual_style.rich_style
        index, pixels = int(self.indices[position]), self._tile[1] - _LABELS - 1
        if line < pixels:
            strips = self._made.get(index)
            drawn = strips[line] if strips is not None and line < len(strips) else Strip([])
            return drawn.adjust_cell_length(width, base)
        if line == pixels + _LABELS or self._describe is None:
            return Strip.blank(width, base)
        picture = self._describe(index)
        is_right = picture.true == picture.predicted
        confidence = "" if picture.confidence is None else f" {100 * picture.confidence:.0f} %"
        mark = "▸" if position == self._cursor else " "
        if line == pixels:
            text = mark + picture.true
        elif is_right:
            text = fit(" right", width - len(confidence)) + confidence
        else:
            text = (
                fit(
                    f" {picture.by}→{picture.predicted}" if picture.by else f"→{picture.predicted}",
                    width - len(confidence),
                )
                + confidence
            )
        style = base
        if line > pixels:
            style += self.get_component_rich_style(f"pictures--{'right' if is_right else 'wrong'}", partial=True)
        if position == self._cursor:
            style += self.get_component_rich_style("pictures--cursor")
        return Strip([Segment(fit(text, width), style)], width)


def draw(image: NDArray[Any], size: tuple[int, int]) -> list[Strip]:
    """Return an image as lines of half blocks, a pixel a cell across and two down.

    Args:
        image: (channels, height, width), uint8; 1 channel or 3.
        size: Width and height of the picture in pixels.
    """
    import numpy as np  # noqa: PLC0415 - start time
    from PIL import Image  # noqa: PLC0415
    from rich_pixels import HalfcellRenderer  # noqa: PLC0415

    shown = np.ascontiguousarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    picture = Image.fromarray(shown)
    if picture.size != size:
        # enlarged pixels stay sharp squares; what is made smaller is averaged
        method = Image.Resampling.NEAREST if size[0] >= picture.width else Image.Resampling.BOX
        picture = picture.resize(size, method)
    segments = HalfcellRenderer().render(picture, None)
    return [Strip(line, size[0]) for line in Segment.split_lines(segments)]
