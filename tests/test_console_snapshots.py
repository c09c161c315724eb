"""What every screen looks like, as text, at three sizes; `pytest --snapshot-update` accepts what has changed.

Nothing in it depends on the machine: the trials have fixed figures and weights, and what is measured is left out.
"""

from __future__ import annotations

import math
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from syrupy.assertion import SnapshotAssertion

from core.control import Control
from core.data.dataset import Dataset
from core.early_stopping import best_epoch
from core.epoch import Epoch
from core.events import EpochFinished, Outcome
from core.settings import Settings, change_settings
from core.trials import writer
from core.trials.lineage import changes_since_parent
from core.trials.trial import About
from tests.conftest import make_image
from tests.console import SIZES, Console, make_places, remember, run
from tui.draft import begun, edited
from tui.screens.leave import LeaveDialog

RAN_ON = {
    "device": "cpu",
    "threads": 2,
    "process": None,
    "data": {
        "source": "digits",
        "fingerprint": "0" * 64,
        "train_images": 1437,
        "test_images": 360,
        "image_shape": [1, 8, 8],
        "classes": list("0123456789"),
        "mean": [0.0],
        "std": [1.0],
    },
}
EVIL = "[red]x[/b]\x1b[31m"
RATE = "training.learning_rate"


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory whose path is as long on every machine."""
    path = Path("/tmp") / f"trialbook-{secrets.token_hex(4)}"
    path.mkdir(mode=0o700)
    make_places(path, monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(path / "cache"))
    monkeypatch.chdir(path)
    yield path
    shutil.rmtree(path)


def nearest_mean(data: Dataset) -> dict[str, torch.Tensor]:
    """Return the weights of a linear layer whose largest output belongs to the class with the nearest mean image."""
    images = data.train.images.reshape(len(data.train), -1).double() / 255
    means = torch.stack([images[data.train.labels == label].mean(0) for label in range(len(data.classes))])
    return {"linear1.weight": (4 * means).float(), "linear1.bias": (-2 * (means**2).sum(1)).float()}


def figures(number: int, floor: float) -> Epoch:
    """Return an epoch of a trial whose test cost falls towards a floor, and rises a little in the end."""
    train = 0.05 + 2 * math.exp(-number / 4)
    test = floor + 1.9 * math.exp(-number / 3) + 0.004 * max(0, number - 12)
    return Epoch(
        epoch=number,
        train_cost=train + 0.02,
        train_cross_entropy=train,
        train_accuracy=1 - train / 2.5,
        test_cost=test,
        test_accuracy=round(360 * (1 - test / 2.6)) / 360,
        validation_cost=None,
        validation_accuracy=None,
        learning_rate=0.001,
        seconds=0.25,
        images_per_second=12_345.0,
    )


class History:
    """Writes trials of fixed figures into a home."""

    def __init__(self, home: Path, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        self._home = home
        self._data = data
        self._ids = iter([f"2026010{day}-03040{day}-06abc{letter}" for day, letter in enumerate("defg", start=1)])
        monkeypatch.setattr(writer, "new_directory", self._new_directory)

    def _new_directory(self, home: Path) -> Path:
        path = home / "saved_models" / next(self._ids)
        path.mkdir(parents=True)
        return path

    def add(self, settings: Settings, name: str, note: str, *, parent: str | None, epochs: int, floor: float) -> str:
        """Write a trial with so many epochs; return its id."""
        about = About(name, note)
        labels = self._data.test.labels.numpy().astype("u1").tobytes()
        trial = writer.new_writer(
            self._home,
            writer.First(settings, RAN_ON, about, labels),
            Control(),
            parent=parent,
            changes=changes_since_parent(self._home, parent, settings),
            parameters=51_594,
            best_by="test cost",
        )
        history = [figures(number, floor) for number in range(1, epochs + 1)]
        weights, predictions = nearest_mean(self._data), np.zeros(len(self._data.test), dtype=np.uint8)
        for count in range(1, epochs + 1):
            best = best_epoch(history[:count])
            assert best is not None
            trial.take(EpochFinished(history[count - 1], best, weights, predictions, weights))
            trial.write_taken()
        ended = "finished" if epochs == settings.training.epochs else "stopped"
        last = history[-1] if history else None
        trial.finish(Outcome(ended, "" if ended == "finished" else "stopped in epoch 1", last, best_epoch(history)))
        return trial.trial.id


@pytest.fixture
def home(root: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with four trials; the last one is a linear network with fixed weights."""
    history = History(root / "home", digits, monkeypatch)
    first = history.add(Settings(), "first", "", parent=None, epochs=20, floor=0.3)
    less = change_settings(Settings(), {"model.hidden.*.dropout": 0.1, "training.epochs": 16})
    history.add(less, EVIL, EVIL, parent=first, epochs=0, floor=0.3)
    second = history.add(less, "", "less dropout, as the gap is small", parent=first, epochs=16, floor=0.25)
    linear = change_settings(less, {"model.hidden": "", "training.learning_rate": 0.01})
    history.add(linear, "nearest mean", "", parent=second, epochs=16, floor=0.35)
    draft = edited(begun(less, second), "model.hidden.1.width", "512")
    draft = edited(draft, "training.l2_lambda", "0.003")
    remember(root / "home", draft)
    return root / "home"


class Pictures:
    """Compares what is on the screen with what was there before."""

    def __init__(self, console: Console, root: Path, snapshot: SnapshotAssertion) -> None:
        self._console = console
        self._root = root
        self._snapshot = snapshot

    async def take(self, name: str, change: Callable[[str], str] = str) -> None:
        """Compare the screen, once all is still, under a name."""
        await self._console.idle()
        await self._console.clear()
        text = self._console.text.replace(str(self._root), f"/tmp/trialbook-{'0' * 8}")
        assert change(text) == self._snapshot(name=name)


def without_measurements(text: str) -> str:
    """Leave out the machine's memory and the room after it, which depends on its number of digits."""
    return re.sub(r"[\d.,]+ [kMGT]?B are available +", "# are available ", text)


async def see_history(console: Console) -> None:
    """Wait for the first screen as a whole; the name of the device is the machine's own."""
    await console.until(lambda: console.view.parent_run is not None)
    await console.idle()
    console.app.device = "cpu"
    console.app.workbench.show_heading()


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_the_workbench(home: Path, root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await see_history(console)
        for panel in ("architecture", "training", "curves", "figures"):
            await console.go_to(panel)
            if panel == "architecture" or size == SIZES[0]:
                await pictures.take(f"workbench, {panel}")
        await console.go_to("curves")
        await console.press("a", "m", "home", "right")
        await pictures.take("workbench, accuracy with crosshair")
        await console.press("a", "m", "z")
        await pictures.take("workbench, curves alone")
        await console.press("escape")
        await console.go_to("architecture")
        await console.press("enter")
        await pictures.take("workbench, typing a width")
        await console.press("escape")
        await console.go_to("training", RATE)
        await console.press("enter")
        await console.retype("fast")
        await pictures.take("workbench, typing what is wrong")
        await console.press("enter")
        await pictures.take("workbench, a wrong field")

    run(home, steps, size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_an_empty_workbench_and_the_boxes(root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await console.idle()
        console.app.device = "cpu"
        console.app.workbench.show_heading()
        await pictures.take("empty workbench")
        await console.press("question_mark")
        await pictures.take("help")
        await console.press("escape", "y")
        await pictures.take("command")
        await console.press("escape", "n")
        await pictures.take("name")
        await console.press("escape")
        console.app.push_screen(LeaveDialog(True, False, lambda _: None))
        await console.settle()
        await pictures.take("quit")
        await console.press("escape", "w")
        await console.retype("1000000-1000000")
        await console.press("enter", "c")
        await console.see("will not work")
        await pictures.take("check", without_measurements)
        await console.press("escape", "o")
        await pictures.take("empty history")

    run(root / "home", steps, size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_the_lists_of_trials(home: Path, root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await see_history(console)
        await console.press("o")
        await console.see("first")
        await pictures.take("history")
        await console.press("escape", "b")
        await console.see("trial-25")
        await pictures.take("begin")
        await console.press("escape")
        await console.go_to("curves")
        await console.press("t")
        await console.see("first")
        await console.press("end", "space")
        await pictures.take("overlay")
        await console.press("enter")
        await console.until(lambda: console.view.overlays)
        await pictures.take("workbench, overlay")

    run(home, steps, size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_an_evaluation(home: Path, root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await see_history(console)
        await console.press("e")
        await console.see("of 360 test images right")
        await pictures.take("evaluation")
        await console.press("tab", "a")
        await pictures.take("evaluation, matrix in percent")
        await console.press("enter")
        await pictures.take("evaluation, images of a cell")

    run(home, steps, size)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_data_and_folders(root: Path, snapshot: SnapshotAssertion, size: tuple[int, int]) -> None:
    images = Path.home() / "flowers [red]"
    for part, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(("aster", "[b]rose[red]")):
            for number in range(count):
                make_image(images / part / name / f"{number}.png", seed=10 * label + number + 100 * (part == "test"))
    (Path.home() / "other").mkdir()

    async def steps(console: Console) -> None:
        pictures = Pictures(console, root, snapshot)
        await console.idle()
        await console.press("i")
        await console.see("ready at once", "━━")  # the counts of the classes come last
        await pictures.take("data")
        await console.press("f")
        await console.see("other")
        await console.press("down")
        await console.see("aster")
        await pictures.take("folder")
        await console.press("slash")
        await pictures.take("folder, typing")

    run(root / "home", steps, size)


def test_what_matters_has_a_style_of_its_own(home: Path) -> None:
    remember(home, edited(edited(begun(Settings(), None), RATE, "fast"), "training.seed", "7"), panel="training")

    async def steps(console: Console) -> None:
        await see_history(console)
        plain, wrong, other = (console.style_at(text) for text in ("L2 lambda", "✗ learning rate", "label smoothing"))
        assert plain.color == other.color != wrong.color == console.style_at("✗ 1 wrong").color
        red, green, blue = wrong.color.get_truecolor()
        assert red > green and red > blue
        await console.move_to("training.seed")
        assert console.style_at("* seed").color not in (plain.color, wrong.color)
        cursor = console.style_at("◂ 7 ▸")
        assert cursor.bold and cursor.bgcolor != plain.bgcolor
        assert console.style_at("Run").bold and not plain.bold
        assert console.style_at("s Start").bold and not console.style_at("Start").bold

    run(home, steps)
