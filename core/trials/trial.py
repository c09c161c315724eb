"""A saved trial: a directory of plain files, and how to read them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.catalog import class_type
from core.epoch import Epoch
from core.errors import TrialError
from core.files import read_bytes, read_text
from core.settings import Settings, read_settings
from core.text import strict_json
from core.trials.history import MAX_EPOCHS, read_history

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SETTINGS = "settings.toml"
HISTORY = "history.jsonl"
LAST_WEIGHTS = "model.pt"
BEST_WEIGHTS = "best.pt"
PREDICTIONS = "predictions"
SUMMARY = "summary.json"
ABOUT = "about.json"
RAN_ON = "ran_on.json"
TEST_LABELS = "test_labels"
LIVE = "live.json"
CHECKPOINT = "checkpoint.safetensors"
BEST_CHECKPOINT = "best_checkpoint.safetensors"

MAX_JSON = {SUMMARY: 100_000, ABOUT: 1_000_000, RAN_ON: 10_000_000, LIVE: 100_000}
"""Bytes that each of these files may have: a list of a thousand trials reads the first two of each."""
_MAX_ANSWERS = 200_000_000  # bytes of predictions that are read at once


@dataclass(frozen=True, slots=True)
class About:
    """What people say about a trial; unlike all else, it may be changed at any time.

    Attributes:
        name: A short name, or "".
        note: What was intended or learnt, or "".
        tags: Words to find it by, each once.
        starred: Whether it is marked as one to remember.
    """

    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    starred: bool = False


def about_of(values: Mapping[str, Any]) -> About:
    """Return what the plain values of an `about.json` mean; what is missing or odd is empty."""
    tags = values.get("tags")
    return About(
        name=str(values.get("name", "")),
        note=str(values.get("note", "")),
        tags=tuple(dict.fromkeys(str(tag) for tag in tags)) if isinstance(tags, list) else (),
        starred=values.get("starred") is True,
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """A saved trial.

    Attributes:
        directory: Where its files are.
    """

    directory: Path

    @property
    def id(self) -> str:
        """Its identity: the directory's name, made of its time of creation and a random part."""
        return self.directory.name

    def weights(self, best: bool = False) -> Path:
        """Return the file of the last epoch's weights, or of the best epoch's."""
        return self.directory / (BEST_WEIGHTS if best else LAST_WEIGHTS)

    def checkpoint(self, best: bool = False) -> Path:
        """Return the file that a training goes on with after the last epoch, or after the best."""
        return self.directory / (BEST_CHECKPOINT if best else CHECKPOINT)

    def settings(self) -> Settings:
        """Read the settings.

        Raises:
            TrialError: The file cannot be read.
            SettingsError: It holds wrong settings.
        """
        return read_settings(self.directory / SETTINGS)

    def history(self) -> tuple[list[Epoch], list[str]]:
        """Read the complete epochs, and a line for every damaged one; ([], []) before the first epoch.

        Raises:
            TrialError: The file is there but cannot be read.
        """
        path = self.directory / HISTORY
        return read_history(path) if os.path.lexists(path) else ([], [])

    def about(self) -> About:
        """Read what people say about it; empty where it cannot be read, for nothing depends on it."""
        try:
            values = self._json(ABOUT)
        except TrialError:
            return About()
        return about_of(values)

    def live(self) -> dict[str, Any]:
        """Read how far the epoch in progress is, as `core.trials.writer` writes it; {} where nobody trains."""
        try:
            return self._json(LIVE)
        except TrialError:
            return {}

    def ran_on(self) -> dict[str, Any]:
        """Read what the trial ran on, as `core.machine.describe_run` describes it.

        Raises:
            TrialError: The file cannot be read.
        """
        return self._json(RAN_ON)

    def summary(self) -> dict[str, Any]:
        """Read the summary, as `core.trials.writer` writes it.

        Raises:
            TrialError: The file cannot be read.
        """
        return self._json(SUMMARY)

    def predictions(self, epoch: int) -> NDArray[np.uint8 | np.uint16]:
        """Return the predicted class of every test image (N,) after an epoch, counted from 1.

        Raises:
            TrialError: There is no such epoch, or the files cannot be read.
        """
        return self._classes(PREDICTIONS, epoch)

    def test_labels(self) -> NDArray[np.uint8 | np.uint16]:
        """Return the true class of every test image (N,), in the test set's order.

        Raises:
            TrialError: The file cannot be read.
        """
        return self._classes(TEST_LABELS, 1)

    def all_predictions(self) -> NDArray[np.uint8 | np.uint16]:
        """Return the predicted class of every test image after every complete epoch (epochs, N), read at once.

        Raises:
            TrialError: The files cannot be read.
        """
        import numpy as np  # noqa: PLC0415 - as below

        images, kind = self._layout()
        held = read_bytes(self.directory / PREDICTIONS, _MAX_ANSWERS)
        content = np.frombuffer(held, dtype=kind, count=len(held) // kind.itemsize)
        epochs = len(content) // images  # the last one may be just being written
        return content[: epochs * images].reshape(epochs, images)

    def _layout(self) -> tuple[int, np.dtype[Any]]:
        """Return how many test images there are, and the type that holds the class of one."""
        import numpy as np  # noqa: PLC0415 - takes longer than the list of trials that most callers want

        data = self.ran_on().get("data", {})
        try:
            images, classes = int(data["test_images"]), len(data["classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise TrialError(f"{self.directory / RAN_ON} does not tell the number of test images") from error
        if not 1 <= images <= _MAX_ANSWERS:
            raise TrialError(f"{self.directory / RAN_ON} tells of {images} test images")
        return images, np.dtype(class_type(classes))

    def _classes(self, name: str, epoch: int) -> NDArray[np.uint8 | np.uint16]:
        """Return an epoch's part of a file that holds one class per test image and epoch."""
        import numpy as np  # noqa: PLC0415 - as above

        path = self.directory / name
        images, kind = self._layout()
        size = images * kind.itemsize
        # of a file that is too short nothing is taken, whatever the number of images claims
        content = read_bytes(path, size, (epoch - 1) * size, whole=False) if 1 <= epoch <= MAX_EPOCHS else b""
        if len(content) != size:
            raise TrialError(f"{path} holds no epoch {epoch}")
        return np.frombuffer(content, dtype=kind)

    def _json(self, name: str) -> dict[str, Any]:
        path = self.directory / name
        try:
            values = strict_json(read_text(path, MAX_JSON[name]))
        except ValueError as error:
            raise TrialError(f"cannot read {path}: it is not JSON") from error
        if not isinstance(values, dict):
            raise TrialError(f"cannot read {path}: it is not a JSON object")
        return values
