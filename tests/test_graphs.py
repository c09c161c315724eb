"""Training steps as CUDA graphs: on a GPU where there is one, and what surrounds the graphs with a stand-in for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from core.control import Control
from core.data.dataset import Dataset
from core.events import EpochFinished
from core.fused.available import kernels_work
from core.graphs import Now, StepGraphs
from core.model import Mlp
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
    {"training.precision": "bfloat16"},
]
"""1,437 digits are trained on: the last batch is smaller but for the one kind that has one batch an epoch."""


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
    """A graph of which only its place is asked for."""

    def register_generator_state(self, generator: torch.Generator) -> None:
        assert isinstance(generator, torch.Generator)

    def pool(self) -> None:
        return None


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let graphs be captured without a GPU; at every replay their step is made anew."""
    stream = SimpleNamespace(wait_stream=lambda _other: None)

    @contextlib.contextmanager
    def nothing(*_: object, **__: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "CUDAGraph", StandIn)
    monkeypatch.setattr("core.graphs.side_stream", lambda _: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", nothing)
    monkeypatch.setattr(torch.cuda, "graph", nothing)
    monkeypatch.setattr(StepGraphs, "step", lambda self, size: self._step(self._now, size))
    monkeypatch.setattr("core.gpu_steps.kernels_work", lambda: False)


@contextlib.contextmanager
def graphs_made() -> Iterator[None]:
    """Let steps be graphs on the CPU too."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("trainer", "stacked_trainer"):
            patch.setattr(f"core.{module}.makes_graphs", lambda _: True)
        yield


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("kind", KINDS)
def test_making_graphs_changes_nothing_and_their_steps_are_the_trainers(
    small: Settings, digits: Dataset, kind: dict[str, object]
) -> None:
    settings = change_settings(changed(small, kind), {"training.device": "cpu"})
    plain, graphed = Trainer(settings, digits), Trainer(settings, digits)
    begin = {name: tensor.clone() for name, tensor in graphed.model.state_dict().items()}
    steps = graphed._steps_on_gpu()
    graphed.model.train()
    rates = [graphed.learning_rate(1, step) for step in range(len(graphed.batches))]
    steps.epoch(graphed.batches.plan(1), rates, [0])
    for name, tensor in graphed.model.state_dict().items():
        assert torch.equal(tensor, begin[name]), name
    if graphed.averaged is not None:
        graphed.averaged.steps = 0
    assert graphed._gpu is steps
    with graphs_made():
        figures, state = trained(graphed)
    expected, expected_state = trained(plain)
    assert len(steps._graphs._captured) == (1 if settings.training.batch_size == 1437 else 2)
    for one, other in zip(figures, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert state.keys() == expected_state.keys()
    for name, tensor in state.items():
        if not name.endswith("bias") and ".linear" not in name:  # biases before batch norm are noise
            assert torch.allclose(tensor.double(), expected_state[name].double(), rtol=1e-3, atol=1e-4), name


@pytest.mark.usefixtures("stand_in")
def test_where_a_kernel_cannot_be_compiled_pytorchs_are_used(
    small: Settings, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = pytest.importorskip("triton.errors")
    asked: list[int] = []

    class Failing:
        def __init__(self, _settings: Settings, model: Mlp, *_: object) -> None:
            self.copied: list[Tensor] = []
            self._model = model

        def __call__(self, now: Now, images: int) -> None:
            asked.append(images)
            self._model.linear(1).bias.data.add_(1)  # a kernel before it has changed something already
            now.at.add_(1)
            raise errors.TritonError("out of resources")

    monkeypatch.setattr("core.gpu_steps.kernels_work", lambda: True)
    monkeypatch.setattr("core.gpu_steps.importlib", SimpleNamespace(import_module=lambda _: fused))
    fused = SimpleNamespace(FusedStep=Failing)
    settings = changed(small, KINDS[2])
    plain, graphed = Trainer(settings, digits), Trainer(settings, digits)
    with graphs_made():
        figures, _ = trained(graphed)
    expected, _ = trained(plain)
    assert asked == [settings.training.batch_size]
    for one, other in zip(figures, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)


@needs_gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_trains_the_same_with_graphs_and_without(
    small: Settings, digits: Dataset, kind: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = change_settings(changed(small, kind), {"training.device": "cuda"})
    monkeypatch.setattr("core.gpu_steps.kernels_work", lambda: False)
    graphed = Trainer(settings, digits)
    figures, state = trained(graphed)
    assert graphed._gpu is not None
    monkeypatch.setattr("core.trainer.makes_graphs", lambda _: False)
    expected, expected_state = trained(Trainer(settings, digits))
    for one, other in zip(figures, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    for name, tensor in state.items():
        assert tensor.shape == expected_state[name].shape


@needs_gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_trains_the_same_with_our_kernels(
    small: Settings, digits: Dataset, kind: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernels_work()
    kind = {**kind, "model.hidden.*.dropout": 0.0, "training.device": "cuda"}
    settings = change_settings(changed(small, kind), kind)
    ours = Trainer(settings, digits)
    figures, _ = trained(ours)
    assert type(ours._gpu._graphs._step).__name__ == "FusedStep"  # type: ignore[union-attr]
    monkeypatch.setattr("core.gpu_steps.kernels_work", lambda: False)
    expected, _ = trained(Trainer(settings, digits))
    for one, other in zip(figures, expected, strict=True):
        assert one == pytest.approx(other, rel=5e-3, abs=0.01)


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
    assert trainer._gpu is not None
    sizes = trainer._gpu.epoch(trainer.batches.plan(4), [0.001] * len(trainer.batches), [0])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number, images in enumerate(sizes):
            trainer._gpu.step(number, images)
    finally:
        torch.cuda.set_sync_debug_mode("default")
