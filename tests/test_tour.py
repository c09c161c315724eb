"""Every place of the real app: its keys act, and its footer fits."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.screen import Screen
from textual.widgets import Input

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from tests.console import Console, draft_with, make_places, remember, run
from tui.actions import BY_ID, FOOTER_KEYS
from tui.screens.bare_file import BareFileDialog
from tui.screens.check import CheckDialog
from tui.screens.choose import BeginScreen, OverlayScreen
from tui.screens.compare import CompareScreen
from tui.screens.data import DataScreen
from tui.screens.dialogs import HelpDialog, NameDialog, TextDialog
from tui.screens.folder import FolderScreen
from tui.screens.leave import BranchDialog, LeaveDialog
from tui.screens.scrub import ScrubScreen
from tui.screens.upkeep import AboutDialog, AskDialog, FileDialog
from tui.widgets.editor import Editor
from tui.widgets.keys import Keys, shown_keys
from tui.widgets.pictures import Pictures
from tui.widgets.trial_list import TrialList


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


@pytest.fixture
def history(places: Path, digits: Dataset) -> Path:
    """A home with two trials, the second derived from the first."""
    settings = change_settings(Settings(), {"model.hidden": "8", "training.epochs": 2})
    parent = None
    for name in ("first", "second"):
        for _ in train(settings, digits, home=places, name=name, parent=parent):
            pass
        parent = next(iter((places / "saved_models").iterdir())).name
    return places


class Tour:
    """Every place of the console that has been seen: its keys, and whether its footer fits."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.met: set[str] = set()
        self.footers: dict[str, str] = {}

    def look(self, place: str) -> None:
        """Note the keys that act here, and hold the footer to its room."""
        screen: Screen[object] = self.console.app.screen
        acting = {row.binding.id for row in screen.active_bindings.values() if row.enabled}
        self.met |= {name for name in acting if name}
        shown = shown_keys(screen)
        footer = self.console.footer
        ids = [action.id for _, action in shown]
        assert len(ids) <= FOOTER_KEYS and len(footer) <= screen.size.width - 2, f"{place}: {footer}"
        assert footer.count("  ") == len(ids) - 1, f"{place}: {footer} leaves out some of {ids}"
        assert ids[-1] == "help", f"{place}: {footer}"
        key = shown[-1][0].key
        assert key == ("f1" if isinstance(screen.focused, Input) else "question_mark"), f"{place}: {footer}"
        assert screen.query_one(Keys).region.height == 1 and footer in self.console.lines[-1], place
        self.footers[place] = footer


async def tour_dialog(tour: Tour, key: str, kind: type[Screen[object]], place: str) -> None:
    await tour.console.press(key)
    assert isinstance(tour.console.app.screen, kind), place
    tour.look(place)
    if kind is not HelpDialog:
        await tour.console.press("f1" if isinstance(tour.console.app.focused, Input) else "question_mark")
        assert isinstance(tour.console.app.screen, HelpDialog), f"no help in {place}"
        await tour.console.press("escape")
    await tour.console.press("escape")


async def tour_workbench(tour: Tour, state: str) -> None:
    console = tour.console
    for panel in ("architecture", "training", "curves", "figures"):
        await console.go_to(panel)
        tour.look(f"{panel}, {state}")
    await console.go_to("architecture")
    await console.press("enter")
    assert isinstance(console.app.focused, Editor)
    tour.look(f"typing, {state}")
    await console.press("escape", "w")
    tour.look(f"typing widths, {state}")
    await console.press("escape")
    await tour_dialog(tour, "question_mark", HelpDialog, f"help, {state}")
    await tour_dialog(tour, "y", TextDialog, f"command, {state}")
    await tour_dialog(tour, "n", NameDialog, f"name, {state}")


async def to_list(tour: Tour, action: str) -> None:
    """Go from a filter to its list by the key that an input leaves to the screen, as it has no use for it."""
    await tour.console.press(*BY_ID[action].keys.split(","))
    assert isinstance(tour.console.app.focused, TrialList)
    tour.met.add(action)


async def tour_trash(tour: Tour) -> None:
    """Delete a trial, look at the trash, and bring the trial back by the key that undoes it."""
    console = tour.console
    await console.press("d", "enter")
    await console.until(lambda: console.app.screen.check_action("undo", ()))
    tour.look("history, something deleted")
    await console.press("T")
    await console.see("Trash", "1 trial")
    tour.look("trash")
    await tour_dialog(tour, "E", AskDialog, "trash, empty")
    await console.press("escape", "u")
    await console.see("is back")
    await console.clear()
    await console.until(lambda: len(console.find(TrialList).rows) == 2)


async def tour_lists(tour: Tour) -> None:
    console = tour.console
    await console.press("o")
    await console.see("second")
    tour.look("history")
    await console.press("slash")
    tour.look("history, filter")
    await to_list(tour, "history.to_list")
    await tour_dialog(tour, "p", BareFileDialog, "bare file")
    for key, kind in (("n", AboutDialog), ("d", AskDialog), ("x", FileDialog), ("i", FileDialog)):
        await tour_dialog(tour, key, kind, f"history, {key}")
    await tour_trash(tour)
    await console.press("space", "space")
    tour.look("history, two marked")
    assert "Compare" in tour.footers["history, two marked"]
    await console.press("escape", "b")
    await console.see("trial-25")
    assert isinstance(console.app.screen, BeginScreen)
    tour.look("begin")
    await console.press("slash")
    tour.look("begin, filter")
    await to_list(tour, "begin.to_list")
    await console.press("escape")
    await console.go_to("curves")
    await console.press("t")
    await console.see("second")
    assert isinstance(console.app.screen, OverlayScreen)
    tour.look("overlay")
    await console.press("escape")


async def tour_evaluation(tour: Tour) -> None:
    console = tour.console
    await console.press("e")
    tour.look("evaluation, working")
    await console.see("of 360 test images right")
    for panel in ("scores", "matrix", "pictures"):
        tour.look(f"evaluation, {panel}")
        await console.press("tab")
    await console.press("tab", "enter")
    assert isinstance(console.app.focused, Pictures)
    tour.look("evaluation, a cell's pictures")
    await console.press("y")
    tour.look("evaluation, copy")
    await console.press("escape", "escape")


async def tour_comparison(tour: Tour) -> None:
    console = tour.console
    await console.press("C")
    assert isinstance(console.app.screen, CompareScreen)
    await console.see("second")
    await console.idle()
    for panel in ("curves", "table", "pairs", "pictures"):
        tour.look(f"comparison, {panel}")
        await console.press("tab")
    await console.pilot.resize_terminal(120, 40)
    await console.settle()
    tour.look("comparison, all panels")
    await console.pilot.resize_terminal(80, 24)
    await console.settle()
    await console.press("escape", "F")
    assert isinstance(console.app.screen, ScrubScreen)
    await console.see("epoch 2/2")
    for panel in ("film", "matrix", "recalls"):
        tour.look(f"film, {panel}")
        await console.press("tab")
    await console.press("escape")


async def tour_data(tour: Tour) -> None:
    console = tour.console
    await console.press("i")
    assert isinstance(console.app.screen, DataScreen)
    await console.idle()
    tour.look("data")
    await console.press("f")
    assert isinstance(console.app.screen, FolderScreen)
    await console.see("train + test")
    tour.look("folder")
    await console.press("slash")
    tour.look("folder, path")
    await console.press("escape", "escape", "escape")


def test_every_action_is_reached_by_keys_and_every_footer_fits(history: Path, folder: Path) -> None:
    remember(history, draft_with({"training.epochs": 5000, "model.hidden": "8"}))
    (Path.home() / "images").symlink_to(folder)
    made: list[Tour] = []

    async def steps(console: Console) -> None:
        tour = Tour(console)
        made.append(tour)
        await console.idle()
        assert console.app.workbench.view.shown is not None
        await console.go_to("training", "training.seed")
        await console.press("right", "right", "r", "u")
        await tour_workbench(tour, "at rest")
        await tour_lists(tour)
        await tour_evaluation(tour)
        await tour_comparison(tour)
        await tour_data(tour)
        await console.press("s")
        await console.epochs(1)
        # what the curves show can be told only after some epochs, in a worker
        await console.until(lambda: console.view.reading is not None and console.view.reading.found)
        await tour_workbench(tour, "training")
        console.app.workbench.view.shown = None  # as if another trial were looked at
        tour.met |= {row.binding.id for row in console.app.screen.active_bindings.values() if row.enabled}
        await console.press("W")
        assert console.app.workbench.view.shown is not None
        await console.press("p")
        await console.see("paused")
        await tour_workbench(tour, "paused")
        await tour_dialog(tour, "q", LeaveDialog, "quit")
        await console.press("p", "x")
        await console.ended()
        tour.look("figures, stopped")
        await tour_dialog(tour, "B", BranchDialog, "branch")

    run(history, steps, (80, 24))
    (tour,) = made
    assert "Resume" in tour.footers["figures, paused"] and "Pause" in tour.footers["figures, training"]
    assert "Start" in tour.footers["figures, at rest"] and "Start" not in tour.footers["figures, training"]
    # letters and signs that an input takes as text are not offered as keys
    assert "Filter" not in tour.footers["begin, filter"] and "Filter" in tour.footers["begin"]
    # a download needs a network, and a suggestion more epochs; their own tests have both
    assert set(BY_ID) - tour.met <= {"data.cancel", "suggest"}


def test_the_check_has_a_footer_too(places: Path) -> None:
    async def steps(console: Console) -> None:
        tour = Tour(console)
        await console.press("c")
        assert isinstance(console.app.screen, CheckDialog)
        tour.look("check")
        await console.see("Nothing speaks against it")
        tour.look("check, done")

    run(places, steps, (80, 24))
