"""What comes of what one does in the history: it is told where it belongs, also late, and to whoever has gone on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Label

from core.data.dataset import Dataset
from core.errors import TrialError
from core.trials.upkeep import delete_trial, edit_about
from tests.console import Console, make_places, run, trials
from tests.digits import make_trial
from tui import upkeep
from tui.feed import Feed, look
from tui.plot.widget import CurvesPlot
from tui.screens.evaluation import EvaluationScreen
from tui.screens.history import HistoryScreen
from tui.screens.upkeep import AboutDialog
from tui.upkeep import Done
from tui.widgets.trial_list import TrialList


@pytest.fixture
def home(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two trials."""
    places = make_places(tmp_path, monkeypatch)
    for name in ("older", "newer"):
        make_trial(places, digits, name=name)
    return places


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Holds up what is done to trials until it is set."""
    event = threading.Event()
    for name in ("toggle_star", "export"):
        work = getattr(upkeep, name)

        def slowly(*given: Any, work: Any = work) -> Done:
            event.wait(60)
            return work(*given)

        monkeypatch.setattr(f"tui.screens.history.{name}", slowly)
    yield event
    event.set()


async def open_history(console: Console) -> TrialList:
    await console.press("o")
    await console.see("older", "newer")
    return console.find(TrialList)


def starred(home: Path) -> list[bool]:
    return [trial.about().starred for trial in trials(home)]


def test_stars_go_to_the_trials_they_were_asked_for(home: Path, gate: threading.Event) -> None:
    async def steps(console: Console) -> None:
        listed = await open_history(console)
        await console.press("f", "down")
        gate.set()
        await console.idle()
        await console.until(lambda: starred(home) == [False, True])
        assert listed.row is not None and listed.row.key == trials(home)[0].id  # the cursor was left there
        await console.press("f")
        await console.until(lambda: starred(home) == [True, True])
        edit_about(trials(home)[0], starred=False)  # elsewhere, just before the key is pressed
        await console.press("f")
        await console.until(lambda: starred(home) == [True, True])
        await console.press("f", "f", "f")
        await console.until(lambda: starred(home) == [False, True])

    run(home, steps)


def test_a_failure_is_told_also_where_the_history_is_closed(home: Path, gate: threading.Event) -> None:
    async def steps(console: Console) -> None:
        await open_history(console)
        await console.press("x")
        await console.retype("/nowhere/there/a.trialbook")
        await console.press("enter", "escape")
        assert console.app.screen is console.app.workbench
        gate.set()
        await console.until(lambda: any("/nowhere/there" in toast for toast in console.toasts))
        assert "/nowhere/there" in console.words

    run(home, steps)


def test_what_a_trial_cannot_be_called_is_told_where_it_was_typed(home: Path) -> None:
    async def steps(console: Console) -> None:
        await open_history(console)
        await console.press("n")
        await console.retype("a note that took a while")
        await console.press("shift+tab")
        await console.retype("last")
        await console.press("enter")
        assert isinstance(console.app.screen, AboutDialog)
        assert 'a trial cannot be named "last"' in str(console.find(Label, "#about-said").content)
        await console.see("another name")
        assert console.find(Input, "#about-note").value == "a note that took a while"
        await console.retype("the last one")
        await console.press("tab", "tab")
        await console.retype("x" * 51)
        await console.press("enter")
        await console.see("51 characters")
        await console.retype("short")
        await console.press("enter")
        last = trials(home)[-1]
        await console.until(lambda: last.about().name == "the last one")
        assert (last.about().note, last.about().tags) == ("a note that took a while", ("short",))

    run(home, steps)


def test_a_key_that_is_pressed_twice_evaluates_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    weights = upkeep.weights_of

    def find(*given: Any) -> Path:
        go_on.wait(60)
        return weights(*given)

    monkeypatch.setattr("tui.screens.history.weights_of", find)

    async def steps(console: Console) -> None:
        await open_history(console)
        await console.press("enter", "enter")
        go_on.set()
        await console.until(lambda: isinstance(console.app.screen, EvaluationScreen))
        await console.idle()
        assert [type(screen) for screen in console.app.screen_stack[1:]] == [HistoryScreen, EvaluationScreen]

    run(home, steps)


def test_a_look_at_the_trials_that_fails_is_not_the_last(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Feed] = []

    def fail_once(home: Path, before: Feed) -> Feed:
        looked.append(before)
        if len(looked) == 1:
            raise ValueError("something that nobody thought of")
        return look(home, before)

    monkeypatch.setattr("tui.feed.look", fail_once)

    async def steps(console: Console) -> None:
        await open_history(console)

    run(home, steps)


def test_the_curves_of_a_trial_are_in_sight_where_only_one_panel_has_room(home: Path) -> None:
    async def steps(console: Console) -> None:
        await open_history(console)
        await console.press("c")
        await console.until(lambda: console.view.shown is not None and console.find(CurvesPlot).has_focus)
        assert console.app.workbench.panel == "curves" and console.find(CurvesPlot).region.height > 5

    run(home, steps, (80, 24))


def test_what_comes_of_the_trash_is_told_also_once_it_is_closed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial, go_on = trials(home)[0], threading.Event()
    delete_trial(home, trial)

    def fails(*_: object) -> Done:
        go_on.wait(60)
        raise TrialError("the trash is in use elsewhere")

    monkeypatch.setattr("tui.screens.upkeep.restore", fails)

    async def steps(console: Console) -> None:
        await console.press("o", "T")
        await console.see("1 trial", "older")
        await console.press("enter", "escape")
        assert isinstance(console.app.screen, HistoryScreen)
        go_on.set()
        await console.until(lambda: any("in use elsewhere" in toast for toast in console.toasts))

    run(home, steps)
