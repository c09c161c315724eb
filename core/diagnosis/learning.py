"""Whether the network learns at all: the rules that, where they find something, explain everything else."""

from __future__ import annotations

import math
from collections.abc import Callable

from core.diagnosis import changes
from core.diagnosis.series import (
    LEAST_EPOCHS,
    PENALTY,
    WINDOW,
    Curves,
    is_beyond_noise,
    median,
    penalty_shares,
    percent,
    running_median,
)
from core.diagnosis.values import Diagnosis, Suggestion

LEAST_EPOCHS_FOR_JUMPS = 4

JUMP = 0.10
"""A train cost that rises by this part from one epoch to the next has jumped."""

TEST_JUMP = 0.30
"""The same for the test cost, which batch norm's running statistics make less steady."""

LEAST_JUMP = 0.05
"""And by this much at least: near zero, a tenth is nothing."""

JUMPING = 0.10
"""Part of the epochs that jump, two at least, where the learning rate is too high."""

TEST_JUMPING = 0.20

RISEN = 0.10
"""Part by which the train cost may end above its lowest."""

CHANCE = 0.10
"""Accuracies up to this part of the way from guessing to all right are chance."""

CHANCE_COST = 0.98
"""And costs from this part of the logarithm of the number of classes, the cost of knowing nothing."""

WORSE = 2.0
"""A train cost of more than so many times that: the first steps have thrown the weights far away."""

HUGE_DROPOUT = 0.6

LOW_RATE = 1e-4
"""Learning rates below may be too low for anything to be learnt."""

_DIVERGED = "became NaN or infinite"  # as `core.errors.DivergedError` says


def diverged(curves: Curves) -> Diagnosis | None:
    """The cost or a weight became NaN or infinite, which a smaller learning rate prevents."""
    if _DIVERGED not in curves.reason:
        return None
    epoch = len(curves.history) + 1
    rate = curves.settings.training.learning_rate
    return Diagnosis(
        "learning rate too high",
        f"learning rate too high: with {rate:g} the cost or a weight became NaN or infinite in epoch {epoch}",
        {"epoch": epoch, "learning_rate": rate},
        changes.lower_learning_rate(curves.settings, 3 if curves.history else 10),
    )


def thrown_away(curves: Curves) -> Diagnosis | None:
    """The train cost stays far above that of knowing nothing, as after steps that were far too long."""
    training = curves.settings.training
    settled = len(curves.history) - int(training.warmup_epochs) >= LEAST_EPOCHS_FOR_JUMPS
    if curves.classes is None or diverged(curves) or not settled:
        return None
    cost, guessing = median([epoch.train_cross_entropy for epoch in curves.history[-WINDOW:]]), math.log(curves.classes)
    if cost <= WORSE * guessing:
        return None
    return Diagnosis(
        "learning rate too high",
        f"learning rate too high: the train cost is {cost:.3g} (median of the last {WINDOW} epochs), more than "
        f"{WORSE:g} times the {guessing:.3g} of guessing",
        {"cost": cost, "guessing": guessing, "learning_rate": training.learning_rate},
        changes.lower_learning_rate(curves.settings, 10),
    )


def jumping(curves: Curves) -> Diagnosis | None:
    """The train or the test cost jumps up again and again, which a learning rate too high makes it do."""
    training = curves.settings.training
    start = int(training.warmup_epochs)
    if diverged(curves) or thrown_away(curves) or len(curves.history) - start < LEAST_EPOCHS_FOR_JUMPS:
        return None
    for name, costs, part, often in (
        ("train cost", [epoch.train_cross_entropy for epoch in curves.history], JUMP, JUMPING),
        (curves.held_out_name, curves.held_out, TEST_JUMP, TEST_JUMPING),
    ):
        rises = [
            (after - before, before, after)
            for before, after in zip(costs[start:], costs[start + 1 :], strict=False)
            if after - before > max(part * before, LEAST_JUMP)
        ]
        if len(rises) >= max(2.0, often * (len(costs) - start)):
            _, before, after = max(rises)
            return Diagnosis(
                "learning rate too high",
                f"learning rate too high: the {name} rose by more than {percent(part, 0)} from one epoch to the next "
                f"{len(rises)} times in {len(costs) - start} epochs, at most from {before:.3g} to {after:.3g}",
                {"jumps": len(rises), "from": before, "to": after, "learning_rate": training.learning_rate},
                changes.lower_learning_rate(curves.settings),
            )
    return None


def rising(curves: Curves) -> Diagnosis | None:
    """The train cost ends far above its lowest: the steps lead away from what was found."""
    training = curves.settings.training
    settled = curves.is_complete or training.schedule == "constant"  # a rising learning rate may raise it for a while
    if diverged(curves) or thrown_away(curves) or jumping(curves) or not settled or len(curves.history) < LEAST_EPOCHS:
        return None
    costs = [epoch.train_cross_entropy for epoch in curves.history]
    smooth = running_median(costs)
    lowest, level = min(smooth), median(costs[-curves.window :])
    if level - lowest < max(RISEN * lowest, LEAST_JUMP) or not is_beyond_noise(level - lowest, costs, WINDOW):
        return None
    # judged by medians, told of a real epoch: one of the last can only be lower by chance
    at = min(range(len(costs) - curves.window), key=costs.__getitem__)
    epoch, lowest = curves.history[at].epoch, costs[at]
    return Diagnosis(
        "learning rate too high",
        f"learning rate too high: the train cost has risen from its lowest {lowest:.3g} in epoch {epoch} to "
        f"{level:.3g} (median of {curves.last_epochs}), more than {percent(RISEN, 0)}",
        {"epoch": epoch, "lowest": lowest, "rise": level - lowest, "learning_rate": training.learning_rate},
        changes.lower_learning_rate(curves.settings),
    )


def nothing_learnt(curves: Curves) -> Diagnosis | None:
    """Accuracy and cost are those of guessing: dropout or the learning rate is far too high, or the latter too low."""
    if curves.classes is None or len(curves.history) < LEAST_EPOCHS or diverged(curves) or thrown_away(curves):
        return None
    guessing, knowing_nothing = 1 / curves.classes, math.log(curves.classes)
    accuracy = max(curves.train_accuracy, curves.held_out_accuracy)
    cost = median([epoch.train_cross_entropy for epoch in curves.history[-curves.window :]])
    if accuracy > guessing + CHANCE * (1 - guessing) or cost < CHANCE_COST * knowing_nothing:
        return None
    return Diagnosis(
        "nothing learnt",
        f"nothing learnt: {percent(accuracy)} of the images are classified rightly and the train cost is {cost:.3g} "
        f"(medians of {curves.last_epochs}); guessing gives {percent(guessing)} and {knowing_nothing:.3g}",
        {"accuracy": accuracy, "cost": cost, "guessing": guessing},
        _to_learn_anything(curves),
    )


def _to_learn_anything(curves: Curves) -> Suggestion | None:
    settings = curves.settings
    if max(penalty_shares(curves.history)) >= PENALTY:  # at the beginning: it may have shrunk all weights to nothing
        return changes.lower_lambda(settings)
    if changes.mean_dropout(settings) >= HUGE_DROPOUT:
        return changes.lower_dropout(settings)
    if settings.training.learning_rate < LOW_RATE:
        return changes.raise_learning_rate(settings)
    return changes.lower_learning_rate(settings)


FIRST: tuple[Callable[[Curves], Diagnosis | None], ...] = (diverged, thrown_away, jumping, rising, nothing_learnt)
"""Where one of these finds something, the others would only describe its consequences."""
