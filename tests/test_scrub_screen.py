"""A trial epoch by epoch on the screen, on a trial that the engine has trained."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import Static

from core.data.dataset import Dataset
from core.film import Film, frame_of, read_film, recalls_of
from core.session import train
from core.settings import Settings, change_settings
from tests.console import Console, make_places, run, trials
from tui.screens.scrub import ScrubScreen
from tui.widgets.film_strip import FilmStrip
from tui.widgets.matrix import Matrix
from tui.widgets.recalls import Recalls

EPOCHS = 12


@pytest.fixture(scope="module")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    settings = change_settings(Settings(), {"model.hidden": "8", "training.epochs": EPOCHS})
    list(train(settings, digits, home=home, name="film"))
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with places of its own."""
    places = make_places(tmp_path, monkeypatch)
    shutil.copytree(trained, places)
    return places


async def open_film(console: Console) -> None:
    await console.until(lambda: console.view.shown)
    await console.press("F")
    assert isinstance(console.app.screen, ScrubScreen)
    await console.see(f"epoch {EPOCHS}/{EPOCHS}")


def now(console: Console) -> int:
    return console.find(FilmStrip).position


def test_every_epoch_shows_its_own_figures(home: Path) -> None:
    film = read_film(trials(home)[0])

    async def steps(console: Console) -> None:
        await open_film(console)
        for key, epoch in (("home", 1), ("right", 2), ("pagedown", EPOCHS), ("left", EPOCHS - 1), ("pageup", 1)):
            await console.press(key)
            frame = frame_of(film, epoch)
            assert now(console) == epoch
            await console.see(f"epoch {epoch}/{EPOCHS}", f"accuracy {100 * frame.accuracy:.2f} %")
            low, high = frame.interval
            assert f"{100 * low:.2f} to {100 * high:.2f} %" in console.text
            matrix = console.find(Matrix)
            assert np.array_equal(matrix._counts, frame.confusion_matrix)
            if frame.since is not None:
                assert f"+{frame.since.gained} gained -{frame.since.lost} lost" in console.text
            else:
                assert "the first epoch" in console.text
        await console.press("right")
        before, after = (frame_of(film, epoch).recalls[3] for epoch in (1, 2))
        line = console.find(Recalls).render_line(4).text
        assert line.startswith("3") and f"{100 * (after or 0):.1f}" in line
        change = 100 * ((after or 0) - (before or 0))
        assert (f"{change:+.1f}" if abs(change) >= 0.05 else "·") in line

    run(home, steps)


def test_it_plays_and_holds(home: Path) -> None:
    async def steps(console: Console) -> None:
        await open_film(console)
        await console.press("home", "space")
        assert "Hold" in console.footer
        await console.until(lambda: now(console) > 2)
        await console.press("space")
        held = now(console)
        assert "Play" in console.footer and held < EPOCHS
        await console.press("space")
        await console.until(lambda: now(console) == EPOCHS)
        await console.settle()
        assert "Play" in console.footer  # it ends with the last epoch
        await console.press("space")
        assert now(console) < EPOCHS  # and begins again from the first
        await console.press("right")
        assert "Play" in console.footer  # who steps holds it

    run(home, steps)


def test_the_cell_stays_while_the_epochs_go_on(home: Path) -> None:
    film = read_film(trials(home)[0])

    async def steps(console: Console) -> None:
        await open_film(console)
        await console.press("tab", "home", "down", "right")
        matrix = console.find(Matrix)
        assert matrix.has_focus and (matrix.true, matrix.predicted) == (1, 1)
        await console.press("comma", "comma")
        assert now(console) == EPOCHS - 2 and (matrix.true, matrix.predicted) == (1, 1)
        right = frame_of(film, EPOCHS - 2).confusion_matrix[1][1]
        assert str(console.find(Static, "#film-cell").content).startswith(f"1 classified rightly: {right} of its")
        await console.press("full_stop")
        assert now(console) == EPOCHS - 1
        assert "Images" not in console.footer  # there is no data set to show them from
        await console.press("tab")
        assert console.find(Recalls).has_focus
        await console.press("tab")
        assert console.find(FilmStrip).has_focus

    run(home, steps)


def test_the_best_epoch_and_a_click_on_the_curve(home: Path) -> None:
    history, _ = trials(home)[0].history()
    best = min(history, key=lambda epoch: epoch.test_cost).epoch

    async def steps(console: Console) -> None:
        await open_film(console)
        await console.press("home", "b")
        assert now(console) == best
        await console.see(f"epoch {best}/{EPOCHS} ◆")
        strip = console.find(FilmStrip)
        await console.until(lambda: strip._picture is not None)
        await console.pilot.click(strip, offset=(strip._picture.column(5), 3))
        await console.settle()
        assert now(console) == 5

    run(home, steps)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)], ids="{0[0]}x{0[1]}".format)
def test_it_has_room_for_all_at_every_size(home: Path, size: tuple[int, int]) -> None:
    async def steps(console: Console) -> None:
        await open_film(console)
        await console.idle()
        assert console.find(FilmStrip).region.height >= 1
        assert console.find(Matrix).region.height >= 5 and console.find(Recalls).region.width >= 14
        assert "98" in console.text or "accuracy" in console.text

    run(home, steps, size)


def test_a_trial_without_predictions_says_so(home: Path) -> None:
    (trials(home)[0].directory / "predictions").unlink()

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown)
        await console.press("F")
        await console.see("✗ cannot read")
        assert "predictions: " in str(console.find(Static, "#film-now").content)
        await console.press("space", "right", "b", "tab", "escape")
        assert console.app.screen is console.app.workbench

    run(home, steps)


class Quiet(Matrix):
    """A matrix on no screen."""

    def post_message(self, *_: object) -> bool:
        return True

    def call_after_refresh(self, *_: object) -> bool:
        return True

    def refresh(self, *_: object, **__: object) -> Quiet:
        return self


def test_a_thousand_classes_do_not_hold_up_the_screen() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 1_000, 10_000), rng.integers(0, 1_000, (20, 10_000))
    film = Film(tuple(map(str, range(1_000))), labels, predictions, (0.1,) * 20, (None,) * 20)
    spent = []
    for epoch in range(2, 21):
        begun = time.thread_time()
        frame = frame_of(film, epoch)
        recalls_of(film, epoch - 1)
        Quiet().show(film.classes, frame.confusion_matrix)
        spent.append(time.thread_time() - begun)
    assert min(spent) < 0.04  # seconds; it was 0.3


def test_the_cursor_begins_on_the_most_frequent_confusion() -> None:
    matrix = Quiet()
    matrix.show("abc", np.array([[9, 1, 2], [0, 7, 2], [0, 0, 5]]))
    assert (matrix.true, matrix.predicted) == (0, 2)  # the first of two
    assert matrix.described == "a taken for c: 2 of its 12 images, 16.7 %"
    matrix.show("abc", np.diag([3, 2, 0]))
    assert (matrix.true, matrix.predicted) == (0, 0)
