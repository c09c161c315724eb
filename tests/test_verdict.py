"""The verdict between two models, against scipy's own binomial test, and as a training writes it down."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from core.comparison import disagreements
from core.data.dataset import Dataset
from core.errors import TrialError
from core.events import Finished
from core.session import train
from core.settings import Settings, change_settings
from core.verdict import Verdict, mcnemar, trial_verdict, verdict_on
from tests.conftest import Ran


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_p_value_is_that_of_the_exact_binomial_test(gained: int, lost: int) -> None:
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9, abs=1e-280)  # below that, scipy gives 0


def test_only_images_on_which_the_models_disagree_count() -> None:
    labels = np.array([0, 1, 2, 3, 4, 5])
    before = np.array([0, 1, 0, 0, 0, 5])
    after = np.array([0, 0, 2, 3, 4, 5])
    found = verdict_on(labels, before, after)
    assert (found.images, found.gained, found.lost, found.difference) == (6, 3, 1, 2)
    assert found.points == pytest.approx(100 * 2 / 6)
    assert found.p == pytest.approx(binomtest(3, 4).pvalue)


def test_a_verdict_in_words() -> None:
    assert str(Verdict(10_000, 508, 500, 0.9)) == "+0.08 points: 8 images, not distinguishable (McNemar p = 0.9)"
    assert str(Verdict(10_000, 0, 1, 1.0)) == "-0.01 points: 1 image, not distinguishable (McNemar p = 1)"
    assert str(Verdict(10_000, 900, 500, 1e-20)) == "+4.00 points: 400 images, more than chance (McNemar p < 0.001)"


def test_a_trial_is_compared_with_its_parent_at_the_end(small: Settings, digits: Dataset, home: Path) -> None:
    *_, first = train(small, digits, home=home)
    assert isinstance(first, Finished)
    assert first.verdict is None
    longer = change_settings(small, {"training.epochs": 6, "training.learning_rate": 0.01})
    *_, second = train(longer, digits, home=home, parent=first.trial.id)
    assert isinstance(second, Finished)
    assert (second.trial.test_labels() == digits.test.labels.numpy()).all()
    labels = digits.test.labels.numpy()
    was, now = first.trial.predictions(2) == labels, second.trial.predictions(6) == labels
    assert second.verdict == Verdict(360, int((now & ~was).sum()), int((was & ~now).sum()), second.verdict.p)
    assert second.verdict.is_distinguishable
    summary = second.trial.summary()
    assert Verdict(**summary["verdict"]) == second.verdict == trial_verdict(first.trial, second.trial)
    assert summary["changes"] == "learning rate: 0.001 -> 0.01; epochs: 2 -> 6"
    assert first.trial.summary()["changes"] == ""


@pytest.mark.parametrize("images", [359, 1, "360", None])
def test_another_number_of_test_images_is_another_test_set(
    images: object, small: Settings, digits: Dataset, home: Path, trialbook: Callable[..., Ran]
) -> None:
    *_, first = train(small, digits, home=home)
    assert isinstance(first, Finished)
    path = first.trial.directory / "ran_on.json"
    ran_on = json.loads(path.read_text())
    ran_on["data"]["test_images"] = images
    path.write_text(json.dumps(ran_on))
    *_, second = train(small, digits, home=home, parent=first.trial.id)
    assert isinstance(second, Finished)
    assert second.verdict is None
    assert trial_verdict(first.trial, second.trial) is None
    ran = trialbook("compare", first.trial.id, second.trial.id)
    assert "unexpected" not in ran.err and len(ran.complaints) <= 1
    assert ("were not tested on the same images" in ran.out + ran.err) == isinstance(images, int)
    with pytest.raises(TrialError, match="same images|does not tell"):
        disagreements(first.trial, second.trial)


def test_repeats_have_one_key_and_other_settings_another(small: Settings, digits: Dataset, home: Path) -> None:
    keys = []
    for changes in ({}, {"training.seed": 5}, {"training.batch_size": 64}):
        *_, ended = train(change_settings(small, changes), digits, home=home)
        assert isinstance(ended, Finished)
        keys.append(ended.trial.summary()["repeats"])
    assert keys[0] == keys[1] != keys[2]
