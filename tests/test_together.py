"""Trials of several seeds that are trained together: each is saved, ended and told of as if it were alone."""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from core.continuation import branch, resume
from core.control import Control
from core.data.dataset import Dataset
from core.errors import TrainingError, TrialError
from core.events import EpochFinished, Event, Finished, NotSaved, Paused, Progress, Resumed, Saved, Started
from core.series import FILLED, train_series
from core.session import new_trial, train
from core.settings import Settings, change_settings
from core.size import size_of
from core.stacked_trainer import StackedTrainer
from core.trials.lease import ask
from core.trials.store import find_trial, list_trials
from core.trials.stored import read_stored
from core.trials.trial import About, Trial
from core.trials.writer import TrialWriter
from tests.conftest import Ran

Trialbook = Callable[..., Ran]
TIMES = ("seconds", "images_per_second")


@pytest.fixture(autouse=True)
def every_step_is_told(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("core.stepping.REPORT_EVERY", 0.0)
    monkeypatch.setattr("core.trials.writer._LIVE_EVERY", 0.0)
    before = set(threading.enumerate())
    yield
    begun = set(threading.enumerate()) - before
    assert not [thread for thread in begun if thread.name.startswith(("saver", "lease"))]


@pytest.fixture
def quick(small: Settings) -> Settings:
    """Four steps an epoch, and SGD, under which rounding stays rounding."""
    return change_settings(small, {"training.batch_size": 400, "training.optimizer": "sgd", "training.epochs": 3})


def finished_of(events: list[Event]) -> list[Finished]:
    return [event for event in events if isinstance(event, Finished)]


def poison(monkeypatch: pytest.MonkeyPatch, copy: int) -> None:
    """Let one of the copies begin with a weight that is no number."""
    prepare = StackedTrainer._prepare

    def poisoned(self: StackedTrainer, copies: Any) -> None:
        prepare(self, copies)
        with torch.no_grad():
            self.copies[copy].model.linear(1).weight[0, 0] = torch.nan

    monkeypatch.setattr(StackedTrainer, "_prepare", poisoned)


def assert_saved_alike(together: Trial, single: Trial) -> None:
    """Compare all files of a trial with those of one that was trained alone."""
    assert sorted(path.name for path in together.directory.iterdir()) == sorted(
        path.name for path in single.directory.iterdir()
    )
    assert together.settings() == single.settings()
    summary, expected = together.summary(), single.summary()
    own = {"id", "created", "seconds", "last", "best"}
    assert {name: value for name, value in summary.items() if name not in own} == {
        name: value for name, value in expected.items() if name not in own
    }
    assert (summary["last"]["epoch"], summary["best"]["epoch"]) == (
        expected["last"]["epoch"],
        expected["best"]["epoch"],
    )
    for one, other in zip(together.history()[0], single.history()[0], strict=True):
        assert one.train_cost == pytest.approx(other.train_cost, rel=1e-4)
        assert one.test_cost == pytest.approx(other.test_cost, rel=1e-4)
    for best in (False, True):
        found, wanted = read_stored(together, best), read_stored(single, best)
        assert found.state.keys() == wanted.state.keys()
        for name, tensor in wanted.state.items():
            assert torch.allclose(found.state[name].double(), tensor.double(), rtol=1e-3, atol=1e-4), name


def test_the_trials_are_those_that_are_trained_alone(quick: Settings, digits: Dataset, tmp_path: Path) -> None:
    settings = change_settings(quick, {"training.seed": 4, "training.ema_decay": 0.9, "data.mixup": 0.2})
    events = list(
        train_series(settings, digits, 3, home=tmp_path / "a", name="n", tags=("t",), parent="digits", together=True)
    )
    singly = list(train_series(settings, digits, 3, home=tmp_path / "b", name="n", tags=("t",), parent="digits"))
    together, alone = finished_of(events), finished_of(singly)
    assert [event.trial.about() for event in together] == [About(f"n seed {seed}", "", ("t",)) for seed in (4, 5, 6)]
    for one, other in zip(together, alone, strict=True):
        assert_saved_alike(one.trial, other.trial)
        assert (one.outcome.status, one.unsaved) == ("finished", None)
        assert one.model == one.trial.weights()


def test_events_name_their_trial_and_come_epoch_by_epoch(quick: Settings, digits: Dataset, home: Path) -> None:
    events = list(train_series(quick, digits, 2, home=home, together=True))
    begun = [event for event in events if isinstance(event, Started)]
    ids = [event.trial.id for event in begun]
    assert events[:2] == begun
    assert [event.together for event in begun] == [2, 2]
    told = [(event.result.epoch, event.trial) for event in events if isinstance(event, EpochFinished)]
    assert told == [(epoch, trial) for epoch in (1, 2, 3) for trial in ids]
    for trial in ids:
        assert [event.epoch for event in events if isinstance(event, Saved) and event.trial == trial][-1] == 3
    progress = [event for event in events if isinstance(event, Progress)]
    assert [(event.epoch, event.step) for event in progress] == [
        (epoch, step) for epoch in (1, 2, 3) for step in range(1, 5)
    ]
    assert [event.trial.id for event in finished_of(events)] == ids


def test_on_a_cpu_they_are_trained_one_after_the_other(quick: Settings, digits: Dataset, home: Path) -> None:
    settings = change_settings(quick, {"training.device": "cpu"})
    events = list(train_series(settings, digits, 2, home=home))
    assert [event.together for event in events if isinstance(event, Started)] == [1, 1]
    told = [(event.trial, event.result.epoch) for event in events if isinstance(event, EpochFinished)]
    first, second = (event.trial.id for event in finished_of(events))
    assert told == [(trial, epoch) for trial in (first, second) for epoch in (1, 2, 3)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_they_are_trained_together(quick: Settings, digits: Dataset, home: Path) -> None:
    events = list(train_series(quick, digits, 3, home=home))
    assert [event.together for event in events if isinstance(event, Started)] == [3, 3, 3]
    assert [event.outcome.status for event in finished_of(events)] == ["finished"] * 3


@pytest.mark.parametrize(
    ("room", "most", "groups"), [(2, 16, [2, 2, 1]), (9, 3, [3, 2]), (1, 16, [1] * 5), (0, 16, None)]
)
def test_as_many_are_trained_at_once_as_there_is_room_for(
    quick: Settings,
    digits: Dataset,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    room: int,
    most: int,
    groups: list[int] | None,
) -> None:
    settings = change_settings(quick, {"training.epochs": 1})
    memory = size_of(settings, digits.shape).memory
    for module in ("series", "trainer"):
        monkeypatch.setattr(
            f"core.{module}.available_memory", lambda _: math.ceil(memory.of_copies(room) / FILLED) if room else 0
        )
    monkeypatch.setattr("core.series.MOST_TOGETHER", most)
    events = train_series(settings, digits, 5, home=home, together=True)
    if groups is None:
        with pytest.raises(TrainingError, match="training needs about"):
            list(events)
        return
    begun = [event.together for event in events if isinstance(event, Started)]
    assert begun == [size for size in groups for _ in range(size)]


def test_a_trial_is_resumed_singly(quick: Settings, digits: Dataset, tmp_path: Path) -> None:
    control = Control()
    events = []
    for event in train_series(quick, digits, 2, home=tmp_path / "a", control=control, together=True):
        events.append(event)
        if isinstance(event, EpochFinished):
            control.finish_epoch()
    stopped = finished_of(events)
    assert [(event.outcome.status, event.outcome.reason) for event in stopped] == [
        ("stopped", "stopped after epoch 1")
    ] * 2
    for seed, event in enumerate(stopped):
        *_, resumed = resume(event.trial, digits)
        *_, whole = train(change_settings(quick, {"training.seed": seed}), digits, home=tmp_path / "b")
        assert isinstance(resumed, Finished) and isinstance(whole, Finished)
        assert resumed.outcome.status == "finished"
        for one, other in zip(resumed.trial.history()[0], whole.trial.history()[0], strict=True):
            assert one.test_cost == pytest.approx(other.test_cost, rel=1e-4)
    longer = change_settings(quick, {"training.seed": 1, "training.epochs": 4})
    *_, branched = branch(
        find_trial(tmp_path / "a", stopped[1].trial.id), digits, longer, best=True, home=tmp_path / "a"
    )
    assert isinstance(branched, Finished)
    assert len(branched.trial.history()[0]) == 4


def test_a_trial_that_diverges_fails_and_the_others_go_on(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, 1)
    events = list(train_series(quick, digits, 3, home=home, together=True))
    failed, *others = finished_of(events)
    assert (failed.outcome.status, failed.model) == ("failed", None)
    assert failed.trial.summary()["reason"] == failed.outcome.reason
    assert "became NaN or infinite in epoch 1" in failed.outcome.reason
    assert [event.outcome.status for event in others] == ["finished"] * 2
    assert sorted(listed.status for listed in list_trials(home)) == ["failed", "finished", "finished"]


def test_a_series_ends_after_a_group_with_a_failure(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.series.MOST_TOGETHER", 2)
    poison(monkeypatch, 0)
    events = list(train_series(quick, digits, 4, home=home, together=True))
    assert [event.outcome.status for event in finished_of(events)] == ["failed", "finished"]


def test_who_asks_one_asks_all(quick: Settings, digits: Dataset, home: Path) -> None:
    settings = change_settings(quick, {"training.epochs": 1000})
    kinds: list[type] = []
    begun: list[Trial] = []
    events = train_series(settings, digits, 2, home=home, control=Control(), together=True)
    for event in events:
        kinds.append(type(event))
        if isinstance(event, Started):
            begun.append(event.trial)
        elif isinstance(event, EpochFinished) and event.result.epoch == 2 and event.trial == begun[1].id:
            ask(begun[0], "pause")
        elif isinstance(event, Paused):
            assert [trial.live()["event"] for trial in begun] == ["paused", "paused"]
            ask(begun[1], "resume")
        elif isinstance(event, Resumed):
            assert [len(trial.history()[0]) for trial in begun] == [event.epoch - 1] * 2
            ask(begun[1], "stop")
    assert kinds.count(Paused) == kinds.count(Resumed) == 1
    assert [listed.status for listed in list_trials(home)] == ["stopped", "stopped"]
    (reason,) = {listed.summary["reason"].rsplit(" ", 1)[0] for listed in list_trials(home)}
    assert reason in ("stopped in epoch", "stopped after epoch")


@pytest.mark.parametrize("at", [Started, Progress, EpochFinished])
def test_closing_ends_all_tidily(quick: Settings, digits: Dataset, home: Path, at: type[Event]) -> None:
    with closing(train_series(quick, digits, 2, home=home, together=True)) as events:
        for event in events:
            if isinstance(event, at):
                break
    listed = list_trials(home)
    assert [one.status for one in listed] == ["stopped", "stopped"]
    assert {one.summary["reason"] for one in listed} == {"its output was closed"}
    lengths = {len(one.trial.history()[0]) for one in listed if at is EpochFinished}
    assert lengths <= {0, 1}
    *_, end = resume(listed[0].trial, digits)
    assert isinstance(end, Finished)


def test_a_disk_that_fails_one_trial_fails_no_other(quick: Settings, digits: Dataset, home: Path) -> None:
    events: list[Event] = []
    lost: Trial | None = None
    for event in train_series(quick, digits, 2, home=home, together=True):
        events.append(event)
        if isinstance(event, Started) and lost is None:
            lost = event.trial
            shutil.rmtree(lost.directory)
    assert lost is not None
    assert {event.trial for event in events if isinstance(event, NotSaved)} == {lost.id}
    first, second = finished_of(events)
    assert first.unsaved is not None and second.unsaved is None
    assert [first.outcome.status, second.outcome.status] == ["finished", "finished"]
    assert len(second.trial.history()[0]) == 3
    assert len(first.unsaved.save(home / "elsewhere").history()[0]) == 3


@pytest.mark.parametrize("name", ["take", "write_taken", "verdict"])
def test_a_fault_of_one_writer_hurts_no_other_trial_and_is_raised_at_the_end(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = getattr(TrialWriter, name)

    def faulty(self: TrialWriter, *arguments: Any) -> Any:
        if self.trial.settings().training.seed == 1:
            raise RuntimeError("a fault")
        return plain(self, *arguments)

    monkeypatch.setattr(TrialWriter, name, faulty)
    events: list[Event] = []
    with pytest.raises(RuntimeError, match="a fault"):
        events.extend(train_series(quick, digits, 3, home=home, together=True))
    statuses = {listed.summary["seed"]: listed.status for listed in list_trials(home)}
    assert (statuses[0], statuses[2]) == ("finished", "finished")
    assert statuses[1] == "failed"


@pytest.mark.usefixtures("saved_at_once")
def test_faults_of_all_writers_end_the_training(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrialWriter, "write_taken", lambda _: 1 / 0)
    events: list[Event] = []
    with pytest.raises(ZeroDivisionError):
        events.extend(train_series(quick, digits, 3, home=home, together=True))
    assert {event.result.epoch for event in events if isinstance(event, EpochFinished)} == {1}
    assert [listed.status for listed in list_trials(home)] == ["failed"] * 3


def test_a_gpu_that_fails_ends_all(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, steps = StackedTrainer.step, []

    def faulty(self: StackedTrainer, *arguments: Any) -> Any:
        steps.append(1)
        if len(steps) > 5:
            raise RuntimeError("CUDA error: it is hot")
        return plain(self, *arguments)

    monkeypatch.setattr(StackedTrainer, "step", faulty)
    events: list[Event] = []
    generator = train_series(quick, digits, 2, home=home, together=True)
    with pytest.raises(TrainingError, match="the GPU failed"):
        events.extend(generator)
    assert [event.outcome.status for event in finished_of(events)] == ["failed", "failed"]
    assert [len(listed.trial.history()[0]) for listed in list_trials(home)] == [1, 1]


def test_an_error_that_nobody_foresaw_is_raised_when_all_have_ended(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StackedTrainer, "step", lambda *_: 1 / 0)
    events: list[Event] = []
    with pytest.raises(ZeroDivisionError):
        events.extend(train_series(quick, digits, 2, home=home, together=True))
    assert [event.outcome.status for event in finished_of(events)] == ["failed", "failed"]


def test_where_one_trial_cannot_be_made_none_is(
    quick: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*arguments: Any, **others: Any) -> TrialWriter:
        if list_trials(home):
            raise TrialError("the disk is full")
        return new_trial(*arguments, **others)

    monkeypatch.setattr("core.together.new_trial", refusing)
    with pytest.raises(TrialError, match="the disk is full"):
        list(train_series(quick, digits, 2, home=home, together=True))
    assert list_trials(home) == []
    assert list((home / "saved_models").iterdir()) == []


@pytest.fixture
def forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.series._at_once", lambda *_: 2)


QUICK = ("--hidden", "16-8", "--epochs", "2", "--seeds", "3", "--seed", "7")


@pytest.mark.usefixtures("forced")
def test_people_see_a_row_for_each_seed(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook("train", *QUICK)
    assert (ran.status, ran.err) == (0, "")
    rows = [line.split()[:2] for line in ran.lines if line.endswith("best") and not line.startswith("seed ")]
    assert rows == [["7", "1"], ["8", "1"], ["7", "2"], ["8", "2"], ["1", rows[4][1]], ["2", rows[5][1]]]
    assert sum(line.split()[:2] == ["seed", "epoch"] for line in ran.lines) == 1
    assert sum(line.split()[:1] == ["epoch"] for line in ran.lines) == 1
    seeds = {listed.trial.id: listed.summary["seed"] for listed in list_trials(home)}
    for trial, seed in seeds.items():
        assert f"{trial}, seed {seed}" in ran.out or f"{trial} has seed {seed}" in ran.out
    assert [line.split()[0] for line in ran.lines if " finished " in line] == ["7", "8", "9"]
    assert "(3 seeds)" in ran.out


@pytest.mark.usefixtures("forced")
def test_programs_are_told_which_trial_an_epoch_is_of(trialbook: Trialbook) -> None:
    events = trialbook("train", *QUICK, "--json").events()
    begun = [event["trial"] for event in events if event["event"] == "started"]
    assert [event["trial"] for event in events if event["event"] == "epoch"] == [*begun[:2] * 2, begun[2], begun[2]]
    for trial in begun:
        assert [event["epoch"] for event in events if event["event"] == "saved" and event["trial"] == trial][-1] == 2
    assert [event["trial"] for event in events if event["event"] == "finished"] == begun
    assert events[-1]["repeats"]["trials"] == begun


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_failure_among_others_is_one_line_and_an_exit_status(
    trialbook: Trialbook, monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    poison(monkeypatch, 1)
    ran = trialbook("train", *QUICK, *form)
    assert ran.status == 1
    (line,) = ran.complaints
    assert "became NaN or infinite in epoch 1" in line
    if form:
        statuses = [event["status"] for event in ran.events() if event["event"] == "finished"]
        assert statuses == ["failed", "finished"]
