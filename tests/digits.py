"""Small trials of the digits, and what the tests of the console read of them."""

from __future__ import annotations

import json
from pathlib import Path

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from core.trials.trial import Trial
from tests.console import Console, draft_with, trials

SHORT = {"model.hidden": "16", "training.epochs": 3}
LONG = {"model.hidden": "16", "training.epochs": 5000, "training.batch_size": 8}


def make_trial(home: Path, data: Dataset, name: str = "", note: str = "", parent: str | None = None) -> Trial:
    """Train and save a small trial."""
    settings = change_settings(Settings(), SHORT)
    for _ in train(settings, data, home=home, name=name, note=note, parent=parent):
        pass
    return trials(home)[-1]


def summary(trial: Trial) -> dict[str, object]:
    return json.loads((trial.directory / "summary.json").read_text())  # type: ignore[no-any-return]


def complete(trial: Trial) -> int:
    """Return how many epochs are on disk, after a look at each of them."""
    history, remarks = trial.history()
    assert not remarks and [epoch.epoch for epoch in history] == list(range(1, len(history) + 1))
    for epoch in history:
        assert len(trial.predictions(epoch.epoch)) == 360
    return len(history)


async def train_digits(console: Console) -> None:
    """Reset the forms, and see that a training of the digits works."""
    console.app.edits.change(draft_with(SHORT))
    await console.press("s")
    await console.ended()
    assert "accuracy" in console.words and "95 % interval" in console.words
