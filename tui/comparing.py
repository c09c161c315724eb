"""What the comparison of trials shows, read in worker threads: curves, tables, and images where two disagree."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.comparison import Column, Comparison, compare, disagreements
from core.errors import DataError, TrialbookError, TrialError
from core.settings import DataSettings
from core.trials.store import find_trial
from core.trials.trial import Trial
from core.verdict import images_tested_on, last_epoch, mcnemar
from tui.downloads import refuse_download
from tui.plot.curves import Run, overlay_sign, short_title
from tui.runs import Shown, read_shown
from tui.threads import until_left
from tui.widgets.compare_table import TableRow
from tui.widgets.pictures import Picture
from tui.words import duration, percent, signed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.data.dataset import Dataset
    from core.data.folder import OnProgress

    Labels = NDArray[np.integer[Any]]

_LONGEST_TITLE = 24


@dataclass(frozen=True, slots=True, eq=False)
class PairImages:
    """The test images that exactly one of two trials classifies rightly.

    Attributes:
        pair: The positions of the two in the comparison.
        tested_on: The fingerprint of the data that both were tested on.
        only: By position in `pair` (0 or 1), the test images that only this trial has right.
        classes: Class names by label; foreign text.
        labels: (N,) the true classes of the test images.
        predicted: (N,) the predicted classes of each of the two.
    """

    pair: tuple[int, int]
    tested_on: str
    only: tuple[NDArray[np.intp], NDArray[np.intp]]
    classes: tuple[str, ...]
    labels: Labels
    predicted: tuple[Labels, Labels]

    def picture(self, index: int, right: int) -> Picture:
        """Return what is written below an image that only one of the two, 0 or 1, has right."""
        wrong = 1 - right
        true, taken = self.classes[int(self.labels[index])], self.classes[int(self.predicted[wrong][index])]
        return Picture(true, taken, None, overlay_sign(self.pair[wrong]))


def find_trials(home: Path, names: list[str]) -> tuple[Trial, ...]:
    """Return the trials of these ids.

    Raises:
        TrialError: One is not there.
    """
    return tuple(find_trial(home, name) for name in names)


def read_curves(trials: tuple[Trial, ...]) -> tuple[Shown, ...]:
    """Return what is shown of all trials, also of those without any epoch: their place is their sign."""
    return tuple(read_shown(trial) for trial in trials)


def read_on(shown: tuple[Shown, ...]) -> tuple[Shown, ...]:
    """Return what is shown of trials by now; only later epochs are read."""
    return tuple(read_shown(each.trial, each.watched) for each in shown)


def read_comparison(trials: tuple[Trial, ...]) -> Comparison:
    """Put trials side by side.

    Raises:
        TrialbookError: They are too few or too many, or a file of one cannot be read.
    """
    mcnemar(1, 2)  # imports scipy, which the verdicts need, while other workers read
    return compare(trials)


def read_pair(trials: tuple[Trial, ...], pair: tuple[int, int]) -> PairImages:
    """Find where two of the trials disagree after their last epochs.

    Raises:
        TrialError: They were not tested on the same images, or a file cannot be read.
    """
    first, second = (trials[at] for at in pair)
    found = disagreements(first, second)
    classes = tuple(str(name) for name in second.ran_on()["data"]["classes"])
    predicted = (first.predictions(last_epoch(first)), second.predictions(last_epoch(second)))
    labels = second.test_labels()
    if max(int(values.max()) for values in (labels, *predicted)) >= len(classes):
        raise TrialError(f"a file of {first.id} or {second.id} is damaged: it holds classes that have no name")
    tested_on, _ = images_tested_on(second)
    return PairImages(pair, tested_on, (found.only_first, found.only_second), classes, labels, predicted)


def load_images(trials: Sequence[Trial], load: Callable[[DataSettings, OnProgress], Dataset]) -> NDArray[np.uint8]:
    """Return the test images that trials were tested on (N, channels, height, width). For a worker; never a download.

    Args:
        trials: Trials with the same test images, which need not all have read them from the same place.
        load: Loads a data set.

    Raises:
        TrialbookError: They are nowhere on this machine, have changed since, or cannot be read.
    """
    *others, last = trials
    for trial in others:
        with contextlib.suppress(TrialbookError):
            return _images_of(trial, load)
    return _images_of(last, load)


def _images_of(trial: Trial, load: Callable[[DataSettings, OnProgress], Dataset]) -> NDArray[np.uint8]:
    settings = trial.settings().data
    refuse_download(settings.source)
    data = load(settings, until_left())
    if data.fingerprint != trial.ran_on().get("data", {}).get("fingerprint"):
        raise DataError(f"the images of {settings.source} have changed since {trial.id} was tested on them")
    return data.test.images.numpy()


def titles_of(columns: tuple[Column, ...]) -> list[str]:
    """Return for every trial its sign and what it is called."""
    runs = (Run(column.name or column.id, (), 0) for column in columns)
    return [f"{overlay_sign(at)} {short_title(run, _LONGEST_TITLE)}" for at, run in enumerate(runs)]


def table_rows(comparison: Comparison) -> list[TableRow]:
    """Return the results, the best of each marked, and the settings that differ."""
    columns = comparison.columns
    rows = [TableRow("Results")]
    for label, name, write in _RESULTS:
        values = [getattr(column, name) for column in columns]
        if any(value is not None for value in values):
            rows.append(TableRow(label, tuple(map(write, values)), comparison.best.get(name, ())))
    rows.append(TableRow("epochs", tuple(f"{column.epoch}/{column.epochs or '-'}" for column in columns)))
    rows.append(TableRow("status", tuple(column.shown for column in columns)))
    signs = {column.id: overlay_sign(at) for at, column in enumerate(columns)}
    rows.append(TableRow("parent", tuple(signs.get(column.parent or "", column.parent or "-") for column in columns)))
    rows.append(TableRow("Settings that differ" if comparison.settings else "All settings are the same"))
    return rows + [TableRow(row.label, row.values) for row in comparison.settings]


def words_on_settings(comparison: Comparison, pair: tuple[int, int]) -> str:
    """Return the verdict on two repeated settings, or for two trials that repeat each other their mean; else ""."""
    verdict = comparison.settings_verdicts.get(pair)
    if verdict is not None:
        return str(verdict)
    before, after = (comparison.repeats_at(at) for at in pair)
    return f"the same settings: {after}" if after is not None and after is before else ""


def _four(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


_RESULTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("test accuracy", "test_accuracy", percent),
    ("test cost", "test_cost", _four),
    ("train cost", "train_cost", _four),
    ("gap", "gap", signed),
    ("validation accuracy", "validation_accuracy", percent),
    ("best epoch", "best_epoch", _whole),
    ("its test accuracy", "best_test_accuracy", percent),
    ("its test cost", "best_test_cost", _four),
    ("parameters", "parameters", _whole),
    ("time", "seconds", duration),
)
"""The label of each result, its name in `core.comparison.Column`, and how it is written."""
