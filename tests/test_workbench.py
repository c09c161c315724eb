"""The workbench by keyboard and by mouse: forms, dialogs and palette."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.events import AppBlur, AppFocus

from core.data.dataset import Dataset
from core.presets import all_presets
from core.session import train
from core.settings import Settings
from tests.console import Console, make_places, run, settings_of, widths
from tui.draft import ALL_DROPOUTS
from tui.palette import TrialbookCommands
from tui.plot.widget import CurvesPlot
from tui.screens.check import CheckDialog
from tui.screens.dialogs import HelpDialog, NameDialog, TextDialog
from tui.widgets.architecture import OUTPUT_L2, ArchitectureTable
from tui.widgets.editor import Editor
from tui.widgets.network import Network
from tui.widgets.settings_form import SettingsForm
from tui.widgets.trial_list import TrialList

RATE = "training.learning_rate"


WIDE = (200, 60)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


def line(console: Console, text: str) -> str:
    """Return the left panels' part of the first line of the screen that holds a text."""
    return next(row for row in console.lines if text in row)[: console.app.workbench.query_one("#left").size.width]


def test_layers_are_added_moved_and_removed_by_keys(places: Path) -> None:
    async def steps(console: Console) -> None:
        table = console.find(ArchitectureTable)
        await console.press("a")
        assert isinstance(console.app.focused, Editor) and console.app.focused.selected_text == "256"
        await console.write("64")
        await console.press("enter")
        assert widths(console) == "256-64-128" and table.has_focus
        assert "64" in line(console, "+2") and "new" in line(console, "+2")
        await console.press("d")
        assert widths(console) == "256-64-64-128" and table.layer_number == 3
        await console.press("J")
        assert widths(console) == "256-64-128-64" and table.layer_number == 4
        await console.press("K", "K", "K")
        assert widths(console) == "64-256-64-128" and table.layer_number == 1
        await console.press("K")
        assert table.layer_number == 1
        await console.press("r", "r")
        assert widths(console) == "64-128"
        await console.press("plus", "plus", "minus")
        assert widths(console) == "128-128"
        await console.press("r", "r", "r")
        assert widths(console) == "none" and table.current is not None and table.current.path == OUTPUT_L2
        await console.press("enter")
        assert not settings_of(console).model.output.l2
        await console.press("a", "3", "2", "enter")
        assert widths(console) == "32"
        await console.press("u", "u", "u", "u", "u")
        assert settings_of(console).model.output.l2 and widths(console) == "128-128"
        while console.app.edits.can_undo:
            await console.press("u")
        assert settings_of(console) == Settings() and "u Undo" not in console.footer
        while console.app.edits.can_redo:
            await console.press("U")
        assert widths(console) == "32"

    run(places, steps, WIDE)


def test_widths_are_one_line_and_cells_take_numbers_choices_and_switches(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("w")
        assert isinstance(console.app.focused, Editor) and console.app.focused.value == "256-128"
        await console.retype("512-x")
        assert console.app.focused.has_class("-wrong")
        await console.press("enter")
        assert widths(console) == "256-128" and "✗ 512-x" in console.text
        await console.press("w")
        assert isinstance(console.app.focused, Editor) and console.app.focused.value == "512-x"  # to be mended
        await console.retype("512-64-16")
        await console.press("enter")
        assert widths(console) == "512-64-16" and "✗" not in console.text
        assert "512*" in line(console, "512*") and "was 256" in line(console, "512*")
        await console.move_to("model.hidden.2.width")
        await console.press("9", "6", "enter")  # a digit begins to type
        assert settings_of(console).model.hidden[1].width == 96
        await console.move_to("model.hidden.2.batch_norm")
        await console.press("space")
        assert not settings_of(console).model.hidden[1].batch_norm and "□*" in line(console, "96*")
        await console.press("right", "enter")
        assert settings_of(console).model.hidden[1].activation == "leaky_relu"
        await console.press("minus", "minus")
        assert settings_of(console).model.hidden[1].activation == "tanh"
        await console.press("l", "full_stop", "3", "enter")
        assert settings_of(console).model.hidden[1].dropout == 0.3
        await console.press("plus", "l", "enter")
        assert settings_of(console).model.hidden[1].dropout == 0.35 and not settings_of(console).model.hidden[1].l2
        await console.press("h", "h", "h", "h", "j")
        assert console.find(ArchitectureTable).cursor == "model.hidden.3.width"
        size = console.find(Network)
        assert size.shape is not None and f"{size.shape.train_images:,} + " in console.text

    run(places, steps, WIDE)


def test_settings_are_stepped_chosen_and_switched_by_keys(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.go_to("training", "training.l2_lambda")
        await console.press("right", "right", "l", "left")
        assert settings_of(console).training.l2_lambda == pytest.approx(0.002)
        assert "* L2 lambda" in line(console, "L2 lambda") and "was 0" in line(console, "L2 lambda")
        await console.press("u")  # steps of one field are one edit
        assert settings_of(console).training.l2_lambda == 0
        await console.press("j")
        assert console.find(SettingsForm).cursor == ALL_DROPOUTS
        await console.press("0", "full_stop", "4", "enter")
        assert [layer.dropout for layer in settings_of(console).model.hidden] == [0.4, 0.4]
        assert "was 0.2" in line(console, "dropout, all layers") and "was 0.2" in line(console, " 1      256")
        await console.press("right")
        assert [layer.dropout for layer in settings_of(console).model.hidden] == [0.45, 0.45]
        await console.move_to("training.optimizer")
        await console.press("right", "right")
        assert settings_of(console).training.optimizer == "sgd" and "no effect here" not in line(console, "momentum")
        await console.press("enter", "left")
        assert settings_of(console).training.optimizer == "sgd"
        await console.move_to("data.normalization")
        await console.press("left")
        assert settings_of(console).data.normalization == "none"  # "given" alone is wrong: mean and deviation are due
        assert "✗" in console.text
        await console.press("r")
        await console.move_to("data.horizontal_flip")
        await console.press("space")
        assert settings_of(console).data.horizontal_flip and "■ on" in line(console, "horizontal flip")
        await console.move_to("training.seed")
        await console.press("4", "2", "tab")  # kept, and one down
        assert settings_of(console).training.seed == 42
        assert console.find(SettingsForm).cursor == "training.device"
        await console.press("k", "r")
        assert settings_of(console).training.seed == 0
        assert "4 changes" in console.lines[0]  # two dropouts, the optimizer and the flip
        await console.press("R")
        assert settings_of(console) == Settings() and "change" not in console.lines[0]

    run(places, steps, WIDE)


def test_wrong_input_is_marked_with_its_reason_and_start_is_refused(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.go_to("training", RATE)
        await console.press("enter")
        await console.retype("fast")
        editor = console.app.focused
        assert isinstance(editor, Editor) and editor.has_class("-wrong")
        assert "✗ must be a number over 0 and at most 10" in console.text
        await console.press("escape")  # left as it was
        assert not console.app.edits.draft.wrong and "0.001" in line(console, "learning rate")
        await console.press("enter")
        await console.retype("fast")
        await console.press("enter")
        assert "✗ learning rate" in line(console, "learning rate") and "fast" in line(console, "learning rate")
        assert "must be a number" in line(console, "learning rate")
        assert "1 wrong" in console.lines[0] and "start is off" in console.words
        await console.press("s")
        assert console.app.training is None
        assert "Cannot start" in console.words and "must be a number over 0" in console.words
        await console.press("c")
        assert not isinstance(console.app.screen, CheckDialog) and "✗" in console.words
        await console.press("enter", "up")  # a step from wrong input goes from the last right one
        editor = console.app.focused
        assert isinstance(editor, Editor) and float(editor.value) > 0.001 and not editor.has_class("-wrong")
        await console.press("down", "enter")
        assert not console.app.edits.draft.wrong and "ready" in console.words
        await console.press("u")
        assert "start is off" in console.words
        await console.press("r")
        assert settings_of(console) == Settings() and not console.app.edits.draft.wrong

    run(places, steps, WIDE)


def test_a_look_into_another_window_does_not_end_the_typing(places: Path) -> None:
    async def steps(console: Console) -> None:
        form = console.find(SettingsForm)
        await console.go_to("training", RATE)
        await console.press("enter")
        await console.retype("0.")
        editor = console.app.focused
        for is_short in (False, True):
            console.app.post_message(AppBlur())
            if not is_short:
                await console.settle()
            console.app.post_message(AppFocus())
            await console.settle()
            assert console.app.focused is editor and form.editor is editor
        await console.write("5")
        await console.press("enter", "down")
        assert settings_of(console).training.learning_rate == 0.5 and form.cursor != RATE
        await console.press("up", "enter")
        await console.retype("0.25")
        await console.click("relu")  # elsewhere: what is typed is kept
        assert settings_of(console).training.learning_rate == 0.25 and form.editor is None

    run(places, steps)


def test_the_newest_presets_stand_first(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("b")
        await console.idle()
        names = [row.key for row in console.find(TrialList).shown]
        assert names == ["best-mlp", *(f"trial-{number}" for number in range(25, -1, -1)), "digits"]

    run(places, steps, (80, 24))


def test_a_preset_is_chosen_and_its_values_are_shown_beside_changes(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("b")
        await console.see("trial-25")
        await console.press("slash")
        await console.write("trial-25")
        await console.press("down")
        assert len([row for row in console.lines if "preset  " in row]) == 1 and re.search("▸ +trial-25", console.text)
        await console.press("enter")
        preset = all_presets()["trial-25"].settings
        assert settings_of(console) == preset and "from trial-25" in console.lines[0]
        await console.go_to("training", "training.l2_lambda")
        before = f"{preset.training.l2_lambda:g}"
        await console.press("right")
        assert f"was {before}" in line(console, "L2 lambda") and "1 change" in console.lines[0]
        await console.press("u", "u")
        assert settings_of(console) == Settings() and "from the defaults" in console.lines[0]
        await console.press("b")
        await console.see("trial-25")
        await console.press("escape")
        assert settings_of(console) == Settings()

    run(places, steps)


def test_dialogs_of_name_command_line_and_help(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("n")
        assert isinstance(console.app.screen, NameDialog)
        await console.write("less noise")
        await console.press("tab")
        await console.write("it's a [test]")
        await console.press("enter")
        draft = console.app.edits.draft
        assert (draft.name, draft.note) == ("less noise", "it's a [test]") and "less noise" in console.lines[0]
        await console.press("n", "x", "escape")
        assert console.app.edits.draft.name == "less noise"
        await console.press("n")
        await console.retype("last")
        await console.press("enter")
        await console.see('✗ a trial cannot be named "last"')
        await console.retype(" newest ")
        await console.press("enter")
        assert (console.app.edits.draft.name, console.app.edits.draft.note) == ("newest", draft.note)
        await console.press("u")
        assert console.app.edits.draft.name == "less noise"
        await console.go_to("training", "training.epochs")
        await console.press("7", "enter", "y")
        assert isinstance(console.app.screen, TextDialog)
        for word in ("trialbook", "--epochs 7", "--name 'less noise'", "[test]"):
            assert word in console.text
        await console.press("y")
        assert "--epochs 7" in console.app.clipboard and "copied" in console.text
        await console.press("w")
        written = (places / "saved_models" / "last-text.txt").read_text()
        assert written.strip() == console.app.clipboard and "written to" in console.text
        await console.press("escape", "question_mark")
        assert isinstance(console.app.screen, HelpDialog)
        lines = [row.strip("│╭╮╰╯─ ") for row in console.lines]
        heads = [text for text in ("Training settings", "Workbench", "Everywhere") if text in lines]
        assert heads[0] == "Training settings" and any("the next larger value or choice" in row for row in lines)
        before = console.text
        await console.press("pagedown")
        assert console.text != before
        await console.press("escape")
        assert console.app.screen is console.app.workbench

    run(places, steps, (80, 24))


def test_the_check_tells_what_speaks_for_and_against_the_settings(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("c")
        await console.see("Nothing speaks against it")
        for subject in ("memory", "first cost", "gradients", "one batch", "time"):
            assert f"✓ {subject}" in console.text
        await console.press("escape")
        await console.press("w")
        await console.retype("1000000-1000000")
        await console.press("enter", "c")
        await console.see("The training will not work like this")
        assert "✗ memory" in console.text

    run(places, steps)


def test_the_palette_finds_actions_presets_and_trials(places: Path, digits: Dataset, small: Settings) -> None:
    for _ in train(small, digits, home=places, name="[b]old[/b]"):
        pass

    async def steps(console: Console) -> None:
        async def find(text: str) -> None:
            await console.press("ctrl+p")
            await console.write(text)
            await console.see(text)
            await console.press("enter")

        await console.idle()
        await find("Give the next trial a name")
        await console.until(lambda: isinstance(console.app.screen, NameDialog))
        await console.press("escape")
        await find("Smooth the curves")
        await console.until(lambda: console.find(CurvesPlot).view.smoothing != 0)
        assert console.find(CurvesPlot).has_focus
        await find("Begin from preset trial-3")
        await console.until(lambda: console.app.edits.draft.parent is not None)
        assert console.app.edits.draft.parent in ("trial-3",)
        await find("Begin from trial 2")
        await console.until(lambda: settings_of(console) == small)

    run(places, steps)


def test_a_search_of_the_palette_lets_the_screen_go_on(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.palette._UNINTERRUPTED", 0.0)
    monkeypatch.setattr(TrialbookCommands, "_read_trials", lambda _: [(f"trial {at}", "") for at in range(200)])
    listed = Counter[str]()
    for name in ("_list_actions", "_list_places"):
        monkeypatch.setattr(TrialbookCommands, name, counting(listed, name, getattr(TrialbookCommands, name)))

    async def steps(console: Console) -> None:
        await console.idle()
        provider = TrialbookCommands(console.app.workbench)
        await provider.startup()
        for query in ("t", "tr"):
            turns = 0

            async def take_turns() -> None:
                nonlocal turns
                while True:
                    turns += 1
                    await asyncio.sleep(0)

            others = asyncio.create_task(take_turns())
            hits = [hit async for hit in provider.search(query)]
            others.cancel()
            assert len(hits) == 100 and turns >= 400
        assert listed == {"_list_actions": 1, "_list_places": 1}

    run(places, steps)


def counting(calls: Counter[str], name: str, call: Callable[[object], object]) -> Callable[[object], object]:
    def counted(self: object) -> object:
        calls[name] += 1
        return call(self)

    return counted
