"""The test images that only one of two compared trials classifies rightly, with what the other takes them for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from tui.plot.curves import overlay_sign
from tui.safe import safe
from tui.widgets.pictures import Picture, Pictures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tui.comparing import PairImages

_TITLE = "Images"


class PairPictures(Vertical):
    """A panel with a grid of images, and a line about the one under the cursor.

    Attributes:
        pair: The two trials and where they disagree; None where they cannot be compared, or nobody knows yet.
    """

    DEFAULT_CSS = """
    PairPictures .words { padding: 0 1; height: auto; max-height: 3; text-style: bold; }
    """

    class Shown(Message):
        """Other images are shown, or none."""

    def __init__(self) -> None:
        """Make the panel, without images."""
        super().__init__(id="pictures-panel", classes="panel")
        self.border_title = _TITLE
        self.pair: PairImages | None = None
        self._side = 1  # of the pair, whose own right images are shown
        self._images: dict[str, NDArray[np.uint8]] = {}  # by the fingerprint of their data, as the next
        self._problems: dict[str, str] = {}  # why images are not there

    def compose(self) -> ComposeResult:
        """Compose grid and line."""
        yield Pictures("pictures")
        yield Static(id="pictures-words", classes="words")

    @property
    def is_waiting(self) -> bool:
        """Whether the pair's test images are neither there nor known to be missing."""
        return self.pair is not None and self.pair.tested_on not in self._images | self._problems

    def clear(self) -> None:
        """Forget the pair and all images."""
        self.pair, self._images, self._problems = None, {}, {}

    def take_images(self, tested_on: str, images: NDArray[np.uint8] | None, problem: str = "") -> None:
        """Take over the test images (N, channels, height, width) of a fingerprint, or why they cannot be shown."""
        if images is None:
            self._problems[tested_on] = problem
        else:
            self._images[tested_on] = images
        self._show()

    def show_pair(self, pair: PairImages | None) -> None:
        """Show where two trials disagree; of the same two as before, the cursor stays on its image."""
        pictures = self.query_one(Pictures)
        is_same = pair is not None and self.pair is not None and pair.pair == self.pair.pair
        before = pictures.index if is_same else None
        self.pair, self._side = pair, self._side if is_same else 1
        self._show()
        if before is not None:
            pictures.go_to(before)

    def swap(self) -> None:
        """Show the images that only the other one of the two has right."""
        self._side = 1 - self._side
        self._show()

    def say(self, text: str) -> None:
        """Write a text, which may be foreign, in the line."""
        self.query_one("#pictures-words", Static).update(safe(text))

    def _show(self) -> None:
        """Show the images that only one of the pair has right, or say why there are none."""
        import numpy as np  # noqa: PLC0415 - start time

        pair, side, pictures = self.pair, self._side, self.query_one(Pictures)
        none, nowhere = np.empty((0, 1, 8, 8), dtype=np.uint8), partial(Picture, "", "", 0.0)
        self.post_message(self.Shown())
        if pair is None:
            self.border_title, self.border_subtitle = _TITLE, ""
            pictures.show(none, (), lambda _index: nowhere(), empty="these two cannot be compared")
            return
        count, other = len(pair.only[side]), len(pair.only[1 - side])
        sign, other_sign = overlay_sign(pair.pair[side]), overlay_sign(pair.pair[1 - side])
        self.border_title = f"{sign} right, {other_sign} wrong: {count:,}"
        self.border_subtitle = f"x: {other_sign} right, {sign} wrong: {other:,}"
        images, problem = self._images.get(pair.tested_on), self._problems.get(pair.tested_on, "")
        if images is None:
            waiting = "the images cannot be shown" if problem else "loading the images …"
            pictures.show(none, (), lambda _index: nowhere(), empty=waiting)
            self.say(problem)
            return
        empty = f"there is no image that {sign} has right and {other_sign} has wrong"
        pictures.show(images, pair.only[side], lambda index: pair.picture(index, side), empty=empty)

    @on(Pictures.Moved)
    def _picture_moved(self) -> None:
        """Say what the two make of the image under the cursor."""
        index, pair = self.query_one(Pictures).index, self.pair
        if index is None or pair is None:
            self.say("" if pair is None else self._problems.get(pair.tested_on, ""))
            return
        names = [pair.classes[int(values[index])] for values in (pair.labels, *pair.predicted)]
        taken = (f"{overlay_sign(pair.pair[at])} takes it for {names[1 + at]}" for at in (0, 1))
        self.say(f"image {index:,} is {names[0]}: {', '.join(taken)}")
