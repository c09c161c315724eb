"""The history of trials and its list, on trials that the engine has trained."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import list_trials
from tui.app import TrialbookApp
from tui.screens.bare_file import BareFileDialog
from tui.screens.evaluation import EvaluationScreen
from tui.screens.history import HistoryScreen
from tui.widgets.cells import bar, fit
from tui.widgets.trial_list import Column, Row, TrialList
from tui.widgets.trial_rows import STARTED, build_rows

EVIL = "[red]x[/b]\x1b[31m"
Steps = Callable[[Pilot[None], HistoryScreen], Awaitable[None]]


@pytest.fixture(scope="module")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with three trials: one epoch of 8 neurons, three of 32, and one with a hostile name."""
    home = tmp_path_factory.mktemp("home")
    for name, widths, epochs in (("small", "8", 1), ("large", "32", 3), (EVIL, "16-8", 1)):
        settings = change_settings(Settings(), {"model.hidden": widths, "training.epochs": epochs})
        list(train(settings, digits, home=home, name=name, note=f"note of {widths}"))
    return home


@pytest.fixture
def many(trained: Path, tmp_path: Path) -> Path:
    """A home with 300 copies of one trial, whose best accuracies rise from trial to trial."""
    source = min((trained / "saved_models").iterdir())
    for number in range(300):
        target = tmp_path / "saved_models" / f"20260101-{number // 60:02}{number % 60:02}00-00aaaa"
        shutil.copytree(source, target)
        summary = json.loads((target / "summary.json").read_text())
        summary["best"]["test_accuracy"] = number / 300
        (target / "summary.json").write_text(json.dumps(summary))
    return tmp_path


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test begin with a console that remembers nothing."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


async def idle(pilot: Pilot[Any]) -> None:
    """Wait until no worker runs, whether they end well or not."""
    for _ in range(3):
        while any(not worker.is_finished for worker in pilot.app.workers):
            await pilot.pause(0.01)
        await pilot.pause()


async def read(pilot: Pilot[Any]) -> None:
    """Wait until the trials are read and shown."""
    while not pilot.app.lookout.feed.is_read:  # type: ignore[attr-defined]
        await pilot.pause(0.01)
    await idle(pilot)


def in_history(home: Path, steps: Steps, size: tuple[int, int] = (120, 40)) -> TrialbookApp:
    """Run the app on a home with the menu in front and do the steps."""

    async def run() -> TrialbookApp:
        app = TrialbookApp(home)
        async with app.run_test(size=size) as pilot:
            screen = HistoryScreen()
            await app.push_screen(screen)
            await read(pilot)
            await steps(pilot, screen)
        return app

    return asyncio.run(run())


def names(screen: HistoryScreen) -> list[str]:
    return [cell(screen, row, "trial") for row in screen.trials.shown]


def cell(screen: HistoryScreen, row: Row, title: str) -> str:
    return row.cells[column(screen, title)]


def column(screen: HistoryScreen, title: str) -> int:
    return [each.title for each in screen.trials.columns].index(title)


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).content)


def lines_of(trials: TrialList) -> list[str]:
    return [trials.render_line(y).text for y in range(trials.size.height)]


def test_all_trials_are_listed_newest_first_and_sort_by_every_column(trained: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        assert names(screen) == [EVIL, "large", "small"]
        seen = {}
        for _ in range(len(screen.trials.columns)):
            await pilot.press("s")
            seen[screen.trials.columns[screen.trials.sort_by].title] = names(screen)
        assert seen["best %"][0] == seen["best cost"][0] == "large"
        assert seen["parameters"] == ["small", EVIL, "large"]
        await pilot.press("r")
        assert names(screen) == ["small", "large", EVIL]
        assert "started ▲" in lines_of(screen.trials)[0]

    in_history(trained, steps)


def test_the_filter_acts_as_one_types(trained: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        await pilot.press("slash", *"NOTE large")
        assert names(screen) == ["large"]
        assert "1 of 3 trials" in text_of(screen, "#history-title")
        await pilot.press("enter")
        assert screen.trials.has_focus and names(screen) == ["large"]
        await pilot.press("slash", "x", "y")
        assert names(screen) == []
        assert any("No trial matches" in line for line in lines_of(screen.trials))
        await pilot.press("escape")
        assert screen.trials.has_focus and len(names(screen)) == 3
        assert isinstance(pilot.app.screen, HistoryScreen)
        await pilot.press("slash", *"16-8", "down")
        assert screen.trials.has_focus and names(screen) == [EVIL]

    in_history(trained, steps)


def test_foreign_names_reach_the_screen_without_their_control_characters(trained: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        assert "\x1b[31m" not in pilot.app.export_screenshot()
        assert any("[red]x[/b]\\" in line for line in lines_of(screen.trials))
        assert "[red]x[/b]\\x1b[31m" in text_of(screen, "#history-detail")
        assert "\x1b" not in text_of(screen, "#history-detail")

    in_history(trained, steps)


def test_enter_evaluates_with_the_chosen_weights(trained: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        await pilot.press("down", "w", "enter")
        await idle(pilot)
        evaluation = pilot.app.screen
        assert isinstance(evaluation, EvaluationScreen)
        assert "best epoch's weights" in text_of(evaluation, "#tested")
        await pilot.press("escape")
        assert pilot.app.screen is screen
        assert screen.trials.row is not None and cell(screen, screen.trials.row, "trial") == "large"

    in_history(trained, steps)


def test_what_cannot_be_evaluated_says_why_in_one_line(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "saved_models", tmp_path / "saved_models")
    first, second, third = sorted((tmp_path / "saved_models").iterdir())
    (first / "model.pt").unlink()
    (second / "summary.json").write_text("{")
    (second / "model.pt").unlink()
    (third / "model.pt").unlink()
    summary = json.loads((third / "summary.json").read_text())
    (third / "summary.json").write_text(json.dumps({**summary, "status": "failed", "last": None, "best": None}))

    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        reasons = []
        for _ in range(3):
            await pilot.press("enter")
            await idle(pilot)
            reasons.append(text_of(screen, "#history-detail"))
            await pilot.press("down")
        assert "it failed before its first epoch was complete" in reasons[0]
        assert "damaged" in reasons[1] and "damaged" in lines_of(screen.trials)[2]
        assert "model.pt is missing" in reasons[2]
        assert isinstance(pilot.app.screen, HistoryScreen)

    in_history(tmp_path, steps)


def test_an_empty_home_names_the_next_key(tmp_path: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        assert any("s there trains the first" in line for line in lines_of(screen.trials))
        await pilot.press("enter", "c", "b", "down", "s", "r")
        assert pilot.app.screen is screen

    in_history(tmp_path, steps)


def test_order_filter_and_selection_come_back(trained: Path) -> None:
    async def first(pilot: Pilot[None], _screen: HistoryScreen) -> None:
        await pilot.press("s", "r", "slash", *"note", "enter", "down", "w")

    remembered = in_history(trained, first).remember["history"]
    assert remembered["sort"] == 3 and remembered["reverse"] is True and remembered["filter"] == "note"

    async def second(_pilot: Pilot[None], screen: HistoryScreen) -> None:
        assert (screen.trials.sort_by, screen.trials.reverse) == (3, True)
        assert screen.filter.value == "note" and screen.filter.display
        assert screen.trials.row is not None and screen.trials.row.key == remembered["selected"]
        assert "best epoch's" in text_of(screen, "#history-title")

    in_history(trained, second)


@pytest.mark.parametrize("remembered", [7, {"sort": 99, "filter": 3, "selected": [], "reverse": "x"}, {"sort": -1}])
def test_a_damaged_memory_does_no_harm(remembered: Any, trained: Path) -> None:
    async def run() -> None:
        app = TrialbookApp(trained)
        async with app.run_test() as pilot:
            app.remember["history"] = remembered
            screen = HistoryScreen()
            await app.push_screen(screen)
            await read(pilot)
            assert len(names(screen)) == 3

    asyncio.run(run())


def test_a_bare_file_opens_by_its_path(trained: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    shutil.copy(next((trained / "saved_models").iterdir()) / "model.pt", file)

    async def steps(pilot: Pilot[None], _screen: HistoryScreen) -> None:
        await pilot.press("p", "enter")
        dialog = pilot.app.screen
        assert isinstance(dialog, BareFileDialog)
        assert "must be the path" in text_of(dialog, "#bare-problem")
        assert dialog.query_one("#bare-source", Input).value == "digits"
        dialog.query_one("#bare-path", Input).value = str(file)
        dialog.query_one("#bare-normalization", Select).value = "given"
        await pilot.pause()
        dialog.query_one("#bare-mean", Input).value = "0.5"
        await pilot.press("enter")
        assert "data.std" in text_of(dialog, "#bare-problem")
        dialog.query_one("#bare-std", Input).value = "1"
        await pilot.press("enter")
        await idle(pilot)
        assert isinstance(pilot.app.screen, EvaluationScreen)
        assert str(file) in text_of(pilot.app.screen, "#tested")

    in_history(trained, steps, (160, 40))


def test_every_line_fits_and_the_sorted_column_is_always_there(many: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        trials = screen.trials
        for width in (60, 80, 200):
            await pilot.resize_terminal(width, 24)
            for at in range(len(trials.columns)):
                trials.sort(at, reverse=True)
                heading, *lines = lines_of(trials)
                assert trials.columns[at].title in heading
                assert {len(line) for line in lines} | {len(heading)} == {trials.size.width}
            trials.sort(STARTED)
            titles = {60: ("trial", "best %", "verdict", "status"), 80: ("changes",), 200: ("gap", "note", "tags")}
            assert all(each in lines_of(trials)[0] for least in titles if least <= width for each in titles[least])

    in_history(many, steps)


def test_ids_have_the_room_that_other_columns_do_not_need(many: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        for listed in list_trials(many):
            (listed.trial.directory / "about.json").unlink()
        (parent, *_, child) = (listed.trial for listed in list_trials(many))
        (child.directory / "summary.json").write_text(json.dumps({**child.summary(), "parent": parent.id}))
        pilot.app.lookout.look()  # type: ignore[attr-defined]
        while parent.id not in lines_of(screen.trials)[1]:
            await pilot.pause(0.01)
        assert lines_of(screen.trials)[1].count(child.id) == 1
        await pilot.press("t", "end")
        assert f"└ {child.id}" in lines_of(screen.trials)[-1]
        await pilot.resize_terminal(80, 24)
        assert {len(line) for line in lines_of(screen.trials)} == {screen.trials.size.width}

    in_history(many, steps, (200, 60))


def test_keys_and_mouse_reach_every_line(many: Path) -> None:
    async def steps(pilot: Pilot[None], screen: HistoryScreen) -> None:
        trials = screen.trials
        await pilot.press("end")
        assert trials.row is trials.shown[-1]
        assert cell(screen, trials.row, "trial") in lines_of(trials)[-1]
        await pilot.press("pageup", "k", "home", "j", "pagedown")
        assert trials.shown.index(trials.row) == 1 + trials.size.height - 2
        await pilot.click(TrialList, offset=(5, 3))
        assert lines_of(trials)[3].startswith("▸")
        await pilot.click(TrialList, offset=(lines_of(trials)[0].index("best %"), 0))
        assert trials.columns[trials.sort_by].title == "best %"
        await pilot.click(TrialList, offset=(5, 5))
        await pilot.click(TrialList, offset=(5, 5))
        await idle(pilot)
        assert isinstance(pilot.app.screen, EvaluationScreen)

    in_history(many, steps, (80, 24))


def test_three_hundred_trials_do_not_hold_up_the_screen(many: Path) -> None:
    async def steps(_pilot: Pilot[None], screen: HistoryScreen) -> None:
        begin = time.process_time()
        for at in range(len(screen.trials.columns)):
            screen.trials.sort(at)
            screen.trials.filter_by("digits")
        assert len(screen.trials.shown) == 300
        assert (time.process_time() - begin) / (2 * len(screen.trials.columns)) < 0.02

    in_history(many, steps)


def test_several_lines_can_be_chosen_where_the_list_allows_it() -> None:
    rows = [Row(str(number), (str(number),), (float(number),), str(number)) for number in range(3)]

    async def run() -> None:
        app = App[None]()
        async with app.run_test() as pilot:
            one = TrialList([Column("n", 5, 1, flexible=1)], empty="", several=True)
            other = TrialList([Column("n", 5, 1, flexible=1)], empty="")
            await app.screen.mount_all([one, other])
            for trials in (one, other):
                trials.set_rows(rows)
                trials.focus()
                await pilot.press("space", "down", "space")
            assert one.chosen == {"0", "2"} and other.chosen == set()
            assert "●" in one.render_line(1).text and "●" not in one.render_line(2).text

    asyncio.run(run())


def test_texts_and_bars_have_the_cells_they_are_given() -> None:
    assert fit("abc", 5) == "abc  " and fit("abc", 5, right=True) == "  abc"
    assert fit("abcdef", 4) == "abc…" and fit("猫猫猫", 4) == "猫 …" and fit("x", 0) == ""
    assert fit("\x1b[31m", 12) == "\\x1b[31m    "
    assert bar(0, 4) == "    " and bar(1, 4) == "████" and bar(2, 4) == "████"
    assert bar(0.5, 3) == "█▌ " and bar(1 / 16, 2) == "▏ "


def test_a_trial_s_id_keeps_its_end_where_it_is_cut() -> None:
    assert fit("20261126-163952-757few", 22) == "20261126-163952-757few"
    assert fit("20261126-163952-757few", 14) == "…163952-757few"
    assert fit("20261126-163952 and more", 14) == "20261126-1639…"
    assert [fit("20261126-163952-757few", width) for width in (2, 1, 0)] == ["…w", "…", ""]


def test_a_paused_trial_is_listed_as_paused_and_found_as_running(small: Settings, digits: Dataset, home: Path) -> None:
    list(train(small, digits, home=home))
    (listed,) = list_trials(home)
    (row,) = build_rows([replace(listed, status="running", is_paused=True)]).values()
    assert "paused" in row.row.cells and "running" not in row.row.cells
    assert "status:paused" in row.row.search and "status:running" in row.row.search
