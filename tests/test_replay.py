"""The replay of presets: what it trains, where it goes on, and what its table says."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from core.control import Control
from core.data.catalog import KNOWN_SETS
from core.data.dataset import Dataset
from core.errors import DataError, DivergedError, TrainingError
from core.events import EpochFinished, Finished, Started
from core.presets import Preset, all_presets, preset
from core.replay import ReplayStep, replay
from core.replay_table import NOT_COMPARABLE, TAG, replayed, reported_verdict, two_proportions
from core.trials.store import find_trial, list_trials
from core.verdict import trial_verdict
from tests.conftest import Ran
from tests.test_cli_process import started, wait_for_an_epoch

Trialbook = Callable[..., Ran]
SMALL = {"data.source": "digits", "model.hidden": "16-8", "training.epochs": 2, "training.learning_rate": 0.01}


def two() -> list[Preset]:
    return [preset("trial-9"), preset("trial-13")]


@given(st.integers(0, 10_000), st.integers(0, 360))
def test_the_unpaired_p_value_is_that_of_the_chi_squared_test(first: int, second: int) -> None:
    got = two_proportions(first, second, 10_000, 360)
    if first + second in (0, 10_360):
        assert got == 1
        return
    counts = [[first, 10_000 - first], [second, 360 - second]]
    assert got == pytest.approx(chi2_contingency(counts, correction=False).pvalue, rel=1e-6, abs=1e-300)


def test_a_reported_verdict_in_words() -> None:
    assert str(reported_verdict(0.5808, 0.5376, 10_000)) == "-4.32 points, more than chance (p < 0.001)"
    assert str(reported_verdict(0.5808, 0.5810, 10_000)) == "+0.02 points, not distinguishable (p = 0.98)"


def test_a_replay_trains_each_preset_and_the_next_one_only_what_is_missing(home: Path, digits: Dataset) -> None:
    events = list(replay(two(), digits, home=home, changes=SMALL))
    steps = [event for event in events if isinstance(event, ReplayStep)]
    assert [(step.preset.name, step.number, step.count, step.trial) for step in steps] == [
        *(("trial-9", 1, 2, None), ("trial-13", 2, 2, None))
    ]
    assert sum(isinstance(event, Finished) for event in events) == 2
    listed = list_trials(home)
    assert [(each.summary["parent"], each.about.name, each.about.tags) for each in listed] == [
        *(("trial-9", "trial-9", (TAG,)), ("trial-13", "trial-13", (TAG,)))
    ]
    assert listed[1].about.note == "a third dropout"
    again = list(replay([*two(), preset("trial-14")], digits, home=home, changes=SMALL))
    assert [event.trial for event in again if isinstance(event, ReplayStep)] == [
        *(each.trial for each in listed),
        None,
    ]
    assert sum(isinstance(event, Started) for event in again) == 1
    assert sum(isinstance(event, Started) for event in replay(two(), digits, home=home, changes=SMALL)) == 0
    for other in ({"training.seed": 1}, {"training.epochs": 1}):
        changed = list(replay(two()[:1], digits, home=home, changes={**SMALL, **other}))
        assert sum(isinstance(event, Started) for event in changed) == 1, other


def test_ending_a_replay_leaves_the_rest_and_a_stopped_trial_goes_on(home: Path, digits: Dataset) -> None:
    control = Control()
    for event in replay(two(), digits, home=home, changes=SMALL, control=control):
        if isinstance(event, EpochFinished):
            control.finish_epoch()
    (stopped,) = list_trials(home)
    assert (stopped.status, stopped.summary["last"]["epoch"]) == ("stopped", 1)
    steps = [event for event in replay(two(), digits, home=home, changes=SMALL) if isinstance(event, ReplayStep)]
    assert [step.trial for step in steps] == [None, None]
    assert [each.status for each in list_trials(home)] == ["finished", "finished"]
    assert list_trials(home)[0].trial == stopped.trial


def test_a_diverged_trial_does_not_end_the_replay(home: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def diverge(*_: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise DivergedError("the cost became NaN")

    monkeypatch.setattr("core.trials.writer.TrialWriter.take", diverge)
    events = list(replay(two(), digits, home=home, changes=SMALL))
    failed, finished = (event for event in events if isinstance(event, Finished))
    assert (failed.outcome.status, failed.outcome.reason) == ("failed", "the cost became NaN")
    assert (failed.trial.about().name, failed.trial.summary()["status"]) == ("trial-9", "failed")
    assert finished.outcome.status == "finished"


def test_what_ends_the_replay_is_told_once_and_what_does_not_by_the_way(
    trialbook: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in ((TrainingError("the GPU failed"), 1), (DivergedError("the cost became NaN"), 0)):
        calls: list[int] = []

        def fail(*_: object, error: TrainingError = error, calls: list[int] = calls) -> None:
            calls.append(1)
            if len(calls) == 2:
                raise error

        monkeypatch.setattr("core.trials.writer.TrialWriter.take", fail)
        ran = trialbook("replay", "trial-0", "trial-9", "--data", "digits", "--epochs", 2)
        assert ran.status == status
        assert (ran.out + ran.err).count(str(error)) == 1


def test_what_does_not_suit_the_data_is_told_before_anything_is_trained(home: Path, digits: Dataset) -> None:
    with pytest.raises(DataError, match="trial-21: normalization cifar10 is for 3 channels"):
        list(replay([*two(), preset("trial-21")], digits, home=home, changes=SMALL))
    assert not home.exists()


def test_the_table_compares_with_the_report_and_with_the_trial_before(
    home: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(replay(two(), digits, home=home, changes=SMALL))
    monkeypatch.setattr("core.replay_table.REPORTED_ON", KNOWN_SETS["digits"])
    rows = replayed(list_trials(home), [preset("trial-0"), *two()])
    assert rows[0].trial is None and rows[0].verdict is None and rows[0].epochs_text == "-"
    first, second = (each.trial for each in list_trials(home))
    row = rows[2]
    assert row.trial == second
    assert (row.epochs, row.asked, row.epochs_text, row.is_short) == (2, 2, "2 of 2 (preset: 160)", True)
    assert row.accuracy == second.summary()["last"]["test_accuracy"]
    assert row.best_accuracy == second.summary()["best"]["test_accuracy"]
    assert row.verdict is not None
    assert row.verdict.points == pytest.approx(100 * (row.accuracy - 0.5649))
    assert row.against_before == trial_verdict(first, second)
    assert rows[1].against_before is None  # no replay of trial-8


def test_accuracies_on_other_data_are_not_compared_with_the_reported_ones(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook("replay", "trial-9", "--epochs", "1", "--data", "digits")
    assert ran.complaints == [NOT_COMPARABLE] and NOT_COMPARABLE in ran.lines
    assert "chi-squared" not in ran.out
    (row,) = trialbook("replay", "trial-9", "--table", "--json").json()
    assert row["reproduced"] is not None
    assert (row["verdict"], row["difference_points"], row["p"]) == (None, None, None)
    (find_trial(home, "last").directory / "ran_on.json").write_text('{"data": {"classes": 1}}')
    assert trialbook("replay", "trial-9", "--table", "--json").json() == [row]


def test_the_help_tells_that_no_name_means_all(trialbook: Trialbook) -> None:
    assert "Without names all 26 are trained." in trialbook("replay", "--help").out
    assert sum(name.startswith("trial-") for name in all_presets()) == 26


def test_of_several_replays_the_longest_counts(home: Path, digits: Dataset) -> None:
    one = [preset("trial-9")]
    for epochs in (1, 3, 2):
        list(replay(one, digits, home=home, changes={**SMALL, "training.epochs": epochs}))
    listed = list_trials(home)
    assert replayed(listed, one)[0].trial == listed[1].trial
    assert replayed(listed, one, epochs=2)[0].trial == listed[2].trial
    assert replayed(listed, one, source="cifar10")[0].trial is None


def test_the_table_knows_a_folder_by_its_long_path(home: Path, digits: Dataset) -> None:
    one, folder = [preset("trial-9")], f"/{'a long way' * 30}/images"
    list(replay(one, digits, home=home, changes={**SMALL, "data.source": folder}))
    (listed,) = list_trials(home)
    assert listed.summary["source"] != folder
    assert replayed([listed], one, source=folder)[0].trial == listed.trial
    assert replayed([listed], one, source=f"{folder}/other")[0].trial is None


def test_the_command_trains_goes_on_and_prints_the_table(trialbook: Trialbook, home: Path) -> None:
    assert trialbook("replay", "--table").lines == ["nothing is replayed yet; `trialbook replay` begins"]
    ran = trialbook("replay", "trial-9", "trial-10", "--epochs", "1", "--data", "digits")
    assert (ran.status, ran.complaints) == (0, [NOT_COMPARABLE])
    assert "trial-10 (2 of 2)" in ran.lines
    assert "changed  data: cifar10 -> digits" in ran.lines
    assert any("1 of 1 (preset: 160) *" in line and line.startswith("trial-10") for line in ran.lines)
    again = trialbook("replay", "trial-9", "trial-10", "--epochs", "1", "--data", "digits", "--json").events()
    assert [event["event"] for event in again] == ["replay", "replay", "table"]
    rows = trialbook("replay", "trial-9", "trial-10", "--table", "--json").json()
    assert rows == again[-1]["rows"]
    assert [row["trial"] for row in rows] == [each.trial.id for each in list_trials(home)]
    assert (rows[1]["reported"], rows[1]["after"], rows[1]["epochs"]) == (0.5475, "trial-9", 1)
    assert rows[1]["against_after"]["images"] == 360
    markdown = trialbook("replay", "all", "--table", "--markdown").lines
    assert markdown[0].startswith("| trial | reported |")
    assert sum(line.startswith("| trial-") for line in markdown) == 26
    assert all(line.count("|") == 9 for line in markdown[:28])


def test_markdown_alone_goes_to_stdout(trialbook: Trialbook) -> None:
    ran = trialbook("replay", "trial-9", "--epochs", "1", "--data", "digits", "--markdown")
    assert ran.lines[0].startswith("| trial |")
    assert "trial-9 (1 of 1)" in ran.err


def test_a_wrong_replay_is_told_in_a_line(trialbook: Trialbook, home: Path) -> None:
    assert "did you mean trial-25?" in trialbook("replay", "trail-25").complaints[0]
    assert trialbook("replay", "--json", "--markdown").status == 2
    assert "training.epochs: 0 is not allowed" in trialbook("replay", "--epochs", "0").complaints[0]
    assert not home.exists()


def test_ctrl_c_finishes_the_epoch_and_ends_the_replay(home: Path) -> None:
    command = ("--home", home, "replay", "trial-9", "trial-10", "--epochs", "100000", "--data", "digits", "--json")
    with started(*command) as process:
        wait_for_an_epoch(process)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
    assert '"event": "table"' in out.splitlines()[-1]
    (stopped,) = list_trials(home)
    assert stopped.status == "stopped"
