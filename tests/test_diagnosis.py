"""What the rules say of histories made for them, and of such that just miss them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from core.diagnosis import diagnose, next_step
from core.diagnosis.changes import against_dead_units
from core.diagnosis.series import is_beyond_noise, median, noise, running_median, smoothing_floor
from core.settings import Settings
from tests.histories import HEALTHY, falling, flat_then, found, made, of


def test_nothing_is_said_of_nothing_and_little_of_little() -> None:
    assert diagnose([], Settings()) == []
    assert diagnose(made(HEALTHY[0][:9], HEALTHY[1][:9]), of(50)) == []


def test_a_healthy_history_is_called_so_in_one_line() -> None:
    (only,) = diagnose(made(*HEALTHY), of(50))
    assert only.rule == "healthy"
    assert only.suggestion is None
    assert "the test cost is 0.401, its lowest, and" in only.text
    assert "the training images are classified 3.0 points better" in only.text
    assert str(only) == only.text
    (young,) = diagnose(made(*HEALTHY), of(500))
    assert young.text.startswith("healthy: no rule finds anything yet; ")


def test_a_healthy_history_is_told_with_the_costs_that_are_recorded() -> None:
    test = [*HEALTHY[1][:-1], 0.41]
    test[44] = 0.39  # a single epoch, which no median shows
    (only,) = diagnose(made(HEALTHY[0], test), of(50))
    assert "the test cost is 0.41, its lowest was 0.39 in epoch 45, and" in only.text
    assert only.numbers["lowest"] == 0.39


# learning rate


def test_a_divergence_is_told_from_the_reason() -> None:
    reason = "the cost became NaN or infinite in epoch 3, which is not kept"
    (only,) = diagnose(made(*HEALTHY)[:2], of(50, training__learning_rate=0.3), reason=reason)
    assert only.text == "learning rate too high: with 0.3 the cost or a weight became NaN or infinite in epoch 3"
    assert only.suggestion is not None and only.suggestion.changes == {"training.learning_rate": 0.1}
    (at_once,) = diagnose([], of(50, training__learning_rate=10.0), reason=reason)
    assert at_once.suggestion is not None and at_once.suggestion.changes == {"training.learning_rate": 1.0}
    assert "learning rate too high" not in found(made(*HEALTHY), of(50), reason="stopped in epoch 3")


@pytest.mark.parametrize(("jump", "times", "fires"), [(0.11, 5, True), (0.09, 5, False), (0.11, 4, False)])
def test_a_train_cost_that_jumps(jump: float, times: int, fires: bool) -> None:
    fit = falling(50, 2.3, 1.0)
    for at in range(times):
        fit[15 + 7 * at] = fit[14 + 7 * at] * (1 + jump)
    diagnoses = found(made(fit, falling(50, 2.3, 1.4)), of(50))
    assert ("learning rate too high" in diagnoses) == fires
    if fires:
        assert list(diagnoses) == ["learning rate too high"]
        assert "rose by more than 10 % from one epoch to the next 5 times in 50 epochs" in str(*diagnoses.values())
        assert next_step(list(diagnoses.values())) is not None


@pytest.mark.parametrize(
    ("cost", "epochs", "fires"), [(4.7, 4, True), (4.5, 4, False), (4.7, 3, False), (4.7, 30, True)]
)
def test_a_train_cost_that_stays_far_above_that_of_guessing(cost: float, epochs: int, fires: bool) -> None:
    history = made(
        [60.0, *[cost] * (epochs - 1)], [2.4] * epochs, train_accuracy=0.1, test_accuracy=0.1, dead_units=1.0
    )
    diagnoses = found(history, of(40, training__learning_rate=10))
    assert ("learning rate too high" in diagnoses) == fires
    if fires:
        (only,) = diagnoses.values()
        assert "is 4.7 (median of the last 3 epochs), more than 2 times the 2.3 of guessing" in only.text
        assert only.suggestion is not None and only.suggestion.changes == {"training.learning_rate": 1}
    assert "learning rate too high" not in found(history, of(40, training__warmup_epochs=epochs))


def test_jumps_near_zero_and_during_warm_up_are_none() -> None:
    tiny = [0.001 * (1 + 5 * (at % 2)) for at in range(50)]
    assert "learning rate too high" not in found(made(tiny, HEALTHY[1]), of(50))
    fit = [1.0 + (at % 2) if at < 10 else 1.0 for at in range(50)]
    assert "learning rate too high" in found(made(fit, HEALTHY[1]), of(50))
    assert "learning rate too high" not in found(made(fit, HEALTHY[1]), of(50, training__warmup_epochs=10.0))


@pytest.mark.parametrize(("up", "fires"), [(1.32, True), (1.28, False)])
def test_a_test_cost_that_jumps(up: float, fires: bool) -> None:
    test = [0.5 if at % 4 else 0.5 * up for at in range(50)]
    assert ("learning rate too high" in found(made(falling(50, 2.3, 0.4), test), of(50))) == fires


@pytest.mark.parametrize(("end", "fires"), [(1.12, True), (1.08, False)])
def test_a_train_cost_that_ends_above_its_lowest(end: float, fires: bool) -> None:
    climbing = [1.0 + (end - 1.0) * at / 20 for at in range(1, 21)] + [end] * 10
    history = made(flat_then(60, 1.0, climbing), falling(60, 2.3, 1.5))
    diagnoses = found(history, of(60))
    assert ("learning rate too high" in diagnoses) == fires
    if fires:
        assert "the train cost has risen from its lowest 1 in epoch 30 to 1.12 (median of the last 6 epochs)" in (
            diagnoses["learning rate too high"].text
        )
        dip = [*history[:57], replace(history[57], train_cross_entropy=0.5), *history[58:]]
        assert "from its lowest 1 in epoch 30" in found(dip, of(60))["learning rate too high"].text
    rising_rate = of(100, training__schedule="one-cycle")
    assert "learning rate too high" not in found(history, rising_rate)  # it may come down again


def test_nothing_learnt_at_the_cost_and_accuracy_of_guessing() -> None:
    flat = [math.log(10)] * 30
    history = made(flat, flat, train_accuracy=0.10, test_accuracy=0.189)
    (only,) = diagnose(history, of(30))
    assert only.rule == "nothing learnt"
    assert only.text.endswith("guessing gives 10.0 % and 2.3")
    assert only.suggestion is not None and only.suggestion.changes == {"training.learning_rate": 0.0003}
    assert "nothing learnt" not in found(made(flat, flat, train_accuracy=0.10, test_accuracy=0.191), of(30))
    lower = [0.97 * math.log(10)] * 30
    assert "nothing learnt" not in found(made(lower, lower, train_accuracy=0.10, test_accuracy=0.10), of(30))
    assert "nothing learnt" not in found(history, of(30, data__source="/a/folder"))  # of how many classes?
    assert "nothing learnt" in found(history, of(30, data__source="/a/folder"), classes=10)
    assert "nothing learnt" not in found(history, of(30), classes=12)


@pytest.mark.parametrize(
    ("changes", "penalty", "suggested"),
    [
        ({"training__l2_lambda": 30.0}, 2.3, {"training.l2_lambda": 10.0}),
        ({"model.hidden.*.dropout": 0.9}, 0.0, {"model.hidden.*.dropout": 0.8}),
        ({"training__learning_rate": 1e-6}, 0.0, {"training.learning_rate": 1e-5}),
        ({"training__learning_rate": 0.7}, 0.0, {"training.learning_rate": 0.2}),
    ],
)
def test_what_keeps_a_network_from_learning_anything(
    changes: dict[str, Any], penalty: float, suggested: dict[str, Any]
) -> None:
    flat = [math.log(10)] * 30
    history = made(flat, flat, train_accuracy=0.1, test_accuracy=0.1, penalty=penalty)
    (only,) = diagnose(history, of(30, **changes))
    assert only.suggestion is not None and only.suggestion.changes == suggested


# dead units


@pytest.mark.parametrize(("part", "fires"), [(0.26, True), (0.25, False), (None, False)])
def test_dead_units(part: float | None, fires: bool) -> None:
    diagnoses = found(made(*HEALTHY, dead_units=part), of(50))
    assert ("dead hidden units" in diagnoses) == fires
    if fires:
        (only,) = diagnoses.values()
        assert only.text == (
            "dead hidden units: 26 % of the hidden units with a ReLU are activated by no image "
            "(median of the last 5 epochs); less than 5 % is usual"
        )
        assert only.suggestion is not None and only.suggestion.changes == {"model.hidden.*.activation": "leaky_relu"}


@pytest.mark.parametrize(("first", "changed"), [(4.7, "training.learning_rate"), (4.5, "model.hidden.*.activation")])
def test_units_that_too_long_steps_have_killed_ask_for_shorter_ones(first: float, changed: str) -> None:
    fit, test = [first, *HEALTHY[0][1:]], HEALTHY[1]
    (only,) = diagnose(made(fit, test, dead_units=0.5), of(50))
    assert only.rule == "dead hidden units" and ("steps were too long" in only.text) == (first > 4.6)
    assert only.suggestion is not None and list(only.suggestion.changes) == [changed]


def test_only_layers_with_a_relu_are_changed() -> None:
    mixed = against_dead_units(of(50, **{"model.hidden.*.activation": "relu,gelu"}))
    assert mixed is not None and mixed.changes == {"model.hidden.1.activation": "leaky_relu"}
    assert against_dead_units(of(50, **{"model.hidden.*.activation": "gelu"})) is None


# parts


def test_medians_and_noise() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0, 2.0, 3.0]) == 2.5
    assert running_median([9.0, 1.0, 2.0, 3.0, 4.0]) == [2.0, 2.5, 3.0, 2.5, 3.0]
    random_ = random.Random(0)
    values = [at * 0.5 + random_.gauss(0, 0.2) for at in range(2000)]
    assert noise(values) == pytest.approx(0.2, rel=0.1)
    assert is_beyond_noise(0.2, values, 50) and not is_beyond_noise(0.02, values, 50)


def test_the_floor_of_label_smoothing_is_the_least_cross_entropy() -> None:
    assert smoothing_floor(0.0, 10) == 0.0
    target = [0.91, *[0.01] * 9]
    assert smoothing_floor(0.1, 10) == pytest.approx(-sum(part * math.log(part) for part in target))
