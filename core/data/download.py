"""Fetch the data sets that torchvision knows, and read them into arrays."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pooch
import requests
from numpy.typing import NDArray

from core.data.cache import downloads_directory
from core.data.catalog import KNOWN_SETS, KnownSet
from core.data.folder import OnProgress
from core.errors import DataError
from core.text import printable

TIMEOUT = 20  # seconds without an answer or a byte
BLOCK = 2**13  # bytes between two reports of progress
_ABANDONED = 86_400  # seconds without a change
Split = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images (N, channels, height, width) and their labels (N,)."""


class _Meter:
    """Passes on to a callback what pooch would show in a progress bar, over all files of a data set."""

    def __init__(self, name: str, total: int, on_progress: OnProgress) -> None:
        self.total = 0  # set by pooch to the current file's size
        self._name = name
        self._all = total
        self._before = 0
        self._now = 0
        self._on_progress = on_progress

    def update(self, count: int) -> None:
        self._now += count
        self._on_progress(f"downloading {self._name}", min(self._before + self._now, self._all), self._all)

    def reset(self) -> None:
        self._now = 0

    def close(self) -> None:
        self._before += self.total
        self._now = 0


def download_set(name: str, on_progress: OnProgress) -> None:
    """Download a known data set's files that are not there yet, and verify their checksums.

    A file appears under its name only when it is complete and its checksum is right; a part of one is removed, also
    when `on_progress` raises in order to cancel.

    Args:
        name: A name of `KNOWN_SETS`, other than "digits".
        on_progress: Told about every block: bytes so far, bytes in all.

    Raises:
        DataError: There is no connection, or what came is not what was expected.
    """
    known = KNOWN_SETS[name]
    meter = _Meter(name, known.download_bytes, on_progress)
    on_progress(f"downloading {name}", 0, known.download_bytes)
    for file in _files(name):
        _fetch(known, file, meter)


def read_set(name: str) -> tuple[Split, Split, tuple[str, ...]]:
    """Return the training set, the test set and the class names of a data set that has been downloaded.

    Raises:
        DataError: The files cannot be read.
    """
    try:
        # both look at the archive's checksum, unpack it if that was not done yet, and fetch nothing that is there
        parts = [_torchvision_set(name, train) for train in (True, False)]
        classes = tuple(getattr(parts[0], "classes", [str(digit) for digit in range(10)]))
        train, test = (_split(part) for part in parts)
        for images, labels in (train, test):
            if not len(images) == len(labels) > 0 or not 0 <= labels.min() <= labels.max() < len(classes):
                raise ValueError("the labels do not fit the images and classes")
    # the files of MNIST have no checksum once they are unpacked, and torchvision looks at them by assertions
    except Exception as error:
        reason = printable(error, 200) or type(error).__name__
        raise DataError(f"cannot read {name} in {downloads_directory()}: {reason}") from error
    return train, test, classes


class _File(NamedTuple):
    urls: list[str]  # to be tried in this order
    folder: str
    name: str
    md5: str


def _files(name: str) -> Iterator[_File]:
    """Yield every file of a data set, in the folder where torchvision looks for it."""
    from torchvision import datasets  # noqa: PLC0415 - takes seconds, and only downloads need it

    if name in ("cifar10", "cifar100"):
        cifar = datasets.CIFAR10 if name == "cifar10" else datasets.CIFAR100
        yield _File([cifar.url], "", cifar.filename, cifar.tgz_md5)
    elif name in ("mnist", "fashion-mnist"):
        mnist = datasets.MNIST if name == "mnist" else datasets.FashionMNIST
        for file, checksum in mnist.resources:
            yield _File([mirror + file for mirror in mnist.mirrors], f"{mnist.__name__}/raw", file, checksum)
    else:
        for split in ("train", "test"):
            address, file, checksum = datasets.SVHN.split_list[split]
            yield _File([address], "", file, checksum)


def _fetch(known: KnownSet, file: _File, meter: _Meter) -> None:
    folder = downloads_directory() / file.folder
    _sweep(folder)
    reason = ""
    for url in file.urls:
        fetch = pooch.HTTPDownloader(progressbar=meter, chunk_size=BLOCK, timeout=TIMEOUT)
        try:
            with _quiet(pooch.get_logger()):
                pooch.retrieve(url, known_hash=f"md5:{file.md5}", fname=file.name, path=folder, downloader=fetch)
            return
        except requests.ConnectionError:
            reason = "no connection"
        except requests.exceptions.ChunkedEncodingError:
            reason = "the connection broke off"
        except requests.RequestException as error:
            reason = printable(error, 120)
        except OSError as error:
            raise DataError(f"cannot keep the download in {folder}: {error.strerror or error}") from error
        except ValueError:  # pooch's word for a wrong checksum
            reason = "what came has the wrong checksum"
    size = known.download_bytes / 1e6
    raise DataError(f"cannot download {known.name} ({size:.1f} MB): {reason}; digits is built in, needing no download")


def _sweep(folder: Path) -> None:
    """Remove the parts of files that killed processes have left; pooch gives them tempfile's names."""
    for path in folder.glob("tmp*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _ABANDONED:
                path.unlink()


@contextlib.contextmanager
def _quiet(logger: Any) -> Iterator[None]:
    level = logger.level
    logger.setLevel("CRITICAL")  # it would write to stderr what on_progress is told anyway
    try:
        yield
    finally:
        logger.setLevel(level)


def _torchvision_set(name: str, train: bool) -> Any:
    from torchvision import datasets  # noqa: PLC0415 - as above

    root = str(downloads_directory())
    if name == "svhn":
        return datasets.SVHN(root, split="train" if train else "test")
    kinds = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
    return getattr(datasets, kinds[name])(root, train=train, download=True)


def _split(part: Any) -> Split:
    """Return the arrays of a torchvision data set: CIFAR has (N, H, W, C), MNIST (N, H, W), SVHN (N, C, H, W)."""
    images = np.asarray(part.data, dtype=np.uint8)
    if images.ndim == 3:  # noqa: PLR2004 - no channel axis
        images = images[:, None]
    elif images.shape[1] not in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    labels = part.targets if hasattr(part, "targets") else part.labels
    return np.ascontiguousarray(images), np.asarray(labels, dtype=np.int64)
