"""What must hold of the rules whatever the history and the settings, and of real histories."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from core.data.dataset import Dataset
from core.diagnosis import diagnose, diagnose_trial
from core.diagnosis.changes import against_dead_units, against_overfitting, against_underfitting, stop_early
from core.epoch import Epoch
from core.errors import DivergedError
from core.presets import all_presets
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import find_trial
from tests.curves import epoch_with


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    layers = draw(st.lists(st.tuples(st.integers(1, 9000), st.floats(0, 0.99), st.booleans()), max_size=4))
    activation = draw(st.sampled_from(["relu", "gelu", "tanh"]))
    warmup = draw(st.sampled_from([0.0, 2.5, 9.0]))
    return change_settings(
        Settings(),
        {
            "model.hidden": [
                {"width": width, "dropout": dropout, "batch_norm": norm, "activation": activation, "l2": norm}
                for width, dropout, norm in layers
            ],
            "model.output.l2": draw(st.booleans()),
            "training.learning_rate": draw(st.floats(0, 10, exclude_min=True)),
            "training.l2_lambda": draw(st.floats(0, 1000)),
            "training.warmup_epochs": warmup,
            "training.epochs": draw(st.integers(10, 100_000)),
            "training.early_stopping_patience": draw(st.sampled_from([0, 10])),
            "training.schedule": draw(st.sampled_from(["constant", "cosine", "one-cycle"])),
            "training.label_smoothing": draw(st.floats(0, 0.99)),
        },
    )


costs = st.floats(0, 1e6)
parts = st.floats(0, 1)


@st.composite
def any_history(draw: st.DrawFn) -> list[Epoch]:
    count = draw(st.integers(0, 40))
    shape = draw(st.sampled_from(["any", "falling", "overfitting", "chance"]))
    history = []
    for number in range(1, count + 1):
        fit = {"any": draw(costs), "chance": math.log(10)}.get(shape, 3 / number)
        test = {"any": draw(costs), "overfitting": 1 + 0.05 * abs(number - 12)}.get(shape, fit)
        accuracy = 0.1 if shape == "chance" else draw(parts)
        history.append(
            epoch_with(
                number,
                train_cost=fit + draw(st.sampled_from([0.0, 0.3, 9.0])),
                train_cross_entropy=fit,
                train_accuracy=accuracy,
                test_cost=test,
                test_accuracy=accuracy,
                dead_units=draw(st.none() | parts),
            )
        )
    return history


@effort(max_examples=300, deadline=None)
@given(any_history(), any_settings(), st.sampled_from(["", "the cost became NaN or infinite in epoch 3"]))
def test_whatever_the_history_every_suggestion_is_one_that_the_settings_take(
    history: list[Epoch], settings: Settings, reason: str
) -> None:
    for each in diagnose(history, settings, reason=reason):
        assert each.text.startswith(each.rule) and "\n" not in each.text and not each.text.endswith(".")
        assert all(math.isfinite(number) for number in each.numbers.values())
        if each.suggestion is not None:
            assert change_settings(settings, each.suggestion.changes) != settings
            assert each.suggestion.words


@effort(max_examples=300, deadline=None)
@given(any_settings(), parts, st.integers(1, 100_000))
def test_every_means_stays_within_the_limits(settings: Settings, share: float, epoch: int) -> None:
    for suggestion in (
        against_overfitting(settings, share, epoch),
        against_underfitting(settings, share),
        against_dead_units(settings),
        stop_early(settings, epoch),
    ):
        if suggestion is not None:
            assert change_settings(settings, suggestion.changes) != settings


# real histories


def test_real_trainings_are_read_as_what_they_are(digits: Dataset, home: Path) -> None:
    wanted = {
        "overfitting": {
            "model.hidden": "128-128",
            "model.hidden.*.dropout": 0.0,
            "model.hidden.*.batch_norm": False,
            "training.learning_rate": 0.003,
            "training.epochs": 80,
        },
        "dropout too strong": {"model.hidden": "32", "model.hidden.*.dropout": 0.8, "training.epochs": 15},
        "L2 lambda too strong": {"training.l2_lambda": 300.0, "training.epochs": 20},
        "learning rate too high": {"training.learning_rate": 1.0, "training.epochs": 20},
        "nothing learnt": {
            "model.hidden": "32-32",
            "model.hidden.*.batch_norm": False,
            "training.learning_rate": 0.5,
            "training.epochs": 12,
        },
        "dead hidden units": {
            "model.hidden.*.dropout": 0.0,
            "model.hidden.*.batch_norm": False,
            "training.learning_rate": 0.03,
            "training.epochs": 12,
        },
        "still improving": {"model.hidden": "4-4", "model.hidden.*.dropout": 0.0, "training.epochs": 20},
        "healthy": {"training.schedule": "cosine", "training.epochs": 20},
    }
    for rule, changes in wanted.items():
        settings = change_settings(Settings(), {**changes, "training.device": "cpu"})
        list(train(settings, digits, home=home))
        said = diagnose_trial(find_trial(home, "last"))
        assert said and said[0].rule == rule, (rule, [str(each) for each in said])


def test_a_training_that_diverged_says_so(digits: Dataset, home: Path) -> None:
    changes = {
        "model.hidden": "512-512-512-512",
        "model.hidden.*.batch_norm": False,
        "training.optimizer": "sgd",
        "training.learning_rate": 10.0,
    }
    with pytest.raises(DivergedError):
        list(train(change_settings(Settings(), changes), digits, home=home))
    trial = find_trial(home, "last")
    (only,) = diagnose_trial(trial)
    assert only.rule == "learning rate too high"
    assert "became NaN or infinite in epoch" in only.text
    (trial.directory / "summary.json").write_text("{")
    assert diagnose_trial(trial) == []


def test_the_presets_take_every_suggestion() -> None:
    for preset in all_presets().values():
        for suggestion in (
            against_overfitting(preset.settings, 0.05, 50),
            against_underfitting(preset.settings, 0.05),
        ):
            assert suggestion is not None
            assert change_settings(preset.settings, suggestion.changes) != preset.settings
