"""What can be said about settings, and not only about single models, once several seeds were trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.trials.store import Listed, last_accuracy
from core.trials.trial import Trial
from core.verdict import ALPHA, p_text

EXPLAINED = (
    "Of 100 such intervals from other seeds, 95 would hold the settings' true mean accuracy (Student's t); Welch's "
    "t-test: p is the probability of a difference at least as large between settings that are equally good."
)
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Repeats:
    """Trials of the same settings on the same images that differ in their seed alone.

    Attributes:
        trials: The finished ones, one per seed, oldest first.
        mean: Mean of their last epochs' test accuracies.
        interval: The mean's 95 % interval from Student's t distribution, within 0 and 1.
        accuracies: Test accuracy of each trial's last epoch, in the order of `trials`.
    """

    trials: tuple[Trial, ...]
    mean: float
    interval: tuple[float, float]
    accuracies: tuple[float, ...]

    def __str__(self) -> str:
        """Return "57.86 % on average, 95 % interval 57.41 % to 58.31 % (5 seeds)"."""
        mean, low, high = (f"{100 * value:.2f} %" for value in (self.mean, *self.interval))
        return f"{mean} on average, 95 % interval {low} to {high} ({len(self.trials)} seeds)"


@dataclass(frozen=True, slots=True)
class SettingsVerdict:
    """How settings compare with others over the seeds of both, by Welch's t-test (1947).

    Attributes:
        points: By how many percentage points of test accuracy the second settings' mean is better.
        interval: The 95 % interval of that difference, in points.
        seeds: How many seeds of the first and of the second settings were trained.
        p: The two-sided probability of a difference at least as large, if both settings were equally good.
    """

    points: float
    interval: tuple[float, float]
    seeds: tuple[int, int]
    p: float

    @property
    def is_distinguishable(self) -> bool:
        """Whether the two differ by more than chance explains."""
        return self.p < ALPHA

    def __str__(self) -> str:
        """Return "settings: +0.62 points, 95 % interval +0.10 to +1.14 (5 and 5 seeds, Welch p = 0.03)"."""
        low, high = self.interval
        seeds = f"{self.seeds[0]} and {self.seeds[1]} seeds"
        return (
            f"settings: {self.points:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f} "
            f"({seeds}, Welch {p_text(self.p)})"
        )


def repeats_of(listed: Sequence[Listed]) -> dict[str, Repeats]:
    """Return the groups of trials that repeat each other, by their summaries' `repeats`.

    Only finished trials count, of each seed the latest, and only groups of two seeds and more are returned.
    """
    groups: dict[str, dict[int, tuple[Trial, float]]] = {}
    for each in sorted(listed, key=lambda one: one.trial.id):
        key, seed, accuracy = each.summary.get("repeats"), each.summary.get("seed"), last_accuracy(each)
        if each.status == "finished" and isinstance(key, str) and isinstance(seed, int) and accuracy is not None:
            group = groups.setdefault(key, {})
            group.pop(seed, None)  # the latest comes last
            group[seed] = (each.trial, accuracy)
    return {key: _repeats(list(group.values())) for key, group in groups.items() if len(group) > 1}


def settings_verdict(before: Repeats, after: Repeats) -> SettingsVerdict:
    """Compare two settings, each trained with several seeds, by Welch's t-test.

    Welch (1947), "The generalization of 'Student's' problem when several different population variances are involved";
    the same as scipy's `ttest_ind(after, before, equal_var=False)` and its confidence interval, whose import takes
    seconds. Where neither varies from seed to seed, the difference is taken as it is.
    """
    from scipy.special import stdtr, stdtrit  # noqa: PLC0415 - a list of trials need not wait for it

    first, second = _error(before.accuracies), _error(after.accuracies)
    difference = after.mean - before.mean
    error = math.hypot(first, second)
    seeds = (len(before.accuracies), len(after.accuracies))
    if error == 0:
        points = 100 * difference
        return SettingsVerdict(points, (points, points), seeds, 0.0 if difference else 1.0)
    # relative to the whole, because a fourth power of a small error would be rounded to nothing
    shares = [(part / error) ** 4 / (count - 1) for part, count in zip((first, second), seeds, strict=True)]
    freedom = 1 / sum(shares)
    spread = float(stdtrit(freedom, (1 + _CONFIDENCE) / 2)) * error
    p = 2 * float(stdtr(freedom, -abs(difference) / error))
    return SettingsVerdict(100 * difference, (100 * (difference - spread), 100 * (difference + spread)), seeds, p)


def _repeats(group: list[tuple[Trial, float]]) -> Repeats:
    from scipy.special import stdtrit  # noqa: PLC0415

    accuracies = tuple(accuracy for _, accuracy in group)
    mean = _mean(accuracies)
    spread = float(stdtrit(len(group) - 1, (1 + _CONFIDENCE) / 2)) * _error(accuracies)
    interval = (max(0.0, mean - spread), min(1.0, mean + spread))
    return Repeats(tuple(trial for trial, _ in group), mean, interval, accuracies)


def _mean(accuracies: Sequence[float]) -> float:
    # never outside the values by rounding, so that equal values have themselves as their mean and no deviation
    return min(max(math.fsum(accuracies) / len(accuracies), min(accuracies)), max(accuracies))


def _error(accuracies: Sequence[float]) -> float:
    """Return the standard error of the mean of some accuracies."""
    count, mean = len(accuracies), _mean(accuracies)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in accuracies) / (count - 1) / count)
