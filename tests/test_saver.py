"""Epochs are saved while the next ones are trained: what reaches the disk when it is slow."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
import safetensors.torch
import torch

import core.trials.writer
from core.control import Control
from core.data.dataset import Dataset
from core.errors import StateError
from core.events import EpochFinished, Finished, Paused, Saved, Started
from core.session import train
from core.settings import Settings, change_settings
from core.trials.checkpoint import Checkpoint, checkpoint_content, write_and_read_back
from core.trials.trial import CHECKPOINT
from tests.faults.check import differences, digest

EPOCHS = 12


@pytest.fixture
def many(small: Settings) -> Settings:
    """A learning rate at which the best epoch is now and then not the last."""
    return change_settings(
        small, {"training.epochs": EPOCHS, "training.learning_rate": 0.05, "training.batch_size": 64}
    )


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[str]:
    """Let the disk be slow; return the names of the threads that wait for it."""
    plain, threads = core.trials.writer.write_and_read_back, []

    def write_slowly(*arguments: object) -> None:
        threads.append(threading.current_thread().name)
        time.sleep(seconds)
        plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(core.trials.writer, "write_and_read_back", write_slowly)
    return threads


@pytest.mark.parametrize("seconds", [0.05, 0.4])
def test_a_slow_disk_delays_no_training_and_loses_nothing(
    many: Settings, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    *_, whole = train(many, digits, home=tmp_path / "whole")
    threads = slow_down(monkeypatch, seconds)
    events = list(train(many, digits, home=tmp_path / "slow"))
    *_, last = events
    assert isinstance(whole, Finished) and isinstance(last, Finished)
    assert differences(digest(whole.trial), digest(last.trial)) == []
    assert [event.result.epoch for event in events if isinstance(event, EpochFinished)] == list(range(1, EPOCHS + 1))
    saved = [event.epoch for event in events if isinstance(event, Saved)]
    assert saved == sorted(set(saved)) and saved[-1] == EPOCHS
    assert len(saved) > 1, "that epochs are on the disk is told also while others end faster than they are written"
    if seconds >= 0.3:  # longer than an epoch takes, on a slow machine too
        assert len(saved) < EPOCHS, "epochs that end while others are being written are written together"
    assert "MainThread" not in threads
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("saver")]


def test_a_training_waits_for_a_disk_that_lags_far_behind(
    many: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch, 0.2)
    monkeypatch.setattr("core.trials.saver.AHEAD", 0.3)
    behind, done = [], 0
    for event in train(many, digits, home=home):
        if isinstance(event, Started):
            trial = event.trial
        elif isinstance(event, EpochFinished):
            done = event.result.epoch
        elif isinstance(event, Saved):
            behind.append(done - event.epoch)
            assert len(trial.history()[0]) >= event.epoch
    assert behind[-1] == 0


def test_a_paused_training_is_all_on_the_disk(
    many: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_down(monkeypatch, 0.3)
    control = Control()
    events = train(many, digits, home=home, control=control)
    started = next(events)
    assert isinstance(started, Started)
    lengths = []
    control.idle = lambda: lengths.append(len(started.trial.history()[0]))
    for event in events:
        if isinstance(event, EpochFinished) and event.result.epoch == 3:
            control.pause()
        elif isinstance(event, Paused):
            threading.Timer(1.0, control.resume).start()
    assert set(lengths) == {3}


def test_a_checkpoint_is_byte_for_byte_what_safetensors_writes(
    many: Settings, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = change_settings(many, {"training.epochs": 1, "training.ema_decay": 0.9})
    written: list[bytes] = []
    plain = core.trials.writer.write_and_read_back

    def note(file: IO[bytes], content: Sequence[memoryview]) -> None:
        written.append(b"".join(content))
        plain(file, content)

    monkeypatch.setattr(core.trials.writer, "write_and_read_back", note)
    *_, last = train(settings, digits, home=tmp_path / "home")
    assert isinstance(last, Finished)
    (content,) = written
    assert (last.trial.directory / CHECKPOINT).read_bytes() == content
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert safetensors.torch.save(safetensors.torch.load(content), header["__metadata__"]) == content


def test_a_disk_that_changes_a_byte_is_noticed(tmp_path: Path) -> None:
    state = {"model.a": torch.rand(700_000), "model.b": torch.tensor(3)}
    content = checkpoint_content(Checkpoint(1, 2, 3, state))
    size = sum(map(len, content))
    for at in (0, 8, size - 2_000_000, size - 1):

        class Failing(io.FileIO):
            def fileno(self, at: int = at) -> int:  # asked for once all is written
                os.pwrite(super().fileno(), bytes([b"".join(content)[at] ^ 1]), at)
                return super().fileno()

        with Failing(tmp_path / f"{at}", "w") as file, pytest.raises(StateError, match="not read back"):
            write_and_read_back(file, content)  # type: ignore[arg-type]
    with open(tmp_path / "whole", "wb") as whole:
        write_and_read_back(whole, content)
