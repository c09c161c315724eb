"""The dialog for a bare file of weights, which does not tell its images nor how they were normalized."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Button, Input, Label, Select, Static

from core.data.catalog import absolute_source
from core.errors import SettingsError
from core.settings import DataSettings, Settings, change_settings
from core.settings.schema import Normalization
from tui.safe import safe
from tui.screens.page import Dialog


@dataclass(frozen=True, slots=True)
class BareFile:
    """A file of weights to evaluate.

    Attributes:
        path: The file.
        source: The data to test it on; None: what its trial was trained on, if it lies in a trial's directory.
        data: How its inputs were normalized, and how a folder's images are resized.
    """

    path: Path
    source: str | None
    data: DataSettings


class BareFileDialog(Dialog):
    """Asks for a file of weights, for the data to test it on and for the normalization of its inputs."""

    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    BareFileDialog .row { height: 1; margin: 0 0 1 0; }
    BareFileDialog Label { width: 15; }
    BareFileDialog .row Input { background: $panel; }
    BareFileDialog .row Input, BareFileDialog .row Select { width: 1fr; }
    BareFileDialog .given { display: none; }
    BareFileDialog.-given .given { display: block; }
    BareFileDialog #bare-problem { height: auto; color: $error; }
    BareFileDialog #bare-buttons { height: 1; margin: 0 0 0 15; }
    BareFileDialog Button { margin: 0 2 0 0; }
    """

    def __init__(self, data: DataSettings) -> None:
        """Make the dialog; it begins with these settings of data."""
        super().__init__()
        self._data = data

    def compose_page(self) -> ComposeResult:
        """Compose the form."""
        mean, std = (",".join(f"{value:g}" for value in part) for part in (self._data.mean, self._data.std))
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = "Evaluate a file of weights"
            yield from _row("file", Input(id="bare-path", placeholder="a state_dict: model.pt", compact=True))
            yield from _row("test images", Input(self._data.source, id="bare-source", compact=True))
            yield from _row("image size", Input(self._data.image_size, id="bare-size", compact=True))
            yield from _row(
                "normalization",
                Select(
                    [(name, name) for name in get_args(Normalization)],
                    value=self._data.normalization,
                    allow_blank=False,
                    compact=True,
                    id="bare-normalization",
                ),
            )
            hint = "one number per channel, such as 0.5,0.5,0.5"
            yield from _row("mean", Input(mean, id="bare-mean", placeholder=hint, compact=True), "given")
            yield from _row("deviation", Input(std, id="bare-std", placeholder=hint, compact=True), "given")
            yield Static(id="bare-problem")
            with Horizontal(id="bare-buttons"):
                yield Button("Evaluate", variant="primary", compact=True, id="bare-evaluate")
                yield Button("Cancel", compact=True, id="bare-cancel")

    @on(Select.Changed, "#bare-normalization")
    def _normalization_changed(self, event: Select.Changed) -> None:
        """Ask for numbers only where they are to be given."""
        self.set_class(event.value == "given", "-given")

    @on(Button.Pressed, "#bare-cancel")
    def _cancel(self) -> None:
        self.dismiss(None)

    @on(Input.Submitted)
    @on(Button.Pressed, "#bare-evaluate")
    def _evaluate(self) -> None:
        """Answer with the form's values, or say what is wrong with them."""
        path, source, size, mean, std = (
            self.query_one(f"#bare-{name}", Input).value.strip() for name in ("path", "source", "size", "mean", "std")
        )
        normalization = self.query_one("#bare-normalization", Select).value
        try:
            if not path:
                raise SettingsError(["file: must be the path of a file of weights"])
            asked = absolute_source(source) if source else None
            changes: list[tuple[str, object]] = [
                ("data.source", asked or self._data.source),
                ("data.image_size", size or "auto"),
                ("data.skip_broken", self._data.skip_broken),
                ("data.normalization", normalization),
            ]
            if normalization == "given":
                changes += [("data.mean", mean), ("data.std", std)]
            data = change_settings(Settings(), changes).data
            self.dismiss(BareFile(Path(path).expanduser(), asked, data))
        except (SettingsError, RuntimeError) as error:  # the latter from expanduser, where there is no such user
            problem = error.problems[0] if isinstance(error, SettingsError) else f"file: {error}"
            self.query_one("#bare-problem", Static).update(safe(problem))


def _row(label: str, field: Input | Select[str], classes: str = "") -> ComposeResult:
    """Compose one line of the form."""
    with Horizontal(classes=f"row {classes}"):
        yield Label(label)
        yield field
