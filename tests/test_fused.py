"""Steps of our own kernels are the steps that PyTorch makes: on a GPU, or else in Triton's interpreter."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.batches import Plan, TrainingBatches
from core.data.dataset import Dataset, ImageSet
from core.graphs import Now, room_for, step_numbers
from core.model import Dropout
from core.settings import Settings, change_settings
from core.stacked_trainer import StackedTrainer
from core.trainer import Trainer
from tests.conftest import ROOT

pytest.importorskip("triton", reason="the kernels are for Linux")
ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
KEY = -0x1234_5678_9ABC_DEF0
SGD = {"training.optimizer": "sgd", "training.learning_rate": 0.1}
KINDS: dict[str, dict[str, object]] = {
    "sgd": SGD,
    "sgd without momentum": {**SGD, "training.momentum": 0.0},
    "adam": {},
    "adamw and averages": {"training.optimizer": "adamw", "training.weight_decay": 0.1, "training.ema_decay": 0.9},
    "mixup and smoothing": {**SGD, "training.label_smoothing": 0.1, "data.mixup": 0.3},
    "augmentation": {
        **SGD,
        "data.crop_padding": 1,
        "data.horizontal_flip": True,
        "data.normalization": "measured",
        "training.schedule": "cosine",
    },
    "skip connections": {**SGD, "model.skip_connections": True},
    "no batch norm": {**SGD, "model.hidden.*.batch_norm": False},
    "no hidden layer": {**SGD, "model.hidden": "none"},
    "one penalized layer": {**SGD, "model.hidden.1.l2": False, "model.hidden.2.l2": False},
    **{
        name: {**SGD, "model.hidden.*.activation": name, "model.hidden.2.batch_norm": False}
        for name in ("leaky_relu", "elu", "gelu", "silu", "tanh")
    },
}
"""All of them in batches of 90, of which kernels hold all rows at once and make small products themselves, ..."""
MANY = ("sgd", "adamw and averages", "no batch norm", "skip connections", "mixup and smoothing")
"""... and some in batches of 300, whose rows kernels take part by part."""


@pytest.fixture(scope="module")
def fused() -> Any:
    """The module of the steps, whose kernels are interpreted where there is no GPU."""
    return importlib.import_module("core.fused.step")


def some(digits: Dataset, number: int) -> Dataset:
    """Return so many of the digits."""
    parts = (ImageSet(each.images[:number], each.labels[:number]) for each in (digits.train, digits.test))
    return Dataset(digits.source, digits.classes, *parts, "")


@pytest.fixture
def few(digits: Dataset) -> Dataset:
    """Digits for two batches and a bit of 90."""
    return some(digits, 200)


def changed(small: Settings, kind: dict[str, object], batch_size: int) -> Settings:
    layers = kind.get("model.hidden", "16-8-8")
    own = {"training.device": DEVICE, "training.batch_size": batch_size, "training.l2_lambda": 0.5}
    dropout = {} if layers == "none" else {"model.hidden.*.dropout": 0.0}
    return change_settings(small, {"model.hidden": layers, **dropout, **own, **kind})


def disturb(trainer: Trainer | StackedTrainer) -> None:
    """Let no scale be 1 and no shift 0: each would hide mistakes."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in trainer.model.named_parameters():
        if name.startswith("bn"):
            own = torch.rand(parameter.shape, generator=generator)
            parameter.data.copy_(own + 0.5 if name.endswith("weight") else own - 0.5)


def now_of(trainer: Trainer | StackedTrainer, batches: TrainingBatches, plan: Plan, rows: int, keys: list[int]) -> Now:
    """Return the first epoch, at its first step."""
    first = trainer if isinstance(trainer, Trainer) else trainer.copies[0]
    rates = [first.learning_rate(1, step) for step in range(len(batches))]
    shares = [0.0 if trainer.averaged is None else trainer.averaged.next_share() for _ in rates]
    numbers = step_numbers(rates, shares, trainer.optimizer.steps_made())
    now = room_for(plan, numbers, keys, rows)
    now.take_in(plan, numbers, keys)
    return now


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor], close: float = 1e-5) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        is_noise = "linear" in name and name.rsplit(".", 1)[0].endswith(".bias")
        if not (is_noise or name.endswith(".bias")):  # before batch norm a bias has no gradient but rounding
            assert torch.allclose(tensor.double(), other[name].double(), rtol=1e-4, atol=close), name


@pytest.mark.parametrize(
    ("kind", "batch_size"), [*((kind, 90) for kind in KINDS), *((kind, 300) for kind in MANY)], ids=str
)
def test_a_step_is_pytorchs(small: Settings, digits: Dataset, fused: Any, kind: str, batch_size: int) -> None:
    data = some(digits, 200 if batch_size == 90 else 400)
    settings = changed(small, KINDS[kind], batch_size)
    plain, ours = Trainer(settings, data), Trainer(settings, data)
    disturb(plain), disturb(ours)
    plan = ours.batches.plan(1)
    step = fused.FusedStep(settings, ours.model, ours.optimizer, ours.batches, ours.averaged, ours._sums)
    now = now_of(ours, ours.batches, plan, batch_size, [KEY])
    plain.model.train()
    for number, part in enumerate(plan.batches(batch_size)):
        share = plain.averaged.next_share() if plain.averaged is not None else 0.0
        plain._sum_step(part, plain.learning_rate(1, number), share)
        step(now, len(part))
    assert int(now.at) == len(ours.batches)
    assert torch.allclose(ours._sums, plain._sums, rtol=1e-5)
    noisy = 5e-3 if settings.training.optimizer != "sgd" else 1e-5  # the noise of biases goes into running means
    assert_equal(ours.state(), plain.state(), noisy)


def philox(key: int, index: NDArray[np.uint32], layer: int, step: int, rounds: int = 7) -> list[NDArray[np.uint32]]:
    """Return the four words of Philox4x32, written from the paper's section 4.3."""
    words = [index.astype(np.uint64), *(np.full(index.shape, word, np.uint64) for word in (layer, step, 0))]
    keys = [key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF]
    for _ in range(rounds):
        one, other = words[0] * np.uint64(0xD2511F53), words[2] * np.uint64(0xCD9E8D57)
        low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
        words = [
            (other >> high) ^ words[1] ^ np.uint64(keys[0]),
            other & low,
            (one >> high) ^ words[3] ^ np.uint64(keys[1]),
            one & low,
        ]
        keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return [each.astype(np.uint32) for each in words]


def expected_mask(key: int, m: int, width: int, layer: int, step: int, probability: float) -> NDArray[np.bool_]:
    quads = -(-width // 4)
    words = philox(key, np.arange(m * quads, dtype=np.uint32).reshape(m, quads), layer, step)
    drawn = np.stack(words, axis=-1).reshape(m, 4 * quads)[:, :width]
    kept: NDArray[np.bool_] = (drawn >> 1).astype(np.int64) >= round(probability * 2**31)
    return kept


@pytest.mark.parametrize("batch_size", [90, 300])
def test_dropout_draws_what_philox_says_forward_and_backward(
    small: Settings, digits: Dataset, fused: Any, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = some(digits, 400)
    chances = {1: 0.4, 2: 0.25, 3: 0.9}
    kind = {**SGD, "model.hidden": "16-10-8", **{f"model.hidden.{n}.dropout": chances[n] for n in chances}}
    settings = changed(small, kind, batch_size)
    plain, ours = Trainer(settings, data), Trainer(settings, data)
    plan = ours.batches.plan(1)
    step = fused.FusedStep(settings, ours.model, ours.optimizer, ours.batches, ours.averaged, ours._sums)
    now = now_of(ours, ours.batches, plan, batch_size, [KEY])
    dropouts = {plain.model.get_submodule(f"dropout{number}"): number for number in chances}
    at = 0

    def keeper(self: Dropout, values: Tensor) -> Callable[[Tensor], Tensor]:
        number = dropouts[self]
        kept = torch.from_numpy(expected_mask(KEY, *values.shape, number, at, chances[number]))
        return lambda some: some.mul_(kept.to(some)).div_(1 - chances[number])

    monkeypatch.setattr(Dropout, "keeper", keeper)
    plain.model.train()
    for at, part in enumerate(plan.batches(batch_size)):
        plain._sum_step(part, plain.learning_rate(1, at), 0.0)
        step(now, len(part))
    assert_equal(ours.state(), plain.state())


@pytest.mark.parametrize("kind", ["adam", "skip connections", "mixup and smoothing", "no batch norm"])
def test_stacked_copies_are_single_ones(small: Settings, few: Dataset, fused: Any, kind: str) -> None:
    settings = changed(small, {**KINDS[kind], "model.hidden.*.dropout": 0.5}, 90)
    seeds, keys = [3, 8, 5], [KEY, 7, 1 << 62]
    together = StackedTrainer(settings, few, seeds)
    stacked = fused.FusedStep(
        settings, together.model, together.optimizer, together.copies[0].batches, together.averaged, together._sums
    )
    plan = together._batches.plan(1)
    now = now_of(together, together.copies[0].batches, plan, 270, keys)
    for part in plan.batches(270):
        stacked(now, len(part))
    for copy, (seed, key) in enumerate(zip(seeds, keys, strict=True)):
        alone = Trainer(change_settings(settings, {"training.seed": seed}), few)
        own = alone.batches.plan(1)
        step = fused.FusedStep(settings, alone.model, alone.optimizer, alone.batches, alone.averaged, alone._sums)
        single = now_of(alone, alone.batches, own, 90, [key])
        for part in own.batches(90):
            step(single, len(part))
        assert torch.allclose(together._sums[:, copy], alone._sums, rtol=1e-5)
        copied = {f"model.{name}": tensor for name, tensor in together.copies[copy].model.state_dict().items()}
        single_state = {name: tensor for name, tensor in alone.state().items() if name in copied}
        assert_equal(copied, single_state, 5e-3 if kind == "adam" else 1e-5)


def test_many_classes(small: Settings, fused: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (120, 1, 4, 4), generator=generator, dtype=torch.uint8)
    data = Dataset("", tuple(map(str, range(37))), *(ImageSet(images, torch.arange(120) % 37),) * 2, "")
    settings = changed(small, {**SGD, "model.hidden": "8"}, 50)
    plain, ours = Trainer(settings, data), Trainer(settings, data)
    plan = ours.batches.plan(1)
    step = fused.FusedStep(settings, ours.model, ours.optimizer, ours.batches, ours.averaged, ours._sums)
    now = now_of(ours, ours.batches, plan, 50, [KEY])
    plain.model.train()
    for number, part in enumerate(plan.batches(50)):
        plain._sum_step(part, plain.learning_rate(1, number), 0.0)
        step(now, len(part))
    assert torch.allclose(ours._sums, plain._sums, rtol=1e-5)
    assert_equal(ours.state(), plain.state())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_what_is_no_number_stays_none(small: Settings, few: Dataset, fused: Any, poison: float) -> None:
    trainer = Trainer(changed(small, SGD, 90), few)
    with torch.no_grad():
        trainer.model.linear(1).weight[0, 0] = poison
    step = fused.FusedStep(
        trainer.settings, trainer.model, trainer.optimizer, trainer.batches, trainer.averaged, trainer._sums
    )
    plan = trainer.batches.plan(1)
    step(now_of(trainer, trainer.batches, plan, 90, [KEY]), 90)
    assert not torch.isfinite(trainer._sums[0])


def test_all_kernels_compile_for_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.compiled", "86"],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shared = [int(line.rsplit(" ", 1)[1]) for line in done.stdout.splitlines()]
    assert len(shared) == 50
    assert max(shared) <= 99 * 1024  # what a program may have there
