"""Several processes on one home: the console sees what others train, and shows it like its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from textual.content import Content

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings
from core.trials.history import epoch_line
from core.trials.store import list_trials
from core.trials.trial import Trial
from core.trials.upkeep import edit_about
from core.trials.watch import look_again, watch_trial
from tests.conftest import ROOT, hear_signals
from tests.console import Console, make_places, run
from tui.feed import Feed, look
from tui.plot.widget import CurvesPlot
from tui.screens.compare import CompareScreen
from tui.widgets.compare_table import CompareTable
from tui.widgets.figures import Figures
from tui.widgets.status import Status
from tui.widgets.trial_list import TrialList


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_places(tmp_path, monkeypatch)


def make_trial(home: Path, digits: Dataset, epochs: int = 3) -> Trial:
    settings = change_settings(Settings(), {"model.hidden": "8", "training.epochs": epochs})
    list(train(settings, digits, home=home, name="made"))
    return list_trials(home)[-1].trial


@pytest.fixture
def elsewhere(places: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A training of the digits by the command line, which ends only when it is told to."""
    command = [sys.executable, "-m", "core", "--home", str(places), "train", "--name", "theirs", "--epochs", "100000"]
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=hear_signals,  # noqa: PLW1509 - no other thread of the tests holds a lock here
    )
    yield child
    child.kill()
    child.wait()


def settle(home: Path) -> None:
    """Let the trials look as if nobody had changed them for a while."""
    for listed in list_trials(home):
        os.utime(listed.trial.directory, ns=(1, time.time_ns() - 10_000_000_000))


def test_only_what_has_changed_is_read_again(places: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_trial(places, digits, 1), make_trial(places, digits, 1)
    settle(places)
    seen = look_again(places, {})
    assert list(seen) == [first.id, second.id]
    read: list[str] = []
    summary = Trial.summary
    monkeypatch.setattr(Trial, "summary", lambda trial: (read.append(trial.id), summary(trial))[1])
    again = look_again(places, seen)
    assert read == [] and again == seen
    edit_about(second, note="new")
    third = look_again(places, again)
    assert read == [second.id]
    assert third[first.id].listed is seen[first.id].listed and third[second.id].listed.about.note == "new"
    first.directory.rename(places / "away")
    assert list(look_again(places, third)) == [second.id]
    assert look_again(places / "nowhere", {}) == {}


def test_two_changes_within_a_moment_are_both_seen(places: Path, digits: Dataset) -> None:
    trial = make_trial(places, digits, 1)
    edit_about(trial, note="one")
    now = time.time_ns()
    os.utime(trial.directory, ns=(now, now))
    seen = look_again(places, {})
    edit_about(trial, note="two")
    os.utime(trial.directory, ns=(now, now))  # as if the file system's clock had not gone on
    assert look_again(places, seen)[trial.id].listed.about.note == "two"


def test_a_long_history_is_read_on_and_not_anew(places: Path, digits: Dataset) -> None:
    trial = make_trial(places, digits)
    path = trial.directory / "history.jsonl"
    first = watch_trial(trial)
    assert len(first.history) == 3 and first.offset == path.stat().st_size
    line = epoch_line(first.history[-1]).replace('"epoch": 3', '"epoch": 4')
    with path.open("a") as file:
        file.write("damaged\n" + epoch_line(replace(first.history[-1], epoch=4)) + line[:40])
    then = watch_trial(trial, first)
    assert then.history[:3] == first.history and len(then.history) == 4
    assert [str(path) in remark and "line 4" in remark for remark in then.remarks] == [True]
    assert watch_trial(trial, then) == then
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))  # as after a write that has failed
    assert len(watch_trial(trial, then).history) == 2


@pytest.mark.parametrize(
    "live",
    [
        "{",
        "[]",
        '{"event": "progress", "epoch": "4", "step": 1, "steps": 2, "cost": 1, "images_per_second": 1}',
        '{"epoch": 4, "step": 9, "steps": 2, "cost": 1.0, "images_per_second": 1.0, "learning_rate": 0.1}',
        '{"epoch": 2, "step": 1, "steps": 2, "cost": 1.0, "images_per_second": 1.0, "learning_rate": 0.1}',
        '{"epoch": 4, "step": 0, "steps": 0, "cost": 1.0, "images_per_second": 1.0, "learning_rate": 0.1}',
    ],
)
def test_what_another_process_says_of_its_progress_is_not_trusted(places: Path, digits: Dataset, live: str) -> None:
    trial = make_trial(places, digits)
    (trial.directory / "summary.json").write_text(json.dumps({**trial.summary(), "status": "running"}))
    (trial.directory / "live.json").write_text(live)
    assert watch_trial(trial).progress is None


@pytest.mark.parametrize("is_slow", [False, True])
def test_the_trials_are_read_before_pytorch_is_imported_unless_that_takes_long(
    places: Path, monkeypatch: pytest.MonkeyPatch, is_slow: bool
) -> None:
    begun: list[bool] = []
    read = threading.Event()

    def look_slowly(home: Path, before: Feed) -> Feed:
        if is_slow:
            read.wait(60)
        return look(home, before)

    async def steps(console: Console) -> None:
        lookout = console.app.lookout
        monkeypatch.setattr(console.app.engine, "start", lambda _done: begun.append(lookout.feed.is_read))
        await console.until(lambda: begun)
        read.set()
        assert begun[0] is not is_slow

    monkeypatch.setattr("tui.feed.look", look_slowly)
    run(places, steps)


def test_a_training_elsewhere_is_watched_like_ones_own(places: Path, elsewhere: subprocess.Popen[bytes]) -> None:
    async def steps(console: Console) -> None:
        await console.until(lambda: "another process trains theirs" in console.words)
        assert console.view.shown is None  # nothing is taken from the view
        await console.press("o")
        await console.see("theirs", "running")
        (row,) = console.find(TrialList).rows
        await console.until(lambda: console.find(TrialList).rows[0].cells != row.cells)  # it grows
        await console.press("c")
        await console.until(lambda: console.view.shown is not None and len(console.view.shown.run.history) > 1)
        before = len(console.view.shown.run.history)  # type: ignore[union-attr]
        await console.until(lambda: len(console.view.shown.run.history) > before + 2)  # type: ignore[union-attr]
        values = console.app.workbench.query_one(Figures).values
        assert values.state == "running (another process)" and values.images_per_second
        snapshot = console.app.workbench.query_one(Status).snapshot
        assert snapshot is not None and snapshot.trial_seconds_left is not None
        assert console.app.training is None and "Start" in console.footer and "Stop" in console.footer
        elsewhere.send_signal(signal.SIGINT)
        await console.until(lambda: "theirs stopped" in console.words)
        assert any("accuracy" in toast and "95 % interval" in toast for toast in console.toasts)
        assert console.view.shown.state == "stopped"  # type: ignore[union-attr]
        await console.until(lambda: console.app.workbench.query_one(Status).snapshot is None)

    run(places, steps)


def test_a_process_that_dies_leaves_its_trial_interrupted(places: Path, elsewhere: subprocess.Popen[bytes]) -> None:
    async def steps(console: Console) -> None:
        await console.until(lambda: "another process trains theirs" in console.words)
        await console.press("o")
        await console.see("theirs", "running")
        await console.press("c")
        await console.until(lambda: console.view.shown is not None and console.view.shown.run.history)
        elsewhere.kill()
        elsewhere.wait()
        await console.until(lambda: "theirs interrupted: its process has died" in console.words)
        await console.press("o")
        await console.see("interrupted")

    run(places, steps)


def test_who_trains_is_not_disturbed_by_others(places: Path, digits: Dataset) -> None:
    async def steps(console: Console) -> None:
        await console.idle()
        await console.press("s")
        await console.ended()
        own = console.view.shown
        assert own is not None and own.elsewhere is None and own.state == "finished"
        words = console.words
        other = make_trial(places, digits, 1)
        console.app.lookout.look()
        await console.until(lambda: other.id in console.app.lookout.feed.seen)
        now = console.view.shown
        assert console.words == words and now is not None and (now.run, now.state) == (own.run, own.state)

    run(places, steps)


def test_the_end_says_the_verdict_against_the_parent(places: Path) -> None:
    async def steps(console: Console) -> None:
        await console.idle()
        await console.press("s")
        await console.ended()
        assert "against its parent" not in console.words
        await console.clear()
        await console.press("s")  # begins from the trial that has just been trained, with the same settings
        await console.ended()
        expected = "against its parent +0.00 points: 0 images, not distinguishable (McNemar p = 1)"
        assert expected in console.words and any(expected in toast for toast in console.toasts)
        assert not any("used to choose" in toast for toast in console.toasts)  # it is the same trial again
        assert console.app.workbench.query_one(Figures).values.verdict.startswith("+0.00 points")
        status = console.app.workbench.query_one(Status)
        assert status.size.width < len(console.words) and "(McNemar p = 1)" in console.text, "the words take two lines"
        console.app.say(Content("word " * 60))
        await console.see("word wo…")

    run(places, steps, size=(80, 24))


def test_a_training_elsewhere_grows_in_a_comparison(
    places: Path, digits: Dataset, elsewhere: subprocess.Popen[bytes]
) -> None:
    made = make_trial(places, digits)

    async def steps(console: Console) -> None:
        await console.until(lambda: len(console.app.lookout.feed.seen) > 1)
        (theirs,) = (name for name in console.app.lookout.feed.seen if name != made.id)
        await console.app.push_screen(CompareScreen([made.id, theirs]))
        plot, table = console.find(CurvesPlot), console.find(CompareTable)
        await console.until(lambda: plot._overlays and plot._overlays[1].history)
        before = len(plot._overlays[1].history)
        await console.until(lambda: len(plot._overlays[1].history) > before + 3)
        elsewhere.send_signal(signal.SIGKILL)
        elsewhere.wait()
        await console.until(lambda: any(row.values[1:] == ("interrupted",) for row in table._rows))

    run(places, steps)
