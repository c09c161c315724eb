"""A trial as one file: what is exported comes back as it was, and nothing else comes in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.data.dataset import Dataset
from core.errors import TrialbookError, TrialError
from core.evaluation import evaluate
from core.events import EpochFinished, Started
from core.process import this_process
from core.saved_model import open_model
from core.session import train
from core.settings import Settings, change_settings
from core.trials.exchange import export_trial, import_trial
from core.trials.store import list_trials
from core.trials.trial import About, Trial
from core.trials.upkeep import delete_trial
from tests.archives import make_trial, members_of, pack, summary


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Trial:
    return make_trial(tmp_path_factory.mktemp("exported"), digits)


@pytest.fixture(scope="module")
def exported(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("file") / "one.trialbook"
    export_trial(trial, file)
    return file


NOT_EXPORTED = ("lock", "checkpoint.safetensors", "best_checkpoint.safetensors")


def test_a_trial_comes_back_as_it_was(trial: Trial, exported: Path, home: Path, digits: Dataset) -> None:
    back = import_trial(home, exported)
    assert back == Trial(home / "saved_models" / trial.id)
    for path in trial.directory.iterdir():
        if path.name not in ("ran_on.json", *NOT_EXPORTED):
            assert (back.directory / path.name).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in back.directory.iterdir()} == {path.name for path in trial.directory.iterdir()} - set(
        NOT_EXPORTED
    )
    assert back.ran_on() == {name: value for name, value in trial.ran_on().items() if name != "process"}
    assert back.about() == About("näme", "\x1b[31m", ("a", "b"), True)
    assert back.summary() == trial.summary()
    assert back.summary()["verdict"] is not None
    assert [listed.status for listed in list_trials(home)] == ["finished"]
    last = trial.history()[0][-1]
    assert evaluate(open_model(back.weights()), digits).accuracy == pytest.approx(last.test_accuracy)
    assert list((home / "saved_models").iterdir()) == [back.directory]


def test_the_file_names_no_host_and_is_the_same_each_time(trial: Trial, exported: Path, tmp_path: Path) -> None:
    members = members_of(exported)
    process = this_process()
    assert b'"process"' not in members["ran_on.json"]
    assert all(str(process[name]).encode() not in b"".join(members.values()) for name in ("boot", "started"))
    export_trial(trial, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == exported.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_an_id_that_is_taken_is_replaced_by_another_of_the_same_time(trial: Trial, exported: Path, home: Path) -> None:
    first, second, third = (import_trial(home, exported) for _ in range(3))
    assert first.id == trial.id
    assert len({first.id, second.id, third.id}) == 3
    for other in (second, third):
        assert other.id[:18] == trial.id[:18]
        assert (other.summary()["id"], other.summary()["exported_id"]) == (other.id, trial.id)
        assert other.summary()["parent"] == trial.summary()["parent"]
    assert len(list_trials(home)) == 3
    delete_trial(home, first)
    assert import_trial(home, exported).id == trial.id


def test_an_export_overwrites_nothing(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    for there in (tmp_path / "mine", tmp_path, Path(".")):
        with pytest.raises(TrialError, match="exists already"):
            export_trial(trial, there)
    with pytest.raises(TrialError, match="cannot write .*nowhere"):
        export_trial(trial, tmp_path / "nowhere" / "file")
    assert (tmp_path / "mine").read_text() == "kept"
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]


@pytest.mark.usefixtures("saved_at_once")
def test_a_trial_that_is_trained_is_not_exported_and_a_dead_one_is_interrupted(
    small: Settings, digits: Dataset, home: Path, tmp_path: Path
) -> None:
    events = train(change_settings(small, {"training.epochs": 9}), digits, home=home)
    started = next(events)
    assert isinstance(started, Started)
    next(event for event in events if isinstance(event, EpochFinished))
    with pytest.raises(TrialError, match="it is being trained"):
        export_trial(started.trial, tmp_path / "file")
    path = started.trial.directory / "ran_on.json"
    ran_on = json.loads(path.read_text())
    path.write_text(json.dumps({**ran_on, "process": {**ran_on["process"], "started": 1.0}}))
    (started.trial.directory / "lock").unlink()  # which the system takes from a process that dies
    with (started.trial.directory / "predictions").open("ab") as file:
        file.write(b"\0" * 500)  # it was killed while it wrote its second epoch
    with (started.trial.directory / "history.jsonl").open("ab") as file:
        file.write(b'{"epoch": 2, ')
    export_trial(started.trial, tmp_path / "file")
    back = import_trial(tmp_path / "other", tmp_path / "file")
    assert back.summary()["status"] == "interrupted"
    assert (back.directory / "predictions").stat().st_size == 360
    assert [listed.status for listed in list_trials(tmp_path / "other")] == ["interrupted"]
    events.close()


def test_a_trial_without_an_epoch_can_be_exported_too(
    small: Settings, digits: Dataset, home: Path, tmp_path: Path
) -> None:
    events = train(small, digits, home=home)
    started = next(events)
    events.close()
    assert isinstance(started, Started)
    export_trial(started.trial, tmp_path / "file")
    back = import_trial(tmp_path / "other", tmp_path / "file")
    assert (back.summary()["status"], back.summary()["last"], back.history()) == ("stopped", None, ([], []))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("history.jsonl", b"garbage\n", "cannot export .* line 1 is damaged$"),
        ("predictions", b"\0", "cannot export .*: predictions holds 1 bytes instead of 1,080"),
        ("model.pt", b"garbage", "is cut off or no file of weights"),
        ("summary.json", b"garbage", "it is not JSON"),
        ("ran_on.json", b"{}", "cannot export .*: ran_on.json does not describe the data"),
    ],
)
def test_a_damaged_trial_is_not_exported(
    trial: Trial, tmp_path: Path, exported: Path, name: str, content: bytes, message: str
) -> None:
    copy = import_trial(tmp_path / "home", exported)
    (copy.directory / name).write_bytes(content)
    with pytest.raises(TrialbookError, match=message):
        export_trial(copy, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert trial.history()[1] == []


def test_what_a_summary_says_is_taken_from_what_it_sums_up(exported: Path, tmp_path: Path, home: Path) -> None:
    lies = summary(
        status="running",
        last={"epoch": 99, "test_accuracy": "all"},
        best=[],
        parameters=-1,
        source=5,
        repeats=None,
        test_images=1,
        verdict={"images": 0, "gained": 1, "lost": 1, "p": 0.5},
        parent="\x1b[31m" * 100,
        changes="x" * 9_000,
        surprise="x" * 9_000,
    )
    told = import_trial(home, pack(tmp_path / "file", lies(members_of(exported)))).summary()
    true = json.loads(members_of(exported)["summary.json"])
    for name in ("last", "best", "parameters", "source", "repeats", "test_images", "seed", "fingerprint"):
        assert told[name] == true[name], name
    assert (told["status"], told["verdict"]) == ("interrupted", None)
    assert "surprise" not in told
    assert (home / "saved_models" / told["id"] / "summary.json").stat().st_size <= 2_000


def test_an_import_that_cannot_be_written_leaves_nothing(
    exported: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrialError, match="cannot write .*: Not a directory"):
        import_trial(tmp_path / "file", exported)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.files.os.fsync", fail)
    with pytest.raises(TrialError, match="No space left on device"):
        import_trial(home, exported)
    assert list((home / "saved_models").iterdir()) == []
