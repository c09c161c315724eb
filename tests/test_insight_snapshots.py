"""What comparisons, films and readings of the curves look like, as text, at three sizes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from core.data.dataset import Dataset
from core.settings import Settings, change_settings
from core.trials.trial import Trial
from tests.console import SIZES, Console, remember, run, trials
from tests.test_console_snapshots import History, Pictures, root, see_history
from tui.screens.compare import CompareScreen
from tui.screens.scrub import ScrubScreen

__all__ = ["root"]  # the fixture


def predict(trial: Trial, data: Dataset, number: int) -> None:
    """Let a trial have predicted as many classes rightly as its history says, on the real images."""
    labels = data.test.labels.numpy().astype("u1")
    order = np.random.default_rng(number).permutation(len(labels))
    rows = []
    for epoch in trial.history()[0]:
        wrong = order[round(len(labels) * epoch.test_accuracy) :]
        predicted = labels.copy()
        predicted[wrong] = (labels[wrong] + 1 + wrong % 3) % 10
        rows.append(predicted)
    (trial.directory / "predictions").write_bytes(np.array(rows, dtype="u1").tobytes())
    ran_on = trial.ran_on()
    ran_on["data"]["fingerprint"] = data.fingerprint
    (trial.directory / "ran_on.json").write_text(json.dumps(ran_on))


@pytest.fixture
def home(root: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with three trials; the last one overfits, and the second has a hostile name."""
    history = History(root / "home", digits, monkeypatch)
    first = history.add(Settings(), "first", "where it begins", parent="digits", epochs=20, floor=0.3)
    less = change_settings(Settings(), {"model.hidden": "512-256-64", "training.epochs": 16})
    evil = "[red]x[/b]\x1b[31m"
    second = history.add(less, evil, evil, parent=first, epochs=16, floor=0.25)
    long = change_settings(less, {"training.epochs": 60, "training.l2_lambda": 0.003})
    last = history.add(long, "", "longer, with a penalty", parent=second, epochs=60, floor=0.2)
    for number, trial in enumerate(trials(root / "home")):
        predict(trial, digits, number)
    remember(root / "home", shown=last, overlays=[first])
    return root / "home"


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_a_comparison(home: Path, root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await see_history(console)
        await console.until(lambda: console.view.overlays)
        await console.press("C")
        assert isinstance(console.app.screen, CompareScreen)
        await console.idle()
        for panel in ("curves", "table", "pairs", "pictures"):
            if panel == "curves" or size == SIZES[0]:
                await pictures.take(f"comparison, {panel}")
            await console.press("tab")
        await console.press("tab", "end", "tab", "down", "x")
        await pictures.take("comparison, another pair, the other way round")
        await console.press("z")
        if size != SIZES[0]:
            await pictures.take("comparison, verdicts alone")

    run(home, steps, size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_a_film(home: Path, root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await see_history(console)
        await console.press("F")
        assert isinstance(console.app.screen, ScrubScreen)
        await console.see("epoch 60/60")
        await pictures.take("film, last epoch")
        await console.press("b", "tab", "a")
        await pictures.take("film, best epoch and the matrix in percent")

    run(home, steps, size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_a_reading(home: Path, root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await see_history(console)
        await console.go_to("curves")
        await console.see("D ")
        await pictures.take("workbench, curves and what they mean")
        await console.press("Y")
        await pictures.take("all diagnoses")
        await console.press("escape", "D")
        await pictures.take("workbench, the suggested change")
        await console.press("b")
        await console.see("trial-25")
        await console.press("home")
        await console.see("since")
        await pictures.take("begin, a trial")
        await console.press("end", "up", "pageup")
        await pictures.take("begin, a preset")

    run(home, steps, size)
