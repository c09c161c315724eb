"""What people do to saved trials: edit, star, delete, restore."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.errors import TrialError
from core.events import EpochFinished, Finished, Started
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import find_trial, list_trials
from core.trials.trial import About, Trial
from core.trials.upkeep import delete_trial, edit_about, empty_trash, restore_trial, trashed, write_about
from tests.conftest import run_python


@pytest.fixture
def quick(small: Settings) -> Settings:
    return change_settings(small, {"training.epochs": 1})


def trained(settings: Settings, digits: Dataset, home: Path, **about: str) -> Trial:
    *_, ended = train(settings, digits, home=home, **about)  # type: ignore[arg-type]
    assert isinstance(ended, Finished)
    return ended.trial


def test_each_word_about_a_trial_is_changed_by_itself(quick: Settings, digits: Dataset, home: Path) -> None:
    trial = trained(quick, digits, home, name="first", note="to see")
    assert edit_about(trial, name="  renamed ") == About("renamed", "to see")
    assert edit_about(trial, add_tags=["wide", "b", "wide"], starred=True) == About(
        "renamed", "to see", ("wide", "b"), True
    )
    assert edit_about(trial, note="") == About("renamed", "", ("wide", "b"), True)
    assert edit_about(trial) == trial.about() == About("renamed", "", ("wide", "b"), True)
    assert edit_about(trial, remove_tags=("b", "wide"), starred=False) == trial.about() == About("renamed")
    assert trial.predictions(1).shape == (360,)
    assert find_trial(home, "renamed") == trial


def test_a_trial_may_be_edited_while_it_is_trained(small: Settings, digits: Dataset, home: Path) -> None:
    events = train(small, digits, home=home, name="before")
    started = next(events)
    assert isinstance(started, Started)
    edit_about(started.trial, name="meanwhile", starred=True)
    assert len([event for event in events if isinstance(event, EpochFinished)]) == 2
    assert started.trial.about() == About("meanwhile", starred=True)
    assert started.trial.summary()["status"] == "finished"


def test_two_who_edit_at_once_lose_nothing(quick: Settings, digits: Dataset, home: Path) -> None:
    trial = trained(quick, digits, home)
    for _ in range(20):
        write_about(trial, About())
        edits = [{"name": "n"}, {"note": "o"}, {"add_tags": ("t",)}, {"add_tags": ("u",)}, {"starred": True}]
        threads = [threading.Thread(target=edit_about, args=(trial,), kwargs=edit) for edit in edits]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        about = trial.about()
        assert (about.name, about.note, set(about.tags), about.starred) == ("n", "o", {"t", "u"}, True)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"name": "x" * 201}, "the name x+…x+ has 201 characters; 200 are allowed"),
        ({"note": "x" * 10_001}, "the note .* has 10,001 characters; 10,000 are allowed"),
        ({"add_tags": ["x" * 51]}, "the tag .* has 51 characters; 50 are allowed"),
        ({"add_tags": [str(number) for number in range(51)]}, "51 tags are too many"),
        *(({"add_tags": [tag]}, "a tag is one word .* is not") for tag in ("", " ", "a b", "a,", "a\n", " a")),
        ({"name": " last"}, 'a trial cannot be named "last", which means the newest one'),
    ],
)
def test_what_no_list_could_show_is_refused(
    quick: Settings, digits: Dataset, home: Path, edit: dict[str, object], message: str
) -> None:
    trial = trained(quick, digits, home, name="kept")
    with pytest.raises(TrialError, match=message):
        edit_about(trial, **edit)  # type: ignore[arg-type]
    assert trial.about() == About("kept")


def test_the_trash_gives_back_all_that_it_took(quick: Settings, digits: Dataset, home: Path) -> None:
    first, second = trained(quick, digits, home, name="one"), trained(quick, digits, home, name="two")
    before = {path.name: path.read_bytes() for path in first.directory.iterdir()}
    assert delete_trial(home, first) == home / "saved_models/.trash" / first.id
    assert [listed.trial for listed in list_trials(home)] == [second]
    with pytest.raises(TrialError, match="there is no trial one"):
        find_trial(home, "one")
    with pytest.raises(TrialError, match="there is no trial .* any more"):
        delete_trial(home, first)
    with pytest.raises(TrialError, match="No such file or directory"):
        edit_about(first, name="x")
    assert [trial.id for trial in trashed(home)] == [first.id]
    with pytest.raises(TrialError, match="there is no trial nope in the trash"):
        restore_trial(home, "nope")
    assert restore_trial(home, "one") == first
    assert {path.name: path.read_bytes() for path in first.directory.iterdir()} == before
    assert trashed(home) == []
    for trial in (first, second):
        delete_trial(home, trial)
    assert (empty_trash(home), empty_trash(home), trashed(home), list_trials(home)) == (2, 0, [], [])


def test_names_that_clash_in_the_trash_are_kept_apart(quick: Settings, digits: Dataset, home: Path) -> None:
    trial = trained(quick, digits, home, name="old")
    old = delete_trial(home, trial)
    os.mkdir(trial.directory)
    write_about(trial, About("new"))
    new = delete_trial(home, trial)
    assert (old.name, new.name) == (trial.id, f"{trial.id}.2")
    assert [each.about().name for each in trashed(home)] == ["old", "new"]
    assert restore_trial(home, new.name).about().name == "new"
    with pytest.raises(TrialError, match=f"cannot restore {trial.id}: there is a trial {trial.id}"):
        restore_trial(home, trial.id)
    assert [each.about().name for each in trashed(home)] == ["old"]
    assert trial.about().name == "new"


def test_a_trial_that_is_trained_is_not_deleted(small: Settings, digits: Dataset, home: Path) -> None:
    events = train(small, digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    with pytest.raises(TrialError, match="it is being trained; stop it first or wait for its end"):
        delete_trial(home, started.trial)
    path = started.trial.directory / "ran_on.json"
    ran_on = json.loads(path.read_text())
    path.write_text(json.dumps({**ran_on, "process": {**ran_on["process"], "host": "another"}}))
    with pytest.raises(TrialError, match="another machine may be training it"):
        delete_trial(home, started.trial)
    path.write_text(json.dumps({**ran_on, "process": {**ran_on["process"], "started": 1.0}}))
    with pytest.raises(TrialError, match="it is being trained; stop it first or wait for its end"):
        delete_trial(home, started.trial)  # its process cannot be seen, but holds its lock
    (started.trial.directory / "lock").unlink()
    assert delete_trial(home, started.trial).is_dir()  # its process has died
    *_, finished = events
    assert isinstance(finished, Finished)
    assert finished.unsaved is not None
    assert "is gone" in finished.unsaved.reason


def test_nothing_outside_the_home_is_deleted(quick: Settings, digits: Dataset, home: Path, tmp_path: Path) -> None:
    trial = trained(quick, digits, tmp_path / "other")
    with pytest.raises(TrialError, match="is left where it is"):
        delete_trial(home, trial)
    assert trial.settings() == quick


def test_emptying_removes_links_and_leaves_what_is_no_trial(quick: Settings, digits: Dataset, home: Path) -> None:
    trial = trained(quick, digits, home)
    trash = delete_trial(home, trial).parent
    (trash / "mine.txt").write_text("kept")
    kept = home / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    (trash / f"{trial.id}.7").symlink_to(kept)
    assert empty_trash(home) == 2
    assert [path.name for path in trash.iterdir()] == ["mine.txt"]
    assert (kept / "file").read_text() == "kept"


def test_a_trash_that_cannot_be_made_is_one_line(quick: Settings, digits: Dataset, home: Path) -> None:
    trial = trained(quick, digits, home)
    (home / "saved_models/.trash").write_text("a file")
    with pytest.raises(TrialError, match="cannot move .* to the trash: File exists"):
        delete_trial(home, trial)
    with pytest.raises(TrialError, match="cannot read .*: Not a directory"):
        trashed(home)
    assert trial.settings() == quick


def test_upkeep_comes_without_torch(tmp_path: Path) -> None:
    ran = run_python(
        """
import sys
from pathlib import Path
from core.trials import repeats, selection, upkeep
home = Path(sys.argv[1])
assert (upkeep.trashed(home), repeats.repeats_of([]), selection.selection_of([], "x")) == ([], {}, None)
heavy = {"torch", "numpy", "scipy", "safetensors"} & set(sys.modules)
assert not heavy, heavy
""",
        tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
