"""Trials of one home that commands with another home go on with: by their directories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.cli.main import run
from core.trials.store import list_trials
from core.trials.trial import Trial
from tests.conftest import Ran

Call = Callable[..., Ran]
SMALL = ("--hidden", "8", "--dropout", "0.2", "--epochs")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Trial:
    """A trial of another home, which it shares with a repeat."""
    for _ in range(2):
        assert run(["--home", str(tmp_path / "other"), "train", *SMALL, "1"]) == 0
    return list_trials(tmp_path / "other")[-1].trial


def test_a_trial_that_goes_on_is_named_so_that_it_is_found(trialbook: Call, elsewhere: Trial) -> None:
    ran = trialbook("resume", elsewhere.directory, "--epochs", 2)
    assert f"`trialbook evaluate {elsewhere.directory}` tells more" in ran.out


@pytest.mark.parametrize("seeds", [1, 2])
def test_what_was_changed_is_kept(trialbook: Call, home: Path, elsewhere: Trial, seeds: int) -> None:
    ran = trialbook("train", "--from", elsewhere.directory, *SMALL, 2, "--dropout", 0, "--seeds", seeds)
    assert "changed  dropout of layer 1: 0.2 -> 0" in ran.lines
    for at, listed in enumerate(list_trials(home)):
        kept = "dropout of layer 1: 0.2 -> 0; epochs: 1 -> 2" + (f"; seed: {at - 1} -> {at}" if at else "")
        assert listed.summary["changes"] == kept
        assert listed.summary["parent"] == elsewhere.id
        assert f"changed   {kept}" in trialbook("show", listed.trial.id).lines
