"""What goes wrong in the console, and names that come from strangers: all is told, nothing is lost."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from core.data.dataset import Dataset
from core.files import replace_text
from tests.conftest import make_image
from tests.console import Console, draft_with, make_places, remember, run, trials
from tests.digits import SHORT, complete, make_trial, summary, train_digits
from tui.draft import Draft
from tui.screens.data import DataScreen
from tui.screens.dialogs import TextDialog
from tui.screens.evaluation import EvaluationScreen
from tui.screens.folder import FolderScreen
from tui.screens.history import HistoryScreen
from tui.state import read_state, state_file
from tui.widgets.settings_form import SettingsForm

DIVERGING = {
    "model.hidden": "",
    "training.optimizer": "sgd",
    "training.learning_rate": 10,
    "training.warmup_epochs": 18,
    "training.l2_lambda": 1000,
}
"""The penalty's gradient makes the weights larger with every step once the warm-up has got far enough."""
EVIL = "[/b] [red]x[@click=app.bell]y\x1b[31m\x9b2J\u202ez"
SHOWN = "[/b] [red]x[@click=app.bell]y\\x1b[31m"
"""How the beginning of the above is shown."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


async def see_failure(console: Console, *words: str) -> str:
    """See the dialog that tells of a failed training; return its text, which y copies and w writes to a file."""
    await console.ended()
    await console.until(lambda: isinstance(console.app.screen, TextDialog))
    assert "The training has failed" in console.text
    await console.press("y")
    copied = console.app.clipboard
    assert all(word in copied for word in words), copied
    assert "Traceback" not in copied and "unexpected error" not in copied
    await console.press("w")
    await console.see("written to")
    assert (console.app.home / "saved_models" / "last-text.txt").read_text() == copied + "\n"
    await console.press("escape")
    assert console.app.screen is console.app.workbench and "✗" in console.words
    return copied


def test_who_leaves_is_told_what_went_wrong_when_the_screen_is_closed(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(places, draft_with(DIVERGING))
    told = []

    async def steps(console: Console) -> None:
        leave = console.app.exit

        def listen(**options: Any) -> None:
            told.append(str(options["message"]))
            leave(**options)

        monkeypatch.setattr(console.app, "exit", listen)
        await console.press("s")
        console.app.leaving.is_awaited = True
        await console.until(lambda: told)

    run(places, steps)
    assert "became NaN or infinite in epoch" in told[0] and "\\x0a" not in told[0]


def test_a_training_that_ends_while_its_user_is_asked_how_to_leave_is_left_and_no_other_stopped(places: Path) -> None:
    remember(places, draft_with({"training.epochs": 2}))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.ended()
        asked = []
        console.app.trainings.end = lambda **how: asked.append(how)  # type: ignore[method-assign,assignment]
        console.app.leaving._leave("stop")
        assert console.app._exit and not asked

    run(places, steps)


def test_a_slow_disk_does_not_bring_back_what_was_remembered_before(
    places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def slow(path: Path, text: str) -> None:
        if not begun.is_set():
            begun.set()
            time.sleep(1)
        replace_text(path, text)

    monkeypatch.setattr("tui.state.replace_text", slow)

    async def steps(console: Console) -> None:
        console.app.edits.change(replace(console.app.edits.draft, note="before"))
        await console.until(begun.is_set)
        console.app.edits.change(replace(console.app.edits.draft, note="last"))

    run(places, steps)
    assert read_state(state_file(places))["draft"]["note"] == "last"


def test_a_toast_goes_with_the_next_key_once_it_could_be_read(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(console: Console) -> None:
        console.app.tell("cannot write", "error")
        await console.press("down")
        assert console.toasts == ["cannot write"]
        monkeypatch.setattr("tui.app._TOAST_READ", 0.0)
        await console.press("down")
        assert console.toasts == [] and console.words == "cannot write"

    run(places, steps)


def test_a_diverging_training_keeps_the_epochs_before(places: Path) -> None:
    remember(places, draft_with(DIVERGING))

    async def steps(console: Console) -> None:
        await console.press("s")
        told = await see_failure(console, "NaN or infinite", "a smaller learning rate than 10 may help")
        (failed,) = trials(places)
        assert complete(failed) > 1 and f"{complete(failed)} complete epochs are kept" in told
        assert summary(failed)["status"] == "failed"
        await console.press("e")
        await console.see("of 360 test images right")
        await console.press("escape")
        await train_digits(console)

    run(places, steps)


def test_a_network_without_memory_for_it_is_refused(places: Path) -> None:
    remember(places, draft_with({"model.hidden": "1000000-1000000"}))

    async def steps(console: Console) -> None:
        await console.press("s")
        await see_failure(console, "training needs about", "GB of memory", "choose narrower hidden layers")
        assert not trials(places)
        await train_digits(console)

    run(places, steps)


def test_a_broken_image_is_named(places: Path, folder: Path) -> None:
    broken = folder / "train" / "ant" / "03.png"
    broken.write_bytes(broken.read_bytes()[:60])
    remember(places, draft_with({"data.source": str(folder), "training.epochs": 1, "training.batch_size": 7}))

    async def steps(console: Console) -> None:
        await console.press("s")
        await see_failure(console, "1 of 36 images cannot be read: train/ant/03.png", "skip")
        await console.go_to("training", "data.skip_broken")
        await console.press("enter", "s")
        await console.ended()
        assert "accuracy" in console.words
        await train_digits(console)

    run(places, steps)
    assert [summary(trial)["status"] for trial in trials(places)] == ["finished", "finished"]


def test_a_disk_that_cannot_be_written_is_told_and_the_app_lives(places: Path) -> None:
    places.mkdir()
    (places / "saved_models").write_text("no folder")
    remember(places, draft_with(SHORT))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.ended()
        await console.until(lambda: isinstance(console.app.screen, TextDialog))
        assert "saved_models" in console.text and "not a folder" in console.text
        await console.press("w")  # no place to write to either
        await console.until(lambda: str(console.find(Static, "#told").render()))
        assert "written to" not in console.text
        await console.press("escape", "o")
        await console.see("saved_models")
        await console.press("escape", "b")
        await console.see("trial-25")
        await console.press("escape")
        (places / "saved_models").unlink()
        await train_digits(console)

    run(places, steps)


def test_a_trial_that_is_removed_while_it_is_shown_is_told(places: Path, digits: Dataset) -> None:
    trial = make_trial(places, digits)

    async def steps(console: Console) -> None:
        await console.until(lambda: console.app.workbench.check_action("evaluate", ()))
        trial.directory.rename(places / "elsewhere")
        await console.press("e")
        await console.see("✗ ", "model.pt")
        await console.press("escape")
        console.app.begin_from(trial.id)
        assert "there is no trial" in console.words
        await train_digits(console)

    run(places, steps)


# strangers


def test_hostile_names_are_shown_and_do_nothing(places: Path, tmp_path: Path) -> None:
    images = tmp_path / f"images {EVIL.replace('/', '|')}"
    for part, count in (("train", 8), ("test", 4)):
        for name in (f"ant {EVIL.replace('/', '|')}", "bee"):
            for number in range(count):
                make_image(images / part / name / f"{number}.png", seed=number + len(name))
    changes = {"data.source": str(images), "training.epochs": 1, "model.hidden": "4", "training.batch_size": 8}
    remember(places, draft_with(changes, name=EVIL, note=EVIL), data={"folders": [str(images)]})
    folder_shown = SHOWN.replace("/", "|")

    async def steps(console: Console) -> None:
        def is_clean() -> bool:
            return not any(
                ord(letter) < 32 or 127 <= ord(letter) < 160 or letter == "\u202e"
                for letter in console.text.replace("\n", "")
            )

        await console.press("s")
        await console.ended()
        await console.clear()
        assert SHOWN[:20] in console.text and is_clean()
        assert "finished" in console.text
        await console.press("e")
        await console.see("test images right")
        assert isinstance(console.app.screen, EvaluationScreen) and "ant [|b]" in console.text and is_clean()
        await console.press("tab", "enter", "y")
        assert is_clean()
        await console.press("escape", "escape", "o")
        await console.see(SHOWN[:12])
        assert isinstance(console.app.screen, HistoryScreen) and SHOWN in console.text and is_clean()
        await console.press("escape", "b")
        await console.see(SHOWN[:12])
        assert is_clean()
        await console.press("slash")
        await console.write("[/b]")
        assert SHOWN[:12] in console.text and "trial-25" not in console.text
        await console.press("escape", "escape", "i")
        await console.see("images [|b]", "ant [|b]")
        assert isinstance(console.app.screen, DataScreen) and is_clean()
        await console.press("f")
        await console.see("images [|b]")
        assert isinstance(console.app.screen, FolderScreen) and folder_shown[:12] in console.text and is_clean()
        await console.press("escape", "escape", "y")
        assert isinstance(console.app.screen, TextDialog) and is_clean()
        await console.press("escape", "ctrl+p")
        await console.write("Begin from trial 2")
        await console.see(SHOWN[:12])
        assert is_clean()
        await console.press("escape")
        assert console.find(SettingsForm).data_problem == "" and console.app.edits.draft != Draft()

    run(places, steps)
