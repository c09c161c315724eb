"""The network is the reference's, and dropout is dropout."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import WeightsError
from core.model import ACTIVATIONS, Dropout, Mlp, architecture_of, load_into
from core.settings import HiddenLayer, ModelSettings
from core.skips import skip_layers
from tests.reference import Network

WIDTHS, DROPOUTS = [12, 9, 7], [0.3, 0.2, 0.0]
LAYERS = ModelSettings(
    hidden=tuple(HiddenLayer(width=width, dropout=dropout) for width, dropout in zip(WIDTHS, DROPOUTS, strict=True))
)


def test_fresh_weights_are_those_of_the_reference_after_manual_seed() -> None:
    torch.manual_seed(5)
    reference = Network(20, WIDTHS, DROPOUTS, 4)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    own = Mlp(LAYERS, 20, 4, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    assert sorted(own.state_dict()) == sorted(reference.state_dict())
    for name, tensor in reference.state_dict().items():
        assert torch.equal(own.state_dict()[name], tensor), name


def test_state_dicts_are_exchanged_in_both_directions() -> None:
    inputs = torch.rand(6, 20)
    for source, target in (
        (Mlp(LAYERS, 20, 4, seed=1), Network(20, WIDTHS, DROPOUTS, 4)),
        (Network(20, WIDTHS, DROPOUTS, 4), Mlp(LAYERS, 20, 4, seed=2)),
    ):
        source.train()(torch.rand(50, 20))  # moves the running statistics
        target.load_state_dict(source.state_dict())
        assert torch.equal(source.eval()(inputs), target.eval()(inputs))


def test_the_architecture_is_recovered_from_a_bare_state_dict() -> None:
    layers = ModelSettings(hidden=(HiddenLayer(width=5), HiddenLayer(width=4, batch_norm=False)))
    settings, inputs, classes = architecture_of(Mlp(layers, 7, 3).state_dict())
    assert [(layer.width, layer.batch_norm) for layer in settings.hidden] == [(5, True), (4, False)]
    assert (inputs, classes) == (7, 3)
    settings, inputs, classes = architecture_of(Mlp(ModelSettings(hidden=()), 7, 3).state_dict())
    assert (settings.hidden, inputs, classes) == ((), 7, 3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"linear2.weight": None}, "linear1.weight, linear2.weight"),
        ({"linear3.bias": None}, "the file has no linear3.bias"),
        ({"linear2.weight": torch.zeros(9, 13)}, r"linear2.weight has the shape \(9, 13\)"),
        ({"linear2.weight": torch.zeros(9)}, "linear2.weight has the shape"),
        ({"bn1.running_var": torch.zeros(3)}, r"bn1.running_var has the shape \(3,\) instead of \(12,\)"),
        ({"conv.weight": torch.zeros(3)}, "the file holds conv.weight"),
        ({"linear1.weight": torch.zeros(12, 0)}, "linear1.weight has the shape"),
    ],
)
def test_other_weights_are_refused(damage: dict[str, torch.Tensor | None], message: str) -> None:
    weights = {**Mlp(LAYERS, 20, 4).state_dict(), **damage}
    with pytest.raises(WeightsError, match=message):
        architecture_of({name: tensor for name, tensor in weights.items() if tensor is not None})


def test_weights_of_another_shape_do_not_load() -> None:
    model = Mlp(LAYERS, 20, 4)
    with pytest.raises(WeightsError, match=r"linear1.weight has the shape \(12, 21\) instead of \(12, 20\)"):
        load_into(model, Mlp(LAYERS, 21, 4).state_dict())
    with pytest.raises(WeightsError, match="bn4.bias is missing from the network|bn4.bias is unknown to the network"):
        load_into(model, Mlp(ModelSettings(hidden=(*LAYERS.hidden, LAYERS.hidden[0])), 20, 4).state_dict())


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_is_torchs_own(activation: str) -> None:
    layer = HiddenLayer(width=8, batch_norm=False, activation=activation)  # type: ignore[arg-type]
    model = Mlp(ModelSettings(hidden=(layer,)), 5, 8)
    with torch.no_grad():
        model.linear(2).weight.copy_(torch.eye(8))
        model.linear(2).bias.zero_()
        inputs = torch.randn(10, 5)
        names = {
            "relu": "ReLU",
            "leaky_relu": "LeakyReLU",
            "elu": "ELU",
            "gelu": "GELU",
            "silu": "SiLU",
            "tanh": "Tanh",
        }
        assert torch.allclose(model(inputs), getattr(nn, names[activation])()(model.linear(1)(inputs)))


SQUARE = ModelSettings(
    skip_connections=True,
    hidden=(
        HiddenLayer(width=12, dropout=0.3),  # as wide as the input
        HiddenLayer(width=9, batch_norm=False),
        HiddenLayer(width=9, dropout=0.5, activation="gelu"),
        HiddenLayer(width=7),
        HiddenLayer(width=7, batch_norm=False, activation="tanh"),
    ),
)


def test_a_skip_adds_the_input_where_it_is_as_wide_as_the_output() -> None:
    model = Mlp(SQUARE, 12, 4, seed=1).double()
    assert skip_layers(SQUARE, 12) == {1, 3, 5}
    assert skip_layers(SQUARE, 13) == {3, 5}
    parts = dict(model.named_children())
    functions = {1: torch.relu, 2: torch.relu, 3: nn.functional.gelu, 4: torch.relu, 5: torch.tanh}

    def expected(values: torch.Tensor) -> torch.Tensor:
        for number, function in functions.items():
            out = parts[f"linear{number}"](values)
            out = parts[f"bn{number}"](out) if f"bn{number}" in parts else out
            out = function(out)
            out = parts[f"dropout{number}"](out) if f"dropout{number}" in parts else out
            values = values + out if number in (1, 3, 5) else out
        return parts["linear6"](values)

    inputs = torch.rand(20, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs = []
    for forward in (model, expected):
        model.train().start_epoch(0, 1, torch.device("cpu"))
        outputs.append(forward(inputs))
    assert torch.allclose(outputs[0], outputs[1], rtol=0, atol=1e-12)
    assert torch.allclose(model.eval()(inputs), expected(inputs), rtol=0, atol=1e-12)


def test_a_skip_changes_neither_names_nor_first_weights() -> None:
    plain = Mlp(dataclasses.replace(SQUARE, skip_connections=False), 12, 4, seed=1).eval()
    skipping = Mlp(SQUARE, 12, 4, seed=1).eval()
    weights = plain.state_dict()
    assert list(weights) == list(skipping.state_dict())
    assert all(torch.equal(weights[name], tensor) for name, tensor in skipping.state_dict().items())
    inputs = torch.rand(5, 12)
    assert not torch.allclose(plain(inputs), skipping(inputs))
    found, _, _ = architecture_of(skipping.state_dict())
    assert not found.skip_connections
    alone = dataclasses.replace(LAYERS, skip_connections=True)  # no layer is as wide as its input
    assert torch.equal(Mlp(alone, 20, 4).eval()(torch.ones(2, 20)), Mlp(LAYERS, 20, 4).eval()(torch.ones(2, 20)))


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.6, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_keeps_the_expectation(probability: float, dtype: torch.dtype) -> None:
    dropout = Dropout(probability)
    dropout.generator = np.random.SFC64(0)
    values = torch.ones(1000, 401, dtype=dtype, requires_grad=True)
    out = dropout(values)
    share = float((out == 0).float().mean())
    assert share == pytest.approx(probability, abs=4 * 0.5 / 401_000**0.5)
    spread = (probability / (1 - probability) / 401_000) ** 0.5
    assert float(out.detach().double().mean()) == pytest.approx(1, abs=4 * spread + 0.005)
    if 0 < probability < 0.9:
        neighbours = torch.corrcoef((out.detach() == 0).double().T[:2])
        assert abs(float(neighbours[0, 1])) < 0.15
    out.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad == 0, out == 0)
    assert dropout.eval()(values) is values


def test_every_16_bit_slice_of_a_random_number_decides_alike() -> None:
    dropout = Dropout(0.5)
    dropout.generator = np.random.SFC64(0)
    shares = (dropout(torch.ones(4000, 400)) == 0).double().view(-1, 4).mean(0)
    assert (shares - 0.5).abs().max() < 0.003


def test_dropout_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    model = Mlp(LAYERS, 20, 4).train()
    inputs = torch.rand(30, 20)

    def outputs(seed: int, epoch: int) -> torch.Tensor:
        model.start_epoch(seed, epoch, torch.device("cpu"))
        return model(inputs)

    assert torch.equal(outputs(1, 2), outputs(1, 2))
    assert not torch.equal(outputs(1, 2), outputs(1, 3))
    assert not torch.equal(outputs(1, 2), outputs(2, 2))
