"""Training: the reference's cost and steps, exactly; controls; best epoch; failures."""

from __future__ import annotations

import copy
import math
import threading

import pytest
import torch
from torch.nn import functional

from core.backpropagation import backpropagate
from core.control import Control
from core.data.dataset import Dataset
from core.data.normalize import Normalizer
from core.early_stopping import best_epoch, epochs_without_improvement
from core.epoch import Epoch
from core.errors import DivergedError, TrainingError
from core.events import EpochFinished, Outcome, Paused, Progress, Resumed, TrainerEvent
from core.inference import DeadUnits, logits_of
from core.model import Mlp
from core.optimizer import PenalizedOptimizer
from core.settings import HiddenLayer, ModelSettings, Settings, TrainingSettings, change_settings
from core.trainer import Trainer
from tests import reference

PLAIN = {"model.hidden.*.dropout": 0.0}


def run(trainer: Trainer, control: Control | None = None) -> tuple[list[TrainerEvent], Outcome]:
    events: list[TrainerEvent] = []
    generator = trainer.run(control or Control())
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return events, end.value


def epochs_of(events: list[TrainerEvent]) -> list[Epoch]:
    return [event.result for event in events if isinstance(event, EpochFinished)]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("batch", [16, 5])
def test_a_step_is_autograds_step_through_the_formula(optimizer: str, batch: int) -> None:
    """Two full steps and one of a smaller last batch, against torch's own optimizers on the full cost."""
    layers = ModelSettings(hidden=(HiddenLayer(width=8), HiddenLayer(width=6, l2=False), HiddenLayer(width=5)))
    training = TrainingSettings(optimizer=optimizer, l2_lambda=3.0, learning_rate=0.01, weight_decay=0.05)  # type: ignore[arg-type]
    own = Mlp(layers, 10, 4, seed=3).double().train()  # in double precision nothing hides behind rounding
    other = copy.deepcopy(own)
    penalized = PenalizedOptimizer(own, training)
    weights = [other.linear(number).weight for number in (1, 2, 3, 4)]
    rest = [p for p in other.parameters() if all(p is not weight for weight in weights)]
    groups = [
        {"params": weights, "weight_decay": 0.05 if optimizer == "adamw" else 0},
        {"params": rest, "weight_decay": 0},
    ]
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    plain = torch.optim.SGD(groups, lr=0.01, momentum=0.9) if optimizer == "sgd" else kinds[optimizer](groups, lr=0.01)
    generator = torch.Generator().manual_seed(0)
    for size in (16, 16, batch):
        x = torch.rand(size, 10, generator=generator, dtype=torch.float64)
        y = torch.randint(0, 4, (size,), generator=generator)
        squares = sum(other.linear(number).weight.pow(2).sum() for number in (1, 3, 4))
        cost = functional.cross_entropy(other(x), y) + 3.0 / (2 * size) * squares
        plain.zero_grad()
        cost.backward()
        found = backpropagate(own, x, y, 0.0, x.dtype)
        assert float(found.cross_entropy + penalized.penalty(size)) == pytest.approx(float(cost.detach()), rel=1e-12)
        plain.step()
        penalized.step(found.gradients, size, 0.01)
        for (name, mine), theirs in zip(own.named_parameters(), other.parameters(), strict=True):
            assert torch.allclose(mine, theirs, rtol=0, atol=1e-8), name


def test_epochs_are_those_of_the_reference(digits: Dataset) -> None:
    """Three epochs of the reference's loop on the same batches give the same costs, and its own code the same tests."""
    changes = {"model.hidden": "24-16-12", **PLAIN, "training.epochs": 3, "training.l2_lambda": 0.05}
    changes |= {"training.batch_size": 100, "model.hidden.3.l2": False, "model.output.l2": False}
    trainer = Trainer(change_settings(Settings(), changes), digits)
    torch.manual_seed(0)
    network = reference.Network(64, [24, 16, 12], [0.0] * 3, 10)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    judge = copy.deepcopy(network)
    x, y = digits.test.images.flatten(1) / 255, digits.test.labels
    for event in trainer.run(Control()):
        if not isinstance(event, EpochFinished):
            continue
        network.train()
        costs = []
        for inputs, labels in trainer.batches.epoch(event.result.epoch):
            cost = reference.cost(network, inputs, labels, 0.05, [1, 2])
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()
            costs.append(cost.item())
        assert len(costs) == 15  # 14 full batches and one of 37
        assert event.result.train_cost == pytest.approx(sum(costs) / len(costs), rel=1e-5)
        assert event.result.train_cross_entropy < event.result.train_cost
        judge.load_state_dict(dict(event.weights))
        assert event.result.test_cost == pytest.approx(reference.test_cost(judge, x, y, 100), rel=1e-6)
        assert event.result.test_accuracy == pytest.approx(reference.accuracy(judge, x, y), abs=1e-6)
        # biases before batch norm have no gradient but rounding, which Adam blows up: only the judged figures are near
        assert event.result.test_cost == pytest.approx(reference.test_cost(network, x, y, 100), rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training.optimizer": "sgd", "data.crop_padding": 1, "training.schedule": "one-cycle"},
        {"training.optimizer": "adamw", "data.horizontal_flip": True, "training.precision": "bfloat16"},
        {"data.validation_split": 0.2, "training.label_smoothing": 0.1, "data.normalization": "measured"},
        {"training.ema_decay": 0.99, "model.hidden": "64-64", "model.skip_connections": True},
    ],
)
def test_the_same_settings_and_seed_give_the_same_bits(
    small: Settings, digits: Dataset, changes: dict[str, object]
) -> None:
    settings = change_settings(small, {"training.l2_lambda": 0.01, **changes})
    results = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        trainer = Trainer(settings, digits)
        events, _ = run(trainer)
        figures = [(e.train_cost, e.test_cost, e.validation_cost, e.train_accuracy) for e in epochs_of(events)]
        results.append((figures, copy.deepcopy(trainer.evaluated.state_dict())))
    assert results[0][0] == results[1][0]
    for name, tensor in results[0][1].items():
        assert torch.equal(tensor, results[1][1][name]), name
    other = Trainer(change_settings(settings, {"training.seed": 1}), digits)
    run(other)
    assert not torch.equal(other.evaluated.linear(1).weight, results[0][1]["linear1.weight"])


def test_training_and_evaluation_leave_the_global_random_numbers_alone(small: Settings, digits: Dataset) -> None:
    torch.manual_seed(4)
    before = torch.get_rng_state()
    run(Trainer(change_settings(small, {"data.horizontal_flip": True}), digits))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_learns_and_tells_the_best_epoch(digits: Dataset) -> None:
    events, outcome = run(Trainer(change_settings(Settings(), {"training.epochs": 8}), digits))
    epochs = epochs_of(events)
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    assert epochs[-1].test_accuracy > 0.95
    assert outcome.status == "finished"
    assert outcome.reason == ""
    assert outcome.best == min(epochs, key=lambda epoch: epoch.test_cost)
    marked = [event.result for event in events if isinstance(event, EpochFinished) and event.is_best]
    assert marked[-1] == outcome.best
    assert all(epoch.images_per_second > 0 and epoch.seconds > 0 for epoch in epochs)


def test_predictions_are_those_behind_the_accuracy(small: Settings, digits: Dataset) -> None:
    events, _ = run(Trainer(small, digits))
    for event in events:
        if isinstance(event, EpochFinished):
            assert event.predictions.dtype == "uint8"
            right = (torch.from_numpy(event.predictions).long() == digits.test.labels).sum()
            assert int(right) / 360 == event.result.test_accuracy


def test_a_validation_split_decides_the_best_epoch(small: Settings, digits: Dataset) -> None:
    trainer = Trainer(change_settings(small, {"data.validation_split": 0.25}), digits)
    events, outcome = run(trainer)
    assert trainer.best_by == "validation cost"
    assert trainer.batches.images == 1437 - 360
    epochs = epochs_of(events)
    assert outcome.best == min(epochs, key=lambda epoch: epoch.validation_cost or math.inf)
    assert all(0 <= (epoch.validation_accuracy or -1) <= 1 for epoch in epochs)


def test_early_stopping_waits_its_patience(small: Settings, digits: Dataset) -> None:
    changes = {"training.epochs": 50, "training.early_stopping_patience": 3, "training.early_stopping_min_delta": 100.0}
    events, outcome = run(Trainer(change_settings(small, changes), digits))
    assert len(epochs_of(events)) == 4
    assert outcome.status == "finished"
    assert outcome.reason == "early stopping: test cost did not improve for 3 epochs"


def test_label_smoothing_is_in_the_train_cost_only(small: Settings, digits: Dataset) -> None:
    plain, _ = run(Trainer(change_settings(small, {**PLAIN, "training.epochs": 1}), digits))
    smooth, _ = run(
        Trainer(change_settings(small, {**PLAIN, "training.epochs": 1, "training.label_smoothing": 0.5}), digits)
    )
    assert epochs_of(smooth)[0].train_cost != epochs_of(plain)[0].train_cost


def slow(settings: Settings, epochs: int = 50) -> Settings:
    """Settings whose epochs take long enough to be interrupted."""
    return change_settings(settings, {"training.epochs": epochs, "training.batch_size": 3, "model.hidden": "64-64"})


def test_stop_is_obeyed_within_a_step(small: Settings, digits: Dataset) -> None:
    trainer, control = Trainer(slow(small), digits), Control()
    generator = trainer.run(control)
    first = next(event for event in generator if isinstance(event, Progress))
    control.stop()
    with pytest.raises(StopIteration) as end:
        next(generator)
    assert end.value.value.status == "stopped"
    assert end.value.value.last is None
    assert first.step < first.steps


def test_finish_ends_after_the_epoch(small: Settings, digits: Dataset) -> None:
    control = Control()
    generator = Trainer(slow(small), digits).run(control)
    next(event for event in generator if isinstance(event, Progress))
    control.finish_epoch()
    rest = list(generator)
    assert [type(event) for event in rest][-1] is EpochFinished
    assert len(epochs_of(rest)) == 1


def test_pause_waits_and_resume_goes_on_to_the_same_bits(small: Settings, digits: Dataset) -> None:
    settings = slow(small, epochs=1)
    undisturbed = Trainer(settings, digits)
    run(undisturbed)
    trainer, control = Trainer(settings, digits), Control()
    generator = trainer.run(control)
    next(event for event in generator if isinstance(event, Progress))
    control.pause()
    paused = next(generator)
    assert isinstance(paused, Paused)
    timer = threading.Timer(0.3, control.resume)
    timer.start()
    resumed = next(generator)
    assert isinstance(resumed, Resumed)
    assert (resumed.epoch, resumed.step) == (paused.epoch, paused.step)
    (last,) = epochs_of(list(generator))
    assert torch.equal(trainer.model.linear(1).weight, undisturbed.model.linear(1).weight)
    assert last.seconds < 60
    timer.join()


def test_nan_ends_the_training_before_the_epoch_is_told(small: Settings, digits: Dataset) -> None:
    settings = change_settings(small, {"training.optimizer": "sgd", "model.hidden.*.batch_norm": False})
    trainer = Trainer(change_settings(settings, {"training.learning_rate": 10.0, "training.l2_lambda": 1000.0}), digits)
    events: list[TrainerEvent] = []
    with pytest.raises(DivergedError, match="became NaN or infinite in epoch"):
        events.extend(trainer.run(Control()))
    assert all(math.isfinite(epoch.train_cost) for epoch in epochs_of(events))


def test_a_weight_that_is_nan_is_found_even_if_the_cost_is_not(small: Settings, digits: Dataset) -> None:
    trainer = Trainer(change_settings(small, {"model.hidden": "16-16"}), digits)
    generator = trainer.run(Control())
    next(event for event in generator if isinstance(event, EpochFinished))
    buffer = trainer.model.get_buffer("bn2.running_var")
    buffer[3] = math.inf
    with pytest.raises(DivergedError, match="bn2.running_var became NaN or infinite in epoch 2, which is not kept"):
        list(generator)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training.batch_size": 4},
            "with 4, a batch of the 1,437 training images would hold a single image.*; 5 is the",
        ),
        ({"training.batch_size": 1}, "training.batch_size: with 1"),
        ({"model.hidden": "1000000-1000000"}, "training needs about .* GB of memory, but only"),
        ({"training.precision": "tf32", "training.device": "cpu"}, "tf32 needs a CUDA GPU"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    small: Settings, digits: Dataset, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        Trainer(change_settings(small, changes), digits)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_refused(small: Settings, digits: Dataset) -> None:
    with pytest.raises(TrainingError, match="there is no CUDA GPU"):
        Trainer(change_settings(small, {"training.device": "cuda"}), digits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_a_gpu_learns_the_same_as_a_cpu(digits: Dataset, precision: str) -> None:
    base = change_settings(Settings(), {**PLAIN, "training.epochs": 5, "training.l2_lambda": 0.01})
    cpu, _ = run(Trainer(change_settings(base, {"training.device": "cpu"}), digits))
    gpu, _ = run(Trainer(change_settings(base, {"training.device": "cuda", "training.precision": precision}), digits))
    tolerance = 0.01 if precision == "float32" else 0.1
    for one, other in zip(epochs_of(cpu), epochs_of(gpu), strict=True):
        assert other.train_cost == pytest.approx(one.train_cost, rel=tolerance)


def test_bfloat16_learns_nearly_the_same(digits: Dataset) -> None:
    base = change_settings(Settings(), {**PLAIN, "training.epochs": 4})
    exact, _ = run(Trainer(base, digits))
    rough, _ = run(Trainer(change_settings(base, {"training.precision": "bfloat16"}), digits))
    assert epochs_of(rough)[-1].train_cost == pytest.approx(epochs_of(exact)[-1].train_cost, rel=0.05)
    assert epochs_of(rough)[-1].train_cost != epochs_of(exact)[-1].train_cost


@pytest.mark.parametrize("end", ["stop", "finish_epoch"])
def test_a_pause_after_the_end_was_asked_for_waits_for_nothing(small: Settings, digits: Dataset, end: str) -> None:
    control = Control()
    generator = Trainer(slow(small), digits).run(control)
    next(event for event in generator if isinstance(event, Progress))
    getattr(control, end)()
    control.pause()
    assert not any(isinstance(event, Paused | Resumed) for event in generator)


def test_a_stop_during_a_pause_does_not_resume(small: Settings, digits: Dataset) -> None:
    control = Control()
    generator = Trainer(slow(small), digits).run(control)
    next(event for event in generator if isinstance(event, Progress))
    control.pause()
    assert isinstance(next(generator), Paused)
    control.stop()
    assert list(generator) == []


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_dead_units_are_those_that_give_zero_for_every_test_image(
    small: Settings, digits: Dataset, decay: float
) -> None:
    """Two layers with a ReLU, one of another kind between them; what is counted is what is evaluated and saved."""
    changes = {"model.hidden": "12-9-12", "model.hidden.*.batch_norm": False, "model.hidden.2.activation": "gelu"}
    changes |= {"training.ema_decay": decay, "training.epochs": 1, "training.learning_rate": 1e-6}
    trainer = Trainer(change_settings(small, changes), digits)
    for model in {trainer.model, trainer.evaluated}:
        with torch.no_grad():
            model.linear(1).bias[:5] = -1e3
            model.linear(2).bias[:] = -1e3  # which a ReLU would not survive
            model.linear(3).weight[0] = 0.0
            model.linear(3).bias[0] = -1.0
    (result,) = epochs_of(run(trainer)[0])
    values, dead = trainer.normalize(digits.test.images), 0
    for number, function in enumerate((torch.relu, functional.gelu, torch.relu), 1):
        values = function(trainer.evaluated.linear(number)(values).detach())
        dead += 0 if number == 2 else int((values == 0).all(0).sum())
    assert dead >= 6
    assert result.dead_units == dead / 24


def test_a_network_without_relu_has_no_dead_units(small: Settings, digits: Dataset) -> None:
    for changes in ({"model.hidden.*.activation": "elu"}, {"model.hidden": "none"}):
        trainer = Trainer(change_settings(small, {**changes, "training.epochs": 1}), digits)
        assert [result.dead_units for result in epochs_of(run(trainer)[0])] == [None]


def test_a_unit_that_one_image_of_the_last_chunk_wakes_is_alive() -> None:
    model = Mlp(ModelSettings(hidden=(HiddenLayer(width=3, batch_norm=False),)), 1, 2).eval()
    with torch.no_grad():
        model.linear(1).weight[:] = torch.tensor([[1.0], [1.0], [-1.0]])
        model.linear(1).bias[:] = torch.tensor([-0.5, -2.0, -0.5])
    images = torch.zeros(2_500, 1, 1, 1, dtype=torch.uint8)
    images[-1] = 255
    units = DeadUnits(model)
    logits_of(model, images, Normalizer((), (), torch.device("cpu")), units.watch)
    assert units.fraction() == 2 / 3


def epoch(number: int, cost: float) -> Epoch:
    return Epoch(number, 1.0, 1.0, 0.5, cost, 0.5, None, None, 0.1, 1.0, 1.0)


def test_best_and_waiting_are_read_off_the_history() -> None:
    history = [epoch(at + 1, cost) for at, cost in enumerate((3.0, 2.0, 1.95, 1.95, 2.5))]
    assert best_epoch(history) == history[2]
    assert best_epoch([]) is None
    assert [epochs_without_improvement(history[:end], 0.0) for end in range(6)] == [0, 0, 0, 0, 1, 2]
    assert [epochs_without_improvement(history[:end], 0.1) for end in range(6)] == [0, 0, 0, 1, 2, 3]
