"""The moving average of the weights: the formula, torch's own, and that it is what is judged and saved."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from core.averaging import AveragedWeights
from core.control import Control
from core.data.dataset import Dataset
from core.errors import DivergedError
from core.evaluation import evaluate
from core.events import EpochFinished, Started
from core.model import Mlp
from core.session import train
from core.settings import HiddenLayer, ModelSettings, Settings, change_settings
from core.trainer import Trainer
from core.weights import read_weights

LAYERS = ModelSettings(hidden=(HiddenLayer(width=6), HiddenLayer(width=5, batch_norm=False)))


def averaging(settings: Settings, decay: float = 0.9) -> Settings:
    return change_settings(settings, {"training.ema_decay": decay, "training.l2_lambda": 0.01})


def epochs_of(trainer: Trainer) -> list[EpochFinished]:
    """Train to the end; return the epochs, whose weights are those of the last one."""
    events = [event for event in trainer.run(Control()) if isinstance(event, EpochFinished)]
    assert len(events) == trainer.settings.training.epochs
    return events


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_the_average_is_the_formulas(small: Settings, digits: Dataset, decay: float) -> None:
    trainer = Trainer(averaging(small, decay), digits)
    assert trainer.averaged is not None
    expected = {name: tensor.double() for name, tensor in trainer.model.state_dict().items()}
    first = dict(expected)
    trainer.model.train()
    step = 0
    for epoch in (1, 2):
        trainer.model.start_epoch(0, epoch, trainer.device)
        for inputs, labels in trainer.batches.epoch(epoch):
            trainer.step(inputs, labels, 0.01, trainer.averaged.next_share())
            kept = min(decay, (1 + step) / (10 + step))
            for name, tensor in trainer.model.state_dict().items():
                is_count = name.endswith("num_batches_tracked")
                expected[name] = tensor.double() if is_count else kept * expected[name] + (1 - kept) * tensor.double()
            step += 1
    assert trainer.averaged.steps == step == 2 * len(trainer.batches)
    average = trainer.averaged.model.state_dict()
    assert list(average) == list(expected)
    for name, tensor in average.items():
        assert torch.allclose(tensor.double(), expected[name], rtol=1e-5, atol=1e-6), name
        assert not torch.allclose(tensor.double(), first[name]), name
    assert int(average["bn1.num_batches_tracked"]) == step


def test_with_a_constant_decay_it_is_torchs_own() -> None:
    model = Mlp(LAYERS, 4, 3, seed=1)
    own = AveragedWeights(model, 0.9)
    own.steps = 10**6  # where the decay has long been reached
    other = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    other.update_parameters(model)  # the first time it copies
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.rand(parameter.shape, generator=generator))
        own.update(own.next_share())
        other.update_parameters(model)
    for (name, mine), theirs in zip(own.model.named_parameters(), other.module.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-6, atol=1e-6), name


def test_the_training_itself_goes_on_with_the_weights(small: Settings, digits: Dataset) -> None:
    plain = Trainer(averaging(small, 0.0), digits)
    averaged = Trainer(averaging(small), digits)
    assert plain.averaged is None and plain.evaluated is plain.model
    for one, other in zip(epochs_of(plain), epochs_of(averaged), strict=True):
        assert one.result.train_cost == other.result.train_cost
        assert one.result.train_accuracy == other.result.train_accuracy
        assert one.result.test_cost != other.result.test_cost
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, averaged.model.state_dict()[name]), name
    assert not torch.equal(plain.model.linear(1).weight, averaged.evaluated.linear(1).weight)


def test_what_is_judged_and_saved_is_the_average(small: Settings, digits: Dataset, home: Path) -> None:
    settings = change_settings(averaging(small, 0.95), {"training.epochs": 4, "data.validation_split": 0.2})
    trainer = Trainer(settings, digits)
    last = epochs_of(trainer)[-1]
    events = list(train(settings, digits, home=home))
    assert isinstance(events[0], Started)
    trial = events[0].trial
    assert trainer.averaged is not None
    average = trainer.averaged.model.state_dict()
    for saved in (read_weights(trial.weights()), dict(last.weights)):
        assert all(torch.equal(saved[name], tensor) for name, tensor in average.items())
    assert trial.history()[0][-1].test_cost == last.result.test_cost
    result = evaluate(trial.weights(), digits)
    assert result.accuracy == last.result.test_accuracy
    assert (result.predicted == trial.predictions(4)).all()
    best = min(trial.history()[0], key=lambda epoch: epoch.validation_cost or math.inf)
    assert evaluate(trial.weights(best=True), digits).accuracy == best.test_accuracy


def test_an_average_that_is_nan_is_found_even_if_the_weights_are_not(small: Settings, digits: Dataset) -> None:
    trainer = Trainer(averaging(small), digits)
    generator = trainer.run(Control())
    next(event for event in generator if isinstance(event, EpochFinished))
    assert trainer.averaged is not None
    trainer.averaged.model.get_buffer("bn2.running_var")[3] = math.inf
    with pytest.raises(DivergedError, match=r"the average of bn2.running_var became NaN or infinite in epoch 2, which"):
        list(generator)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in trainer.model.state_dict().values())
