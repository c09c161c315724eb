"""What came out of a replay: the accuracies that a source reports beside those that its trials reach here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.data.catalog import KNOWN_SETS
from core.errors import TrialbookError
from core.presets import Preset
from core.trials.store import Listed
from core.trials.summary import shortened
from core.trials.trial import Trial
from core.verdict import ALPHA, Verdict, p_text, trial_verdict

TAG = "replay"
"""The tag of every replayed trial."""

REPORTED_ON = KNOWN_SETS["cifar10"]
"""The data on which the reference reports its accuracies."""

REPORTED_IMAGES = REPORTED_ON.test_images

NOT_COMPARABLE = (
    f"These are not CIFAR-10's {REPORTED_ON.classes} classes, {REPORTED_ON.train_images:,} training and "
    f"{REPORTED_IMAGES:,} test images: what is reached on them is not compared with the accuracies reported on those."
)

EXPLAINED = (
    "Reported against reproduced: the chi-squared test of two proportions, without continuity correction; p is the "
    f"probability of accuracies at least as far apart, the reported one on {REPORTED_IMAGES:,} test images, if both "
    "models were equally good."
)


@dataclass(frozen=True, slots=True)
class ReportedVerdict:
    """How a reproduced accuracy compares with a reported one, of which no predictions are known.

    Attributes:
        reported: The reported accuracy, as a fraction of 10,000 test images.
        reproduced: The accuracy reached here.
        images: Test images on which it was reached.
        p: The two-sided p-value of the chi-squared test of two proportions, without continuity correction.
    """

    reported: float
    reproduced: float
    images: int
    p: float

    @property
    def points(self) -> float:
        """By how many percentage points the reproduced accuracy is higher; negative where it is lower."""
        return 100 * (self.reproduced - self.reported)

    @property
    def is_distinguishable(self) -> bool:
        """Whether the two differ by more than chance explains."""
        return self.p < ALPHA

    @property
    def finding(self) -> str:
        """The verdict without the difference: "more than chance (p < 0.001)"."""
        found = "more than chance" if self.is_distinguishable else "not distinguishable"
        return f"{found} ({p_text(self.p)})"

    def __str__(self) -> str:
        """Return the verdict in words: "-4.32 points, more than chance (p < 0.001)"."""
        return f"{self.points:+.2f} points, {self.finding}"


def reported_verdict(reported: float, reproduced: float, images: int) -> ReportedVerdict:
    """Return how a reproduced accuracy compares with a reported one.

    Args:
        reported: An accuracy on 10,000 test images, as a fraction.
        reproduced: An accuracy on `images` test images.
        images: Their number.
    """
    rights = round(reported * REPORTED_IMAGES), round(reproduced * images)
    return ReportedVerdict(reported, reproduced, images, two_proportions(*rights, REPORTED_IMAGES, images))


def two_proportions(first_right: int, second_right: int, first_images: int, second_images: int) -> float:
    """Return the two-sided p-value of the pooled two-proportion z test.

    Its square is the chi-squared statistic of the two-by-two table, so that the p-value is that of scipy's
    `chi2_contingency(table, correction=False)`, whose import would take much longer than the whole table.
    """
    pooled = (first_right + second_right) / (first_images + second_images)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / first_images + 1 / second_images))
    if spread == 0:
        return 1.0
    z = abs(first_right / first_images - second_right / second_images) / spread
    return math.erfc(z / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class Replayed:
    """A row of the table: a preset, and the trial that replays it.

    Attributes:
        preset: The preset.
        trial: Its replay, or None; all that follows is None or zero then.
        status: The trial's, "" without one.
        source: The data it was trained on.
        epochs: Complete epochs.
        asked: Epochs asked for in this replay.
        accuracy: Test accuracy of the last epoch, or None before the first.
        best_epoch: The best epoch, or None.
        best_accuracy: Its test accuracy.
        is_comparable: Whether the data has as many classes and images as that on which accuracies are reported.
        verdict: The accuracy against the reported one; None where nothing is reported, nothing reached, or the data is
            not comparable.
        against_before: The last epoch against that of the replay of the trial it was changed from, paired.
    """

    preset: Preset
    trial: Trial | None = None
    status: str = ""
    source: str = ""
    epochs: int = 0
    asked: int = 0
    accuracy: float | None = None
    best_epoch: int | None = None
    best_accuracy: float | None = None
    is_comparable: bool = True
    verdict: ReportedVerdict | None = None
    against_before: Verdict | None = None

    @property
    def is_short(self) -> bool:
        """Whether it was trained for fewer epochs than the preset asks for."""
        return self.trial is not None and self.epochs < self.preset.settings.training.epochs

    @property
    def epochs_text(self) -> str:
        """The epochs in words: "160 of 160", or "3 of 3 (preset: 160)"."""
        if self.trial is None:
            return "-"
        wanted = self.preset.settings.training.epochs
        return f"{self.epochs} of {self.asked}" + (f" (preset: {wanted})" if self.asked != wanted else "")

    def values(self) -> dict[str, Any]:
        """Return the row as plain values, as `trialbook replay --json` prints them."""
        verdict, paired = self.verdict, self.against_before
        return {
            "preset": self.preset.name,
            "trial": self.trial.id if self.trial else None,
            "status": self.status or None,
            "source": self.source or None,
            "reported": self.preset.reported_accuracy,
            "reproduced": self.accuracy,
            "difference_points": round(verdict.points, 6) if verdict else None,
            "p": verdict.p if verdict else None,
            "verdict": str(verdict) if verdict else None,
            "best_epoch": self.best_epoch,
            "best_accuracy": self.best_accuracy,
            "epochs": self.epochs,
            "epochs_asked": self.asked,
            "epochs_of_preset": self.preset.settings.training.epochs,
            "after": self.preset.after,
            "against_after": dataclasses.asdict(paired) if paired else None,
        }


def replayed(
    listed: Sequence[Listed], presets: Sequence[Preset], *, source: str | None = None, epochs: int | None = None
) -> list[Replayed]:
    """Return the table of a home's replays, a row per preset.

    Of several replays of a preset the one with the most complete epochs counts, and of those the newest.

    Args:
        listed: The home's trials.
        presets: The rows.
        source: The data; None: that of the newest replay.
        epochs: Only replays that asked for so many; None: all.
    """
    chosen = replays(listed, source=source, epochs=epochs)
    return [_row(preset, chosen) for preset in presets]


def replays(listed: Sequence[Listed], *, source: str | None = None, epochs: int | None = None) -> dict[str, Listed]:
    """Return the replay of each preset that has one, by the preset's name; the arguments are those of `replayed`."""
    tagged = [each for each in listed if TAG in each.about.tags and isinstance(each.summary.get("parent"), str)]
    if source is not None:
        source = shortened(source)  # as summaries tell it
    elif tagged:
        source = tagged[-1].summary.get("source")
    found: dict[str, Listed] = {}
    for each in tagged:
        if each.summary.get("source") != source or epochs not in (None, each.summary.get("epochs")):
            continue
        name = each.summary["parent"]
        if name not in found or _epoch(each, "last") >= _epoch(found[name], "last"):
            found[name] = each
    return found


def _row(preset: Preset, chosen: dict[str, Listed]) -> Replayed:
    each = chosen.get(preset.name)
    if each is None:
        return Replayed(preset)
    accuracy, best = _accuracy(each, "last"), _accuracy(each, "best")
    asked, comparable = each.summary.get("epochs"), _has_comparable_data(each.trial)
    verdict: ReportedVerdict | None = None
    if comparable and accuracy is not None and preset.reported_accuracy is not None:
        verdict = reported_verdict(preset.reported_accuracy, accuracy, REPORTED_ON.test_images)
    before = chosen.get(preset.after or "")
    return Replayed(
        preset,
        each.trial,
        each.status,
        str(each.summary.get("source", "")),
        _epoch(each, "last"),
        asked if isinstance(asked, int) else 0,
        accuracy,
        _epoch(each, "best") or None,
        best,
        comparable,
        verdict,
        trial_verdict(before.trial, each.trial) if before and accuracy is not None else None,
    )


def is_comparable(classes: int, train_images: int, test_images: int) -> bool:
    """Return whether data has as many classes and images as that on which the reference reports its accuracies."""
    wanted = (REPORTED_ON.classes, REPORTED_ON.train_images, REPORTED_ON.test_images)
    return (classes, train_images, test_images) == wanted


def _has_comparable_data(trial: Trial) -> bool:
    try:
        data = trial.ran_on()["data"]
        return is_comparable(len(data["classes"]), data["train_images"], data["test_images"])
    except (TrialbookError, LookupError, TypeError):  # whatever somebody wrote there
        return False


def _epoch(each: Listed, which: str) -> int:
    part = each.summary.get(which)
    epoch = part.get("epoch") if isinstance(part, dict) else 0
    return epoch if isinstance(epoch, int) else 0


def _accuracy(each: Listed, which: str) -> float | None:
    part = each.summary.get(which)
    value = part.get("test_accuracy") if isinstance(part, dict) else None
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None
