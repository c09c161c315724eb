"""A saved trial epoch by epoch, like a film: confusion matrix, accuracy and recalls, and what each epoch changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from core.film import Film, Frame, frame_of, read_film, recalls_of
from core.verdict import p_text
from tui.actions import bindings
from tui.plot.curves import best_of
from tui.runs import read_shown
from tui.safe import safe
from tui.screens.page import Page
from tui.widgets.film_strip import FilmStrip
from tui.widgets.matrix import Matrix
from tui.widgets.recalls import Recalls
from tui.words import failure, percent

if TYPE_CHECKING:
    from tui.app import TrialbookApp

_SECONDS = 20  # that a long film takes
_SLOWEST, _FASTEST = 1 / 4, 1 / 15  # seconds that an epoch is shown while it plays
_ROOMY = 100  # columns from which there is room for more words
_PANELS = ("film", "matrix", "recalls")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the worker has read: the film, what the trial is called, and its best epoch or 0."""

    film: Film
    title: str
    best: int


class ScrubScreen(Page):
    """Shows one epoch of a trial at a time, from what is stored with it: no weights, no data set."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("scrub")]
    DEFAULT_CSS = """
    ScrubScreen #film-title { height: 1; padding: 0 1; background: $panel; }
    ScrubScreen #film-now { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ScrubScreen.-failed #film-now { height: 1fr; text-wrap: wrap; }
    ScrubScreen.-failed #film-panels, ScrubScreen.-failed FilmStrip { display: none; }
    ScrubScreen #film-panels { height: auto; max-height: 15; }
    ScrubScreen.-tall #film-panels { max-height: 65%; }
    ScrubScreen .panel {
        height: auto; max-height: 100%; border: round $foreground 40%; border-title-color: $foreground;
    }
    ScrubScreen .panel:focus-within {
        border: round $accent; border-title-color: $accent; border-title-style: bold;
    }
    ScrubScreen #matrix-panel { width: 1fr; }
    ScrubScreen #recalls-panel { width: 17; }
    ScrubScreen.-normal #recalls-panel { width: 46; }
    ScrubScreen.-wide #recalls-panel { width: 70; }
    ScrubScreen Matrix, ScrubScreen Recalls { height: auto; }
    ScrubScreen #film-cell { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ScrubScreen FilmStrip { height: 1fr; margin: 0 1; }
    ScrubScreen.-tall FilmStrip { margin: 1; }
    """

    def __init__(self, trial_id: str) -> None:
        """Make the screen, which reads the trial as soon as it is shown."""
        super().__init__()
        self._trial_id = trial_id
        self._reader: Worker[_Loaded] | None = None
        self._loaded: _Loaded | None = None
        self._frame: Frame | None = None
        self._timer: Timer | None = None

    def compose_page(self) -> ComposeResult:
        """Compose what is said of the epoch, the matrix beside the recalls, and the strip below."""
        yield Static(id="film-title")
        yield Static(id="film-now")
        with Horizontal(id="film-panels"):
            yield from _panel("matrix", "Confusion matrix: true class down, predicted across", Matrix("matrix"))
            yield from _panel("recalls", "Classes", Recalls("recalls"))
        yield FilmStrip("film")

    def on_mount(self) -> None:
        """Read the trial."""
        self.query_one(Matrix).has_images = False
        self.query_one(FilmStrip).focus()
        home, name = cast("TrialbookApp", self.app).home, self._trial_id
        self.query_one("#film-title", Static).update(safe(f"Reading {name} …", "bold"))
        self._reader = self.run_worker(lambda: _read(home, name), name="film", thread=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the last epoch, or why there is none."""
        if event.worker is not self._reader:
            return
        if event.state is WorkerState.SUCCESS and self._reader.result is not None:
            self._loaded = loaded = self._reader.result
            self.query_one("#film-title", Static).update(
                Content.assemble(
                    safe(loaded.title, "bold", 40), f"   epoch by epoch, on {len(loaded.film.labels):,} test images"
                )
            )
            self.query_one(FilmStrip).show(loaded.film.accuracies, loaded.best)
            self.go_to(loaded.film.epochs)
            self.refresh_bindings()
        elif event.state is WorkerState.ERROR:
            text = failure(event.worker.error)
            self.add_class("-failed")
            self.query_one("#film-title", Static).update(safe(self._trial_id, "bold"))
            self.query_one("#film-now", Static).update(Content.assemble(("✗ ", "bold $error"), safe(text, "$error")))

    def go_to(self, epoch: int) -> None:
        """Show an epoch; one beyond either end means that end."""
        if self._loaded is None:
            return
        film = self._loaded.film
        epoch = min(max(epoch, 1), film.epochs)
        if self._frame is not None and self._frame.epoch == epoch:
            return
        is_first, self._frame = self._frame is None, frame_of(film, epoch)
        before = recalls_of(film, epoch - 1) if epoch > 1 else ()
        self.query_one(FilmStrip).position = epoch
        self.query_one(Matrix).show(film.classes, self._frame.confusion_matrix, stay=not is_first)
        self.query_one(Recalls).show(film.classes, self._frame.recalls, before)
        self._say(self._frame)
        if epoch == film.epochs:
            self._hold()

    def _say(self, frame: Frame) -> None:
        """Say how good the epoch is and what it has changed."""
        assert self._loaded is not None  # noqa: S101 - `go_to` has a film
        is_narrow = self.size.width < _ROOMY
        low, high = frame.interval
        line = Content.assemble(
            ("▶ " if self._timer is not None else "", "bold $accent"),
            (f"epoch {frame.epoch}/{self._loaded.film.epochs}", "bold $accent"),
            (" ◆" if frame.epoch == self._loaded.best else "", "$text-success"),
            (f"  accuracy {percent(frame.accuracy)}", "bold"),
            f"  {frame.right:,} of {frame.images:,}" + ("" if is_narrow else " test images"),
            f"  95 %{'' if is_narrow else ' interval'}: {100 * low:.2f} to {percent(high)}",
        )
        self.query_one("#film-now", Static).update(Content("\n").join([line, _since(frame, is_narrow)]), layout=False)

    def on_resize(self) -> None:
        """Say more, or less, where the room has changed."""
        if self._frame is not None:
            self._say(self._frame)

    @on(Matrix.Moved)
    def _cell_moved(self) -> None:
        self.query_one("#film-cell", Static).update(safe(self.query_one(Matrix).described), layout=False)

    @on(FilmStrip.Moved)
    def _moved(self, event: FilmStrip.Moved) -> None:
        self._hold()
        self.go_to(event.epoch)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer only what does something."""
        if action == "best":
            return self._loaded is not None and self._loaded.best > 0
        return action not in ("play", "step", "next_panel", "previous_panel") or self._loaded is not None

    def label_of(self, action: str) -> str | None:
        """Return the footer's word for an action, where it changes."""
        return "Hold" if action == "scrub.play" and self._timer is not None else None

    def action_step(self, by: int) -> None:
        """Go so many epochs on."""
        self._hold()
        if self._frame is not None:
            self.go_to(self._frame.epoch + by)

    def action_best(self) -> None:
        """Go to the best epoch."""
        self._hold()
        if self._loaded is not None:
            self.go_to(self._loaded.best)

    def action_play(self) -> None:
        """Play from here, or from the beginning where this is the end; or hold."""
        if self._timer is not None:
            self._hold()
        elif self._loaded is not None and self._frame is not None and self._loaded.film.epochs > 1:
            epochs = self._loaded.film.epochs
            self._timer = self.set_interval(min(max(_SECONDS / epochs, _FASTEST), _SLOWEST), self._play_on)
            if self._frame.epoch == epochs:
                self.go_to(1)
            self._say(self._frame)
            self.refresh_bindings()

    def _play_on(self) -> None:
        if self._frame is not None:
            self.go_to(self._frame.epoch + 1)

    def _hold(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            if self._frame is not None:
                self._say(self._frame)
            self.refresh_bindings()

    def action_next_panel(self) -> None:
        """Go to the next panel."""
        self._go(1)

    def action_previous_panel(self) -> None:
        """Go to the panel before."""
        self._go(-1)

    def _go(self, by: int) -> None:
        here = self.focused.id if self.focused is not None else None
        at = _PANELS.index(here) + by if here in _PANELS else 0
        self.query_one(f"#{_PANELS[at % len(_PANELS)]}").focus()


def _panel(name: str, title: str, content: Widget) -> ComposeResult:
    with Vertical(id=f"{name}-panel", classes="panel") as panel:
        panel.border_title = title
        yield content
        if name == "matrix":
            yield Static(id="film-cell")


def _read(home: Path, name: str) -> _Loaded:
    from core.trials.store import find_trial  # noqa: PLC0415 - in the worker

    trial = find_trial(home, name)
    film, run = read_film(trial), read_shown(trial).run
    best = best_of(run)
    return _Loaded(film, run.title, best.epoch if best is not None and best.epoch <= film.epochs else 0)


def _since(frame: Frame, is_narrow: bool) -> Content:
    """Return in a line what the epoch has changed."""
    verdict = frame.since
    if verdict is None:
        return Content.styled("the first epoch: there is none before it to compare with", "$text-muted")
    words = ("", "") if is_narrow else (" gained", " lost")
    found = "more than chance" if verdict.is_distinguishable else "not distinguishable"
    return Content.assemble(
        (f"since {'' if is_narrow else 'epoch '}{frame.epoch - 1}: ", "$text-muted"),
        f"{verdict.points:+.2f} points (",
        (f"+{verdict.gained:,}{words[0]}", "$text-success"),
        " ",
        (f"-{verdict.lost:,}{words[1]}", "$text-error"),
        f" images), {found}, McNemar {p_text(verdict.p)}",
    )
