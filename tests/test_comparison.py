"""Saved trials side by side, and a trial at any of its epochs."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from core.comparison import Comparison, SettingRow, compare, disagreements, setting_rows
from core.control import Control
from core.data.dataset import Dataset
from core.errors import TrialError
from core.events import EpochFinished, Outcome
from core.film import frame_of, read_film
from core.session import train
from core.settings import Settings, change_settings
from core.trials.lineage import ancestors, parent_trial
from core.trials.store import find_trial, listed_trial
from core.trials.trial import PREDICTIONS, RAN_ON, SUMMARY, About, Trial
from core.trials.writer import First, new_writer
from core.verdict import Verdict, trial_verdict, verdict_from
from tests.conftest import run_python
from tests.curves import epoch_with


def trained(settings: Settings, data: Dataset, home: Path, **options: object) -> Trial:
    list(train(settings, data, home=home, **options))  # type: ignore[arg-type]
    return find_trial(home, "last")


@pytest.fixture(scope="module")
def pair(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trial, Trial]:
    home = tmp_path_factory.mktemp("home")
    small = change_settings(Settings(), {"model.hidden": "16-8", "training.epochs": 2})
    first = trained(small, digits, home, name="first")
    longer = change_settings(small, {"training.epochs": 5, "training.learning_rate": 0.01})
    return first, trained(longer, digits, home, parent=first.id)


def write(trial: Trial, name: str, **values: object) -> Trial:
    """Return the same trial with other values in one of its files."""
    path = trial.directory / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return trial


def stand_in(home: Path, number: int, data: str = "same", predictions: int = 0, **figures: object) -> Trial:
    """Return a saved trial with the given results that nobody has trained."""
    ran_on = {"data": {"fingerprint": data, "test_images": 4, "classes": ["a", "b"]}}
    labels = np.array([0, 1, 0, 1], dtype=np.uint8)
    settings = change_settings(Settings(), {"training.seed": number})
    writer = new_writer(
        home,
        First(settings, ran_on, About(f"n{number}"), labels.tobytes()),
        Control(),
        parent=None,
        changes=[],
        parameters=10 * number,
        best_by="test cost",
    )
    writer.publish()
    result = epoch_with(1, **figures)
    writer.take(EpochFinished(result, result, {}, (labels + predictions) % 2, {}))
    writer.write_taken()
    writer.finish(Outcome("finished", "", result, result))
    return writer.trial


def test_columns_hold_the_results(pair: tuple[Trial, Trial]) -> None:
    found = compare(pair)
    first, second = found.columns
    last = pair[1].history()[0][-1]
    assert (first.name, first.parent, second.parent, second.status) == ("first", None, pair[0].id, "finished")
    assert (first.epoch, second.epoch, second.epochs, first.parameters) == (2, 5, 5, second.parameters)
    assert second.test_accuracy == pytest.approx(last.test_accuracy)
    assert second.gap == pytest.approx(last.test_cost - last.train_cross_entropy, abs=1e-6)
    assert second.validation_accuracy is None
    assert second.seconds == pytest.approx(sum(epoch.seconds for epoch in pair[1].history()[0]), abs=0.01)
    assert found.best["test_accuracy"] == found.best["test_cost"] == (1,)
    assert not {"parameters", "train_cost", "epoch", "validation_accuracy"} & set(found.best)
    assert [(row.label, row.values) for row in found.settings] == [
        ("learning rate", ("0.001", "0.01")),
        ("epochs", ("2", "5")),
    ]
    assert found.verdicts == {(0, 1): trial_verdict(*pair)}
    assert found.remarks == ()


def test_a_paused_trial_is_not_said_to_be_running(pair: tuple[Trial, Trial], monkeypatch: pytest.MonkeyPatch) -> None:
    waits = dataclasses.replace(listed_trial(pair[1]), status="running", is_paused=True)
    monkeypatch.setattr("core.comparison.listed_trial", lambda one: waits if one == pair[1] else listed_trial(one))
    assert [column.shown for column in compare(pair).columns] == ["finished", "paused"]


def test_the_best_of_each_row(home: Path) -> None:
    trials = [
        stand_in(home, 1, test_accuracy=0.5, test_cost=1.5, train_cross_entropy=1.9, seconds=3.0),
        stand_in(home, 2, test_accuracy=0.6, test_cost=1.5, train_cross_entropy=1.4, seconds=2.0),
        stand_in(home, 3, test_accuracy=0.6, test_cost=1.6, train_cross_entropy=0.1, seconds=4.0),
    ]
    best = compare(trials).best
    assert best == {
        "test_accuracy": (1, 2),
        "best_test_accuracy": (1, 2),
        "test_cost": (0, 1),
        "best_test_cost": (0, 1),
        "gap": (1,),  # 0.1: nearest to zero, though -0.4 is less
        "seconds": (1,),
    }
    equal = compare([stand_in(home, 4), stand_in(home, 5)])
    assert "test_accuracy" not in equal.best


def test_two_to_eight_trials_each_once(home: Path) -> None:
    trials = [stand_in(home, number) for number in range(9)]
    assert len(compare(trials[:8]).verdicts) == 28
    for some in ([], trials[:1], trials):
        with pytest.raises(TrialError, match=f"^2 to 8 trials can be compared, not {len(some)}$"):
            compare(some)
    with pytest.raises(TrialError, match="itself"):
        compare([trials[0], trials[1], trials[0]])


def test_other_test_images_make_accuracies_incomparable_which_is_said(home: Path) -> None:
    trials = [
        stand_in(home, 1, test_accuracy=0.5, seconds=2.0),
        stand_in(home, 2, data="other", test_accuracy=0.6),
        stand_in(home, 3, test_accuracy=0.7, predictions=1),
    ]
    found = compare(trials)
    assert found.verdicts == {(0, 1): None, (0, 2): Verdict(4, 0, 4, 0.125), (1, 2): None}
    assert found.best == {"seconds": (1, 2)}
    assert found.remarks == (
        "n1 and n2 were not tested on the same images: their accuracies and costs cannot be compared",
        "n2 and n3 were not tested on the same images: their accuracies and costs cannot be compared",
    )
    with pytest.raises(TrialError, match="not tested on the same images"):
        disagreements(trials[0], trials[1])


def test_a_trial_before_its_first_epoch_has_no_results(home: Path) -> None:
    young = write(stand_in(home, 1), SUMMARY, last=None, best=None)
    found = compare([young, stand_in(home, 2)])
    column = found.columns[0]
    assert (column.epoch, column.test_accuracy, column.gap, column.seconds) == (0, None, None, None)
    assert (found.best, found.verdicts) == ({}, {(0, 1): None})


def test_a_damaged_trial_is_an_error_in_one_line(home: Path) -> None:
    trials = [stand_in(home, 1), stand_in(home, 2)]
    (trials[1].directory / SUMMARY).write_text("{")
    with pytest.raises(TrialError, match=r"summary\.json: it is not JSON$"):
        compare(trials)


def test_where_labels_were_not_kept_all_but_the_verdict_is_compared(home: Path) -> None:
    trials = [stand_in(home, 1, test_accuracy=0.5), stand_in(home, 2, test_accuracy=0.6)]
    (trials[0].directory / "test_labels").unlink()
    found = compare(trials)
    assert found.verdicts == {(0, 1): None}
    assert found.best["test_accuracy"] == (1,)
    (remark,) = found.remarks
    assert remark.startswith(f"no verdict on {trials[0].id}: cannot read ")


def settings(**changes: object) -> Settings:
    return change_settings(Settings(), {name.replace("__", "."): value for name, value in changes.items()})


def rows(*given: Settings) -> dict[str, tuple[str, ...]]:
    return {row.label: row.values for row in setting_rows(given)}


def test_only_settings_that_differ_are_rows_in_the_order_of_the_table() -> None:
    first = settings(training__epochs=30, data__source="mnist")
    second = settings(training__epochs=40, training__l2_lambda=0.003)
    assert setting_rows([first, first, first]) == []
    assert setting_rows([first, second, second]) == [
        SettingRow("data.source", "data", ("mnist", "digits", "digits")),
        SettingRow("training.epochs", "epochs", ("30", "40", "40")),
        SettingRow("training.l2_lambda", "L2 lambda", ("0", "0.003", "0.003")),
    ]
    plain = change_settings(first, {"model.output.l2": False})
    assert rows(first, plain) == {"L2 penalty of the output layer": ("on", "off")}


def test_layers_that_were_added() -> None:
    two = change_settings(Settings(), {"model.hidden": "512-256", "model.hidden.*.dropout": "0.5,0.3"})
    three = change_settings(two, {"model.hidden": "512-256-64"})
    assert rows(two, three) == {"hidden layers": ("512-256", "512-256-64")}  # all else goes on
    weaker = change_settings(three, {"model.hidden.3.dropout": 0.2, "model.hidden.2.activation": "gelu"})
    assert rows(two, three, weaker) == {
        "hidden layers": ("512-256", "512-256-64", "512-256-64"),
        "activation of layer 2": ("relu", "relu", "gelu"),
        "dropout of layer 3": ("-", "0.3", "0.2"),
    }
    none = change_settings(two, {"model.hidden": "none"})
    assert rows(none, two) == {"hidden layers": ("none", "512-256")}
    assert rows(none, none) == {}


def test_disagreements_are_positions_apart_by_direction(pair: tuple[Trial, Trial], digits: Dataset) -> None:
    labels = digits.test.labels.numpy()
    found = disagreements(*pair)
    verdict = trial_verdict(*pair)
    assert verdict is not None and (len(found.only_first), len(found.only_second)) == (verdict.lost, verdict.gained)
    for at in found.only_second:
        assert pair[0].predictions(2)[at] != labels[at] == pair[1].predictions(5)[at]
    for at in found.only_first:
        assert pair[0].predictions(2)[at] == labels[at] != pair[1].predictions(5)[at]
    early = disagreements(*pair, epochs=(1, 1))
    was, now = pair[0].predictions(1) == labels, pair[1].predictions(1) == labels
    assert early.only_first.tolist() == np.flatnonzero(was & ~now).tolist()


def test_every_epoch_can_be_scrubbed_to(pair: tuple[Trial, Trial], digits: Dataset) -> None:
    labels, film = digits.test.labels.numpy(), read_film(pair[1])
    for epoch in pair[1].history()[0]:
        then = frame_of(film, epoch.epoch)
        assert then.accuracy == pytest.approx(epoch.test_accuracy)
        expected = confusion_matrix(labels, pair[1].predictions(epoch.epoch), labels=range(10))
        assert np.array_equal(then.confusion_matrix, expected)
        assert film.classes == digits.classes and then.images == 360
    with pytest.raises(TrialError, match="holds no epoch 6"):
        frame_of(film, 6)


def test_predictions_of_a_class_that_is_not_there_are_refused(home: Path) -> None:
    trial = stand_in(home, 1)
    (trial.directory / PREDICTIONS).write_bytes(bytes([0, 1, 2, 1]))
    with pytest.raises(TrialError, match="holds classes that"):
        read_film(trial)
    write(trial, RAN_ON, data={"fingerprint": "same", "test_images": 0, "classes": ["a", "b"]})
    with pytest.raises(TrialError):
        read_film(trial)


def test_ancestors_end_at_a_preset_at_what_is_gone_and_in_a_circle(pair: tuple[Trial, Trial], home: Path) -> None:
    first, second = pair
    family = first.directory.parent.parent
    assert ancestors(family, None) == []
    assert ancestors(family, "digits") == ["digits"]
    assert ancestors(family, second.id) == [second.id, first.id]
    assert ancestors(home, second.id) == [second.id]
    a, b = stand_in(home, 1), stand_in(home, 2)
    write(a, SUMMARY, parent=b.id)
    write(b, SUMMARY, parent=a.id)
    assert ancestors(home, a.id) == [a.id, b.id]


def test_a_parent_is_found_by_its_id_without_a_look_at_all_trials(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = stand_in(home, 1)
    read: list[Trial] = []
    monkeypatch.setattr(Trial, "about", read.append)
    assert parent_trial(home, trial.id) == trial
    assert parent_trial(home, "20200101-000000-00aaaa") is None and parent_trial(home, None) is None
    assert parent_trial(home, trial.id[:-1]) is None and not read


@pytest.mark.parametrize(
    "values",
    [None, [], {}, {"images": 0, "gained": 0, "lost": 0, "p": 1.0}, {"images": 9, "gained": -1, "lost": 0, "p": 1}],
)
def test_a_verdict_that_cannot_be_read_is_none(values: object) -> None:
    assert verdict_from(values) is None
    assert verdict_from(dataclasses.asdict(Verdict(9, 1, 0, 1.0))) == Verdict(9, 1, 0, 1.0)


def long_trial(home: Path, number: int, images: int = 10_000, epochs: int = 300) -> Trial:
    """Return a saved trial as large as the reference's."""
    trial = stand_in(home, number, test_accuracy=0.5 + number / 100)
    random = np.random.default_rng(number)
    write(trial, RAN_ON, data={"fingerprint": "same", "test_images": images, "classes": list("abcdefghij")})
    labels = np.arange(images, dtype=np.uint8) % 10
    wrong = random.random((epochs, images)) < 0.4
    (trial.directory / "test_labels").write_bytes(labels.tobytes())
    (trial.directory / PREDICTIONS).write_bytes(((labels + wrong) % 10).astype(np.uint8).tobytes())
    last = {"epoch": epochs, "test_accuracy": 0.5, "test_cost": 1.0, "train_cost": 1.0}
    return write(trial, SUMMARY, last=last)


def test_eight_trials_of_300_epochs_are_compared_at_once_and_without_torch(home: Path) -> None:
    trials = [long_trial(home, number) for number in range(8)]
    compare(trials[:2])  # imports what the verdicts need
    times = []
    for _ in range(5):
        start = time.perf_counter()
        found = compare(trials)
        times.append(time.perf_counter() - start)
    assert isinstance(found, Comparison) and all(verdict is not None for verdict in found.verdicts.values())
    assert min(times) < 0.2
    ran = run_python(
        """
import sys
from pathlib import Path
from core import compare, diagnose_trial, disagreements, frame_of, list_trials, read_film
trials = [listed.trial for listed in list_trials(Path(sys.argv[1]))]
compare(trials), disagreements(*trials[:2]), frame_of(read_film(trials[0]), 300), diagnose_trial(trials[0])
heavy = {"torch", "torchvision", "sklearn", "textual"} & set(sys.modules)
assert not heavy, heavy
""",
        home,
    )
    assert ran.returncode == 0, ran.stderr
