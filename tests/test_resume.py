"""Exact resumption: what goes on after an interruption is bitwise what would have been without it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from core import Control, EpochFinished, Finished, Settings, Started, branch, change_settings, resume, train
from core.data.dataset import Dataset
from core.errors import StateError, TrainingError, TrialbookError, TrialError
from core.size import fitting_batch_size, size_of
from core.trials.trial import Trial
from core.weights import read_weights


def finish(events: Iterator[Any]) -> Trial:
    *_, last = events
    assert isinstance(last, Finished)
    return last.trial


def stopped_after(epoch: int, settings: Settings, digits: Dataset, home: Path) -> Trial:
    control = Control()
    for event in train(settings, digits, home=home, control=control):
        if isinstance(event, EpochFinished) and event.result.epoch == epoch:
            control.finish_epoch()
    assert isinstance(event, Finished)
    return event.trial


def without_times(trial: Trial) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (trial.directory / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second", "crc32")} for line in lines]


def assert_equal(one: Trial, other: Trial) -> None:
    assert without_times(one) == without_times(other)
    assert (one.directory / "predictions").read_bytes() == (other.directory / "predictions").read_bytes()
    for best in (False, True):
        mine, others = read_weights(one.weights(best)), read_weights(other.weights(best))
        assert mine.keys() == others.keys()
        assert all(torch.equal(mine[name], others[name]) for name in mine)
    left, right = one.summary(), other.summary()
    for name in ("status", "repeats", "seed", "hidden", "epochs", "parameters", "best_by", "last", "best"):
        assert left[name] == right[name]


KINDS: tuple[Mapping[str, object], ...] = tuple(
    {
        "training.optimizer": optimizer,
        "model.hidden.*.dropout": dropout,
        "data.crop_padding": padding,
        "data.horizontal_flip": bool(padding),
        "data.mixup": 0.2 if padding else 0.0,
        "training.schedule": schedule,
        "training.precision": precision,
        "training.ema_decay": averaging,
        "training.l2_lambda": 0.01,
        "data.validation_split": 0.2 if precision == "bfloat16" else 0.0,
    }
    for (optimizer, schedule), (dropout, padding), (precision, averaging) in itertools.product(
        (("adam", "constant"), ("adamw", "cosine"), ("sgd", "one-cycle")),
        ((0.3, 0), (0.0, 1)),
        (("float32", 0.0), ("bfloat16", 0.99)),
    )
)


@pytest.mark.parametrize("changes", KINDS, ids=lambda changes: "-".join(map(str, changes.values())))
def test_a_resumed_trial_is_bitwise_the_uninterrupted_one(
    changes: Mapping[str, object], small: Settings, digits: Dataset, home: Path
) -> None:
    settings = change_settings(small, {**changes, "training.epochs": 4, "training.batch_size": 100})
    whole = finish(train(settings, digits, home=home))
    first = stopped_after(2, settings, digits, home)
    assert first.summary()["status"] == "stopped"
    events = list(resume(first, digits))
    assert isinstance(events[0], Started)
    assert len(events[0].history) == 2
    assert events[0].remarks == ()
    assert_equal(first, whole)


def test_what_is_beyond_the_checkpoint_is_cut_off(small: Settings, digits: Dataset, home: Path) -> None:
    settings = change_settings(small, {"training.epochs": 3})
    whole = finish(train(settings, digits, home=home))
    trial = stopped_after(2, settings, digits, home)
    history, predictions = trial.directory / "history.jsonl", trial.directory / "predictions"
    third = (whole.directory / "history.jsonl").read_bytes().splitlines(keepends=True)[2]
    history.write_bytes(history.read_bytes() + third)
    predictions.write_bytes(predictions.read_bytes() + b"\0" * 500)
    finish(resume(trial, digits))
    assert_equal(trial, whole)


def test_a_trial_without_a_complete_epoch_begins_anew(small: Settings, digits: Dataset, home: Path) -> None:
    settings = change_settings(small, {"training.epochs": 2})
    whole = finish(train(settings, digits, home=home))
    control = Control()
    control.stop()
    trial = finish(train(settings, digits, home=home, control=control))
    line = (whole.directory / "history.jsonl").read_bytes().splitlines(keepends=True)[0]
    (trial.directory / "history.jsonl").write_bytes(line)  # written, but no checkpoint made it count
    finish(resume(trial, digits))
    assert_equal(trial, whole)


def test_early_stopping_stops_a_resumed_trial_where_it_would_have(small: Settings, digits: Dataset, home: Path) -> None:
    changes = {"training.epochs": 50, "training.early_stopping_patience": 2, "training.early_stopping_min_delta": 0.05}
    settings = change_settings(small, changes)
    whole = finish(train(settings, digits, home=home))
    last = len(whole.history()[0])
    assert last < 50
    trial = stopped_after(last, settings, digits, home)
    if trial.summary()["status"] == "finished":  # early stopping came first
        values = trial.summary() | {"status": "running"}
        (trial.directory / "summary.json").write_text(json.dumps(values))  # as if it was killed just before its end
    finish(resume(trial, digits))
    assert_equal(trial, whole)


def test_a_finished_trial_gets_more_epochs(small: Settings, digits: Dataset, home: Path) -> None:
    longer = finish(train(change_settings(small, {"training.epochs": 4}), digits, home=home))
    trial = finish(train(change_settings(small, {"training.epochs": 2}), digits, home=home))
    with pytest.raises(TrialError, match="finished with 2 epochs; --epochs 4 would add 2"):
        list(resume(trial, digits))
    with pytest.raises(TrialError, match="has 2 epochs already"):
        list(resume(trial, digits, epochs=2))
    finish(resume(trial, digits, epochs=4))
    assert trial.settings().training.epochs == 4
    assert_equal(trial, longer)
    before = trial.ran_on()["before"]
    assert [(run["until_epoch"], run["planned_epochs"]) for run in before] == [(2, 2)]


def test_a_trial_whose_schedule_was_stretched_repeats_no_other(small: Settings, digits: Dataset, home: Path) -> None:
    cosine = change_settings(small, {"training.epochs": 2, "training.schedule": "cosine"})
    trial = finish(train(cosine, digits, home=home))
    finish(resume(trial, digits, epochs=3))
    other = finish(train(change_settings(cosine, {"training.epochs": 3}), digits, home=home))
    assert trial.settings() == other.settings()
    assert trial.summary()["repeats"] != other.summary()["repeats"]


def test_a_branch_shares_the_curve_before_and_goes_on_with_other_settings(
    small: Settings, digits: Dataset, home: Path
) -> None:
    settings = change_settings(small, {"training.epochs": 3, "training.learning_rate": 0.05})
    trial = finish(train(settings, digits, home=home))
    before = {path.name: path.read_bytes() for path in trial.directory.iterdir()}
    other = change_settings(settings, {"training.epochs": 5, "model.hidden.*.dropout": 0.4})
    twig = finish(branch(trial, digits, other, home=home, name="twig"))
    assert {path.name: path.read_bytes() for path in trial.directory.iterdir()} == before
    assert twig.history()[0][:3] == trial.history()[0]
    assert len(twig.history()[0]) == 5
    assert twig.all_predictions().shape[0] == 5
    summary = twig.summary()
    assert (summary["parent"], summary["branched_at"]) == (trial.id, 3)
    assert summary["changes"].startswith("branched at epoch 3; ")
    assert "dropout" in summary["changes"]

    same = change_settings(settings, {"training.epochs": 5})
    finish(resume(trial, digits, epochs=5))
    assert_equal_weights(finish(branch(trial_copy(trial, before), digits, same, home=home)), trial)


def trial_copy(trial: Trial, files: Mapping[str, bytes]) -> Trial:
    """Return another trial with what one held before."""
    copy = Trial(trial.directory.with_name("20200101-000000-00aaaa"))
    copy.directory.mkdir()
    for name, content in files.items():
        (copy.directory / name).write_bytes(content)
    return copy


def assert_equal_weights(one: Trial, other: Trial) -> None:
    mine, others = read_weights(one.weights()), read_weights(other.weights())
    assert all(torch.equal(mine[name], others[name]) for name in mine)


@pytest.mark.parametrize(
    "changes",
    [
        {"training.optimizer": "sgd"},
        {"training.ema_decay": 0.9},
        {"training.optimizer": "adamw", "training.l2_lambda": 0.1, "data.crop_padding": 1},
    ],
)
def test_a_branch_may_change_the_optimizer_and_the_averaging(
    changes: Mapping[str, object], small: Settings, digits: Dataset, home: Path
) -> None:
    trial = finish(train(change_settings(small, {"training.epochs": 2}), digits, home=home))
    twig = branch(trial, digits, change_settings(small, {"training.epochs": 4, **changes}), home=home)
    control = next(twig)
    assert isinstance(control, Started)
    finish(twig)
    back = finish(branch(control.trial, digits, change_settings(small, {"training.epochs": 5}), home=home))
    assert len(back.history()[0]) == 5


def test_a_branch_at_the_best_epoch(small: Settings, digits: Dataset, home: Path) -> None:
    # a rate that only rises does harm in the end
    rising = {"training.learning_rate": 5.0, "training.warmup_epochs": 12.0}
    settings = change_settings(small, {"training.epochs": 13, **rising})
    trial = finish(train(settings, digits, home=home))
    best = trial.summary()["best"]["epoch"]
    assert best < 13, "the test needs a trial that is best before its end"
    started = next(branch(trial, digits, settings, best=True, home=home))
    assert isinstance(started, Started)
    assert len(started.history) == best
    own, others = read_weights(started.trial.weights()), read_weights(trial.weights(best=True))
    assert all(torch.equal(own[name], others[name]) for name in own)


def test_what_a_branch_cannot_be(small: Settings, digits: Dataset, home: Path) -> None:
    trial = finish(train(change_settings(small, {"training.epochs": 2}), digits, home=home))
    for changes, told in (
        ({}, "--epochs must be more"),
        ({"training.epochs": 3, "data.validation_split": 0.1}, "must be about the same images"),
        ({"training.epochs": 3, "model.hidden": "7"}, "instead of|missing from|unknown to"),
    ):
        with pytest.raises(TrialbookError, match=told):
            list(branch(trial, digits, change_settings(trial.settings(), changes), home=home))
    assert len(list((home / "saved_models").iterdir())) == 1


def test_two_never_train_one_trial(small: Settings, digits: Dataset, home: Path) -> None:
    trial = stopped_after(1, change_settings(small, {"training.epochs": 3}), digits, home)
    first = resume(trial, digits)
    next(first)
    with pytest.raises(TrialError, match="being trained by another process"):
        next(resume(trial, digits))
    finish(first)


def test_files_that_do_not_belong_together_are_refused(small: Settings, digits: Dataset, home: Path) -> None:
    trial = stopped_after(2, change_settings(small, {"training.epochs": 3}), digits, home)
    whole = {path.name: path.read_bytes() for path in trial.directory.iterdir()}

    def refused(told: str, **files: bytes | None) -> None:
        for name, content in {**whole, **{key.replace("__", "."): value for key, value in files.items()}}.items():
            path = trial.directory / name
            path.unlink(missing_ok=True)
            if content is not None:
                path.write_bytes(content)
        before = {path.name: path.read_bytes() for path in trial.directory.iterdir()}
        with pytest.raises(TrialbookError, match=told) as caught:
            list(resume(trial, digits))
        assert "\n" not in str(caught.value)
        assert {path.name: path.read_bytes() for path in trial.directory.iterdir()} == before

    lines = whole["history.jsonl"].splitlines(keepends=True)
    refused("is not the one that its checkpoint was made with", history__jsonl=lines[0])
    refused("is not the one that its checkpoint was made with", history__jsonl=lines[1] + lines[0])
    refused("predictions lacks an epoch", predictions=whole["predictions"][:-1])
    refused("has no checkpoint of its last epoch", checkpoint__safetensors=None)
    for at in range(0, len(whole["checkpoint.safetensors"]), 997):
        damaged = bytearray(whole["checkpoint.safetensors"])
        damaged[at] ^= 255
        refused(".", checkpoint__safetensors=bytes(damaged))
    refused("damaged or no checkpoint", checkpoint__safetensors=whole["checkpoint.safetensors"][:-1])
    refused("larger than", checkpoint__safetensors=whole["checkpoint.safetensors"] + b"\0" * 10_000_000)


def test_changed_images_are_refused(small: Settings, digits: Dataset, home: Path) -> None:
    trial = stopped_after(1, change_settings(small, {"training.epochs": 2}), digits, home)
    ran_on = trial.ran_on()
    ran_on["data"]["fingerprint"] = "0" * 64
    (trial.directory / "ran_on.json").write_text(json.dumps(ran_on))
    with pytest.raises(StateError, match="the images have changed"):
        list(resume(trial, digits))


def test_another_machine_is_told(small: Settings, digits: Dataset, home: Path) -> None:
    trial = stopped_after(1, change_settings(small, {"training.epochs": 2}), digits, home)
    ran_on = trial.ran_on()
    ran_on["threads"] = 77
    ran_on["versions"]["torch"] = "1.0"
    (trial.directory / "ran_on.json").write_text(json.dumps(ran_on))
    started, *_ = resume(trial, digits)
    assert isinstance(started, Started)
    assert [text.split(" ->")[0] for text in started.remarks] == ["torch 1.0", "threads 77"]


@pytest.mark.usefixtures("saved_at_once")
def test_a_removed_directory_ends_no_training_and_the_trial_is_saved_elsewhere(
    small: Settings, digits: Dataset, home: Path, tmp_path: Path
) -> None:
    settings = change_settings(small, {"training.epochs": 4})
    whole = finish(train(settings, digits, home=home))
    events = []
    for event in train(settings, digits, home=home, name="kept"):
        events.append(event)
        if isinstance(event, EpochFinished) and event.result.epoch == 2:
            started = events[0]
            assert isinstance(started, Started)
            shutil.rmtree(started.trial.directory)
    assert [type(event).__name__ for event in events if type(event).__name__ == "NotSaved"] == ["NotSaved"] * 2
    assert isinstance(event, Finished)
    assert event.unsaved is not None
    assert "is gone" in event.unsaved.reason
    with pytest.raises(TrialError):
        event.unsaved.save(Path("/proc/nowhere"))
    saved = event.unsaved.save(tmp_path / "elsewhere")
    assert saved.id == event.trial.id
    assert without_times(saved) == without_times(whole)
    assert_equal_weights(saved, whole)
    assert (saved.directory / "predictions").read_bytes() == (whole.directory / "predictions").read_bytes()
    assert saved.about().name == "kept"
    assert saved.summary()["status"] == "finished"


def out_of_memory(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def lost_device(*_: object) -> None:
    raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be ...")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (out_of_memory, "memory ran out: a batch size of 64 would fit, or choose narrower hidden layers"),
        (lost_device, r"the GPU failed \(CUDA error: an illegal .*\); start Trialbook anew and resume the trial"),
    ],
)
def test_what_goes_wrong_on_the_device_is_one_line_and_the_last_epoch_is_safe(
    fault: Callable[..., None],
    told: str,
    small: Settings,
    digits: Dataset,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = change_settings(small, {"training.epochs": 3, "training.batch_size": 100})
    whole = finish(train(settings, digits, home=home))
    events = train(settings, digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    next(event for event in events if isinstance(event, EpochFinished))
    with monkeypatch.context() as patched:
        patched.setattr("core.optimizer.PenalizedOptimizer.step", fault)
        with pytest.raises(TrainingError, match=told):
            list(events)
    assert started.trial.summary()["status"] == "failed"
    assert re.search(told, started.trial.summary()["reason"])
    finish(resume(started.trial, digits))
    assert_equal(started.trial, whole)


def test_the_batch_size_that_would_fit_is_the_largest_one(digits: Dataset) -> None:
    wide = change_settings(Settings(), {"model.hidden": "4096-4096", "training.batch_size": 1000})
    needs = {
        size: size_of(change_settings(wide, {"training.batch_size": size}), digits.shape).memory.total
        for size in (256, 512)
    }
    assert fitting_batch_size(wide, digits.shape, needs[512]) == 512
    assert fitting_batch_size(wide, digits.shape, needs[512] - 1) == 256
    assert fitting_batch_size(wide, digits.shape, 1_000_000) is None
