"""What could not be saved in its home is saved elsewhere, however the training ends and whatever is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.errors import DivergedError, TrialError
from core.events import Event, Finished, NotSaved
from core.files import refuse_directory
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import list_trials
from core.trials.trial import SUMMARY, Trial
from core.trials.writer import TrialWriter
from tests.conftest import Ran
from tui.draft import Draft
from tui.training import Training

Call = Callable[..., Ran]


@pytest.fixture
def rescued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Trial]]:
    """Let rescued trials go to a place of the test's own; return a function that lists them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lambda: [each.trial for each in list_trials(tmp_path / "state" / "trialbook" / "rescued")]


@pytest.fixture
def full(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no epoch be written to the home."""
    write = TrialWriter._write_tensors

    def refuse(self: TrialWriter, *arguments: object) -> None:
        if home in self.trial.directory.parents:
            raise TrialError("cannot write model.pt: No space left on device")
        write(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TrialWriter, "_write_tensors", refuse)


def diverge_in(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, current: int, *__: object, **___: object) -> None:
        if current == epoch:
            raise DivergedError("the cost became NaN")

    monkeypatch.setattr("core.trainer.Trainer._refuse_infinite", refuse)


@pytest.mark.usefixtures("full")
def test_a_replay_saves_elsewhere_what_it_cannot_save_at_home(
    trialbook: Call, rescued: Callable[[], list[Trial]]
) -> None:
    ran = trialbook("replay", "trial-0", "trial-9", "--data", "digits", "--epochs", 1)
    assert ran.status == 0, ran.err
    assert [trial.about().name for trial in rescued()] == ["trial-0", "trial-9"]
    assert str(rescued()[0].directory) in ran.err.replace("\n", "")


@pytest.mark.usefixtures("full")
def test_a_training_that_fails_leaves_the_epochs_before_elsewhere(
    trialbook: Call, rescued: Callable[[], list[Trial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge_in(3, monkeypatch)
    ran = trialbook("train", "--epochs", 5, "--json")
    assert ran.status == 1 and "the cost became NaN" in ran.err
    (end,) = (event for event in ran.events() if event["event"] == "finished")
    assert (end["status"], end["epochs"], end["reason"]) == ("failed", 2, "the cost became NaN")
    (trial,) = rescued()
    assert end["model"] == str(trial.weights()) and trial.weights().is_file()
    assert len(trial.history()[0]) == 2 and trial.summary()["status"] == "failed"


def test_a_failed_training_is_told_once_and_what_is_kept_of_it(
    trialbook: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge_in(3, monkeypatch)
    ran = trialbook("train", "--epochs", 5)
    assert ran.status == 1
    assert (ran.out + ran.err).count("the cost became NaN") == 1
    assert "the epochs until 2 are kept in" in ran.out and "Accuracy on test set" not in ran.out


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_trial_whose_directory_is_gone_is_saved_elsewhere_before_anything_is_said_of_it(
    trialbook: Call, rescued: Callable[[], list[Trial]], monkeypatch: pytest.MonkeyPatch, seeds: int
) -> None:
    monkeypatch.setattr("core.trials.saver.AHEAD", 0.0)
    take, gone = TrialWriter.take, []

    def remove(self: TrialWriter, *arguments: object) -> object:
        if not gone:
            gone.append(self.trial.directory.rename(self.trial.directory.parent.parent / "gone"))
        return take(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(TrialWriter, "take", remove)
    ran = trialbook("train", "--epochs", 3, "--seeds", seeds)
    assert ran.status == 0, ran.err
    assert [len(trial.history()[0]) for trial in rescued()] == [3]
    assert ran.out.count("Accuracy on test set") == seeds
    assert f"trialbook evaluate {rescued()[0].directory}" in ran.out.replace("\n", "")


@pytest.mark.usefixtures("full")
def test_what_can_be_saved_nowhere_is_told_and_fails(trialbook: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> Trial:
        raise TrialError("cannot write there: Read-only file system")

    monkeypatch.setattr("core.trials.rescue.rescue", refuse)
    ran = trialbook("train", "--epochs", 1, "--seeds", 2)
    assert ran.status == 1
    assert ran.err.count("nor could the trial be saved elsewhere: cannot write there") == 2
    assert ran.complaints[-1].endswith("could not be saved")


def test_a_parent_that_cannot_be_read_spoils_no_result(trialbook: Call, home: Path) -> None:
    trialbook("train", "--epochs", 1)
    (parent,) = list_trials(home)
    (parent.trial.directory / SUMMARY).write_text("{")
    ran = trialbook("train", "--from", parent.trial.id, "--epochs", 1)
    assert ran.status == 0, ran.err
    assert ran.lines[-1].startswith("Accuracy on test set")


def test_a_name_that_no_file_can_have_is_told_by_the_file_that_cannot_be_written(tmp_path: Path) -> None:
    refuse_directory(tmp_path / ("x" * 5_000))  # whether it is a directory cannot be asked: others tell what is wrong
    for directory in (tmp_path, Path("/")):
        with pytest.raises(TrialError, match="it is a directory; name a file in it"):
            refuse_directory(directory)


@pytest.mark.usefixtures("full")
def test_the_error_is_raised_after_the_end_is_told(
    small: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge_in(2, monkeypatch)
    heard: list[Event] = []
    with pytest.raises(DivergedError):
        heard.extend(train(small, digits, home=home))  # what comes before an error is kept
    assert isinstance(heard[-1], Finished) and heard[-1].unsaved is not None
    assert [type(event) for event in heard].count(NotSaved) == 1


@pytest.mark.usefixtures("full")
def test_the_console_saves_elsewhere_what_a_failed_training_leaves(
    small: Settings, digits: Dataset, home: Path, rescued: Callable[[], list[Trial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    diverge_in(3, monkeypatch)
    settings = change_settings(small, {"training.epochs": 5})
    training = Training(Draft(settings=settings), home, lambda *_: digits, lambda _: None)
    training.run()
    now = training.snapshot
    assert now.phase == "ended" and now.error == "the cost became NaN"
    (trial,) = rescued()
    assert f"the whole trial is saved in {trial.directory} instead" in now.not_saved
    assert len(trial.history()[0]) == 2
    assert json.loads((trial.directory / SUMMARY).read_text())["status"] == "failed"


@pytest.mark.usefixtures("full")
def test_a_rescued_trial_that_goes_on_is_told_by_its_directory(
    trialbook: Call, home: Path, rescued: Callable[[], list[Trial]]
) -> None:
    trialbook("train", "--hidden", "8", "--epochs", 1)
    (trial,) = rescued()
    assert Trial(home / "saved_models" / trial.id).directory.is_dir(), "a torn copy has the same id"
    ran = trialbook("resume", trial.directory, "--epochs", 2)
    assert f"`trialbook evaluate {trial.directory}` tells more" in ran.out
