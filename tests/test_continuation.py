"""What goes on with a trial and what cannot: imported ones, those that early stopping has ended, and best epochs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core import Finished, Settings, Started, branch, change_settings, resume, train
from core.data.dataset import Dataset
from core.early_stopping import epochs_without_improvement
from core.epoch import Epoch
from core.errors import StateError
from core.machine import describe_run
from core.settings import settings_to_toml
from core.trials.exchange import export_trial, import_trial
from core.trials.store import listed_trial
from core.trials.trial import BEST_CHECKPOINT, Trial
from core.weights import read_weights
from tests.conftest import Ran
from tests.test_resume import finish, stopped_after

# a rate that only rises does harm in the end
RISING = {"training.learning_rate": 5.0, "training.warmup_epochs": 12.0}
STOPS_EARLY = {"training.epochs": 50, "training.early_stopping_patience": 2, "training.early_stopping_min_delta": 5.0}


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_imported_trial_keeps_its_epochs(
    epochs: int, small: Settings, digits: Dataset, home: Path, tmp_path: Path
) -> None:
    trial = finish(train(change_settings(small, {"training.epochs": epochs}), digits, home=home))
    export_trial(trial, tmp_path / "one.trialbook")
    back = import_trial(tmp_path / "other", tmp_path / "one.trialbook")
    before = {path.name: path.read_bytes() for path in back.directory.iterdir()}
    with pytest.raises(StateError, match="it has no checkpoint of its last epoch; `trialbook train --from "):
        list(resume(back, digits, epochs=9))
    assert {name: (back.directory / name).read_bytes() for name in before} == before


def test_an_imported_trial_without_epochs_begins(
    small: Settings, digits: Dataset, home: Path, tmp_path: Path, trialbook: Callable[..., Ran]
) -> None:
    events = train(small, digits, home=home)
    next(events)
    events.close()
    assert trialbook("export", "last", tmp_path / "one.trialbook").status == 0
    back = import_trial(tmp_path / "other", tmp_path / "one.trialbook")
    labels = digits.test.labels.numpy().astype("uint8").tobytes()
    (back.directory / "test_labels").write_bytes(labels)
    finish(resume(back, digits))
    assert len(back.history()[0]) == 2


def test_a_trial_that_early_stopping_has_ended_gets_no_more_epochs(
    trialbook: Callable[..., Ran], small: Settings, digits: Dataset, home: Path
) -> None:
    settings = change_settings(small, STOPS_EARLY)
    trial = finish(train(settings, digits, home=home))
    assert len(trial.history()[0]) == 3
    for arguments in ((), ("--epochs", "60")):
        ran = trialbook("resume", "last", *arguments)
        assert (ran.status, len(ran.complaints)) == (1, 1)
        assert "was ended by early stopping after epoch 3" in ran.err
        assert "training.early_stopping_patience=4`" in ran.err
    assert trial.settings() == settings
    advice = ran.err.split("`trialbook ")[1].split("`")[0]
    assert trialbook(*advice.split(), "--epochs", "4").status == 0  # as it says, but for so many epochs
    finished = finish(train(change_settings(settings, {"training.epochs": 3}), digits, home=home))
    with pytest.raises(StateError, match="patience=4 --epochs 6` goes on"):  # without epochs there is no branch
        list(resume(finished, digits))


def test_small_steps_add_up_to_an_improvement() -> None:
    def waited(*costs: float) -> int:
        history = [Epoch(at, 0.0, 0.0, 0.0, cost, 0.0, None, None, 0.0, 0.0, 0.0) for at, cost in enumerate(costs, 1)]
        return epochs_without_improvement(history, 0.1)

    assert [waited(), waited(1.0), waited(1.0, 0.95), waited(1.0, 0.95, 0.89), waited(1.0, 0.95, 0.96)] == [
        0,
        0,
        1,
        0,  # 0.06 below its lowest, but 0.11 below the last improvement
        2,
    ]


def rising(small: Settings, digits: Dataset, home: Path) -> Trial:
    """Train a trial whose best epoch is not its last."""
    trial = finish(train(change_settings(small, {"training.epochs": 13, **RISING}), digits, home=home))
    assert trial.summary()["best"]["epoch"] < 13, "the test needs a trial that is best before its end"
    return trial


def begun(trial: Trial, digits: Dataset, settings: Settings, home: Path, best: bool = False) -> Trial:
    """Return a branch that was stopped before its own first epoch."""
    events = branch(trial, digits, settings, best=best, home=home)
    started = next(events)
    assert isinstance(started, Started)
    events.close()
    return started.trial


def test_a_branch_of_a_branch_begins_at_its_parents_best_epoch(small: Settings, digits: Dataset, home: Path) -> None:
    trial = rising(small, digits, home)
    twig = begun(trial, digits, change_settings(trial.settings(), {"training.epochs": 14}), home)
    assert twig.summary()["best"] == trial.summary()["best"]
    leaf = begun(twig, digits, change_settings(trial.settings(), {"training.epochs": 15}), home, best=True)
    assert leaf.summary()["branched_at"] == trial.summary()["best"]["epoch"]
    own, others = read_weights(leaf.weights()), read_weights(trial.weights(best=True))
    assert all(torch.equal(own[name], others[name]) for name in own)


def test_a_best_epoch_that_a_branchs_settings_cannot_go_on_with_is_one_line(
    small: Settings, digits: Dataset, home: Path
) -> None:
    trial = rising(small, digits, home)
    other = change_settings(trial.settings(), {"training.epochs": 14, "training.optimizer": "sgd"})
    twig = begun(trial, digits, other, home)
    assert not (twig.directory / BEST_CHECKPOINT).exists()
    with pytest.raises(StateError, match="it has no checkpoint of its best epoch"):
        next(branch(twig, digits, other, best=True, home=home))


def test_a_branch_never_takes_a_later_best_epochs_weights(
    small: Settings, digits: Dataset, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = change_settings(small, {"training.epochs": 13, **RISING})
    trial = finish(train(settings, digits, home=home))
    best = trial.summary()["best"]["epoch"]
    stopped = stopped_after(best + 1, settings, digits, home)
    trials = len(list((home / "saved_models").iterdir()))

    def meanwhile(*arguments: object) -> object:
        monkeypatch.setattr("core.continuation.describe_run", describe_run)
        calm = change_settings(settings, {"training.learning_rate": 0.05})
        (stopped.directory / "settings.toml").write_text(settings_to_toml(calm))
        *_, ended = resume(stopped, digits)
        assert isinstance(ended, Finished)
        return describe_run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("core.continuation.describe_run", meanwhile)
    with pytest.raises(StateError, match="has got a better epoch just now"):
        list(branch(stopped, digits, change_settings(settings, {"training.epochs": 14}), home=home))
    assert stopped.summary()["best"]["epoch"] > best
    assert len(list((home / "saved_models").iterdir())) == trials


def test_a_trial_that_was_killed_while_it_was_paused_is_paused_no_more(
    small: Settings, digits: Dataset, home: Path
) -> None:
    trial = stopped_after(1, small, digits, home)
    (trial.directory / "live.json").write_text('{"event": "paused"}')
    events = resume(trial, digits)
    next(events)
    assert listed_trial(trial).shown == "running"
    events.close()
