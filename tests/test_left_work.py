"""Work of the screens that its user has left: it ends, and neither slows down the rest nor holds up quitting."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from core.data.dataset import Dataset
from core.data.folder import OnProgress
from core.preflight import check
from core.settings import Settings
from tests.console import LIMIT, Console, Steps, draft_with, make_places, remember, run
from tests.digits import make_trial
from tui.app import TrialbookApp
from tui.screens.check import CheckDialog
from tui.screens.compare import CompareScreen


class Slow:
    """Work that takes as long as nobody ends it, by raising in what it tells its progress to."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.left = threading.Event()

    def __call__(self, on_progress: OnProgress) -> Any:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            self.begun.set()
            try:
                on_progress("decoding images", 1, 2)
            except BaseException:
                self.left.set()
                raise
            time.sleep(0.01)
        raise TimeoutError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Let data sets take long to load."""
    work = Slow()
    monkeypatch.setattr(TrialbookApp, "load_dataset", lambda _app, _settings, on_progress: work(on_progress))
    return work


def leaving(slow: Slow, ask: Steps) -> Steps:
    async def steps(console: Console) -> None:
        await console.idle()
        await ask(console)
        await console.until(slow.begun.is_set)
        await console.press("escape")
        await console.until(slow.left.is_set, limit=5)
        await console.idle()
        assert "✗" not in console.text and not console.toasts

    return steps


def test_esc_ends_the_check(places: Path, slow: Slow) -> None:
    async def ask(console: Console) -> None:
        await console.press("c")
        await console.see("decoding images: 50 %")

    run(places, leaving(slow, ask))


def test_a_check_ends_between_two_steps(digits: Dataset) -> None:
    told: list[str] = []

    class Enough(Exception):
        pass

    def tell(what: str, done: int, _total: int) -> None:
        told.append(what)
        if done == 2:
            raise Enough

    with pytest.raises(Enough):
        check(Settings(), digits, tell)
    assert told == ["trying the first batch", *3 * ["learning 64 images by heart"]]


def test_a_check_downloads_nothing(places: Path, slow: Slow) -> None:
    remember(places, draft_with({"data.source": "cifar10"}))

    async def steps(console: Console) -> None:
        await console.press("c")
        assert isinstance(console.app.screen, CheckDialog)
        await console.see("cifar10 is not on this machine; it can be downloaded from the list of data sets")
        await console.see("The settings cannot be checked")
        assert not slow.begun.is_set()

    run(places, steps)


def test_esc_ends_the_loading_of_compared_images(places: Path, slow: Slow, digits: Dataset) -> None:
    names = [make_trial(places, digits).id for _ in range(2)]

    async def ask(console: Console) -> None:
        await console.app.push_screen(CompareScreen(names))

    run(places, leaving(slow, ask), (140, 45))


def test_choosing_other_data_ends_the_look_into_a_folder(
    places: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow()
    monkeypatch.setattr("core.data.preview.list_folder", lambda _root, on_progress: slow(on_progress))

    async def steps(console: Console) -> None:
        console.app.choose_source(str(folder))
        await console.until(slow.begun.is_set)
        console.app.choose_source("digits")
        await console.until(slow.left.is_set, limit=5)
        await console.idle()
        assert "ready" in console.words

    run(places, steps)


def test_whatever_goes_wrong_with_a_folder_is_told(places: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("this disk is odd")

    monkeypatch.setattr("core.data.preview.list_folder", fail)

    async def steps(console: Console) -> None:
        console.app.choose_source(str(folder))
        await console.see("start is off: OSError: this disk is odd")

    run(places, steps)
