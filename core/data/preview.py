"""What a data set holds, found out without torch and without decoding it: for a look before it is chosen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.data.cache import cached_arrays, downloads_directory, entry_directory, folder_key, is_ready
from core.data.catalog import KNOWN_SETS, DataShape, ImageShape
from core.data.folder import Listing, OnProgress, ignore, inspect_sample, list_folder, most_common_size
from core.errors import DataError
from core.settings import parse_image_size
from core.text import printable

_MNIST = tuple(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
DOWNLOADED_FILES = {
    "cifar10": ("cifar-10-python.tar.gz",),
    "cifar100": ("cifar-100-python.tar.gz",),
    "mnist": tuple(f"MNIST/raw/{name}" for name in _MNIST),
    "fashion-mnist": tuple(f"FashionMNIST/raw/{name}" for name in _MNIST),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
}
"""The files that a download leaves, below `downloads_directory()`; torchvision, which names them, imports torch."""

_PLACES = {
    **DOWNLOADED_FILES,
    "cifar10": (*DOWNLOADED_FILES["cifar10"], "cifar-10-batches-py"),
    "cifar100": (*DOWNLOADED_FILES["cifar100"], "cifar-100-python"),
    "mnist": ("MNIST",),
    "fashion-mnist": ("FashionMNIST",),
}
"""The same with what is unpacked beside them when they are read."""


@dataclass(frozen=True, slots=True)
class DataState:
    """How far a data set known by name is from being used.

    Attributes:
        name: "ready": decoded; "downloaded": its files are there and will be decoded when it is first used.
        disk_bytes: What it takes on disk: downloaded, unpacked and decoded files.
    """

    name: Literal["built in", "ready", "downloaded", "not downloaded"]
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """How many images each class has.

    Attributes:
        classes: Class names by label.
        train: Training images by label.
        test: Test images by label.
    """

    classes: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FolderPreview:
    """What a folder of images holds.

    Attributes:
        root: The folder.
        classes: Class names by label.
        train_counts: Files in `train` by label.
        test_counts: Files in `test` by label.
        ignored: Files left out because their names are not those of images.
        inspected: Files whose headers were read to find the images' shape; 0 if the folder is decoded already.
        unreadable: How many of those cannot be read; all in the folder, if it is decoded already.
        shape: The shape of the data, all files counted.
    """

    root: Path
    classes: tuple[str, ...]
    train_counts: tuple[int, ...]
    test_counts: tuple[int, ...]
    ignored: int
    inspected: int
    unreadable: int
    shape: DataShape

    @property
    def counts(self) -> ClassCounts:
        """The counts of the classes, as for a set known by name."""
        return ClassCounts(self.classes, self.train_counts, self.test_counts)


def preview_folder(root: Path, image_size: str = "auto", on_progress: OnProgress = ignore) -> FolderPreview:
    """Return what a folder of images holds: exactly its classes and files, and, from a sample, the images' shape.

    Args:
        root: The folder.
        image_size: As `data.image_size`: "auto", or what the images are resized to.
        on_progress: Told before each class of `train` and of `test`; may raise in order to cancel.

    Raises:
        DataError: The folder is not laid out as `list_folder` wants it, or no image of the sample can be read.
    """
    listing = list_folder(root, on_progress)
    train = Counter(listing.labels[: listing.train])
    test = Counter(listing.labels[listing.train :])
    labels = range(len(listing.classes))
    image, inspected, unreadable = _decoded_shape(listing, image_size) or _sampled_shape(listing, image_size)
    return FolderPreview(
        root=root,
        classes=listing.classes,
        train_counts=tuple(train[label] for label in labels),
        test_counts=tuple(test[label] for label in labels),
        ignored=listing.ignored,
        inspected=inspected,
        unreadable=unreadable,
        shape=DataShape(image, len(listing.classes), listing.train, len(listing.files) - listing.train),
    )


def set_counts(name: str) -> ClassCounts | None:
    """Return the classes of a data set known by name, or None where it is not decoded yet."""
    found = cached_arrays(name, name, "", None)
    if found is None:
        return None
    arrays, description = found
    classes = tuple(description["classes"])
    train, test = (Counter(arrays[f"{part}_labels"].tolist()) for part in ("train", "test"))
    labels = range(len(classes))
    return ClassCounts(classes, tuple(train[label] for label in labels), tuple(test[label] for label in labels))


def data_state(name: str) -> DataState:
    """Return the state of a data set known by name, and what it takes on disk."""
    decoded = _bytes_in(entry_directory(name, name))
    if KNOWN_SETS[name].download_bytes == 0:
        return DataState("built in", decoded)
    disk_bytes = decoded + sum(_bytes_in(downloads_directory() / place) for place in _PLACES[name])
    if is_ready(name):
        return DataState("ready", disk_bytes)
    downloaded = all((downloads_directory() / file).is_file() for file in DOWNLOADED_FILES[name])
    return DataState("downloaded" if downloaded else "not downloaded", disk_bytes)


def _decoded_shape(listing: Listing, image_size: str) -> tuple[ImageShape, int, int] | None:
    """Return the shape of a folder's images, 0, and how many cannot be read; None if it is not decoded yet."""
    for skip_broken in (False, True):
        key = folder_key(listing.root, image_size, skip_broken)
        found = cached_arrays(listing.root.name, key, listing.signature, None)
        if found is not None:
            arrays, description = found
            return ImageShape(*arrays["train_images"].shape[1:]), 0, len(description["broken"])
    return None


def _sampled_shape(listing: Listing, image_size: str) -> tuple[ImageShape, int, int]:
    """Return the likely shape of a folder's images, how many files were looked at, and how many could not be read."""
    found = inspect_sample(listing)
    inspected = len(found.broken) + found.sizes.total()
    size = most_common_size(found)
    if size is None:
        _, reason = found.broken[0]
        named = f"{printable(listing.files[0], 120)}: {printable(reason, 80)}"
        raise DataError(f"none of {inspected:,} images looked at can be read; {named}")
    return ImageShape(3 if found.colored else 1, *(parse_image_size(image_size) or size)), inspected, len(found.broken)


def _bytes_in(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 for what is not there."""
    total = 0
    for path in place.rglob("*") if place.is_dir() else (place,):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # removed meanwhile
    return total
