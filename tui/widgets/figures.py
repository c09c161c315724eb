"""The figures of the trial that the curves show: live while it trains."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from core.accuracy import accuracy_interval
from core.early_stopping import best_epoch
from core.epoch import Epoch
from tui.safe import safe, short_name
from tui.words import amount, percent, signed

_COLUMN = 12
_PARENT = 16  # characters of the parent's name, at least


@dataclass(frozen=True, slots=True)
class FigureValues:
    """What the panel shows of a trial.

    Attributes:
        title: The trial's name or id; foreign text.
        state: "training", "paused", "finished" and the like.
        history: Its complete epochs.
        epochs: Epochs that were asked for.
        test_images: Images of the test set; 0 where it is not known.
        is_running: Whether it is being trained.
        running_cost: Mean cost of the epoch in progress so far, or None while there is none.
        learning_rate: That of the last step, or None.
        images_per_second: Training images per second, or None.
        device: "cpu", or the GPU's name; "" where it is not known.
        memory: Bytes that the process takes on the device; 0 where it does not run.
        parent: The parent's complete epochs; () without one, or where it was tested on other images.
        parent_title: The parent's name, "" without one; foreign text.
        verdict: The last epoch's accuracy against the parent's, in words; "" where there is none.
    """

    title: str = ""
    state: str = ""
    history: tuple[Epoch, ...] = ()
    epochs: int = 0
    test_images: int = 0
    is_running: bool = False
    running_cost: float | None = None
    learning_rate: float | None = None
    images_per_second: float | None = None
    device: str = ""
    memory: int = 0
    parent: tuple[Epoch, ...] = ()
    parent_title: str = ""
    verdict: str = ""


class Figures(Widget):
    """A line per kind of figure: words and numbers, no colour needed."""

    DEFAULT_CSS = """
    Figures { height: auto; width: 1fr; padding: 0 1; }
    """

    values: reactive[FigureValues] = reactive(FigureValues)

    def __init__(self) -> None:
        """Show nothing yet."""
        super().__init__()
        self._rows = 0

    def watch_values(self, values: FigureValues) -> None:
        """Ask for another height where it changes, and only then: the values change every second."""
        rows = len(_lines(values, self.size.width))
        if rows != self._rows:
            self._rows = rows
            self.refresh(layout=True)

    def render(self) -> RenderResult:
        """Return the lines."""
        return Content("\n").join(_lines(self.values, self.size.width))


def _lines(values: FigureValues, width: int) -> list[Content]:
    """Return a line for each kind of figure, for so many cells."""
    if not values.title:
        return [Content.styled("Cost, accuracy, gap and speed: as soon as a trial trains.", "dim")]
    state = f"{values.state}  {len(values.history)}/{values.epochs} epochs"
    lines = [_line("trial", safe(values.title, "bold", 40), Content(state))]
    if values.history:
        lines += _table(values.history[-1])
    if values.is_running:  # between two epochs too: other lines, and the panel above, stay where they are
        lines.append(_line("running", Content(_running(values))))
    if values.history:
        lines += _readings(values, values.history[-1], width)
    lines += [_line("speed", Content(_speed(values))), _line("device", safe(_device(values)))]
    return lines


def _line(label: str, *parts: Content) -> Content:
    return Content.assemble((f"{label:<{_COLUMN}}", "dim"), Content("  ").join(parts))


def _table(last: Epoch) -> list[Content]:
    """Return cost and accuracy on the training, test and validation images, and the gap between the first two."""
    heads = ["train", "test", "gap"]
    costs = [f"{last.train_cost:.4f}", f"{last.test_cost:.4f}", signed(last.gap)]
    points = 100 * (last.test_accuracy - last.train_accuracy)
    accuracies = [percent(last.train_accuracy), percent(last.test_accuracy), f"{signed(points, 2)} points"]
    if last.validation_cost is not None:
        heads.insert(2, "validation")
        costs.insert(2, f"{last.validation_cost:.4f}")
        accuracies.insert(2, percent(last.validation_accuracy))
    penalty = last.train_cost - last.train_cross_entropy
    return [
        Content.styled(" " * _COLUMN + "".join(f"{head:<{_COLUMN}}" for head in heads).rstrip(), "dim"),
        _line("cost", _columns(costs)),
        _line("accuracy", _columns(accuracies)),
        _line("penalty", Content(f"{penalty:.4f} of the train cost; without it {last.train_cross_entropy:.4f}")),
    ]


def _columns(texts: list[str]) -> Content:
    return Content("".join(f"{text:<{_COLUMN}}" for text in texts).rstrip())


def _running(values: FigureValues) -> str:
    epoch, cost = len(values.history) + 1, values.running_cost
    if epoch > values.epochs:
        return "all epochs are trained"
    return f"epoch {epoch} begins" if cost is None else f"cost {cost:.4f} so far in epoch {epoch}"


def _readings(values: FigureValues, last: Epoch, width: int) -> list[Content]:
    """Return what the figures mean: the accuracy's interval, the best epoch, the difference to the parent."""
    lines = []
    if values.test_images:
        low, high = accuracy_interval(round(last.test_accuracy * values.test_images), values.test_images)
        shown = f"{percent(low)} to {percent(high)} (95 %, {values.test_images:,} test images)"
        lines.append(_line("interval", Content(shown)))
    best = best_epoch(values.history)
    if best is not None:
        shown = f"epoch {best.epoch}: test cost {best.test_cost:.4f}, accuracy {percent(best.test_accuracy)}"
        lines.append(_line("best", Content(shown)))
    if values.parent:
        # by its number, as a damaged history may lack epochs
        done = bisect_right(values.parent, last.epoch, key=lambda epoch: epoch.epoch)
        other = values.parent[max(done - 1, 0)]
        is_last = other is values.parent[-1] and other.epoch < last.epoch
        where = f"at epoch {other.epoch}" + (", its last" if is_last else "")
        points = 100 * (last.test_accuracy - other.test_accuracy)
        shown = f"test cost {signed(last.test_cost - other.test_cost)}, accuracy {signed(points, 2)} points"
        name = short_name(values.parent_title, max(_PARENT, width - _COLUMN - len(f"against  {where}")))
        against = Content.styled(f"against {name} {where}", "dim")
        lines += [_line("parent", Content(shown)), _line("", against)]
    elif values.parent_title:
        shown = "tested on other images: not comparable"
        lines.append(_line("parent", safe(values.parent_title, limit=30), Content(shown)))
    if values.verdict:
        lines.append(_line("verdict", Content(values.verdict)))
    return lines


def _speed(values: FigureValues) -> str:
    parts = []
    if values.images_per_second:
        parts.append(f"{values.images_per_second:,.0f} images/s")
    if values.learning_rate:
        parts.append(f"learning rate {values.learning_rate:.3g}")
    return "   ".join(parts) or "-"


def _device(values: FigureValues) -> str:
    memory = f", {amount(values.memory, 'B')} in memory" if values.memory else ""
    return f"{values.device or 'not known'}{memory}"
