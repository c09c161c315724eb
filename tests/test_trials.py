"""Saved trials: plain files that survive whatever happens to them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from core.control import Control
from core.data.dataset import Dataset
from core.epoch import Epoch
from core.errors import DivergedError, TrialError
from core.events import EpochFinished, Event, Finished, NotSaved, Outcome, Progress, Started
from core.files import replace_file, replace_text
from core.session import train
from core.settings import Settings, change_settings, differences, make_settings
from core.trials.store import find_trial, list_trials
from core.trials.trial import About, Trial
from core.trials.upkeep import write_about
from core.trials.writer import First, new_writer
from core.verdict import Verdict
from core.weights import read_weights
from tests.generated import make_home

EPOCH = Epoch(1, 2.5, 2.25, 0.5, 2.0, 0.25, None, None, 0.001, 1.5, 100.0)


def trained(settings: Settings, data: Dataset, home: Path, **options: object) -> tuple[Trial, list[Event]]:
    events = list(train(settings, data, home=home, **options))  # type: ignore[arg-type]
    assert isinstance(events[0], Started)
    return events[0].trial, events


def test_a_trial_has_all_its_files(small: Settings, digits: Dataset, home: Path) -> None:
    trial, events = trained(small, digits, home, name="first", note="to see", parent="digits")
    assert sorted(path.name for path in trial.directory.iterdir()) == [
        "about.json",
        "best.pt",
        "best_checkpoint.safetensors",
        "checkpoint.safetensors",
        "history.jsonl",
        "lock",
        "model.pt",
        "predictions",
        "ran_on.json",
        "settings.toml",
        "summary.json",
        "test_labels",
    ]
    finished = events[-1]
    assert isinstance(finished, Finished)
    told = [event.result for event in events if isinstance(event, EpochFinished)]
    assert trial.settings() == small
    assert trial.history() == (told, [])
    assert trial.about() == About("first", "to see")
    summary = trial.summary()
    assert (summary["status"], summary["parent"], summary["parameters"]) == (
        "finished",
        "digits",
        1314,
    )
    assert summary["last"]["test_accuracy"] == pytest.approx(told[-1].test_accuracy)
    ran_on = trial.ran_on()
    assert ran_on["data"]["fingerprint"] == digits.fingerprint
    assert ran_on["versions"]["torch"] == torch.__version__
    assert ran_on["device"] == "cpu" or torch.cuda.is_available()
    assert ran_on["threads"] == torch.get_num_threads()
    assert finished.model == trial.weights()


@pytest.mark.usefixtures("saved_at_once")
def test_every_epoch_is_on_disk_before_the_next_one_begins_where_nothing_may_be_lost(
    small: Settings, digits: Dataset, home: Path
) -> None:
    best = float("inf")
    for event in train(change_settings(small, {"training.epochs": 4}), digits, home=home):
        if isinstance(event, Started):
            trial = event.trial
            assert trial.history() == ([], [])
            assert trial.summary()["status"] == "running"
        if isinstance(event, EpochFinished):
            assert trial.history()[0][-1] == event.result
            assert np.array_equal(trial.predictions(event.result.epoch), event.predictions)
            for name, tensor in read_weights(trial.weights()).items():
                assert torch.equal(tensor, event.weights[name])
            best = min(best, event.result.test_cost)
            if event.is_best:
                assert event.result.test_cost == best
                assert read_weights(trial.weights(best=True)).keys() == event.weights.keys()
    with pytest.raises(TrialError, match="holds no epoch 5"):
        trial.predictions(5)


def test_two_runs_write_bitwise_equal_weights(small: Settings, digits: Dataset, home: Path) -> None:
    one, _ = trained(small, digits, home)
    other, _ = trained(small, digits, home)
    assert one.id != other.id
    for name in ("model.pt", "best.pt", "predictions", "settings.toml"):
        assert (one.directory / name).read_bytes() == (other.directory / name).read_bytes()


@effort(deadline=None)  # it waits for the disk
@given(st.text(max_size=300), st.lists(st.integers(1, 10**6), max_size=300))
def test_a_summary_never_exceeds_two_kilobytes(
    tmp_path_factory: pytest.TempPathFactory, source: str, widths: list[int]
) -> None:
    layers = [{"width": width} for width in widths]
    settings = make_settings({"data": {"source": source}, "model": {"hidden": layers}})
    wide = dataclasses.replace(EPOCH, epoch=10**5, train_cost=-1.234567890123e-300, validation_accuracy=1 / 3)
    writer = new_writer(
        tmp_path_factory.mktemp("home"),
        First(settings, {"data": {"fingerprint": "0" * 64, "test_images": 10**9}}, About(), b""),
        Control(),
        parent="20261124-111111-00aaaa",
        changes=differences(Settings(), settings),
        parameters=10**15,
        best_by="validation cost",
    )
    writer.publish()
    weights = {"linear1.weight": torch.zeros(1)}
    event = EpochFinished(wide, best=wide, weights=weights, predictions=np.zeros(1, dtype=np.uint8), state=weights)
    writer.take(event)
    assert (writer.write_taken(), writer.not_saved) == (10**5, "")
    writer.finish(Outcome("failed", source * 10, wide, wide), Verdict(10**9, 10**9, 10**9, 1 / 3))
    assert (writer.trial.directory / "summary.json").stat().st_size <= 2000


@pytest.mark.usefixtures("saved_at_once")
def test_nan_keeps_the_last_good_epoch(small: Settings, digits: Dataset, home: Path) -> None:
    events = train(change_settings(small, {"training.epochs": 5}), digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    last = next(event for event in events if isinstance(event, EpochFinished))
    weights = last.weights["linear1.weight"]
    before = started.trial.weights().read_bytes()
    weights[0, 0] = float("nan")  # the living tensor
    with pytest.raises(DivergedError):
        list(events)
    assert started.trial.weights().read_bytes() == before
    assert len(started.trial.history()[0]) == 1
    summary = started.trial.summary()
    assert summary["status"] == "failed"
    assert "NaN" in summary["reason"]


def test_who_stops_listening_stops_the_trial(small: Settings, digits: Dataset, home: Path) -> None:
    events = train(small, digits, home=home)
    started = next(events)
    next(event for event in events if isinstance(event, EpochFinished))
    events.close()
    assert isinstance(started, Started)
    assert started.trial.summary()["status"] == "stopped"
    assert len(started.trial.history()[0]) == 1


def test_a_stopped_trial_says_so(small: Settings, digits: Dataset, home: Path) -> None:
    control = Control()
    settings = change_settings(small, {"training.epochs": 99})
    for event in train(settings, digits, home=home, control=control):
        if isinstance(event, EpochFinished):
            control.finish_epoch()
        last = event
    assert isinstance(last, Finished)
    assert (last.outcome.status, last.outcome.reason) == ("stopped", "stopped after epoch 1")
    assert last.trial.summary()["status"] == "stopped"


def test_a_home_that_cannot_be_written_leaves_nothing(small: Settings, digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrialError, match="cannot write .*saved_models"):
        list(train(small, digits, home=tmp_path / "file"))
    (tmp_path / "saved_models").write_text("mine")
    with pytest.raises(TrialError, match="saved_models"):
        list(train(small, digits, home=tmp_path))
    assert (tmp_path / "saved_models").read_text() == "mine"


@pytest.mark.parametrize("limit", [300, 3_000, 5_000, 6_500])
def test_a_full_disk_is_one_line_and_loses_nothing(small: Settings, digits: Dataset, home: Path, limit: int) -> None:
    """No file may grow past the limit: depending on it the settings, the weights or no file at all fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        told, unsaved = "", None
        try:
            *_, finished = train(change_settings(small, {"training.epochs": 60}), digits, home=home)
        except TrialError as error:
            told = str(error)
        else:
            assert isinstance(finished, Finished)
            assert finished.unsaved is not None
            unsaved = finished.unsaved
            told = unsaved.reason
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (limit < 5_000) == (unsaved is None), "where not even the settings can be written, no training begins"
    assert re.fullmatch("cannot write .*: File too large", told)
    for listed in list_trials(home):
        history, problems = listed.trial.history()
        assert problems == []
        assert listed.trial.settings()
        assert not [path for path in listed.trial.directory.iterdir() if path.name.startswith(".")]
        if listed.trial.weights().exists():
            read_weights(listed.trial.weights())
        assert all(len(listed.trial.predictions(epoch.epoch)) == 360 for epoch in history)
    if unsaved is not None:
        saved = unsaved.save(home)
        assert saved.id != unsaved.trial.id, "the one that could not be written whole stays as it is"
        assert len(saved.history()[0]) == 60
        assert len(saved.predictions(60)) == 360
        assert read_weights(saved.weights())


@pytest.mark.usefixtures("saved_at_once")
def test_an_epoch_that_cannot_be_written_whole_is_undone(
    small: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = train(small, digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    next(event for event in events if isinstance(event, EpochFinished))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("core.files.os.fsync", fail)
        told = next(event for event in events if isinstance(event, NotSaved))
        assert told.epoch == 2
        assert "No space left on device" in told.reason
        assert len(started.trial.history()[0]) == 1
        assert (started.trial.directory / "predictions").stat().st_size == 360
        assert started.trial.summary()["last"]["epoch"] == 1
    *_, finished = events  # what was missing is made up for
    assert isinstance(finished, Finished)
    assert finished.unsaved is None
    assert len(started.trial.history()[0]) == small.training.epochs
    assert (started.trial.directory / "predictions").stat().st_size == 360 * small.training.epochs


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_text(path, "old")

    class Interrupted(Exception):
        pass

    def write(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise Interrupted

    with pytest.raises(Interrupted):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_trial_is_found_by_its_id_without_a_look_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = make_home(tmp_path, 1, 2)
    monkeypatch.setattr(Path, "iterdir", None)
    assert find_trial(tmp_path, one).id == one


def test_trials_are_found_by_what_people_type(small: Settings, digits: Dataset, home: Path) -> None:
    settings = change_settings(small, {"training.epochs": 1})
    first, _ = trained(settings, digits, home, name="wide")
    second, _ = trained(settings, digits, home, name="twice")
    third, _ = trained(settings, digits, home, name="twice")
    assert find_trial(home, first.id) == first
    assert find_trial(home, "wide") == first
    assert find_trial(home, "last") == third
    assert find_trial(home, second.id[-4:]) == second
    assert find_trial(home, str(second.directory)).id == second.id
    with pytest.raises(TrialError, match="twice means 2 trials"):
        find_trial(home, "twice")
    with pytest.raises(TrialError, match="means 3 trials"):
        find_trial(home, first.id[:2])
    for nothing in ("", "nope", "..", "/", "\x1b[31m"):
        with pytest.raises(TrialError, match="there is no trial") as caught:
            find_trial(home, nothing)
        assert "\x1b" not in str(caught.value)
    with pytest.raises(TrialError, match="`trialbook train` makes the first"):
        find_trial(home / "empty", "last")


def test_a_dead_process_leaves_an_interrupted_trial(small: Settings, digits: Dataset, home: Path) -> None:
    events = train(change_settings(small, {"training.epochs": 99}), digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    assert [listed.status for listed in list_trials(home)] == ["running"]
    path = started.trial.directory / "ran_on.json"
    ran_on = json.loads(path.read_text())
    ran_on["process"]["started"] -= 100  # the same pid, used again
    path.write_text(json.dumps(ran_on))
    # whoever holds its lock lives: in a container, say, whose processes cannot be seen
    assert [listed.status for listed in list_trials(home)] == ["running"]
    events.close()
    summary = started.trial.summary()
    (started.trial.directory / "summary.json").write_text(json.dumps({**summary, "status": "running"}))
    assert [listed.status for listed in list_trials(home)] == ["interrupted"]


@pytest.mark.parametrize("name", ["summary.json", "about.json", "ran_on.json", "settings.toml", "history.jsonl"])
@pytest.mark.parametrize(
    "content", [None, b"", b"garbage", b"[" * 100_000, b"\xff\xfe", b"[]", b'{"status": {}}', b"null"]
)
def test_a_damaged_file_spoils_no_list(
    small: Settings, digits: Dataset, home: Path, name: str, content: bytes | None
) -> None:
    trial, _ = trained(change_settings(small, {"training.epochs": 1}), digits, home)
    if content is None:
        (trial.directory / name).unlink()
    else:
        (trial.directory / name).write_bytes(content)
    (listed,) = list_trials(home)
    assert listed.trial == trial
    assert listed.status in ("finished", "damaged")


@pytest.mark.parametrize("name", ["summary.json", "about.json", "history.jsonl", "settings.toml"])
def test_a_pipe_in_a_files_place_is_not_waited_for(small: Settings, digits: Dataset, home: Path, name: str) -> None:
    trial, _ = trained(change_settings(small, {"training.epochs": 1}), digits, home)
    (trial.directory / name).unlink()
    os.mkfifo(trial.directory / name)
    list_trials(home)
    trial.about()
    if name == "history.jsonl":
        with pytest.raises(TrialError, match="is not a regular file"):
            trial.history()


def test_name_and_note_may_change_while_the_trial_runs(small: Settings, digits: Dataset, home: Path) -> None:
    events = train(small, digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    write_about(started.trial, About("new name", "learnt much"))
    assert not [event for event in events if isinstance(event, Progress) and event.epoch > 2]
    assert started.trial.about() == About("new name", "learnt much")
    assert started.trial.summary()["status"] == "finished"


def test_files_get_the_rights_that_new_files_get(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_text(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
