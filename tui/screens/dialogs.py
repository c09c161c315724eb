"""The small boxes: leaving during a training, a text to copy, name and note, help."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Label, Static

from core.errors import TrialError
from core.files import replace_text
from core.text import printable
from tui.actions import ACTIONS, BY_ID, SCOPES, Action, bindings
from tui.safe import safe
from tui.screens.page import Dialog
from tui.widgets.in_order import KeysInOrder
from tui.widgets.keys import usable_bindings

if TYPE_CHECKING:
    from tui.app import TrialbookApp


class TextDialog(Dialog):
    """Shows a text that can be copied and, as not every terminal lets programs copy, written to a file."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text")]
    DEFAULT_CSS = """
    TextDialog .dialog { width: 100; max-height: 90%; }
    TextDialog VerticalScroll { height: auto; max-height: 100%; }
    TextDialog #told { color: $text-muted; height: auto; }
    """

    def __init__(self, title: str, text: str, *, shown: Content | None = None) -> None:
        """Show a text.

        Args:
            title: What it is.
            text: What is copied.
            shown: How it is shown; None: as it is.
        """
        super().__init__()
        self._title = title
        self._text = text
        self._shown = safe(text, limit=5_000) if shown is None else shown

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            with VerticalScroll():
                yield Static(self._shown)
            yield Label("", id="told")

    @property
    def _trialbook(self) -> TrialbookApp:
        return cast("TrialbookApp", self.app)

    def action_copy(self) -> None:
        """Copy the text through the terminal (OSC 52)."""
        self.app.copy_to_clipboard(self._text)
        key = self._trialbook.key_of("text.write")
        self._tell(f"copied, if your terminal lets programs copy; {key} writes it to a file")

    def action_write(self) -> None:
        """Write the text to a file beside the saved trials."""
        path = self._trialbook.home / "saved_models" / "last-text.txt"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, self._text + "\n")
        except (OSError, TrialError) as error:
            self._tell(str(error))
        else:
            self._tell(f"written to {path}")

    def _tell(self, text: str) -> None:
        self.query_one("#told", Label).update(safe(text))


_LONGEST = 10_000  # characters of a text that can be edited


class Line(KeysInOrder, Input):
    """An input that what is typed ahead reaches in order, and that shows foreign text without harm."""

    def __init__(self, text: str, id: str) -> None:  # noqa: A002 - Textual's name
        """Begin with a text, which may be foreign; `id` is the input's name in the style sheet."""
        self._given, self._shown = text, printable(text, _LONGEST)
        super().__init__(self._shown, id=id, compact=True)

    @property
    def text(self) -> str:
        """What is typed; as long as nothing is changed, what it began with, control characters and all."""
        return self._given if self.value == self._shown else self.value


class NameDialog(Dialog):
    """Asks for the name and the note of the next trial; answers both, or None."""

    DEFAULT_CSS = """
    NameDialog Label { color: $text-muted; width: 1fr; }
    NameDialog Input { background: $boost; }
    NameDialog Input:focus { background: $primary 30%; }
    """

    def __init__(self, name: str, note: str) -> None:
        """Ask, with the present name and note to begin with."""
        super().__init__()
        self._said_name = name
        self._said_note = note

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = "The next trial"
            yield Label("Name, to find it again")
            yield Line(self._said_name, id="trial-name")
            yield Label("Note: what is intended by it")
            yield Line(self._said_note, id="trial-note")
            yield Label("Enter keeps both", id="name-said")

    @on(Input.Submitted)
    def _done(self) -> None:
        from core.trials.upkeep import new_about  # noqa: PLC0415 - as all that only an answer needs

        name, note = (self.query_one(f"#trial-{field}", Line).text.strip() for field in ("name", "note"))
        try:
            new_about(name, note)
        except TrialError as error:  # what was typed stays, to be mended
            self.query_one("#name-said", Label).update(safe(f"✗ {error}", "$text-error"))
        else:
            self.dismiss((name, note))


class HelpDialog(Dialog):
    """The keys of where the user is, the focused widget's first; the one that leaves does so from here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("scroll"),
        *(replace(row, action="app.quit") for row in bindings("app") if row.id == "quit"),
    ]
    DEFAULT_CSS = """
    HelpDialog .dialog { width: 84; max-height: 95%; }
    HelpDialog VerticalScroll { height: auto; max-height: 100%; }
    """

    def __init__(self, screen: Screen[Any]) -> None:
        """Tell the keys of a screen as it is now."""
        super().__init__()
        self._lines = help_lines(screen)

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Keys"
            with VerticalScroll(can_focus=False):
                yield Static(self._lines)

    def action_scroll_lines(self, lines: int) -> None:
        """Scroll by lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def help_lines(screen: Screen[Any]) -> Content:
    """Return a heading for every scope with keys that work now, and a line per action, dimmed where it is off now."""
    app, keys = cast("TrialbookApp", screen.app), dict[str, list[str]]()
    for active in usable_bindings(screen).values():
        name = active.binding.id or ""
        if name in BY_ID:
            keys.setdefault(name, []).append(app.get_key_display(active.binding))
    lines: list[Content] = []
    found = {BY_ID[name].scope for name in keys}
    for scope in sorted((scope for scope in SCOPES if scope in found), key=lambda scope: _distance(scope, screen)):
        if lines:
            lines.append(Content(""))
        lines.append(Content.styled(SCOPES[scope], "bold $primary"))
        lines += [_help_line(row, keys.get(row.id), app) for row in ACTIONS if row.scope == scope]
    return Content("\n").join(lines)


def _distance(scope: str, screen: Screen[Any]) -> int:
    """Return how far a scope is from the focus: the focused widget's own keys come first, the app's last."""
    nodes = screen.focused.ancestors_with_self if screen.focused and scope != "app" else ()
    for distance, node in enumerate(nodes):
        if any(BY_ID[name].scope == scope for name in (row.id for _, row in node._bindings) if name in BY_ID):
            return distance
    return 2 * len(SCOPES) if scope == "app" else len(SCOPES)


def _help_line(row: Action, keys: list[str] | None, app: TrialbookApp) -> Content:
    """Return keys, title and name of an action; None: no key of it does anything now."""
    if keys is None:
        return Content.styled(f"{app.key_of(row.id):<12}{row.title}  {row.id}", "dim")
    return Content.assemble((f"{'  '.join(keys):<12}", "bold $text-accent"), row.title, (f"  {row.id}", "dim"))
