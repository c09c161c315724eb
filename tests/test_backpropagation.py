"""Gradients by hand are those of autograd."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from core.backpropagation import backpropagate
from core.model import ACTIVATIONS, Mlp
from core.settings import HiddenLayer, ModelSettings

CPU = torch.device("cpu")


def network(*layers: HiddenLayer, skip_connections: bool = False, inputs: int = 12) -> Mlp:
    settings = ModelSettings(hidden=layers, skip_connections=skip_connections)
    model = Mlp(settings, inputs, 4, seed=3).train()
    for name, parameter in model.named_parameters():
        if name.startswith("bn"):  # at 1 and 0, as they begin, they would hide mistakes
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return model


def batch(shares: bool = False, images: int = 30) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(images, 12, generator=generator)
    if shares:
        return inputs, torch.rand(images, 4, generator=generator).softmax(1)
    return inputs, torch.randint(0, 4, (images,), generator=generator)


def by_autograd(
    model: Mlp, inputs: Tensor, targets: Tensor, label_smoothing: float, low: bool
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        logits = model(inputs).to(inputs.dtype)
        loss = functional.cross_entropy(logits, targets, label_smoothing=label_smoothing)
        loss.backward()
    gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    return loss.detach(), logits.detach(), gradients


def assert_same(
    model: Mlp,
    inputs: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    low: bool = False,
    tolerance: float = 1e-9,
) -> None:
    """Compare everything that a batch changes, by hand and by autograd, with the same neurons dropped."""
    other = copy.deepcopy(model)
    for each in (model, other):
        each.start_epoch(1, 2, CPU)
    dtype = torch.bfloat16 if low else inputs.dtype
    given = inputs.clone()
    found = backpropagate(model, inputs, targets, label_smoothing, dtype)
    loss, logits, gradients = by_autograd(other, inputs, targets, label_smoothing, low)
    assert torch.equal(inputs, given), "the batch is not to be changed"
    assert set(found.gradients) == set(gradients) == set(dict(model.named_parameters()))
    assert torch.allclose(found.cross_entropy, loss, rtol=tolerance, atol=tolerance)
    assert torch.allclose(found.logits, logits, rtol=tolerance, atol=tolerance)
    for name, expected in gradients.items():
        assert found.gradients[name].dtype == expected.dtype, name
        assert torch.allclose(found.gradients[name], expected, rtol=tolerance, atol=tolerance), name
    for name, buffer in other.named_buffers():
        assert torch.allclose(model.get_buffer(name).double(), buffer.double(), rtol=tolerance, atol=tolerance), name


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_kind_of_block(activation: str, dropout: float, batch_norm: bool) -> None:
    same = {"activation": activation, "dropout": dropout, "batch_norm": batch_norm}
    model = network(HiddenLayer(width=9, **same), HiddenLayer(width=7, **same)).double()  # type: ignore[arg-type]
    inputs, targets = batch()
    assert_same(model, inputs.double(), targets)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_skip_connections_carry_gradients_past_a_block(activation: str) -> None:
    same = HiddenLayer(width=12, activation=activation, dropout=0.2)  # type: ignore[arg-type]
    model = network(same, same, HiddenLayer(width=8), skip_connections=True).double()
    assert [block.carries for block in model.blocks()] == [True, True, False]
    inputs, targets = batch()
    assert_same(model, inputs.double(), targets)


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_every_kind_of_target(shares: bool, label_smoothing: float) -> None:
    inputs, targets = batch(shares)
    model = network(HiddenLayer(width=9, dropout=0.5))
    assert_same(model, inputs, targets, label_smoothing, tolerance=1e-6)


def test_a_network_without_hidden_layers() -> None:
    inputs, targets = batch()
    assert_same(network().double(), inputs.double(), targets)


@pytest.mark.parametrize("skip_connections", [False, True])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_in_bfloat16_both_round_alike(batch_norm: bool, skip_connections: bool) -> None:
    same = HiddenLayer(width=12, activation="relu", dropout=0.3, batch_norm=batch_norm)
    inputs, targets = batch(images=200)
    assert_same(network(same, same, skip_connections=skip_connections), inputs, targets, low=True, tolerance=1e-2)
