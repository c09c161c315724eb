"""The pre-flight check: finds what cannot work, and leaves no trace."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from core.control import Control
from core.data.dataset import Dataset
from core.errors import DivergedError
from core.preflight import Finding, check
from core.settings import Settings, change_settings
from core.trainer import Trainer


def findings_of(digits: Dataset, **changes: object) -> dict[str, Finding]:
    names = {name.replace("__", "."): value for name, value in changes.items()}
    return {finding.subject: finding for finding in check(change_settings(Settings(), names), digits)}


def test_good_settings_are_found_good(digits: Dataset) -> None:
    found = findings_of(digits)
    assert {subject: finding.severity for subject, finding in found.items()} == {
        "memory": "ok",
        "first cost": "ok",
        "gradients": "ok",
        "one batch": "ok",
        "time": "ok",
    }
    assert found["first cost"].values["ln_classes"] == pytest.approx(math.log(10))
    assert found["first cost"].values["cost"] == pytest.approx(math.log(10), abs=0.5)
    assert found["time"].values["seconds"] == pytest.approx(20 * found["time"].values["seconds_per_epoch"])


def test_a_network_without_hidden_layers_is_checked_too(digits: Dataset) -> None:
    found = findings_of(digits, model__hidden="none", training__epochs=1)
    assert {finding.severity for finding in found.values()} == {"ok"}
    assert found["time"].text.endswith("for 1 epoch")


@pytest.mark.parametrize(
    ("changes", "subject", "severity", "words"),
    [
        ({"training.learning_rate": 1e-9}, "one batch", "problem", "does not learn"),
        (
            {"training.learning_rate": 10.0, "training.optimizer": "sgd"},
            "one batch",
            "warning",
            "slow to learn 64 images:",
        ),
        ({"training.batch_size": 5000}, "batch size", "warning", "5,000 is more than the 1,437 training images"),
        ({"model.hidden": "1000000-1000000"}, "memory", "problem", "training needs about"),
        ({"training.batch_size": 4}, "start", "problem", "a single image"),
        ({"data.normalization": "cifar10"}, "start", "problem", "for 3 channels"),
        (
            {"data.normalization": "given", "data.mean": "0", "data.std": "0.0001", "model.hidden.*.batch_norm": False},
            "first cost",
            "warning",
            "the inputs may need normalization",
        ),
        (
            {
                "model.hidden": "-".join(["8"] * 40),
                "model.hidden.*.batch_norm": False,
                "model.hidden.*.activation": "tanh",
            },
            "gradients",
            "warning",
            "hardly any gradient reaches",
        ),
    ],
)
def test_bad_settings_are_found_bad(
    digits: Dataset, changes: dict[str, object], subject: str, severity: str, words: str
) -> None:
    found = {finding.subject: finding for finding in check(change_settings(Settings(), changes), digits)}
    assert found[subject].severity == severity, found[subject]
    assert words in found[subject].text


def test_a_check_leaves_no_trace(digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate())
    check(change_settings(Settings(), {"data.horizontal_flip": True}), digits)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [0.0, 60.0])
def test_where_steps_are_graphs_whole_epochs_are_timed(
    small: Settings, digits: Dataset, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    monkeypatch.setattr("core.preflight.makes_graphs", lambda _: True)
    monkeypatch.setattr("core.preflight.SECONDS", limit)
    monkeypatch.setattr("core.stepping.REPORT_EVERY", 0.0)
    settings = change_settings(small, {"training.epochs": 50})
    trained: list[int] = []
    complete = Trainer.complete
    monkeypatch.setattr(Trainer, "complete", lambda *given: trained.append(1) or complete(*given))
    # what is compiled and captured once is no part of an epoch
    monkeypatch.setattr(Trainer, "prepare_steps", lambda _: time.sleep(1.0))
    *_, found = check(settings, digits)
    assert found.subject == "time" and found.severity == "ok"
    assert len(trained) == (2 if limit else 0)
    assert 0 < found.values["seconds_per_epoch"] < 0.9
    assert found.values["seconds"] == pytest.approx(50 * found.values["seconds_per_epoch"])


def test_a_training_that_diverges_is_timed_all_the_same(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.preflight.makes_graphs", lambda _: True)
    changes = {"training.learning_rate": 10.0, "training.optimizer": "sgd", "training.momentum": 0.99}
    changes["model.hidden.*.activation"] = "leaky_relu"  # which cannot die before the cost is infinite
    wild = {"model.hidden": "64-64-64", "model.hidden.*.batch_norm": False, "training.device": "cpu"}
    settings = change_settings(Settings(), {**wild, **changes})
    with pytest.raises(DivergedError):
        list(Trainer(settings, digits).run(Control()))
    found = {finding.subject: finding for finding in check(settings, digits)}
    assert found["one batch"].severity == "problem"
    assert found["time"].values["seconds_per_epoch"] > 0
