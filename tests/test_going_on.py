"""The console goes on with trials: resumed, taken back, left running, branched, and saved elsewhere."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.widgets import OptionList

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import find_trial, list_trials
from core.trials.trial import Trial
from tests.console import Console, draft_with, make_places, remember, run
from tests.test_watching import elsewhere as elsewhere  # noqa: PLC0414 - a fixture
from tui.app import TrialbookApp
from tui.screens.leave import BranchDialog, EpochsDialog, LeaveDialog


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


@pytest.fixture
def left(places: Path) -> Iterator[None]:
    """Ends what a console has left running."""
    yield
    for listed in list_trials(places):
        if listed.status == "running":
            os.kill(listed.trial.ran_on()["process"]["pid"], signal.SIGKILL)


def make_trial(home: Path, digits: Dataset, epochs: int = 3, stop_after: int = 0) -> Trial:
    """Train a small trial, stopped after so many epochs where that is not 0."""
    settings = change_settings(Settings(), {"model.hidden": "8", "training.epochs": epochs})
    events = train(settings, digits, home=home, name="made")
    for event in events:
        if stop_after and getattr(getattr(event, "result", None), "epoch", 0) == stop_after:
            break
    events.close()
    return list_trials(home)[-1].trial


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_stopped_trial_goes_on_by_one_key(places: Path, digits: Dataset) -> None:
    trial = make_trial(places, digits, epochs=4, stop_after=2)
    assert trial.summary()["status"] == "stopped"

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None)
        draft = console.app.edits.draft
        await console.press("G")
        await console.ended()
        assert console.app.training is not None
        assert len(console.app.training.snapshot.history) == 4
        assert console.view.shown is not None and len(console.view.shown.run.history) == 4
        assert console.app.edits.draft == draft, "what is being edited is not touched"

    run(places, steps)
    assert trial.summary()["status"] == "finished"
    assert len(list_trials(places)) == 1


def test_a_finished_trial_asks_for_more_epochs(places: Path, digits: Dataset) -> None:
    trial = make_trial(places, digits, epochs=2)

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None)
        await console.press("G")
        assert isinstance(console.app.screen, EpochsDialog)
        await console.press("end", "backspace", "2", "enter")
        await console.see("a whole number over 2")
        await console.retype("999999")
        await console.press("enter")
        await console.see("at most 100,000")
        await console.retype("5")
        await console.press("enter")
        await console.ended()

    run(places, steps)
    assert len(trial.history()[0]) == 5
    assert trial.settings().training.epochs == 5


def test_a_trial_that_early_stopping_has_ended_is_branched_off_instead(places: Path, digits: Dataset) -> None:
    changes = {"training.early_stopping_patience": 1, "training.early_stopping_min_delta": 100, "training.epochs": 9}
    list(train(change_settings(Settings(), {"model.hidden": "8", **changes}), digits, home=places))

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None)
        await console.press("G")
        assert console.app.screen is console.app.workbench
        assert console.words == "early stopping has ended it; a branch (B) with more patience goes on"

    run(places, steps)
    assert len(list_trials(places)[0].trial.history()[0]) == 2


def test_what_is_edited_while_data_is_loaded_is_the_next_trial_s(
    places: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def load(_app: TrialbookApp, _settings: object, _on_progress: object) -> Dataset:
        go_on.wait(60)
        return digits

    monkeypatch.setattr(TrialbookApp, "load_dataset", load)
    remember(places, draft_with({"training.epochs": 1, "model.hidden": "8"}, name="first"))

    async def steps(console: Console) -> None:
        await console.press("s", "n")
        await console.retype("second")
        await console.press("enter")
        go_on.set()
        await console.ended()
        (first,) = list_trials(places)
        assert first.about.name == "first" and console.app.edits.draft.name == "second"
        await console.clear()
        await console.go_to("training", "training.learning_rate")
        await console.press("right", "u", "u")
        assert console.app.edits.draft.parent == first.trial.id and f"from {first.trial.id}" in console.lines[0]
        go_on.clear()
        await console.press("s")
        console.app.begin_from("trial-25")
        go_on.set()
        await console.ended()
        assert "from trial-25" in console.lines[0]

    run(places, steps)


def test_the_draft_branches_off_its_parent(places: Path, digits: Dataset) -> None:
    parent = make_trial(places, digits, epochs=2)

    async def steps(console: Console) -> None:
        console.app.begin_from(parent.id)
        await console.go_to("training", "training.epochs")
        await console.press("right")
        await console.press("B")
        assert isinstance(console.app.screen, BranchDialog)
        await console.see("after its last epoch, 2", "after its best epoch")
        await console.press("enter")
        await console.ended()

    run(places, steps)
    twig = list_trials(places)[-1].trial
    assert twig != parent
    assert twig.summary()["branched_at"] == 2
    assert twig.history()[0][:2] == parent.history()[0]


def test_a_branch_off_the_last_of_all_epochs_asks_for_more(places: Path, digits: Dataset) -> None:
    parent = make_trial(places, digits, epochs=2)

    async def steps(console: Console) -> None:
        console.app.begin_from(parent.id)
        await console.press("B", "enter")
        assert isinstance(console.app.screen, EpochsDialog)
        await console.press("backspace", "4", "enter")
        await console.ended()

    run(places, steps)
    twig = list_trials(places)[-1].trial
    assert (twig.summary()["branched_at"], len(twig.history()[0])) == (2, 4)


def test_only_epochs_with_a_checkpoint_are_branched_off(places: Path, digits: Dataset) -> None:
    parent = make_trial(places, digits, epochs=2)

    async def steps(console: Console) -> None:
        console.app.begin_from(parent.id)
        await console.settle()
        (parent.directory / "best_checkpoint.safetensors").unlink()  # as of a branch with an optimizer of its own
        await console.press("B")
        await console.see("after its last epoch, 2")
        assert "after its best epoch" not in console.text
        await console.press("escape")
        (parent.directory / "checkpoint.safetensors").unlink()  # as of an imported trial
        await console.press("B")
        assert not isinstance(console.app.screen, BranchDialog)
        await console.until(
            lambda: any(
                "with a checkpoint can branch off it: b chooses one to begin from" in toast for toast in console.toasts
            )
        )

    run(places, steps)


@pytest.mark.usefixtures("left")
def test_a_training_is_left_running_and_taken_back(places: Path, digits: Dataset) -> None:
    begun = make_trial(places, digits, epochs=100_000, stop_after=2)

    async def leave(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None)
        await console.press("G")
        await console.epochs(4)
        await console.press("q")
        assert isinstance(console.app.screen, LeaveDialog)
        await console.press("down", "down")
        await console.leave("enter")

    assert run(places, leave).return_code in (0, None)
    kept = len(begun.history()[0])
    wait_for(lambda: len(begun.history()[0]) > kept)
    (listed,) = list_trials(places)
    assert listed.status == "running"
    process = begun.ran_on()["process"]["pid"]
    assert process != os.getpid()
    assert os.getsid(process) != os.getsid(0), "it belongs to no terminal's session"

    async def take_back(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None and console.view.shown.elsewhere is not None)
        await console.press("p")
        await console.until(lambda: "paused" in console.view.shown.state)  # type: ignore[union-attr]
        assert "Resume" in console.footer
        await console.press("p")
        await console.until(lambda: "paused" not in console.view.shown.state)  # type: ignore[union-attr]
        await console.press("G")
        before = len(begun.history()[0])
        await console.epochs(before + 2)
        assert begun.ran_on()["process"]["pid"] == os.getpid()
        assert not console.app._notifications, "the other process gave it up because it was asked to"
        await console.press("x")
        await console.ended()

    run(places, take_back)
    history, problems = begun.history()
    assert [epoch.epoch for epoch in history] == list(range(1, len(history) + 1))
    assert problems == []
    assert begun.summary()["status"] == "stopped"


def test_others_can_be_asked_to_stop(places: Path, elsewhere: subprocess.Popen[bytes]) -> None:
    async def steps(console: Console) -> None:
        await console.until(lambda: "another process trains theirs" in console.words)
        console.app.show_trial(list_trials(places)[-1].trial)
        await console.until(lambda: console.view.shown is not None and console.view.shown.elsewhere is not None)
        await console.press("f")
        await console.until(lambda: console.view.shown.state == "stopped")  # type: ignore[union-attr]

    run(places, steps)
    assert elsewhere.wait(10) == 0


def test_what_a_dropped_line_does_is_chosen_where_one_leaves(places: Path) -> None:
    async def steps(console: Console) -> None:
        console.app.push_screen(LeaveDialog(True, console.app.leaving.on_hangup, console.app.leaving._choose_on_hangup))
        await console.see("If the line drops: it stops")
        await console.press("end", "enter")
        await console.see("If the line drops: it goes on running")
        assert console.app.leaving.on_hangup
        assert console.find(OptionList).highlighted == 4
        await console.press("escape")

    run(places, steps)


def test_a_trial_whose_directory_vanishes_is_saved_elsewhere(
    places: Path, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    trial = make_trial(places, digits, epochs=100_000, stop_after=1)

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown is not None)
        await console.press("G")
        await console.epochs(3)
        trial.directory.rename(tmp_path / "gone")  # at once: a directory in use cannot be removed in one step
        await console.until(lambda: any("goes on in memory" in toast for toast in console.toasts))
        await console.press("f")
        await console.ended()
        await console.see("The trial could not be saved in its home")

    app = run(places, steps)
    assert app.training is not None
    rescued = find_trial(tmp_path / "state" / "trialbook" / "rescued", trial.id)
    assert rescued.history()[0] == list(app.training.snapshot.history)
    assert rescued.weights().exists()
