"""What a report tells, as values that any format can show; every text may be foreign."""

from __future__ import annotations

from dataclasses import dataclass

from core.epoch import Epoch
from core.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Base:
    """What a trial was changed from.

    Attributes:
        words: Its name.
        number: Its number in this report; None where it is not in it.
        history: Its epochs, to be drawn beside the trial's; () for a preset.
    """

    words: str
    number: int | None
    history: tuple[Epoch, ...]


@dataclass(frozen=True, slots=True)
class TrialPart:
    """One trial in a report.

    Attributes:
        number: Its place in the report, from 1.
        id: Its identity.
        title: Its name, or its id where it has none.
        note: Why it was made, or "".
        tags: Words to find it by.
        status: "running", "finished", "stopped", "failed", "interrupted" or "damaged".
        reason: Why it ended before its last epoch, or "".
        created: When, as people write it; "" if that is not known.
        base: What it was changed from, or None.
        changes: What changed since, a line each.
        facts: Further labels and values.
        history: Its complete epochs.
        last: The last of them, or None.
        best: The one with the lowest cost, or None.
        verdict: Its last epoch against that of its base.
        diagnosis: What its curves say, a line each.
        data: The data's fingerprint, or "".
        problems: What of its files is wrong, a line each.
    """

    number: int
    id: str
    title: str
    note: str
    tags: tuple[str, ...]
    status: str
    reason: str
    created: str
    base: Base | None
    changes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    history: tuple[Epoch, ...]
    last: Epoch | None
    best: Epoch | None
    verdict: Verdict | None
    diagnosis: tuple[str, ...]
    data: str
    problems: tuple[str, ...]

    @property
    def gap(self) -> float | None:
        """As `Epoch.gap`, at the last epoch; None before the first."""
        return None if self.last is None else self.last.gap


@dataclass(frozen=True, slots=True)
class ClassRow:
    """How one class fared.

    Attributes:
        name: The class.
        images: Its test images.
        recall: Of the images of this class, the fraction predicted to be; None without any.
        precision: Of the images predicted to be of this class, the fraction that are; None without any.
    """

    name: str
    images: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A trial's last epoch on its test set, from the stored predictions.

    Attributes:
        images: Test images.
        right: Those classified rightly.
        interval: The 95 % interval of the accuracy.
        classes: A row per class.
        matrix: Images by true class (row) and predicted class (column).
        confusions: True class, predicted class and images of the most frequent mistakes, the most frequent first.
    """

    images: int
    right: int
    interval: tuple[float, float]
    classes: tuple[ClassRow, ...]
    matrix: tuple[tuple[int, ...], ...]
    confusions: tuple[tuple[str, str, int], ...]

    @property
    def accuracy(self) -> float:
        """The fraction classified rightly."""
        return self.right / self.images


@dataclass(frozen=True, slots=True)
class DataPart:
    """The trials on one data set: what it is, and the best of them.

    Attributes:
        name: The data set, or the folder's name.
        lines: Labels and values.
        trials: How many trials were trained on it.
        best: The best trial, or None while none has a complete epoch.
        chosen_by: What decides which is the best.
        selection: How often the test set was used to choose and what to expect of that, or "".
        layers: The best trial's network: the heads of its table, and a row per Linear layer.
        settings: All other settings of the best trial.
        evaluated: Its evaluation, or None.
        problems: Why something of this is missing, a line each.
    """

    name: str
    lines: tuple[tuple[str, str], ...]
    trials: int
    best: TrialPart | None
    chosen_by: str
    selection: str
    layers: tuple[tuple[str, ...], ...]
    settings: tuple[tuple[str, str], ...]
    evaluated: Evaluated | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A history of trials.

    Attributes:
        title: What it is about.
        written: When it was made, and by what.
        counts: How many trials there are, in words.
        trials: The trials, in their order.
        data: What they were trained on, most trials first.
    """

    title: str
    written: str
    counts: str
    trials: tuple[TrialPart, ...]
    data: tuple[DataPart, ...]
