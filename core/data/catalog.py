"""The data sets that Trialbook knows by name, described without loading anything."""

from __future__ import annotations

import os
from dataclasses import dataclass

from core.errors import DataError, SettingsError
from core.settings import Settings, parse_image_size
from core.text import printable


@dataclass(frozen=True, slots=True)
class ImageShape:
    """The shape of one image: channels (1 grey, 3 RGB), height and width in pixels."""

    channels: int
    height: int
    width: int

    @property
    def values(self) -> int:
        """Number of input values that one image gives the network."""
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        """Return "32x32 RGB" or "28x28 grey"."""
        return f"{self.height}x{self.width} {'RGB' if self.channels > 1 else 'grey'}"


@dataclass(frozen=True, slots=True)
class KnownSet:
    """A data set known by name.

    Attributes:
        name: What `data.source` calls it.
        title: What it shows.
        shape: The shape of one image.
        classes: Number of classes.
        train_images: Images to train on.
        test_images: Images to test on.
        download_bytes: What a download transfers; 0 for a set that is built in.
    """

    name: str
    title: str
    shape: ImageShape
    classes: int
    train_images: int
    test_images: int
    download_bytes: int


KNOWN_SETS = {
    known.name: known
    for known in (
        KnownSet("digits", "handwritten digits, built in", ImageShape(1, 8, 8), 10, 1437, 360, 0),
        KnownSet("cifar10", "small photographs", ImageShape(3, 32, 32), 10, 50_000, 10_000, 170_498_071),
        KnownSet("cifar100", "small photographs", ImageShape(3, 32, 32), 100, 50_000, 10_000, 169_001_437),
        KnownSet("mnist", "handwritten digits", ImageShape(1, 28, 28), 10, 60_000, 10_000, 11_594_722),
        KnownSet("fashion-mnist", "clothes", ImageShape(1, 28, 28), 10, 60_000, 10_000, 30_878_645),
        KnownSet("svhn", "house numbers", ImageShape(3, 32, 32), 10, 73_257, 26_032, 246_316_178),
    )
}


@dataclass(frozen=True, slots=True)
class DataShape:
    """What must be known of a data set to size a network and its training.

    Attributes:
        image: The shape of one image.
        classes: Number of classes.
        train_images: Images of the whole training set, those kept for validation included.
        test_images: Images of the test set.
    """

    image: ImageShape
    classes: int
    train_images: int
    test_images: int


def known_shape(settings: Settings) -> DataShape | None:
    """Return the shape of the settings' data if the settings alone tell it: a set known by name; None for a folder."""
    known = KNOWN_SETS.get(settings.data.source)
    if known is None:
        return None
    shape = known.shape
    size = parse_image_size(settings.data.image_size)
    if size is not None:
        shape = ImageShape(shape.channels, *size)
    return DataShape(shape, known.classes, known.train_images, known.test_images)


def class_type(classes: int) -> str:
    """Return numpy's name of the type that holds a predicted class: a byte, or two little-endian ones."""
    return "u1" if classes <= 256 else "<u2"  # noqa: PLR2004 - what a byte can tell apart


def absolute_source(text: str) -> str:
    """Return a known name as it is, anything else as the absolute path of a folder.

    A trial must find its folder again from wherever it is continued. `./digits` is a folder, `digits` is not.

    Raises:
        SettingsError: The path begins at the current directory, which has been removed.
    """
    try:
        return text if text in KNOWN_SETS else os.path.abspath(os.path.expanduser(text))
    except FileNotFoundError:
        problem = "begins at the current directory, which has been removed"
        raise SettingsError([f"data.source: {printable(text, 80)} {problem}"]) from None


def refuse_moved(source: str, hint: str) -> None:
    """Refuse the folder of images that a trial was trained on where it is not there any more.

    Args:
        source: The trial's `data.source`.
        hint: What to do then.

    Raises:
        DataError: It is no folder, nor a data set known by name.
    """
    if source not in KNOWN_SETS and not os.path.isdir(source):
        raise DataError(f"the trial was trained on {printable(source)}, which is no folder any more; {hint}")
