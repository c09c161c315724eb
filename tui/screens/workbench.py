"""The workbench: settings on the left, curves and figures on the right, progress and keys below."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from core.data.catalog import DataShape, known_shape
from core.errors import TrialbookError
from tui.actions import bindings
from tui.draft import Draft, suggested
from tui.plot.view import View
from tui.plot.widget import CurvesPlot
from tui.safe import safe
from tui.screens.panels import LEFT, PanelPage
from tui.screens.usable import makes_sense
from tui.threads import LeftError, until_left
from tui.widgets.architecture import ArchitectureTable
from tui.widgets.detail import Detail
from tui.widgets.form import Form
from tui.widgets.heading import heading_of
from tui.widgets.network import Network
from tui.widgets.panel import PANELS, FiguresScroller, Panel, PanelTabs, Scroller
from tui.widgets.settings_form import SettingsForm
from tui.widgets.status import Status
from tui.widgets.trial_view import TrialView
from tui.words import failure

if TYPE_CHECKING:
    from tui.app import TrialbookApp

_LOOK_EVERY = 1.0  # seconds; a look takes some milliseconds of a core that the training could have


class Workbench(PanelPage):
    """The first screen and the one that everything returns to."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("workbench")]
    AUTO_FOCUS = ""  # `on_mount` gives it to the panel that had it the last time
    DEFAULT_CSS = """
    Workbench #heading { height: 1; padding: 0 1; background: $panel; dock: top; }
    Workbench #left { width: 58; }
    Workbench.-wide #left { width: 76; }
    Workbench #right { width: 1fr; }
    Workbench #architecture { height: auto; max-height: 60%; }
    Workbench #architecture Scroller { height: auto; }
    Workbench #figures { height: auto; max-height: 45%; min-height: 4; }
    Workbench.-tall DiagnosisLine { height: 2; }
    Workbench Network { margin: 1 1 0 1; }
    Workbench.-single #architecture, Workbench.-single #figures { height: 1fr; max-height: 100%; }
    Workbench.-single #architecture Scroller { height: 1fr; }
    Workbench.-single #figures FiguresScroller { height: 1fr; }
    """

    data_problem: reactive[str] = reactive("")
    shape: reactive[DataShape | None] = reactive(None)

    def __init__(self) -> None:
        """Make the screen; the app has the draft."""
        super().__init__()
        self._looked_at: tuple[str, str] | None = None  # the folder whose shape is known or being found, and its size

    @property
    def console(self) -> TrialbookApp:
        """The app."""
        return cast("TrialbookApp", self.app)

    @property
    def view(self) -> TrialView:
        """Curves and figures."""
        return self.query_one(TrialView)

    def compose_page(self) -> ComposeResult:
        """Compose the panels."""
        yield Static(id="heading")
        yield PanelTabs()
        with Horizontal(id="panels"):
            with Vertical(id="left"):
                yield Panel(
                    Scroller(ArchitectureTable(self.console.edits.change, self._explain)), Network(), id="architecture"
                )
                yield Panel(Scroller(SettingsForm(self.console.edits.change, self._explain)), id="training")
                yield Detail()
            yield TrialView()
        yield Status()

    def on_mount(self) -> None:
        """Show the draft in the layout of the last time, and look at the training again and again."""
        self.query_one(CurvesPlot).empty = f"no trial yet: {self.console.key_of('start')} starts one"
        self.draft_changed()
        self._restore_layout(self.console.remember)
        self.console.say_ready()
        self.set_interval(_LOOK_EVERY, self.look)

    def layout_state(self) -> dict[str, Any]:
        """Return what of the layout comes back at the next start, as JSON values."""
        cursors = {name: self.query_one(f"#{name}").query_one(Form).cursor for name in LEFT}
        view = self.query_one(CurvesPlot).view.to_dict()
        return {"panel": self.panel, "alone": self.alone, "cursors": cursors, "view": view}

    def _restore_layout(self, state: dict[str, Any]) -> None:
        """Take over a layout; the file that it comes from may hold anything."""
        self.alone = state.get("alone") is True
        cursors = state.get("cursors")
        for name in LEFT:
            form = self.query_one(f"#{name}").query_one(Form)
            cursor = cursors.get(name) if isinstance(cursors, dict) else None
            if any(cell.path == cursor for cell in form.cells):
                form.cursor = str(cursor)
        if isinstance(state.get("view"), dict):
            self.query_one(CurvesPlot).view = View.from_dict(state["view"])
        panel = state.get("panel")
        self.action_show_panel(panel if isinstance(panel, str) and panel in PANELS else "architecture")

    def content_of(self, panel: str) -> Widget:
        """Return what has the focus in a panel."""
        kinds: dict[str, type[Widget]] = {
            "architecture": ArchitectureTable,
            "training": SettingsForm,
            "curves": CurvesPlot,
            "figures": FiguresScroller,
        }
        return self.query_one(kinds[panel])

    def layout_changed(self) -> None:
        """Let the layout be written, to come back at the next start."""
        self.console.state_changed()

    # the draft

    def draft_changed(self) -> None:
        """Show the draft after an edit."""
        draft = self.console.edits.draft
        self._find_shape(draft)
        for form in self.query(Form):
            form.draft = draft
        self.query_one(Network).settings = draft.settings
        self.query_one(Detail).draft = draft
        self.show_heading()
        self.refresh_bindings()

    def _find_shape(self, draft: Draft) -> None:
        known, data = known_shape(draft.settings), draft.settings.data
        if known is not None:
            self._looked_at = None
            self.workers.cancel_group(self, "shape")
            self._take_shape(known, "")
        elif self.data_problem or self._looked_at != (data.source, data.image_size):
            # other edits leave a folder as it is; one with a mistake may have been mended
            self._looked_at = (data.source, data.image_size)
            self._take_shape(None, "")
            self.run_worker(
                lambda: self._look_at_folder(draft), thread=True, exit_on_error=False, group="shape", exclusive=True
            )

    def _look_at_folder(self, draft: Draft) -> None:
        from core.data.preview import preview_folder  # noqa: PLC0415 - Pillow and numpy, which a known set needs not

        data = draft.settings.data
        shape, problem = None, ""
        try:
            shape = preview_folder(Path(data.source), data.image_size, until_left()).shape
        except LeftError:
            return
        except Exception as error:  # file systems fail in ways that nobody has thought of
            problem = failure(error)
        self.app.call_from_thread(self._shape_found, draft, shape, problem)

    def _shape_found(self, draft: Draft, shape: DataShape | None, problem: str) -> None:
        now = self.console.edits.draft.settings.data
        asked = draft.settings.data
        if (now.source, now.image_size) == (asked.source, asked.image_size):  # an answer may be outdated
            self._take_shape(shape, problem)

    def _take_shape(self, shape: DataShape | None, problem: str) -> None:
        self.shape, self.data_problem = shape, problem
        self.query_one(ArchitectureTable).shape = shape
        self.query_one(Network).shape = shape
        self.query_one(SettingsForm).data_problem = problem
        self.query_one(Detail).problem = problem
        if problem:
            self.console.say_ready()

    def _explain(self, form: Form, draft: Draft) -> None:
        """Explain the field under a form's cursor, if that form has the focus."""
        if form.editor is not None or form is self.focused:
            detail = self.query_one(Detail)
            detail.path, detail.draft = form.cursor, draft

    @on(Form.SourceAsked)
    def _source_asked(self) -> None:
        self.action_data()

    def show_heading(self) -> None:
        """Say what is being edited, and on what it would be trained."""
        app = self.console
        device = app.engine_error or (app.device if app.engine_ready else "PyTorch is loading...")
        heading = heading_of(app.edits.draft, device, has_failed=bool(app.engine_error))
        self.query_one("#heading", Static).update(heading)

    # the training

    def look(self) -> None:
        """Take over the training's snapshot: its progress within the epoch."""
        app = self.console
        status = self.query_one(Status)
        training = app.training
        if training is not None and training.is_running:
            status.snapshot = training.snapshot
        else:
            status.snapshot = self.view.shown.elsewhere if self.view.shown is not None else None
        status.words = app.status_words()
        self.view.look()

    def label_of(self, action: str) -> str | None:
        """Return the footer's word for an action, where it changes with the training."""
        if action == "pause" and self.console.trainings.is_paused:
            return "Resume"
        if action == "curves.quantity" and self.query_one(CurvesPlot).view.quantity == "accuracy":
            return "Cost"
        return None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Say whether an action makes sense now."""
        return makes_sense(action, self)

    def action_start(self) -> None:
        """Train the settings of the forms."""
        self.console.trainings.start(self.data_problem)

    def action_pause(self) -> None:
        """Pause the training, or let it go on."""
        self.console.trainings.pause()

    def action_finish(self) -> None:
        """End the training after this epoch."""
        self.console.trainings.end(at_once=False)

    def action_stop(self) -> None:
        """Stop the training now."""
        self.console.trainings.end(at_once=True)

    def action_resume(self) -> None:
        """Go on with the shown trial: resume it, take it back from another process, or add epochs to it."""
        self.console.trainings.resume()

    def action_branch(self) -> None:
        """Train the settings of the forms from an epoch of the parent trial on."""
        self.console.trainings.branch(self.data_problem)

    def action_watch(self) -> None:
        """Go back from another trial to the one that trains."""
        if self.console.training is not None:
            self.view.begin(self.console.training)
            self.refresh_bindings()

    def action_evaluate(self) -> None:
        """Evaluate the trial that the curves show."""
        from tui.screens.evaluation import EvaluationScreen  # noqa: PLC0415 - as all screens: when it is opened

        if self.console.shown_trial is not None:
            self.app.push_screen(EvaluationScreen(self.console.shown_trial.weights()))

    def action_compare(self) -> None:
        """Compare the trial that the curves show with its parent and with the others that are drawn."""
        from core.comparison import LEAST, MOST  # noqa: PLC0415
        from tui.screens.compare import CompareScreen  # noqa: PLC0415

        drawn = self.view.compared
        if len(drawn) < LEAST:
            key = self.console.key_of("curves.overlay")
            self.console.say(Content(f"no second trial is drawn: {key} beside the curves draws others to compare with"))
            return
        if len(drawn) > MOST:
            self.console.tell(f"{len(drawn)} trials are drawn; the first {MOST} of them are compared", "warning")
        self.app.push_screen(CompareScreen(drawn[:MOST]))

    def action_scrub(self) -> None:
        """See the trial that the curves show epoch by epoch."""
        from tui.screens.scrub import ScrubScreen  # noqa: PLC0415

        if self.console.shown_trial is not None:
            self.app.push_screen(ScrubScreen(self.console.shown_trial.id))

    def action_suggest(self) -> None:
        """Open the form with the change made that the curves suggest; the draft begins from their trial."""
        reading, edits = self.view.reading, self.console.edits
        diagnosis = next((each for each in reading.found if each.suggestion is not None), None) if reading else None
        if reading is None or diagnosis is None:
            self.console.say(Content("the curves suggest no change"))
            return
        try:
            draft = suggested(reading.settings, reading.trial.id, diagnosis)
        except TrialbookError as error:
            self.console.tell(str(error), "error")
            return
        edits.change(draft)
        self._go_to_field(*draft.old_values)
        self.console.say(safe(f"{draft.note}; {self.console.key_of('undo')} takes it back"))

    def _go_to_field(self, *paths: str) -> None:
        """Go to the first of these fields that a form has."""
        for name in LEFT:
            form = self.query_one(f"#{name}").query_one(Form)
            found = next((cell.path for cell in form.cells if cell.path in paths), None)
            if found is not None:
                self.action_show_panel(name)
                form.cursor = found
                return
        self.action_show_panel(LEFT[0])

    def action_diagnoses(self) -> None:
        """Show all that the rules read off the curves, with their numbers."""
        from tui.screens.dialogs import TextDialog  # noqa: PLC0415
        from tui.widgets.diagnosis import all_lines  # noqa: PLC0415

        if self.view.reading is None or not self.view.reading.found:
            self.console.say(Content("the rules read nothing off the curves yet"))
        else:
            lines = all_lines(self.view.reading.found)
            text = "\n".join(line.plain for line in lines)
            self.app.push_screen(TextDialog("What the curves show", text, shown=Content("\n").join(lines)))

    def action_history(self) -> None:
        """Open the history of trials."""
        from tui.screens.history import HistoryScreen  # noqa: PLC0415

        self.app.push_screen(HistoryScreen())

    def action_data(self) -> None:
        """Open the data sets."""
        from tui.screens.data import DataScreen  # noqa: PLC0415

        self.app.push_screen(DataScreen())

    def action_begin(self) -> None:
        """Choose a preset or a saved trial to begin from."""
        from tui.screens.choose import BeginScreen  # noqa: PLC0415

        self.app.push_screen(BeginScreen(), lambda name: None if name is None else self.console.begin_from(name))

    def action_check(self) -> None:
        """Check whether the settings can work."""
        from tui.screens.check import CheckDialog  # noqa: PLC0415

        draft = self.console.edits.draft
        if draft.wrong or self.data_problem:
            self.console.tell(self.data_problem or "Correct what is marked with ✗ first.", "error")
        else:
            self.app.push_screen(CheckDialog(draft.settings))

    def action_undo(self) -> None:
        """Take back the last edit."""
        self.console.edits.undo()

    def action_redo(self) -> None:
        """Make the edit again that was taken back."""
        self.console.edits.redo()

    def action_command(self) -> None:
        """Show the command line that does the same."""
        from tui.command_line import command_line  # noqa: PLC0415
        from tui.screens.dialogs import TextDialog  # noqa: PLC0415

        command = command_line(self.console.edits.draft, self.console.home)
        self.app.push_screen(TextDialog("The same on the command line", command))

    def action_name(self) -> None:
        """Give the next trial a name and a note."""
        from tui.screens.dialogs import NameDialog  # noqa: PLC0415

        draft = self.console.edits.draft
        self.app.push_screen(NameDialog(draft.name, draft.note), self._take_name)

    def _take_name(self, answer: tuple[str, str] | None) -> None:
        edits = self.console.edits
        if answer is not None:
            edits.change(replace(edits.draft, name=answer[0], note=answer[1]))

    def action_reset(self) -> None:
        """Put all settings back to where they began."""
        edits = self.console.edits
        edits.change(replace(edits.draft, settings=edits.draft.begin, wrong={}))
