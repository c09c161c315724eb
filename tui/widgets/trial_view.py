"""The right side of the workbench: curves and figures of one trial, its parent's curves and any others beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from core.errors import TrialbookError
from tui.plot.curves import Run
from tui.plot.widget import CurvesPlot
from tui.runs import Parent, Shown, figures_of, read_parent, read_runs, read_shown, run_of
from tui.widgets.diagnosis import DiagnosisLine, Reading, reading_of
from tui.widgets.figures import Figures, FigureValues
from tui.widgets.panel import FiguresScroller, Panel

if TYPE_CHECKING:
    from core.trials.trial import Trial
    from tui.app import TrialbookApp
    from tui.training import Training

_LOOK_EVERY = 0.5  # seconds


class TrialView(Vertical):
    """Shows a saved trial, or a training as it goes on.

    Attributes:
        shown: The trial, or None before there is one.
        parent_trial: The trial that it was derived from, or None.
        overlays: The curves of other trials that are drawn too.
    """

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__(id="right")
        self.shown: Shown | None = None
        self.parent_trial: Parent | None = None
        self.overlays: tuple[Run, ...] = ()
        self._is_watching = False
        self._is_reading = False  # whether a worker reads the curves
        self._read_of: tuple[int, str] | None = None  # the shown trial's complete epochs and state when one began

    def compose(self) -> ComposeResult:
        """Compose the two panels."""
        yield Panel(
            CurvesPlot(), DiagnosisLine((self.owner.key_of("suggest"), self.owner.key_of("diagnoses"))), id="curves"
        )
        yield Panel(FiguresScroller(Figures()), id="figures")

    @property
    def owner(self) -> TrialbookApp:
        """The app, which knows the training and what is remembered."""
        return cast("TrialbookApp", self.app)

    def on_mount(self) -> None:
        """Look several times in a second whether another process goes on with what is shown."""
        self.set_interval(_LOOK_EVERY, self._watch)

    def show(self, find: Callable[[], Trial]) -> None:
        """Show a saved trial, once a worker has read it.

        Args:
            find: Finds the trial, in the worker; a TrialbookError of it is shown.
        """
        self._work("shown", lambda: self._read(find))

    def show_last(self) -> None:
        """Show the trial that was looked at the last time, or else the last trial of the home, if there is one."""
        remembered = self.owner.remember.get("shown")
        self._work("shown", lambda: self._read(lambda: self._find_last(remembered), quietly=True))

    def _find_last(self, remembered: object) -> Trial:
        from core.trials.store import find_trial  # noqa: PLC0415 - not needed for the first screen

        home = self.owner.home
        with contextlib.suppress(TrialbookError):
            if isinstance(remembered, str):
                return find_trial(home, remembered)
        return find_trial(home, "last")

    def begin(self, training: Training) -> None:
        """Show a training that has just started."""
        started, run = training.snapshot.started, run_of(training)
        if started is not None and run is not None:
            parent = training.draft.parent
            self.shown = Shown(
                started.trial, run, started.epochs, "training", parent, started.test_images, started.device
            )
            self._show_all()

    def is_following(self, training: Training) -> bool:
        """Return whether a training is what is shown: its user may be looking at another trial."""
        started = training.snapshot.started
        return started is None or (self.shown is not None and self.shown.trial == started.trial)

    def follow(self, training: Training) -> None:
        """Show how a training stands now, if it is what is shown."""
        now = training.snapshot
        if self.shown is not None and now.started is not None and self.is_following(training):
            state = "failed" if now.error else now.phase if now.outcome is None else now.outcome.status
            run = run_of(training) or self.shown.run
            self.shown = replace(self.shown, run=run, state=state, verdict=now.verdict)
            self.draw()

    def choose_overlays(self, names: list[str] | None) -> None:
        """Draw the curves of saved trials too, by id; None changes nothing."""
        if names is not None:
            self.owner.remember["overlays"] = names
            self.owner.state_changed()
            self._read_overlays()

    def draw(self) -> None:
        """Give the plot and the figures what they show."""
        run = self.shown.run if self.shown else None
        self.query_one(CurvesPlot).show(run, self.parent_run, self.overlays)
        self._diagnose()
        self.owner.workbench.look()  # the progress bars too, which may be of another process's training

    @property
    def parent_run(self) -> Run | None:
        """The parent's curves; None without one, or where it was tested on other images."""
        parent = self.parent_trial
        return parent.run if parent is not None and parent.is_comparable else None

    @property
    def reading(self) -> Reading | None:
        """What the rules read off the shown trial's curves; None before they were read."""
        return self.query_one(DiagnosisLine).reading

    def _diagnose(self) -> None:
        """Have a worker read the curves, unless it has; one at a time, however fast the epochs come.

        A running trial's files are a moment behind, and end with its last epoch: at its end they are read again.
        """
        shown, line = self.shown, self.query_one(DiagnosisLine)
        if line.reading is not None and (shown is None or line.reading.trial != shown.trial):
            line.reading, self._read_of = None, None
        if shown is None or self._is_reading or not shown.run.history:
            return
        now = len(shown.run.history), shown.state
        if self._read_of == now:
            return
        self._is_reading, self._read_of = True, now
        trial = shown.trial
        self._work("diagnosis", lambda: self._read_curves(trial))

    def _read_curves(self, trial: Trial) -> None:
        try:
            reading = reading_of(trial)
        except TrialbookError:  # the curves' own reader tells what is wrong with the files
            reading = None
        self.app.call_from_thread(self._take_reading, trial, reading)

    def _take_reading(self, trial: Trial, reading: Reading | None) -> None:
        self._is_reading = False
        if self.shown is not None and self.shown.trial == trial:
            self.query_one(DiagnosisLine).reading = reading
            self.screen.refresh_bindings()
        else:
            self._read_of = None
        self._diagnose()

    def look(self) -> None:
        """Take over what has changed within the epoch."""
        training = self.owner.training
        values = FigureValues() if self.shown is None else figures_of(self.shown, training, self.parent_trial)
        self.query_one(Figures).values = values

    def _work(self, group: str, work: Callable[[], None]) -> None:
        self.run_worker(work, thread=True, exit_on_error=False, group=group)

    def _read(self, find: Callable[[], Trial], quietly: bool = False) -> None:
        try:
            shown = read_shown(find())
        except TrialbookError as error:
            if not quietly:
                self.app.call_from_thread(self.owner.tell, str(error), "error")
        else:
            self.app.call_from_thread(self._take, shown)

    def _watch(self) -> None:
        """Look at the trial again that another process trains, if that is what is shown."""
        shown = self.shown
        if shown is None or shown.elsewhere is None or self._is_own(shown.trial) or self._is_watching:
            return
        self._is_watching = True
        self._work("watched", lambda: self._look_again(shown))

    def _look_again(self, shown: Shown) -> None:
        try:
            now = read_shown(shown.trial, shown.watched)
            self.app.call_from_thread(self._go_on, shown, now)
        finally:
            self._is_watching = False

    def _go_on(self, before: Shown, now: Shown) -> None:
        """Show what another process has done since; say how its training ended."""
        if self.shown is not before:
            return  # another trial is looked at by now
        self.shown = now
        if now.run.history != before.run.history or now.state != before.state:
            self.draw()
            self.screen.refresh_bindings()
        else:
            self.look()
        if now.elsewhere is None and not self._is_taken_back(now.trial):
            self.owner.lookout.tell_ended(now)

    def _is_taken_back(self, trial: Trial) -> bool:
        """Return whether this process goes on with a trial that another one has given up for it."""
        training = self.owner.training
        going_on = training.go_on if training is not None and training.is_running else None
        return going_on is not None and going_on.branch is None and going_on.trial == trial

    def _is_own(self, trial: Trial) -> bool:
        """Return whether a trial is being trained by this process."""
        training = self.owner.training
        started = training.snapshot.started if training is not None and training.is_running else None
        return started is not None and started.trial == trial

    def _take(self, shown: Shown) -> None:
        training = self.owner.training
        if training is not None and training.is_running and training.snapshot.started is None:
            return  # a training's own curves come in a moment
        if training is not None and self._is_own(shown.trial):
            self.begin(training)  # from memory: its files are a moment behind
            return
        self.shown = shown
        self._show_all()
        self.screen.refresh_bindings()
        for remark in shown.remarks:
            self.owner.tell(remark, "warning")

    def _show_all(self) -> None:
        if self.shown is not None:
            self.owner.remember["shown"] = self.shown.trial.id
            self.owner.state_changed()
        self._read_parent()
        self._read_overlays()
        self.draw()

    def _read_parent(self) -> None:
        self.parent_trial = None
        if self.shown is None or self.shown.parent is None:
            return
        home, trial, name = self.owner.home, self.shown.trial, self.shown.parent
        # a preset has no curves: there is no trial of its name
        self._work(
            "parent", lambda: self.app.call_from_thread(self._take_parent, trial, read_parent(home, trial, name))
        )

    def _take_parent(self, trial: Trial, parent: Parent | None) -> None:
        if self.shown is not None and self.shown.trial == trial:
            self.parent_trial = parent
            self.draw()

    @property
    def _overlay_names(self) -> list[str]:
        names = self.owner.remember.get("overlays")
        return [str(name) for name in names] if isinstance(names, list) else []

    @property
    def compared(self) -> list[str]:
        """The ids of the trials that are drawn: the parent, the shown one and the overlaid ones."""
        if self.shown is None:
            return []
        parent = [self.shown.parent] if self.shown.parent is not None and self.parent_run is not None else []
        overlays = self._overlay_names if self.overlays else []
        return list(dict.fromkeys([*parent, self.shown.trial.id, *overlays]))

    def _read_overlays(self) -> None:
        shown = self.shown.trial.id if self.shown is not None else ""
        home, names = self.owner.home, [name for name in self._overlay_names if name != shown]
        self._work("overlays", lambda: self.app.call_from_thread(self._take_overlays, read_runs(home, names)))

    def _take_overlays(self, runs: list[Run]) -> None:
        self.overlays = tuple(runs)
        self.draw()

    @on(CurvesPlot.ViewChanged)
    def _view_changed(self) -> None:
        self.owner.state_changed()

    @on(CurvesPlot.OverlayAsked)
    def _overlay_asked(self) -> None:
        from tui.screens.choose import OverlayScreen  # noqa: PLC0415 - not needed for the first screen

        purpose = "Draw the curves of saved trials too"
        self.app.push_screen(OverlayScreen(purpose, set(self._overlay_names)), self.choose_overlays)
