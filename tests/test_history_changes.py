"""What one does to trials in the history: note, name, tags, star, trash, files, marks; and the order of a tree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from core.data.dataset import Dataset
from core.errors import TrialError
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import list_trials
from core.trials.trial import About, Trial
from core.trials.upkeep import edit_about, trashed, write_about
from tests.console import SIZES, Console, Steps, make_places, run
from tui.screens.compare import CompareScreen
from tui.screens.history import HistoryScreen
from tui.screens.upkeep import AboutDialog, TrashScreen
from tui.upkeep import delete, restore
from tui.widgets.tree import as_tree
from tui.widgets.trial_list import Row, TrialList

EVIL = "[red]x[/b]\x1b[31m\u202e"


@pytest.fixture
def home(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a trial, one derived from it that is much better, and one derived from that."""
    places = make_places(tmp_path, monkeypatch)
    parent = None
    for name, changes in (
        ("root", {"model.hidden": "2", "training.epochs": 1}),
        ("child", {"model.hidden": "32", "training.epochs": 3}),
        ("grandchild", {"model.hidden": "32", "training.epochs": 3, "training.batch_size": 64}),
    ):
        settings = change_settings(Settings(), changes)
        list(train(settings, digits, home=places, name=name, parent=parent))
        parent = trials(places)[-1].id
    return places


def trials(home: Path) -> list[Trial]:
    return [listed.trial for listed in list_trials(home)]


def in_history(home: Path, steps: Steps, size: tuple[int, int] = (120, 40)) -> None:
    """Open the history by its key and do the steps; the cursor is on the newest trial."""

    async def body(console: Console) -> None:
        await console.press("o")
        await console.see("grandchild")
        await steps(console)

    run(home, body, size)


def detail(console: Console) -> str:
    return str(console.find(Static, "#history-detail").content)


def shown(console: Console) -> list[str]:
    trial_list = console.find(TrialList)
    at = [column.title for column in trial_list.columns].index("trial")
    return [row.cells[at] for row in trial_list.shown]


def selected(console: Console) -> str:
    row = console.find(TrialList).row
    assert row is not None
    return row.key


def test_list_and_detail_say_what_changed_and_whether_it_is_real(home: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("down")
        told = detail(console)
        assert "changed since root: width of layer 1: 2 -> 32" in told
        assert "more than chance (McNemar p < 0.001)" in told and "McNemar's exact test" in told
        row = console.find(TrialList).row
        assert row is not None and any(cell.endswith("▲") and cell.startswith("+") for cell in row.cells)
        await console.press("down")
        assert "verdict" not in detail(console) and "changed since" not in detail(console)
        await console.press("slash")
        await console.write("parent:child status:finished")
        assert shown(console) == ["grandchild"]

    in_history(home, steps)


def test_a_note_is_edited_at_any_time(home: Path) -> None:
    last = trials(home)[-1]

    async def steps(console: Console) -> None:
        await console.press("n")
        assert isinstance(console.app.screen, AboutDialog) and console.app.focused is console.find(Input, "#about-note")
        await console.write("smaller batches [later]")
        await console.press("enter")
        await console.until(lambda: last.about().note == "smaller batches [later]")
        await console.see("note smaller batches [later]")
        assert selected(console) == last.id

    in_history(home, steps)
    assert last.about() == About("grandchild", "smaller batches [later]")


def test_rename_tag_and_star_lose_nothing_else(home: Path) -> None:
    last = trials(home)[-1]
    edit_about(last, note="kept")

    async def steps(console: Console) -> None:
        await console.press("N")
        await console.retype("final")
        await console.press("enter")
        await console.until(lambda: "final" in shown(console))
        await console.press("g")
        await console.write("night  cifar night")
        await console.press("enter")
        await console.until(lambda: last.about().tags == ("night", "cifar"))
        await console.press("f")
        await console.until(lambda: "★ final" in detail(console))
        assert selected(console) == last.id
        await console.press("slash")
        await console.write("tag:cifar starred")
        assert shown(console) == ["final"]

    in_history(home, steps)
    assert last.about() == About("final", "kept", ("night", "cifar"), True)


def test_the_dialog_writes_what_was_changed_in_it_and_nothing_else(home: Path) -> None:
    last = trials(home)[-1]
    write_about(last, About("grandchild", "why", ("two words", "x", "z")))  # as older versions let people tag

    async def steps(console: Console) -> None:
        await console.until(lambda: "two words" in detail(console))
        await console.press("g", "enter")
        await console.idle()
        assert last.about() == About("grandchild", "why", ("two words", "x", "z"))
        await console.press("g")
        edit_about(last, name="theirs", add_tags=("their",), remove_tags=("x",))  # while the dialog is open
        await console.retype("two words z a, b,")
        await console.press("enter")
        await console.until(lambda: "a" in last.about().tags)
        assert last.about() == About("theirs", "why", ("two words", "z", "their", "a", "b"))
        await console.until(lambda: "their" in detail(console))
        await console.press("g")
        await console.retype("two z")
        await console.press("enter")
        await console.until(lambda: len(last.about().tags) == 2)

    in_history(home, steps)
    assert last.about() == About("theirs", "why", ("z", "two"))


def test_delete_asks_once_and_undo_brings_the_trial_back(home: Path) -> None:
    root, child, _ = trials(home)

    async def steps(console: Console) -> None:
        await console.press("down", "d")
        await console.see("Delete child?", "u brings it back")
        await console.press("escape")
        assert len(shown(console)) == 3
        await console.press("d", "enter")
        await console.until(lambda: shown(console) == ["grandchild", "root"])
        assert selected(console) == root.id  # the next one
        assert [trial.id for trial in trashed(home)] == [child.id]
        await console.press("u")
        await console.until(lambda: len(shown(console)) == 3)
        assert selected(console) == child.id

    in_history(home, steps)
    assert child in trials(home)


def test_marked_trials_are_deleted_and_brought_back_together(home: Path) -> None:
    root, child, last = trials(home)

    async def steps(console: Console) -> None:
        await console.press("space", "space")  # the two newest; the cursor stands on the oldest
        assert selected(console) == root.id
        await console.press("d")
        await console.see("Delete the 2 marked trials?", "u brings them back")
        await console.press("enter")
        await console.until(lambda: shown(console) == ["root"])
        assert {trial.id for trial in trashed(home)} == {child.id, last.id}
        await console.press("u")
        await console.until(lambda: len(shown(console)) == 3)

    in_history(home, steps)
    assert trials(home) == [root, child, last]


def test_of_trials_to_delete_those_that_can_be_are_and_the_others_are_told(home: Path) -> None:
    root, child, last = trials(home)
    done = delete(home, [root, Trial(home / "saved_models" / "gone"), last])
    assert done.text.startswith("2 of 3 trials are in the trash; ") and "gone" in done.text
    assert trials(home) == [child]
    back = restore(home, [done.trashed[0], "20200101-000000-00aaaa", done.trashed[1]])
    assert back.text.startswith("2 trials are back; ")
    assert trials(home) == [root, child, last]
    with pytest.raises(TrialError, match="20200101-000000-00aaaa"):
        restore(home, ["20200101-000000-00aaaa"])


def test_the_trash_restores_and_empties(home: Path) -> None:
    root, child, last = trials(home)

    async def steps(console: Console) -> None:
        await console.press("d", "enter")
        await console.until(lambda: len(shown(console)) == 2)
        await console.press("d", "enter")
        await console.until(lambda: len(shown(console)) == 1)
        await console.press("T")
        assert isinstance(console.app.screen, TrashScreen)
        await console.until(lambda: len(console.find(TrialList).rows) == 2)
        await console.press("down", "enter")  # the older one
        await console.until(lambda: len(console.find(TrialList).rows) == 1)
        await console.press("E")
        await console.see("Nothing brings")
        assert console.app.focused is console.find(OptionList)
        await console.press("enter")
        await console.until(lambda: not trashed(home))
        await console.see("The trash is empty")
        await console.press("escape")
        await console.until(lambda: shown(console) == ["child", "root"])

    in_history(home, steps)
    assert trials(home) == [root, child] and not last.directory.exists()


def test_a_trash_that_cannot_be_read_says_so_once(home: Path) -> None:
    (home / "saved_models" / ".trash").write_text("no directory")

    async def steps(console: Console) -> None:
        await console.press("T")
        await console.see(".trash")
        await console.idle()
        assert ".trash" in console.find(TrialList).empty and not console.toasts
        assert len(console.app.workers) == 0

    in_history(home, steps)


def test_undo_after_the_trash_brings_back_what_is_still_in_it(home: Path) -> None:
    _, child, last = trials(home)

    async def steps(console: Console) -> None:
        for left in (2, 1):
            await console.press("d", "enter")
            await console.until(lambda left=left: len(shown(console)) == left)
        await console.press("T")
        await console.until(lambda: len(console.find(TrialList).rows) == 2)
        await console.press("down", "u")  # the one that was deleted last
        assert [row.key for row in console.find(TrialList).rows] == [last.id]
        await console.until(lambda: len(trashed(home)) == 1)
        await console.press("escape")
        await console.until(lambda: len(shown(console)) == 2)
        await console.press("u")
        await console.until(lambda: len(shown(console)) == 3)
        await console.idle()
        assert not trashed(home) and "✗" not in console.text
        assert not console.app.screen.check_action("undo", ())

    in_history(home, steps)
    assert child in trials(home)


def test_a_trial_goes_to_a_file_and_comes_back(home: Path, tmp_path: Path) -> None:
    last, file = trials(home)[-1], tmp_path / "out.trialbook"
    accuracy = last.summary()["last"]["test_accuracy"]

    async def steps(console: Console) -> None:
        await console.press("x")
        await console.retype(str(file))
        await console.press("enter")
        await console.until(file.exists)
        await console.see("written to")
        await console.press("d", "enter")
        await console.until(lambda: len(shown(console)) == 2)
        await console.press("i")
        await console.write(str(tmp_path / "nothing"))
        await console.press("enter")
        await console.until(lambda: "not there" in console.text)
        await console.retype(str(tmp_path))
        await console.press("enter")
        await console.until(lambda: "plain" in console.text)
        await console.retype(str(file))
        await console.press("enter")
        await console.until(lambda: len(shown(console)) == 3)
        assert selected(console) == last.id

    in_history(home, steps)
    assert last.summary()["last"]["test_accuracy"] == accuracy and last.weights().exists()


def test_marked_trials_are_compared(home: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("v")
        await console.see("2 to 8 trials can be compared, none is marked: space marks")
        await console.press("space", "v")
        assert isinstance(console.app.screen, HistoryScreen) and "1 marked" in console.text
        await console.see("2 to 8 trials can be compared, 1 is marked: space marks")
        await console.press("space", "v")
        assert isinstance(console.app.screen, CompareScreen)
        await console.see("child", "grandchild")
        await console.press("escape")
        assert "2 marked" in console.text

    in_history(home, steps)


def test_children_stand_below_their_parents(home: Path) -> None:
    async def steps(console: Console) -> None:
        await console.press("t")
        assert shown(console) == ["root", "child", "grandchild"]
        lines = [line for line in console.lines if "└" in line]
        assert "child" in lines[0] and "grandchild" in lines[1] and lines[0].index("└") < lines[1].index("└")
        assert selected(console) == trials(home)[-1].id
        await console.until(lambda: any("▸" in line and "grandchild" in line for line in console.lines))
        await console.press("slash")
        await console.write("grandchild")
        assert shown(console) == ["grandchild"]
        await console.press("escape")
        assert selected(console) == trials(home)[-1].id
        await console.press("t")
        assert shown(console) == ["grandchild", "child", "root"]

    in_history(home, steps)


def test_a_tree_loses_nobody() -> None:
    def row(key: str, parent: str | None) -> Row:
        return Row(key, (key,), (key,), key, parent=parent)

    everything = [row("a", None), row("b", "a"), row("c", "b"), row("x", "y"), row("y", "x"), row("z", "gone")]
    found = [(each.key, depth) for each, depth in as_tree(everything, everything)]
    assert found == [("a", 0), ("b", 1), ("c", 2), ("z", 0), ("x", 0), ("y", 1)]
    # where its parent is filtered out, a line stands below the nearest ancestor that is shown
    assert [(each.key, depth) for each, depth in as_tree([everything[2], everything[0]], everything)] == [
        ("a", 0),
        ("c", 1),
    ]


def test_the_cursor_stays_on_its_trial_when_others_come_and_go(home: Path) -> None:
    _, child, last = trials(home)

    async def steps(console: Console) -> None:
        await console.press("down")
        assert selected(console) == child.id
        last.directory.rename(home / "elsewhere")
        await console.until(lambda: len(shown(console)) == 2)
        assert selected(console) == child.id
        (home / "elsewhere").rename(last.directory)
        await console.until(lambda: len(shown(console)) == 3)
        assert selected(console) == child.id

    in_history(home, steps)


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}x{0[1]}".format)
def test_hostile_texts_are_shown_without_harm(home: Path, size: tuple[int, int]) -> None:
    root, child, last = trials(home)
    edit_about(root, name=EVIL)
    edit_about(child, name=EVIL, note=EVIL, add_tags=(EVIL,))
    summary = child.summary()
    hostile = {"changes": EVIL, "hidden": EVIL, "source": EVIL, "reason": EVIL, "seconds": "x", "best": [EVIL]}
    (child.directory / "summary.json").write_text(json.dumps({**summary, **hostile, "verdict": {"images": 0}}))

    async def steps(console: Console) -> None:
        await console.press("down")
        await console.until(lambda: "\\x1b[31m" in detail(console))
        assert "[red]x[/b]" in detail(console)
        for key in ("t", "d", "escape", "x", "escape", "n", "escape", "d", "enter"):
            await console.press(key)
            await console.settle()
            assert "\x1b" not in console.text and "\u202e" not in console.text
        await console.until(lambda: len(shown(console)) == 2)
        assert all("\x1b" not in toast and "\u202e" not in toast for toast in console.toasts)
        await console.press("T")
        await console.until(lambda: len(console.find(TrialList).rows) == 1)
        assert "\x1b" not in console.text and "\u202e" not in console.text

    in_history(home, steps, size)
    assert last in trials(home)
