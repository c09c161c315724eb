"""The app: it owns the draft, the training, the engine and what is remembered; the screens show them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.content import Content
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from core.errors import TrialbookError
from core.text import printable
from tui.actions import BY_ID, bindings
from tui.draft import Edits, begun, draft_from_dict, draft_to_dict, edited
from tui.engine import Engine
from tui.feed import Lookout
from tui.garbage import Tidier, let_go_of_closed
from tui.keymap import config_file, read_keys
from tui.leaving import Leaving
from tui.messages import EngineLoaded, TrainingChanged, TrialsSeen
from tui.safe import safe
from tui.screens.workbench import Workbench
from tui.state import read_state, state_file, write_state
from tui.threads import FreshThreads
from tui.trainings import Trainings

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.folder import OnProgress
    from core.settings import DataSettings
    from core.trials.trial import Trial
    from tui.downloads import Downloads
    from tui.training import Training

_TEXTUALS = ("Theme", "Screenshot")
_PAUSE = 1.5  # seconds that a training has to pause before the process is suspended
_LOOK_AGAIN = 0.02
_SAVE_AFTER = 1.0  # seconds from an edit to the disk
_TIDY_EVERY = 5.0  # seconds
_IMPORT_AFTER = 0.1  # seconds from the first look at the trials to PyTorch: a list opened at once is drawn first
_IMPORT_AT_LATEST = 0.5  # seconds from the first screen: the look may have to wait for a slow disk
_TOAST_READ = 1.5  # seconds that a toast stays at least
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def _palette() -> type[Provider]:
    from tui.palette import TrialbookCommands  # noqa: PLC0415 - not needed for the first screen

    return TrialbookCommands


class TrialbookApp(App[None]):
    """The console on one home directory.

    Attributes:
        home: The directory with `saved_models/` in it.
        edits: The draft of the next trial, with undo and redo.
        engine: PyTorch and the last data set.
        trainings: What is trained.
        device: What "auto" trains on; "" before PyTorch is there.
        engine_error: Why PyTorch cannot be imported; "" if it can.
        remember: JSON values that are kept over restarts.
        lookout: The home's trials, looked at again and again.
        leaving: How the app ends.
    """

    TITLE = "Trialbook"
    BINDINGS: ClassVar[list[BindingType]] = [row for row in bindings("app") if row.id != "back"]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = App.COMMANDS | {_palette}
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (60, "-narrow"), (108, "-normal"), (170, "-wide")]  # noqa: RUF012 - as App has it
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (16, "-low"), (30, "-tall")]  # noqa: RUF012

    def __init__(self, home: Path) -> None:
        """Open the console on a home directory; what was remembered of it comes back."""
        super().__init__()
        self.home = home.absolute()  # also where the current directory is removed meanwhile
        self._state_file = state_file(home)
        self.remember = read_state(self._state_file)
        self.edits: Edits = Edits(draft_from_dict(self.remember.get("draft")), self._draft_changed)
        self.engine = Engine()
        self._keys, self._key_problems = read_keys(config_file())
        self.lookout = Lookout(self)
        let_go_of_closed()
        self._tidier = Tidier()
        self.device = ""
        self.engine_error = ""
        self.trainings: Trainings = Trainings(self)
        self.leaving = Leaving(self)
        self._resumed: Training | None = None  # the training that goes on when the process does
        self._words = Content("")
        self._notified: float | None = None  # when the last toast was shown, by `time.monotonic`
        self._save_timer: Timer | None = None
        self._saving = threading.Lock()
        self._downloads: Downloads | None = None

    # start and end

    @property
    def engine_ready(self) -> bool:
        """Whether PyTorch has been imported."""
        return self.engine.ready

    @property
    def training(self) -> Training | None:
        """The training that runs or ran last, or None."""
        return self.trainings.current

    @property
    def downloads(self) -> Downloads:
        """The download that runs or ran last."""
        if self._downloads is None:
            from tui.downloads import Downloads  # noqa: PLC0415 - not needed for the first screen

            self._downloads = Downloads()
        return self._downloads

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return Textual's own commands that the table of actions does not have."""
        return (command for command in super().get_system_commands(screen) if command.title in _TEXTUALS)

    def get_default_screen(self) -> Workbench:
        """Return the workbench."""
        return Workbench()

    def on_mount(self) -> None:
        """Bring back theme and layout, listen to signals, and import PyTorch once the first screen is there."""
        theme = self.remember.get("theme")
        if isinstance(theme, str) and theme in self.available_themes and "TEXTUAL_THEME" not in os.environ:
            self.theme = theme
        self.set_keymap(self._keys)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(FreshThreads())
        for number in _SIGNALS:
            # a closed terminal ends the console even under nohup: without a screen it has nothing to go on for
            if number == signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                with contextlib.suppress(RuntimeError, ValueError):  # not in the main thread
                    loop.add_signal_handler(number, self._end_by_signal, number)
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.app_resume_signal.subscribe(self, self._is_back)

    async def on_event(self, event: events.Event) -> None:
        """Take note of what is typed and clicked; Textual handles it.

        A key also takes toasts away, once they could be read: they cover what its user goes on with.
        """
        self._tidier.note(event)
        if isinstance(event, events.Key) and self._notified and time.monotonic() - self._notified > _TOAST_READ:
            self._notified = None
            self.clear_notifications()
        await super().on_event(event)

    def _theme_changed(self, theme: Theme) -> None:
        if theme.name != os.environ.get("TEXTUAL_THEME"):  # which is asked for from outside, for this once
            self.remember["theme"] = theme.name
            self.state_changed()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's filters; under NO_COLOR the one that suits the theme, which may have changed since."""
        if not self.no_color:
            return super().get_line_filters()
        right = NoColor if self.native_ansi_color else Monochrome
        return [right() if isinstance(each, NoColor | Monochrome) else each for each in super().get_line_filters()]

    def on_ready(self) -> None:
        """Begin what the first screen need not wait for."""
        for problem in self._key_problems:  # only now is there a screen to show them on
            self.tell(problem, "warning")
        self.lookout.look()
        self.set_timer(_IMPORT_AT_LATEST, self._start_engine)
        self.set_interval(_TIDY_EVERY, self._tidier.tidy)
        self.workbench.view.show_last()

    def _start_engine(self) -> None:
        """Begin to import PyTorch: after the first look at the trials, which a slow disk must not hold up for long."""
        self.engine.start(lambda error, device: self.post_message(EngineLoaded(error, device)))

    @property
    def workbench(self) -> Workbench:
        """The first screen."""
        bench = self.screen_stack[0]
        assert isinstance(bench, Workbench)  # noqa: S101 - get_default_screen makes it
        return bench

    def on_engine_loaded(self, message: EngineLoaded) -> None:
        """Say that PyTorch is there."""
        self.device, self.engine_error = message.device, message.error
        if self.screen_stack:  # else the app is closing
            self.workbench.show_heading()

    def on_trials_seen(self, message: TrialsSeen) -> None:
        """Take over what the home's trials are now."""
        self.lookout.take(message.feed, message.seconds)
        self.set_timer(_IMPORT_AFTER, self._start_engine)

    async def action_quit(self) -> None:
        """Leave; ask how if a training runs."""
        self.leaving.ask()

    async def action_suspend_process(self) -> None:  # type: ignore[override]  # actions may wait
        """Go back to the shell, with the training paused so that its clock stands still too."""
        training = self.training
        is_training = training is not None and training.snapshot.phase == "training"
        if training is not None and is_training and not training.control.paused:
            training.control.pause()
            deadline = time.monotonic() + _PAUSE
            while training.snapshot.phase == "training" and time.monotonic() < deadline:
                await asyncio.sleep(_LOOK_AGAIN)
            self._resumed = training
        super().action_suspend_process()

    def _is_back(self, _app: App[None]) -> None:
        if self._resumed is not None:
            self._resumed.control.resume()
            self._resumed = None
        self.refresh(layout=True)  # the terminal has forgotten all

    def _end_by_signal(self, number: int) -> None:
        self.leaving.by_signal(number, hangup=number == signal.SIGHUP)

    def on_unmount(self) -> None:
        """Save what is remembered; a training must not outlive the screen unseen."""
        if self.training is not None:
            self.training.control.stop()
        self.write_state(self.state())

    # what is remembered

    def state_changed(self) -> None:
        """Save what is remembered in a second; changes until then are saved together."""
        if self._save_timer is not None:
            self._save_timer.stop()
        self._save_timer = self.set_timer(_SAVE_AFTER, self._save_state)

    def _save_state(self) -> None:
        values = self.state()
        self.run_worker(lambda: self.write_state(values), thread=True, exit_on_error=False, group="state")

    def write_state(self, values: dict[str, Any]) -> None:
        """Save what is to be remembered."""
        # one at a time, lest a slow one bring back what was remembered before; and a draft that cannot be kept must not
        # keep anybody from working
        with self._saving, contextlib.suppress(TrialbookError):
            write_state(self._state_file, values)

    def state(self) -> dict[str, Any]:
        """Return what is to be remembered now."""
        self.remember |= {"version": 1, "draft": draft_to_dict(self.edits.draft)}
        with contextlib.suppress(Exception):  # while the app is torn down there may be no screen left to ask
            self.remember |= self.workbench.layout_state()
        return self.remember

    def key_of(self, action: str) -> str:
        """Return the key of an action as people read it: the one that the user has chosen, or the table's."""
        keys = self._keys.get(action) or BY_ID[action].keys
        return self.get_key_display(Binding(keys.split(",")[0], action))

    # the draft

    def _draft_changed(self) -> None:
        self.workbench.draft_changed()
        self.say_ready()
        self.state_changed()

    def begin_from(self, name: str) -> None:
        """Begin the draft from a preset or from a saved trial, by its name or id."""
        from core.presets import all_presets  # noqa: PLC0415 - the first screen needs neither
        from core.trials.store import find_trial  # noqa: PLC0415

        presets = all_presets()
        if name in presets:
            self.edits.change(begun(presets[name].settings, name))
            self.say(safe(f"begins from {name}: {presets[name].about}"))
            return
        try:
            trial = find_trial(self.home, name)
            self.edits.change(begun(trial.settings(), trial.id))
        except TrialbookError as error:
            self.tell(str(error), "error")
        else:
            self.say(safe(f"begins from trial {trial.id}"))

    def choose_source(self, source: str) -> None:
        """Put a data set's name, or an absolute folder, into the draft."""
        draft = edited(self.edits.draft, "data.source", source)
        if draft.settings.data.image_size != "auto":
            draft = edited(draft, "data.image_size", "auto")
        self.edits.change(draft)

    # the training

    def load_dataset(self, settings: DataSettings, on_progress: OnProgress) -> Dataset:
        """Return a data set, from memory if it was the last one. For worker threads.

        Raises:
            DataError: The data cannot be had or read.
        """
        return self.engine.load_dataset(settings, on_progress)

    def on_training_changed(self, message: TrainingChanged) -> None:
        """Show what is new of the training; say how it ended."""
        if self.screen_stack:  # else the app is closing
            self.trainings.changed(message.training)

    # what is shown

    def say(self, words: Content) -> None:
        """Show a line above the footer."""
        self._words = words
        self.workbench.look()

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a text, which may be foreign, above the footer and as a toast."""
        styles = {"error": "$text-error", "warning": "$text-warning"}
        self.say(safe(text, styles.get(severity, "")))
        self.notify(printable(text), severity=severity, markup=False)

    def notify(self, message: str, **options: Any) -> None:
        """Show a toast."""
        self._notified = time.monotonic()
        super().notify(message, **options)

    def status_words(self) -> Content:
        """Return the line above the footer."""
        return self._words

    def say_ready(self) -> None:
        """Say that a training can be started, or why not, or that one runs."""
        if self.training is not None and self.training.is_running:
            self.say(Content("paused" if self.training.control.paused else "training"))
            return
        problem = self.edits.draft.problem or self.workbench.data_problem
        if problem:
            self.say(safe(f"✗ start is off: {problem}", "$text-error"))
        else:
            self.say(Content(f"ready: {self.key_of('start')} starts the training"))

    @property
    def shown_trial(self) -> Trial | None:
        """The trial that the curves show, if it has weights to evaluate."""
        shown = self.workbench.view.shown
        return shown.trial if shown is not None and shown.run.history else None

    def show_trial(self, trial: Trial) -> None:
        """Show a saved trial's curves in the workbench, also where only one panel has room."""
        self.workbench.view.show(lambda: trial)
        self.workbench.action_show_panel("curves")

    def action_help_quit(self) -> None:
        """Say which key leaves: Ctrl+C, which Textual binds to this, is what people try first."""
        self.say(Content(f"{self.key_of('quit')} leaves Trialbook"))

    def action_help(self) -> None:
        """Show the keys that do something here."""
        from tui.screens.dialogs import HelpDialog  # noqa: PLC0415

        if not isinstance(self.screen, HelpDialog):
            self.push_screen(HelpDialog(self.screen))
