"""The current directory, removed by somebody while Trialbook runs, or before it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from core.control import Control
from core.data.dataset import Dataset
from core.detached import LOG, resume_detached
from core.events import EpochFinished
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import listed_trial
from tests.conftest import Ran
from tests.console import LIMIT, Console, make_places, run, trials
from tests.digits import SHORT, make_trial
from tui.command_line import command_line
from tui.draft import Draft
from tui.screens.bare_file import BareFileDialog
from tui.screens.dialogs import TextDialog
from tui.screens.upkeep import FileDialog


@pytest.fixture
def current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, beside the home."""
    make_places(tmp_path, monkeypatch)
    path = tmp_path / "current"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def test_the_console_goes_on_without_a_current_directory(current: Path, tmp_path: Path, digits: Dataset) -> None:
    trial = make_trial(tmp_path / "home", digits)

    async def steps(console: Console) -> None:
        current.rmdir()
        await console.press("y")
        assert isinstance(console.app.screen, TextDialog) and "trialbook --home" in console.text
        await console.press("w")
        await console.see("written to")
        await console.press("escape", "o")
        await console.see(trial.id)
        await console.press("x")
        assert isinstance(console.app.screen, FileDialog)
        assert console.find(Input).value == str(tmp_path / "user" / f"{trial.id}.trialbook")
        await console.retype("of-its-name-alone.trialbook")
        await console.press("enter", "p")
        assert isinstance(console.app.screen, BareFileDialog)
        await console.retype("model.pt")
        await console.press("tab")
        await console.retype("images")
        await console.press("enter")
        assert "which has been removed" in str(console.find(Static, "#bare-problem").content)
        await console.press("escape", "escape")
        await console.idle()

    run(Path("../home"), steps)
    assert (tmp_path / "home" / "saved_models" / "last-text.txt").is_file()


def test_a_command_line_always_names_the_home_where_there_is_no_current_directory(
    current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(current))
    assert command_line(Draft(), current) == "trialbook train"
    current.rmdir()
    assert command_line(Draft(), current) == f"trialbook --home {current} train"


@pytest.mark.parametrize("command", ["trials", "train --epochs 1", "evaluate model.pt", ""])
def test_a_command_without_a_current_directory_is_one_line(
    current: Path, trialbook: Callable[..., Ran], command: str
) -> None:
    current.rmdir()
    ran = trialbook(*command.split())
    assert ran.status == 1
    assert ran.complaints == ["trialbook: the current directory has been removed; change to another one"]


def test_a_training_is_left_running_without_a_current_directory(current: Path, tmp_path: Path, digits: Dataset) -> None:
    control = Control()
    for event in train(change_settings(Settings(), SHORT), digits, home=tmp_path / "home", control=control):
        if isinstance(event, EpochFinished):
            control.finish_epoch()
    (trial,) = trials(tmp_path / "home")
    current.rmdir()
    resume_detached(trial)
    end = time.monotonic() + LIMIT
    while listed_trial(trial).status != "finished":
        assert time.monotonic() < end, (trial.directory / LOG).read_text()
        time.sleep(0.1)
