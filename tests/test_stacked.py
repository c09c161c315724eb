"""Several seeds in the same steps: each copy is its single training, to rounding, and ends by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor

from core.control import Control
from core.data.batches import TrainingBatches
from core.data.dataset import Dataset
from core.data.normalize import Normalizer
from core.data.stacked import StackedBatches
from core.errors import TrainingError
from core.events import EpochFinished, Outcome, Paused, Resumed
from core.model import ACTIVATIONS, Mlp
from core.settings import HiddenLayer, ModelSettings, Settings, change_settings
from core.size import size_of
from core.stacked import stack_networks, view_into
from core.stacked_trainer import AllProgress, OfCopy, StackedEvent, StackedTrainer
from core.trainer import Trainer
from tests.test_graphs import graphs_made, stand_in

__all__ = ["stand_in"]

SEEDS = (5, 6, 9)
FIGURES = ("train_cost", "train_cross_entropy", "train_accuracy", "test_cost", "validation_cost", "dead_units")
EXACT: list[dict[str, object]] = [
    {},
    {"training.optimizer": "adamw", "training.weight_decay": 0.05, "training.l2_lambda": 0.1},
    {"training.optimizer": "sgd", "training.schedule": "one-cycle", "training.l2_lambda": 0.1},
    {"training.optimizer": "sgd", "training.momentum": 0.0, "model.hidden.2.batch_norm": False},
    {"training.ema_decay": 0.9, "training.schedule": "cosine", "training.warmup_epochs": 0.5},
    {"model.hidden": "12-12-12", "model.skip_connections": True, "training.label_smoothing": 0.1},
    {"data.crop_padding": 1, "data.horizontal_flip": True, "data.normalization": "measured"},
    {"model.hidden.*.batch_norm": False, "model.hidden.1.activation": "gelu", "model.hidden.2.l2": False},
    {"data.validation_split": 0.2, "model.hidden.*.dropout": 0.0},
    {"training.batch_size": 2_000, "model.hidden": "none", "training.l2_lambda": 1.0},
]
ROUNDED: list[dict[str, object]] = [  # with SGD, as Adam blows up the rounding of biases before batch norm
    {"data.mixup": 0.5, "training.optimizer": "sgd", "training.learning_rate": 0.05},
    {"data.mixup": 0.5, "data.crop_padding": 1, "data.validation_split": 0.2, "training.optimizer": "sgd"},
    {"training.precision": "bfloat16", "training.optimizer": "sgd", "training.ema_decay": 0.9},
    {"model.hidden.*.batch_norm": False, "data.mixup": 0.2, "training.label_smoothing": 0.1},
]


def changed(small: Settings, changes: dict[str, object]) -> Settings:
    """Settings with dropout whose last batch, of 237 images, is smaller than the others."""
    return change_settings(small, {"training.batch_size": 400, **changes})


def seeded(settings: Settings, seed: int) -> Settings:
    return change_settings(settings, {"training.seed": seed})


def epochs_and_end(events: list[StackedEvent], copy: int) -> tuple[list[EpochFinished], Outcome]:
    *epochs, end = [event.what for event in events if isinstance(event, OfCopy) and event.copy == copy]
    assert isinstance(end, Outcome)
    return [epoch for epoch in epochs if isinstance(epoch, EpochFinished)], end


def alone(settings: Settings, data: Dataset, seed: int) -> tuple[Trainer, list[EpochFinished], Outcome]:
    trainer, events = Trainer(seeded(settings, seed), data), []
    generator = trainer.run(Control())
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return trainer, [event for event in events if isinstance(event, EpochFinished)], end.value


def assert_same(settings: Settings, data: Dataset, rel: float, seeds: tuple[int, ...] = SEEDS) -> StackedTrainer:
    """Train all together and each alone, and compare everything that is told or could be saved."""
    trainer = StackedTrainer(settings, data, seeds)
    events: list[StackedEvent] = []
    last: dict[int, EpochFinished] = {}
    for event in trainer.run(Control()):
        events.append(event)
        if isinstance(event, OfCopy) and isinstance(event.what, EpochFinished):
            last[event.copy] = copy_of(event.what)  # the weights of one that has ended may change still
    for copy, seed in enumerate(seeds):
        epochs, end = epochs_and_end(events, copy)
        single, expected, expected_end = alone(settings, data, seed)
        assert (end.status, end.reason) == (expected_end.status, expected_end.reason)
        for one, other in zip(epochs, expected, strict=True):
            for name in FIGURES:
                assert (getattr(one.result, name) or 0) == pytest.approx(getattr(other.result, name) or 0, rel=rel), (
                    name
                )
            assert one.result.learning_rate == other.result.learning_rate
            assert (one.result.validation_cost is None) == (other.result.validation_cost is None)
            assert (one.predictions != other.predictions).sum() <= (0 if rel < 1e-5 else 2)
            assert one.predictions.dtype == other.predictions.dtype
            assert one.is_best == other.is_best
        assert_near(last[copy].state, single.state(), rel)
        assert_near(last[copy].weights, single.evaluated.state_dict(), rel)
    return trainer


def copy_of(event: EpochFinished) -> EpochFinished:
    weights, state = ({name: tensor.clone() for name, tensor in each.items()} for each in (event.weights, event.state))
    return dataclasses.replace(event, weights=weights, state=state)


def assert_near(found: Mapping[str, Tensor], expected: dict[str, Tensor], rel: float) -> None:
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert torch.allclose(found[name].double(), tensor.double(), rtol=rel, atol=rel), name


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Train in double precision, where nothing hides behind rounding."""
    plain = Normalizer.__call__
    monkeypatch.setattr(Normalizer, "__call__", lambda self, images: plain(self, images).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("changes", EXACT)
def test_each_copy_is_its_single_training(small: Settings, digits: Dataset, changes: dict[str, object]) -> None:
    assert_same(changed(small, changes), digits, rel=1e-6)


@pytest.mark.parametrize("changes", ROUNDED)
def test_each_copy_is_its_single_training_to_rounding(
    small: Settings, digits: Dataset, changes: dict[str, object]
) -> None:
    assert_same(changed(small, changes), digits, rel=5e-3 if "training.precision" in changes else 1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("changes", [*EXACT, *ROUNDED])
def test_each_copy_is_its_single_training_on_a_gpu(
    small: Settings, digits: Dataset, changes: dict[str, object]
) -> None:
    settings = changed(small, {"training.device": "cuda", **changes})
    trainer = StackedTrainer(settings, digits, SEEDS)
    events = list(trainer.run(Control()))
    assert trainer._gpu is not None
    for copy, seed in enumerate(SEEDS):
        _, expected, _ = alone(settings, digits, seed)
        for one, other in zip(epochs_and_end(events, copy)[0], expected, strict=True):
            assert one.result.train_cost == pytest.approx(other.result.train_cost, rel=1e-2)
            assert one.result.test_cost == pytest.approx(other.result.test_cost, rel=2e-2)


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("changes", [EXACT[1], EXACT[4], ROUNDED[1]])
def test_making_graphs_changes_nothing(small: Settings, digits: Dataset, changes: dict[str, object]) -> None:
    settings = changed(small, changes)
    plain, graphed = (StackedTrainer(settings, digits, SEEDS) for _ in range(2))
    with graphs_made():
        found = list(graphed.run(Control()))
    expected = list(plain.run(Control()))
    assert graphed._gpu is not None
    assert sorted(graphed._gpu._graphs._captured) == [3 * len(graphed.copies[0].batches.plan(1)) % 1200, 1200]
    for copy in range(len(SEEDS)):
        for one, other in zip(epochs_and_end(found, copy)[0], epochs_and_end(expected, copy)[0], strict=True):
            assert one.result.train_cost == pytest.approx(other.result.train_cost, rel=1e-4)


@pytest.mark.parametrize("batch_size", [100, 1_150, 5_000])
def test_the_batches_are_those_of_each_alone(small: Settings, digits: Dataset, batch_size: int) -> None:
    changes = {
        "data.crop_padding": 2,
        "data.horizontal_flip": True,
        "data.mixup": 0.4,
        "training.batch_size": batch_size,
    }
    settings = change_settings(small, changes)
    kept = torch.arange(0, 1437, 2)
    first = TrainingBatches(digits, kept, settings, Normalizer((), ()), torch.device("cpu"))
    each = [first.reseeded(seed) for seed in SEEDS]
    stacked = StackedBatches(each, batch_size)
    parts = [stacked.make(part) for part in stacked.plan(3).batches(len(SEEDS) * batch_size)]
    for copy, batches in enumerate(each):
        alone = list(batches.epoch(3))
        assert len(alone) == len(parts)
        for (inputs, targets), (own_inputs, own_targets) in zip(parts, alone, strict=True):
            assert torch.equal(inputs[copy], own_inputs)
            assert torch.equal(targets[copy], own_targets)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_stack_computes_what_its_networks_compute(activation: str) -> None:
    layer = HiddenLayer(width=6, activation=activation, dropout=0.25)  # type: ignore[arg-type]
    layers = ModelSettings(hidden=(layer, HiddenLayer(width=6, batch_norm=False)), skip_connections=True)
    networks = [Mlp(layers, 7, 4, seed) for seed in range(3)]
    stacked = stack_networks(networks)
    assert list(stacked.state_dict()) == list(networks[0].state_dict())
    inputs = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(1))
    for is_training in (True, False):
        stacked.train(is_training)
        found = []
        for twice in (False, True):
            for seed, network in enumerate(networks):
                network.train(is_training).start_epoch(seed, 1, torch.device("cpu"))
            found = found if twice else list(stacked(inputs).detach())
        for own, network, logits in zip(inputs, networks, found, strict=True):
            assert torch.allclose(network(own), logits, atol=1e-6)


def test_what_changes_a_stack_changes_its_networks() -> None:
    layers = ModelSettings(hidden=(HiddenLayer(width=3),))
    networks = [Mlp(layers, 4, 2, seed) for seed in range(2)]
    stacked = stack_networks(networks)
    for at, network in enumerate(networks):
        view_into(network, stacked, at)
    stacked.train()(torch.rand(2, 8, 4))
    with torch.no_grad():
        stacked.linear(1).weight[1] = 7.0
    assert not (networks[0].linear(1).weight == 7).any()
    assert (networks[1].linear(1).weight == 7).all()
    for name, tensor in stacked.state_dict().items():
        assert torch.equal(tensor, torch.stack([network.state_dict()[name] for network in networks])), name
    assert int(networks[1].get_buffer("bn1.num_batches_tracked")) == 1


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_copy_goes_on_singly(small: Settings, digits: Dataset, optimizer: str) -> None:
    changes = {"training.optimizer": optimizer, "training.ema_decay": 0.9, "training.epochs": 4}
    settings = changed(small, changes)
    trainer = StackedTrainer(settings, digits, SEEDS)
    states: dict[int, dict[str, Tensor]] = {}
    for event in trainer.run(Control()):
        if isinstance(event, OfCopy) and isinstance(event.what, EpochFinished) and event.what.result.epoch == 2:
            states[event.copy] = {name: tensor.clone() for name, tensor in event.what.state.items()}
    assert list(states) == [0, 1, 2]
    for copy, state in states.items():
        single = Trainer(seeded(settings, SEEDS[copy]), digits)
        single.restore(state, trainer.copies[copy].history[:2])
        list(single.run(Control()))
        assert_near(single.state(), dict(trainer.copies[copy].state()), 1e-6)
        assert single.history[-1].test_cost == pytest.approx(trainer.copies[copy].history[-1].test_cost, rel=1e-6)


def test_a_copy_that_diverges_fails_by_itself(small: Settings, digits: Dataset) -> None:
    settings = changed(small, {"training.optimizer": "sgd", "training.l2_lambda": 0.1})
    trainer = StackedTrainer(settings, digits, SEEDS)
    with torch.no_grad():
        trainer.copies[1].model.linear(1).weight[0, 0] = torch.nan
    events = list(trainer.run(Control()))
    epochs, end = epochs_and_end(events, 1)
    assert (epochs, end.status, end.last) == ([], "failed", None)
    assert "became NaN or infinite in epoch 1, which is not kept" in end.reason
    for copy in (0, 2):
        epochs, end = epochs_and_end(events, copy)
        _, expected, _ = alone(settings, digits, SEEDS[copy])
        assert end.status == "finished"
        for one, other in zip(epochs, expected, strict=True):
            assert one.result.train_cost == pytest.approx(other.result.train_cost, rel=1e-5)


def test_where_all_diverge_the_training_ends(small: Settings, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.stepping.REPORT_EVERY", 0.0)
    trainer = StackedTrainer(changed(small, {"training.epochs": 50}), digits, SEEDS)
    with torch.no_grad():
        trainer.model.linear(1).weight.fill_(torch.inf)
    events = list(trainer.run(Control()))
    assert [event.together() for event in events if isinstance(event, AllProgress)] == [None] * 4
    assert [event.what.status for event in events if isinstance(event, OfCopy)] == ["failed"] * 3  # type: ignore[union-attr]


@pytest.mark.usefixtures("double")
def test_each_copy_stops_early_by_itself(small: Settings, digits: Dataset) -> None:
    changes = {"training.epochs": 12, "training.early_stopping_patience": 1, "training.learning_rate": 0.1}
    changes |= {"training.early_stopping_min_delta": 0.05}
    trainer = assert_same(changed(small, {**changes, "training.optimizer": "sgd"}), digits, rel=1e-6)
    lengths = [len(each.history) for each in trainer.copies]
    assert len(set(lengths)) > 1, lengths


def test_stop_and_finish_end_all(small: Settings, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.stepping.REPORT_EVERY", 0.0)
    for stops, reason in ((True, "stopped in epoch 1"), (False, "stopped after epoch 1")):
        control = Control()
        generator = StackedTrainer(changed(small, {}), digits, SEEDS).run(control)
        first = next(generator)
        assert isinstance(first, AllProgress)
        assert list(first.copies) == [0, 1, 2]
        together = first.together()
        assert together is not None
        assert together.cost == pytest.approx(sum(each.cost for each in first.copies.values()) / 3)
        (control.stop if stops else control.finish_epoch)()
        events = list(generator)
        for copy in range(3):
            epochs, end = epochs_and_end(events, copy)
            assert (end.status, end.reason, len(epochs)) == ("stopped", reason, 0 if stops else 1)


def test_pause_changes_nothing(small: Settings, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.stepping.REPORT_EVERY", 0.0)
    settings, control = changed(small, {"training.epochs": 1}), Control()
    undisturbed = StackedTrainer(settings, digits, SEEDS)
    list(undisturbed.run(Control()))
    trainer = StackedTrainer(settings, digits, SEEDS)
    generator = trainer.run(control)
    next(generator)
    control.pause()
    paused = next(generator)
    assert isinstance(paused, Paused)
    control.resume()
    resumed = next(generator)
    assert isinstance(resumed, Resumed)
    assert (resumed.epoch, resumed.step) == (paused.epoch, paused.step) == (1, 1)
    list(generator)
    assert torch.equal(trainer.model.linear(1).weight, undisturbed.model.linear(1).weight)


def test_a_copy_that_is_dropped_is_not_heard_of_any_more(small: Settings, digits: Dataset) -> None:
    trainer = StackedTrainer(changed(small, {"training.epochs": 3}), digits, SEEDS)
    heard = []
    for event in trainer.run(Control()):
        if isinstance(event, OfCopy):
            heard.append(event.copy)
            if event.copy == 0:
                trainer.drop(1)
                trainer.drop(1)
            if len(heard) == 3:
                trainer.drop(0)
    assert heard == [0, 2, 0, 2, 2, 2]


def test_the_images_are_on_the_device_once(small: Settings, digits: Dataset) -> None:
    trainer = StackedTrainer(changed(small, {"data.validation_split": 0.2}), digits, SEEDS)
    first, *others = trainer.copies
    for other in others:
        assert other.batches._images is first.batches._images
        assert other._test is first._test and other._validation is first._validation
        assert other.history is not first.history


def test_memory_is_for_all_copies(small: Settings, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = size_of(small, digits.shape).memory
    assert memory.of_copies(1) == memory.total
    assert memory.total < memory.of_copies(3) < 3 * memory.total
    monkeypatch.setattr("core.trainer.available_memory", lambda _: memory.of_copies(3) - 1)
    StackedTrainer(small, digits, SEEDS[:2])
    with pytest.raises(TrainingError, match="training needs about"):
        StackedTrainer(small, digits, SEEDS)
