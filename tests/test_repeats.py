"""What is said about settings over several seeds, and about a test set that was used to choose, against scipy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core.trials.repeats import Repeats, SettingsVerdict, repeats_of, settings_verdict
from core.trials.selection import Selection, selection_of
from core.trials.store import Listed
from core.trials.trial import About, Trial

accuracies = st.lists(st.integers(0, 10_000).map(lambda right: right / 10_000), min_size=2, max_size=8)


def listed(number: int, accuracy: float | None, status: str = "finished", **summary: Any) -> Listed:
    trial = Trial(Path(f"20260101-000000-{number:02}aaaa"))
    last = None if accuracy is None else {"epoch": 1, "test_accuracy": accuracy}
    values = {"repeats": "k", "seed": number, "last": last, "best_by": "test cost", "fingerprint": "f"}
    return Listed(trial, About(), {**values, "test_images": 10_000, **summary}, status)


def repeated(values: list[float]) -> Repeats:
    return repeats_of([listed(number, value) for number, value in enumerate(values)])["k"]


@given(accuracies)
def test_mean_and_interval_are_those_of_students_t(values: list[float]) -> None:
    found = repeated(values)
    assert found.accuracies == tuple(values)
    assert found.mean == pytest.approx(np.mean(values))
    error = stats.sem(values) or 1e-30
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), error)
    assert found.interval == pytest.approx((max(0, low), min(1, high)), abs=1e-12)


@pytest.mark.filterwarnings("ignore:Precision loss")  # scipy's own, for values that are nearly equal
@given(accuracies, accuracies)
def test_the_verdict_on_settings_is_welchs_test(before: list[float], after: list[float]) -> None:
    verdict = settings_verdict(repeated(before), repeated(after))
    assert verdict.points == pytest.approx(100 * (np.mean(after) - np.mean(before)))
    assert verdict.seeds == (len(before), len(after))
    if len(set(before)) + len(set(after)) > 2:
        expected = stats.ttest_ind(after, before, equal_var=False)
        interval = expected.confidence_interval(0.95)
        assert verdict.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
        assert verdict.interval == pytest.approx((100 * interval.low, 100 * interval.high), rel=1e-6, abs=1e-9)


def test_settings_that_never_vary_are_compared_as_they_are() -> None:
    assert settings_verdict(repeated([0.5, 0.5]), repeated([0.5, 0.5, 0.5])) == SettingsVerdict(0, (0, 0), (2, 3), 1.0)
    third = repeated([0.1, 0.1, 0.1])  # whose sum is not three times a tenth
    assert settings_verdict(third, repeated([0.1, 0.1])).p == 1.0
    verdict = settings_verdict(repeated([0.5, 0.5]), repeated([0.75, 0.75]))
    assert verdict == SettingsVerdict(25.0, (25.0, 25.0), (2, 2), 0.0)
    assert verdict.is_distinguishable


def test_only_finished_seeds_count_and_each_once() -> None:
    alone = [listed(1, 0.5), listed(2, 0.6, "stopped"), listed(3, None), listed(4, 0.7, repeats="other")]
    assert repeats_of(alone) == {}
    assert repeats_of([listed(1, 0.5), listed(2, 0.9, seed=1)]) == {}
    odd = [listed(7, 0.5, repeats=None), listed(8, 0.5, seed="x"), listed(9, 2.0), listed(10, float("nan"))]
    found = repeats_of([listed(6, 0.8, seed=1), *alone, listed(5, 0.7), *odd])["k"]
    assert [trial.id[-6:-4] for trial in found.trials] == ["05", "06"]
    assert found.accuracies == (0.7, 0.8)


def test_repeats_and_their_verdict_in_words() -> None:
    assert str(repeated([0.57, 0.58, 0.59])) == "58.00 % on average, 95 % interval 55.52 % to 60.48 % (3 seeds)"
    verdict = SettingsVerdict(0.62, (0.1, 1.14), (5, 5), 0.03)
    assert str(verdict) == "settings: +0.62 points, 95 % interval +0.10 to +1.14 (5 and 5 seeds, Welch p = 0.03)"


def test_the_expected_optimism_is_bloms() -> None:
    trials = [listed(number, 0.5 + number / 1000) for number in range(26)]
    found = selection_of(trials, "f")
    assert found is not None
    error = np.sqrt(0.525 * 0.475 / 10_000)
    assert found == Selection(26, 10_000, pytest.approx(100 * stats.norm.ppf(25.625 / 26.25) * error))
    # the expectation itself, simulated
    largest = np.random.default_rng(0).standard_normal((20_000, 26)).max(1).mean()
    assert found.optimism_points == pytest.approx(100 * largest * error, rel=0.02)
    assert str(found) == (
        "the 10,000 test images were used to choose among 26 trials without a validation split: "
        "expect the best accuracy to be too high by up to 0.99 points"
    )


def test_only_trials_that_chose_by_the_test_set_count() -> None:
    trials = [
        listed(1, 0.5),
        listed(2, 0.6, best_by="validation cost"),
        listed(3, 0.7, fingerprint="other"),
        listed(4, None),
        listed(5, 0.4, status="stopped"),
    ]
    found = selection_of(trials, "f")
    assert found is not None
    assert (found.count, found.images) == (2, 10_000)
    alone = selection_of(trials, "other")
    assert alone is not None
    assert (alone.count, alone.optimism_points) == (1, 0.0)
    for key in ("nothing", "", None, 5):
        assert selection_of(trials, key) is None


def test_what_is_the_same_trial_again_counts_once() -> None:
    last = {"epoch": 4, "train_cost": 1.0, "test_cost": 2.0, "test_accuracy": 0.5}
    trials = [
        listed(1, 0.5),
        listed(2, 0.6, seed=1),  # on another device, or with fewer epochs so far
        listed(3, 0.5, last=last),
        listed(4, 0.5, last=last, repeats="20260101-000000-03aaaa"),  # an imported copy of a branch
        listed(5, 0.5, last={**last, "test_cost": 2.0000001}),
        listed(6, 0.5, last={**last, "test_cost": [2.0], "train_cost": 9.0}),
    ]
    counts = []
    for end in range(1, len(trials) + 1):
        found = selection_of(trials[:end], "f")
        assert found is not None
        counts.append(found.count)
    assert counts == [1, 1, 2, 2, 3, 4]
    best = selection_of(trials[:3], "f")
    assert best is not None
    error = np.sqrt(0.6 * 0.4 / 10_000)
    assert best.optimism_points == pytest.approx(100 * stats.norm.ppf(1.625 / 2.25) * error)


def test_an_accuracy_of_all_images_is_not_without_error() -> None:
    found = selection_of([listed(1, 1.0), listed(2, 1.0)], "f")
    assert found is not None
    assert 0 < found.optimism_points < 0.01
