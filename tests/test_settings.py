"""Settings: values, validated in one place, changed by name, compared in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.settings import (
    FIELDS,
    DataSettings,
    HiddenLayer,
    ModelSettings,
    OutputLayer,
    Settings,
    TrainingSettings,
    change_settings,
    differences,
    make_settings,
    settings_from_toml,
    settings_to_toml,
    widths_text,
)
from core.settings.fields import SettingField

FIVE_MISTAKES = """
[data]
validation_split = 3
[model]
hidden = [{ width = 0, dropout = 1.0 }]
[training]
learning_rate = -1
optimizer = "adaam"
"""


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        settings_from_toml(text)
    return caught.value.problems


def value_of(field: SettingField) -> st.SearchStrategy[object]:
    if field.choices:
        return st.sampled_from(field.choices)
    if field.kind is bool:
        return st.booleans()
    low = field.minimum if field.minimum is not None else 0
    high = field.maximum if field.maximum is not None else low + 100_000
    if field.kind is int:
        return st.integers(int(low), int(high))
    return st.floats(low, high, exclude_min=field.above, exclude_max=field.below)


def part(prefix: str) -> st.SearchStrategy[dict[str, object]]:
    own = {
        path: field for path, field in FIELDS.items() if path.rpartition(".")[0] == prefix and field.kind is not tuple
    }
    names = {path.rpartition(".")[2]: value_of(field) for path, field in own.items()}
    if prefix == "data":
        names |= {
            "source": st.text(min_size=1, max_size=30),
            "image_size": st.just("32x32"),
            "normalization": st.just("none"),
        }
    if prefix == "training":
        names |= {"warmup_epochs": st.floats(0, 5), "epochs": st.integers(6, 100_000)}
    return st.fixed_dictionaries(names)


any_settings = st.builds(
    lambda data, model, layers, output, training: make_settings(
        {"data": data, "model": {**model, "hidden": layers, "output": output}, "training": training}
    ),
    part("data"),
    part("model"),
    st.lists(part("model.hidden.*"), max_size=6),
    part("model.output"),
    part("training"),
)


def test_settings_are_immutable_hashable_values() -> None:
    assert Settings() == Settings()
    assert hash(Settings()) == hash(Settings())
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().training.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "problems"),
    [
        (
            lambda: TrainingSettings(device="tpu"),
            ["training.device: 'tpu' is not allowed; must be one of auto, cpu, cuda"],
        ),
        (
            lambda: HiddenLayer(width=True, dropout=math.nan),
            [
                "model.hidden.*.width: True is not allowed; must be a whole number from 1 to 1,000,000",
                "model.hidden.*.dropout: nan is not allowed; must be a number from 0 to 0.99",
            ],
        ),
        (lambda: TrainingSettings(l2_lambda=10**400), ["must be a number from 0 to 1,000"]),
        (lambda: TrainingSettings(learning_rate=0), ["must be a number over 0 and at most 10"]),
        (lambda: TrainingSettings(momentum=1), ["must be a number from 0 and under 1"]),
        (lambda: DataSettings(source="\ud800"), ["must be a name in UTF-8"]),
        (
            lambda: DataSettings(normalization="given", mean=(0.5, "x")),
            ["data.mean.2: 'x' is not allowed; must be a number"],
        ),
        (lambda: ModelSettings(hidden=[3]), ["model.hidden.1: 3 is not allowed; must be a table of settings"]),
        (lambda: Settings(data=ModelSettings()), ["must be a table of settings"]),
        (lambda: dataclasses.replace(TrainingSettings(), epochs=0), ["training.epochs: 0 is not allowed"]),
    ],
)
def test_no_wrong_value_can_be_made(make: Callable[[], object], problems: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        make()
    assert len(caught.value.problems) == len(problems)
    assert all(problem in line for problem, line in zip(problems, caught.value.problems, strict=True))


def test_whole_numbers_stand_for_numbers_and_lists_for_tuples() -> None:
    assert isinstance(TrainingSettings(learning_rate=1).learning_rate, float)
    data = DataSettings(normalization="given", mean=[0], std=[1])  # type: ignore[arg-type]
    assert data == DataSettings(normalization="given", mean=(0.0,), std=(1.0,))
    layers = [HiddenLayer(width=3)]
    assert ModelSettings(hidden=layers).hidden == tuple(layers)  # type: ignore[arg-type]


def test_of_very_many_mistakes_the_first_are_told_and_the_others_counted() -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings({f"x{number}": 1 for number in range(10_000)})
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1] == "and 9,950 more mistakes"


def test_five_mistakes_are_five_lines_that_name_field_and_range() -> None:
    assert problems_of(FIVE_MISTAKES) == (
        "data.validation_split: 3 is not allowed; must be a number from 0 to 0.9",
        "model.hidden.1.width: 0 is not allowed; must be a whole number from 1 to 1,000,000",
        "model.hidden.1.dropout: 1.0 is not allowed; must be a number from 0 to 0.99",
        "training.optimizer: 'adaam' is not allowed; must be one of adam, adamw, sgd",
        "training.learning_rate: -1 is not allowed; must be a number over 0 and at most 10",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[training]\nepochs = true", "training.epochs: True is not allowed; must be a whole number from 1 to 100,000"),
        ("[training]\nlearning_rate = nan", "must be a number over 0"),
        ("[training]\nepoch = 3", "training.epoch: there is no such setting; did you mean training.epochs?"),
        ("data = 3", "data: 3 is not allowed; must be a table of settings"),
        ("[model]\nhidden = 3", "model.hidden: 3 is not allowed; must be a list of tables, one per hidden layer"),
        ("[model]\nhidden = [3]", "model.hidden.1: 3 is not allowed; must be a table of settings"),
        (
            "[[model.hidden]]\ndropout = 0.1",
            "model.hidden.1.width: is missing; must be a whole number from 1 to 1,000,000",
        ),
        ('[data]\nimage_size = "0x3"', "must be auto or HEIGHTxWIDTH"),
        ('[data]\nnormalization = "given"', "data.mean: () is not allowed; must be one number or three"),
        ("[data]\nmean = [0.5]\nstd = [1]", "data.mean: [0.5] is not allowed; must be left out unless"),
        (
            '[data]\nnormalization = "given"\nmean = [0.5]\nstd = [0]',
            "data.std: [0] is not allowed; must be numbers from 1e-06",
        ),
        ("[training", "settings: "),
        ("a.b.c = " + "[" * 500, "line 1 has more than 64 dots and brackets"),
        ("[\n" * 3000, "settings: "),
        ("x" * 6000, "line 1 has more than 5,000 characters"),
        ("a = " + "9" * 4900, "settings: a number has too many digits"),
    ],
)
def test_a_mistake_is_one_line(text: str, problem: str) -> None:
    problems = problems_of(text)
    assert any(problem in line for line in problems), problems
    assert all("\n" not in line for line in problems)


@given(any_settings)
@settings(max_examples=60, deadline=None)
def test_toml_gives_back_the_same_settings(value: Settings) -> None:
    assert settings_from_toml(settings_to_toml(value)) == value


@given(any_settings, any_settings)
@settings(max_examples=60, deadline=None)
def test_settings_differ_exactly_if_they_are_not_equal(one: Settings, other: Settings) -> None:
    assert differences(one, one) == []
    assert (differences(one, other) == []) == (one == other)


def test_every_field_is_in_the_toml_with_its_help() -> None:
    text = settings_to_toml(Settings())
    for path, field in FIELDS.items():
        assert f"{path.rpartition('.')[2]} = " in text
        assert field.help in text


def test_a_thousand_layers_are_read_in_good_time() -> None:
    deep = Settings(model=ModelSettings(hidden=tuple(HiddenLayer(width=8) for _ in range(1000))))
    assert settings_from_toml(settings_to_toml(deep)) == deep


def test_changes_by_name_read_texts_and_count_layers_from_one() -> None:
    changed = change_settings(
        Settings(),
        [
            ("model.hidden", "1024-512-64"),
            ("model.hidden.*.dropout", "0.6,0.4"),
            ("model.hidden.1.activation", "gelu"),
            ("model.output.l2", "off"),
            ("training.learning_rate", "3e-4"),
            ("data.horizontal_flip", "true"),
            ("data.normalization", "given"),
            ("data.mean", "0.5,0.5,0.5"),
            ("data.std", "0.25,0.25,0.25"),
        ],
    )
    assert [layer.width for layer in changed.model.hidden] == [1024, 512, 64]
    assert [layer.dropout for layer in changed.model.hidden] == [0.6, 0.4, 0.4]
    assert [layer.activation for layer in changed.model.hidden] == ["gelu", "relu", "relu"]
    assert changed.model.output == OutputLayer(l2=False)
    assert changed.training.learning_rate == 3e-4
    assert changed.data.horizontal_flip
    assert changed.data.mean == (0.5, 0.5, 0.5)


def test_widths_keep_what_layers_have_and_new_ones_take_it_from_the_last() -> None:
    base = change_settings(Settings(), {"model.hidden": "8-4", "model.hidden.*.dropout": "0.5,0.1"})
    wider = change_settings(base, {"model.hidden": "16-8-4"})
    assert [layer.dropout for layer in wider.model.hidden] == [0.5, 0.1, 0.1]
    assert widths_text(change_settings(base, {"model.hidden": "none"})) == "none"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("epochs", "3", "epochs: there is no such setting; did you mean training.epochs?"),
        ("training.lr", "1", "training.lr: there is no such setting; did you mean training.learning_rate?"),
        ("data.epoch", "1", "data.epoch: there is no such setting; did you mean training.epochs?"),
        ("trainingepochs", "1", "trainingepochs: there is no such setting; did you mean training.epochs?"),
        ("training.foo", "1", "training.foo: there is no such setting; they begin with data, model, training"),
        (
            "model.hidden.2.dropuot",
            "1",
            "model.hidden.2.dropuot: there is no such setting; did you mean model.hidden.*.dropout?",
        ),
        ("data", "3", "data: is a group of settings; name one of them, such as data.source"),
        ("model.hidden.3.dropout", "0.1", "model.hidden.3.dropout: there is no hidden layer 3; the layers are 1 to 2"),
        ("model.hidden.0.dropout", "0.1", "there is no hidden layer 0"),
        ("model.hidden.*.dropout", "1,2,3", "model.hidden.*.dropout: 3 values are given for 2 hidden layers"),
        ("model.hidden", "8--x", "model.hidden: '8--x' is not allowed"),
        ("training.epochs", "2.5", "training.epochs: '2.5' is not allowed; must be a whole number from 1 to 100,000"),
        ("\x1b[31m", "1", "\\x1b[31m: there is no such setting"),
    ],
)
def test_a_wrong_change_is_one_line(name: str, value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        change_settings(Settings(), {name: value})
    assert any(line.startswith(problem) or problem in line for line in caught.value.problems), caught.value.problems


def test_wrong_names_and_wrong_values_are_told_together() -> None:
    with pytest.raises(SettingsError) as caught:
        change_settings(Settings(), {"training.epochs": "0", "nonsense": "1", "training.seed": "-1"})
    assert len(caught.value.problems) == 3


def test_a_difference_is_told_in_words() -> None:
    old = change_settings(Settings(), {"model.hidden.2.dropout": 0.6})
    new = change_settings(old, {"model.hidden.2.dropout": 0.4, "training.l2_lambda": 0.006, "model.output.l2": False})
    assert [str(change) for change in differences(old, new)] == [
        "dropout of layer 2: 0.6 -> 0.4",
        "L2 penalty of the output layer: on -> off",
        "L2 lambda: 0 -> 0.006",
    ]


def test_a_setting_of_the_whole_network_is_an_ordinary_one() -> None:
    new = change_settings(Settings(), {"model.skip_connections": "on", "model.hidden.1.width": 64})
    assert new.model.skip_connections
    assert [str(change) for change in differences(Settings(), new)] == [
        "skip connections: off -> on",
        "width of layer 1: 256 -> 64",
    ]
    assert "\nskip_connections = true\n" in settings_to_toml(new)
    with pytest.raises(SettingsError, match="model.skip_connections: 'perhaps' is not allowed; must be true or false"):
        change_settings(Settings(), {"model.skip_connections": "perhaps"})


def test_a_layer_put_in_between_is_one_addition() -> None:
    old = change_settings(Settings(), {"model.hidden": "64-16"})
    layers = (old.model.hidden[0], HiddenLayer(width=32, dropout=0.1), old.model.hidden[1])
    new = dataclasses.replace(old, model=ModelSettings(hidden=layers))
    assert [str(change) for change in differences(old, new)] == [
        "hidden layers: 64-16 -> 64-32-16",
        "layer 2 added: width 32, batch norm, relu, dropout 0.1, L2 penalty",
    ]
    assert [str(change) for change in differences(new, old)][1].startswith("layer 2 removed: width 32")


def test_arrow_keys_stay_in_the_range_and_come_back() -> None:
    for field in FIELDS.values():
        if field.step is None:
            with pytest.raises(ValueError, match="has no step"):
                field.stepped(1, up=True)
            continue
        value = field.default if field.default is not None else 64
        for up in (True, False):
            now = value
            for _ in range(200):
                now = field.stepped(now, up)
                assert math.isfinite(now)
                assert (field.minimum is None or now >= field.minimum) and not (field.above and now == field.minimum)
                assert (field.maximum is None or now <= field.maximum) and not (field.below and now == field.maximum)
    rate = FIELDS["training.learning_rate"]
    assert [rate.stepped(1e-3, up=True), rate.stepped(1e-3, up=False), rate.stepped(7e-4, up=True)] == [
        2e-3,
        5e-4,
        1e-3,
    ]
    assert FIELDS["model.hidden.*.dropout"].stepped(0.25, up=True) == 0.3


def test_a_decay_is_stepped_by_its_nines() -> None:
    decay, value = FIELDS["training.ema_decay"], 0.0
    passed = [0.0, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999, 0.99995]
    for expected in passed[1:]:
        value = decay.stepped(value, up=True)
        assert value == expected
    for expected in passed[-2::-1]:
        value = decay.stepped(value, up=False)
        assert value == expected
    assert [decay.stepped(0.997, up=up) for up in (True, False)] == [0.998, 0.995]
    assert [decay.stepped(0.5, up=up) for up in (True, False)] == [0.9, 0.0]
