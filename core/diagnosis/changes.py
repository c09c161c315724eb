"""The one setting to change next: its new value within its limits, and why in words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from core.diagnosis.series import PENALTY
from core.diagnosis.values import Suggestion
from core.errors import SettingsError
from core.settings import Settings, change_settings, show_value, widths_text

DROPOUT_STEP = 0.1
MOST_DROPOUT = 0.7
"""No suggestion goes above: the highest of the reference history."""
ENOUGH_DROPOUT = 0.5
"""Mean dropout from which overfitting is fought by other means."""
FIRST_LAMBDA = 0.003
"""L2 lambda to begin with where there is none: the reference history's first."""
WIDEST = 4096
"""Hidden layers are not doubled beyond."""


def suggest(settings: Settings, changes: Mapping[str, object], words: str) -> Suggestion | None:
    """Return a suggestion; None where the settings do not allow it or it changes nothing."""
    try:
        return None if change_settings(settings, changes) == settings else Suggestion(dict(changes), words)
    except SettingsError:
        return None


def against_overfitting(settings: Settings, penalty_share: float, best_epoch: int) -> Suggestion | None:
    """Raise dropout, or where that is strong already L2 lambda, or else stop earlier."""
    return (
        (raise_dropout(settings) if mean_dropout(settings) < ENOUGH_DROPOUT else None)
        or (raise_lambda(settings) if penalty_share < PENALTY else None)
        or stop_early(settings, best_epoch)
    )


def against_underfitting(settings: Settings, penalty_share: float) -> Suggestion | None:
    """Weaken what keeps the network from fitting, or where nothing does make it larger."""
    if mean_dropout(settings) >= 2 * DROPOUT_STEP:
        return lower_dropout(settings)
    if penalty_share >= PENALTY / 3:
        return lower_lambda(settings)
    return widen(settings)


def mean_dropout(settings: Settings) -> float:
    """Return the mean dropout of the hidden layers that have any; 0 where none has."""
    used = [layer.dropout for layer in settings.model.hidden if layer.dropout > 0]
    return sum(used) / len(used) if used else 0.0


def raise_dropout(settings: Settings) -> Suggestion | None:
    """Raise the dropout of the layers that have any, or of all where none has."""
    chosen = [layer.dropout > 0 for layer in settings.model.hidden]
    values = [
        max(layer.dropout, min(_tidy(layer.dropout + DROPOUT_STEP), MOST_DROPOUT))
        if use or not any(chosen)
        else layer.dropout
        for layer, use in zip(settings.model.hidden, chosen, strict=True)
    ]
    return _dropouts(settings, values, "raise")


def lower_dropout(settings: Settings) -> Suggestion | None:
    """Lower the dropout of the layers that have any."""
    values = [max(_tidy(layer.dropout - DROPOUT_STEP), 0.0) for layer in settings.model.hidden]
    return _dropouts(settings, values, "lower")


def _dropouts(settings: Settings, values: list[float], verb: str) -> Suggestion | None:
    before = [layer.dropout for layer in settings.model.hidden]
    changed = [number for number, (old, new) in enumerate(zip(before, values, strict=True), 1) if old != new]
    if not changed:
        return None
    shown = ", ".join(show_value(values[number - 1]) for number in changed)
    if len(set(values)) == 1:
        return suggest(
            settings, {"model.hidden.*.dropout": values[0]}, f"{verb} the dropout to {show_value(values[0])}"
        )
    changes = {f"model.hidden.{number}.dropout": values[number - 1] for number in changed}
    where = f"layer {changed[0]}" if len(changed) == 1 else f"layers {', '.join(map(str, changed))}"
    return suggest(settings, changes, f"{verb} the dropout of {where} to {shown}")


def raise_lambda(settings: Settings) -> Suggestion | None:
    """Double L2 lambda, or begin with a small one; None where no layer is penalized."""
    model, old = settings.model, settings.training.l2_lambda
    if not (model.output.l2 or any(layer.l2 for layer in model.hidden)):
        return None
    new = _rounded(2 * old) if old else FIRST_LAMBDA
    return suggest(settings, {"training.l2_lambda": new}, f"raise L2 lambda from {old:g} to {new:g}")


def lower_lambda(settings: Settings) -> Suggestion | None:
    """Lower L2 lambda to a third."""
    old = settings.training.l2_lambda
    new = _rounded(old / 3)
    return suggest(settings, {"training.l2_lambda": new}, f"lower L2 lambda from {old:g} to {new:g}, a third")


def stop_early(settings: Settings, best_epoch: int) -> Suggestion | None:
    """Stop when the cost no longer falls, or where that did not help, after the best epoch."""
    training = settings.training
    if training.early_stopping_patience == 0:
        patience = max(5, training.epochs // 10)
        return suggest(
            settings,
            {"training.early_stopping_patience": patience},
            f"stop after {patience} epochs without improvement (early stopping patience)",
        )
    least = math.floor(training.warmup_epochs) + 1
    epochs = max(best_epoch, least)
    return suggest(settings, {"training.epochs": epochs}, f"train {epochs} epochs instead of {training.epochs}")


def lower_learning_rate(settings: Settings, divisor: int = 3) -> Suggestion | None:
    """Lower the learning rate to a third, or a tenth."""
    old = settings.training.learning_rate
    new = _rounded(old / divisor)
    part = {3: "a third", 10: "a tenth"}[divisor]
    return suggest(
        settings, {"training.learning_rate": new}, f"lower the learning rate from {old:g} to {new:g}, {part}"
    )


def raise_learning_rate(settings: Settings) -> Suggestion | None:
    """Raise the learning rate to ten times what it is."""
    old = settings.training.learning_rate
    new = _rounded(10 * old)
    return suggest(settings, {"training.learning_rate": new}, f"raise the learning rate from {old:g} to {new:g}")


def more_epochs(settings: Settings) -> Suggestion | None:
    """Train half as many epochs again."""
    old = settings.training.epochs
    new = math.ceil(1.5 * old)
    return suggest(settings, {"training.epochs": new}, f"train {new} epochs instead of {old}")


def widen(settings: Settings) -> Suggestion | None:
    """Double the width of every hidden layer, or begin with one."""
    widths = [layer.width for layer in settings.model.hidden]
    if not widths:
        return suggest(settings, {"model.hidden": "256"}, "add a hidden layer of 256 neurons")
    if 2 * max(widths) > WIDEST:
        return None
    wider = "-".join(str(2 * width) for width in widths)
    return suggest(
        settings, {"model.hidden": wider}, f"double the hidden layers' widths from {widths_text(settings)} to {wider}"
    )


def against_dead_units(settings: Settings) -> Suggestion | None:
    """Give the units a gradient everywhere, so that none can die."""
    hidden = settings.model.hidden
    relu = [number for number, layer in enumerate(hidden, 1) if layer.activation == "relu"]
    numbers: list[int] | str = "*" if len(relu) == len(hidden) else relu
    changes = {f"model.hidden.{number}.activation": "leaky_relu" for number in numbers}
    return suggest(settings, changes, "change the activation from relu to leaky_relu, whose units cannot die")


def _tidy(value: float) -> float:
    return round(value, 6)  # 0.30000000000000004 -> 0.3


def _rounded(value: float) -> float:
    return float(f"{value:.1g}")  # what people write: 0.000333 -> 0.0003
