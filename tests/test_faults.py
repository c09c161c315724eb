"""What goes wrong around a training: killed at any call, a full disk, a closed terminal, signals, other processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core import Control, EpochFinished, Finished, Settings, Started, change_settings, resume, train
from core.data.dataset import Dataset
from core.errors import TrialError
from core.events import NotSaved
from core.files import remove_temporaries
from core.trials.lease import ask
from core.trials.store import list_trials, new_directory
from core.trials.trial import Trial
from tests.conftest import ROOT, Ran, hear_signals
from tests.faults.check import differences, digest, leftovers
from tests.terminal import terminal

SLOW = ("--hidden", "64", "--batch-size", "8", "--epochs", "100000")
GRACE = 2.0  # seconds in which a signal must have had its effect
PATIENCE = 300.0


def test_faults_at_some_calls_lose_nothing() -> None:
    # in a process of its own, as it forks: the whole is `python -m tests.faults`
    ran = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--every", "29", "--random", "2"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert sum(int(number) for number in re.findall(r"(\d+) faults", ran.stdout)) > 60
    assert "2 kills at random moments" in ran.stdout


def finish(events: Iterator[object]) -> Finished:
    *_, last = events
    assert isinstance(last, Finished)
    return last


def stopped(settings: Settings, digits: Dataset, home: Path) -> Trial:
    control = Control()
    for event in train(settings, digits, home=home, control=control):
        if isinstance(event, EpochFinished):
            control.finish_epoch()
    assert isinstance(event, Finished)
    return event.trial


class Stopwatch:
    """Measures the seconds of a process, without those in which other processes had all the cores."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._begin = time.monotonic() - self._waited()

    def seconds(self) -> float:
        return time.monotonic() - self._waited() - self._begin

    def until_it_ends(self) -> float:
        end = time.monotonic() + PATIENCE
        while os.waitid(os.P_PID, self._process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < end, "the process has not ended"
            time.sleep(0.005)
        return self.seconds()

    def _waited(self) -> float:
        return int(Path(f"/proc/{self._process}/schedstat").read_text().split()[1]) / 1e9


@contextlib.contextmanager
def started(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command line in a process group of its own, as a shell's job."""
    with subprocess.Popen(
        [sys.executable, "-m", "core", "--home", str(home), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        process_group=0,
        preexec_fn=hear_signals,  # noqa: PLW1509 - no other thread of the tests holds a lock here
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], event: str) -> dict[str, object]:
    assert process.stdout is not None
    for line in process.stdout:
        values: dict[str, object] = json.loads(line)
        if values["event"] == event:
            return values
    raise AssertionError(process.communicate()[1])


def only(home: Path) -> Trial:
    (listed,) = list_trials(home)
    return listed.trial


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    with mounted(place, "-t", "tmpfs", "-o", "size=1m", "trialbook-test"):
        yield place


@contextlib.contextmanager
def mounted(place: Path, *arguments: str) -> Iterator[None]:
    ran = subprocess.run(["mount", *arguments, str(place)], capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"cannot mount: {ran.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.usefixtures("saved_at_once")
def test_a_full_disk_ends_no_training_and_what_was_trained_is_saved_later(
    small: Settings, digits: Dataset, home: Path, small_disk: Path
) -> None:
    settings = change_settings(small, {"training.epochs": 4})
    whole = finish(train(settings, digits, home=home)).trial
    events, missed = [], []
    ballast = small_disk / "ballast"
    for event in train(settings, digits, home=small_disk):
        events.append(event)
        if isinstance(event, EpochFinished) and event.result.epoch == 1:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1000))
        elif isinstance(event, EpochFinished) and event.result.epoch == 3:
            ballast.unlink()
        elif isinstance(event, NotSaved):
            missed.append(event.epoch)
            assert "No space left on device" in event.reason
            assert len(only(small_disk).history()[0]) == 1
    assert missed == [2, 3]
    last = events[-1]
    assert isinstance(last, Finished) and last.unsaved is None
    assert differences(digest(whole), digest(last.trial)) == []
    assert leftovers(small_disk) == []


def test_a_disk_too_small_for_any_trial_is_one_line(small: Settings, digits: Dataset, small_disk: Path) -> None:
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1000))
    with pytest.raises(TrialError, match=r"^cannot write [^\n]*: No space left on device$"):
        list(train(small, digits, home=small_disk))
    (small_disk / "ballast").unlink()
    assert list_trials(small_disk) == [] and leftovers(small_disk) == []


@pytest.mark.usefixtures("saved_at_once")
def test_a_home_that_becomes_read_only(small: Settings, digits: Dataset, home: Path, tmp_path: Path) -> None:
    settings = change_settings(small, {"training.epochs": 3})
    whole = finish(train(settings, digits, home=tmp_path / "whole")).trial
    reasons = []
    with contextlib.ExitStack() as stack:
        for event in train(settings, digits, home=home):
            if isinstance(event, EpochFinished) and event.result.epoch == 1:
                # mounted over itself: a file system with an open file, such as the lock, cannot be made read-only
                stack.enter_context(mounted(home, "--bind", str(home)))
                subprocess.run(["mount", "-o", "remount,bind,ro", str(home)], check=True)
            elif isinstance(event, NotSaved):
                reasons.append(event.reason)
        assert len(reasons) == 2 and all("Read-only file system" in reason for reason in reasons)
        assert isinstance(event, Finished) and event.unsaved is not None
        saved = event.unsaved.save(tmp_path / "elsewhere")
        assert differences(digest(whole), digest(saved)) == []
        with pytest.raises(TrialError, match="Read-only file system"):
            list(train(settings, digits, home=home))
        with pytest.raises(TrialError, match="Read-only file system"):
            list(resume(only(home), digits))
    assert list_trials(home)[0].status == "interrupted"
    assert differences(digest(whole), digest(finish(resume(only(home), digits)).trial)) == []


def test_a_home_that_is_removed_during_a_training(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with started(home, "train", "--json", "--hidden", "64", "--batch-size", "8", "--epochs", "1000") as process:
        wait_for(process, "epoch")
        home.rename(tmp_path / "gone")  # at once: a directory in use cannot be removed in one step
        missed = wait_for(process, "not saved")
        assert "is gone" in str(missed["reason"])
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    last = json.loads(out.splitlines()[-1])
    assert last["status"] == "stopped" and "is gone" in last["not_saved"]
    (place,) = re.findall(r"the whole trial is saved in (\S+) instead", err)
    assert Path(place).is_relative_to(tmp_path / "state")
    assert len(Trial(Path(place)).history()[0]) == last["epochs"] >= missed["epoch"]
    assert not home.exists()


def test_a_terminal_that_closes_ends_a_training_in_order(home: Path, digits: Dataset) -> None:
    command = [sys.executable, "-m", "core", "--home", str(home), "train", *SLOW]
    with terminal(command, OMP_NUM_THREADS="1") as shown:
        shown.wait(lambda text: re.search(r"^ +1 +\d", text, re.MULTILINE) is not None, PATIENCE)
        os.close(shown.slave)
        watch = Stopwatch(shown.process.pid)
        os.close(shown.master)  # the kernel sends SIGHUP, and writing fails from now on
        assert watch.until_it_ends() < GRACE
        assert shown.process.wait() == 128 + signal.SIGHUP
    (listed,) = list_trials(home)
    assert listed.status == "stopped"
    done = len(listed.trial.history()[0])
    events = resume(listed.trial, digits)
    begun = next(events)
    assert isinstance(begun, Started) and len(begun.history) == done >= 1
    events.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_training_within_two_seconds(home: Path, number: signal.Signals) -> None:
    with started(home, "train", "--json", *SLOW) as process:
        wait_for(process, "epoch")
        watch = Stopwatch(process.pid)
        process.send_signal(number)
        assert watch.until_it_ends() < GRACE
        process.communicate()
    assert process.returncode == 128 + number
    (listed,) = list_trials(home)
    assert listed.status == "stopped"
    assert listed.summary["last"]["epoch"] == len(listed.trial.history()[0]) >= 1


def test_a_suspended_training_pauses_and_goes_on(home: Path) -> None:
    with started(home, "train", "--json", *SLOW) as process:
        wait_for(process, "epoch")
        watch = Stopwatch(process.pid)
        process.send_signal(signal.SIGTSTP)
        while os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG) is None:
            assert watch.seconds() < GRACE, "the process has not stopped"
            time.sleep(0.005)
        assert only(home).live()["event"] == "paused"
        assert list_trials(home)[0].status == "running"
        assert list_trials(home)[0].shown == "paused"
        done = len(only(home).history()[0])
        away = 4.0
        time.sleep(away)
        process.send_signal(signal.SIGCONT)
        while int(str(wait_for(process, "epoch")["epoch"])) <= done:
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGINT
    epoch = only(home).history()[0][done]  # the one in which it was stopped, which is no part of its time
    assert epoch.seconds < away


@pytest.mark.parametrize("command", ["resume", "stop"])
def test_a_suspended_training_hears_what_others_ask(home: Path, command: str) -> None:
    with started(home, "train", "--json", *SLOW) as process:
        wait_for(process, "epoch")
        process.send_signal(signal.SIGTSTP)
        watch = Stopwatch(process.pid)
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            assert watch.seconds() < GRACE
            time.sleep(0.005)
        done = len(only(home).history()[0])
        with started(home, command, "last") as asked:
            assert asked.wait(PATIENCE) == 0
        if command == "stop":
            process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
        else:
            while int(str(wait_for(process, "epoch")["epoch"])) <= done:
                pass


def test_what_a_suspended_process_does_not_hear_is_said(
    home: Path, trialbook: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.trials.lease.wake", lambda _: None)  # as one with a screen, which stops again
    with started(home, "train", "--json", *SLOW) as process:
        wait_for(process, "epoch")
        process.send_signal(signal.SIGSTOP)
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.005)
        assert "is suspended in its shell" in trialbook("stop", "last").out
        trial = only(home)
        (trial.directory / "ran_on.json").write_text("{")
        ask(trial, "stop")  # nothing tells which process it is, and it is asked all the same
        assert (trial.directory / "request").read_text() == "stop\n"


def test_of_two_that_resume_at_once_one_trains(small: Settings, digits: Dataset, home: Path) -> None:
    trial = stopped(change_settings(small, {"training.epochs": 100_000}), digits, home)
    with started(home, "resume", trial.id, "--json") as one, started(home, "resume", trial.id, "--json") as other:
        pair = (one, other)
        end = time.monotonic() + PATIENCE
        while all(process.poll() is None for process in pair):
            assert time.monotonic() < end
            time.sleep(0.05)
        (loser,) = [process for process in pair if process.poll() is not None]
        (winner,) = [process for process in pair if process is not loser]
        assert loser.returncode == 1
        out, err = loser.communicate()
        assert out == "" and re.fullmatch(r"trialbook: \S+ is being trained by another process[^\n]*\n", err)
        wait_for(winner, "epoch")
        ask(trial, "finish")
        out, err = winner.communicate(timeout=PATIENCE)
        assert winner.returncode == 0, err
    history, problems = trial.history()
    assert problems == [] and [epoch.epoch for epoch in history] == list(range(1, len(history) + 1))
    assert json.loads(out.splitlines()[-1])["epochs"] == len(history) > 1


def test_a_process_that_has_the_pid_of_a_dead_one_trains_nothing(small: Settings, digits: Dataset, home: Path) -> None:
    trial = stopped(change_settings(small, {"training.epochs": 2}), digits, home)
    (trial.directory / "summary.json").write_text(json.dumps(trial.summary() | {"status": "running"}))
    ran_on = trial.ran_on()
    assert ran_on["process"]["pid"] == os.getpid()  # alive, but it has begun at another time than the one recorded
    ran_on["process"]["started"] -= 3600
    (trial.directory / "ran_on.json").write_text(json.dumps(ran_on))
    assert list_trials(home)[0].status == "interrupted"
    assert finish(resume(trial, digits)).outcome.status == "finished"


def test_nothing_depends_on_a_clock_that_jumps_back(
    small: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = change_settings(small, {"training.epochs": 4})
    whole = finish(train(settings, digits, home=home / "one")).trial
    now, hour = time.time, 3600
    with monkeypatch.context() as patched:
        trial = None
        for event in train(settings, digits, home=home / "other"):
            if isinstance(event, EpochFinished) and event.result.epoch == 2:
                patched.setattr(time, "time", lambda: now() - 24 * hour)
                patched.setattr(time, "time_ns", lambda: time.time() * 1_000_000_000)
                assert list_trials(home / "other")[0].status == "running"
        assert isinstance(event, Finished)
        trial = event.trial
    assert differences(digest(whole), digest(trial)) == []
    assert all(0 < epoch.seconds < hour for epoch in trial.history()[0])


def test_what_killed_processes_left_is_removed(home: Path, tmp_path: Path) -> None:
    for name in (".model.pt.0123abcd", ".about.json.0123abcd", ".hidden", "model.pt"):
        (tmp_path / name).write_text("")
    os.utime(tmp_path / ".hidden", (1, 1))
    remove_temporaries(tmp_path, ("about.json",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".about.json.0123abcd", ".hidden", "model.pt"]
    os.utime(tmp_path / ".about.json.0123abcd", (1, 1))
    remove_temporaries(tmp_path, ("about.json",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "model.pt"]

    young, old = new_directory(home), new_directory(home)
    os.utime(old, (1, 1))
    assert list_trials(home) == []
    third = new_directory(home)
    assert sorted(path.name for path in young.parent.iterdir()) == sorted((young.name, third.name))
