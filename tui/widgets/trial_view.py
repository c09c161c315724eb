"""The right side of the workbench: curves and figures of one trial, its parent's curves and any others beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.worker import Worker, WorkerState

from core.errors import TrialbookError
from tui.plot.curves import Run
from tui.plot.widget import CurvesPlot
from tui.runs import Parent, Shown, figures_of, read_overlays, read_parent, read_shown, run_of
from tui.widgets.diagnosis import DiagnosisLine, Reading, reading_of
from tui.widgets.figures import Figures, FigureValues
from tui.widgets.panel import FiguresScroller, Panel
from tui.words import failure

if TYPE_CHECKING:
    from core.trials.trial import Trial
    from core.trials.watch import Seen
    from tui.app import TrialbookApp
    from tui.training import Training

_LOOK_EVERY = 0.5  # seconds


class TrialView(Vertical):
    """Shows a saved trial, or a training as it goes on; what changes of the trials, here or elsewhere, is read again.

    Attributes:
        shown: The trial, or None before there is one.
        parent_trial: The trial that it was derived from, or None.
        overlaid: The other trials whose curves are drawn too.
    """

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__(id="right")
        self.shown: Shown | None = None
        self.parent_trial: Parent | None = None
        self.overlaid: tuple[Shown, ...] = ()
        self._workers: dict[str, Worker[Any]] = {}  # the last one of each group: what others read is outdated
        self._seen: dict[str, Mapping[str, Seen]] = {}  # the home's trials when it was asked to read
        self._left: Training | None = None  # the training that was there when another trial was asked for
        self._read_of: tuple[Trial, int, str] | None = None  # the trial, its epochs and state that were diagnosed last

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
        """Look several times in a second whether something has changed of what is shown."""
        self.set_interval(_LOOK_EVERY, self._watch)

    def show(self, find: Callable[[], Trial]) -> None:
        """Show a saved trial, once a worker has read it.

        Args:
            find: Finds the trial, in the worker; a TrialbookError of it is shown.
        """
        self._left = self.owner.training
        self._work("shown", lambda: read_shown(find()))

    def show_last(self) -> None:
        """Show the trial that was looked at the last time, or else the last trial of the home, if there is one."""
        remembered = self.owner.remember.get("shown")
        self._work("shown", lambda: read_shown(self._find_last(remembered)), "last")

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
            self._workers.pop("shown", None)
            parent = training.draft.parent
            self.shown = Shown(
                started.trial, run, started.epochs, "training", parent, started.test_images, started.device
            )
            self._show_all()

    def is_following(self, training: Training) -> bool:
        """Return whether a training is what is shown: its user may be looking at another trial."""
        started = training.snapshot.started
        return started is None or (self.shown is not None and self.shown.trial == started.trial)

    def was_left(self, training: Training) -> bool:
        """Return whether another trial was asked for while a training had not started yet, and is to stay."""
        return self._left is training and not self.is_following(training)

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
            line.reading = None
        if shown is None or self._is_busy("diagnosis") or not shown.run.history:
            return
        now = shown.trial, len(shown.run.history), shown.state
        if self._read_of != now:
            self._read_of = now
            self._work("diagnosis", lambda: reading_of(shown.trial))

    def _take_reading(self, reading: Reading | None) -> None:
        if self.shown is not None and self._read_of is not None and self._read_of[0] == self.shown.trial:
            self.query_one(DiagnosisLine).reading = reading
            self.screen.refresh_bindings()
        self._diagnose()

    def look(self) -> None:
        """Take over what has changed within the epoch."""
        training = self.owner.training
        values = FigureValues() if self.shown is None else figures_of(self.shown, training, self.parent_trial)
        self.query_one(Figures).values = values

    def _work(self, group: str, work: Callable[[], Any], name: str = "") -> None:
        """Have a worker read something; what is read later for an earlier wish of the same group is dropped."""
        self._seen[group] = self.owner.lookout.feed.seen
        self._workers[group] = self.run_worker(
            work, name=name or group, group=group, thread=True, exclusive=True, exit_on_error=False
        )

    def _is_busy(self, group: str) -> bool:
        return group in self._workers and not self._workers[group].is_finished

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Take over what a worker has read, unless something else was asked for meanwhile."""
        worker = event.worker
        if self._workers.get(worker.group) is not worker:
            return
        if event.state is WorkerState.SUCCESS:
            take: dict[str, Callable[[Any], None]] = {
                "shown": self._take,
                "last": self._take,
                "again": self._go_on,
                "parent": self._take_parent,
                "overlays": self._take_overlays,
                "diagnosis": self._take_reading,
            }
            take[worker.name](worker.result)
        elif event.state is WorkerState.ERROR and worker.name == "diagnosis":
            self._take_reading(None)  # the curves' own reader tells what is wrong with the files
        elif event.state is WorkerState.ERROR and worker.name == "shown" and worker.error is not None:
            self.owner.tell(failure(worker.error), "error")

    def _watch(self) -> None:
        """Read again what has changed since it was read, whoever has changed it."""
        shown = self.shown
        if shown is None:
            return
        if self._has_gone_on(shown):
            self._work("shown", lambda: read_shown(shown.trial, shown.watched), "again")
        if shown.parent is not None and self._is_behind("parent", shown.parent):
            self._read_parent()
        if any(self._is_behind("overlays", name) for name in self._other_names):
            self._read_overlays()

    def _has_gone_on(self, shown: Shown) -> bool:
        """Return whether the files of the shown trial may say more than is shown."""
        training, trial = self.owner.training, shown.trial
        if self._is_own(trial):  # from memory: its files are a moment behind
            return False
        if shown.elsewhere is not None:
            return not self._is_busy("shown")
        if training is not None and training.snapshot.not_saved and self.is_following(training):
            return False
        is_there = trial.id in self.owner.lookout.feed.seen  # the curves of one that was deleted stay
        return is_there and not self._is_taken_back(trial) and self._is_behind("shown", trial.id)

    def _is_behind(self, group: str, trial_id: str) -> bool:
        """Return whether a trial has changed since a worker was asked to read it, and none is at it now."""
        if self._is_busy(group):
            return False
        before, now = self._seen.get(group, {}).get(trial_id), self.owner.lookout.feed.seen.get(trial_id)
        return (before and before.listed) is not (now and now.listed)

    def _go_on(self, now: Shown) -> None:
        """Show what has changed of the shown trial; where another process has trained it, say how that ended."""
        before, self.shown = self.shown, now
        if before is None or now.run != before.run or now.state != before.state:
            self.draw()
            self.screen.refresh_bindings()
        else:
            self.look()
        if before is not None and before.elsewhere and now.elsewhere is None and not self._is_taken_back(now.trial):
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
        self.parent_trial = None
        self._read_parent()
        self._read_overlays()
        self.draw()

    def _read_parent(self) -> None:
        shown, before, home = self.shown, self.parent_trial, self.owner.home
        if shown is not None:
            self._work("parent", lambda: read_parent(home, shown.trial, shown.parent, before))

    def _take_parent(self, parent: Parent | None) -> None:
        self.parent_trial = parent
        self.draw()

    @property
    def _overlay_names(self) -> list[str]:
        """The ids of the trials that were chosen to be drawn too."""
        names = self.owner.remember.get("overlays")
        return [str(name) for name in names] if isinstance(names, list) else []

    @property
    def _other_names(self) -> list[str]:
        """Those of them that are not the shown one."""
        return [name for name in self._overlay_names if self.shown is None or name != self.shown.trial.id]

    @property
    def overlays(self) -> tuple[Run, ...]:
        """The curves of other trials that are drawn too."""
        return tuple(each.run for each in self.overlaid)

    @property
    def compared(self) -> list[str]:
        """The ids of the trials that are drawn: the parent, the shown one and the overlaid ones."""
        if self.shown is None:
            return []
        parent = [self.parent_trial.shown] if self.parent_trial is not None and self.parent_run is not None else []
        return list(dict.fromkeys(each.trial.id for each in (*parent, self.shown, *self.overlaid)))

    def _read_overlays(self) -> None:
        home, names, before = self.owner.home, self._other_names, self.overlaid
        self._work("overlays", lambda: read_overlays(home, names, before))

    def _take_overlays(self, overlaid: tuple[Shown, ...]) -> None:
        self.overlaid = overlaid
        self.draw()

    @on(CurvesPlot.ViewChanged)
    def _view_changed(self) -> None:
        self.owner.state_changed()

    @on(CurvesPlot.OverlayAsked)
    def _overlay_asked(self) -> None:
        from tui.screens.choose import OverlayScreen  # noqa: PLC0415 - not needed for the first screen

        purpose = "Draw the curves of saved trials too"
        self.app.push_screen(OverlayScreen(purpose, set(self._overlay_names)), self.choose_overlays)
