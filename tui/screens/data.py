"""The data sets: what they hold, whether they are there, their download, and folders of the user's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.data.catalog import KNOWN_SETS, DataShape, KnownSet
from core.text import printable
from tui.actions import bindings
from tui.screens.page import Page
from tui.widgets.cells import fit
from tui.widgets.data_detail import DataDetail, shape_words
from tui.widgets.data_download import DownloadBar
from tui.widgets.data_lines import PickList, some_bindings

if TYPE_CHECKING:
    from core.data.preview import DataState
    from tui.app import TrialbookApp

_LIST_ACTIONS = ("cursor_up", "cursor_down", "page_up", "page_down", "scroll_home", "scroll_end")
_KEY = "data"  # of what is remembered over restarts
_MOST_FOLDERS = 12
_OTHER = "a folder of your own images …"
_MEGA = 1e6


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the known sets: its heading, its cells, whether numbers stand in it, and how much it matters."""

    title: str
    width: int
    rank: int
    right: bool = False


_COLUMNS = (
    _Column("name", 13, 8),
    _Column("shows", 28, 1),
    _Column("images", 10, 5),
    _Column("train", 6, 6, right=True),
    _Column("test", 6, 3, right=True),
    _Column("classes", 7, 2, right=True),
    _Column("download", 8, 4, right=True),
    _Column("state", 14, 7),
)
_GAP = 2  # cells between columns


class SetList(PickList):
    """The list of data sets and folders."""

    BINDINGS: ClassVar[list[BindingType]] = some_bindings("data", _LIST_ACTIONS)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of the list: a known set, a folder by its path, or, with neither, the way to choose one."""

    known: KnownSet | None = None
    folder: str = ""

    @property
    def source(self) -> str:
        return self.known.name if self.known else self.folder


class DataScreen(Page):
    """All data sets; Enter trains on the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = [row for row in bindings("data") if row.action not in _LIST_ACTIONS]
    DEFAULT_CSS = """
    DataScreen #data-panels { layout: vertical; height: 1fr; }
    DataScreen SetList {
        border: round $foreground 40%; border-title-color: $foreground; padding: 0 1; height: auto; max-height: 60%;
    }
    DataScreen SetList:focus { border: round $accent; border-title-color: $accent; border-title-style: bold; }
    DataScreen DataDetail { height: 1fr; min-height: 6; }
    DataScreen #data-note { display: none; height: auto; max-height: 3; padding: 0 2; }
    DataScreen.-low ClassLines { margin-top: 0; }
    DataScreen.-normal #data-panels, DataScreen.-wide #data-panels { layout: horizontal; }
    DataScreen.-normal SetList, DataScreen.-wide SetList { width: 5fr; height: 1fr; max-height: 100%; }
    DataScreen.-normal DataDetail, DataScreen.-wide DataDetail { width: 3fr; height: 1fr; }
    """

    @dataclass
    class _Looked(Message):
        """A worker knows the states of the known sets, by name."""

        states: dict[str, DataState]

    def __init__(self) -> None:
        """Make the screen."""
        super().__init__()
        self._states: dict[str, DataState] = {}
        self._entries: list[_Entry] = []

    def compose_page(self) -> ComposeResult:
        """Compose the list, the details of what is selected, and the line about the download."""
        with Container(id="data-panels"):
            yield SetList()
            yield DataDetail()
        yield Static(id="data-note")
        yield DownloadBar()

    @property
    def sets(self) -> SetList:
        """The list."""
        return self.query_one(SetList)

    @property
    def trialbook(self) -> TrialbookApp:
        """The app, by its own type."""
        return cast("TrialbookApp", self.app)

    def on_mount(self) -> None:
        """Show what is known at once, with the cursor on the draft's data, and look for the rest."""
        source = self.trialbook.edits.draft.settings.data.source
        self.sets.border_title = "Data sets"
        self._fill(source)
        self.sets.focus()
        self._look()

    def _fill(self, source: str) -> None:
        """Fill the list, with the cursor on a data set's name or a folder."""
        folders = self._folders()
        if source not in KNOWN_SETS and source not in folders:
            folders = [source, *folders]
        known = [_Entry(known=each) for each in KNOWN_SETS.values()]
        self._entries = [*known, *(_Entry(folder=each) for each in folders), _Entry()]
        cursor = next(at for at, entry in enumerate(self._entries) if entry.source == source)
        self.sets.fill(len(self._entries), self._draw, self._heading, cursor)

    def _folders(self) -> list[str]:
        """Return the folders used last; what is remembered comes from a file that anybody may have written."""
        values = self.trialbook.remember.get(_KEY)
        folders = values.get("folders") if isinstance(values, dict) else None
        found = [each for each in folders if isinstance(each, str)] if isinstance(folders, list) else []
        return [each for each in dict.fromkeys(found) if os.path.isabs(each)][:_MOST_FOLDERS]

    # the list

    @staticmethod
    def _heading(width: int) -> str:
        return "  " + _line(width - 2, *(column.title for column in _COLUMNS))

    def _draw(self, at: int, width: int) -> str:
        mark = "▸ " if at == self.sets.cursor else "  "
        entry, room = self._entries[at], width - len(mark)
        known = entry.known
        if known is None:
            return mark + (self._folder_line(entry.folder, room) if entry.folder else fit(_OTHER, room))
        return mark + _line(
            room,
            known.name,
            known.title,
            str(known.shape),
            f"{known.train_images:,}",
            f"{known.test_images:,}",
            f"{known.classes:,}",
            f"{known.download_bytes / _MEGA:,.1f} MB" if known.download_bytes else "-",
            self._state_of(known),
        )

    @staticmethod
    def _folder_line(folder: str, width: int) -> str:
        """Return a folder's path; of a long one its end is what tells it from others."""
        shown = printable(folder, 4 * width)
        return fit(shown if len(shown) <= width else f"…{shown[1 - width :]}", width)

    def _state_of(self, known: KnownSet) -> str:
        latest = self.trialbook.downloads.latest
        if latest is not None and latest.is_running and latest.name == known.name:
            return "downloading"
        state = self._states.get(known.name)
        return state.name if state else "…"

    def _look(self) -> None:
        self.run_worker(self._find_states, group="data-states", thread=True, exit_on_error=False)

    def _find_states(self) -> None:
        from core.data.preview import data_state  # noqa: PLC0415 - numpy

        self.post_message(self._Looked({name: data_state(name) for name in KNOWN_SETS}))

    @on(_Looked)
    def _show_states(self, message: _Looked) -> None:
        self._states = message.states
        self.sets.refresh()
        self._show_selected()

    @on(DownloadBar.Changed)
    def _download_changed(self) -> None:
        self.refresh_bindings()
        self.sets.refresh()
        self._look()

    # the details

    @property
    def _selected(self) -> _Entry:
        return self._entries[self.sets.cursor]

    def _note(self, words: Content) -> None:
        """Say something about the selected line, until another one is selected."""
        line = self.query_one("#data-note", Static)
        line.display = bool(words)
        line.update(words)

    @on(PickList.Moved)
    def _show_selected(self) -> None:
        self._note(Content())
        entry = self._selected
        detail = self.query_one(DataDetail)
        if entry.known is not None:
            detail.show_set(entry.known.name, self._words_about(entry.known))
        elif entry.folder:
            detail.show_folder(entry.folder)
        else:
            key = self.trialbook.key_of("data.choose")
            layout = "with its images in train/CLASS/ and test/CLASS/, grey or color, of any size"
            detail.show_words("your own images", Content(f"{key} chooses a folder {layout}."))

    def _words_about(self, known: KnownSet) -> Content:
        shape = DataShape(known.shape, known.classes, known.train_images, known.test_images)
        state = self._states.get(known.name)
        words = Content.styled(shape_words(shape), "bold")
        if state is None:
            return Content("\n").join([words, Content(known.title)])
        size = f"{state.disk_bytes / _MEGA:,.1f} MB on disk"
        download = f"{self.trialbook.key_of('data.download')} downloads {known.download_bytes / _MEGA:,.1f} MB"
        said = {
            "built in": "ready at once",
            "ready": f"ready, {size}",
            "downloaded": f"downloaded, {size}; the images are read when they are first used",
            "not downloaded": f"not downloaded; {download}",
        }
        return Content("\n").join([words, Content(known.title), Content(said[state.name])])

    # what the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer to cancel only what runs."""
        return action != "cancel" or self.trialbook.downloads.is_running

    @on(PickList.Picked)
    def action_choose(self) -> None:
        """Train on the selected data set, or choose a folder."""
        entry = self._selected
        if not entry.source:
            self.action_folder()
            return
        found = self.query_one(DataDetail).found
        if found is not None and found.subject == entry.folder and found.error:
            self._note(Content.styled("✗ This folder cannot be trained on as it is.", "$text-error"))
            return
        self._use(entry.source)

    def _use(self, source: str) -> None:
        app = self.trialbook
        app.choose_source(source)
        if source not in KNOWN_SETS:
            folders = [source, *(each for each in self._folders() if each != source)]
            app.remember[_KEY] = {"folders": folders[:_MOST_FOLDERS]}
            app.state_changed()
        elif self._state_of(KNOWN_SETS[source]) == "downloading":
            app.tell(f"{source} is still being downloaded: start the training once it is ready", "warning")
        elif self._state_of(KNOWN_SETS[source]) == "not downloaded":
            megabytes = KNOWN_SETS[source].download_bytes / _MEGA
            app.tell(f"{source} is not downloaded: the training will first download {megabytes:,.1f} MB", "warning")
        self.dismiss(source)

    def action_download(self) -> None:
        """Download the selected data set."""
        app, known = self.trialbook, self._selected.known
        state = self._states.get(known.name) if known else None
        if known is None or not known.download_bytes:
            self._note(Content("There is nothing to download: it is on this machine already."))
        elif state is not None and state.name == "ready":
            self._note(Content(f"{known.name} is downloaded already."))
        elif not app.downloads.start(app, known.name):
            self._note(Content("A download runs already; one runs at a time."))
        self.query_one(DownloadBar).look()

    def action_cancel(self) -> None:
        """Cancel the download."""
        self.trialbook.downloads.cancel()
        self.query_one(DownloadBar).look()

    def action_folder(self) -> None:
        """Choose a folder of images."""
        from tui.screens.folder import FolderScreen  # noqa: PLC0415 - not needed before

        folder = self._selected.folder or next(iter(self._folders()), "")
        start = os.path.dirname(folder) if folder else os.path.expanduser("~")
        self.app.push_screen(FolderScreen(start), self._take_folder)

    def _take_folder(self, folder: str | None) -> None:
        if folder is not None:
            self._use(folder)


def _line(width: int, *texts: str) -> str:
    """Return the texts of a line in their columns, without those columns for which there is no room."""
    kept = list(range(len(_COLUMNS)))
    while kept and sum(_COLUMNS[at].width + _GAP for at in kept) - _GAP > width:
        kept.remove(min(kept, key=lambda at: _COLUMNS[at].rank))
    columns = [(_COLUMNS[at], texts[at]) for at in kept]
    return (" " * _GAP).join(fit(text, column.width, right=column.right) for column, text in columns)
