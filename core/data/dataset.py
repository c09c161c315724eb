"""A data set in memory: every image once, one byte a value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.cache import ARRAYS, Arrays, cached_arrays, folder_key
from core.data.catalog import KNOWN_SETS, DataShape, ImageShape
from core.data.folder import Listing, OnProgress, broken_message, decode_folder, ignore, list_folder, make_array
from core.errors import DataError
from core.settings import DataSettings, parse_image_size
from core.text import counted, printable

_COPIED_AT_ONCE = 1_000  # images
_NAMED_CLASSES = 5
_DIGIT_MAX = 16  # scikit-learn's digits have the values 0 to 16


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Images and their labels.

    Attributes:
        images: (N, channels, height, width), uint8.
        labels: (N,), int64, positions in the data set's classes.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set: what a trial trains and is tested on.

    Attributes:
        source: The settings' `data.source`.
        classes: Class names by label.
        train: The training images, those later kept for validation included.
        test: The test images.
        fingerprint: SHA-256 over all images, labels and class names; equal data has equal fingerprints.
        remarks: What a user should know: images that are left out and why, and classes that are not tested.
        test_files: Path of every test image relative to the source folder; () for a set known by name.
    """

    source: str
    classes: tuple[str, ...]
    train: ImageSet
    test: ImageSet
    fingerprint: str
    remarks: tuple[str, ...] = ()
    test_files: tuple[str, ...] = ()

    @property
    def shape(self) -> DataShape:
        """The shape of the data, as sizes are computed from it."""
        channels, height, width = self.train.images.shape[1:]
        return DataShape(ImageShape(channels, height, width), len(self.classes), len(self.train), len(self.test))


def load_data(settings: DataSettings, on_progress: OnProgress = ignore) -> Dataset:
    """Load the settings' data set, from the cache if it was loaded before, downloading it if need be.

    Args:
        settings: `source`, `image_size` and `skip_broken` decide what is loaded.
        on_progress: Told what is being done, how much of it is done, and how much there is.

    Raises:
        DataError: The data cannot be had or read.
    """
    if settings.source in KNOWN_SETS and settings.image_size != "auto":
        raise DataError(f"data.image_size is for folders of images; {settings.source} keeps its own size")
    if settings.source == "digits":
        return _digits()
    if settings.source in KNOWN_SETS:
        return _known_set(settings.source, on_progress)
    return _folder_set(settings, on_progress)


def _digits() -> Dataset:
    def build(target: Path) -> dict[str, Any]:
        arrays, description = _built_in_digits()
        _save(target, arrays)
        return description

    try:
        found = cached_arrays("digits", "digits", "", build)
    except DataError:
        found = None  # the built-in data set must be there also where nothing can be written
    return _dataset("digits", *(found or _built_in_digits()))


def _built_in_digits() -> tuple[Arrays, dict[str, Any]]:
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes seconds, which the cache saves
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    values, labels = load_digits(return_X_y=True)
    images = np.rint(values.reshape(-1, 1, 8, 8) * (255 / _DIGIT_MAX)).astype(np.uint8)
    test_images = KNOWN_SETS["digits"].test_images
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels.astype(np.int64), test_size=test_images, stratify=labels, random_state=0
    )
    arrays = dict(zip(ARRAYS, (train_x, train_y, test_x, test_y), strict=True))
    classes = tuple(str(digit) for digit in range(10))
    return arrays, {"classes": classes, "fingerprint": _fingerprint(arrays, classes)}


def _known_set(name: str, on_progress: OnProgress) -> Dataset:
    def build(target: Path) -> dict[str, Any]:
        from core.data.download import download_set, read_set  # noqa: PLC0415 - imports what only downloads need

        download_set(name, on_progress)
        train, test, classes = read_set(name)
        arrays: dict[str, NDArray[Any]] = dict(zip(ARRAYS, (*train, *test), strict=True))
        _save(target, arrays)
        return {"classes": classes, "fingerprint": _fingerprint(arrays, classes)}

    found = cached_arrays(name, name, "", build)
    if found is None:
        raise DataError(f"{name} is not in the cache")
    return _dataset(name, *found)


def _folder_set(settings: DataSettings, on_progress: OnProgress) -> Dataset:
    root = Path(settings.source)
    listing = list_folder(root)
    size = parse_image_size(settings.image_size)

    def build(target: Path) -> dict[str, Any]:
        decoded = decode_folder(listing, target / "all.npy", size, on_progress)
        if decoded.broken and not settings.skip_broken:
            raise DataError(
                f"{broken_message(listing, decoded.broken)}; skip broken images (--skip-broken) goes on without them"
            )
        return _divide(listing, decoded.broken, target)

    key = folder_key(root, settings.image_size, settings.skip_broken)
    found = cached_arrays(root.name, key, listing.signature, build)
    if found is None:
        raise DataError(f"{printable(settings.source)} is not in the cache")
    arrays, description = found
    broken = tuple((at, why) for at, why in description["broken"])
    remarks = []
    if broken:
        remarks.append(f"left out: {broken_message(listing, broken)}")
    if listing.ignored:
        remarks.append(f"left out: {counted(listing.ignored, 'file')} without the name of an image")
    untested = sorted(set(range(len(listing.classes))) - set(arrays["test_labels"].tolist()))
    if untested:
        remarks.append(_untested_remark([listing.classes[label] for label in untested]))
    lost = {at for at, _ in broken}
    test_files = tuple(file for at, file in enumerate(listing.files) if at >= listing.train and at not in lost)
    return _dataset(settings.source, arrays, description, tuple(remarks), test_files)


def _untested_remark(classes: list[str]) -> str:
    named = ", ".join(printable(name, 60) for name in classes[:_NAMED_CLASSES])
    more = f" and {len(classes) - _NAMED_CLASSES:,} more" if len(classes) > _NAMED_CLASSES else ""
    kind = "the class" if len(classes) == 1 else f"{len(classes):,} classes:"
    return f"no test image is of {kind} {named}{more}, which the test accuracy says nothing of"


def _divide(listing: Listing, broken: tuple[tuple[int, str], ...], target: Path) -> dict[str, Any]:
    """Divide the decoded images into training and test set, without the broken ones; return the description."""
    good = np.ones(len(listing.files), dtype=bool)
    good[[at for at, _ in broken]] = False
    labels = np.asarray(listing.labels, dtype=np.int64)
    arrays: dict[str, NDArray[Any]] = {}
    for part, where in (("train", slice(None, listing.train)), ("test", slice(listing.train, None))):
        positions = np.flatnonzero(good[where]) + (where.start or 0)
        if not len(positions):
            raise DataError(f"{broken_message(listing, broken)}; no {part} image is left")
        arrays[f"{part}_labels"] = labels[positions]
        arrays[f"{part}_images"] = _rows(target / "all.npy", positions, target / f"{part}_images.npy")
    missing = set(range(len(listing.classes))) - set(arrays["train_labels"].tolist())
    if missing:
        raise DataError(
            f"{broken_message(listing, broken)}; no image of {printable(listing.classes[min(missing)], 60)} is left"
        )
    (target / "all.npy").unlink()
    _save(target, {name: array for name, array in arrays.items() if name.endswith("labels")})
    fingerprint = _fingerprint(arrays, listing.classes)
    return {"classes": listing.classes, "fingerprint": fingerprint, "broken": broken}


def _rows(source: Path, positions: NDArray[np.intp], target: Path) -> NDArray[np.uint8]:
    """Copy rows of one `.npy` file to another, some at a time; return them, mapped."""
    rows = np.load(source, mmap_mode="r", allow_pickle=False)
    make_array(target, (len(positions), *rows.shape[1:]))
    copied = np.load(target, mmap_mode="r+", allow_pickle=False)
    for start in range(0, len(positions), _COPIED_AT_ONCE):
        part = slice(start, start + _COPIED_AT_ONCE)
        copied[part] = rows[positions[part]]
    copied.flush()
    mapped: NDArray[np.uint8] = copied
    return mapped


def _save(target: Path, arrays: Arrays) -> None:
    for name, array in arrays.items():
        np.save(target / f"{name}.npy", array, allow_pickle=False)


def _fingerprint(arrays: Arrays, classes: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}{arrays[name].dtype}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    digest.update("\0".join(classes).encode(errors="surrogateescape"))
    return digest.hexdigest()


def _dataset(
    source: str,
    arrays: Any,
    description: dict[str, Any],
    remarks: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
) -> Dataset:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Dataset(
        source=source,
        classes=tuple(description["classes"]),
        train=ImageSet(tensors["train_images"], tensors["train_labels"]),
        test=ImageSet(tensors["test_images"], tensors["test_labels"]),
        fingerprint=description["fingerprint"],
        remarks=remarks,
        test_files=files,
    )
