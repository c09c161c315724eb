"""The menu of saved models: all trials, sorted, filtered as one types, one key away from their evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from core.errors import TrialbookError
from tui.actions import bindings
from tui.safe import safe
from tui.screens.bare_file import BareFile, BareFileDialog
from tui.screens.evaluation import EvaluationScreen
from tui.screens.page import Page
from tui.widgets.trial_list import Row, TrialList
from tui.widgets.trial_rows import STARTED, TRIAL_COLUMNS, figures_of, number, trial_row

if TYPE_CHECKING:
    from core.trials.store import Listed
    from tui.app import TrialbookApp

_KEY = "models"  # of what is remembered over restarts
_NO_TRIALS = "No trial is saved yet: Esc goes back, and s there trains the first. A file of weights opens with p."
_ENDS = {"failed": "failed", "stopped": "was stopped", "interrupted": "was interrupted"}
_NO_MATCH = "No trial matches the filter: Esc in it shows all again"


@dataclass(frozen=True, slots=True)
class _Read:
    """What a worker has read: the trials by id, and their lines."""

    listed: dict[str, Listed]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a worker has found out about a trial's weights: their file, or why there is none."""

    path: Path
    problem: str


class ModelsScreen(Page):
    """All saved trials; Enter evaluates the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("models")]
    CSS = """
    #models-title { height: 1; padding: 0 1; background: $panel; color: $foreground; }
    #models-filter { display: none; padding: 0 1; }
    #models-filter.-open { display: block; }
    #models-detail {
        height: 4; padding: 0 2; border-top: solid $panel; color: $foreground;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """

    def __init__(self) -> None:
        """Make the screen, which reads the trials as soon as it is shown."""
        super().__init__()
        self._listed: dict[str, Listed] = {}
        self._best = False
        self._reading: Worker[_Read] | None = None
        self._was_read = False

    def compose_page(self) -> ComposeResult:
        """Compose title, filter, list, and what is known of the selected trial."""
        yield Static(id="models-title")
        yield Input(id="models-filter", placeholder="words of name, note, data, widths or status", compact=True)
        yield TrialList(TRIAL_COLUMNS, empty="Reading the saved trials …", sort_by=STARTED)
        yield Static(id="models-detail")

    @property
    def trials(self) -> TrialList:
        """The list."""
        return self.query_one(TrialList)

    @property
    def filter(self) -> Input:
        """The line that filters."""
        return self.query_one("#models-filter", Input)

    @property
    def trialbook(self) -> TrialbookApp:
        """The app, by its own type."""
        return cast("TrialbookApp", self.app)

    def on_mount(self) -> None:
        """Sort and filter as the last time."""
        known = self._remembered()
        column, text = known.get("sort"), known.get("filter")
        if isinstance(column, int) and 0 <= column < len(TRIAL_COLUMNS):
            self.trials.sort(column, known.get("reverse") is True)
        self._best = known.get("best") is True
        if isinstance(text, str) and text:
            with self.prevent(Input.Changed):
                self.filter.value = text
            self.filter.add_class("-open")
            self.trials.filter_by(text)
        self.trials.focus()
        self._show_title()

    def on_screen_resume(self) -> None:
        """Read the trials, now and whenever the screen is in front again: another one may have been trained."""
        home = self.trialbook.home
        self._reading = self.run_worker(
            lambda: _read(home), name="read", group="models", thread=True, exit_on_error=False
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a worker has found out, or why it could not."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            text = str(error) if isinstance(error, TrialbookError) else f"{type(error).__name__}: {error}"
            if event.worker is self._reading:
                self.trials.empty = text
                self.trials.refresh()
            self._show_problem(text)
        elif event.state is WorkerState.SUCCESS:
            result = event.worker.result
            if isinstance(result, _Looked) and result.problem:
                self._show_problem(result.problem)
            elif isinstance(result, _Looked):
                self.app.push_screen(EvaluationScreen(result.path))
            elif isinstance(result, _Read) and event.worker is self._reading:
                self._show_trials(result)

    def _show_trials(self, read: _Read) -> None:
        self._listed = read.listed
        self.trials.empty = _NO_MATCH if read.rows else _NO_TRIALS
        selected = self._remembered().get("selected")
        first_time, self._was_read = not self._was_read, True
        self.trials.set_rows(read.rows, cursor=selected if first_time and isinstance(selected, str) else None)
        self._show_title()

    def _show_title(self) -> None:
        count, shown = len(self.trials.rows), len(self.trials.shown)
        number_of = f"{count:,} trials" if count != 1 else "1 trial"
        parts = [
            Content.styled("Saved models", "bold $accent"),
            Content(number_of if shown == count else f"{shown:,} of {number_of}"),
            Content.assemble("evaluates the ", (f"{self._weights_name()} epoch's", "bold"), " weights"),
        ]
        self.query_one("#models-title", Static).update(Content("   ").join(parts))

    def _weights_name(self) -> str:
        return "best" if self._best else "last"

    def _show_problem(self, text: str) -> None:
        self.query_one("#models-detail", Static).update(Content.assemble(("✗ ", "bold $error"), safe(text, "$error")))

    @on(TrialList.Moved)
    def _moved(self, event: TrialList.Moved) -> None:
        """Tell more of the trial under the cursor."""
        listed = self._listed.get(event.row.key) if event.row else None
        self.query_one("#models-detail", Static).update(_detail(listed) if listed else "")
        if event.row is not None and self._was_read:
            self._remember(selected=event.row.key)

    @on(TrialList.Opened)
    def _opened(self) -> None:
        self.action_evaluate()

    @on(TrialList.Sorted)
    def _sorted(self) -> None:
        self._remember(sort=self.trials.sort_by, reverse=self.trials.reverse)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer what the filter's line has no use for only outside of it."""
        return action != "filter" or not self.filter.has_focus

    def action_evaluate(self) -> None:
        """Evaluate the selected trial, if it has weights, which a worker looks for."""
        listed, best = self._selected(), self._best
        if listed is not None:
            self.run_worker(lambda: _look(listed, best), name="look", thread=True, exit_on_error=False)

    def action_filter(self) -> None:
        """Open the filter."""
        self.filter.add_class("-open")
        self.filter.focus()

    @on(Input.Changed, "#models-filter")
    def _filter(self, event: Input.Changed) -> None:
        self.trials.filter_by(event.value)
        self._show_title()
        self._remember(filter=event.value)

    @on(Input.Submitted, "#models-filter")
    def action_to_list(self) -> None:
        """Go from the filter to the list; an empty filter is closed."""
        self.filter.set_class(bool(self.filter.value), "-open")
        self.trials.focus()

    def action_back(self) -> None:
        """Clear the filter where it is being typed, else close the screen."""
        if self.filter.has_focus:
            self.filter.value = ""
            self.action_to_list()
        else:
            super().action_back()

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.trials.sort((self.trials.sort_by + 1) % len(TRIAL_COLUMNS))
        self._sorted()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self.trials.sort(self.trials.sort_by, not self.trials.reverse)
        self._sorted()

    def action_weights(self) -> None:
        """Switch between the last and the best epoch's weights."""
        self._best = not self._best
        self._show_title()
        self._remember(best=self._best)

    def action_curves(self) -> None:
        """Show the selected trial's curves in the workbench."""
        listed = self._selected()
        if listed is not None:
            self.trialbook.show_trial(listed.trial)
            self.dismiss(None)

    def action_begin(self) -> None:
        """Begin the next trial from the selected one."""
        listed = self._selected()
        if listed is not None:
            self.trialbook.begin_from(listed.trial.id)
            self.dismiss(None)

    def action_path(self) -> None:
        """Ask for a bare file of weights, and for what it does not tell, and evaluate it."""

        def answered(file: BareFile | None) -> None:
            if file is not None:
                self.app.push_screen(EvaluationScreen(file.path, source=file.source, bare=file.data))

        self.app.push_screen(BareFileDialog(self.trialbook.edits.draft.settings.data), answered)

    def _selected(self) -> Listed | None:
        row = self.trials.row
        return self._listed.get(row.key) if row is not None else None

    def _remembered(self) -> dict[str, Any]:
        known = self.trialbook.remember.get(_KEY)
        return known if isinstance(known, dict) else {}

    def _remember(self, **values: object) -> None:
        self.trialbook.remember[_KEY] = {**self._remembered(), **values}
        self.trialbook.state_changed()


def _read(home: Path) -> _Read:
    from core.trials.store import list_trials  # noqa: PLC0415 - numpy

    listed = list_trials(home)
    return _Read({each.trial.id: each for each in listed}, [trial_row(each) for each in listed])


def _look(listed: Listed, best: bool) -> _Looked:
    """Return a trial's file of weights, or in one line why it cannot be evaluated."""
    trial, problem = listed.trial, ""
    path = trial.weights(best)
    if not path.exists():
        has_epoch = bool(figures_of(listed.summary, best=False))
        if listed.status == "damaged":
            reason = "its files are damaged, and it has no weights"
        elif listed.status == "running" and not has_epoch:
            reason = "its first epoch is not complete yet, so it has no weights"
        elif not has_epoch:
            end = _ENDS.get(listed.status, "ended")
            reason = f"it {end} before its first epoch was complete, so it has no weights"
        else:
            reason = f"its file {path.name} is missing"
        problem = f"{trial.id} cannot be evaluated: {reason}"
    return _Looked(path, problem)


def _detail(listed: Listed) -> Content:
    """Return a trial's id, name and note in one line, its figures in another, and what was trained in a third."""
    about = "  ".join(text for text in (listed.about.name, listed.about.note) if text)
    summary, parts = listed.summary, [listed.status]
    for kind in ("best", "last"):
        figures = figures_of(summary, best=kind == "best")
        accuracy, cost = number(figures.get("test_accuracy")), number(figures.get("test_cost"))
        if accuracy is not None and cost is not None:
            parts.append(f"{kind} epoch {figures.get('epoch')}: {100 * accuracy:.2f} %, test cost {cost:.4f}")
    more = [f"{name} {summary[name]}" for name in ("hidden", "source", "parent", "reason") if summary.get(name)]
    lines = [Content.assemble(safe(listed.trial.id, "bold"), "  ", safe(about))]
    return Content("\n").join([*lines, *(safe("   ".join(each), "$text-muted") for each in (parts, more))])
