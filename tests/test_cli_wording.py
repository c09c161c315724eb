"""What the command line says, in words: to people at a terminal, of usage, and of figures that there are none of."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.evaluation import ClassScore
from core.trials.store import find_trial
from tests.conftest import ROOT, Ran, make_image

Trialbook = Callable[..., Ran]
QUICK = ("--hidden", "16-8", "--epochs", "1")


def test_one_epoch_of_one_step_is_told_as_one(trialbook: Trialbook) -> None:
    lines = trialbook("train", "--hidden", "16-8", "--batch-size", "5000", "--epochs", "1").lines
    assert any(line.startswith("training 1 epoch of 1 step of all images, ") for line in lines)
    lines = trialbook("train", "--hidden", "16-8", "--batch-size", "1000", "--epochs", "2").lines
    assert any(line.startswith("training 2 epochs of 2 steps of 1,000 images, ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--form", "x"), "Did you mean '--from'? `trialbook train --help` tells the usage"),
        (("trash", "restore"), "Missing argument 'ID'; `trialbook trash restore --help` tells the usage"),
        (("report",), "or --markdown FILE; `trialbook report --help` tells the usage"),
        (("frain",), "No such command 'frain'; `trialbook --help` tells the usage"),
    ],
)
def test_wrong_usage_names_the_help_of_the_command(
    trialbook: Trialbook, arguments: tuple[str, ...], words: str
) -> None:
    ran = trialbook(*arguments)
    assert ran.status == 2
    (complaint,) = ran.complaints
    assert complaint.endswith(words)


def test_no_command_of_the_trash_is_explained_in_half_a_sentence(trialbook: Trialbook) -> None:
    assert "..." not in trialbook("trash", "--help").out.partition("Commands:")[2]


@pytest.mark.parametrize("option", ["--html", "--markdown"])
@pytest.mark.parametrize("file", [".", "..", "/", "folder"])
def test_a_report_is_not_written_over_a_directory(
    trialbook: Trialbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, file: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    ran = trialbook("report", option, file)
    assert (ran.status, ran.err) == (1, f"trialbook: cannot write {file}: it is a directory; name a file in it\n")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_show_tells_what_a_trial_ran_on_as_far_as_that_is_recorded(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK, "--device", "cpu")
    path = find_trial(home, "last").directory / "ran_on.json"
    ran_on = json.loads(path.read_text())
    threads = f"{ran_on['threads']} thread{'' if ran_on['threads'] == 1 else 's'}"
    lines = trialbook("show", "last").lines
    assert f"ran on    cpu ({ran_on['processor']}), {threads}, kernels of PyTorch" in lines
    assert any(line.startswith(f"versions  PyTorch {ran_on['versions']['torch']}, Python 3.") for line in lines)
    path.write_text(json.dumps({**ran_on, "versions": [], "kernels": None, "threads": "x", "device": "a\nGPU"}))
    ran = trialbook("show", "last")
    assert ran.status == 0 and "ran on    a\\x0aGPU" in ran.lines
    assert not any(line.startswith("versions") for line in ran.lines)


def test_a_score_of_a_class_without_images_is_a_dash(trialbook: Trialbook, folder: Path) -> None:
    for number in range(12):
        make_image(folder / f"train/cat/{number}.png", number)
    ran = trialbook("train", "--data", folder, *QUICK)
    remark = "no test image is of the class cat, which the test accuracy says nothing of"
    assert ran.complaints == [remark]
    ran = trialbook("evaluate", "last")
    assert remark in ran.complaints
    (row,) = [line.split() for line in ran.lines if line.startswith("cat ")][:1]
    assert row[:2] == ["cat", "0"]
    scores = trialbook("evaluate", "last", "--json").json()
    predicted = scores["per_class"][2]["predicted"]
    assert predicted == sum(counts[2] for counts in scores["confusion_matrix"])
    assert " ".join(row[2:]) == ("0.0 % - 0.0 %" if predicted else "- - -")
    assert [scores["per_class"][2][name] for name in ("precision", "recall", "f1")] == [0.0, 0.0, 0.0]


def test_what_no_image_measures_is_no_score() -> None:
    assert ClassScore("ant", 0, 0, 0.0, 0.0, 0.0).measured == (None, None, None)
    assert ClassScore("bee", 0, 3, 0.0, 0.0, 0.0).measured == (0.0, None, 0.0)
    assert ClassScore("cat", 3, 0, 0.0, 0.0, 0.0).measured == (None, 0.0, 0.0)
    assert ClassScore("dog", 2, 4, 0.5, 1.0, 2 / 3).measured == (0.5, 1.0, 2 / 3)


def test_sentences_are_wrapped_at_words_in_a_terminal_and_nowhere_else(trialbook: Trialbook, home: Path) -> None:
    for seed in ("1", "2"):
        trialbook("train", *QUICK, "--set", f"training.seed={seed}")
    piped = trialbook("show", "last").lines
    sentence = next(line for line in piped if line.startswith("Of several trials"))
    shown = in_terminal("--home", str(home), "show", "last").splitlines()
    begin = next(at for at, line in enumerate(shown) if line.startswith("Of several trials"))
    assert all(len(line) <= 80 for line in shown[begin:]) and len(shown) - begin > 3
    assert " ".join(shown[begin:]) == sentence


def in_terminal(*arguments: str) -> str:
    """Return what a command prints in a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    code = "from core.cli.main import main; main()"
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, env=environment
    ):
        os.close(theirs)
        parts = []
        while True:
            try:
                parts.append(os.read(ours, 65536))
            except OSError:  # the other end is closed
                break
            if not parts[-1]:
                break
    os.close(ours)
    return b"".join(parts).decode()


def test_a_training_with_a_validation_split_shows_what_decides(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook("train", "--hidden", "16-8", "--epochs", "6", "--set", "data.validation_split=0.15")
    assert "images   1,221 for training, 216 kept aside for validation, 360 for testing" in ran.lines
    epochs, _ = find_trial(home, "last").history()
    at = next(number for number, line in enumerate(ran.lines) if line.startswith("epoch"))
    assert ran.lines[at].split("  ")[2:4] == ["test cost", "val. cost"]
    for epoch, line in zip(epochs, ran.lines[at + 1 :], strict=False):
        assert line.split()[:4] == [
            str(epoch.epoch),
            *(f"{x:.4f}" for x in (epoch.train_cost, epoch.test_cost, epoch.best_cost)),
        ]
        assert len(line) < 80
    best = min(epochs, key=lambda epoch: epoch.best_cost)
    assert any(
        line.startswith(f"best epoch {best.epoch} by validation cost ({best.best_cost:.4f}): test cost")
        for line in ran.lines
    )
    assert not any("validation" in line or "val." in line for line in trialbook("train", *QUICK).lines)


def test_a_name_that_seeds_were_added_to_is_understood(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK, "--seeds", "4", "--name", "base")
    ran = trialbook("train", "--from", "base")
    meant = 'did you mean "base seed 0" or "base seed 1" or "base seed 2"?'
    assert ran.err == f"trialbook: there is no trial base in {home / 'saved_models'}; {meant}\n"
    assert trialbook("show", "other").err.endswith("; `trialbook trials` lists them\n")
    assert '"NAME seed 0"' in " ".join(trialbook("train", "--help").out.split())


def test_a_check_that_would_have_to_download_says_what_does(
    trialbook: Trialbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.dataset.load_data", lambda *_: pytest.fail("it was loaded"))
    ran = trialbook("check", "--preset", "trial-25")
    told = "cifar10 is not on this machine; `trialbook data download cifar10` gets it (170.5 MB)"
    assert (ran.status, ran.err) == (1, f"trialbook: {told}\n")


def test_a_trial_whose_images_were_moved_says_what_to_do(trialbook: Trialbook, folder: Path) -> None:
    trialbook("train", "--data", folder, *QUICK)
    moved = folder.rename(folder.with_name("moved"))
    gone = f"trialbook: the trial was trained on {folder}, which is no folder any more; "
    ran = trialbook("evaluate", "last")
    assert (ran.status, ran.err) == (1, gone + "--data DIR names where the images are now\n")
    assert trialbook("evaluate", "last", "--data", moved).status == 0
    resumed = ("resume", "last", "--epochs", 2)
    ran = trialbook(*resumed)
    assert (ran.status, ran.err) == (1, gone + "put the images back there, or a symbolic link to where they are\n")
    folder.symlink_to(moved)
    assert trialbook(*resumed).status == 0
