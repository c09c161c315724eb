"""The command line as a process: signals, and outputs that nobody reads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, hear_signals, make_image


@contextmanager
def started(*arguments: object, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Start the command line in a process of its own, and leave none behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "core", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,  # noqa: PLW1509 - no other thread of the tests holds a lock here
        **options,  # type: ignore[call-overload]
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_an_epoch(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "epoch":
            return


@pytest.mark.parametrize(
    ("signals", "status", "words"),
    [
        ([signal.SIGINT], 130, "stopped after epoch"),
        ([signal.SIGINT, signal.SIGINT], 130, "stopped in epoch"),
        ([signal.SIGTERM], 143, "stopped in epoch"),
        ([signal.SIGHUP], 129, "stopped in epoch"),
    ],
)
def test_signals_end_a_training_in_order(home: Path, signals: list[signal.Signals], status: int, words: str) -> None:
    slow = ("--hidden", "256-256-256", "--batch-size", "2", "--epochs", "99", "--set", "model.hidden.*.batch_norm=off")
    with started("--home", home, "train", *slow, "--json") as process:
        wait_for_an_epoch(process)
        for number in signals:
            time.sleep(0.3)  # into the middle of the second epoch
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "Traceback" not in err
    finished = json.loads(out.splitlines()[-1])
    assert finished["status"] == "stopped"
    assert words in finished["reason"]
    (trial,) = (home / "saved_models").iterdir()
    assert len((trial / "history.jsonl").read_text().splitlines()) == finished["epochs"] >= 1
    assert json.loads((trial / "summary.json").read_text())["status"] == "stopped"


def test_nohup_keeps_a_training_through_a_hangup(home: Path) -> None:
    line = (
        f"trap '' HUP; exec {sys.executable} -m core --home {home} train --hidden 64 --batch-size 8 --epochs 9 --json"
    )
    with subprocess.Popen(["sh", "-c", line], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        wait_for_an_epoch(process)
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out.splitlines()[-1])["status"] == "finished"


def test_a_reader_that_has_enough_is_no_error(home: Path) -> None:
    command = f"{sys.executable} -m core --home {home} presets | head -1"
    ran = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False)
    assert ran.stderr == ""
    assert len(ran.stdout.splitlines()) == 1


@pytest.mark.parametrize("redirection", [">&-", ">/dev/full", "2>&- >&-", "2>/dev/full >/dev/full"])
@pytest.mark.parametrize("command", ["presets", "trials --json", "train --epochs 1 --hidden 8"])
def test_an_output_that_cannot_be_written_is_one_line(home: Path, command: str, redirection: str) -> None:
    line = f"{sys.executable} -m core --home {home} {command} {redirection}"
    ran = subprocess.run(["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False)
    assert ran.returncode == (0 if ">&-" in redirection else 1)
    assert ran.stderr in ("", "trialbook: input or output: No space left on device\n")


def test_a_signal_while_images_are_decoded_leaves_nothing(tmp_path: Path) -> None:
    source = make_image(tmp_path / "one.png", 1, size=(300, 300))
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / "many" / part / name).mkdir(parents=True)
            for number in range(1500):
                os.link(source, tmp_path / "many" / part / name / f"{number}.png")
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    images = tmp_path / "cache/trialbook/images"
    with started("--home", tmp_path, "train", "--data", tmp_path / "many", env=environment) as process:
        while not list(images.glob(".many-*/all.npy")):
            time.sleep(0.02)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "")
    assert list(images.iterdir()) == []
    assert not (tmp_path / "saved_models").exists()
