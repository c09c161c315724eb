"""What the console says of the curves, the form with the suggested change, and what it tells of beginnings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.diagnosis import diagnose_trial
from core.session import train
from core.settings import Settings, change_settings
from tests.console import Console, make_places, remember, run, trials
from tui.screens.dialogs import TextDialog
from tui.widgets.choice import ChoiceDetail
from tui.widgets.diagnosis import DiagnosisLine
from tui.widgets.settings_form import SettingsForm

EVIL = "[red]x[/b]\x1b[31m"


@pytest.fixture(scope="module")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a trial of much too strong dropout, and one of too few epochs that began from it."""
    home = tmp_path_factory.mktemp("home")
    strong = {"model.hidden": "64", "training.epochs": 10, "model.hidden.*.dropout": 0.9}
    list(train(change_settings(Settings(), strong), digits, home=home, name="strong", note=EVIL))
    few = {**strong, "training.epochs": 2, "model.hidden.*.dropout": 0}
    list(train(change_settings(Settings(), few), digits, home=home, name="few", parent=trials(home)[0].id))
    return home


@pytest.fixture
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, with places of its own."""
    places = make_places(tmp_path, monkeypatch)
    shutil.copytree(trained, places)
    remember(places, shown=trials(places)[0].id)
    return places


async def read(console: Console) -> None:
    await console.until(lambda: console.view.reading is not None)


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 1), ((120, 40), 2)], ids=str)
def test_the_curves_are_read_below_the_plot(home: Path, size: tuple[int, int], rows: int) -> None:
    found = diagnose_trial(trials(home)[0])
    assert found[0].rule == "dropout too strong" and found[0].suggestion is not None

    async def steps(console: Console) -> None:
        await read(console)
        await console.go_to("curves")
        line = console.find(DiagnosisLine)
        assert line.region.height == rows
        await console.see("dropout too strong", f"D {found[0].suggestion.words}", f"Y all {len(found)}")

    run(home, steps, size)


def test_one_key_opens_the_form_with_the_change_made(home: Path) -> None:
    trial = trials(home)[0]

    async def steps(console: Console) -> None:
        await read(console)
        edits = console.app.edits
        before = edits.draft
        await console.press("D")
        draft = edits.draft
        assert draft.parent == trial.id and draft.begin == trial.settings()
        assert draft.settings == change_settings(trial.settings(), {"model.hidden.*.dropout": 0.8})
        assert draft.note == "suggested: lower the dropout to 0.8 (dropout too strong)"
        assert draft.old_values == {"model.hidden.1.dropout": "0.9"}
        assert console.app.workbench.panel == "architecture"
        assert console.app.focused.cursor == "model.hidden.1.dropout"  # type: ignore[union-attr]
        await console.see("was 0.9", "u takes it back")
        await console.press("u")
        assert edits.draft == before

    run(home, steps)


def test_all_diagnoses_are_told_with_their_numbers(home: Path) -> None:
    found = diagnose_trial(trials(home)[0])

    async def steps(console: Console) -> None:
        await read(console)
        await console.press("Y")
        assert isinstance(console.app.screen, TextDialog)
        for each in found:
            assert each.rule in console.text
        for name, value in found[0].numbers.items():
            assert f"{name.replace('_', ' ')} {value:.4g}" in console.text
        assert found[0].suggestion is not None and f"→ {found[0].suggestion.words}" in console.text
        await console.press("escape")
        await console.go_to("curves")
        await console.click("dropout too strong")
        assert isinstance(console.app.screen, TextDialog)

    run(home, steps)


def test_curves_that_are_too_short_tell_nothing(home: Path) -> None:
    few = trials(home)[1]
    assert diagnose_trial(few) == []
    remember(home, shown=few.id)

    async def steps(console: Console) -> None:
        await read(console)
        before = console.app.edits.draft
        await console.see("the rules find nothing")
        for key, words in (
            ("D", "the curves suggest no change"),
            ("Y", "the rules read nothing off the curves yet"),
        ):
            await console.press(key)
            assert console.words == words
        assert console.app.edits.draft == before and console.app.screen is console.app.workbench

    run(home, steps)


def test_the_reading_goes_on_with_the_training(home: Path) -> None:
    async def steps(console: Console) -> None:
        await console.idle()
        edits = console.app.edits
        changes = {"model.hidden": "64", "training.epochs": 400, "model.hidden.*.dropout": 0.9}
        settings = change_settings(Settings(), changes)
        edits.change(type(edits.draft)(settings=settings, begin=settings))
        await console.press("s")
        await console.epochs(1)
        own = trials(home)[-1]
        await console.until(lambda: (now := console.view.reading) and now.trial == own and now.found)
        assert console.app.training is not None and console.app.training.is_running
        assert console.view.reading is not None and console.view.reading.settings == settings
        await console.press("x")
        await console.ended()

    run(home, steps)


def test_a_change_of_the_training_settings_is_gone_to(home: Path) -> None:
    async def steps(console: Console) -> None:
        await read(console)
        console.app.workbench._go_to_field("training.epochs")
        await console.settle()
        form = console.find(SettingsForm)
        assert form.has_focus and form.cursor == "training.epochs"

    run(home, steps)


def test_a_preset_tells_apart_what_is_stated_and_what_is_assumed(home: Path) -> None:
    async def steps(console: Console) -> None:
        await console.idle()
        await console.press("b")
        await console.see("trial-25")
        await console.press("slash")
        await console.write("trial-9")
        await console.press("down")
        await console.see("reported accuracy 56.45 %", "stated", "assumed")
        stated, assumed = console.find(ChoiceDetail), console.text[console.text.index("assumed   ") :]
        shown = str(stated.render())
        assert "hidden layers 512-512-256-64" in shown and "L2 lambda 0.003" in shown
        assert "epochs 160" in assumed and "batch size 128" in assumed and "L2 penalty on" in assumed
        assert "epochs 160" not in shown[: shown.index("assumed")]

    run(home, steps, (80, 24))


def test_a_trial_tells_its_changes_verdict_and_note(home: Path) -> None:
    async def steps(console: Console) -> None:
        await console.idle()
        await console.press("b")
        await console.see("trial-25")
        await console.press("home")
        await console.see(f"since {trials(home)[0].id}", "epochs: 10 -> 2", "dropout of layer 1: 0.9 -> 0", "verdict")
        assert "points:" in console.text and "McNemar" in console.text
        await console.press("down")
        await console.see("note      [red]x[/b]\\x1b[31m")
        assert "\x1b[31m" not in console.text and "McNemar" not in console.text
        await console.press("down", "down")
        await console.see("reported accuracy")

    run(home, steps, (80, 24))
