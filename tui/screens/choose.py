"""Choose among presets and saved trials: where to begin, or whose curves to draw too."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from core.errors import TrialbookError
from core.presets import all_presets
from core.settings import widths_text
from core.trials.store import DIRECTORY, list_trials, listed_trial
from core.trials.trial import Trial
from tui.actions import bindings
from tui.safe import safe
from tui.screens.page import Page
from tui.widgets.choice import ChoiceDetail
from tui.widgets.trial_list import Row, SortValue, TrialList
from tui.widgets.trial_rows import STARTED, TRIAL_COLUMNS, build_rows

if TYPE_CHECKING:
    from core.presets import Preset
    from core.trials.store import Listed
    from tui.app import TrialbookApp


class _Chooser(Page):
    """A list of trials under a line to filter by."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("begin")]
    DEFAULT_CSS = """
    _Chooser .title { height: 1; padding: 0 1; background: $panel; }
    _Chooser Input { dock: top; }
    """

    several = False
    with_presets = False

    def compose_page(self) -> ComposeResult:
        """Compose title, filter and list."""
        yield Static(self.heading(), classes="title")
        yield Input(placeholder="type to filter", compact=True)
        yield TrialList(TRIAL_COLUMNS, empty="nothing to choose", several=self.several, sort_by=STARTED)

    def heading(self) -> str:
        """Return what is to be chosen, and how where that has to be said."""
        return ""

    def on_mount(self) -> None:
        """Read the trials in a worker."""
        self.query_one(TrialList).focus()
        self.run_worker(self._read, thread=True, exit_on_error=False)

    def _read(self) -> None:
        try:
            built = build_rows(list_trials(cast("TrialbookApp", self.app).home))
            rows = [each.row for each in built.values()]
        except TrialbookError as error:
            self.app.call_from_thread(self.query_one(".title", Static).update, safe(error, "$text-error"))
            rows = []
        if self.with_presets:
            rows += [_preset_row(preset) for preset in all_presets().values()]
        if self.is_running:
            self.app.call_from_thread(self.take_rows, rows)

    def take_rows(self, rows: list[Row]) -> None:
        """Show the lines."""
        self.query_one(TrialList).set_rows(rows)

    def action_filter(self) -> None:
        """Type into the filter."""
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        self.query_one(TrialList).filter_by(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.filtered()

    def filtered(self) -> None:
        """Go on after the filter was entered."""
        self.action_to_list()

    def action_to_list(self) -> None:
        """Go from the filter to the list."""
        self.query_one(TrialList).focus()

    def action_back(self) -> None:
        """Leave the filter, or the screen."""
        if isinstance(self.focused, Input):
            self.query_one(Input).value = ""
            self.action_to_list()
        else:
            self.dismiss(None)

    @on(TrialList.Opened)
    def _opened(self) -> None:
        self.action_choose()

    def action_choose(self) -> None:
        """Answer with what is chosen: nothing, where a screen does not say what that is."""
        self.dismiss(None)


class BeginScreen(_Chooser):
    """Answers with the name of a preset, or with a trial's id."""

    DEFAULT_CSS = """
    BeginScreen ChoiceDetail { height: 9; }
    BeginScreen.-tall ChoiceDetail { height: 11; }
    """
    with_presets = True

    def heading(self) -> str:
        """Return what is to be chosen."""
        return "Begin from a preset or a saved trial"

    def compose_page(self) -> ComposeResult:
        """Compose the list, and what is known of the line under the cursor."""
        yield from super().compose_page()
        yield ChoiceDetail()

    @on(TrialList.Moved)
    def _moved(self, event: TrialList.Moved) -> None:
        """Tell more of the line under the cursor: of a preset at once, of a trial as soon as a worker has read it."""
        key = event.row.key if event.row is not None else ""
        preset = all_presets().get(key)
        if preset is not None or not key:
            self.query_one(ChoiceDetail).choice = preset
        else:
            trial = Trial(cast("TrialbookApp", self.app).home / DIRECTORY / key)
            self.run_worker(
                lambda: self.app.call_from_thread(self._take_trial, listed_trial(trial)),
                thread=True,
                exit_on_error=False,
                group="detail",
            )

    def _take_trial(self, listed: Listed) -> None:
        row = self.query_one(TrialList).row
        if row is not None and row.key == listed.trial.id:  # the cursor may have moved on
            self.query_one(ChoiceDetail).choice = listed

    def filtered(self) -> None:
        """Take the line that was found."""
        self.action_choose()

    def action_choose(self) -> None:
        """Answer with the line under the cursor."""
        row = self.query_one(TrialList).row
        if row is not None:
            self.dismiss(row.key)


class OverlayScreen(_Chooser):
    """Answers with the ids of several saved trials."""

    several = True

    def __init__(self, purpose: str, chosen: set[str]) -> None:
        """Ask for trials.

        Args:
            purpose: What is done with them.
            chosen: Those that are marked at first.
        """
        super().__init__()
        self._purpose = purpose
        self._chosen = chosen

    def heading(self) -> str:
        """Return what is done with the chosen trials, and the keys."""
        mark, take = (cast("TrialbookApp", self.app).key_of(name) for name in ("list.choose", "begin.choose"))
        return f"{self._purpose}: {mark} marks, {take} takes the marked ones"

    def take_rows(self, rows: list[Row]) -> None:
        """Show the lines, with the chosen ones marked."""
        super().take_rows(rows)
        trials = self.query_one(TrialList)
        trials.chosen = self._chosen & {row.key for row in rows}
        trials.refresh()

    def action_choose(self) -> None:
        """Answer with all chosen lines."""
        self.dismiss(sorted(self.query_one(TrialList).chosen))


def _preset_row(preset: Preset) -> Row:
    settings = preset.settings
    accuracy = None if preset.reported_accuracy is None else 100 * preset.reported_accuracy
    hidden = widths_text(settings)
    pairs: dict[str, tuple[str, SortValue]] = {
        "★": ("", None),
        "trial": (f"{preset.name}: {preset.about}", preset.name),
        "started": ("preset", f" {_place(preset.name):03}"),
        "best %": ("-" if accuracy is None else f"{accuracy:.2f}", preset.reported_accuracy),
        "epochs": (str(settings.training.epochs), None),
        "status": ("preset", "preset"),
        "hidden": (hidden, hidden),
        "data": (settings.data.source, ""),
    }
    shown = [pairs.get(column.title, ("-", None)) for column in TRIAL_COLUMNS]
    return Row(
        key=preset.name,
        cells=tuple(text for text, _ in shown),
        sort=tuple(value for _, value in shown),
        search=f"preset {preset.name} {preset.about} {hidden} {settings.data.source}".lower(),
    )


def _place(name: str) -> int:
    """Return a preset's place where trials are sorted by time: the reference history, and what was made after it."""
    number, after = name.removeprefix("trial-"), all_presets()[name].after
    if number.isdecimal():
        return 1 + int(number)
    return 1 + _place(after) if after is not None else 0
