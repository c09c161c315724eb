"""The trainings of a console, one at a time: begun, asked for something, followed, and told how they ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from textual.content import Content

from core.errors import TrialbookError
from tui.draft import after, begun, edited
from tui.messages import TrainingChanged
from tui.runs import ending_words
from tui.safe import safe
from tui.training import GoOn, Training

if TYPE_CHECKING:
    from core.trials.lease import Request
    from core.trials.trial import Trial
    from tui.app import TrialbookApp
    from tui.draft import Draft
    from tui.runs import Shown
    from tui.training import Snapshot


class Trainings:
    """What the app trains.

    Attributes:
        current: The training that runs or ran last, or None.
        ended: The last training whose end was told, or None.
    """

    def __init__(self, app: TrialbookApp) -> None:
        """Train nothing yet."""
        self.current: Training | None = None
        self._app = app
        self._begun: Training | None = None  # the last training whose start was shown
        self.ended: Training | None = None
        self._not_saved = ""  # why the last epoch is not on the disk, as far as it was told

    def start(self, data_problem: str, branch: Literal["last", "best"] | None = None) -> None:
        """Train the draft, unless something is wrong with it or a training runs.

        Args:
            data_problem: Why the data cannot be used; "" if it can as far as is known.
            branch: The epoch of the parent trial to branch off at; None: the trial begins anew.
        """
        draft = self._app.edits.draft
        problem = draft.problem or data_problem
        if problem:
            self._app.tell(f"Cannot start: {problem}", "error")
            return
        go_on = None
        if branch is not None:
            parent = self._parent_of_draft()
            if parent is None:
                return
            go_on = GoOn(parent, branch=branch)
        self._train(draft, go_on)

    def branch(self, data_problem: str) -> None:
        """Train the draft from an epoch of its parent trial on, last or best, once its user has chosen.

        Args:
            data_problem: As `start` takes it.
        """
        from tui.screens.leave import BranchDialog  # noqa: PLC0415 - as all screens: when it is opened

        epochs = self._epochs_of_parent()
        if not epochs:
            self._tell_no_parent("a saved trial with a checkpoint")
            return

        def answered(at: Literal["last", "best"] | None) -> None:
            if at is not None:
                self._branch_at(at, epochs[at], data_problem)

        self._app.push_screen(BranchDialog(epochs), answered)

    def _branch_at(self, at: Literal["last", "best"], epoch: int, data_problem: str) -> None:
        """Branch off an epoch; ask for more epochs where the draft has no more than are there already."""
        draft = self._app.edits.draft
        if draft.settings.training.epochs > epoch or data_problem or draft.wrong:
            self.start(data_problem, at)
            return
        from tui.screens.leave import EpochsDialog  # noqa: PLC0415 - as all screens: when it is opened

        def answered(epochs: int | None) -> None:
            if epochs is not None:
                self._app.edits.change(edited(self._app.edits.draft, "training.epochs", epochs))
                self.start(data_problem, at)

        self._app.push_screen(EpochsDialog(epoch), answered)

    def _epochs_of_parent(self) -> dict[str, int]:
        """Return the last and the best epoch of the trial that the draft begins from, if they have a checkpoint."""
        from core.trials.lineage import parent_trial  # noqa: PLC0415 - the first screen needs it not

        parent = parent_trial(self._app.home, self._app.edits.draft.parent)
        if parent is None:
            return {}
        try:
            summary = parent.summary()
        except TrialbookError:
            return {}
        found: dict[str, int] = {}
        for which in ("last", "best"):
            figures = summary.get(which)
            epoch = figures.get("epoch") if isinstance(figures, dict) else None
            if isinstance(epoch, int) and parent.checkpoint(which == "best").is_file():
                found[which] = epoch
        return found

    def _parent_of_draft(self) -> Trial | None:
        """Return the saved trial that the draft begins from; tell why there is none."""
        from core.trials.lineage import parent_trial  # noqa: PLC0415 - the first screen needs it not

        parent = parent_trial(self._app.home, self._app.edits.draft.parent)
        if parent is None:
            self._tell_no_parent("a saved trial")
        return parent

    def _tell_no_parent(self, what: str) -> None:
        key = self._app.key_of("begin")
        self._app.tell(f"Only what begins from {what} can branch off it: {key} chooses one to begin from", "error")

    def resume(self) -> None:
        """Go on with the shown trial here, also with one that another process trains; a finished one gets epochs."""
        shown = self._app.workbench.view.shown
        if shown is None:
            return
        if shown.state != "finished":
            self._go_on_with(shown, None)
            return
        if len(shown.run.history) < shown.epochs:
            key = self._app.key_of("branch")
            self._app.say(Content(f"early stopping has ended it; a branch ({key}) with more patience goes on"))
            return
        from tui.screens.leave import EpochsDialog  # noqa: PLC0415 - as all screens: when it is opened

        def answered(epochs: int | None) -> None:
            if epochs is not None:
                self._go_on_with(shown, epochs)

        self._app.push_screen(EpochsDialog(len(shown.run.history)), answered)

    def _go_on_with(self, shown: Shown, epochs: int | None) -> None:
        trial = shown.trial
        try:
            settings = trial.settings()
        except TrialbookError as error:
            self._app.tell(str(error), "error")
            return
        draft = replace(begun(settings, shown.parent), name=trial.about().name)
        self._train(draft, GoOn(trial, epochs, elsewhere=shown.elsewhere is not None))

    def _train(self, draft: Draft, go_on: GoOn | None) -> None:
        if self.is_running:
            keys = f"{self._app.key_of('stop')} stops it, {self._app.key_of('finish')} ends it after this epoch"
            self._app.tell(f"A training runs: {keys}.", "warning")
            return
        self.current = Training(
            draft,
            self._app.home,
            self._app.load_dataset,
            lambda training: self._app.post_message(TrainingChanged(training)),
            go_on,
        )
        self._app.run_worker(self.current.run, thread=True, exit_on_error=False, group="training")
        self._app.say(Content("training"))
        self._app.workbench.refresh_bindings()

    @property
    def is_running(self) -> bool:
        """Whether a training runs here."""
        return self.current is not None and self.current.is_running

    @property
    def is_running_elsewhere(self) -> bool:
        """Whether none runs here and another process trains the trial that is shown: that is what keys mean then."""
        return not self.is_running and self._elsewhere is not None

    @property
    def is_paused(self) -> bool:
        """Whether the training that keys mean is paused."""
        if self.current is not None and self.current.is_running:
            return self.current.control.paused
        return self._elsewhere is not None and self._elsewhere.phase == "paused"

    @property
    def _elsewhere(self) -> Snapshot | None:
        """How the shown trial's training by another process stands, or None."""
        shown = self._app.workbench.view.shown
        return shown.elsewhere if shown is not None else None

    def pause(self) -> None:
        """Pause the training, or let it go on."""
        if self.is_running_elsewhere:
            self._ask_elsewhere("resume" if self.is_paused else "pause")
        elif self.current is not None:
            control = self.current.control
            if control.paused:
                control.resume()
                self._app.say(Content("training"))
            else:
                control.pause()
                self._app.say(Content("paused" if control.paused else "it is ending, and is not paused any more"))
            self._app.workbench.refresh_bindings()

    def end(self, *, at_once: bool) -> None:
        """Stop the training now, or after this epoch."""
        if self.is_running_elsewhere:
            self._ask_elsewhere("stop" if at_once else "finish")
        elif self.current is not None and self.current.is_running:
            if at_once:
                self.current.control.stop()
                self._app.say(Content("stopping..."))
            else:
                self.current.control.finish_epoch()
                self._app.say(Content("finishing this epoch..."))

    def _ask_elsewhere(self, request: Request) -> None:
        """Ask the process that trains the shown trial to pause, resume, finish after the epoch or stop."""
        from core.trials.lease import ask  # noqa: PLC0415 - the first screen needs it not

        shown = self._app.workbench.view.shown
        if shown is None:
            return
        told = {"pause": "pause", "resume": "go on", "finish": "finish this epoch", "stop": "stop"}[request]
        try:
            ask(shown.trial, request)
        except TrialbookError as error:
            self._app.tell(str(error), "error")
        else:
            self._app.say(Content(f"the other process is asked to {told}"))

    def changed(self, training: Training) -> None:
        """Show what is new of the training; say how it ended."""
        now = training.snapshot
        if now.started is not None and training is not self._begun:
            self._begun = training
            self._training_begun(training, now.started.trial)
        if now.not_saved and now.not_saved != self._not_saved and now.outcome is None:
            self._app.tell(f"{now.not_saved}; the training goes on in memory", "warning")
        self._not_saved = now.not_saved
        self._app.workbench.view.follow(training)
        self._app.workbench.look()
        self._app.workbench.refresh_bindings()
        # messages that were under way when it ended see its last snapshot too
        if now.phase == "ended" and training is not self.ended:
            self.ended = training
            self._training_ended(training)

    def _training_begun(self, training: Training, trial: Trial) -> None:
        if not self._app.workbench.view.was_left(training):
            self._app.workbench.view.begin(training)
        for remark in training.snapshot.remarks:
            self._app.tell(remark, "warning")
        self._app.say(Content("training"))
        if training.go_on is not None and training.go_on.branch is None:
            return  # what is being edited has nothing to do with the trial that goes on
        # the next trial begins from this one: what is edited from now on is a difference to it
        self._app.edits.amend(lambda draft: after(draft, training.draft, trial.id))

    def _training_ended(self, training: Training) -> None:
        now = training.snapshot
        if self._app.leaving.is_awaited:
            self._app.leaving.end([text for text in (now.error, now.not_saved) if text])
            return
        self._app.bell()
        if now.error:
            from tui.screens.dialogs import TextDialog  # noqa: PLC0415

            self._app.say(safe(f"✗ {now.error}", "$text-error"))
            many = len(now.history)
            kept = f"{many} complete epochs are kept." if many > 1 else "1 complete epoch is kept." * many
            parts = filter(None, (now.error, now.not_saved or kept))
            self._app.push_screen(TextDialog("The training has failed", "\n\n".join(parts)))
            return
        if now.not_saved:
            from tui.screens.dialogs import TextDialog  # noqa: PLC0415

            self._app.push_screen(TextDialog("The trial could not be saved in its home", now.not_saved))
        self._app.say(safe(ending_words(now)))
        lines = [ending_words(now), *([str(now.selection)] if now.selection else [])]
        self._app.notify("\n".join(lines), title="Training ended", timeout=6, markup=False)
