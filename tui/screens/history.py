"""The history of trials: all of them, sorted or as a tree, filtered as one types, each key away from what is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import Worker, WorkerState

from core.comparison import LEAST, MOST
from core.text import printable
from core.trials.upkeep import is_trashed
from tui.actions import bindings
from tui.feed import Feed
from tui.safe import safe
from tui.screens.bare_file import BareFile, BareFileDialog
from tui.screens.evaluation import EvaluationScreen
from tui.screens.page import Page
from tui.screens.upkeep import AboutDialog, AskDialog, FileDialog, TrashScreen, place_for_files
from tui.upkeep import Done, carry_out, delete, edit, export, import_file, question_of, restore, toggle_star, weights_of
from tui.widgets.trial_detail import Known, detail_of, known_of
from tui.widgets.trial_list import TrialList
from tui.widgets.trial_rows import STARTED, TRIAL_COLUMNS
from tui.words import failure

if TYPE_CHECKING:
    from core.trials.store import Listed
    from tui.app import TrialbookApp

_KEY = "history"  # of what is remembered over restarts
_NO_TRIALS = "No trial is saved yet: Esc goes back, and {} there trains the first. A file of weights opens with {}."
_NO_MATCH = "No trial matches the filter: Esc in it shows all again"


class HistoryScreen(Page):
    """All saved trials; Enter evaluates the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("history")]
    DEFAULT_CSS = """
    HistoryScreen #history-title { height: 1; padding: 0 1; background: $panel; color: $foreground; }
    HistoryScreen #history-filter { display: none; padding: 0 1; }
    HistoryScreen #history-filter.-open { display: block; }
    HistoryScreen #history-detail { height: 6; padding: 0 2; border-top: solid $panel; color: $foreground; }
    HistoryScreen.-tall #history-detail { height: 10; }
    """

    def __init__(self) -> None:
        """Make the screen, which shows what the app has read of the trials."""
        super().__init__()
        self._feed = Feed()
        self._known = Known()
        self._best = False
        self._problem = ("", "")  # the trial that it is about, and what is wrong
        self._trashed: list[tuple[str, ...]] = []  # what was deleted here, the last ones last

    def compose_page(self) -> ComposeResult:
        """Compose title, filter, list, and what is known of the selected trial."""
        yield Static(id="history-title")
        yield Input(
            id="history-filter", placeholder="words of anything shown, or status:failed tag:night", compact=True
        )
        yield TrialList(TRIAL_COLUMNS, empty="Reading the saved trials …", several=True, sort_by=STARTED)
        yield Static(id="history-detail")

    @property
    def trials(self) -> TrialList:
        """The list."""
        return self.query_one(TrialList)

    @property
    def filter(self) -> Input:
        """The line that filters."""
        return self.query_one("#history-filter", Input)

    @property
    def trialbook(self) -> TrialbookApp:
        """The app, by its own type."""
        return cast("TrialbookApp", self.app)

    def on_mount(self) -> None:
        """Sort and filter as the last time, and show the trials as far as they are read."""
        known = self._remembered()
        column, text = known.get("sort"), known.get("filter")
        if isinstance(column, int) and 0 <= column < len(TRIAL_COLUMNS):
            self.trials.sort(column, known.get("reverse") is True)
        self._best = known.get("best") is True
        self.trials.show_tree(known.get("tree") is True)
        if isinstance(text, str) and text:
            with self.prevent(Input.Changed):
                self.filter.value = text
            self.filter.add_class("-open")
            self.trials.filter_by(text)
        self.trials.focus()
        self.trialbook.lookout.changed.subscribe(self, self._take)
        self._take(self.trialbook.lookout.feed)

    def on_screen_resume(self) -> None:
        """Have the trials looked at, now and whenever the screen is in front again, as after the trash."""
        home = self.trialbook.home
        there = (tuple(name for name in names if is_trashed(home, name)) for names in self._trashed)
        self._trashed = [names for names in there if names]
        self.refresh_bindings()
        self.trialbook.lookout.look()

    # what is shown

    def _take(self, feed: Feed) -> None:
        """Show the trials as they are now."""
        if feed.is_read:
            selected = self._remembered().get("selected")
            cursor = selected if not self._feed.is_read and isinstance(selected, str) else None
            self._feed = feed
            keys = [self.trialbook.key_of(name) for name in ("start", "history.path")]
            self.trials.empty = feed.problem or (_NO_MATCH if feed.built else _NO_TRIALS.format(*keys))
            self.trials.set_rows((built.row for built in feed.built.values()), cursor)
            self.call_after_refresh(self._find_known)
        self._show_title()

    def _find_known(self) -> None:
        """Find out what only all trials together tell: once the list is drawn, as it may have to import scipy."""
        listed = self._feed.listed
        self.run_worker(
            lambda: known_of(listed), name="known", thread=True, exit_on_error=False, group="known", exclusive=True
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a worker has found out or done, or why it could not."""
        result = event.worker.result
        if event.state is WorkerState.ERROR:
            self._show_problem(failure(event.worker.error))
        elif isinstance(result, Known):
            self._known = result
            self._show_detail()
        elif isinstance(result, Path) and self.is_current:  # whoever has gone elsewhere meanwhile is left there
            self.app.push_screen(EvaluationScreen(result))

    def _show_title(self) -> None:
        count, shown, chosen = len(self.trials.rows), len(self.trials.shown), len(self.trials.chosen)
        number_of = f"{count:,} trials" if count != 1 else "1 trial"
        parts = [
            Content.styled("Trials", "bold $accent"),
            Content(number_of if shown == count else f"{shown:,} of {number_of}"),
            Content.assemble("evaluates the ", (f"{'best' if self._best else 'last'} epoch's", "bold"), " weights"),
        ]
        if chosen:
            parts.insert(2, Content.styled(f"{chosen} marked", "bold"))
        if self.trials.by_parent:
            parts.append(Content("children below their parents"))
        self.query_one("#history-title", Static).update(Content("   ").join(parts))

    def _show_problem(self, text: str) -> None:
        """Say what is wrong, until the cursor goes to another trial."""
        self._problem = (self.trials.row.key if self.trials.row is not None else "", text)
        self._show_detail()

    def _show_detail(self) -> None:
        """Tell more of the trial under the cursor, or what is wrong with it."""
        row, (about, problem) = self.trials.row, self._problem
        built = self._feed.built.get(row.key) if row is not None else None
        if problem and about == (row.key if row is not None else ""):
            shown = Content.assemble(("✗ ", "bold $error"), safe(problem, "$error"))
        else:
            self._problem = ("", "")
            shown = detail_of(built.listed, built.parent_title, self._known) if built is not None else Content("")
        self.query_one("#history-detail", Static).update(shown)

    @on(TrialList.Moved)
    def _moved(self, event: TrialList.Moved) -> None:
        self._show_detail()
        if event.row is not None and self._feed.is_read:
            self._remember(selected=event.row.key)

    @on(TrialList.Marked)
    def _marked(self) -> None:
        self._show_title()
        self.refresh_bindings()

    @on(TrialList.Opened)
    def _opened(self) -> None:
        self.action_evaluate()

    @on(TrialList.Sorted)
    def _sorted(self) -> None:
        self._remember(sort=self.trials.sort_by, reverse=self.trials.reverse)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer what the filter's line has no use for only outside of it, and what makes sense now."""
        if action == "filter":
            return not self.filter.has_focus
        return action != "undo" or bool(self._trashed)

    # order and filter

    def action_filter(self) -> None:
        """Open the filter."""
        self.filter.add_class("-open")
        self.filter.focus()

    @on(Input.Changed, "#history-filter")
    def _filter(self, event: Input.Changed) -> None:
        self.trials.filter_by(event.value)
        self._show_title()
        self._remember(filter=event.value)

    @on(Input.Submitted, "#history-filter")
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

    def action_tree(self) -> None:
        """Show children below their parents, or all trials in one order."""
        self.trials.show_tree(not self.trials.by_parent)
        self._show_title()
        self._remember(tree=self.trials.by_parent)

    def action_weights(self) -> None:
        """Switch between the last and the best epoch's weights."""
        self._best = not self._best
        self._show_title()
        self._remember(best=self._best)

    # where a trial leads

    def action_evaluate(self) -> None:
        """Evaluate the selected trial, if it has weights, which a worker looks for."""
        listed, best = self._selected(), self._best
        if listed is not None:
            self.run_worker(
                lambda: weights_of(listed, best), group="look", thread=True, exit_on_error=False, exclusive=True
            )

    def action_curves(self) -> None:
        """Show the selected trial's curves in the workbench, growing if it is being trained."""
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

    def action_compare(self) -> None:
        """Compare the marked trials, the oldest first, or say how many can be."""
        from tui.screens.compare import CompareScreen  # noqa: PLC0415 - as it is opened seldom

        count, key = len(self.trials.chosen), self.trialbook.key_of("list.choose")
        if LEAST <= count <= MOST:
            self.app.push_screen(CompareScreen(sorted(self.trials.chosen)))
        else:
            marked = f"{count or 'none'} {'are' if count > 1 else 'is'} marked"
            self._show_problem(f"{LEAST} to {MOST} trials can be compared, {marked}: {key} marks")

    # what is said about a trial

    def action_about(self, field: str) -> None:
        """Edit the selected trial's name, note and tags."""
        listed = self._selected()
        if listed is None:
            return
        trial = listed.trial

        def answered(changed: dict[str, Any] | None) -> None:
            if changed:  # only that: the rest may be edited elsewhere meanwhile
                self._do(lambda: edit(trial, **changed))

        self.app.push_screen(AboutDialog(trial.id, listed.about, field), answered)

    def action_star(self) -> None:
        """Star the selected trial, or take its star away."""
        listed = self._selected()
        if listed is not None:
            trial = listed.trial
            self._do(lambda: toggle_star(trial))

    # where trials go and come from

    def action_delete(self) -> None:
        """Move the marked trials to the trash, or the selected one where none is marked, once that was asked."""
        marked = [built.listed for key, built in self._feed.built.items() if key in self.trials.chosen]
        selected = self._selected()
        chosen = marked or ([selected] if selected is not None else [])
        if not chosen:
            return
        home, trials = self.trialbook.home, [listed.trial for listed in chosen]

        def answered(sure: bool | None) -> None:
            if sure:
                self._do(lambda: delete(home, trials))

        keys = [self.trialbook.key_of(f"history.{name}") for name in ("undo", "trash")]
        self.app.push_screen(AskDialog(*question_of([each.title for each in chosen], *keys)), answered)

    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        if self._trashed:
            home, names = self.trialbook.home, self._trashed.pop()
            self._do(lambda: restore(home, names))
            self.refresh_bindings()

    def action_trash(self) -> None:
        """Show the trash."""
        self.app.push_screen(TrashScreen())

    def action_export(self) -> None:
        """Write the selected trial to a file."""
        listed = self._selected()
        if listed is None:
            return
        trial = listed.trial

        def answered(path: Path | None) -> None:
            if path is not None:
                self._do(lambda: export(trial, path))

        proposed = place_for_files() / f"{trial.id}.trialbook"
        self.app.push_screen(FileDialog(f"Export {listed.title}", "Write it to the file", str(proposed)), answered)

    def action_import(self) -> None:
        """Add a trial from a file that was exported."""
        home = self.trialbook.home

        def answered(path: Path | None) -> None:
            if path is not None:
                self._do(lambda: import_file(home, path))

        label = "The file, whose name ends in .trialbook"
        self.app.push_screen(FileDialog("Import a trial", label, "", is_read=True), answered)

    def _do(self, work: Callable[[], Done]) -> None:
        carry_out(self.trialbook, work, self._tell_done, self._tell_failed)

    def _tell_done(self, done: Done) -> None:
        if done.text:
            self.app.notify(printable(done.text), markup=False)
        self.trialbook.lookout.look()
        if self.is_attached:
            if done.trashed:
                self._trashed.append(done.trashed)
            if done.trial_id is not None:
                self.trials.go_to(done.trial_id)
            self.refresh_bindings()

    def _tell_failed(self, text: str) -> None:
        if self.app.screen is self:
            self._show_problem(text)
        else:
            self.trialbook.tell(text, "error")

    def _selected(self) -> Listed | None:
        row = self.trials.row
        built = self._feed.built.get(row.key) if row is not None else None
        return built.listed if built is not None else None

    def _remembered(self) -> dict[str, Any]:
        known = self.trialbook.remember.get(_KEY)
        return known if isinstance(known, dict) else {}

    def _remember(self, **values: object) -> None:
        before = self._remembered()
        if any(before.get(name) != value for name, value in values.items()):
            self.trialbook.remember[_KEY] = {**before, **values}
            self.trialbook.state_changed()
