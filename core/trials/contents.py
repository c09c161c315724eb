"""What the file of an exported trial holds, every part of it checked by itself and against the others."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from core.data.catalog import DataShape, ImageShape, class_type
from core.early_stopping import best_epoch
from core.epoch import Epoch
from core.errors import SettingsError, TrialError, WeightsError
from core.model import Mlp, load_into
from core.settings import Settings, settings_from_toml
from core.size import size_of
from core.text import printable, strict_json
from core.trials.archive import BEST_TENSORS, LAST_TENSORS, Members, UnsoundError
from core.trials.history import parse_history
from core.trials.store import is_id
from core.trials.summary import LONGEST_CHANGES, figures, shortened, summary_of_settings
from core.trials.trial import ABOUT, HISTORY, PREDICTIONS, RAN_ON, SETTINGS, SUMMARY, TEST_LABELS, About, about_of
from core.trials.upkeep import checked_about
from core.verdict import verdict_from

_STATUSES = ("finished", "stopped", "failed", "interrupted")
_MAX_HEADER = 1_000_000  # bytes that a file of tensors needs besides the tensors
_MAX_COUNT = 2**31 - 1
_AXES = 3  # channels, height, width
_LONGEST_WORD = 50  # characters of a date or a parent's name
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Contents:
    """A trial that was read from an archive and found sound.

    Attributes:
        settings: Its settings.
        summary: Its summary; all that other parts tell is taken from them.
        about: What is said about it.
        ran_on: What it ran on, without the process.
        history: Its epochs, which count from 1.
        predictions: The classes predicted for every test image after every epoch; None where it holds none.
        test_labels: The true class of every test image; None where it holds none.
        last: The last epoch's state_dict; None where it holds none.
        best: The best epoch's.
    """

    settings: Settings
    summary: dict[str, Any]
    about: About
    ran_on: dict[str, Any]
    history: list[Epoch]
    predictions: bytes | None
    test_labels: bytes | None
    last: dict[str, Tensor] | None
    best: dict[str, Tensor] | None


def contents_of(members: Members) -> Contents:
    """Read all members, the small ones first: what they say decides how large the others must be.

    Raises:
        UnsoundError: A member is damaged, or does not fit the others.
    """
    settings = _settings(members)
    ran_on = _object(members, RAN_ON)
    for name in ("process", "before"):
        ran_on.pop(name, None)  # whatever they name, it does not train this copy
    shape = shape_of(ran_on)
    history = _history(members)
    if len(history) > settings.training.epochs:
        raise UnsoundError(f"{HISTORY} holds {len(history):,} epochs instead of at most {settings.training.epochs:,}")
    return Contents(
        settings=settings,
        summary=_summary(_object(members, SUMMARY), settings, ran_on["data"], shape, history),
        about=_about(members),
        ran_on=ran_on,
        history=history,
        predictions=_classes(members, PREDICTIONS, shape, len(history)),
        test_labels=_classes(members, TEST_LABELS, shape, 1),
        last=_weights(members, LAST_TENSORS, settings, shape),
        best=_weights(members, BEST_TENSORS, settings, shape),
    )


def shape_of(ran_on: Mapping[str, Any]) -> DataShape:
    """Return the shape of the data that a trial ran on, which its other files must fit.

    Raises:
        UnsoundError: `ran_on` does not tell.
    """
    data = ran_on.get("data")
    if not isinstance(data, dict):
        raise UnsoundError(f"{RAN_ON} does not describe the data")
    image, classes = data.get("image_shape"), data.get("classes")
    images = data.get("train_images"), data.get("test_images")
    if not isinstance(data.get("fingerprint"), str) or not _FINGERPRINT.fullmatch(data["fingerprint"]):
        raise UnsoundError(f"{RAN_ON} does not tell the data's fingerprint")
    if not isinstance(image, list) or len(image) != _AXES or not all(map(_is_count, image)):
        raise UnsoundError(f"{RAN_ON} does not tell the images' shape")
    if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
        raise UnsoundError(f"{RAN_ON} does not tell the classes")
    if not all(map(_is_count, images)):
        raise UnsoundError(f"{RAN_ON} does not tell the number of images")
    return DataShape(ImageShape(*image), len(classes), data["train_images"], data["test_images"])


def answers_size(shape: DataShape, epochs: int) -> int:
    """Return the bytes of one class per test image and epoch."""
    return epochs * shape.test_images * np.dtype(class_type(shape.classes)).itemsize


def _is_count(value: object) -> bool:
    return type(value) is int and 1 <= value <= _MAX_COUNT


def _text(members: Members, name: str) -> str:
    try:
        return (members.read(name) or b"").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnsoundError(f"{name} is not UTF-8 text") from error


def _object(members: Members, name: str) -> dict[str, Any]:
    try:
        values = strict_json(_text(members, name))
    except ValueError as error:
        raise UnsoundError(f"{name} is not JSON") from error
    if not isinstance(values, dict):
        raise UnsoundError(f"{name} is not a JSON object")
    return values


def _settings(members: Members) -> Settings:
    try:
        return settings_from_toml(_text(members, SETTINGS), SETTINGS)
    except SettingsError as error:
        raise UnsoundError(error.problems[0]) from error


def _about(members: Members) -> About:
    if members.size(ABOUT) is None:
        return About()
    try:
        return checked_about(about_of(_object(members, ABOUT)))
    except TrialError as error:
        raise UnsoundError(str(error)) from error


def _history(members: Members) -> list[Epoch]:
    content = members.read(HISTORY) or b""
    try:
        history, problems = parse_history(content, HISTORY)
    except TrialError as error:
        raise UnsoundError(str(error)) from error
    if problems:
        raise UnsoundError(problems[0].removesuffix(" and left out"))
    if content and not content.endswith(b"\n"):
        raise UnsoundError(f"{HISTORY} is cut off")
    if [epoch.epoch for epoch in history] != list(range(1, len(history) + 1)):
        raise UnsoundError(f"the epochs of {HISTORY} do not count from 1")
    return history


def _classes(members: Members, name: str, shape: DataShape, epochs: int) -> bytes | None:
    """Return a member that holds one class per test image and epoch; None where there is none."""
    content = members.read(name, answers_size(shape, epochs))
    if content and int(np.frombuffer(content, class_type(shape.classes)).max()) >= shape.classes:
        raise UnsoundError(f"{name} names a class that there is not")
    return content


def _weights(members: Members, name: str, settings: Settings, shape: DataShape) -> dict[str, Tensor] | None:
    """Return the tensors of a member in the network's order; None where there is no such member."""
    held = members.size(name)
    if held is None:
        return None
    counters = 8 * sum(layer.batch_norm for layer in settings.model.hidden)  # one int64 per batch norm
    size = size_of(settings, shape).memory.weights + counters
    if not size <= held <= size + _MAX_HEADER:  # before a network of that size is built, or a byte of it is read
        raise UnsoundError(f"{name} holds {held:,} bytes, but the settings' network has {size:,} bytes of weights")
    try:
        tensors = safetensors.torch.load(members.read(name) or b"")
    except (SafetensorError, ValueError, KeyError) as error:
        raise UnsoundError(f"{name} is no file of tensors: {printable(error, 120)}") from error
    network = Mlp(settings.model, shape.image.values, shape.classes)
    try:
        load_into(network, tensors)
    except WeightsError as error:
        raise UnsoundError(f"{name}: {error}") from error
    own = network.state_dict()
    for tensor_name, tensor in tensors.items():
        if tensor.dtype != own[tensor_name].dtype:
            raise UnsoundError(f"{tensor_name} in {name} is {tensor.dtype} instead of {own[tensor_name].dtype}")
        if not bool(torch.isfinite(tensor).all()):
            raise UnsoundError(f"{tensor_name} in {name} holds NaN or infinity")
    return {tensor_name: tensors[tensor_name] for tensor_name in own}


def _summary(
    given: Mapping[str, Any], settings: Settings, data: Mapping[str, Any], shape: DataShape, history: list[Epoch]
) -> dict[str, Any]:
    """Return a summary like the one given, but with all that other members tell taken from them."""
    status = "interrupted" if given.get("status") == "running" else given.get("status")
    if status not in _STATUSES:
        raise UnsoundError(f"{SUMMARY} tells no status that a trial can have")
    if not isinstance(given.get("id"), str) or not is_id(given["id"]):
        raise UnsoundError(f"{SUMMARY} does not tell the trial's id")
    parent, best, verdict = given.get("parent"), best_epoch(history), verdict_from(given.get("verdict"))
    return {
        "id": given["id"],
        "status": status,
        "reason": shortened(str(given.get("reason", ""))),
        "created": shortened(str(given.get("created", "")), _LONGEST_WORD),
        "parent": None if parent is None else shortened(str(parent), _LONGEST_WORD),
        "changes": shortened(str(given.get("changes", "")), LONGEST_CHANGES),
        **summary_of_settings(settings, data),
        "branched_at": branched if _is_count(branched := given.get("branched_at")) else None,
        "parameters": size_of(settings, shape).parameters,
        "best_by": "validation cost" if settings.data.validation_split else "test cost",
        # rounded after every epoch, as the writer does it
        "seconds": functools.reduce(lambda sum_, epoch: round(sum_ + epoch.seconds, 3), history, 0.0),
        "last": figures(history[-1]) if history else None,
        "best": None if best is None else figures(best),
        "verdict": None if verdict is None else asdict(verdict),
    }
