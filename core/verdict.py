"""Whether two models differ by more than chance, from their predictions on the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import TrialbookError, TrialError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.trials.trial import Trial

ALPHA = 0.05
"""Differences whose p is below this are called distinguishable."""

EXPLAINED = (
    "McNemar's exact test: of the test images that exactly one of the two models classifies rightly, it would be "
    "chance if each model had half; p is the probability of a division at least as uneven."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one model compares with another on the same test images, and whether that is more than chance.

    McNemar's test (1947) in its exact form: under chance alone, of the images that only one of the two models
    classifies rightly, the number that are the second's is binomial with probability one half.

    Attributes:
        images: Test images.
        gained: Those that only the second model classifies rightly.
        lost: Those that only the first one does.
        p: The two-sided probability of a division at least as uneven, if both models were equally good.
    """

    images: int
    gained: int
    lost: int
    p: float

    @property
    def difference(self) -> int:
        """By how many images the second model is better; negative where it is worse."""
        return self.gained - self.lost

    @property
    def points(self) -> float:
        """The same in percentage points of accuracy."""
        return 100 * self.difference / self.images

    @property
    def is_distinguishable(self) -> bool:
        """Whether the two differ by more than chance explains."""
        return self.p < ALPHA

    def __str__(self) -> str:
        """Return the verdict in words: "+0.08 points: 8 images, not distinguishable (McNemar p = 0.9)"."""
        count = abs(self.difference)
        images = f"{count:,} image{'s' if count != 1 else ''}"
        found = "more than chance" if self.is_distinguishable else "not distinguishable"
        return f"{self.points:+.2f} points: {images}, {found} (McNemar {p_text(self.p)})"


def p_text(p: float) -> str:
    """Return a p-value as people write it: "p = 0.03", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"  # noqa: PLR2004


def verdict_from(values: object) -> Verdict | None:
    """Return the verdict that a summary holds; None where it holds none, or one that makes no sense."""
    if not isinstance(values, dict) or set(values) != set(Verdict.__slots__):
        return None
    verdict = Verdict(**values)
    counts = (verdict.images, verdict.gained, verdict.lost)
    if not all(type(count) is int and 0 <= count <= verdict.images for count in counts) or verdict.images == 0:
        return None
    return verdict if isinstance(verdict.p, int | float) and 0 <= verdict.p <= 1 else None


def verdict_on(labels: NDArray[np.integer], before: NDArray[np.integer], after: NDArray[np.integer]) -> Verdict:
    """Return how the second predictions compare with the first.

    Args:
        labels: (N,) true classes.
        before: (N,) the classes that the first model predicts.
        after: (N,) those that the second one predicts.
    """
    was_right, is_right = before == labels, after == labels
    gained, lost = int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum())
    return Verdict(len(labels), gained, lost, mcnemar(gained, lost))


def mcnemar(gained: int, lost: int) -> float:
    """Return the p-value of McNemar's exact test, as statsmodels' `mcnemar(table, exact=True)` computes it."""
    from scipy.special import bdtr  # noqa: PLC0415 - a list of trials shows verdicts that are computed already

    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0


def trial_verdict(before: Trial, after: Trial, epochs: tuple[int, int] | None = None) -> Verdict | None:
    """Compare two saved trials; None where they were not tested on the same images, or have no complete epoch.

    Args:
        before: The first trial, such as the second one's parent.
        after: The second trial.
        epochs: The epoch of each that is compared; None: the last ones.
    """
    try:
        labels = after.test_labels()
        if not (same_test_set(before, after)):
            return None
        first, second = epochs or (last_epoch(before), last_epoch(after))
        return verdict_on(labels, before.predictions(first), after.predictions(second))
    except TrialbookError:
        return None


def same_test_set(before: Trial, after: Trial) -> bool:
    """Return whether two trials were tested on the same images in the same order.

    Raises:
        TrialError: A file that tells cannot be read.
    """
    return images_tested_on(before) == images_tested_on(after)


def images_tested_on(trial: Trial) -> tuple[str, int]:
    """Return what tells on which images, in which order, a trial was tested: their fingerprint and their number.

    The number is in the fingerprint, but a file may be damaged, and predictions are read by the number that it tells.

    Raises:
        TrialError: A file that tells cannot be read, or does not tell.
    """
    data = trial.ran_on().get("data")
    fingerprint, images = (data.get("fingerprint"), data.get("test_images")) if isinstance(data, dict) else (None, None)
    if not isinstance(fingerprint, str) or not isinstance(images, int):
        raise TrialError(f"{trial.directory} does not tell which images it was tested on")
    return fingerprint, images


def last_epoch(trial: Trial) -> int:
    """Return the number of a trial's last complete epoch; 0 before the first.

    Raises:
        TrialError: Its summary cannot be read.
    """
    last = trial.summary().get("last")
    epoch = last.get("epoch") if isinstance(last, dict) else 0
    return epoch if isinstance(epoch, int) else 0
