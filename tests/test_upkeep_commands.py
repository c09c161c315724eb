"""Several seeds, the end of a training, and the commands for saved trials, as people type them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy import stats

from core.cli import output
from core.control import Control
from core.data.dataset import Dataset
from core.errors import SettingsError, TrialError
from core.events import EpochFinished, Finished, Paused
from core.series import train_series
from core.session import train
from core.settings import Settings, change_settings
from core.trials import upkeep
from core.trials.conclusion import conclusion_of
from core.trials.store import find_trial, list_trials
from core.trials.trial import About
from tests.conftest import Ran, run_python
from tests.test_cli import EVIL, harmless
from tests.test_cli_process import started, wait_for_an_epoch

Trialbook = Callable[..., Ran]
QUICK = ("--hidden", "16-8", "--epochs", "1")


def test_a_series_trains_one_trial_per_seed(small: Settings, digits: Dataset, home: Path) -> None:
    first = change_settings(small, {"training.seed": 7, "training.epochs": 1})
    *_, parent = train_series(first, digits, 1, home=home, name="parent")
    assert isinstance(parent, Finished)
    events = list(train_series(first, digits, 3, home=home, name="n", tags=("t",), parent=parent.trial.id))
    ended = [event for event in events if isinstance(event, Finished)]
    assert [event.trial.settings().training.seed for event in ended] == [7, 8, 9]
    assert [event.trial.about() for event in ended] == [About(f"n seed {seed}", "", ("t",)) for seed in (7, 8, 9)]
    assert {event.trial.summary()["parent"] for event in ended} == {parent.trial.id}
    found = conclusion_of(home, ended[-1].trial)
    assert found.repeats is not None
    assert found.repeats.trials == tuple(event.trial for event in ended)  # the parent's seed was trained again since
    assert found.settings is None  # the parent has the same settings
    assert found.selection is not None
    assert found.selection.count == 3  # the seed that was trained again is the same trial


def test_whoever_stops_a_training_stops_the_series(small: Settings, digits: Dataset, home: Path) -> None:
    for epoch, status in ((1, "stopped"), (2, "finished")):  # also in the last epoch, which stops no training
        control = Control()
        for event in train_series(small, digits, 3, home=home / status, control=control):
            if isinstance(event, EpochFinished) and event.result.epoch == epoch:
                control.finish_epoch()
        assert isinstance(event, Finished)
        assert [listed.status for listed in list_trials(home / status)] == [status]


def test_too_many_seeds_are_refused_before_the_first(small: Settings, digits: Dataset, home: Path) -> None:
    with pytest.raises(SettingsError, match="training.seed"):
        list(train_series(change_settings(small, {"training.seed": 2**32 - 2}), digits, 3, home=home))
    assert not home.exists()


def test_seeds_end_with_mean_interval_and_the_verdict_on_the_settings(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook("train", *QUICK, "--seeds", "3", "--name", "base")
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.lines if " finished " in line] == ["0", "1", "2"]
    assert re.search(r"these settings: [\d.]+ % on average, 95 % interval .* \(3 seeds\)", ran.out)
    assert "since the parent" not in ran.out.split("best  since the parent")[1]
    ran = trialbook("train", "--from", "base seed 0", "--learning-rate", "0.05", "--seeds", "2")
    assert re.search(
        r"since the parent's settings: [+-][\d.]+ points, .* \(3 and 2 seeds, Welch p [=<] [\d.]+\)", ran.out
    )
    assert re.search("were used to choose among 5 trials .* too high by up to [1-9]", ran.out)
    before, after = (
        [one.summary["last"]["test_accuracy"] for one in list_trials(home) if bool(one.about.name) is named]
        for named in (True, False)
    )
    p = stats.ttest_ind(after, before, equal_var=False).pvalue
    assert f"Welch {'p < 0.001' if p < 0.001 else f'p = {p:.2g}'}" in ran.out


def test_the_json_of_seeds_holds_the_events_of_all(trialbook: Trialbook) -> None:
    ran = trialbook("train", *QUICK, "--seeds", "2", "--json")
    kinds = [event["event"] for event in ran.events() if event["event"] != "saved"]
    assert kinds == ["started", "epoch", "finished"] * 2 + ["series"]
    *_, series = ran.events()
    trials = [event["trial"] for event in ran.events() if event["event"] == "finished"]
    assert series["repeats"]["trials"] == trials
    accuracies = [event["test_accuracy"] for event in ran.events() if event["event"] == "finished"]
    assert series["repeats"]["accuracies"] == pytest.approx(accuracies)
    assert (series["settings"], series["selection"]["count"]) == (None, 2)


@pytest.mark.parametrize("seeds", ["0", "x", "1001"])
def test_a_wrong_number_of_seeds_is_one_line(trialbook: Trialbook, home: Path, seeds: str) -> None:
    ran = trialbook("train", "--seeds", seeds)
    assert (ran.status, len(ran.complaints)) == (2, 1)
    assert not home.exists()


def test_an_interrupt_ends_a_series(home: Path) -> None:
    slow = ("--hidden", "64", "--batch-size", "8", "--epochs", "99")
    with started("--home", home, "train", *slow, "--seeds", "3", "--json") as process:
        wait_for_an_epoch(process)
        process.send_signal(2)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    *_, finished, series = map(json.loads, out.splitlines())
    assert finished["status"] == "stopped"
    assert (series["event"], series["repeats"]) == ("series", None)
    assert [listed.status for listed in list_trials(home)] == ["stopped"]


def test_a_training_ends_with_the_verdict_against_its_parent(trialbook: Trialbook) -> None:
    first = trialbook("train", *QUICK, "--json").events()[-1]
    assert first["verdict"] is None
    ran = trialbook("train", "--from", "last", "--learning-rate", "0.03")
    (line,) = [line for line in ran.lines if line.startswith("since the parent ")]
    assert re.search(r"parent [+-][\d.]+ points: \d+ images, (more than chance|not dist.*) \(McNemar p [=<]", line)
    assert "were used to choose among 2 trials" in ran.out
    assert "McNemar's exact test" in ran.out and "Of several trials" not in ran.out
    said = next(line for line in ran.lines if line.endswith("` explains these figures"))
    explained = trialbook(*said.split("`")[1].split()[1:]).lines
    assert any("McNemar's exact test" in line for line in explained)
    assert any("were used to choose among 2 trials" in line for line in explained)
    assert any(line.startswith("Of several trials") for line in explained)
    assert ran.lines[-1].startswith("Accuracy on test set : ")
    shown = trialbook("show", "last")
    assert line.removeprefix("since the parent ") in shown.out
    assert "changed   learning rate: 0.001 -> 0.03" in shown.lines
    validated = trialbook("train", *QUICK, "--set", "data.validation_split=0.2")
    assert "used to choose" not in validated.out


def test_edit_changes_what_is_said_and_nothing_else(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK, "--name", "old", "--note", "why")
    ran = trialbook("edit", "old", "--name", "new", "--tag", "a", "--tag", "b", "--star")
    assert ran.status == 0
    assert [line.split(maxsplit=1)[1] for line in ran.lines[1:]] == ["new", "why", "a, b", "yes"]
    trialbook("edit", "new", "--untag", "a", "--tag", "c", "--no-star", "--note", "")
    (listed,) = list_trials(home)
    assert listed.about == About("new", "", ("b", "c"))
    told = trialbook("show", "new", "--json").json()["result"]
    assert (told["name"], told["tags"], told["starred"]) == ("new", ["b", "c"], False)
    for arguments, status, message in (
        (("edit", "new"), 2, "nothing to change"),
        (("edit", "nope", "--star"), 1, "there is no trial nope"),
        (("edit", "new", "--tag", "x" * 99), 1, "has 99 characters; 50 are allowed"),
        (("edit", "new", "--tag", ""), 1, 'a tag is one word without blanks and commas, but "" is not'),
        (("edit", "new", "--tag", "c", "--tag", "a b"), 1, 'but "a b" is not'),
        (("edit", "new", "--name", "last"), 1, 'a trial cannot be named "last"'),
    ):
        ran = trialbook(*arguments)
        assert (ran.status, len(ran.complaints)) == (status, 1)
        assert message in ran.err


def test_a_trial_is_trained_only_under_a_name_that_edit_takes(
    trialbook: Trialbook, small: Settings, digits: Dataset, home: Path
) -> None:
    for arguments in ((), ("--seeds", "2")):
        ran = trialbook("train", *QUICK, *arguments, "--name", "x" * 201)
        assert (ran.status, len(ran.complaints)) == (1, 1)
        assert "characters; 200 are allowed" in ran.err
    assert "cannot be named" in trialbook("train", *QUICK, "--name", "last").err
    with pytest.raises(TrialError, match="a tag is one word"):
        next(train(small, digits, home=home, tags=("a b",)))
    with pytest.raises(TrialError, match="has 201 characters"):  # which only the seed makes too long
        next(train_series(small, digits, 2, home=home, name="x" * 194))
    assert not home.exists()
    assert trialbook("train", *QUICK, "--name", " padded ").status == 0
    ran = trialbook("train", "--from", "padded", "--branch", "last", "--epochs", "2", "--note", "x" * 10_001)
    assert (ran.status, len(ran.complaints)) == (1, 1)
    (listed,) = list_trials(home)
    assert listed.about == About("padded")


def test_delete_restore_and_empty(trialbook: Trialbook, home: Path) -> None:
    assert trialbook("trash").lines == ["the trash is empty"]
    for name in ("one", "two", "three"):
        trialbook("train", *QUICK, "--name", name)
    refused = trialbook("delete", "one", "nope")
    assert (refused.status, len(refused.complaints), len(list_trials(home))) == (1, 1, 3)
    ran = trialbook("delete", "one", "two", "one")
    assert [line.rpartition(", ")[2] for line in ran.lines] == ["one", "two"]
    assert [listed.about.name for listed in list_trials(home)] == ["three"]
    assert [line.split()[-1] for line in trialbook("trash").lines[1:]] == ["one", "two"]
    assert trialbook("trash", "list").out == trialbook("trash").out
    assert trialbook("trash", "restore", "two").lines[0].endswith(", two")
    assert trialbook("trash", "empty").lines == ["1 trial removed for good"]
    assert upkeep.trashed(home) == []
    assert "there is no trial one in the trash" in trialbook("trash", "restore", "one").err
    assert [listed.about.name for listed in list_trials(home)] == ["two", "three"]


def test_export_and_import(trialbook: Trialbook, home: Path, tmp_path: Path) -> None:
    trialbook("train", *QUICK, "--name", "mine")
    file = tmp_path / "mine.trialbook"
    assert trialbook("export", "mine", file).lines[0].endswith(f"{file.stat().st_size:,} bytes")
    again = trialbook("export", "mine", file)
    assert (again.status, len(again.complaints)) == (1, 1)
    own = find_trial(home, "mine").id
    ran = trialbook("import", file)
    assert ran.status == 0
    assert f"there is a trial {own} already" in ran.err
    assert trialbook("evaluate", "last").status == 0
    file.write_text("garbage")
    ran = trialbook("import", file)
    assert (ran.status, len(ran.complaints), ran.out) == (1, 1, "")


def test_the_filter_looks_at_everything(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK, "--name", "First", "--note", "to see")
    trialbook("train", "--from", "last", "--learning-rate", "0.03", "--name", "second")
    trialbook("edit", "second", "--tag", "wide", "--star")

    def names(words: str) -> list[str]:
        return [trial["name"] for trial in trialbook("trials", "--json", "--filter", words).json()]

    assert names("") == names("FINISHED") == names("digits 16-8") == ["First", "second"]
    assert names("first see") == ["First"]
    assert names("wide") == names("starred") == names("learning 0.03") == ["second"]
    assert names("first wide") == []
    assert names(find_trial(home, "First").id) == ["First", "second"]  # itself, and whose parent it is
    assert trialbook("trials", "--filter", "nope").lines == ["none of 2 trials has all of these words: nope"]
    heading, *lines = trialbook("trials").lines
    for column in ("trial", "best", "gap", "since parent", "changes", "hidden", "data", "tags", "name and note"):
        assert column in heading
    assert lines[1].startswith("*")
    assert re.search(r"[+-]\d+\.\d\d, p [=<] .*learning rate: 0.001 -> 0.03", lines[1])


@pytest.mark.parametrize(
    ("width", "there", "missing"),
    [(80, "accuracy", "best"), (100, "best", "gap"), (120, "since parent", "changes"), (200, "tags", "nothing")],
)
def test_the_list_fits_the_terminal(
    trialbook: Trialbook, monkeypatch: pytest.MonkeyPatch, width: int, there: str, missing: str
) -> None:
    trialbook("train", *QUICK, "--name", "name", "--note", "a note of many words " * 9)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(output.out, "width", width)
    heading, *lines = trialbook("trials").lines
    assert there in heading
    assert missing not in heading
    assert "name and note" in heading
    assert max(map(len, (heading, *lines))) <= width
    assert re.match(r" +\d{8}-\d{6}-\d{2}[a-z2-7]{4}  finished", lines[0])


def test_foreign_words_are_harmless_in_every_command(trialbook: Trialbook, tmp_path: Path) -> None:
    trialbook("train", *QUICK, "--name", EVIL)
    texts = []
    for arguments in (
        ("edit", "last", "--note", EVIL, "--tag", EVIL),
        ("trials",),
        ("trials", "--filter", EVIL),
        ("show", "last"),
        ("export", "last", tmp_path / EVIL.replace("/", "")),
        ("import", tmp_path / EVIL.replace("/", "")),
        ("import", EVIL),
        ("delete", "last"),
        ("delete", EVIL),
        ("trash",),
        ("trash", "restore", EVIL),
        ("trash", "restore", f"x{EVIL}"),
    ):
        ran = trialbook(*arguments)
        texts += [ran.out, ran.err]
        assert len(ran.complaints) <= 1
    assert all(harmless(text) for text in texts)


def test_the_commands_need_no_torch_but_for_weights() -> None:
    ran = run_python(
        """
import sys
from core.cli.main import run
for arguments in ("trash", "trials --filter x", "edit x --star", "delete x", "export x y"):
    run(["--home", "/nowhere", *arguments.split()])
heavy = {"torch", "scipy", "safetensors"} & set(sys.modules)
assert not heavy, heavy
"""
    )
    assert ran.returncode == 0, ran.stderr


def test_a_paused_training_is_told_as_such(trialbook: Trialbook, small: Settings, digits: Dataset, home: Path) -> None:
    control = Control()
    events = train(small, digits, home=home, control=control)
    next(events)
    assert trialbook("pause", "last").out.endswith("pauses before its next step\n")
    assert "  running  " in trialbook("trials").lines[1]
    control.pause()  # as the lease does within a tenth of a second, in which all may be trained
    next(event for event in events if isinstance(event, Paused))
    assert "  paused  " in trialbook("trials").lines[1]
    assert trialbook("trials", "--filter", "running").out == trialbook("trials", "--filter", "paused").out
    assert "status    paused" in trialbook("show", "last").lines
    assert trialbook("show", "last", "--json").json()["result"]["status"] == "running"  # as those who ask it expect
    assert "is paused already; `trialbook resume` lets it go on" in trialbook("pause", "last").out
    events.close()
    assert "  stopped  " in trialbook("trials").lines[1]
