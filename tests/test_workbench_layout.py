"""How the workbench looks: sizes, mouse, folders with a mistake, themes, no colour."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from textual.events import MouseScrollDown
from textual.widgets import Input

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings
from tests.console import Console, draft_with, make_places, remember, run, settings_of, trials, widths
from tui.draft import Draft
from tui.plot.widget import CurvesPlot
from tui.screens.check import CheckDialog
from tui.screens.dialogs import HelpDialog
from tui.widgets.editor import Editor
from tui.widgets.figures import Figures
from tui.widgets.panel import FiguresScroller, Scroller
from tui.widgets.settings_form import SettingsForm

RATE = "training.learning_rate"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


def test_panels_have_room_at_every_size(places: Path) -> None:
    async def steps(console: Console) -> None:
        titles = ("Architecture", "Training", "Curves", "Figures")
        assert all(f"─ {title} ─" in console.text for title in titles)
        await console.go_to("curves")
        await console.press("z")
        assert console.find(CurvesPlot).size.width >= 118 and "Figures" in console.lines[1]
        await console.press("escape")
        assert console.find(CurvesPlot).size.width < 118
        await console.pilot.resize_terminal(80, 24)
        await console.settle()
        for title, panel in zip(titles, ("architecture", "training", "curves", "figures"), strict=True):
            await console.go_to(panel)
            assert all(name in console.lines[1] for name in titles)
            assert console.style_at(title).reverse
        await console.click("Training")
        assert console.find(SettingsForm).has_focus
        await console.pilot.resize_terminal(59, 24)
        await console.settle()
        assert console.lines[0] == "Trialbook needs 60x16; make the window larger" and not "".join(console.lines[1:])
        await console.pilot.resize_terminal(60, 15)
        await console.settle()
        assert "Trialbook needs" in console.text
        await console.press("question_mark")
        assert [row for row in console.lines if row] == ["Trialbook needs 60x16; make the window larger"]
        await console.press("escape")
        await console.pilot.resize_terminal(30, 15)
        await console.settle()
        assert [row for row in console.lines if row] == ["Trialbook needs 60x16; make", "the window larger"]
        await console.pilot.resize_terminal(60, 16)
        await console.settle()
        assert "Trialbook needs" not in console.text and "Figures" in console.lines[1]
        assert console.find(SettingsForm).has_focus  # as before
        assert console.footer.endswith("? Help") and len(console.footer) <= 58 and console.footer in console.lines[-1]
        await console.pilot.resize_terminal(200, 60)
        await console.settle()
        assert all(f"─ {title} ─" in console.text for title in titles)

    run(places, steps)


def test_the_mouse_does_what_the_keys_do(places: Path) -> None:
    async def steps(console: Console) -> None:
        form = console.find(SettingsForm)
        await console.click("batch size")
        assert form.has_focus and form.cursor == "training.batch_size"
        await console.click("learning rate", times=2, right=27)
        assert isinstance(console.app.focused, Editor)
        await console.retype("0.01")
        await console.click("input ")  # who clicks elsewhere keeps what was typed
        assert settings_of(console).training.learning_rate == 0.01
        await console.click("Duplicate")
        assert widths(console) == "256-256-128"
        await console.click("? Help")
        assert isinstance(console.app.screen, HelpDialog)
        await console.press("escape")
        scroller = form.parent
        assert isinstance(scroller, Scroller)
        before = scroller.scroll_offset.y
        await console.pilot._post_mouse_events([MouseScrollDown], form, offset=(5, 5), button=0)
        await console.until(lambda: scroller.scroll_offset.y > before)

    run(places, steps)


def test_a_folder_with_a_mistake_marks_the_data(places: Path, folder: Path) -> None:
    shutil.rmtree(folder / "test")
    remember(places, draft_with({"data.source": str(folder)}), panel="training")

    async def steps(console: Console) -> None:
        problem = f"{folder} has no folder test"
        await console.until(lambda: f"start is off: {problem}" in console.words)
        await console.move_to("data.source")
        await console.see("✗ data ")
        await console.press("s")
        assert console.app.training is None and f"Cannot start: {problem}" in console.words
        await console.press("c")
        assert not isinstance(console.app.screen, CheckDialog)
        shutil.copytree(folder / "train", folder / "test")
        await console.move_to("data.image_size")
        await console.press("enter")
        await console.retype("8")
        await console.press("enter")
        await console.not_see("✗ data ")
        await console.see("192  8x8 ", "24 + 24")
        await console.press("home", "right")  # another edit does not forget what is known of the folder
        assert "192  8x8 " in console.text and "24 + 24" in console.text

    run(places, steps)


def test_figures_scroll_where_there_is_no_room(places: Path, digits: Dataset, small: Settings) -> None:
    for _ in range(2):
        before = trials(places)
        for _ in train(small, digits, home=places, parent=before[0].id if before else None):
            pass

    async def steps(console: Console) -> None:
        await console.go_to("figures")
        await console.until(lambda: console.find(Figures).values.parent)
        scroller = console.find(FiguresScroller)
        await console.until(lambda: scroller.max_scroll_y > 0)
        assert "device" not in console.text
        await console.press(*["j"] * scroller.max_scroll_y)
        assert "device" in console.text
        await console.press("up")
        assert scroller.scroll_offset.y == scroller.max_scroll_y - 1

    run(places, steps, (110, 30))


@pytest.mark.parametrize("theme", ["textual-light", "textual-dark", "ansi-dark", "ansi-light", "no such theme"])
def test_every_theme_draws(places: Path, theme: str) -> None:
    remember(places, Draft(), theme=theme)

    async def steps(console: Console) -> None:
        expected = theme if theme in console.app.available_themes else "textual-dark"
        assert console.app.theme == expected
        assert "Architecture" in console.text and "Number of neurons" in console.text
        plain, cursor = console.style_at("width"), console.style_at("256")
        assert (cursor.bgcolor, cursor.color, cursor.reverse) != (plain.bgcolor, plain.color, plain.reverse)
        await console.press("b")
        await console.see("trial-25")
        await console.press("escape")

    run(places, steps)


def test_without_colour_all_is_grey_and_the_cursor_is_seen(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def steps(console: Console) -> None:
        colors = {
            part
            for row in console.rows
            for each in row
            if each.style
            for part in (each.style.color, each.style.bgcolor)
        }
        triplets = [color.get_truecolor() for color in colors if color is not None]
        assert triplets and all(red == green == blue for red, green, blue in triplets)
        cursor, other = console.style_at("256"), console.style_at("128")
        assert cursor.bgcolor != other.bgcolor or cursor.reverse
        await console.go_to("training", RATE)
        await console.press("enter")
        await console.retype("fast")
        await console.press("enter")
        assert "✗ learning rate" in console.text and isinstance(console.app.focused, SettingsForm)
        assert not console.app.screen.query(Input)

    run(places, steps)
