"""How well the network fits its training images and others: overfitting, underfitting and what lies between."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from core.diagnosis import changes
from core.diagnosis.learning import WORSE
from core.diagnosis.series import (
    LEAST_EPOCHS,
    PENALTY,
    WINDOW,
    Curves,
    held_out_accuracies,
    is_beyond_noise,
    median,
    percent,
    running_median,
)
from core.diagnosis.values import Diagnosis
from core.early_stopping import best_epoch

DEAD = 0.25
"""Part of the hidden units that may be dead."""

USUALLY_DEAD = 0.05
"""Ordinary networks end with less."""

UNCHANGED = 0.10
"""A train cost that has risen by no more than this part of the test cost's rise counts as not risen."""

LEAST_RISE = 0.01
"""What the test cost must have risen by from its lowest to be called overfitting."""

RISE = 0.02
"""And by what part of its lowest."""

ALL_ALONG = 0.90
"""Part of the epochs of the history's second half."""

ABOVE = 0.10
"""Part of the test cost by which the train cost may be above it; twice as much with augmentation."""

LEAST_ABOVE = 0.05

FITTED = 0.90
"""A network that classifies this part of its training images rightly fits them."""

FITTED_COST = 0.105
"""And one whose train cost is this low: minus the logarithm of 0.9, the probability that the right class has."""

SMALL_GAP = 0.02
"""Accuracies on training and other images that are no further apart are called equal."""

WIDE_GAP = 0.10
"""Accuracies on training and other images that are so far apart are a sign of overfitting."""

IMPROVING = 0.01
"""Part by which the test cost must have fallen in the last tenth of the epochs to be still improving."""

LEAST_IMPROVING = 0.002


def dead_units(curves: Curves) -> Diagnosis | None:
    """Units with a ReLU that no image activates have no gradient and learn nothing any more."""
    parts = [epoch.dead_units for epoch in curves.history[-curves.window :] if epoch.dead_units is not None]
    if not parts or median(parts) <= DEAD:
        return None
    part, suggestion, why = median(parts), changes.against_dead_units(curves.settings), ""
    numbers = {"dead_units": part}
    first = curves.history[0].train_cross_entropy
    if curves.classes is not None and first > WORSE * math.log(curves.classes):
        why = f"; the first epoch's train cost, {first:.3g}, tells that steps were too long"
        numbers["first_cost"] = first
        suggestion = changes.lower_learning_rate(curves.settings, 10)
    return Diagnosis(
        "dead hidden units",
        f"dead hidden units: {percent(part, 0)} of the hidden units with a ReLU are activated by no image (median of "
        f"{curves.last_epochs}); less than {percent(USUALLY_DEAD, 0)} is usual{why}",
        numbers,
        suggestion,
    )


def overfitting(curves: Curves) -> Diagnosis | None:
    """The test cost rises from its lowest while the train cost goes on falling."""
    if len(curves.history) < LEAST_EPOCHS:
        return None
    window, costs, fit = curves.window, curves.held_out, curves.fit
    smooth = running_median(costs)
    at = min(range(len(smooth)), key=smooth.__getitem__)
    level = median(costs[-window:])
    lowest, rise = smooth[at], level - smooth[at]
    fall = running_median(fit)[at] - median(fit[-window:])
    if (
        len(costs) - 1 - at < window
        or fall < -rise * UNCHANGED
        or rise < max(LEAST_RISE, RISE * lowest)
        or not is_beyond_noise(rise, costs, WINDOW)
    ):
        return None
    then = median(held_out_accuracies(curves.history[max(at - 2, 0) : at + 3]))
    still = "" if curves.held_out_accuracy < then else "; the accuracy has not fallen, but wrong answers grow surer"
    # judged by medians, told of a real epoch: one of the last can only be lower by chance
    since = min(range(len(costs) - window), key=costs.__getitem__)
    epoch, lowest, end = curves.history[since].epoch, costs[since], median(fit[-window:])
    meanwhile = f"fell by {fit[since] - end:.2g}" if fit[since] > end else f"stayed at {end:.2g}"
    return Diagnosis(
        "overfitting",
        f"overfitting since epoch {epoch}: the {curves.held_out_name} has risen from {lowest:.3g} to {level:.3g} "
        f"(median of {curves.last_epochs}) while the train cost {meanwhile}{still}",
        {"epoch": epoch, "lowest": lowest, "rise": level - lowest, "fall": fit[since] - end},
        changes.against_overfitting(curves.settings, curves.penalty_share, epoch),
    )


def lambda_too_strong(curves: Curves) -> Diagnosis | None:
    """A large part of the train cost is L2 penalty; it stays above the test cost, and the images are not fitted."""
    margin = _above(curves, [epoch.train_cost for epoch in curves.history])
    if margin is None:
        return None
    share, fit = curves.penalty_share, median(curves.fit[-curves.window :])
    if share < PENALTY or fit <= FITTED_COST:
        return None
    value = curves.settings.training.l2_lambda
    return Diagnosis(
        "L2 lambda too strong",
        f"L2 lambda too strong: with {value:g} the penalty is {percent(share, 0)} of the train cost, which stays above "
        f"the {curves.held_out_name}, at the end by {margin:.2g}, and without penalty is still {fit:.2g} (medians of "
        f"{curves.last_epochs})",
        {"l2_lambda": value, "share": share, "margin": margin, "fit": fit},
        changes.lower_lambda(curves.settings),
    )


def dropout_too_strong(curves: Curves) -> Diagnosis | None:
    """The train cost, in which dropout is on, stays above the test cost, in which it is off, by more than is normal.

    The L2 penalty and what label smoothing adds are subtracted. Where the images are fitted all the same, no harm is
    done.
    """
    margin = _above(curves, curves.fit)
    dropout = changes.mean_dropout(curves.settings)
    if margin is None or dropout == 0 or curves.train_accuracy >= FITTED:
        return None
    accuracy = curves.train_accuracy
    return Diagnosis(
        "dropout too strong",
        f"dropout too strong: with {dropout:.2g} on average the train cost (without L2 penalty) stays above the "
        f"{curves.held_out_name}, at the end by {margin:.2g}, and only {percent(accuracy)} of the training images "
        f"are classified rightly (medians of {curves.last_epochs})",
        {"dropout": dropout, "margin": margin, "train_accuracy": accuracy},
        changes.lower_dropout(curves.settings),
    )


def _above(curves: Curves, train: Sequence[float]) -> float | None:
    """Return by how much a train cost ends above the test cost; None unless it is so all along and by enough."""
    if len(curves.history) < LEAST_EPOCHS or curves.is_young or curves.is_mixed:
        return None
    costs, half = curves.held_out, len(curves.history) // 2
    above = sum(mine > test for mine, test in zip(train[half:], costs[half:], strict=True))
    level = median(costs[-curves.window :])
    margin = median(train[-curves.window :]) - level
    wanted = max(LEAST_ABOVE, ABOVE * level) * (2 if curves.is_augmented else 1)
    return margin if above >= ALL_ALONG * (len(costs) - half) and margin >= wanted else None


def underfitting(curves: Curves) -> Diagnosis | None:
    """Both costs have levelled off, and the training images are not fitted any better than others."""
    if len(curves.history) < LEAST_EPOCHS or curves.is_mixed or not _has_levelled_off(curves):
        return None
    train, other = curves.train_accuracy, curves.held_out_accuracy
    if max(train, other) >= FITTED or train - other > SMALL_GAP:
        return None
    images = curves.held_out_name.removesuffix(" cost")
    return Diagnosis(
        "underfitting",
        f"underfitting: the costs have levelled off with only {percent(train)} of the training images and "
        f"{percent(other)} of the {images} images classified rightly (medians of {curves.last_epochs})",
        {"train_accuracy": train, "held_out_accuracy": other},
        changes.against_underfitting(curves.settings, curves.penalty_share),
    )


def _has_levelled_off(curves: Curves) -> bool:
    """Return whether neither cost falls any more, and no fall of the learning rate is to come that might change it."""
    settled = curves.is_complete or (curves.settings.training.schedule == "constant" and not curves.is_young)
    return settled and not any(_improvement(curves, costs) for costs in (curves.held_out, curves.fit))


def still_improving(curves: Curves) -> Diagnosis | None:
    """The test cost falls until the end."""
    window, costs = curves.window, curves.held_out
    fall = _improvement(curves, costs)
    if not fall or (level := median(costs[-window:])) > min(running_median(costs)[:-window]):
        return None
    done, planned = len(curves.history), curves.settings.training.epochs
    text = (
        f"the {curves.held_out_name} (median of {window} epochs) fell by {fall:.2g} to {level:.3g} in the last {window}"
    )
    if curves.settings.training.schedule != "constant":
        text += ", as it does when the learning rate falls to zero; a longer schedule may lead lower"
    suggestion = changes.more_epochs(curves.settings)
    if not curves.is_complete:
        text, suggestion = f"{text}; {done} of {planned} planned epochs are done", None
    return Diagnosis("still improving", f"still improving: {text}", {"fall": fall, "level": level}, suggestion)


def _improvement(curves: Curves, costs: Sequence[float]) -> float:
    """Return by how much a cost fell from the last window but one to the last; 0 where that is little or noise."""
    window = curves.window
    if len(costs) < LEAST_EPOCHS:
        return 0.0
    before = median(costs[-2 * window : -window])
    fall = before - median(costs[-window:])
    return fall if fall >= max(LEAST_IMPROVING, IMPROVING * before) and is_beyond_noise(fall, costs, window) else 0.0


def wide_gap(curves: Curves) -> Diagnosis | None:
    """The training images are classified far better than others, though the test cost does not rise."""
    best = best_epoch(curves.history)
    if best is None or len(curves.history) < LEAST_EPOCHS or curves.is_young or curves.is_mixed:
        return None
    if overfitting(curves) or still_improving(curves):
        return None
    train, other = curves.train_accuracy, curves.held_out_accuracy
    if train - other < WIDE_GAP:
        return None
    images = curves.held_out_name.removesuffix(" cost")
    return Diagnosis(
        "wide gap",
        f"wide gap: {percent(train)} of the training images are classified rightly but {percent(other)} of the "
        f"{images} images, {100 * (train - other):.0f} points less (medians of {curves.last_epochs})",
        {"train_accuracy": train, "held_out_accuracy": other},
        changes.against_overfitting(curves.settings, curves.penalty_share, best.epoch),
    )


def healthy(curves: Curves) -> Diagnosis | None:
    """What is said where no rule finds anything."""
    best = best_epoch(curves.history)
    if best is None or len(curves.history) < LEAST_EPOCHS:
        return None
    last, cost, lowest = curves.history[-1], curves.held_out[-1], best.best_cost
    yet = "" if curves.is_complete else " yet"
    since = "its lowest" if best is last else f"its lowest was {lowest:.3g} in epoch {best.epoch}"
    text = f"healthy: no rule finds anything{yet}; the {curves.held_out_name} is {cost:.3g}, {since}"
    numbers = {"cost": cost, "lowest": lowest}
    if curves.is_mixed:
        text += ". With mixup the rules that compare training images with others do not apply"
        return Diagnosis("healthy", text, numbers)
    points = 100 * (last.train_accuracy - held_out_accuracies([last])[0])
    text += f", and the training images are classified {abs(points):.1f} points {'better' if points >= 0 else 'worse'}"
    return Diagnosis("healthy", text, {**numbers, "points": points})


THEN: tuple[Callable[[Curves], Diagnosis | None], ...] = (
    dead_units,
    overfitting,
    lambda_too_strong,
    dropout_too_strong,
    underfitting,
    still_improving,
    wide_gap,
)
"""In the order of their importance."""
