"""The dialogs about a training's end and beginning: how to leave, how to go on, where to branch off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from core.errors import SettingsError
from core.settings import FIELDS, Settings, change_settings
from tui.screens.dialogs import Line
from tui.screens.page import Dialog

_HANGUP = "hangup"


class LeaveDialog(Dialog):
    """Asks how to leave while a training runs; answers "finish", "stop", "leave" or None to stay."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, has_begun: bool, on_hangup: bool, choose: Callable[[bool], None]) -> None:
        """Ask.

        Args:
            has_begun: Whether there is a trial already, which alone can go on elsewhere.
            on_hangup: Whether the training goes on where the terminal's line drops.
            choose: Called with what it shall do then from now on.
        """
        super().__init__()
        self._has_begun = has_begun
        self._on_hangup = on_hangup
        self._choose = choose

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        choices = [
            ("finish", "Finish this epoch, then leave"),
            ("stop", "Stop now: the epochs before this one are kept"),
            *([("leave", "Leave it running without a screen: the next console shows it")] if self._has_begun else []),
            ("stay", "Stay"),
            (_HANGUP, self._hangup_words()),
        ]
        with Vertical(classes="dialog") as box:
            box.border_title = "A training is running"
            yield OptionList(*(Option(text, id=name) for name, text in choices), compact=True)

    def _hangup_words(self) -> str:
        return f"If the line drops: {'it goes on running' if self._on_hangup else 'it stops'} (Enter changes that)"

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if event.option_id == _HANGUP:
            self._on_hangup = not self._on_hangup
            self._choose(self._on_hangup)
            self.query_one(OptionList).replace_option_prompt(_HANGUP, self._hangup_words())
        else:
            self.dismiss(None if event.option_id == "stay" else event.option_id)


class EpochsDialog(Dialog):
    """Asks how many epochs a finished trial shall have in all; answers the number, or None."""

    DEFAULT_CSS = """
    EpochsDialog Label { color: $text-muted; }
    EpochsDialog Input { background: $boost; }
    """

    def __init__(self, done: int) -> None:
        """Ask, with half as many again to begin with."""
        super().__init__()
        self._done = done

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = "More epochs"
            yield Label(f"The trial has {self._done:,} epochs. How many shall it have in all?")
            yield Line(str(self._done + max(1, self._done // 2)), id="epochs")
            yield Label("Enter goes on with it", id="told")

    @on(Input.Submitted)
    def _done_typing(self) -> None:
        path = "training.epochs"
        try:
            epochs = change_settings(Settings(), {path: self.query_one("#epochs", Line).text}).training.epochs
        except SettingsError:
            epochs = 0
        if epochs > self._done:
            self.dismiss(epochs)
        else:
            told = f"✗ a whole number over {self._done:,} and at most {FIELDS[path].maximum:,}"
            self.query_one("#told", Label).update(told)


class BranchDialog(Dialog):
    """Asks at which epoch of the parent the new trial branches off; answers "last", "best" or None."""

    DEFAULT_CSS = "BranchDialog Label { width: 1fr; color: $text-muted; }"

    def __init__(self, epochs: Mapping[str, int]) -> None:
        """Ask, telling the numbers of the epochs that a training can go on after: the last, the best, or both."""
        super().__init__()
        self._epochs = epochs

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Branch off the parent"
            yield Label("Its weights and curves up to an epoch, the forms' settings from then on")
            yield OptionList(
                *(Option(f"after its {name} epoch, {epoch:,}", id=name) for name, epoch in self._epochs.items()),
                compact=True,
            )

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(cast(str, event.option_id))
