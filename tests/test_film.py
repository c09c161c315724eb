"""A trial as a film: every epoch as scikit-learn and the history have it, and what is damaged told in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from core.data.dataset import Dataset
from core.errors import TrialError
from core.film import Film, frame_of, read_film
from core.session import train
from core.settings import Settings, change_settings
from core.trials.store import find_trial
from core.trials.trial import Trial
from core.verdict import verdict_on


@pytest.fixture(scope="module")
def trained(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    home = tmp_path_factory.mktemp("film")
    list(train(change_settings(Settings(), {"model.hidden": "8", "training.epochs": 3}), digits, home=home))
    return find_trial(home, "last")


@pytest.fixture
def trial(trained: Trial, tmp_path: Path) -> Trial:
    """A copy of the trained trial that may be damaged."""
    return Trial(Path(shutil.copytree(trained.directory, tmp_path / trained.id)))


def test_every_frame_is_what_the_predictions_of_its_epoch_tell(trained: Trial, digits: Dataset) -> None:
    film, labels = read_film(trained), digits.test.labels.numpy()
    assert film.epochs == 3 and film.classes == digits.classes
    assert list(film.labels) == list(labels)
    for epoch in trained.history()[0]:
        frame, predicted = frame_of(film, epoch.epoch), trained.predictions(epoch.epoch)
        assert frame.accuracy == pytest.approx(epoch.test_accuracy) == film.accuracies[epoch.epoch - 1]
        assert frame.accuracy == accuracy_score(labels, predicted)
        assert np.array_equal(frame.confusion_matrix, confusion_matrix(labels, predicted))
        assert frame.recalls == pytest.approx(recall_score(labels, predicted, average=None))
        assert frame.interval[0] < frame.accuracy < frame.interval[1]
    assert frame_of(film, 1).since is None
    assert frame_of(film, 3).since == verdict_on(labels, trained.predictions(2), trained.predictions(3))


def test_a_class_without_images_has_no_recall() -> None:
    labels = np.array([0, 0, 2], dtype="u1")
    film = Film(("a", "b", "c"), labels, np.array([[0, 1, 2]], dtype="u1"), (2 / 3,), (None,))
    frame = frame_of(film, 1)
    assert frame.recalls == (0.5, None, 1.0)
    assert frame.confusion_matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_an_epoch_that_is_just_being_written_is_left_out(trial: Trial) -> None:
    with (trial.directory / "predictions").open("ab") as file:
        file.write(b"\x01" * 100)
    assert read_film(trial).epochs == 3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("predictions", b"", "has no complete epoch"),
        ("predictions", b"\xff" * 360, "holds classes that"),
        ("test_labels", b"\x0a" * 360, "holds classes that"),
        ("test_labels", b"", "holds no epoch 1"),
        ("ran_on.json", b"{}", "does not tell the number of test images"),
        ("ran_on.json", json.dumps({"data": {"test_images": 0, "classes": ["a"]}}).encode(), "tells of 0 test images"),
    ],
)
def test_what_is_damaged_is_told_in_one_line(trial: Trial, name: str, content: bytes, reason: str) -> None:
    (trial.directory / name).write_bytes(content)
    with pytest.raises(TrialError, match=reason) as error:
        read_film(trial)
    assert "\n" not in str(error.value)
