"""The right side of the workbench: which trial it shows, beside which others, and what changes of them meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from core.comparison import MOST
from core.continuation import resume
from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import list_trials
from core.trials.trial import Trial
from core.trials.upkeep import delete_trial, edit_about
from core.trials.watch import Watched
from tests.console import Console, draft_with, make_places, remember, run, trials
from tui.app import TrialbookApp
from tui.runs import Shown, read_shown
from tui.screens.compare import CompareScreen
from tui.widgets.trial_rows import build_rows


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


def make(home: Path, digits: Dataset, name: str, parent: str | None = None, epochs: int = 1) -> Trial:
    settings = change_settings(Settings(), {"model.hidden": "8", "training.epochs": epochs, "training.device": "cpu"})
    list(train(settings, digits, home=home, name=name, parent=parent))
    return trials(home)[-1]


def titles(console: Console) -> list[str]:
    """Return what the parent, the shown trial and the overlaid ones are called."""
    view = console.view
    parent = [view.parent_trial.run.title] if view.parent_trial else []
    return [*parent, view.shown.run.title if view.shown else "", *(each.title for each in view.overlays)]


def test_what_is_shown_changes_with_the_trials(places: Path, digits: Dataset) -> None:
    other, parent = make(places, digits, "other"), make(places, digits, "parent")
    last = make(places, digits, "last one", parent.id)
    remember(places, overlays=[other.id])

    async def steps(console: Console) -> None:
        await console.until(lambda: titles(console) == ["parent", "last one", "other"])
        for trial in (other, parent, last):
            edit_about(trial, name=f"new {trial.about().name}")
        await console.until(lambda: titles(console) == ["new parent", "new last one", "new other"])
        await console.see("new last one", "new other")
        for trial in (other, last):
            list(resume(trial, digits, epochs=3))
        await console.until(lambda: [len(run.history) for run in console.view.overlays] == [3])
        await console.until(lambda: console.view.shown and len(console.view.shown.run.history) == 3)
        assert not any("new last one" in toast for toast in console.toasts)  # its end was not watched
        delete_trial(places, other)
        delete_trial(places, last)
        await console.until(lambda: titles(console) == ["new parent", "new last one"])

    run(places, steps)


def test_a_trial_that_goes_on_elsewhere_is_watched_also_where_it_was_shown_before(
    places: Path, digits: Dataset
) -> None:
    trial = make(places, digits, "made")

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown)
        events = resume(trial, digits, epochs=5)
        next(events)
        await console.until(lambda: "running" in console.view.shown.state)  # type: ignore[union-attr]
        assert console.app.screen.check_action("pause", ())
        list(events)
        await console.until(lambda: "made finished" in console.words)

    run(places, steps)


def test_only_what_is_drawn_is_compared(places: Path, digits: Dataset) -> None:
    made = [make(places, digits, f"made {number}") for number in range(MOST + 3)]
    *others, gone, last = [trial.id for trial in made]
    remember(places, overlays=[*others, gone, "20200101-000000-00aaaa", "made 1"])

    async def steps(console: Console) -> None:
        await console.until(lambda: len(console.view.overlays) == MOST + 2)
        delete_trial(places, made[-2])
        await console.until(lambda: len(console.view.overlays) == MOST + 1)
        assert console.view.compared == [last, *others]
        await console.press("C")
        assert isinstance(console.app.screen, CompareScreen) and f"the first {MOST} of them" in console.words
        await console.see(f"Compare {MOST} trials", "test accuracy")
        assert "✗" not in console.text

    run(places, steps, (200, 60))


def test_of_two_trials_that_are_asked_for_the_last_is_shown(
    places: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = make(places, digits, "slow"), make(places, digits, "quick")
    begun, go_on, done = (threading.Event() for _ in range(3))

    def read(trial: Trial, before: Watched | None = None) -> Shown:
        if trial == slow:
            begun.set()
            go_on.wait(60)
            done.set()
        return read_shown(trial, before)

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown)
        monkeypatch.setattr("tui.widgets.trial_view.read_shown", read)
        console.app.show_trial(slow)
        await console.until(begun.is_set)
        console.app.show_trial(quick)
        await console.until(lambda: titles(console) == ["quick"])
        go_on.set()
        await console.until(done.is_set)
        await console.idle()
        assert titles(console) == ["quick"]

    run(places, steps)


def test_a_trial_that_is_asked_for_while_data_is_loaded_stays(
    places: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = make(places, digits, "first"), make(places, digits, "second")
    remember(places, draft_with({"training.epochs": 5000, "model.hidden": "8"}))
    go_on = threading.Event()

    def load(_app: TrialbookApp, _settings: Any, _on_progress: Any) -> Dataset:
        go_on.wait(60)
        return digits

    monkeypatch.setattr(TrialbookApp, "load_dataset", load)

    async def steps(console: Console) -> None:
        await console.until(lambda: titles(console) == ["second"])
        await console.press("s")
        console.app.show_trial(first)
        await console.until(lambda: titles(console) == ["first"])
        go_on.set()
        await console.epochs(1)
        assert titles(console) == ["first"]
        await console.press("W")
        training = console.app.training
        assert training is not None and console.view.is_following(training)
        await console.press("x")
        await console.ended()
        await console.press("s")  # nothing else was asked for meanwhile
        await console.epochs(1)
        assert console.app.training is not None and console.view.is_following(console.app.training)
        await console.press("x")
        await console.ended()

    run(places, steps)


def test_a_reading_that_fails_is_tried_again(places: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = make(places, digits, "made")
    read: list[Trial] = []

    def fail(trial: Trial) -> None:
        read.append(trial)
        raise ValueError("something that nobody thought of")

    monkeypatch.setattr("tui.widgets.trial_view.reading_of", fail)

    async def steps(console: Console) -> None:
        await console.until(lambda: read)
        await console.idle()
        list(resume(trial, digits, epochs=2))
        await console.until(lambda: len(read) > 1)

    run(places, steps)


def test_a_trial_named_like_a_preset_is_nobody_s_parent(places: Path, digits: Dataset) -> None:
    replayed = make(places, digits, "trial-0", "trial-0")  # as `trialbook replay` names it
    make(places, digits, "derived", "trial-0")

    built = build_rows(list_trials(places))
    assert [(each.parent, each.parent_title) for each in built.values()] == [(None, "trial-0")] * 2

    async def steps(console: Console) -> None:
        await console.until(lambda: titles(console) == ["derived"])
        await console.idle()
        assert console.view.parent_trial is None
        console.app.show_trial(replayed)
        await console.until(lambda: titles(console)[-1] == "trial-0")
        await console.idle()
        assert console.view.parent_trial is None and console.view.compared == [replayed.id]

    run(places, steps)
