"""What `trialbook compare` prints: tables in blocks, and what repeats tell of their settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.comparison import compare
from core.trials.repeats import repeats_of, settings_verdict
from core.trials.store import listed_trial
from core.trials.trial import SUMMARY, Trial
from tests.conftest import Ran
from tests.test_cli_wording import in_terminal
from tests.test_comparison import stand_in, write
from tui.comparing import words_on_settings


def test_more_trials_than_there_is_room_for_are_told_in_blocks_with_labels_in_each(home: Path) -> None:
    trials = [stand_in(home, number, test_accuracy=0.5 + number / 100) for number in range(8)]
    out = in_terminal("--home", str(home), "compare", *(trial.id for trial in trials))
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in out
    heads = [line.split() for line in lines if line.replace(" ", "").isdigit()]
    assert len(heads) > 1 and [number for head in heads for number in head] == [str(at) for at in range(1, 9)]
    accuracies = [line for line in lines if line.startswith("test accuracy")]
    assert len(accuracies) == len(heads)
    assert sum("57.00 % *" in line for line in accuracies) == 1
    settings = [line.split() for line in lines if line.startswith("seed")]
    assert [value for row in settings for value in row[1:]] == [str(at) for at in range(8)]
    assert [line for line in lines if line.startswith("settings that differ")]


@pytest.fixture
def repeated(home: Path) -> list[Trial]:
    """Three and two seeds of two settings, not one after the other, and a trial that nobody has repeated."""
    figures = [("a", 0.50), ("b", 0.60), ("a", 0.51), ("b", 0.62), ("alone", 0.7), ("a", 0.52)]
    return [
        write(stand_in(home, number, test_accuracy=accuracy), SUMMARY, repeats=key)
        for number, (key, accuracy) in enumerate(figures)
    ]


def test_trials_that_differ_in_their_seed_alone_are_taken_together(repeated: list[Trial]) -> None:
    found, groups = compare(repeated), repeats_of([listed_trial(trial) for trial in repeated])
    assert found.repeats == (groups["a"], groups["b"])
    assert [found.positions(group) for group in found.repeats] == [(0, 2, 5), (1, 3)]
    better, worse = settings_verdict(groups["a"], groups["b"]), settings_verdict(groups["b"], groups["a"])
    assert better.points == pytest.approx(10) and better.seeds == (3, 2)
    assert found.settings_verdicts == {
        **dict.fromkeys([(0, 1), (0, 3), (2, 3)], better),
        **dict.fromkeys([(1, 2), (1, 5), (3, 5)], worse),
    }
    assert compare(repeated[:2]).repeats == () and compare(repeated[:2]).settings_verdicts == {}


def test_settings_that_were_tested_on_other_images_get_no_verdict(home: Path) -> None:
    trials = [
        write(stand_in(home, number, data=data, test_accuracy=0.5 + number / 100), SUMMARY, repeats=data)
        for number, data in enumerate(("here", "here", "there", "there"))
    ]
    found = compare(trials)
    assert len(found.repeats) == 2 and found.settings_verdicts == {}


def test_the_command_tells_means_and_verdicts_on_settings(repeated: list[Trial], trialbook: Callable[..., Ran]) -> None:
    ids, found = [trial.id for trial in repeated], compare(repeated)
    lines = trialbook("compare", *ids).lines
    assert f"settings of 1, 3, 6: {found.repeats[0]}" in lines
    assert f"settings of 2, 4: {found.repeats[1]}" in lines
    assert f"2, 4 against 1, 3, 6: {found.settings_verdicts[0, 1]}" in lines
    assert any("Welch's" in line for line in lines)
    told = trialbook("compare", *ids, "--json").json()
    assert [group["trials"] for group in told["repeats"]] == [[ids[0], ids[2], ids[5]], [ids[1], ids[3]]]
    (verdict,) = told["settings_verdicts"]
    assert (verdict["first"], verdict["second"]) == ([ids[0], ids[2], ids[5]], [ids[1], ids[3]])
    assert verdict["verdict"]["points"] == pytest.approx(10)
    assert not any("Welch" in line for line in trialbook("compare", *ids[:2]).lines)


def test_the_console_says_them_of_the_selected_pair(repeated: list[Trial]) -> None:
    found = compare(repeated)
    assert words_on_settings(found, (0, 1)) == str(found.settings_verdicts[0, 1])
    assert words_on_settings(found, (0, 2)) == f"the same settings: {found.repeats[0]}"
    assert words_on_settings(found, (0, 4)) == ""
