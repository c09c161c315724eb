"""The evaluation of saved models on the screen: figures, matrix and images are the engine's own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from textual.pilot import Pilot
from textual.widgets import Digits, Static

from core.data.dataset import Dataset, load_data
from core.data.folder import OnProgress
from core.evaluation import Evaluation, evaluate
from core.session import train
from core.settings import DataSettings, Settings, change_settings
from core.trials.trial import Trial
from tests.conftest import make_image
from tui.app import TrialbookApp
from tui.screens.evaluation import EvaluationScreen
from tui.widgets.bars import ClassBars
from tui.widgets.matrix import Matrix
from tui.widgets.pictures import Pictures, draw

EVIL = "[red]x[b]\x1b[31m"
Steps = Callable[[Pilot[None], EvaluationScreen], Awaitable[None]]


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test begin with a console that remembers nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="module")
def trial(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    settings = change_settings(Settings(), {"training.epochs": 3, "model.hidden": "32"})
    started, *_ = train(settings, digits, home=tmp_path_factory.mktemp("home"))
    return started.trial  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def result(trial: Trial, digits: Dataset) -> Evaluation:
    return evaluate(trial.weights(), digits)


async def idle(pilot: Pilot[Any]) -> None:
    """Wait until no worker runs, whether they end well or not."""
    for _ in range(4):
        while any(not worker.is_finished for worker in pilot.app.workers):
            await pilot.pause(0.01)
        await pilot.pause()


def in_evaluation(screen: EvaluationScreen, steps: Steps, home: Path, size: tuple[int, int] = (120, 40)) -> None:
    """Run the app with an evaluation in front and do the steps when it has ended."""

    async def run() -> None:
        app = TrialbookApp(home)
        async with app.run_test(size=size) as pilot:
            await app.push_screen(screen)
            await idle(pilot)
            await steps(pilot, screen)

    asyncio.run(run())


def trained_on(root: Path, home: Path, epochs: int) -> Trial:
    changes = {"training.epochs": epochs, "model.hidden": "32", "data.source": str(root), "training.batch_size": 16}
    settings = change_settings(Settings(), changes)
    started, *_ = train(settings, load_data(settings.data), home=home)
    return started.trial  # type: ignore[union-attr]


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).content)


def lines_of(widget: Matrix | ClassBars | Pictures) -> list[str]:
    return [widget.render_line(y).text for y in range(widget.size.height)]


def visible(screen: EvaluationScreen) -> set[str]:
    return {name for name in ("scores", "matrix", "pictures") if screen.query_one(f"#{name}").region.area}


def test_the_figures_are_the_engines(trial: Trial, result: Evaluation, tmp_path: Path) -> None:
    async def steps(_pilot: Pilot[None], screen: EvaluationScreen) -> None:
        facts = text_of(screen, "#facts")
        low, high = result.accuracy_interval
        assert screen.query_one(Digits).value == f"{100 * result.accuracy:.2f} %"
        assert f"{result.right} of 360" in facts and f"{100 * low:.2f} to {100 * high:.2f} %" in facts
        assert f"{result.test_cost:.4f}" in facts and f"{100 * result.expected_calibration_error:.2f} %" in facts
        assert trial.id in text_of(screen, "#tested") and text_of(screen, "#tested").endswith("on digits")
        bars = lines_of(screen.query_one(ClassBars))
        for score, line in zip(result.per_class, bars[1:], strict=False):
            numbers = [f"{100 * value:.1f}" for value in (score.recall, score.precision, score.f1)]
            assert [word for word in line.split() if word in numbers] == numbers
        rows = lines_of(screen.query_one(Matrix))[1:11]
        counts = [[0 if word == "·" else int(word) for word in row.split()[1:]] for row in rows]
        assert counts == [list(row) for row in result.confusion_matrix]

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path)


def test_a_cell_opens_its_images_and_a_key_leads_back_to_the_mistakes(
    trial: Trial, result: Evaluation, tmp_path: Path
) -> None:
    async def steps(pilot: Pilot[None], screen: EvaluationScreen) -> None:
        matrix, pictures = screen.query_one(Matrix), screen.query_one(Pictures)
        assert list(pictures.indices) == result.mistakes().tolist()
        await pilot.press("tab", "home", "right", "right", "l", "down", "j")
        assert (matrix.true, matrix.predicted) == (2, 3)
        count, total = result.confusion_matrix[2][3], sum(result.confusion_matrix[2])
        share = f"{100 * count / total:.1f} %"
        assert text_of(screen, "#matrix-words") == f"2 taken for 3: {count} of its {total} images, {share}"
        await pilot.press("h")
        await pilot.press("enter")
        await idle(pilot)
        assert pictures.has_focus and list(pictures.indices) == result.images_of(2, 2).tolist()
        assert "2 classified rightly" in str(screen.query_one("#pictures-panel").border_title)
        assert "image " in text_of(screen, "#pictures-words") and "classified rightly" in text_of(
            screen, "#pictures-words"
        )
        await pilot.press("0")
        assert list(pictures.indices) == result.mistakes().tolist()
        assert "mistakes" in str(screen.query_one("#pictures-panel").border_title)

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path)


def test_the_matrix_shows_parts_of_the_true_class(trial: Trial, result: Evaluation, tmp_path: Path) -> None:
    async def steps(pilot: Pilot[None], screen: EvaluationScreen) -> None:
        await pilot.press("tab", "a")
        first = lines_of(screen.query_one(Matrix))[1].split()[1]
        share = 100 * result.confusion_matrix[0][0] / sum(result.confusion_matrix[0])
        assert first == (f"{share:.1f}" if share < 100 else "100")

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path)


@pytest.mark.parametrize(
    ("size", "at_once"),
    [
        ((80, 24), {"scores"}),
        ((120, 40), {"scores", "matrix", "pictures"}),
        ((200, 60), {"scores", "matrix", "pictures"}),
    ],
)
def test_panels_are_tabs_in_a_small_terminal(
    size: tuple[int, int], at_once: set[str], trial: Trial, tmp_path: Path
) -> None:
    async def steps(pilot: Pilot[None], screen: EvaluationScreen) -> None:
        assert visible(screen) == at_once
        focused = []
        for key in ("tab", "tab", "tab", "shift+tab"):
            await pilot.press(key)
            assert screen.focused is not None and screen.focused.id in visible(screen)
            focused.append(screen.focused.id)
        assert focused == ["matrix", "pictures", "scores", "pictures"]
        if size == (80, 24):
            assert visible(screen) == {"pictures"}
            await pilot.click("#tabs", offset=(25, 0))
            assert visible(screen) == {"matrix"}
            await pilot.resize_terminal(120, 40)
            assert visible(screen) == {"scores", "matrix", "pictures"}

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path, size)


def test_the_mouse_moves_and_opens(trial: Trial, result: Evaluation, tmp_path: Path) -> None:
    async def steps(pilot: Pilot[None], screen: EvaluationScreen) -> None:
        matrix, pictures = screen.query_one(Matrix), screen.query_one(Pictures)
        row = lines_of(matrix)[5]
        at = row.index(str(result.confusion_matrix[4][4]))
        await pilot.click(Matrix, offset=(at, 5))
        assert (matrix.true, matrix.predicted) == (4, 4)
        await pilot.click(Matrix, offset=(at, 5))
        await idle(pilot)
        assert list(pictures.indices) == result.images_of(4, 4).tolist()
        await pilot.click(Pictures, offset=(20, 3))
        assert pictures.index == result.images_of(4, 4)[1]

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path)


def test_pictures_have_the_pixels_of_the_images(
    trial: Trial, result: Evaluation, digits: Dataset, tmp_path: Path
) -> None:
    async def steps(_pilot: Pilot[None], screen: EvaluationScreen) -> None:
        pictures = screen.query_one(Pictures)
        image = digits.test.images.numpy()[result.mistakes()[0], 0]
        for line in range(8):  # a pixel of the image is two of the picture in both directions, that is two cells
            colors = [
                segment.style.bgcolor.triplet.red
                for segment in list(pictures.render_line(line))
                if segment.style and segment.text == "▄"
            ][:16]
            assert colors == np.repeat(image[line], 2).tolist()
        assert result.classes[digits.test.labels[result.mistakes()[0]]] in pictures.render_line(8).text

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path)


def test_images_are_drawn_small_and_in_their_proportions() -> None:
    wide = np.zeros((3, 40, 80), dtype=np.uint8)
    wide[0] = 200
    strips = draw(wide, (32, 16))
    assert len(strips) == 8 and {strip.cell_length for strip in strips} == {32}
    assert {segment.style.color.triplet for strip in strips for segment in strip} == {(200, 0, 0)}  # type: ignore[union-attr]


def test_a_hundred_classes_with_hostile_names(tmp_path: Path) -> None:
    names = [EVIL, "猫" * 9, *(f"a long name of class number {number}" for number in range(98))]
    for label, name in enumerate(names):
        for part, count in (("train", 2), ("test", 1 + label % 2)):
            for number in range(count):
                make_image(tmp_path / "images" / part / name / f"{number}.png", seed=label, size=(12, 10))
    trial = trained_on(tmp_path / "images", tmp_path, 1)

    async def steps(pilot: Pilot[None], screen: EvaluationScreen) -> None:
        matrix = screen.query_one(Matrix)
        for keys in (("tab",), ("end",), ("left", "pageup"), ("a",), ("home",)):
            await pilot.press(*keys)
            for strip in (matrix.render_line(y) for y in range(matrix.size.height)):
                assert strip.cell_length == matrix.size.width
                assert "\x1b" not in strip.text
        await pilot.press("end")
        last = matrix.render_line(matrix.size.height - 1)
        assert last.text.startswith("猫") and "of class" not in text_of(screen, "#matrix-words")
        assert "\x1b[31m" not in pilot.app.export_screenshot()
        await pilot.press("home")
        assert "\\x1b[31m" in text_of(screen, "#matrix-words")
        await pilot.press("tab")
        await idle(pilot)
        assert screen.query_one(Pictures).render_line(0).text.count("▄") > 10
        assert screen.query_one(Pictures).picture_size == (13, 16)

    for size in ((80, 24), (200, 60)):
        in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path, size)


def test_two_classes_without_a_mistake(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("test", 4)):
        for name, value in (("dark", 0), ("light", 255)):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (value, value, abs(value - number))).save(folder / f"{number}.png")
    trial = trained_on(tmp_path / "images", tmp_path, 8)

    async def steps(pilot: Pilot[None], screen: EvaluationScreen) -> None:
        assert screen.query_one(Digits).value == "100.00 %"
        assert "no mistakes" in lines_of(screen.query_one(Pictures))[1]
        await pilot.press("tab", "tab", "down", "end", "pageup")
        assert text_of(screen, "#pictures-words") == ""
        await pilot.press("shift+tab", "right", "enter")
        assert "no images in this cell" in lines_of(screen.query_one(Pictures))[1]

    in_evaluation(EvaluationScreen(trial.weights()), steps, tmp_path)


def test_errors_are_one_line_and_the_app_goes_on(trial: Trial, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "garbage.pt").write_bytes(b"garbage")
    screens = {
        "No such file": EvaluationScreen(tmp_path / "nope[x].pt"),
        "no file of weights": EvaluationScreen(tmp_path / "garbage.pt", source="digits"),
        "values per image": EvaluationScreen(trial.weights(), source=str(folder)),
    }
    for words, screen in screens.items():

        async def steps(pilot: Pilot[None], screen: EvaluationScreen, words: str = words) -> None:
            shown = text_of(screen, "#wait").splitlines()
            assert any("✗" in line and words in line for line in shown)
            await pilot.press("tab", "enter", "y")
            assert pilot.app.screen is not screen
            await pilot.press("escape", "escape")
            assert pilot.app.screen is not screen

        in_evaluation(screen, steps, tmp_path)


def test_a_bare_file_is_evaluated_with_the_given_normalization(trial: Trial, digits: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "bare.pt"
    file.write_bytes(trial.weights().read_bytes())
    asked = DataSettings(normalization="given", mean=(0.3,), std=(0.5,))
    wanted = evaluate(file, digits, bare=asked)

    async def steps(_pilot: Pilot[None], screen: EvaluationScreen) -> None:
        assert screen.query_one(Digits).value == f"{100 * wanted.accuracy:.2f} %"
        assert not screen.query_one("#remarks").display

    in_evaluation(EvaluationScreen(file, source="digits", bare=asked), steps, tmp_path)

    async def unsaid(_pilot: Pilot[None], screen: EvaluationScreen) -> None:
        assert "does not tell how inputs were normalized" in text_of(screen, "#remarks")

    in_evaluation(EvaluationScreen(file, source="digits"), unsaid, tmp_path)


class SlowApp(TrialbookApp):
    """The console where loading data takes ten seconds."""

    told = threading.Event()
    left = threading.Event()

    def load_dataset(self, settings: DataSettings, on_progress: OnProgress) -> Dataset:
        try:
            for done in range(1_000):
                on_progress("decoding images", done, 1_000)
                self.told.set()
                time.sleep(0.01)
        except BaseException:
            self.left.set()
            raise
        return super().load_dataset(settings, on_progress)


def test_leaving_ends_the_loading(trial: Trial, tmp_path: Path) -> None:
    async def run() -> None:
        app = SlowApp(tmp_path)
        async with app.run_test() as pilot:
            screen = EvaluationScreen(trial.weights())
            await app.push_screen(screen)
            while not app.told.is_set() or "of 1,000" not in text_of(screen, "#wait"):
                await pilot.pause(0.02)
            assert "decoding images" in text_of(screen, "#wait")
            await pilot.press("escape")
            assert app.screen is not screen
            for _ in range(100):
                await pilot.pause(0.02)
                if app.left.is_set():
                    break
            assert app.left.is_set()

    asyncio.run(run())
