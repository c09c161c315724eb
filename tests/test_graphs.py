"""Training steps as CUDA graphs: on a GPU where there is one, and what surrounds the graphs with a stand-in for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from core.control import Control
from core.data.batches import Plan
from core.data.dataset import Dataset
from core.events import EpochFinished
from core.settings import Settings, change_settings
from core.trainer import Trainer

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
KINDS: list[dict[str, object]] = [
    {"training.optimizer": "adam"},
    {"training.optimizer": "adamw", "training.weight_decay": 0.01, "training.ema_decay": 0.99},
    {"training.optimizer": "sgd", "training.momentum": 0.9, "training.schedule": "cosine"},
    {"training.optimizer": "sgd", "training.ema_decay": 0.9},
    {"data.crop_padding": 1, "data.horizontal_flip": True, "data.mixup": 0.2},
    {"training.batch_size": 1437, "model.hidden.*.dropout": 0.0},
]
"""1,437 digits are trained on: the last batch is smaller but for the last kind, which has one batch an epoch."""


def changed(small: Settings, kind: dict[str, object]) -> Settings:
    exact = 2**-10  # in float32 too, which a graph has its learning rate in: Adam enlarges every rounding
    own = {"training.epochs": 3, "training.learning_rate": exact, "model.hidden.*.dropout": 0.3}
    return change_settings(small, {**own, **kind})


def trained(trainer: Trainer) -> tuple[list[tuple[float, ...]], dict[str, Tensor]]:
    """Train; return the epochs' figures but for times, and the state at the end."""
    epochs = [event.result for event in trainer.run(Control()) if isinstance(event, EpochFinished)]
    figures = [(each.train_cost, each.train_accuracy, each.test_cost, each.test_accuracy) for each in epochs]
    return figures, {name: tensor.clone() for name, tensor in trainer.state().items()}


class StandIn:
    """A graph that makes its step anew at every replay, with what it was captured with."""

    steps: Any = None

    def __init__(self) -> None:
        self.captured: tuple[Plan, Tensor, Tensor] | None = None

    def register_generator_state(self, generator: torch.Generator) -> None:
        assert isinstance(generator, torch.Generator)

    def pool(self) -> None:
        return None

    def replay(self) -> None:
        StandIn.steps(*self.captured)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = SimpleNamespace(wait_stream=lambda _other: None)

    @contextlib.contextmanager
    def nothing(*_: object, **__: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", StandIn)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", nothing)
    monkeypatch.setattr(torch.cuda, "graph", nothing)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("kind", KINDS)
def test_making_graphs_changes_nothing_and_their_steps_are_the_trainers(
    small: Settings, digits: Dataset, kind: dict[str, object]
) -> None:
    settings = changed(small, kind)
    plain = Trainer(settings, digits)
    graphed = Trainer(settings, digits)
    begin = {name: tensor.clone() for name, tensor in graphed.model.state_dict().items()}
    plan = graphed.batches.plan(1)
    graphed.model.train()
    graphed._capture(plan)
    assert graphed._graphs is not None
    for name, tensor in graphed.model.state_dict().items():
        assert torch.equal(tensor, begin[name]), name
    StandIn.steps = graphed._sum_step
    for size, captured in graphed._graphs._captured.items():
        assert len(captured.part) == size
        captured.graph.captured = (captured.part, graphed._graphs._rate, graphed._graphs._share)  # type: ignore[attr-defined]
    figures, state = trained(graphed)
    expected, expected_state = trained(plain)
    assert len(graphed._graphs._captured) == (1 if settings.training.batch_size == 1437 else 2)
    for one, other in zip(figures, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert state.keys() == expected_state.keys()
    for name, tensor in state.items():
        if not name.endswith("bias") and ".linear" not in name:  # biases before batch norm are noise
            assert torch.allclose(tensor.double(), expected_state[name].double(), rtol=1e-3, atol=1e-4), name


@needs_gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_trains_the_same_with_graphs_and_without(
    small: Settings, digits: Dataset, kind: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = change_settings(changed(small, kind), {"training.device": "cuda"})
    graphed = Trainer(settings, digits)
    figures, state = trained(graphed)
    assert graphed._graphs is not None
    monkeypatch.setattr(Trainer, "_capture", lambda _trainer, _plan: None)
    expected, expected_state = trained(Trainer(settings, digits))
    for one, other in zip(figures, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    for name, tensor in state.items():
        assert tensor.shape == expected_state[name].shape


@needs_gpu
@pytest.mark.parametrize("kind", [kind for kind in KINDS if "training.schedule" not in kind])  # epochs are part of one
def test_a_gpu_goes_on_exactly_where_it_stopped(small: Settings, digits: Dataset, kind: dict[str, object]) -> None:
    settings = change_settings(changed(small, kind), {"training.device": "cuda"})
    whole = Trainer(settings, digits)
    figures, state = trained(whole)
    first = Trainer(change_settings(settings, {"training.epochs": 1}), digits)
    _, middle = trained(first)
    second = Trainer(settings, digits)
    second.restore(middle, first.history)
    after, end = trained(second)
    assert after == figures[1:]
    for name, tensor in end.items():
        assert torch.equal(tensor, state[name]), name


@needs_gpu
def test_an_epoch_of_steps_does_not_wait_for_the_gpu(small: Settings, digits: Dataset) -> None:
    trainer = Trainer(change_settings(changed(small, KINDS[1]), {"training.device": "cuda"}), digits)
    trained(trainer)
    plan = trainer.batches.plan(4)
    assert trainer._graphs is not None
    torch.cuda.set_sync_debug_mode("error")
    try:
        for part in plan.batches(trainer.settings.training.batch_size):
            trainer._graphs.step(part, 0.001, 0.1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
