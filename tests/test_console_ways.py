"""The ways through the console that a user goes, from the first start to a failing disk, with the real engine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.diagnosis import diagnose_trial
from core.events import Finished, Progress, Started
from core.session import train
from core.settings import Settings
from core.trials.store import list_trials
from core.trials.trial import RAN_ON
from tests.console import Console, draft_with, make_places, remember, run, trials
from tests.digits import LONG, SHORT, complete, make_trial, summary, train_digits
from tui.app import TrialbookApp
from tui.plot.widget import CurvesPlot
from tui.screens.choose import OverlayScreen
from tui.screens.leave import LeaveDialog
from tui.state import read_state, state_file
from tui.training import Snapshot
from tui.widgets.figures import Figures


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


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
        assert "against first at epoch 3" in console.text
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
        assert all(text in console.text for text in ("two", "finished  3/3 epochs", "against one at epoch 3"))
        assert "e Evaluate" in console.footer

    run(places, steps)


def test_a_parent_that_was_tested_on_other_images_is_not_compared_with(places: Path, digits: Dataset) -> None:
    first = make_trial(places, digits, name="one")
    make_trial(places, digits, name="two", parent=first.id)
    file = first.directory / RAN_ON
    file.write_text(file.read_text().replace(digits.fingerprint, "of other images"))

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.parent_trial is not None)
        await console.idle()
        assert "one  tested on other images: not comparable" in console.text
        assert "vs parent" not in console.text and "against one" not in console.text
        assert console.view.compared == [console.view.shown.trial.id]  # type: ignore[union-attr]

    run(places, steps)


def test_the_curves_are_read_again_when_the_last_epoch_is_saved(places: Path) -> None:
    remember(places, draft_with({"training.epochs": 12}))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.ended()
        (trial,) = list_trials(places)
        await console.until(
            lambda: (
                console.view.reading is not None and console.view.reading.found == tuple(diagnose_trial(trial.trial))
            )
        )

    run(places, steps)


def test_the_time_left_counts_the_epochs_that_are_not_begun(small: Settings, digits: Dataset, home: Path) -> None:
    started, *_, finished = train(small, digits, home=home)
    assert isinstance(started, Started) and isinstance(finished, Finished) and finished.outcome.last is not None
    epoch = replace(finished.outcome.last, seconds=60.0)

    def left(step: int) -> float | None:
        progress = Progress(epoch=4, step=step, steps=20, cost=1.0, images_per_second=1.0, learning_rate=0.1)
        now = Snapshot(phase="training", started=replace(started, epochs=10), history=(epoch,) * 3, progress=progress)
        return now.trial_seconds_left

    assert [left(10), left(19), left(20)] == pytest.approx([390, 363, 360])


def test_empty_places_name_the_next_key(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.see("s starts one", "as soon as a trial trains")
        await console.press("o")
        await console.see("s there trains the first", "p")
        await console.press("escape")
        await console.go_to("curves")
        await console.press("t")
        await console.see("nothing to choose")
        await console.press("escape", "C")
        assert console.words == "no second trial is drawn: t beside the curves draws others to compare with"
        await console.press("e")  # there is nothing to evaluate yet
        assert console.app.screen is console.app.workbench

    run(places, steps)
