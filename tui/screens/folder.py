"""Choose a folder of images by walking through the folders, with a look into each one on the way."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from core.text import printable
from tui.actions import bindings
from tui.safe import safe
from tui.screens.page import Page
from tui.widgets.cells import fit
from tui.widgets.data_detail import DataDetail
from tui.widgets.data_lines import PickList, some_bindings
from tui.widgets.data_path import PathInput

_LIST_ACTIONS = (
    "cursor_up", "cursor_down", "page_up", "page_down", "scroll_home", "scroll_end", "open", "parent"
)  # fmt: skip
_MARK = "train + test"
_HERE = "."


class FolderList(PickList):
    """The folders in a folder, after that folder itself."""

    BINDINGS: ClassVar[list[BindingType]] = some_bindings("folder", _LIST_ACTIONS)

    class Opened(Message):
        """The selected folder is to be opened."""

    class Left(Message):
        """The folder above is to be opened."""

    def action_open(self) -> None:
        """Open the selected folder."""
        self.post_message(self.Opened())

    def action_parent(self) -> None:
        """Go to the folder above."""
        self.post_message(self.Left())


@dataclass(frozen=True, slots=True)
class _Entry:
    """A folder in the list.

    Attributes:
        name: Its name; "." is the folder that is open.
        has_images: Whether it has folders `train` and `test`.
    """

    name: str
    has_images: bool


class FolderScreen(Page):
    """Choose a folder; the answer is its absolute path, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        row for row in bindings("folder") if row.action not in (*_LIST_ACTIONS, "complete")
    ]
    DEFAULT_CSS = """
    FolderScreen #folder-title { height: 1; padding: 0 2; background: $panel; color: $foreground; }
    FolderScreen PathInput { display: none; margin: 0 1; }
    FolderScreen PathInput.-open { display: block; }
    FolderScreen #folder-error { display: none; height: auto; max-height: 3; padding: 0 2; }
    FolderScreen #folder-panels { layout: vertical; height: 1fr; }
    FolderScreen FolderList {
        border: round $foreground 40%; border-title-color: $foreground; padding: 0 1; height: 1fr;
    }
    FolderScreen FolderList:focus { border: round $accent; border-title-color: $accent; border-title-style: bold; }
    FolderScreen DataDetail { height: 1fr; }
    FolderScreen.-low ClassLines { margin-top: 0; }
    FolderScreen.-normal #folder-panels, FolderScreen.-wide #folder-panels { layout: horizontal; }
    FolderScreen.-normal DataDetail, FolderScreen.-wide DataDetail { width: 1fr; height: 1fr; }
    FolderScreen.-normal FolderList, FolderScreen.-wide FolderList { width: 1fr; height: 1fr; }
    """

    @dataclass
    class _Listed(Message):
        """A worker has listed a folder, or knows why it cannot be listed."""

        path: str
        entries: tuple[_Entry, ...]
        select: str
        error: str

    def __init__(self, start: str) -> None:
        """Make the screen.

        Args:
            start: The folder that is open first; the nearest one above it that can be listed, if it is gone.
        """
        super().__init__()
        self._wanted = os.path.abspath(start)
        self._path = ""  # nothing is open yet
        self._entries: tuple[_Entry, ...] = ()

    def compose_page(self) -> ComposeResult:
        """Compose the path, the line for typing one, the list, and a look into the selected folder."""
        yield Static("reading …", id="folder-title")
        yield PathInput()
        yield Static(id="folder-error")
        with Container(id="folder-panels"):
            yield FolderList()
            yield DataDetail()

    @property
    def folders(self) -> FolderList:
        """The list."""
        return self.query_one(FolderList)

    def on_mount(self) -> None:
        """Open the first folder."""
        self.folders.border_title = "Folders"
        self.folders.focus()
        self._open(self._wanted)

    # the list

    def _open(self, path: str, select: str = _HERE) -> None:
        """List a folder in a worker, and open it then, with the cursor on one of its folders."""
        self._wanted = path
        work = partial(self._list, path, select)
        self.run_worker(work, group="folder-list", exclusive=True, thread=True, exit_on_error=False)

    def _list(self, path: str, select: str) -> None:
        try:
            listed = self._Listed(path, _list_folders(path), select, "")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            listed = self._Listed(path, (), select, f"cannot open {path}: {reason}")
        if not get_current_worker().is_cancelled:
            self.post_message(listed)

    @on(_Listed)
    def _show_listed(self, message: _Listed) -> None:
        # by now another folder may be wanted
        if message.path != self._wanted:
            return
        if message.error and not self._path and os.path.dirname(message.path) != message.path:
            self._open(os.path.dirname(message.path))  # where the screen begins may be gone since
            return
        self._show_error(message.error)
        if message.error:
            self._wanted = self._path
            return
        self._path, self._entries = message.path, message.entries
        self.query_one("#folder-title", Static).update(safe(message.path, "bold"))
        names = [entry.name for entry in self._entries]
        cursor = names.index(message.select) if message.select in names else 0
        self.folders.fill(len(names), self._draw, None, cursor)
        self._close_input()

    def _draw(self, at: int, width: int) -> str:
        entry = self._entries[at]
        mark = "▸ " if at == self.folders.cursor else "  "
        name = "this folder" if entry.name == _HERE else f"{printable(entry.name)}/"
        room = width - len(mark) - len(_MARK) - 2
        return f"{mark}{fit(name, room)}  {_MARK if entry.has_images else ''}"

    @property
    def _selected(self) -> str:
        """The path of the selected folder; "" as long as nothing is listed."""
        if not self._entries:
            return ""
        name = self._entries[self.folders.cursor].name
        return self._path if name == _HERE else os.path.join(self._path, name)

    @on(PickList.Moved)
    def _show_selected(self) -> None:
        path = self._selected
        if not path:
            return
        detail = self.query_one(DataDetail)
        if self._entries[self.folders.cursor].has_images:
            detail.show_folder(path)
            return
        wanted = "No folders train and test here: images are expected in train/CLASS/ and test/CLASS/."
        detail.show_words(path, Content(wanted))

    # what the keys do

    @on(PickList.Picked)
    @on(FolderList.Opened)
    def _open_selected(self) -> None:
        path = self._selected
        if path == self._path:
            self.action_choose()
        elif path:
            self._open(path)

    @on(FolderList.Left)
    def _open_parent(self) -> None:
        parent, name = os.path.split(self._path)
        if name:
            self._open(parent, select=name)

    def action_choose(self) -> None:
        """Answer with the selected folder, if it holds images."""
        path, found = self._selected, self.query_one(DataDetail).found
        if not path:
            return
        if not self._entries[self.folders.cursor].has_images:
            self._show_error(f"{path} cannot be trained on: it has no folders train and test")
        elif found is not None and found.subject == path and found.error:
            self._show_error(found.error)
        elif not _is_unicode(path):
            self._show_error(f"{path}: its name is not in UTF-8, which settings are written in; rename it first")
        else:
            self.dismiss(path)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer neither to type a path nor to choose while one is typed."""
        return action not in ("path", "choose") or not self.query("PathInput.-open")

    def action_path(self) -> None:
        """Type a path."""
        line = self.query_one(PathInput)
        line.add_class("-open")
        shown = printable(self._path, len(self._path))
        line.value = f"{self._path.rstrip('/')}/" if shown == self._path else ""
        line.focus()
        line.cursor_position = len(line.value)

    @on(Input.Submitted)
    def _take_path(self, event: Input.Submitted) -> None:
        # who types a whole path behind the one that stands there means the whole path
        _, begun, whole = event.value.strip().rpartition("//")
        text = f"/{whole}" if begun else whole
        if text:
            self._open(os.path.abspath(os.path.join(self._path, os.path.expanduser(text))))

    def action_back(self) -> None:
        """Close the line for typing a path, or else the screen."""
        if self.query_one(PathInput).has_class("-open"):
            self._close_input()
        else:
            self.dismiss(None)

    def _close_input(self) -> None:
        line = self.query_one(PathInput)
        if line.has_class("-open"):
            line.remove_class("-open")
            self.folders.focus()
            self._show_error("")

    def _show_error(self, error: str) -> None:
        line = self.query_one("#folder-error", Static)
        line.display = bool(error)
        line.update(safe(error, "$text-error"))


def _list_folders(path: str) -> tuple[_Entry, ...]:
    """Return a folder itself and the folders in it by name, hidden ones left out; reads the disk.

    Raises:
        OSError: It cannot be listed.
    """
    with os.scandir(path) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and _is_folder(entry)]
    names.sort(key=lambda name: (name.casefold(), name))
    return tuple(_Entry(name, _has_images(os.path.join(path, name))) for name in (_HERE, *names))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere, or in a circle
        return False


def _is_unicode(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_images(path: str) -> bool:
    return all(os.path.isdir(os.path.join(path, part)) for part in ("train", "test"))
