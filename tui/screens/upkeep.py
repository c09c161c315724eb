"""The boxes by which trials are named, noted, deleted, exported and imported, and the trash."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from core.errors import TrialError
from core.files import working_directory
from core.text import printable
from tui.actions import bindings
from tui.safe import safe
from tui.screens.dialogs import Line
from tui.screens.page import Dialog, Page
from tui.upkeep import Done, carry_out, empty, restore
from tui.widgets.trial_list import Row, TrialList
from tui.widgets.trial_rows import STARTED, TRIAL_COLUMNS, build_rows
from tui.words import failure

if TYPE_CHECKING:
    from core.trials.trial import About
    from tui.app import TrialbookApp

_EMPTY = "The trash is empty: Esc goes back"


class AboutDialog(Dialog):
    """Asks for name, note and tags of a saved trial; answers what was changed as `edit_about` takes it, or None."""

    DEFAULT_CSS = """
    AboutDialog Label { color: $text-muted; width: 1fr; }
    AboutDialog Input { background: $boost; }
    AboutDialog Input:focus { background: $primary 30%; }
    """

    def __init__(self, trial_id: str, said: About, field: str) -> None:
        """Ask, with what is said now to begin with.

        Args:
            trial_id: The trial.
            said: What is said now.
            field: Where the cursor is at first: "name", "note" or "tags".
        """
        super().__init__()
        self._trial_id = trial_id
        self._said = said
        self._field = field

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = printable(self._trial_id)
            yield Label("Name, to find it again")
            yield Line(self._said.name, id="about-name")
            yield Label("Note: what was intended or learnt")
            yield Line(self._said.note, id="about-note")
            yield Label("Tags, with blanks or commas between them")
            yield Line(" ".join(self._said.tags), id="about-tags")
            yield Label("Enter keeps them, Tab goes to the next, Esc changes nothing", id="about-said")

    def on_mount(self) -> None:
        """Begin with the field that was asked for."""
        self.query_one(f"#about-{self._field}", Input).focus()

    @on(Input.Submitted)
    def _done(self) -> None:
        name, note, tags = (self.query_one(f"#about-{field}", Line).text for field in ("name", "note", "tags"))
        changed: dict[str, Any] = {}
        if name != self._said.name:
            changed["name"] = name
        if note != self._said.note:
            changed["note"] = note
        if tags != " ".join(self._said.tags):
            changed |= _changed_tags(self._said.tags, tags)
        try:
            _check(self._said, changed)
        except TrialError as error:  # what was typed stays, to be mended
            self.query_one("#about-said", Label).update(safe(f"✗ {error}", "$text-error"))
        else:
            self.dismiss(changed)


def _check(said: About, changed: dict[str, Any]) -> None:
    """Raise a TrialError, as `edit_about` will, if a trial cannot be called so."""
    from core.trials.upkeep import checked_about, new_about  # noqa: PLC0415 - as all that only an answer needs

    added, removed = changed.get("add_tags", ()), changed.get("remove_tags", ())
    new_about(changed.get("name", ""), tags=added)
    tags = tuple(tag for tag in (*said.tags, *added) if tag not in removed)
    checked_about(replace(said, name=changed.get("name", said.name), note=changed.get("note", said.note), tags=tags))


def _changed_tags(before: tuple[str, ...], text: str) -> dict[str, Any]:
    """Return which tags a text adds to those before, and which it takes away."""
    from core.trials.upkeep import tags_in  # noqa: PLC0415 - as all that only an answer needs

    now = tags_in(text)
    # by the words that the line shows: an older tag may have several, or some that no terminal shows
    words = {tag: tags_in(printable(tag)) for tag in before}
    removed = [tag for tag, own in words.items() if not set(own) <= set(now)]
    kept = {word for tag, own in words.items() if tag not in removed for word in own}
    return {"add_tags": [word for word in now if word not in kept], "remove_tags": removed}


class AskDialog(Dialog):
    """Asks whether something is meant; answers True, or False or None to leave it."""

    def __init__(self, title: str, question: str, yes: str, no: str) -> None:
        """Ask; all but the question are the program's own words."""
        super().__init__()
        self._title, self._question, self._yes, self._no = title, question, yes, no

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(safe(self._question))
            yield OptionList(Option(self._yes, id="yes"), Option(self._no, id="no"), compact=True)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id == "yes")


def place_for_files() -> Path:
    """Return where files are put of which only the name is said: the current directory, or home where it is gone."""
    return working_directory() or Path.home()


class FileDialog(Dialog):
    """Asks for a file's path; answers it, or None."""

    DEFAULT_CSS = """
    FileDialog Label { color: $text-muted; width: 1fr; }
    FileDialog Input { background: $boost; }
    """

    def __init__(self, title: str, label: str, path: str, *, is_read: bool = False) -> None:
        """Ask, with a path to begin with; the title may be foreign. What is read must be a file that can be."""
        super().__init__()
        self._title, self._label, self._path, self._is_read = title, label, path, is_read

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = safe(self._title, limit=60)
            yield Label(self._label)
            yield Line(self._path, id="file-path")
            yield Label("", id="file-problem")

    @on(Input.Submitted)
    def _done(self) -> None:
        text = self.query_one("#file-path", Line).text.strip()
        if not text:
            return
        try:
            path = place_for_files() / Path(text).expanduser()
            if self._is_read:
                _check_readable(path)
        except (RuntimeError, TrialError) as error:  # as there is no such user; what was typed stays, to be mended
            self.query_one("#file-problem", Label).update(safe(f"✗ {error}", "$text-error"))
        else:
            self.dismiss(path)


def _check_readable(path: Path) -> None:
    """Raise a TrialError that says why a file cannot be read, if it cannot."""
    try:
        if not path.is_file():
            raise TrialError(f"cannot read {path}: it is {'no plain file' if path.exists() else 'not there'}")
    except (OSError, ValueError) as error:  # from names that no file can have
        raise TrialError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not os.access(path, os.R_OK):
        raise TrialError(f"cannot read {path}: its permissions forbid it")


class TrashScreen(Page):
    """The deleted trials: back into the history, or gone for good."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("trash")]
    DEFAULT_CSS = """
    TrashScreen #trash-title { height: 1; padding: 0 1; background: $panel; }
    """

    def compose_page(self) -> ComposeResult:
        """Compose title and list."""
        yield Static(Content.styled("Trash", "bold $accent"), id="trash-title")
        yield TrialList(TRIAL_COLUMNS, empty=_EMPTY, sort_by=STARTED)

    def on_mount(self) -> None:
        """Read the trash in a worker."""
        self.query_one(TrialList).focus()
        self._read()

    def _read(self) -> None:
        home = cast("TrialbookApp", self.app).home
        self.run_worker(lambda: _trash_rows(home), name="read", thread=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what was read, or why it could not be."""
        if event.state is WorkerState.ERROR:
            self._show([], failure(event.worker.error))
        elif isinstance(event.worker.result, list):
            self._show(event.worker.result)

    def _do(self, work: Callable[[], Done]) -> None:
        """Change the trash in a worker that tells what came of it, also once this screen is closed."""
        app = cast("TrialbookApp", self.app)

        def told(text: str, **how: Any) -> None:
            app.notify(printable(text), markup=False, **how)
            app.lookout.look()
            if self.is_attached:
                self._read()

        carry_out(app, work, lambda done: told(done.text), lambda text: told(text, severity="error"))

    def _show(self, rows: list[Row], problem: str = "") -> None:
        """Show the trash, or why it cannot be read."""
        trials = self.query_one(TrialList)
        trials.empty = problem or _EMPTY
        trials.set_rows(rows)
        title = [Content.styled("Trash", "bold $accent")]
        if not problem:
            title.append(Content(f"{len(rows):,} trials" if len(rows) != 1 else "1 trial"))
        self.query_one("#trash-title", Static).update(Content("   ").join(title))

    @on(TrialList.Opened)
    def action_restore(self) -> None:
        """Move the selected trial back into the history; the next key is about the next one."""
        trials, home = self.query_one(TrialList), cast("TrialbookApp", self.app).home
        row = trials.row
        if row is not None:
            trials.set_rows([each for each in trials.rows if each is not row])
            self._do(lambda: restore(home, [row.key]))

    def action_empty(self) -> None:
        """Remove all that is in the trash for good, once that was asked."""
        count, home = len(self.query_one(TrialList).rows), cast("TrialbookApp", self.app).home

        def answered(sure: bool | None) -> None:
            if sure:
                self._do(lambda: empty(home))

        if count:
            trials, them = (f"{count:,} trials", "them") if count != 1 else ("the trial", "it")
            question = f"Remove {trials} in the trash for good, weights and all? Nothing brings {them} back."
            self.app.push_screen(AskDialog("Empty the trash", question, "Remove for good", "Keep"), answered)


def _trash_rows(home: Path) -> list[Row]:
    from core.trials.store import listed_trial  # noqa: PLC0415 - as all that only a worker needs
    from core.trials.upkeep import trashed  # noqa: PLC0415

    return [built.row for built in build_rows(listed_trial(trial) for trial in trashed(home)).values()]
