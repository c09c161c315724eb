"""Who leaves the console, or pauses what it trains, gets what was asked for last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.app import App

from core.data.dataset import Dataset
from tests.console import Console, draft_with, make_places, remember, run
from tui.app import TrialbookApp
from tui.messages import EngineLoaded, TrainingChanged

LONG = {"training.epochs": 100_000}


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


@pytest.fixture
def loading(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The images of a training are loaded as soon as this is set."""
    loaded = threading.Event()

    def load(*_: object) -> Dataset:
        loaded.wait(30)
        return digits

    monkeypatch.setattr(TrialbookApp, "load_dataset", load)
    yield loaded
    loaded.set()


def test_who_stays_after_all_is_not_left(places: Path, loading: threading.Event) -> None:
    remember(places, draft_with(LONG))

    async def steps(console: Console) -> None:
        await console.press("s", "q", "enter")
        assert console.app.leaving.is_awaited, "finish this epoch, then leave"
        await console.press("q", "down", "down", "enter")
        assert not console.app.leaving.is_awaited
        loading.set()
        await console.ended()
        assert not console.app._exit and console.app.screen is console.app.workbench

    run(places, steps)


def test_a_training_that_is_ending_is_not_said_to_be_paused(places: Path, loading: threading.Event) -> None:
    remember(places, draft_with(LONG))

    async def steps(console: Console) -> None:
        await console.press("s", "f", "p")
        assert "not paused" in console.words
        loading.set()
        await console.ended()

    run(places, steps)


def test_what_is_told_while_the_app_closes_finds_no_screen_and_does_nothing(places: Path) -> None:
    remember(places, draft_with(LONG))

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.epochs(1)

    app = run(places, steps)
    assert app.training is not None and not app.screen_stack
    app.on_engine_loaded(EngineLoaded("", "cpu"))
    app.on_training_changed(TrainingChanged(app.training))


@pytest.mark.parametrize("is_paused", [False, True])
def test_who_comes_back_to_the_console_finds_the_training_as_it_was(
    places: Path, monkeypatch: pytest.MonkeyPatch, is_paused: bool
) -> None:
    remember(places, draft_with(LONG))
    monkeypatch.setattr(App, "action_suspend_process", lambda _: None)

    async def steps(console: Console) -> None:
        await console.press("s")
        await console.epochs(1)
        training = console.app.training
        assert training is not None
        if is_paused:
            console.app.trainings.pause()
        await console.app.action_suspend_process()
        assert training.control.paused
        console.app._is_back(console.app)
        assert training.control.paused == is_paused

    run(places, steps)
