"""A home full of trials that nobody has trained: files in the real formats, with made-up figures."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np

from core.epoch import Epoch
from core.settings import Settings, change_settings, settings_to_toml
from core.trials.history import epoch_line
from core.trials.lineage import repeat_key
from core.trials.store import DIRECTORY
from core.trials.summary import figures
from core.trials.trial import ABOUT, HISTORY, PREDICTIONS, RAN_ON, SETTINGS, SUMMARY, TEST_LABELS, About

TEST_IMAGES = 1000
_KINDS = 20  # so many different histories; the trials share them as links to the same files
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def make_home(home: Path, count: int = 1000, epochs: int = 300) -> list[str]:
    """Make a home with so many trials, each but some derived from an earlier one; return their ids, oldest first."""
    draw = random.Random(0)
    shared = home / "shared"
    shared.mkdir(parents=True)
    histories = [_make_kind(shared, kind, epochs, draw) for kind in range(_KINDS)]
    settings = [
        change_settings(Settings(), {"training.epochs": epochs, "training.learning_rate": (kind + 1) / 1000})
        for kind in range(9)
    ]
    texts = [(settings_to_toml(each), repeat_key(each, "made up")) for each in settings]
    ids: list[str] = []
    for number in range(count):
        kind = draw.randrange(_KINDS)
        text, repeats = texts[number % len(texts)]
        trial_id = f"202601{1 + number // 1440:02}-{number // 60 % 24:02}{number % 60:02}00-00{_letters(number)}"
        directory = home / DIRECTORY / trial_id
        directory.mkdir(parents=True)
        for name in (HISTORY, PREDICTIONS):
            os.link(shared / f"{name}-{kind}", directory / name)
        for name in (TEST_LABELS, RAN_ON):
            os.link(shared / name, directory / name)
        (directory / SETTINGS).write_text(text)
        parent = draw.choice(ids[-30:]) if ids and number % 10 else None
        summary = _summary(trial_id, parent, repeats, histories[kind], draw)
        (directory / SUMMARY).write_text(json.dumps(summary) + "\n")
        (directory / ABOUT).write_text(json.dumps(dataclasses.asdict(_about(number, draw)), indent=1) + "\n")
        ids.append(trial_id)
    return ids


def _make_kind(shared: Path, kind: int, epochs: int, draw: random.Random) -> list[Epoch]:
    """Write a history and its predictions; with the first one also what all trials share."""
    numbers = np.random.default_rng(kind)
    labels = numbers.integers(0, 10, TEST_IMAGES, dtype=np.uint8) if kind == 0 else _labels(shared)
    if kind == 0:
        (shared / TEST_LABELS).write_bytes(labels.tobytes())
        (shared / RAN_ON).write_text(json.dumps(_ran_on(), indent=1) + "\n")
    best, history, predictions = draw.uniform(0.5, 0.7), list[Epoch](), bytearray()
    for epoch in range(1, epochs + 1):
        right = numbers.random(TEST_IMAGES) < best * (1 - 1 / (epoch + 1))
        predicted = np.where(right, labels, (labels + 1 + numbers.integers(0, 9, TEST_IMAGES)) % 10).astype(np.uint8)
        predictions += predicted.tobytes()
        cost = 1 + 1 / epoch + draw.uniform(0, 0.02)
        accuracy = float((predicted == labels).mean())
        history.append(
            Epoch(epoch, cost, cost - 0.05, accuracy - 0.05, cost + 0.1, accuracy, None, None, 0.001, 2.0, 25_000.0)
        )
    (shared / f"{PREDICTIONS}-{kind}").write_bytes(predictions)
    (shared / f"{HISTORY}-{kind}").write_text("".join(map(epoch_line, history)))
    return history


def _labels(shared: Path) -> Any:
    return np.frombuffer((shared / TEST_LABELS).read_bytes(), dtype=np.uint8)


def _ran_on() -> dict[str, Any]:
    data = {
        "source": "cifar10",
        "fingerprint": "made up",
        "train_images": 50_000,
        "test_images": TEST_IMAGES,
        "image_shape": [3, 32, 32],
        "classes": [f"class {label}" for label in range(10)],
    }
    return {"versions": {}, "device": "cpu", "threads": 2, "process": {"host": "elsewhere"}, "data": data}


def _summary(
    trial_id: str, parent: str | None, repeats: str, history: list[Epoch], draw: random.Random
) -> dict[str, Any]:
    gained, lost = draw.randrange(60, 140), draw.randrange(60, 140)
    changes = f"L2 lambda: 0.003 -> {draw.randrange(4, 9) / 1000}; dropout: 0.5 -> 0.{draw.randrange(1, 9)}"
    best = min(history, key=lambda epoch: epoch.test_cost)
    status = draw.choices(("finished", "stopped", "failed"), (8, 1, 1))[0]
    return {
        "id": trial_id,
        "status": status,
        "reason": "" if status == "finished" else "stopped on request",
        "created": "2026-01-01T00:00:00+00:00",
        "parent": parent,
        "changes": changes if parent else "",
        "repeats": repeats,
        "seed": draw.randrange(100),
        "fingerprint": "made up",
        "test_images": TEST_IMAGES,
        "source": "cifar10",
        "hidden": "1024-512-256-64",
        "parameters": draw.randrange(1_000_000, 5_000_000),
        "epochs": len(history),
        "best_by": "test cost",
        "seconds": draw.uniform(100, 9000),
        "last": figures(history[-1]),
        "best": figures(best),
        "verdict": {"images": TEST_IMAGES, "gained": gained, "lost": lost, "p": draw.random()} if parent else None,
    }


def _about(number: int, draw: random.Random) -> About:
    words = ("wider", "more dropout", "smaller steps", "as before with another seed", "to lower the variance")
    tags = tuple(draw.sample(("cifar", "final", "night", "mean", "check"), draw.randrange(3)))
    return About(f"trial {number}", draw.choice(words), tags, number % 25 == 0)


def _letters(number: int) -> str:
    return "".join(_LETTERS[number // 26**place % 26] for place in range(4))
