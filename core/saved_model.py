"""Open saved weights, a trial's or anybody's, and find the data that they can be tested on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.data.catalog import KNOWN_SETS
from core.data.dataset import Dataset
from core.errors import WeightsError
from core.model import Mlp, architecture_of, load_into
from core.settings import DataSettings, ModelSettings, parse_image_size
from core.text import printable
from core.trials.trial import SETTINGS, Trial
from core.weights import read_weights

_AXES = 3  # channels, height, width


@dataclass(frozen=True, slots=True)
class SavedModel:
    """Weights from a file, in their network.

    Attributes:
        path: The file.
        model: The network, in evaluation mode.
        inputs: Values of one image.
        outputs: Number of classes.
        trial: The trial that the file belongs to; None for a bare file.
        ran_on: What the trial ran on; {} for a bare file.
    """

    path: Path
    model: Mlp
    inputs: int
    outputs: int
    trial: Trial | None
    ran_on: dict[str, Any]

    @property
    def trained_on(self) -> dict[str, Any]:
        """What `ran_on` tells of the data; {} for a bare file."""
        data = self.ran_on.get("data")
        return data if isinstance(data, dict) else {}


def open_model(path: Path) -> SavedModel:
    """Open a file of weights, a trial's or a bare state_dict such as the reference's own code writes.

    A bare file tells neither the activation nor skip connections; ReLU and none are assumed, as in the reference.

    Raises:
        WeightsError: The file cannot be read or holds no such network.
        TrialError: It belongs to a trial whose other files cannot be read.
        SettingsError: It belongs to a trial whose settings are wrong.
    """
    weights = read_weights(path)
    try:
        settings, inputs, outputs = architecture_of(weights)
    except WeightsError as error:
        raise WeightsError(f"{printable(path)}: {error}") from error
    trial = Trial(path.parent) if (path.parent / SETTINGS).is_file() else None
    ran_on: dict[str, Any] = {}
    if trial is not None:
        ran_on = trial.ran_on()
        settings = _same_network(trial.settings().model, settings, path)
    model = Mlp(settings, inputs, outputs)
    load_into(model, weights)
    return SavedModel(path, model.eval(), inputs, outputs, trial, ran_on)


def _same_network(settings: ModelSettings, found: ModelSettings, path: Path) -> ModelSettings:
    """Return a trial's network if the weights are of it: it knows activations and skip connections."""
    wanted = [(layer.width, layer.batch_norm) for layer in settings.hidden]
    if wanted != [(layer.width, layer.batch_norm) for layer in found.hidden]:
        raise WeightsError(f"{printable(path)} holds another network than the {SETTINGS} beside it describes")
    return settings


def data_settings_for(saved: SavedModel, asked: DataSettings, source: str | None) -> tuple[DataSettings, list[str]]:
    """Return which data to test an open model on, and what its user should know about that choice.

    Args:
        saved: The open model.
        asked: What is asked for of `image_size` and `skip_broken`.
        source: A data set by name or a folder; None: the one that the model was trained on.

    Raises:
        WeightsError: The file does not tell, and no source is given.
        TrialError: The trial's settings cannot be read.
        SettingsError: The trial's settings are wrong, or the source cannot be one.
    """
    trained = saved.trial.settings().data if saved.trial is not None else None
    if source is None and trained is None:
        raise WeightsError(f"{printable(saved.path)} belongs to no trial: --data must name the images to test on")
    remarks = []
    changes: dict[str, Any] = {"skip_broken": asked.skip_broken, "source": source, "image_size": asked.image_size}
    if trained is not None and source in (None, trained.source):
        changes = {"skip_broken": asked.skip_broken or trained.skip_broken, "source": trained.source}
        changes["image_size"] = trained.image_size if asked.image_size == "auto" else asked.image_size
    elif trained is not None:
        remarks.append(f"these are other images than the trial was trained on ({printable(trained.source, 120)})")
        shape = saved.trained_on.get("image_shape")
        if asked.image_size == "auto" and source not in KNOWN_SETS and isinstance(shape, list) and len(shape) == _AXES:
            size = f"{shape[1]}x{shape[2]}"
            changes["image_size"] = size if parse_image_size(size) else "auto"
    return replace(asked, **changes), remarks


def data_remarks(saved: SavedModel, data: Dataset) -> list[str]:
    """Return what a user should know when a model meets data: that it has changed, or names other classes."""
    remarks = []
    known = saved.trained_on
    if known.get("source") == data.source and known.get("fingerprint") != data.fingerprint:
        remarks.append("the images have changed since this trial was trained")
    classes = known.get("classes")
    if isinstance(classes, list) and tuple(classes) != data.classes:
        remarks.append("the classes have other names than those the trial was trained on")
    return remarks
