"""The one table of actions: no two keys clash, every action is bound, reachable by keyboard, and every footer fits."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import tui
from tests.console import Console, make_places, run, write_config
from tui.actions import ACTIONS, BY_ID, SCOPES, bindings
from tui.app import TrialbookApp
from tui.keymap import HARMLESS, TOGETHER
from tui.plot.widget import CurvesPlot
from tui.screens.choose import OverlayScreen
from tui.screens.compare import CompareScreen
from tui.screens.dialogs import HelpDialog, NameDialog, TextDialog, help_lines
from tui.screens.evaluation import EvaluationScreen
from tui.screens.history import HistoryScreen
from tui.screens.page import Dialog, Page
from tui.screens.scrub import ScrubScreen
from tui.screens.upkeep import TrashScreen
from tui.screens.workbench import Workbench
from tui.widgets.architecture import ArchitectureTable
from tui.widgets.bars import ClassBars
from tui.widgets.compare_table import CompareTable
from tui.widgets.editor import Editor
from tui.widgets.film_strip import FilmStrip
from tui.widgets.matrix import Matrix
from tui.widgets.pairs import Pairs
from tui.widgets.panel import FiguresScroller
from tui.widgets.pictures import Pictures
from tui.widgets.recalls import Recalls
from tui.widgets.settings_form import SettingsForm
from tui.widgets.trial_list import TrialList

TAKEN = {"ctrl+a", "ctrl+b", "ctrl+s", "ctrl+j", "ctrl+o", "ctrl+h", "ctrl+m", "ctrl+q", "ctrl+c"}
"""What tmux, screen and terminals keep for themselves, and Ctrl+C."""
OWNERS: dict[str, set[type[DOMNode]]] = {
    "app": {TrialbookApp, Page, Dialog, HelpDialog},
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


def test_keys_change_places_and_single_characters_are_keys(places: Path) -> None:
    write_config('[keys]\nstart = "b"\nbegin = "s, !"\n"list.down" = "down,0"\n"history.star" = "f"\n')

    async def steps(console: Console) -> None:
        assert not console.toasts
        bound = {key: active.binding.id for key, active in console.app.screen.active_bindings.items()}
        assert (bound["b"], bound["s"], bound["exclamation_mark"]) == ("start", "begin", "begin")

    run(places, steps)


def test_whatever_names_a_key_names_the_chosen_one(places: Path, tmp_path: Path) -> None:
    chosen = {"start": "f5", "history.path": "f6", "text.write": "f7", "list.choose": "ctrl+g", "evaluation.copy": "f8"}
    write_config("[keys]\n" + "".join(f'"{name}" = "{key}"\n' for name, key in chosen.items()))

    async def steps(console: Console) -> None:
        await console.see("no trial yet: f5 starts one")
        await console.press("o")
        await console.see("f5 there trains the first. A file of weights opens with f6")
        await console.press("escape", "y", "y")
        assert "f7 writes it to a file" in console.text
        await console.press("escape")
        await console.app.push_screen(OverlayScreen("Compare saved trials", set()))
        await console.see("Compare saved trials: ^g marks, ⏎ takes the marked ones")
        await console.press("question_mark")
        assert "begin from" not in console.text and "take the selected line, or the marked ones" in console.text
        await console.press("escape", "escape")
        await console.app.push_screen(EvaluationScreen(tmp_path / "missing.pt"))
        await console.see("f8 copies the line")
        await console.press("escape", "ctrl+p")
        await console.write("train the settings of")
        await console.see("Workbench, key f5")

    run(places, steps)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[keys\n", ["is not TOML"]),
        ('[keys]\nstrat = "f5"\n', ["there is no action strat, did you mean start"]),
        ('[keys]\n"curve.log" = "f5"\n', ["did you mean curves.log"]),
        ('[keys]\nxyzzy = "f5"\n', ["there is no action xyzzy, the help (?) names those of where you are"]),
        ('[theme]\nname = "nord"\n', ["theme is left out, only what is below [keys] is read"]),
        ('[keys]\nstart = 5\nstop = ""\n', ["the key of start must be", "the key of stop must be"]),
        ('[keys]\nstart = "foo"\nstop = "f5,"\n', ["not 'foo'", "not 'f5,'"]),
        ('[keys]\nstart = "\\u0000"\nstop = "\\u001b"\n', ["not '\\\\x00'", "not '\\\\x1b'"]),
        ('[keys]\nstart = ","\nstop = "ctrl+"\n', ["not ','", "not 'ctrl+'"]),
        ('[keys]\nstart = "q"\n', ["start keeps its usual key, as q is the key of quit already"]),
        ('[keys]\n"curves.log" = "e"\n', ["e is the key of evaluate already"]),
        ('[keys]\nquit = "f5"\nstart = "f5"\n', ["start keeps its usual key, as f5 is the key of quit already"]),
        ('[keys]\nstop = "p"\npause = "q"\n', ["q is the key of quit", "p is the key of pause"]),
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


def test_the_help_names_what_is_off_too_and_the_key_that_leaves_does_so_there(places: Path) -> None:
    write_config('[keys]\npause = "f9"\n')

    async def steps(console: Console) -> None:
        await console.press("question_mark")
        shown = help_lines(console.app.workbench)
        line = next(line for line in shown.split("\n") if line.plain.endswith("  pause"))
        assert line.plain.startswith("f9 ") and [span.style for span in line.spans] == ["dim"]
        started = next(line for line in shown.split("\n") if line.plain.endswith("  start"))
        assert [span.style for span in started.spans] != ["dim"]
        await console.press("q")
        assert console.app._exit

    run(places, steps)
