"""Trials compared on one screen, and the ways to it, on trials that the engine has trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from textual.color import Color
from textual.widgets import Static

from core.comparison import compare, disagreements
from core.data.dataset import Dataset, load_data
from core.errors import DataError
from core.session import train
from core.settings import DataSettings, Settings, change_settings
from tests.console import Console, draft_with, make_places, remember, run, trials
from tui.comparing import load_images
from tui.plot.widget import CurvesPlot
from tui.screens.choose import OverlayScreen
from tui.screens.compare import CompareScreen
from tui.widgets.compare_table import CompareTable
from tui.widgets.pair_pictures import PairPictures
from tui.widgets.pairs import Pairs
from tui.widgets.pictures import Pictures
from tui.widgets.trial_list import TrialList

EVIL = "[red]x[/b]\x1b[31m"


@pytest.fixture(scope="module")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three trials, each derived from the one before; the last one has a hostile name."""
    home, parent = tmp_path_factory.mktemp("home"), None
    for name, changes in (
        ("narrow", {"model.hidden": "4", "training.epochs": 2}),
        ("wide", {"model.hidden": "64", "training.epochs": 4}),
        (EVIL, {"model.hidden": "64-32", "training.epochs": 4, "training.l2_lambda": 0.1}),
    ):
        list(train(change_settings(Settings(), changes), digits, home=home, name=name, parent=parent))
        parent = trials(home)[-1].id
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with places of its own."""
    places = make_places(tmp_path, monkeypatch)
    shutil.copytree(trained, places)
    return places


def ids(home: Path) -> list[str]:
    return [trial.id for trial in trials(home)]


async def open_comparison(console: Console, names: list[str]) -> CompareScreen:
    screen = CompareScreen(names)
    await console.app.push_screen(screen)
    await console.idle()
    return screen


def test_the_shown_trial_is_compared_with_its_parent_and_the_overlaid_ones(home: Path) -> None:
    names = ids(home)
    remember(home, shown=names[1], overlays=[names[2]])

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.overlays and console.view.parent_run)
        await console.press("C")
        assert isinstance(console.app.screen, CompareScreen)
        await console.idle()
        assert console.find(CurvesPlot)._overlays[0].title == "narrow"
        assert [run.title for run in console.find(CurvesPlot)._overlays] == ["narrow", "wide", EVIL]
        await console.see("Compare 3 trials", "1 narrow", "2 wide", "3 [red]x[/b]\\x1b[31m")
        assert "\x1b[31m" not in console.text
        await console.press("escape")
        assert console.app.screen is console.app.workbench

    run(home, steps)


def test_one_trial_alone_is_not_compared(home: Path) -> None:
    remember(home, shown=ids(home)[0])

    async def steps(console: Console) -> None:
        await console.until(lambda: console.view.shown)
        await console.press("C")
        assert console.app.screen is console.app.workbench

    run(home, steps)


def test_results_and_differing_settings_stand_side_by_side_with_the_best_marked(home: Path) -> None:
    comparison = compare(trials(home))

    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        lines = console.lines
        accuracies = next(line for line in lines if "test accuracy" in line)
        for at, column in enumerate(comparison.columns):
            assert f"{100 * (column.test_accuracy or 0):.2f} %" in accuracies
            marked = f"{100 * (column.test_accuracy or 0):.2f} %*" in accuracies
            assert marked is (at in comparison.best["test_accuracy"])
        assert any(
            "hidden layers" in line and all(f" {text} " in line for text in ("4", "64", "64-32")) for line in lines
        )
        assert any("L2 lambda" in line and "0.1" in line for line in lines)
        assert not any("batch size" in line or "momentum" in line for line in lines)
        assert any("parent" in line and line.split("parent")[1].split()[:3] == ["-", "1", "2"] for line in lines)

    run(home, steps, (200, 60))


def test_the_line_under_the_cursor_is_written_in_full(home: Path) -> None:
    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        await console.press("tab")
        table = console.find(CompareTable)
        assert table.has_focus and table.row is not None and table.row.label == "test accuracy"
        await console.press("end", "up", "down")
        assert table.row.label == "L2 lambda"
        await console.see("L2 lambda   1 0   2 0   3 0.1")
        await console.press("home", "up", "pagedown", "pageup")
        assert table.row.label == "test accuracy"
        before = table._shown()
        await console.press("right", "right", "right")
        assert table._shown() == before  # there is room for all

    run(home, steps, (80, 24))


def test_columns_that_have_no_room_are_scrolled_to(home: Path) -> None:
    for number in range(2):
        copy = home / "saved_models" / f"2099010{number + 1}-000000-00aaaa"
        shutil.copytree(trials(home)[0].directory, copy)

    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        await console.press("tab")
        table = console.find(CompareTable)
        assert list(table._shown()) == [0, 1, 2] and "▸" in table.render_line(0).text
        await console.press("right")
        assert list(table._shown()) == [1, 2, 3] and "◂" in table.render_line(0).text
        await console.press("right", "right", "right")
        assert list(table._shown()) == [2, 3, 4] and "▸" not in table.render_line(0).text
        await console.press("left", "left", "left")
        assert list(table._shown()) == [0, 1, 2]

    run(home, steps, (60, 20))


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_the_line_under_the_cursor_can_be_read_with_and_without_the_focus(home: Path, theme: str) -> None:
    async def steps(console: Console) -> None:
        console.app.theme = theme
        await open_comparison(console, ids(home))
        table = console.find(CompareTable)
        for widget in (console.find(CurvesPlot), table):
            widget.focus()
            await console.idle()
            line = next(line for line in map(table.render_line, range(9)) if line.text.startswith("▸"))
            for text, style, _ in line:
                if text.strip():
                    assert style is not None and style.color is not None and style.bgcolor is not None
                    front, back = (Color.from_rich_color(color) for color in (style.color, style.bgcolor))
                    assert abs(front.brightness - back.brightness) > 0.25, text

    run(home, steps)


def test_each_pair_has_its_verdict_and_its_images(home: Path, digits: Dataset) -> None:
    saved = trials(home)
    comparison = compare(saved)
    verdict = comparison.verdicts[0, 1]
    assert verdict is not None and verdict.is_distinguishable and verdict.difference > 0

    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        await console.press("tab", "tab")
        pairs, pictures = console.find(Pairs), console.find(Pictures)
        assert pairs.has_focus and pairs.pair == (0, 1)
        assert pairs.render_line(1).text.split() == ["2", "+"]
        await console.see("2 wide against 1 narrow", f"{verdict.points:+.2f} points")
        found = disagreements(saved[0], saved[1])
        assert list(pictures.indices) == list(found.only_second) and len(pictures.indices) == verdict.gained
        await console.press("x")
        assert list(pictures.indices) == list(found.only_first)
        await console.press("down", "right")
        await console.idle()
        assert pairs.pair == (1, 2)
        found = disagreements(saved[1], saved[2])
        assert list(pictures.indices) == list(found.only_second)
        await console.press("enter")
        await console.idle()
        await console.press("x")
        assert pictures.has_focus and list(pictures.indices) == list(found.only_first)
        index = pictures.index
        if index is not None:
            true, taken = int(digits.test.labels[index]), int(saved[2].predictions(4)[index])
            assert true != taken
            words = str(console.find(Static, "#pictures-words").content)
            assert words == f"image {index} is {true}: 2 takes it for {true}, 3 takes it for {taken}"
            assert np.array_equal(pictures._images[index], digits.test.images.numpy()[index])

    run(home, steps)


def test_images_that_are_not_there_leave_the_rest(home: Path) -> None:
    for trial in trials(home):
        ran_on = json.loads((trial.directory / "ran_on.json").read_text())
        ran_on["data"]["fingerprint"] = "0" * 64
        (trial.directory / "ran_on.json").write_text(json.dumps(ran_on))

    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        await console.see(
            "the images cannot be shown", "have changed since", "2 wide against 1 narrow", "test accuracy"
        )
        assert "\n" not in console.find(PairPictures)._problems["0" * 64]

    run(home, steps)


def test_each_pair_shows_the_images_that_it_was_tested_on(home: Path, folder: Path) -> None:
    settings = change_settings(Settings(), {"data.source": str(folder), "model.hidden": "8", "training.epochs": 1})
    data = load_data(settings.data)
    for seed in (0, 1):
        list(train(change_settings(settings, {"training.seed": seed}), data, home=home))

    async def steps(console: Console) -> None:
        await open_comparison(console, [ids(home)[at] for at in (0, 1, 3, 4)])
        pictures = console.find(Pictures)
        await console.until(lambda: pictures._images.shape[1:] == (1, 8, 8))
        await console.press("tab", "tab")
        await console.press("down", "down", "right", "right")
        assert console.find(Pairs).pair == (2, 3)
        await console.until(lambda: pictures._images.shape == data.test.images.shape)
        await console.press("up", "left", "left")
        await console.press("up", "up")
        assert console.find(Pairs).pair == (0, 1)
        await console.until(lambda: pictures._images.shape[1:] == (1, 8, 8))

    run(home, steps)


def test_images_come_from_any_trial_that_was_tested_on_them(
    home: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.comparing.until_left", lambda: None)  # which needs a worker
    saved, shown = trials(home)[:2], []

    def load(_settings: DataSettings, _progress: object) -> Dataset:
        shown.append(1)
        if len(shown) == 1:
            raise DataError("the folder is gone")
        return digits

    assert np.array_equal(load_images(saved, load), digits.test.images.numpy())
    shown.clear()
    with pytest.raises(DataError, match="the folder is gone"):
        load_images(saved[:1], load)


def test_trials_of_other_images_are_shown_but_not_judged(home: Path) -> None:
    path = trials(home)[1].directory / "ran_on.json"
    ran_on = json.loads(path.read_text())
    ran_on["data"]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(ran_on))

    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        await console.see("! narrow and wide were not tested on the same images", "these two cannot be compared")
        assert console.find(Pairs).render_line(1).text.split() == ["2", "?"]
        assert "*" not in next(line for line in console.lines if "test accuracy" in line)

    run(home, steps)


def test_other_trials_can_be_chosen(home: Path) -> None:
    names = ids(home)

    async def steps(console: Console) -> None:
        screen = await open_comparison(console, names[:2])
        await console.press("t")
        assert isinstance(console.app.screen, OverlayScreen)
        await console.idle()
        chosen = console.find(TrialList)
        assert chosen.chosen == set(names[:2])
        await console.press("home", "space", "enter")
        await console.idle()
        assert screen._ids == names
        await console.see("Compare 3 trials")
        await console.press("t")
        await console.idle()
        await console.press("home", "space", "space", "enter")
        await console.see("2 to 8 trials can be compared, not 1")
        assert screen._ids == names

    run(home, steps)


@pytest.mark.parametrize("names", [[0], ["nowhere", 0]], ids=str)
def test_what_cannot_be_compared_is_told(home: Path, names: list[object]) -> None:
    known = ids(home)

    async def steps(console: Console) -> None:
        await open_comparison(console, [known[name] if isinstance(name, int) else str(name) for name in names])
        await console.see(
            "✗", "there is no trial nowhere" if len(names) > 1 else "2 to 8 trials can be compared, not 1"
        )
        await console.press("tab", "tab", "tab", "tab", "escape")
        assert console.app.screen is console.app.workbench

    run(home, steps)


def test_a_panel_can_have_all_the_room(home: Path) -> None:
    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        assert all(console.find(kind).region.height for kind in (CurvesPlot, CompareTable, Pairs, Pictures))
        await console.press("tab", "z")
        assert console.find(CompareTable).region.width > 110 and not console.find(CurvesPlot).region.height
        await console.press("z")
        assert console.find(CurvesPlot).region.height
        await console.pilot.resize_terminal(80, 24)
        await console.settle()
        assert console.find(CompareTable).region.height and not console.find(CurvesPlot).region.height
        await console.click("Verdicts")
        assert console.find(Pairs).has_focus

    run(home, steps)


def test_a_trial_that_is_being_trained_grows_in_the_comparison(home: Path) -> None:
    first = ids(home)[0]
    remember(home, draft_with({"model.hidden": "8", "training.epochs": 100_000}, name="grows"))

    async def steps(console: Console) -> None:
        await console.idle()
        await console.press("s")
        await console.epochs(1)
        await console.app.push_screen(CompareScreen([first, ids(home)[-1]]))
        plot, table, pairs = console.find(CurvesPlot), console.find(CompareTable), console.find(Pairs)

        def done() -> int:
            return len(plot._overlays[1].history)

        def value(label: str) -> str:
            return next(row.values[1] for row in table._rows if row.label == label)

        await console.until(lambda: table._rows and pairs._verdicts and done() > 1)
        table.focus()
        await console.press("down", "down")
        line, before, accuracy = table.row, done(), value("test accuracy")
        await console.until(lambda: done() > before + 3 and value("test accuracy") != accuracy)
        assert value("status") == "running" and int(value("epochs").split("/")[0]) > before
        assert line is not None and table.row is not None and table.row.label == line.label
        console.app.trainings.end(at_once=True)
        await console.until(lambda: value("status") == "stopped")

    run(home, steps, (200, 60))


def test_what_repeats_tell_of_their_settings_stands_below_the_verdict(home: Path) -> None:
    for seed, trial in enumerate(trials(home)[:2]):
        path = trial.directory / "summary.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "repeats": "same", "seed": seed}))

    async def steps(console: Console) -> None:
        await open_comparison(console, ids(home))
        await console.see("the same settings:", "on average")

    run(home, steps, (140, 40))
