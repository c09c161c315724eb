"""What a saved model does on a test set: scores per class, the confusion matrix, and the images themselves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from core.settings import DataSettings
from core.text import printable
from tui.actions import bindings
from tui.safe import safe
from tui.screens.dialogs import TextDialog
from tui.screens.page import PagedPage, tab_line
from tui.threads import until_left
from tui.widgets.bars import ClassBars
from tui.widgets.cells import bar
from tui.widgets.headline import Headline, one_line
from tui.widgets.matrix import Matrix
from tui.widgets.pictures import Picture, Pictures
from tui.words import failure, percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.data.dataset import Dataset
    from core.data.folder import OnProgress
    from core.evaluation import Evaluation
    from tui.app import TrialbookApp

_POLLS = 6  # looks at the progress per second
_PANELS = {"scores": "Scores per class", "matrix": "Confusion matrix", "pictures": "Images"}
_WIDE = 170  # columns from which there is room for three panels beside each other
_TWO = (110, 28)  # columns and rows from which the pictures stand beside the other two panels
_MANY = 20  # classes above which scores and matrix need the whole height


@dataclass(frozen=True, slots=True)
class _Evaluated:
    """What the worker has found out.

    Attributes:
        result: The evaluation.
        matrix: (C, C) its confusion matrix.
        data: The data set that it is of.
        file: What the weights are called.
        remarks: What the user should know.
    """

    result: Evaluation
    matrix: NDArray[np.int64]
    data: Dataset
    file: str
    remarks: tuple[str, ...]


class _Progress:
    """What the worker is doing: it writes, the screen reads a few times a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = ("", 0, 0)

    def set(self, what: str, done: int = 0, total: int = 0) -> None:
        """Say what is done now, how much of it is done, and how much there is; 0 where nobody knows."""
        with self._lock:
            self._now = (what, done, total)

    def get(self) -> tuple[str, int, int]:
        """Return what was set last."""
        with self._lock:
            return self._now


class EvaluationScreen(PagedPage):
    """Evaluates a file of weights in a worker and shows the result."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("evaluation")]
    DEFAULT_CSS = """
    EvaluationScreen #wait { height: 1fr; padding: 1 2; }
    EvaluationScreen #result { height: 1fr; display: none; }
    EvaluationScreen.-done #wait { display: none; }
    EvaluationScreen.-done #result { display: block; }
    EvaluationScreen #remarks { height: auto; max-height: 3; padding: 0 1; display: none; }
    EvaluationScreen #tabs { height: 1; padding: 0 1; display: none; }
    EvaluationScreen #panels, EvaluationScreen #left { width: 1fr; height: 1fr; layout: vertical; }
    EvaluationScreen .panel {
        width: 1fr; height: 1fr; border: round $foreground 40%; border-title-color: $foreground;
    }
    EvaluationScreen .panel:focus-within {
        border: round $accent; border-title-color: $accent; border-title-style: bold;
    }
    EvaluationScreen .words { height: auto; max-height: 2; padding: 0 1; text-style: bold; }
    EvaluationScreen ClassBars { padding: 0 1; }
    EvaluationScreen.-tabs #tabs { display: block; link-style: none; }
    EvaluationScreen.-two #panels { layout: horizontal; }
    EvaluationScreen.-two #left { width: 8fr; }
    EvaluationScreen.-two #pictures-panel { width: 7fr; }
    EvaluationScreen.-two #scores-panel { height: auto; max-height: 45%; }
    EvaluationScreen.-two ClassBars { height: auto; }
    EvaluationScreen.-two.-roomy #left { width: 5fr; }
    EvaluationScreen.-two.-roomy #pictures-panel { width: 6fr; }
    EvaluationScreen.-three #panels { layout: horizontal; }
    EvaluationScreen.-three #left { layout: horizontal; width: 2fr; }
    EvaluationScreen.-three #scores-panel { width: 2fr; }
    EvaluationScreen.-three #matrix-panel { width: 3fr; }
    """

    def __init__(self, path: Path, *, source: str | None = None, bare: DataSettings | None = None) -> None:
        """Make the screen, which evaluates as soon as it is shown.

        Args:
            path: The file of weights, a trial's or a bare one.
            source: The data set to test on, by name or folder; None: the one that the trial was trained on.
            bare: How the inputs of a bare file are normalized, and how a folder's images are resized.
        """
        super().__init__()
        self._path = path
        self._source = source
        self._bare = bare or DataSettings()
        self._progress = _Progress()
        self._worker: Worker[_Evaluated] | None = None
        self._done: _Evaluated | None = None
        self._error = ""
        self._current = "scores"

    def compose_page(self) -> ComposeResult:
        """Compose what is shown while it works, and the panels of the result."""
        yield Static(id="wait")
        with Vertical(id="result"):
            yield Headline()
            yield Static(id="remarks")
            yield Static(id="tabs")
            with Container(id="panels"):
                with Container(id="left"):
                    yield from _panel("scores", ClassBars("scores"))
                    yield from _panel("matrix", Matrix("matrix"), Static(id="matrix-words", classes="words"))
                words = Static(id="pictures-words", classes="words")
                yield from _panel("pictures", Pictures("pictures"), words)

    def on_mount(self) -> None:
        """Begin to evaluate."""
        app = cast("TrialbookApp", self.app)
        self._worker = self.run_worker(
            lambda: _evaluate(self._path, self._source, self._bare, app.load_dataset, self._progress),
            name="evaluate",
            thread=True,
            exit_on_error=False,
        )
        self.set_interval(1 / _POLLS, self._show_wait)
        self._show_wait()

    def _show_wait(self) -> None:
        if self._done is not None or self._error:
            return
        what, done, total = self._progress.get()
        if not what and not cast("TrialbookApp", self.app).engine_ready:
            what = "PyTorch is still loading"
        lines = [safe(self._path, "bold"), Content(f"{printable(what) or 'opening the file'} …")]
        if total:
            amounts = (
                f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB" if what.startswith("down") else f"{done:,} of {total:,}"
            )
            lines.append(Content.assemble((bar(done / total, 40), "$accent on $boost"), f" {amounts}"))
        self.query_one("#wait", Static).update(Content("\n").join([*lines, Content("\nEsc leaves")]))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show the result, or why there is none."""
        if event.worker is not self._worker:
            return
        if event.state is WorkerState.SUCCESS and self._worker.result is not None:
            self._show(self._worker.result)
        elif event.state is WorkerState.ERROR:
            self._error = failure(event.worker.error)
            self._show_error()

    def _show_error(self) -> None:
        copies = cast("TrialbookApp", self.app).key_of("evaluation.copy")
        lines = [
            safe(self._path, "bold"),
            Content.assemble(("✗ ", "bold $error"), safe(self._error, "$error", 2_000)),
            Content(f"\nEsc goes back, {copies} copies the line"),
        ]
        self.query_one("#wait", Static).update(Content("\n").join(lines))
        self.refresh_bindings()

    def _show(self, done: _Evaluated) -> None:
        self._done = done
        result = done.result
        self.add_class("-done")
        self.query_one(Headline).show(result, done.file, done.data.source)
        remarks = self.query_one("#remarks", Static)
        remarks.update(Content("\n").join([safe(f"! {text}", "$text-warning") for text in done.remarks]))
        remarks.display = bool(done.remarks)
        self.query_one(ClassBars).show(result.per_class)
        self.query_one(Matrix).show(result.classes, done.matrix)
        self._show_mistakes()
        self.action_show_panel(self._current)

    @on(Pictures.AllWanted)
    def _show_mistakes(self) -> None:
        if self._done is not None:
            found = self._done.result.mistakes()
            title = f"Most confident mistakes: {len(found):,}" if len(found) else "No mistakes"
            self._show_pictures(found, title, "no mistakes: every image was classified rightly")

    @on(Matrix.Opened)
    def _show_cell(self, event: Matrix.Opened) -> None:
        """Show the images of a cell of the matrix."""
        if self._done is None:
            return
        found = self._done.result.images_of(event.true, event.predicted)
        words = self.query_one(Matrix).described
        self._show_pictures(found, words, "no images in this cell", can_go_back=True)
        self.action_show_panel("pictures")

    def _show_pictures(self, found: NDArray[np.intp], title: str, empty: str, *, can_go_back: bool = False) -> None:
        if self._done is None:
            return
        pictures = self.query_one(Pictures)
        pictures.can_go_back = can_go_back
        pictures.show(self._done.data.test.images.numpy(), found, self._describe, empty=empty)
        self.query_one("#pictures-panel").border_title = safe(title, limit=70)
        self.refresh_bindings()

    def _describe(self, index: int) -> Picture:
        if self._done is None:
            return Picture("", "", 0.0)
        result = self._done.result
        true, predicted = (result.classes[int(labels[index])] for labels in (result.labels, result.predicted))
        return Picture(true, predicted, float(result.confidence[index]))

    @on(Matrix.Moved)
    def _cell_moved(self) -> None:
        self.query_one("#matrix-words", Static).update(safe(self.query_one(Matrix).described))

    @on(Pictures.Moved)
    def _picture_moved(self) -> None:
        """Tell the file of the picture under the cursor, and its classes in full."""
        index, text = self.query_one(Pictures).index, ""
        if index is not None and self._done is not None:
            picture, files = self._describe(index), self._done.data.test_files
            where = files[index] if files else f"image {index:,}"
            taken = "classified rightly" if picture.true == picture.predicted else f"taken for {picture.predicted}"
            text = f"{where}: {picture.true}, {taken} with {percent(picture.confidence, 1)}"
        self.query_one("#pictures-words", Static).update(safe(text))

    def on_resize(self) -> None:
        """Arrange the panels anew."""
        self._arrange()

    def _arrange(self) -> None:
        """Show the panels in three columns, in two, or one at a time."""
        columns, rows = self.size
        is_wide, many = columns >= _WIDE, self._done is not None and len(self._done.result.classes) > _MANY
        one = columns < _TWO[0] or rows < _TWO[1]
        for name, applies in {"tabs": one, "two": not (one or (is_wide and many)), "roomy": is_wide}.items():
            self.set_class(applies, f"-{name}")
        self.set_class(not one and is_wide and many, "-three")
        for name in _PANELS:
            self.query_one(f"#{name}-panel").display = not one or name == self._current
        self.query_one("#left").display = not one or self._current != "pictures"
        self.query_one("#tabs", Static).update(tab_line(_PANELS, self._current))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which panel is in use."""
        if event.widget.id in _PANELS:
            self._current = event.widget.id

    def action_show_panel(self, name: str) -> None:
        """Show a panel and give it the focus."""
        self._current = name
        self._arrange()
        if self._done is not None:
            self.query_one(f"#{name}").focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer the way to other panels once there are some, and copying once there is something to copy."""
        if action in ("next_panel", "previous_panel"):
            return self._done is not None
        return action != "copy" or self._done is not None or bool(self._error)

    def panels(self) -> tuple[Sequence[str], str]:
        """Return the names of all panels, and of the one in use."""
        return list(_PANELS), self._current

    def action_copy(self) -> None:
        """Show the result, or the error, as one line that can be copied."""
        done, text = self._done, self._error
        if done is not None:
            text = one_line(done.result, done.file, done.data.source)
        if text:
            self.app.push_screen(TextDialog("In one line", printable(text, 2_000)))


def _panel(name: str, *content: Widget) -> ComposeResult:
    with Vertical(id=f"{name}-panel", classes="panel") as panel:
        panel.border_title = _PANELS[name] + (": true class down, predicted across" if name == "matrix" else "")
        yield from content


def _evaluate(
    path: Path,
    source: str | None,
    asked: DataSettings,
    load: Callable[[DataSettings, OnProgress], Dataset],
    progress: _Progress,
) -> _Evaluated:
    """Evaluate a file, in the way that `trialbook evaluate` does."""
    from core.evaluation import evaluate  # noqa: PLC0415 - torch
    from core.film import confusion_of  # noqa: PLC0415
    from core.saved_model import data_remarks, data_settings_for, open_model  # noqa: PLC0415
    from core.trials.trial import BEST_WEIGHTS  # noqa: PLC0415

    on_progress = until_left(progress.set)
    progress.set("opening the file")
    saved = open_model(path)
    settings, remarks = data_settings_for(saved, asked, source)
    on_progress(f"loading {settings.source}", 0, 0)
    data = load(settings, on_progress)
    if saved.trial is None and asked.normalization == "none":
        remarks.append("a bare file does not tell how inputs were normalized: taken as not at all")
    on_progress(f"evaluating {len(data.test):,} images", 0, 0)
    result = evaluate(saved, data, bare=asked)
    file = str(path)
    if saved.trial is not None:
        file = f"{saved.trial.id}, {'best' if path.name == BEST_WEIGHTS else 'last'} epoch's weights"
    matrix = confusion_of(result.labels, result.predicted, len(result.classes))
    return _Evaluated(result, matrix, data, file, (*remarks, *data.remarks, *data_remarks(saved, data)))
