"""Presets, sizes and schedules: all without torch."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from core.data.catalog import DataShape, ImageShape, known_shape
from core.errors import SettingsError
from core.model import Mlp
from core.presets import all_presets, preset
from core.schedule import learning_rate_at
from core.settings import Settings, TrainingSettings, change_settings, differences
from core.size import Memory, size_of
from tests.conftest import run_python


def test_the_reference_history_is_complete() -> None:
    names = [f"trial-{number}" for number in range(26)]
    assert list(all_presets()) == ["digits", "best-mlp", *names]
    for name in names:
        settings = preset(name).settings
        assert settings.data.source == "cifar10"
        assert [layer.l2 for layer in settings.model.hidden[:3]] == [True] * 3
        assert not any(layer.l2 for layer in settings.model.hidden[3:])
        assert not settings.model.output.l2


def test_trial_25_is_as_the_log_gives_it() -> None:
    final = preset("trial-25")
    assert [layer.width for layer in final.settings.model.hidden] == [1024, 512, 64, 64, 32, 16]
    assert [layer.dropout for layer in final.settings.model.hidden] == [0.6, 0.6, 0.4, 0.4, 0.25, 0.0]
    training = final.settings.training
    assert (training.l2_lambda, training.learning_rate, training.batch_size, training.epochs) == (0.006, 7e-4, 256, 160)
    assert final.settings.data.normalization == "cifar10"
    assert final.reported_accuracy == pytest.approx(0.5808)
    assert final.assumed == ()


def test_every_reference_trial_tells_what_is_stated_and_what_is_assumed() -> None:
    labels = {"epochs": "epochs", "batch_size": "batch size", "dropout": "dropout per hidden layer"}
    for name, each in list(all_presets().items())[2:]:
        stated, assumed = dict(each.stated), dict(each.assumed_values)
        assert len(stated) == len(each.stated) and not set(stated) & set(assumed), name
        for part, label in {**labels, "l2": "L2 penalty on"}.items():
            assert (label in assumed) == (part in each.assumed) == (label not in stated), (name, label)
        assert ("changed from" in stated or "changed from" in assumed) == (each.after is not None)
    fourth = all_presets()["trial-4"]
    assert dict(fourth.stated)["dropouts"] == "0.5, 0.2"
    assert dict(fourth.stated)["reported accuracy"] == "none"
    assert dict(fourth.assumed_values) == {
        "epochs": "160",
        "batch size": "128",
        "dropout per hidden layer": "0.5 0.5 0.5 0.2 0.2 0.2",
        "L2 penalty on": "the Linear layers 1, 2 and 3",
        "changed from": "trial-3, the trial before",
    }
    assert (preset("digits").stated, preset("digits").after) == ((), None)


def test_a_reference_trial_names_the_one_it_was_changed_from() -> None:
    names = list(all_presets())
    assert preset("trial-0").after is None
    for name in names[3:]:
        after = preset(name).after
        assert after is not None and names.index(after) < names.index(name)
    assert [preset(f"trial-{number}").after for number in (1, 13, 14, 19, 25)] == [
        *("trial-0", "trial-9", "trial-13", "trial-18", "trial-24")
    ]
    assert dict(preset("trial-14").stated)["changed from"] == "trial-13"


def test_what_changed_between_two_reference_trials_is_one_line() -> None:
    changes = differences(preset("trial-21").settings, preset("trial-22").settings)
    assert [str(change) for change in changes] == ["L2 lambda: 0.003 -> 0.005"]


def test_a_missing_preset_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="there is no preset trail-25; did you mean trial-25"):
        preset("trail-25")


@pytest.mark.parametrize("name", ["digits", "trial-0", "trial-25"])
def test_parameters_and_weights_are_those_of_the_real_network(name: str) -> None:
    settings = preset(name).settings
    shape = known_shape(settings)
    assert shape is not None
    size = size_of(settings, shape)
    model = Mlp(settings.model, shape.image.values, shape.classes)
    assert size.parameters == sum(parameter.numel() for parameter in model.parameters())
    floats = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
    assert size.memory.weights == sum(tensor.numel() * 4 for tensor in floats)
    assert size.memory.gradients == 4 * size.parameters


def test_flops_are_two_per_weight_of_the_linear_layers() -> None:
    settings = change_settings(Settings(), {"model.hidden": "5-3"})
    shape = DataShape(ImageShape(1, 2, 2), 7, 10, 10)
    assert size_of(settings, shape).flops == 2 * (4 * 5 + 5 * 3 + 3 * 7)


def test_memory_grows_with_batch_and_optimizer() -> None:
    shape = DataShape(ImageShape(3, 32, 32), 10, 50_000, 10)
    small = size_of(change_settings(Settings(), {"training.batch_size": 32}), shape).memory
    large = size_of(change_settings(Settings(), {"training.batch_size": 64, "training.optimizer": "sgd"}), shape).memory
    products = 2 * 4 * 3072 * 256  # for the largest weights, whatever the batch
    assert large.activations - products == 2 * (small.activations - products)
    assert small.optimizer == 2 * small.gradients
    assert large.optimizer == large.gradients
    assert small.data == 50_010 * (3 * 32 * 32 + 8)


def test_an_average_takes_as_much_as_the_weights() -> None:
    shape = DataShape(ImageShape(3, 32, 32), 10, 50_000, 10)
    off = size_of(Settings(), shape).memory
    on = size_of(change_settings(Settings(), {"training.ema_decay": 0.5}), shape).memory
    assert off.averaged == 0
    assert on.averaged == on.weights == off.weights
    assert on.total - on.saving == off.total - off.saving + on.averaged


def test_saving_is_added_to_training() -> None:
    shape = DataShape(ImageShape(3, 32, 32), 10, 50_000, 10)
    settings = change_settings(Settings(), {"training.ema_decay": 0.5})
    cpu, gpu = (size_of(settings, shape, on_gpu=on_gpu).memory for on_gpu in (False, True))
    saved = cpu.weights + cpu.averaged + cpu.optimizer + cpu.weights
    assert cpu.saving == 2 * saved + cpu.weights  # two epochs' copies, and the weights' file before it is written
    assert gpu.saving == 2 * saved  # its files are made in the machine's memory
    kept = cpu.weights + cpu.averaged + cpu.gradients + cpu.optimizer + cpu.data
    assert cpu.total == kept + max(cpu.activations, cpu.evaluation) + cpu.saving
    assert cpu.of_copies(3) - cpu.of_copies(2) >= cpu.saving


def test_a_skip_keeps_one_more_value_where_no_dropout_keeps_it_anyway() -> None:
    shape = DataShape(ImageShape(3, 32, 32), 10, 50_000, 2_000)

    def memory(skips: bool, dropout: str) -> Memory:
        changes = {"model.hidden": "512-256-256", "model.skip_connections": skips, "model.hidden.*.dropout": dropout}
        return size_of(change_settings(Settings(), changes), shape).memory

    plain, skipping = memory(False, "0"), memory(True, "0")
    assert skipping.activations - plain.activations == 128 * 256 * 4
    assert skipping.evaluation - plain.evaluation == 1000 * 512 * 4
    assert skipping.weights == plain.weights
    assert memory(True, "0,0,0.5").activations == memory(False, "0,0,0.5").activations


def rates(training: TrainingSettings, steps: int) -> list[float]:
    return [learning_rate_at(training, step, steps) for step in range(training.epochs * steps)]


def test_cosine_and_one_cycle_are_those_of_torch() -> None:
    training = TrainingSettings(schedule="cosine", epochs=5, learning_rate=0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    cosine, expected = CosineAnnealingLR(optimizer, 50), []
    for _ in range(50):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    assert rates(training, 10) == pytest.approx(expected, abs=1e-12)

    training = TrainingSettings(schedule="one-cycle", epochs=5, learning_rate=0.1)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    cycle, expected = OneCycleLR(optimizer, max_lr=0.1, total_steps=50, cycle_momentum=False), []
    for step in range(50):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < 49:
            cycle.step()
    assert rates(training, 10) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_a_warm_up_rises_to_the_learning_rate_and_never_above(schedule: str) -> None:
    training = TrainingSettings(schedule=schedule, epochs=4, learning_rate=0.2, warmup_epochs=2.0)  # type: ignore[arg-type]
    got = rates(training, 10)
    assert all(0 < rate <= 0.2 for rate in got[:-1])
    assert got[:20] == sorted(got[:20])
    assert got[19] == pytest.approx(0.2, rel=0.01)
    if schedule == "constant":
        assert got[20:] == [0.2] * 20
    else:
        assert got[20:] == sorted(got[20:], reverse=True)


def test_a_warm_up_must_end_within_the_trial() -> None:
    with pytest.raises(
        SettingsError, match="training.epochs: 2 is not allowed; must be more than the 50 epochs of warm-up"
    ):
        change_settings(Settings(), {"training.warmup_epochs": 50.0, "training.epochs": 2})
    assert learning_rate_at(TrainingSettings(schedule="one-cycle", epochs=1), 0, 1) == pytest.approx(1e-3)


MEASURE = """
import sys
import tempfile
from pathlib import Path
import torch
from core.control import Control
from core.data.dataset import Dataset, ImageSet
from core.presets import preset
from core.session import train
from core.settings import change_settings
from core.size import size_of
from core.trainer import Trainer

def status(key):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(key))

def images(count):
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    return ImageSet(pixels, torch.randint(0, 10, (count,)))

is_saved, train_images, test_images = map(int, sys.argv[1:4])
data = Dataset("random", tuple("abcdefghij"), images(train_images), images(test_images), "")
changes = dict(pair.split("=") for pair in sys.argv[4:])
settings = change_settings(preset("trial-25").settings, {"training.epochs": 1, **changes})
linear = torch.nn.Linear(4, 4)  # what the libraries themselves take is not the trial's
linear(torch.rand(2, 4)).sum().backward()
torch.optim.Adam(linear.parameters(), fused=True).step()
memory = size_of(settings, data.shape).memory
before = status("VmRSS")
if is_saved:
    with tempfile.TemporaryDirectory() as home:
        list(train(settings, data, home=Path(home)))
else:
    list(Trainer(settings, data).run(Control()))
print((status("VmHWM") - before) / (memory.total - memory.data - (0 if is_saved else memory.saving)))
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="measures the CPU's memory")
@pytest.mark.parametrize(
    "changes",
    [
        ["model.hidden=3072-3072", "training.ema_decay=0.999"],
        ["model.hidden=2048-2048", "model.skip_connections=on", "training.batch_size=1500"],
        ["training.precision=bfloat16"],
    ],
)
def test_the_memory_foretold_is_what_training_takes(changes: list[str]) -> None:
    ran = run_python(MEASURE, 0, 3000, 2000, *changes)
    assert ran.returncode == 0, ran.stderr
    assert 0.7 < float(ran.stdout) < 1.4


@pytest.mark.skipif(torch.cuda.is_available(), reason="measures the CPU's memory")
@pytest.mark.parametrize(
    "changes",
    [
        ["model.hidden=2048-2048"],
        ["model.hidden=2048-2048", "training.ema_decay=0.999"],
        ["model.hidden=2048-2048", "training.optimizer=sgd"],
    ],
)
def test_the_memory_foretold_is_what_training_takes_that_is_saved(changes: list[str]) -> None:
    # few images, so that an epoch ends while the one before is being written
    ran = run_python(MEASURE, 1, 256, 256, "training.epochs=6", *changes)
    assert ran.returncode == 0, ran.stderr
    assert 0.7 < float(ran.stdout) < 1.4
