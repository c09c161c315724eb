"""The one table of actions: no two keys clash, every action is bound, reachable by keyboard, and every footer fits."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Input

import tui
from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from tests.console import Console, draft_with, make_places, remember, run, write_config
from tui.actions import ACTIONS, BY_ID, FOOTER_KEYS, SCOPES, bindings
from tui.app import TrialbookApp
from tui.plot.widget import CurvesPlot
from tui.screens.bare_file import BareFileDialog
from tui.screens.check import CheckDialog
from tui.screens.choose import BeginScreen, OverlayScreen
from tui.screens.compare import CompareScreen
from tui.screens.data import DataScreen
from tui.screens.dialogs import HelpDialog, NameDialog, TextDialog
from tui.screens.evaluation import EvaluationScreen
from tui.screens.folder import FolderScreen
from tui.screens.history import HistoryScreen
from tui.screens.leave import BranchDialog, LeaveDialog
from tui.screens.page import Dialog, Page
from tui.screens.scrub import ScrubScreen
from tui.screens.upkeep import AboutDialog, AskDialog, FileDialog, TrashScreen
from tui.screens.workbench import Workbench
from tui.widgets.architecture import ArchitectureTable
from tui.widgets.bars import ClassBars
from tui.widgets.compare_table import CompareTable
from tui.widgets.editor import Editor
from tui.widgets.film_strip import FilmStrip
from tui.widgets.keys import Keys, shown_keys
from tui.widgets.matrix import Matrix
from tui.widgets.pairs import Pairs
from tui.widgets.panel import FiguresScroller
from tui.widgets.pictures import Pictures
from tui.widgets.recalls import Recalls
from tui.widgets.settings_form import SettingsForm
from tui.widgets.trial_list import TrialList

TAKEN = {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+j", "ctrl+o", "ctrl+h", "ctrl+m", "ctrl+q", "ctrl+c"}
"""What tmux, screen and terminals keep for themselves, and Ctrl+C."""
TOGETHER = (
    ("architecture", "workbench", "app"),
    ("training", "workbench", "app"),
    ("curves", "workbench", "app"),
    ("figures", "workbench", "app"),
    ("list", "begin", "app"),
    ("list", "history", "app"),
    ("list", "trash", "app"),
    ("scores", "evaluation", "app"),
    ("matrix", "evaluation", "app"),
    ("pictures", "evaluation", "app"),
    ("curves", "comparison", "app"),
    ("table", "comparison", "app"),
    ("pairs", "comparison", "app"),
    ("pictures", "comparison", "app"),
    ("film", "scrub", "app"),
    ("matrix", "scrub", "app"),
    ("scores", "scrub", "app"),
    ("data", "app"),
    ("folder", "app"),
    ("text", "app"),
    ("scroll", "app"),
)
"""Scopes that are active at the same time, the focused widget's first; the editor takes keys from whatever is below."""
HARMLESS = {
    "history.to_list": "goes from the filter to the list; where the list has the focus, down moves its cursor",
    "comparison.trials": "asks for the trials to compare, as the key of the curves there does too",
    "begin.to_list": "goes from the filter to the list; where the list has the focus, down moves its cursor",
}
"""Actions whose key another one takes while a list has the focus, and why nobody misses them there."""
OWNERS: dict[str, set[type[DOMNode]]] = {
    "app": {TrialbookApp, Page, Dialog},
    "workbench": {Workbench},
    "architecture": {ArchitectureTable},
    "training": {SettingsForm},
    "editor": {Editor},
    "curves": {CurvesPlot},
    "figures": {FiguresScroller},
    "list": {TrialList},
    "history": {HistoryScreen},
    "trash": {TrashScreen},
    "evaluation": {EvaluationScreen},
    "scores": {ClassBars, Recalls},
    "comparison": {CompareScreen},
    "table": {CompareTable},
    "pairs": {Pairs},
    "scrub": {ScrubScreen},
    "film": {FilmStrip},
    "matrix": {Matrix},
    "pictures": {Pictures},
    "text": {TextDialog},
    "scroll": {HelpDialog},
}
"""Whose keys a scope's are; for the scopes that are not named here, whole modules' classes."""
MODULES = {
    "begin": {"tui.screens.choose"},
    "data": {"tui.screens.data"},
    "folder": {"tui.screens.folder", "tui.widgets.data_path"},
}


def classes() -> list[type[DOMNode]]:
    """Return every screen, widget and app of the console."""
    found: list[type[DOMNode]] = []
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        values = [each for each in vars(importlib.import_module(module.name)).values() if isinstance(each, type)]
        found += [each for each in values if issubclass(each, DOMNode) and each.__module__ == module.name]
    return found


def own_rows(owner: type[DOMNode]) -> list[Binding]:
    """Return the bindings that a class itself declares."""
    return [row for row in owner.__dict__.get("BINDINGS", ()) if isinstance(row, Binding)]


def keys_of(action: str) -> list[str]:
    return BY_ID[action].keys.split(",")


def test_ids_are_unique_and_every_scope_has_a_name() -> None:
    assert len(BY_ID) == len(ACTIONS)
    assert {action.scope for action in ACTIONS} == set(SCOPES)
    assert all(len(action.label) <= 10 and action.title for action in ACTIONS)


@pytest.mark.parametrize("scope", SCOPES)
def test_no_two_actions_of_a_scope_share_a_key(scope: str) -> None:
    keys = Counter(key for action in ACTIONS if action.scope == scope for key in keys_of(action.id))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("scopes", TOGETHER, ids=" ".join)
def test_no_key_means_two_things_at_a_time(scopes: tuple[str, ...]) -> None:
    owner: dict[str, str] = {}
    for action in (row for scope in scopes for row in ACTIONS if row.scope == scope):
        for key in keys_of(action.id):
            first = owner.setdefault(key, action.id)
            assert first == action.id or action.id in HARMLESS, f"{key} does {first} and hides {action.id}"


def test_no_action_that_matters_is_on_a_key_that_terminals_take() -> None:
    for action in ACTIONS:
        keys = keys_of(action.id)
        assert keys[0] not in TAKEN, action.id
        assert not action.rank or not TAKEN & set(keys), action.id


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_bound_by_its_scope_and_does_something(action: object) -> None:
    row = BY_ID[action.id]  # type: ignore[attr-defined]
    owners = [each for each in classes() if any(binding.id == row.id for binding in own_rows(each))]
    assert owners, f"nobody binds {row.id}"
    for owner in owners:
        if row.scope in OWNERS:
            assert owner in OWNERS[row.scope]
        else:
            assert owner.__module__ in MODULES[row.scope]
        (binding,) = (binding for binding in own_rows(owner) if binding.id == row.id)
        assert binding.key == row.keys
        does = binding.action.partition("(")[0]
        doer, name = (TrialbookApp, does.removeprefix("app.")) if does.startswith("app.") else (owner, does)
        assert hasattr(doer, f"action_{name}"), f"{owner.__name__} binds {row.id} and has no action_{name}"


def test_no_key_is_bound_outside_the_table() -> None:
    for owner in classes():
        for binding in owner.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding) and binding.id in BY_ID, f"{owner.__name__}: {binding}"
            rows = bindings(BY_ID[binding.id].scope)
            assert binding.key in [row.key for row in rows]


# the real app


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
    await tour.console.press(*keys_of(action))
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
    assert "Compare" in tour.footers["history, two marked"] and "Compare" not in tour.footers["history"]
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


def test_keys_can_be_given_to_actions(places: Path) -> None:
    write_config('[keys]\nname = "f6"\n"training.more" = "ctrl+g, f7"\nstart = "f5"\n')

    async def steps(console: Console) -> None:
        assert "f5 Start" in console.footer
        await console.go_to("training", "training.seed")
        assert "^g More" in console.footer or "ctrl+g More" in console.footer
        await console.press("ctrl+g", "f7", "right")
        assert console.app.edits.draft.settings.training.seed == 2
        await console.press("n")
        assert not isinstance(console.app.screen, NameDialog)
        await console.press("f6")
        assert isinstance(console.app.screen, NameDialog)
        await console.press("escape", "question_mark")
        assert "f6" in next(line for line in console.lines if "a name and a note" in line)
        await console.press("escape", "s")
        assert console.app.training is None
        await console.press("f5")
        assert console.app.training is not None

    run(places, steps)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[keys\n", ["is not TOML"]),
        ('[keys]\nstrat = "f5"\n', ["there is no action strat"]),
        ('[keys]\nstart = 5\nstop = ""\n', ["the key of start must be", "the key of stop must be"]),
        ("keys = 3\n", ["keys must be a table"]),
        ('[keys]\n"[red]x[/b]\\u001b" = "f5"\n', ["[red]x[/b]"]),
        ("", []),
    ],
)
def test_a_wrong_file_of_keys_is_told_and_the_app_starts(places: Path, text: str, problems: list[str]) -> None:
    path = write_config(text)

    async def steps(console: Console) -> None:
        assert len(console.toasts) == len(problems)
        for toast, problem in zip(console.toasts, problems, strict=True):
            assert problem in toast and str(path) in toast and "\n" not in toast and "\x1b" not in toast
        assert "s Start" in console.footer

    run(places, steps)
