"""What the rules say of how well a network fits: overfitting, underfitting, regularization, the end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from core.diagnosis import next_step
from core.diagnosis.changes import against_overfitting, against_underfitting, stop_early
from core.diagnosis.fitting import ALL_ALONG, FITTED_COST
from core.diagnosis.series import smoothing_floor
from core.epoch import Epoch
from core.settings import change_settings
from tests.curves import epoch_with
from tests.histories import falling, flat_then, found, made, of

# overfitting


@pytest.mark.parametrize(("rise", "fires"), [(0.12, True), (0.03, True), (0.02, False)])
def test_overfitting_since_the_lowest_test_cost(rise: float, fires: bool) -> None:
    test = flat_then(60, 1.31, [1.31 + rise * at / 30 for at in range(1, 31)] + [1.31 + rise] * 6)
    diagnoses = found(made(falling(60, 2.3, 0.9), test), of(60))
    assert ("overfitting" in diagnoses) == fires
    if rise > 0.1:
        said = diagnoses["overfitting"]
        text = "overfitting since epoch 24: the test cost has risen from 1.31 to 1.43 (median of the last 6 epochs) "
        assert said.text.startswith(text + "while the train cost fell by 0.0")
        assert said.numbers["rise"] == pytest.approx(0.12, abs=0.001)
        assert said.suggestion is not None and said.suggestion.changes == {"model.hidden.*.dropout": 0.1}
        assert str(said) == f"{said.text}; next: raise the dropout to 0.1"


def test_overfitting_is_told_since_the_epoch_that_is_marked_as_the_best() -> None:
    test = flat_then(60, 1.31, [1.31 + 0.12 * at / 30 for at in range(1, 31)] + [1.43] * 6)
    test[20] = 1.29  # what no median shows
    said = found(made(falling(60, 2.3, 0.9), test), of(60))["overfitting"]
    assert said.text.startswith("overfitting since epoch 21: the test cost has risen from 1.29 to 1.43 (median of the")
    assert said.numbers["epoch"] == 21


def test_both_costs_rising_is_no_overfitting_and_neither_is_a_single_epoch() -> None:
    up = [1.31 + 0.12 * at / 30 for at in range(1, 37)]
    test = flat_then(60, 1.31, up)
    assert "overfitting" not in found(made([cost - 0.4 for cost in test], test), of(60))
    spike = [*falling(59, 2.3, 1.31), 1.6]
    assert "overfitting" not in found(made(falling(60, 2.3, 1.0), spike), of(60))


def test_overfitting_is_read_off_the_validation_images_where_there_are_any() -> None:
    rising = flat_then(60, 1.3, [1.3 + 0.01 * at for at in range(1, 37)])
    history = made(falling(60, 2.3, 0.9), falling(60, 2.3, 1.3))
    history = [
        epoch_with(
            each.epoch,
            train_cost=each.train_cost,
            train_cross_entropy=each.train_cost,
            validation_cost=cost,
            validation_accuracy=0.9,
            test_cost=1.3,
        )
        for each, cost in zip(history, rising, strict=True)
    ]
    assert "the validation cost has risen" in found(history, of(60, data__validation_split=0.1))["overfitting"].text


def test_overfitting_that_costs_no_accuracy_is_told_as_that() -> None:
    test = flat_then(60, 1.31, [1.31 + 0.01 * at for at in range(1, 37)])
    history = made(falling(60, 2.3, 0.9), test)
    assert "wrong answers grow surer" in found(history, of(60))["overfitting"].text
    worse = history[:30] + made([0.9] * 30, test[30:], test_accuracy=0.8)
    worse = [epoch_with(at, **figures(each)) for at, each in enumerate(worse, 1)]
    assert "wrong answers" not in found(worse, of(60))["overfitting"].text


def figures(epoch: Epoch) -> dict[str, Any]:
    names = ("train_cost", "train_cross_entropy", "train_accuracy", "test_cost", "test_accuracy")
    return {name: getattr(epoch, name) for name in names}


def test_against_overfitting_the_means_follow_one_another() -> None:
    settings, told = of(100), []
    for _ in range(20):
        suggestion = against_overfitting(settings, penalty_share=0.1, best_epoch=40)
        if suggestion is None or "training.l2_lambda" in suggestion.changes:
            break
        told.append(dict(suggestion.changes))
        settings = change_settings(settings, suggestion.changes)
    assert [each["model.hidden.*.dropout"] for each in told] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert suggestion is not None and suggestion.changes == {"training.l2_lambda": 0.003}
    strong = against_overfitting(settings, penalty_share=0.5, best_epoch=40)
    assert strong is not None and strong.changes == {"training.early_stopping_patience": 10}
    shorter = stop_early(change_settings(settings, strong.changes), best_epoch=40)
    assert shorter is not None and shorter.changes == {"training.epochs": 40}


def test_layers_without_dropout_stay_without() -> None:
    settings = change_settings(of(100), {"model.hidden": "64-32-16", "model.hidden.*.dropout": "0.6,0.2,0"})
    suggestion = against_overfitting(settings, penalty_share=0.0, best_epoch=40)
    assert suggestion is not None
    assert suggestion.changes == {"model.hidden.1.dropout": 0.7, "model.hidden.2.dropout": 0.3}
    assert suggestion.words == "raise the dropout of layers 1, 2 to 0.7, 0.3"


# regularization too strong, underfitting


@pytest.mark.parametrize(
    ("margin", "accuracy", "dropout", "flip", "fires"),
    [
        (0.16, 0.6, 0.5, False, True),
        (0.14, 0.6, 0.5, False, False),  # a tenth of the test cost is normal
        (0.16, 0.91, 0.5, False, False),  # they are fitted all the same
        (0.16, 0.6, 0.0, False, False),
        (0.16, 0.6, 0.5, True, False),  # augmented images cost more
        (0.31, 0.6, 0.5, True, True),
    ],
)
def test_dropout_too_strong(margin: float, accuracy: float, dropout: float, flip: bool, fires: bool) -> None:
    test = falling(50, 2.3, 1.5)
    history = made([cost + margin for cost in test], test, train_accuracy=accuracy, test_accuracy=0.65)
    settings = of(50, **{"model.hidden.*.dropout": dropout, "data.horizontal_flip": flip})
    diagnoses = found(history, settings)
    assert ("dropout too strong" in diagnoses) == fires
    if fires:
        assert "with 0.5 on average the train cost (without L2 penalty) stays above the test cost, at the end by " in (
            diagnoses["dropout too strong"].text
        )
        suggestion = diagnoses["dropout too strong"].suggestion
        assert suggestion is not None and suggestion.changes == {"model.hidden.*.dropout": 0.4}


def test_dropout_is_not_blamed_early_nor_where_the_costs_cross_nor_for_label_smoothing() -> None:
    test = falling(50, 2.3, 1.5)
    above = [cost + 0.2 for cost in test]
    dropped = {"model.hidden.*.dropout": 0.5}
    low = {"train_accuracy": 0.6, "test_accuracy": 0.65}
    assert "dropout too strong" in found(made(above, test, **low), of(50, **dropped))
    assert "dropout too strong" not in found(made(above, test, **low), of(101, **dropped))
    crossing = [other - 0.2 if at % 8 == 0 else mine for at, (mine, other) in enumerate(zip(above, test, strict=True))]
    assert ALL_ALONG * 25 > 22
    assert "dropout too strong" not in found(made(crossing, test, **low), of(50, **dropped))
    smooth = of(50, **dropped, training__label_smoothing=0.1)
    assert "dropout too strong" not in found(made(above, test, **low), smooth)
    floor = smoothing_floor(0.1, 10)
    assert "dropout too strong" in found(made([cost + floor for cost in above], test, **low), smooth)


@pytest.mark.parametrize(
    ("penalty", "fit", "fires"), [(0.25, 0.5, True), (0.2, 0.5, False), (0.25, FITTED_COST - 0.01, False)]
)
def test_lambda_too_strong(penalty: float, fit: float, fires: bool) -> None:
    history = made(falling(50, 2.3, fit), falling(50, 2.3, fit), penalty=penalty)
    diagnoses = found(history, of(50, training__l2_lambda=0.03))
    assert ("L2 lambda too strong" in diagnoses) == fires
    if fires:
        said = diagnoses["L2 lambda too strong"]
        assert "with 0.03 the penalty is 33 % of the train cost" in said.text
        assert said.suggestion is not None and said.suggestion.changes == {"training.l2_lambda": 0.01}


@pytest.mark.parametrize(
    ("train_accuracy", "test_accuracy", "fires"),
    [(0.55, 0.54, True), (0.89, 0.88, True), (0.91, 0.90, False), (0.55, 0.525, False), (0.85, 0.92, False)],
)
def test_underfitting(train_accuracy: float, test_accuracy: float, fires: bool) -> None:
    level = falling(50, 2.3, 1.3)
    history = made(level, level, train_accuracy=train_accuracy, test_accuracy=test_accuracy)
    diagnoses = found(history, of(50))
    assert ("underfitting" in diagnoses) == fires
    if fires:
        suggestion = diagnoses["underfitting"].suggestion
        assert suggestion is not None and suggestion.changes == {"model.hidden": "512-256"}


def test_underfitting_is_not_told_before_the_learning_rate_has_fallen_nor_while_costs_fall() -> None:
    level = falling(50, 2.3, 1.3)
    history = made(level, level, train_accuracy=0.55, test_accuracy=0.54)
    assert "underfitting" in found(history, of(60))
    assert "underfitting" not in found(history, of(60, training__schedule="cosine"))
    assert "underfitting" in found(history, of(50, training__schedule="cosine"))
    steep = [2.3 - 0.02 * at for at in range(50)]
    assert "underfitting" not in found(made(steep, level, train_accuracy=0.55, test_accuracy=0.54), of(50))


def test_against_underfitting_the_strongest_brake_goes_first() -> None:
    dropped = against_underfitting(of(50, **{"model.hidden.*.dropout": "0.5,0.2"}), penalty_share=0.2)
    assert dropped is not None and dropped.changes == {"model.hidden.1.dropout": 0.4, "model.hidden.2.dropout": 0.1}
    penalized = against_underfitting(of(50, training__l2_lambda=0.007), penalty_share=0.2)
    assert penalized is not None and penalized.changes == {"training.l2_lambda": 0.002}
    none = against_underfitting(of(50, **{"model.hidden": "none"}), penalty_share=0.0)
    assert none is not None and none.changes == {"model.hidden": "256"}
    assert against_underfitting(of(50, **{"model.hidden": "4096"}), penalty_share=0.0) is None


# the end


@pytest.mark.parametrize(("fall", "fires"), [(0.017, True), (0.013, False)])
def test_still_improving(fall: float, fires: bool) -> None:
    test = flat_then(60, 1.5, [1.5 - fall * at / 6 for at in range(1, 19)])
    diagnoses = found(made(falling(60, 2.3, 1.3), test), of(60))
    assert ("still improving" in diagnoses) == fires
    if fires:
        said = diagnoses["still improving"]
        assert said.text == "still improving: the test cost (median of 6 epochs) fell by 0.017 to 1.46 in the last 6"
        assert said.suggestion is not None and said.suggestion.changes == {"training.epochs": 90}


def test_a_fall_within_the_noise_or_above_an_earlier_lowest_is_no_improvement() -> None:
    random_ = random.Random(3)
    noisy = [1.5 + random_.gauss(0, 0.05) - 0.02 * (at >= 54) for at in range(60)]
    assert "still improving" not in found(made(falling(60, 2.3, 1.3), noisy), of(60))
    back = [*falling(30, 2.3, 1.0), *[1.4] * 12, *[1.4 - 0.01 * at for at in range(18)]]
    assert "still improving" not in found(made(falling(60, 2.3, 0.9), back), of(60))


def test_still_improving_with_a_schedule_and_before_the_end() -> None:
    test = flat_then(60, 1.5, [1.5 - 0.01 * at for at in range(1, 19)])
    history = made(falling(60, 2.3, 1.3), test)
    said = found(history, of(60, training__schedule="cosine"))["still improving"]
    assert "as it does when the learning rate falls to zero; a longer schedule may lead lower" in said.text
    assert said.suggestion is not None
    stopped = found(history, of(80))["still improving"]
    assert stopped.text.endswith("60 of 80 planned epochs are done")
    assert stopped.suggestion is None


@pytest.mark.parametrize(("test_accuracy", "fires"), [(0.80, True), (0.81, False)])
def test_a_wide_gap(test_accuracy: float, fires: bool) -> None:
    history = made(falling(50, 2.3, 0.3), falling(50, 2.3, 0.9), train_accuracy=0.905, test_accuracy=test_accuracy)
    diagnoses = found(history, of(50))
    assert ("wide gap" in diagnoses) == fires
    if fires:
        assert "90.5 % of the training images" in diagnoses["wide gap"].text
        assert next_step(list(diagnoses.values())) is not None


def test_against_a_wide_gap_a_training_ends_with_its_best_epoch() -> None:
    test = falling(50, 2.3, 0.9)
    test[39] = 0.89
    history = made(falling(50, 2.3, 0.3), test, train_accuracy=0.905, test_accuracy=0.8)
    strong = {"model.hidden.*.dropout": 0.7, "training.l2_lambda": 1e-3, "training.early_stopping_patience": 20}
    settings = change_settings(of(100, **strong), {f"model.{part}.l2": False for part in ("hidden.*", "output")})
    suggestion = found(history, settings)["wide gap"].suggestion
    assert suggestion is not None and suggestion.words == "train 40 epochs instead of 100"
