"""The ways through the console that a user goes, from the first start to a failing disk, with the real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Static

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from core.trials.trial import Trial
from tests.conftest import make_image
from tests.console import Console, draft_with, make_places, remember, run, trials
from tui.app import TrialbookApp
from tui.draft import Draft
from tui.plot.widget import CurvesPlot
from tui.screens.choose import OverlayScreen
from tui.screens.data import DataScreen
from tui.screens.dialogs import TextDialog
from tui.screens.evaluation import EvaluationScreen
from tui.screens.folder import FolderScreen
from tui.screens.history import HistoryScreen
from tui.screens.leave import LeaveDialog
from tui.state import read_state, state_file
from tui.widgets.figures import Figures
from tui.widgets.settings_form import SettingsForm

SHORT = {"model.hidden": "16", "training.epochs": 3}
LONG = {"model.hidden": "16", "training.epochs": 5000, "training.batch_size": 8}
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


# the short way


def test_two_keys_lead_from_the_start_to_an_evaluation(places: Path) -> None:
    async def steps(console: Console) -> None:
        assert "s starts the training" in console.words and "no trial yet: s starts one" in console.text
        await console.press("s")
        await console.ended()
        assert "95 % interval" in console.words
        await console.press("e")
        await console.see("of 360 test images right", "Confusion matrix")
        assert console.presses <= 6

    run(places, steps)
    (trial,) = trials(places)
    assert complete(trial) == 20 and summary(trial)["status"] == "finished"


# a training that is watched


def test_a_training_is_paused_looked_at_and_finished(places: Path) -> None:
    remember(places, draft_with(LONG))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.epochs(2)
        training = console.app.training
        assert training is not None
        await console.see("epoch ", " left", "running")
        await console.press("p")
        await console.until(lambda: training.snapshot.phase == "paused")
        before = training.snapshot
        await console.pilot.pause(0.4)
        assert training.snapshot == before and "paused" in console.text and "p Resume" in console.footer
        await console.press("p")
        await console.epochs(len(before.history) + 2)
        assert "p Pause" in console.footer

        await console.go_to("curves")
        plot = console.find(CurvesPlot)
        assert plot.view.quantity == "cost"
        await console.press("g", "m")
        assert plot.view.log and plot.view.smoothing > 0
        await console.press("a", "home", "right")
        assert plot.view.quantity == "accuracy" and plot.view.crosshair == 2
        await console.see("epoch 2 ")
        epochs = len(training.snapshot.history)
        await console.epochs(epochs + 1)
        assert plot.view.crosshair == 2  # new epochs do not move it

        await console.go_to("training", "training.epochs")
        await console.press("7", "enter")
        assert console.app.edits.draft.settings.training.epochs == 7
        assert training.draft.settings.training.epochs == 5000 and training.is_running
        await console.press("s")  # one training at a time
        assert console.app.training is training
        await console.press("f")
        await console.ended()
        assert training.snapshot.outcome is not None and training.snapshot.outcome.status == "stopped"

    app = run(places, steps)
    (trial,) = trials(places)
    assert app.training is not None and complete(trial) == len(app.training.snapshot.history)
    assert trial.settings().training.epochs == 5000 and summary(trial)["status"] == "stopped"


def test_a_stopped_training_keeps_its_complete_epochs(places: Path) -> None:
    remember(places, draft_with(LONG))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.epochs(1)
        await console.press("x")
        await console.ended()
        assert "p Pause" not in console.footer and "s Start" in console.footer
        await console.press("e")
        await console.see("of 360 test images right")

    app = run(places, steps)
    (trial,) = trials(places)
    assert app.training is not None and complete(trial) == len(app.training.snapshot.history) >= 1


def test_a_training_can_be_stopped_while_its_data_is_loaded(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("s", "x")
        await console.ended()
        assert "stopped" in console.words
        await train_digits(console)

    run(places, steps)


def test_the_next_trial_is_compared_with_the_one_before(places: Path) -> None:
    remember(places, draft_with(SHORT, name="first"))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.ended()
        first = trials(places)[0]
        draft = console.app.edits.draft
        assert (draft.parent, draft.name, draft.begin) == (first.id, "", first.settings())
        await console.go_to("training", "training.label_smoothing")
        await console.press("right")
        assert "1 change" in console.lines[0]
        await console.press("s")
        await console.ended()
        await console.until(lambda: console.find(Figures).values.parent)
        await console.clear()
        one, other = (trial.history()[0][-1] for trial in trials(places))
        assert f"test cost {other.test_cost - one.test_cost:+.4f}" in console.text
        assert "than first at epoch 3" in console.text
        assert "parent" in console.text

    run(places, steps)
    first, second = trials(places)
    assert summary(second)["parent"] == first.id and summary(first)["parent"] is None


def test_curves_of_other_trials_are_drawn_too(places: Path, digits: Dataset) -> None:
    first = make_trial(places, digits, name="alpha")
    make_trial(places, digits, name="beta")

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None)
        await console.go_to("curves")
        await console.press("t")
        assert isinstance(console.app.screen, OverlayScreen)
        await console.see("alpha", "beta")
        await console.press("down", "space", "enter")
        await console.until(lambda: console.view.overlays)
        await console.idle()
        assert [run.title for run in console.view.overlays] == ["alpha"]
        assert "alpha" in console.text and "beta" in console.text
        await console.press("t")
        await console.see("●")  # it is marked as drawn already
        await console.press("escape")
        await console.until(lambda: read_state(state_file(places)).get("overlays") == [first.id])

    run(places, steps)

    async def again(console: Console) -> None:
        await console.until(lambda: console.view.overlays)
        await console.idle()
        assert "alpha" in console.text

    run(places, again)


# what goes wrong


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


def test_a_diverging_training_keeps_the_epochs_before(places: Path) -> None:
    remember(places, draft_with(DIVERGING))

    async def steps(console: Console) -> None:
        await console.press("s")
        told = await see_failure(console, "NaN or infinite", "a smaller learning rate than 10 may help")
        (failed,) = trials(places)
        assert complete(failed) >= 1 and f"{complete(failed)} complete epochs are kept" in told
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


# leaving


@pytest.mark.parametrize("way", ["finish", "stop"])
def test_leaving_during_a_training_asks_first(places: Path, way: str) -> None:
    remember(places, draft_with(LONG))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.epochs(1)
        await console.press("q")
        assert isinstance(console.app.screen, LeaveDialog)
        await console.press("escape", "q", "q")  # a second q asks no second time
        await console.press("down", "down", "down", "enter")
        assert console.app.screen is console.app.workbench
        epochs = len(console.app.training.snapshot.history) if console.app.training else 0
        await console.epochs(epochs + 1)
        await console.press("q", *([] if way == "finish" else ["down"]))
        await console.leave("enter")

    app = run(places, steps)
    assert app.return_code in (0, None)
    (trial,) = trials(places)
    assert summary(trial)["status"] == "stopped" and complete(trial) >= 2
    assert app.training is not None and complete(trial) == len(app.training.snapshot.history)


def test_leaving_at_rest_asks_nothing(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.leave("q")

    assert run(places, steps).return_code in (0, None)


# coming back


def test_all_comes_back_after_a_restart_also_after_a_crash(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("9", "6", "enter")
        await console.go_to("training", "training.learning_rate")
        await console.press("enter")
        await console.retype("fast")
        await console.press("enter", "n")
        await console.write("again")
        await console.press("enter")
        await console.go_to("curves")
        console.app.theme = "textual-light"
        console.find(CurvesPlot).action_log()
        await console.press("z")

        def is_saved() -> bool:
            values = read_state(state_file(places))
            return values.get("alone") is True and values.get("view", {}).get("log") is True

        await console.until(is_saved)
        await check(TrialbookApp(places))  # as if this one had crashed

    async def check(app: TrialbookApp) -> None:
        draft = app.edits.draft
        assert draft.settings.model.hidden[0].width == 96 and draft.name == "again"
        assert draft.wrong["training.learning_rate"].text == "fast"

    async def again(console: Console) -> None:
        await check(console.app)
        assert console.app.theme == "textual-light"
        assert console.app.workbench.panel == "curves" and console.app.workbench.alone
        assert console.find(CurvesPlot).has_focus and console.find(CurvesPlot).view.log
        assert "again" in console.lines[0] and "1 wrong" in console.lines[0]

    run(places, steps)
    run(places, again)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[1, 2]",
        '{"draft": 3, "theme": 4, "panel": [], "alone": "x", "view": {"log": [], "first": "a"}, "overlays": 7}',
        '{"history": 1, "data": [], "overlays": [null, {}], "view": {"crosshair": -9, "smoothing": "x"}, "panel": "x"}',
        '{"draft": {"settings": {}, "begin": {}, "parent": 1, "name": 1, "note": 1, "wrong": 1}, "data": 3}',
    ],
)
def test_a_damaged_memory_does_no_harm(places: Path, text: str) -> None:
    path = state_file(places)
    path.parent.mkdir(parents=True)
    path.write_text(text)

    async def steps(console: Console) -> None:
        assert console.app.edits.draft.settings == Settings()
        for key in ("o", "i", "b"):
            await console.press(key)
            await console.press("escape")
        await console.go_to("curves")
        await console.press("t", "escape", "s")
        await console.epochs(1)
        await console.press("x")
        await console.ended()

    run(places, steps)
    assert json.loads(path.read_text())["version"] == 1


def test_the_last_trial_is_shown_at_the_start(places: Path, digits: Dataset) -> None:
    first = make_trial(places, digits, name="one")
    make_trial(places, digits, name="two", parent=first.id)

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.parent_run is not None)
        await console.idle()
        assert (
            "two" in console.text and "finished  3/3 epochs" in console.text and "than one at epoch 3" in console.text
        )
        assert "e Evaluate" in console.footer

    run(places, steps)


def test_empty_places_name_the_next_key(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.see("s starts one", "as soon as a trial trains")
        await console.press("o")
        await console.see("s there trains the first", "p")
        await console.press("escape")
        await console.go_to("curves")
        await console.press("t")
        await console.see("nothing to choose")
        await console.press("escape", "e")  # there is nothing to evaluate yet
        assert console.app.screen is console.app.workbench

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
