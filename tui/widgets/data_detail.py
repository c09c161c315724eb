"""What a data set or a folder of images holds: a line in words, and every class with its images counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import get_current_worker

from core.errors import TrialbookError
from core.settings import FIELDS
from core.text import printable
from tui.safe import safe
from tui.threads import LeftError, until_left
from tui.widgets.data_classes import ClassLines
from tui.words import failure

if TYPE_CHECKING:
    from core.data.catalog import DataShape
    from core.data.preview import ClassCounts, FolderPreview

_DEBOUNCE = 0.15  # seconds that the cursor rests on a line before its folder is listed


@dataclass(frozen=True, slots=True)
class Found:
    """What a worker has found out.

    Attributes:
        subject: The folder, or the name of the data set.
        preview: What the folder holds.
        counts: The classes of the data set.
        error: Why neither is known.
    """

    subject: str
    preview: FolderPreview | None = None
    counts: ClassCounts | None = None
    error: str = ""


class DataDetail(Vertical):
    """Words and classes of what is selected; folders are listed in a worker."""

    DEFAULT_CSS = """
    DataDetail {
        border: round $foreground 40%; border-title-color: $foreground; padding: 0 1; background: $surface;
    }
    DataDetail:focus-within { border: round $accent; border-title-color: $accent; border-title-style: bold; }
    DataDetail > #data-words { height: auto; max-height: 8; }
    DataDetail > ClassLines { margin-top: 1; }
    """

    @dataclass
    class Known(Message):
        """A folder's content or its fault is known."""

        found: Found

    @dataclass
    class _Ready(Message):
        found: Found

    def __init__(self) -> None:
        """Make an empty panel."""
        super().__init__()
        self.found: Found | None = None
        self._subject = ""
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Compose the words and the list of classes."""
        yield Static(id="data-words")
        yield ClassLines()

    def show_words(self, title: str, words: Content) -> None:
        """Show words only.

        Args:
            title: What they are about; may be foreign text.
            words: The words.
        """
        self._begin(title, words)

    def show_set(self, name: str, words: Content) -> None:
        """Show a data set known by name, with its classes as soon as they are counted.

        Args:
            name: Its name.
            words: What is to be said about it.
        """
        self._begin(name, words)
        self._subject = name
        self._after_a_moment(_count_set)

    def show_folder(self, path: str) -> None:
        """Show a folder of images, once it is listed.

        Args:
            path: The folder, absolute; undecodable bytes of its name are surrogates.
        """
        self._begin(path, Content("listing …"))
        self._subject = path
        self._after_a_moment(_look_into)

    def _begin(self, title: str, words: Content) -> None:
        self.found = None
        self._subject = ""
        self.border_title = Content(printable(title, 60))
        self.query_one("#data-words", Static).update(words)
        self._show_classes(None)
        if self._timer is not None:
            self._timer.stop()
        self.workers.cancel_node(self)

    def _after_a_moment(self, find_out: Callable[[str], Found | None]) -> None:
        work = partial(self._work, self._subject, find_out)
        self._timer = self.set_timer(
            _DEBOUNCE, lambda: self.run_worker(work, group="data-detail", thread=True, exit_on_error=False)
        )

    def _work(self, subject: str, find_out: Callable[[str], Found | None]) -> None:
        """Find out, in a thread; file systems fail in ways that nobody has thought of, and the panel must say so."""
        try:
            found = find_out(subject)
        except LeftError:
            return
        except Exception as error:
            found = Found(subject, error=f"cannot look into it: {failure(error)}")
        if found is not None and not get_current_worker().is_cancelled:
            self.post_message(self._Ready(found))

    @on(_Ready)
    def _show_found(self, event: _Ready) -> None:
        event.stop()
        found = event.found
        if found.subject != self._subject:
            return  # something else is selected by now
        self.found = found
        words = self.query_one("#data-words", Static)
        if found.error:
            words.update(safe(f"✗ {found.error}", "$text-error"))
        elif found.preview is not None:
            words.update(_preview_words(found.preview))
        counts = found.counts or (found.preview.counts if found.preview else None)
        self._show_classes(counts)
        self.post_message(self.Known(found))

    def _show_classes(self, counts: ClassCounts | None) -> None:
        lines = self.query_one(ClassLines)
        lines.display = counts is not None
        if counts is not None:
            lines.show(counts)


def shape_words(shape: DataShape) -> str:
    """Return a data set's shape in words: "2 classes, 24 training and 12 test images, 8x8 RGB"."""
    return (
        f"{_plural(shape.classes, 'class', 'classes')}, {shape.train_images:,} training and "
        f"{_plural(shape.test_images, 'test image', 'test images')}, {shape.image}"
    )


def _preview_words(preview: FolderPreview) -> Content:
    lines = [safe(shape_words(preview.shape), "bold")]
    if preview.ignored:
        files = _plural(preview.ignored, "file is", "files are")
        lines.append(Content(f"{files} left out: not an image's name"))
    if preview.unreadable:
        of = f" of the {preview.inspected:,} looked at" if preview.inspected else ""
        told = f"{_plural(preview.unreadable, 'image', 'images')}{of} cannot be read; "
        lines.append(
            Content.styled(f"{told}the setting “{FIELDS['data.skip_broken'].label}” leaves out such", "$text-warning")
        )
    return Content("\n").join(lines)


def _plural(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _look_into(path: str) -> Found:
    from core.data.preview import preview_folder  # noqa: PLC0415 - numpy and Pillow

    try:
        return Found(path, preview=preview_folder(Path(path), on_progress=until_left()))
    except TrialbookError as error:
        return Found(path, error=str(error))


def _count_set(name: str) -> Found | None:
    from core.data.preview import set_counts  # noqa: PLC0415 - numpy

    counts = set_counts(name)
    if counts is None and name == "digits":  # they need no download, but are not in the cache before their first use
        from core.data.dataset import load_data  # noqa: PLC0415 - torch
        from core.settings import DataSettings  # noqa: PLC0415 - with it

        load_data(DataSettings())
        counts = set_counts(name)
    return Found(name, counts=counts) if counts is not None else None
