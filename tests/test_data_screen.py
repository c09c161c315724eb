"""The data sets and the choice of a folder, by keyboard, on real folders."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core.data.dataset import Dataset
from core.data.preview import ClassCounts
from tests.conftest import make_image
from tui.app import TrialbookApp
from tui.screens.data import DataScreen, SetList
from tui.screens.folder import FolderList, FolderScreen
from tui.screens.workbench import Workbench
from tui.widgets.data_classes import ClassLines
from tui.widgets.data_detail import DataDetail
from tui.widgets.data_path import PathInput

EVIL = "[red]x[b]\x1b[31m\u202e"
Steps = Callable[[TrialbookApp, Pilot[Any]], Awaitable[None]]


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


def in_app(home: Path, steps: Steps, size: tuple[int, int] = (120, 40), folders: object = ()) -> TrialbookApp:
    """Run the app, with folders that it remembers, with the data sets in front, and do the steps."""

    async def run() -> TrialbookApp:
        app = TrialbookApp(home)
        app.remember["data"] = {"folders": list(folders)} if isinstance(folders, tuple) else folders
        async with app.run_test(size=size) as pilot:
            await pilot.press("i")
            await until(pilot, lambda: isinstance(app.screen, DataScreen) and shows(app, "built in"))
            await steps(app, pilot)
        return app

    return asyncio.run(run())


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for what a worker brings about."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come about:\n{text_of(pilot.app)}"
        await pilot.pause(0.02)
    await pilot.pause()


def text_of(app: Any) -> str:
    """Return what is on the screen."""
    return "\n".join("".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips())


def shows(app: Any, text: str) -> bool:
    return text in text_of(app)


async def open_folder(app: TrialbookApp, pilot: Pilot[Any], path: Path) -> None:
    """Type the path of a folder."""
    if not isinstance(app.screen, FolderScreen):
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FolderScreen) and app.screen.query_one(FolderList).count)
    await pilot.press("slash")
    app.screen.query_one(PathInput).value = str(path)
    await pilot.press("enter")
    await until(pilot, lambda: title_of(app) == str(path))


def looked_into(app: TrialbookApp, path: str) -> bool:
    found = app.screen.query_one(DataDetail).found
    return found is not None and found.subject == path


def title_of(app: TrialbookApp) -> str:
    return str(app.screen.query_one("#folder-title", Static).content)


def test_the_sets_are_listed_with_state_and_size_and_the_digits_are_ready(home: Path, digits: Dataset) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: shows(app, "svhn") and shows(app, "246.3 MB  not downloaded"))
        await until(pilot, lambda: app.screen.query_one(ClassLines).display)
        assert shows(app, "10 classes, 1,437 training and 360 test images, 8x8 grey")
        assert app.screen.query_one(ClassLines).count == 10
        count = int((digits.train.labels == 3).sum())
        assert f"3          {count}" in text_of(app).replace("━", "")
        await pilot.press("j")
        await until(pilot, lambda: shows(app, "d downloads 170.5 MB"))
        assert not app.screen.query_one(ClassLines).display

    in_app(home, steps, size=(80, 24))


def test_enter_takes_a_set_into_the_draft_and_says_that_it_must_be_downloaded(home: Path) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: shows(app, "not downloaded"))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert app.edits.draft.settings.data.source == "cifar100"
        assert shows(app, "the training will first download 169.0 MB")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        assert app.screen.query_one(SetList).cursor == 2  # it begins where the draft is

    in_app(home, steps)


def test_a_folder_is_found_looked_into_chosen_and_remembered(home: Path, folder: Path) -> None:
    (folder.parent / "empty").mkdir()
    (folder / "test/ant/notes.txt").touch()
    (folder / "train/bee/03.png").write_bytes(b"no image")

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await open_folder(app, pilot, folder.parent)
        assert shows(app, "No folders train and test here")
        await pilot.press("c")
        said = "cannot be trained on: it has no folders train and test"
        await until(pilot, lambda: said in " ".join(text_of(app).split()))  # a long path breaks the line elsewhere
        await pilot.press("end")  # images, after this folder and empty
        await until(pilot, lambda: shows(app, "2 classes, 24 training and 12 test images, 8x8 RGB"))
        assert shows(app, "1 file is left out")
        assert shows(app, "1 image of the 36 looked at cannot be read")
        assert "bee 12 ━" in " ".join(text_of(app).split())
        await pilot.press("right")
        await until(pilot, lambda: title_of(app) == str(folder))
        await pilot.press("backspace")
        await until(pilot, lambda: title_of(app) == str(folder.parent))
        assert app.screen.query_one(FolderList).cursor == 2  # back on the folder that it came from
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert app.edits.draft.settings.data.source == str(folder)
        app.choose_source("digits")
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, DataScreen) and shows(app, "built in"))
        await pilot.press("end", "up")
        await until(pilot, lambda: shows(app, "2 classes, 24 training"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert app.edits.draft.settings.data.source == str(folder)

    assert in_app(home, steps).remember["data"] == {"folders": [str(folder)]}


def test_a_fault_of_the_folder_is_one_line_and_keeps_it_from_being_chosen(home: Path, folder: Path) -> None:
    for path in (folder / "train/ant").iterdir():
        path.unlink()

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("end", "up")
        await until(pilot, lambda: shows(app, "there is no folder /nope"))
        await pilot.press("enter")
        assert shows(app, "cannot be trained on as it is")
        assert isinstance(app.screen, DataScreen)
        await open_folder(app, pilot, folder)
        await until(pilot, lambda: shows(app, "train/ant holds no images"))
        await pilot.press("enter")  # on the folder that is open: choose
        assert isinstance(app.screen, FolderScreen)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert app.edits.draft.settings.data.source == "digits"

    in_app(home, steps, folders=("/nope",))


@pytest.mark.parametrize(("typed", "said"), [("/nope", "No such file"), ("/etc/passwd", "Not a directory")])
def test_a_path_that_is_no_folder_is_told_and_the_walk_goes_on(home: Path, typed: str, said: str) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await open_folder(app, pilot, home.parent)
        await pilot.press("p")
        app.screen.query_one(PathInput).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: shows(app, f"cannot open {typed}: {said}"))
        await pilot.press("escape")  # closes only the line
        assert not shows(app, said)
        assert app.focused is app.screen.query_one(FolderList)
        await pilot.press("h")
        await until(pilot, lambda: title_of(app) == str(home.parent.parent))

    in_app(home, steps)


def test_tab_completes_a_path_and_what_is_pasted_holds_no_escapes(home: Path, tmp_path: Path) -> None:
    (tmp_path / "a name/inner").mkdir(parents=True)
    (tmp_path / "a\x1bb").mkdir()

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await open_folder(app, pilot, tmp_path)
        await pilot.press("slash", "a")
        line = app.screen.query_one(PathInput)
        await until(pilot, lambda: line._suggestion)
        await pilot.press("tab")
        assert line.value == f"{tmp_path}/a name/"
        assert line.has_focus
        assert not shows(app, "/ Path")  # the key is text here
        line.insert_text_at_cursor("\x1b[31m")
        assert line.value == f"{tmp_path}/a name/"
        await pilot.press("enter")
        await until(pilot, lambda: title_of(app) == f"{tmp_path}/a name")
        assert shows(app, "inner/")

    in_app(home, steps)


def test_hostile_names_are_shown_and_do_nothing(home: Path, tmp_path: Path) -> None:
    bad = os.fsdecode(b"bytes\xff")
    for name in (EVIL, bad):
        for part in ("train", "test"):
            for label in (EVIL, bad):
                make_image(tmp_path / name / part / label / "1.png", 0)

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await open_folder(app, pilot, tmp_path)
        for key in ("home", "down", "down"):  # the folder itself, and both
            await pilot.press(key)
            await until(pilot, lambda: shows(app, "No folders") or shows(app, "2 classes, 2 training"))
            text = text_of(app)
            assert not {"\x1b", "\u202e", "\udcff"} & set(text)
            assert "[red]x[b]\\x1b[31m\\u202e/" in text
            assert "bytes\\udcff/" in text
        assert title_of(app) == str(tmp_path)
        for place in (1, 2):
            app.screen.query_one(FolderList).cursor = place
            chosen = os.path.join(tmp_path, (EVIL, bad)[place - 1])
            await until(pilot, lambda path=chosen: looked_into(app, path))
            await pilot.press("c")
            await pilot.pause()
            if chosen.endswith(bad):  # settings are written in UTF-8
                assert shows(app, "is not in UTF-8")
                continue
            await until(pilot, lambda: isinstance(app.screen, Workbench))
            assert app.edits.draft.settings.data.source == chosen
            assert "\x1b" not in text_of(app)
            await pilot.press("i")
            await until(pilot, lambda: isinstance(app.screen, DataScreen) and shows(app, "\\x1b[31m"))
            await open_folder(app, pilot, tmp_path)

    in_app(home, steps)


def test_only_the_last_folder_that_the_cursor_rested_on_is_shown(home: Path, tmp_path: Path) -> None:
    for number in range(8):
        for part in ("train", "test"):
            for image in range(number + 1):
                make_image(tmp_path / f"set{number}" / part / "one" / f"{image}.png", image)
            make_image(tmp_path / f"set{number}" / part / "two" / "0.png", 0)

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await open_folder(app, pilot, tmp_path)
        started = []
        detail = app.screen.query_one(DataDetail)
        run = detail.run_worker
        detail.run_worker = lambda *args, **named: (started.append(1), run(*args, **named))[1]  # type: ignore[method-assign,assignment]
        await pilot.press(*["down"] * 8)
        assert shows(app, "listing …")
        await until(pilot, lambda: shows(app, "2 classes, 9 training and 9 test images, 8x8 RGB"))
        assert len(started) < 8  # folders that are only passed by are not listed
        await pilot.pause(0.3)
        assert shows(app, "2 classes, 9 training")

    in_app(home, steps)


def test_a_thousand_classes_and_thousands_of_folders_do_not_hold_up_the_screen(home: Path, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"folder {number:04}").mkdir()

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("down")
        await until(pilot, lambda: shows(app, "d downloads"))
        names = tuple(f"class {number}" for number in range(1000))
        lines = app.screen.query_one(ClassLines)
        begin = time.process_time()
        lines.display = True
        lines.show(ClassCounts(names, tuple(range(1, 1001)), (5,) * 1000))
        for y in range(40):
            lines.render_line(y)
        assert time.process_time() - begin < 0.1
        await pilot.pause()
        assert lines.max_scroll_y > 900
        await pilot.press("tab", "end")
        await until(pilot, lambda: shows(app, "class 999"))
        assert shows(app, "class")  # the heading stays
        await open_folder(app, pilot, tmp_path)
        folders = app.screen.query_one(FolderList)
        assert folders.count == 3001
        await pilot.press("end")
        assert shows(app, "▸ folder 2999/")
        await pilot.press("pageup")
        assert 2900 < folders.cursor < 2999

    in_app(home, steps)


def test_the_mouse_selects_and_a_second_click_chooses(home: Path) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        sets = app.screen.query_one(SetList)
        line = (10, 1 + 1 + 3)  # border, heading, the line of mnist
        await pilot.click(SetList, offset=line)
        assert sets.cursor == 3
        assert isinstance(app.screen, DataScreen)
        await pilot.click(SetList, offset=(10, 1))  # the heading
        assert sets.cursor == 3
        await pilot.click(SetList, offset=line)
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert app.edits.draft.settings.data.source == "mnist"

    in_app(home, steps)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 60)])
def test_everything_has_its_place_in_every_size(home: Path, folder: Path, size: tuple[int, int]) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        sets, detail = app.screen.query_one(SetList), app.screen.query_one(DataDetail)
        beside = size[0] >= 108
        assert (detail.region.x > 0) is beside
        assert sets.region.height > 5 and detail.region.height > 4
        text = text_of(app)
        assert "▸ digits" in text and "fashion-mnist" in text and "built in" in text
        assert ("handwritten digits, built in  8x8 grey" in text) is (size[0] >= 200)
        await open_folder(app, pilot, folder)
        await until(pilot, lambda: shows(app, "2 classes, 24 training and 12 test"))
        assert shows(app, "▸ this folder")
        assert shows(app, "bee ")

    in_app(home, steps, size=size)


@pytest.mark.parametrize("remembered", [None, [], "x", {"folders": 5}, {"folders": [1, None, "", "relative", "\0"]}])
def test_what_is_remembered_may_be_damaged(home: Path, remembered: object) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        assert app.screen.query_one(SetList).count == 7
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FolderScreen) and app.screen.query_one(FolderList).count)

    in_app(home, steps, folders=remembered)
