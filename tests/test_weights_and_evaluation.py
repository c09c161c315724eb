"""Files of weights from anybody, and evaluations equal to plain PyTorch's."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch.nn import functional
from torchmetrics.functional.classification import (
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from core.accuracy import accuracy_interval
from core.data.dataset import Dataset, load_data
from core.errors import DataError, TrialbookError, WeightsError
from core.evaluation import evaluate
from core.model import Mlp
from core.saved_model import data_remarks, data_settings_for, open_model
from core.session import train
from core.settings import DataSettings, HiddenLayer, ModelSettings, Settings, change_settings
from core.trials.trial import Trial
from core.weights import read_weights, write_weights
from tests import reference

LAYERS = ModelSettings(hidden=(HiddenLayer(width=6),))


@pytest.fixture(scope="module")
def trial(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    settings = change_settings(Settings(), {"training.epochs": 3, "data.normalization": "measured"})
    started, *_ = train(settings, digits, home=tmp_path_factory.mktemp("home"))
    return started.trial  # type: ignore[union-attr]


class Malicious:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> object:
        return (Path.write_text, (self.target, "owned"))


def huge() -> bytes:
    file = io.BytesIO()
    torch.save({"linear1.weight": torch.zeros(1).expand(10**6, 10**6)}, file)
    return file.getvalue()


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 10_000_000)
    return file.getvalue()


GOOD = saved(Mlp(LAYERS, 5, 3).state_dict())
HOSTILE = {
    "empty": (b"", "is cut off or no file of weights"),
    "garbage": (b"garbage" * 100, "is cut off or no file of weights"),
    "truncated": (GOOD[:-200], "is cut off or no file of weights"),
    "bare pickle": (pickle.dumps({"a": 1}), "is cut off or no file of weights"),
    "compressed": (bomb(), "is not laid out as torch.save lays out weights"),
    "list": (saved([1, 2]), "holds no state_dict"),
    "empty dict": (saved({}), "holds no state_dict"),
    "number": (saved({"linear1.weight": 3}), "linear1.weight is no plain tensor"),
    "no name": (saved({3: torch.zeros(1)}), "3 is no name"),
    "meta": (saved({"a": torch.zeros(2, device="meta")}), "a is no plain tensor"),
    "sparse": (saved({"a": torch.zeros(2, 2).to_sparse()}), "a is no plain tensor"),
    "complex": (saved({"a": torch.zeros(2, dtype=torch.complex64)}), "a is no plain tensor"),
    "nan": (saved({"linear1.weight": torch.tensor([float("nan")])}), "linear1.weight holds NaN or infinity"),
    "huge": (huge(), "linear1.weight claims to be larger than the file"),
    "whole module": (saved(torch.nn.Linear(2, 2)), "holds more than weights"),
    "escape": (saved({"\x1b[31m": torch.zeros(1)}), "linear1.weight, linear2.weight"),
    "foreign": (saved({"conv1.weight": torch.zeros(1)}), "linear1.weight, linear2.weight"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_line(name: str, tmp_path: Path) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        open_model(path)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_every_cut_of_a_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    for length in range(0, len(GOOD), 97):
        path.write_bytes(GOOD[:length])
        with pytest.raises(WeightsError):
            open_model(path)


def test_any_damaged_byte_ends_in_weights_or_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(GOOD)
        for position in rng.integers(0, len(GOOD), 3):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(bytes(damaged))
        try:
            open_model(path)
        except TrialbookError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either way is fine


def test_code_in_a_pickle_does_not_run(tmp_path: Path) -> None:
    for wrapped in (
        saved({"linear1.weight": Malicious(tmp_path / "trap")}),
        pickle.dumps(Malicious(tmp_path / "trap")),
    ):
        (tmp_path / "model.pt").write_bytes(wrapped)
        with pytest.raises(WeightsError):
            read_weights(tmp_path / "model.pt")
    assert not (tmp_path / "trap").exists()


def test_missing_files_and_folders_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="No such file"):
        read_weights(tmp_path / "none.pt")
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path, tmp_path / "pipe.pt", Path("/dev/zero")):
        with pytest.raises(WeightsError, match="is not a regular file"):
            read_weights(path)


def test_a_hole_in_the_weights_is_noticed(tmp_path: Path) -> None:
    """A block of zeros, as a crash leaves it, in the middle of a tensor."""
    path = tmp_path / "model.pt"
    path.write_bytes(GOOD)
    weight = Mlp(LAYERS, 5, 3).state_dict()["linear1.weight"].numpy().tobytes()
    start = GOOD.index(weight[40:80])
    path.write_bytes(GOOD[:start] + bytes(40) + GOOD[start + 40 :])
    with pytest.raises(WeightsError, match="is damaged: the checksum of archive/data/0 is wrong"):
        read_weights(path)


def test_an_archive_of_a_table_of_contents_alone_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "bare.pt").write_bytes(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 0, 0))
    with pytest.raises(WeightsError, match=r"is not laid out as torch\.save"):
        read_weights(tmp_path / "bare.pt")


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    weights = Mlp(LAYERS, 5, 3).state_dict()
    write_weights(weights, tmp_path / "a.pt")
    back = read_weights(tmp_path / "a.pt")
    assert list(back) == list(weights)
    assert all(torch.equal(back[name], tensor) and back[name].dtype == tensor.dtype for name, tensor in weights.items())
    (tmp_path / "b.pt").write_bytes(saved(OrderedDict((name, tensor.double()) for name, tensor in weights.items())))
    assert torch.equal(read_weights(tmp_path / "b.pt")["linear1.weight"], weights["linear1.weight"])


@pytest.mark.parametrize("normalization", ["none", "cifar10", "given"])
def test_the_references_file_is_evaluated_as_plain_pytorch_does(
    folder: Path, tmp_path: Path, normalization: str
) -> None:
    """A model.pt written by code that knows only the reference's class."""
    data = load_data(DataSettings(source=str(folder)))
    torch.manual_seed(3)
    network = reference.Network(192, [16, 8], [0.5, 0.2], 2)
    network.train()(torch.rand(64, 192))
    torch.save(network.state_dict(), tmp_path / "model.pt")
    mean, std = {
        "none": ((0.0,) * 3, (1.0,) * 3),
        "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
        "given": ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
    }[normalization]
    x = (data.test.images / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    bare = {"normalization": normalization, **({"mean": mean, "std": std} if normalization == "given" else {})}
    result = evaluate(tmp_path / "model.pt", data, bare=DataSettings(**bare))  # type: ignore[arg-type]
    network.eval()
    with torch.no_grad():
        logits = network(x.flatten(1))
    assert result.accuracy == (logits.argmax(1) == data.test.labels).float().mean().item()
    assert result.test_cost == pytest.approx(functional.cross_entropy(logits, data.test.labels).item(), rel=1e-6)


def test_a_trials_file_is_evaluated_by_the_references_own_code(trial: Trial, digits: Dataset) -> None:
    network = reference.Network(64, [256, 128], [0.2, 0.2], 10)
    network.load_state_dict(torch.load(trial.weights()))
    data = trial.ran_on()["data"]
    x = ((digits.test.images / 255 - data["mean"][0]) / data["std"][0]).flatten(1)
    result = evaluate(trial.weights(), digits)
    assert result.accuracy == pytest.approx(reference.accuracy(network, x, digits.test.labels), abs=1e-6)
    assert result.accuracy == trial.history()[0][-1].test_accuracy
    assert result.test_cost == pytest.approx(reference.test_cost(network, x, digits.test.labels, 360), rel=1e-5)
    assert result.accuracy > 0.9


def test_a_trial_with_skip_connections_is_evaluated_with_them(digits: Dataset, tmp_path: Path) -> None:
    changes = {"model.hidden": "64-64", "model.skip_connections": True, "training.epochs": 2}
    started, *_ = train(change_settings(Settings(), changes), digits, home=tmp_path)
    trial = started.trial  # type: ignore[union-attr]
    result = evaluate(trial.weights(), digits)
    assert result.accuracy == trial.history()[0][-1].test_accuracy
    assert (result.predicted == trial.predictions(2)).all()
    bare = tmp_path / "bare.pt"
    bare.write_bytes(trial.weights().read_bytes())  # which tells nothing of them
    assert evaluate(bare, digits).accuracy < result.accuracy - 0.1


def test_scores_are_those_of_torchmetrics(trial: Trial, digits: Dataset) -> None:
    result = evaluate(trial.weights(), digits)
    saved_model = open_model(trial.weights())
    data = trial.ran_on()["data"]
    x = ((digits.test.images / 255 - data["mean"][0]) / data["std"][0]).flatten(1)
    with torch.no_grad():
        probabilities = saved_model.model(x).softmax(1)
    y = digits.test.labels
    for name, score in (
        ("precision", multiclass_precision),
        ("recall", multiclass_recall),
        ("f1", multiclass_f1_score),
    ):
        wanted = score(probabilities, y, num_classes=10, average=None)
        assert [getattr(each, name) for each in result.per_class] == pytest.approx(wanted.tolist(), abs=1e-6)
    wanted = multiclass_calibration_error(probabilities, y, num_classes=10, n_bins=15, norm="l1")
    assert result.expected_calibration_error == pytest.approx(float(wanted), abs=1e-5)
    assert torch.tensor(result.confusion_matrix).equal(multiclass_confusion_matrix(probabilities, y, num_classes=10))
    assert sum(map(sum, result.confusion_matrix)) == result.images == 360
    wrong = probabilities.argmax(1) != y
    assert len(result.most_confident_mistakes) == min(20, int(wrong.sum()))
    first = result.most_confident_mistakes[0]
    assert first.confidence == pytest.approx(float(probabilities[wrong].max()), abs=1e-5)
    assert first.true == str(int(y[first.index]))
    assert first.predicted == str(int(probabilities[first.index].argmax()))


def test_every_cell_of_the_matrix_knows_its_images(trial: Trial, digits: Dataset) -> None:
    result = evaluate(trial.weights(), digits)
    for true, row in enumerate(result.confusion_matrix):
        for predicted, count in enumerate(row):
            found = result.images_of(true, predicted)
            assert len(found) == count
            assert (digits.test.labels.numpy()[found] == true).all()
            assert (result.predicted[found] == predicted).all()
            assert (np.diff(result.confidence[found]) <= 0).all()
    mistakes = result.mistakes()
    assert len(mistakes) == result.images - result.right
    first = result.most_confident_mistakes
    assert [mistake.index for mistake in first] == mistakes[: len(first)].tolist()


def test_equal_evaluations_are_equal_and_hold_no_arrays_in_what_is_printed(trial: Trial, digits: Dataset) -> None:
    one, other = evaluate(trial.weights(), digits), evaluate(trial.weights(), digits)
    assert one == other and hash(one) == hash(other)
    assert "array" not in repr(one)
    assert one.figures().keys() == {
        "images", "right", "accuracy", "accuracy_interval", "test_cost", "classes", "per_class", "confusion_matrix",
        "expected_calibration_error", "most_confident_mistakes",
    }  # fmt: skip


@pytest.mark.parametrize(("right", "images"), [(5808, 10_000), (0, 5), (5, 5), (1, 3), (359, 360)])
def test_the_interval_is_wilsons_as_scipy_has_it(right: int, images: int) -> None:
    wanted = binomtest(right, images).proportion_ci(0.95, method="wilson")
    assert accuracy_interval(right, images) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_a_network_that_does_not_suit_the_data_is_one_line(trial: Trial, folder: Path, tmp_path: Path) -> None:
    data = load_data(DataSettings(source=str(folder)))
    with pytest.raises(
        WeightsError, match=r"takes 64 values per image, but the images of .* are 8x8 RGB, which makes 192"
    ):
        evaluate(trial.weights(), data)
    write_weights(Mlp(LAYERS, 192, 5).state_dict(), tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="tells 5 classes apart, but .* has 2"):
        evaluate(tmp_path / "model.pt", data)
    with pytest.raises(WeightsError, match="--data must name the images"):
        data_settings_for(open_model(tmp_path / "model.pt"), DataSettings(), None)


def test_weights_beside_settings_of_another_network_are_refused(trial: Trial, tmp_path: Path) -> None:
    for path in trial.directory.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_weights(Mlp(LAYERS, 64, 10).state_dict(), tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="holds another network than the settings.toml beside it"):
        open_model(tmp_path / "model.pt")


def test_other_images_are_resized_to_the_trials_and_remarked(trial: Trial, folder: Path, digits: Dataset) -> None:
    opened = open_model(trial.weights())
    settings, remarks = data_settings_for(opened, DataSettings(), str(folder))
    assert (settings.source, settings.image_size) == (str(folder), "8x8")
    assert "other images than the trial was trained on (digits)" in remarks[0]
    stated, _ = data_settings_for(opened, DataSettings(image_size="9x9", skip_broken=True), str(folder))
    assert (stated.image_size, stated.skip_broken) == ("9x9", True)
    assert data_settings_for(opened, DataSettings(), None)[1] == []
    assert data_remarks(opened, digits) == []


def test_a_normalization_for_other_channels_is_one_line(tmp_path: Path, digits: Dataset) -> None:
    write_weights(Mlp(LAYERS, 64, 10).state_dict(), tmp_path / "model.pt")
    with pytest.raises(DataError, match="cifar10 is for 3 channels"):
        evaluate(tmp_path / "model.pt", digits, bare=DataSettings(normalization="cifar10"))
