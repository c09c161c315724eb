"""A folder of images: `train/<class>/*` and `test/<class>/*`."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import psutil
from joblib.externals.loky import get_reusable_executor

from core.data.decode import SUFFIXES, Decoded, decode_into, inspect_files
from core.errors import DataError
from core.text import printable

CHUNK = 250  # files a worker decodes between two reports of progress
SERIAL_FILES = 2_000  # below this, starting worker processes takes longer than decoding
SAMPLE = 200
SHOWN_BROKEN = 10

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (in classes, files or bytes)."""


def ignore(_what: str, _done: int, _total: int) -> None:
    """Tell nobody about progress."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a folder of images.

    Attributes:
        root: The folder.
        classes: The names of the folders in `train`, sorted; a label is a position in it.
        files: Paths relative to the root: first all training images, then all test images, each sorted.
        labels: The label of each file.
        train: How many of the files are training images.
        ignored: How many files are left out because their name is not an image's.
        signature: Changes whenever a file is added, removed, renamed or written.
    """

    root: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: tuple[int, ...]
    train: int
    ignored: int
    signature: str


def list_folder(root: Path, on_progress: OnProgress = ignore) -> Listing:
    """List a folder of images without opening any of them.

    Args:
        root: The folder.
        on_progress: Told before each class of `train` and of `test`; may raise in order to cancel.

    Raises:
        DataError: The folder is missing or unreadable, or is not laid out as `train/<class>/*` and `test/<class>/*`
            with two classes or more, an image in every class of `train` and no other class in `test`.
    """
    try:
        return _list_folder(root, on_progress)
    except OSError as error:
        raise DataError(f"cannot read {printable(error.filename or root)}: {error.strerror or error}") from error
    except RecursionError:
        raise DataError(f"{printable(root)}: its folders are nested too deeply") from None


def _list_folder(root: Path, on_progress: OnProgress) -> Listing:
    shown, classes = printable(root), _classes_of(root)
    files: list[str] = []
    labels: list[int] = []
    digest = hashlib.sha256()
    train = ignored = 0
    for number, part in enumerate(("train", "test")):
        for label, name in enumerate(classes):
            on_progress("listing images", number * len(classes) + label, 2 * len(classes))
            before = len(files)
            for entry, status in _image_files(root / part / name):
                if status is None:
                    ignored += 1
                    continue
                path = os.path.relpath(entry, root)
                files.append(path)
                labels.append(label)
                # the change time and the inode betray a file put in another's place with its size and time
                state = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
                digest.update(f"{path}\0{state}\0".encode(errors="surrogateescape"))
            if part == "train" and len(files) == before:
                raise DataError(f"{shown}/train/{printable(name, 60)} holds no images")
        if part == "train":
            train = len(files)
    if len(files) == train:
        raise DataError(f"{shown}/test holds no images")
    if len(classes) == 1:
        raise DataError(f"{shown}/train has one class, so there is nothing to tell apart; each class needs a folder")
    return Listing(root, classes, tuple(files), tuple(labels), train, ignored, digest.hexdigest())


def _classes_of(root: Path) -> tuple[str, ...]:
    """Return the classes of a folder that is laid out rightly, whatever images are in it."""
    shown = printable(root)
    if not root.is_dir():
        raise DataError(f"there is no folder {shown}, nor a data set of that name; `trialbook data` lists those")
    for part in ("train", "test"):
        if not (root / part).is_dir():
            raise DataError(f"{shown} has no folder {part}; images are expected in train/CLASS/ and test/CLASS/")
    classes = _class_names(root / "train")
    if not classes:
        raise DataError(f"{shown}/train has no folders; each class needs one, with its images in it")
    foreign = sorted(set(_class_names(root / "test")) - set(classes))
    if foreign:
        raise DataError(f"{shown}/test has the class {printable(foreign[0], 60)}, which train does not have")
    return classes


def _class_names(folder: Path) -> tuple[str, ...]:
    with os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))


def _image_files(folder: Path) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield every file below a folder, sorted, with its status; None for one whose name is not an image's."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _image_files(Path(entry.path))
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
            yield entry.path, _status(entry)
        else:
            yield entry.path, None


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat()
    except OSError:  # a dangling link or a loop: its own status will do, decoding reports it as broken
        return entry.stat(follow_symlinks=False)


@dataclass(frozen=True, slots=True)
class DecodedFolder:
    """The images of a folder, decoded into a file.

    Attributes:
        shape: (images, channels, height, width) of the array.
        broken: (position in the listing, reason) of every file that could not be read; its row is all zero.
    """

    shape: tuple[int, int, int, int]
    broken: tuple[tuple[int, str], ...]


def decode_folder(
    listing: Listing, target: Path, size: tuple[int, int] | None, on_progress: OnProgress
) -> DecodedFolder:
    """Decode every image of a listing, on all cores, into a new `.npy` file of shape (N, C, H, W), uint8.

    Args:
        listing: The files.
        target: The file to write.
        size: (height, width) in pixels; None: the size most of the images have.
        on_progress: Told after every few hundred images.

    Raises:
        DataError: No image of the folder can be read, or all of them do not fit into memory.
        OSError: The target cannot be written.
    """
    files = [str(listing.root / file) for file in listing.files]
    guess = inspect_sample(listing)
    channels = 3 if guess.colored else 1
    shape = size or most_common_size(guess) or (1, 1)
    _refuse_too_much(len(files), channels, shape)
    found = _decode_all(files, target, channels, shape, on_progress)
    if not found.sizes:
        position, reason = min(found.broken)
        named = f"{printable(listing.files[position], 120)}: {printable(reason, 80)}"
        raise DataError(f"none of the {len(files):,} images can be read; {named}")
    right = (3 if found.colored else 1, size or most_common_size(found) or shape)
    if right != (channels, shape):  # the sample did not tell what most images are like
        channels, shape = right
        _refuse_too_much(len(files), channels, shape)
        found = _decode_all(files, target, channels, shape, on_progress)
    return DecodedFolder((len(files), channels, *shape), tuple(sorted(found.broken)))


def broken_message(listing: Listing, broken: tuple[tuple[int, str], ...]) -> str:
    """Return one line that counts the broken files and names the first few."""
    named = [f"{printable(listing.files[at], 120)} ({printable(why, 80)})" for at, why in broken[:SHOWN_BROKEN]]
    more = f" and {len(broken) - SHOWN_BROKEN:,} more" if len(broken) > SHOWN_BROKEN else ""
    return f"{len(broken):,} of {len(listing.files):,} images cannot be read: {', '.join(named)}{more}"


def inspect_sample(listing: Listing) -> Decoded:
    """Read the headers of some hundred files, evenly spread over a listing; of all, where there are no more."""
    step = max(1, len(listing.files) // SAMPLE)
    return inspect_files([str(listing.root / file) for file in listing.files[::step]])


def most_common_size(found: Decoded) -> tuple[int, int] | None:
    """Return the (height, width) in pixels that occurs most often, of equals the largest; None if no image was read."""
    return max(found.sizes, key=lambda size: (found.sizes[size], size), default=None)


def _refuse_too_much(count: int, channels: int, size: tuple[int, int]) -> None:
    """Refuse, before hours of decoding, what could not be trained on afterwards."""
    needed, there = count * channels * math.prod(size), psutil.virtual_memory().available
    if needed > there:
        raise DataError(
            f"{count:,} images of {size[0]}x{size[1]} pixels take {needed / 1e9:,.1f} GB of memory, and only "
            f"{there / 1e9:,.1f} GB are free; choose a smaller image size (data.image_size)"
        )


def _decode_all(
    files: list[str], target: Path, channels: int, size: tuple[int, int], on_progress: OnProgress
) -> Decoded:
    make_array(target, (len(files), channels, *size))
    chunks = [(files[start : start + CHUNK], start) for start in range(0, len(files), CHUNK)]
    found = Decoded()
    done = 0
    on_progress("decoding images", 0, len(files))
    for result, count in _results(chunks, str(target), channels, size):
        found.add(result)
        done += count
        on_progress("decoding images", done, len(files))
    return found


def _results(
    chunks: list[tuple[list[str], int]], target: str, channels: int, size: tuple[int, int]
) -> Iterator[tuple[Decoded, int]]:
    if sum(len(files) for files, _ in chunks) < SERIAL_FILES:
        for files, start in chunks:
            yield decode_into(target, files, start, channels, size), len(files)
        return
    # loky's workers, unlike multiprocessing's, do not import the caller's main module anew
    work = joblib.Parallel(n_jobs=-1, return_as="generator")(
        joblib.delayed(decode_into)(target, files, start, channels, size) for files, start in chunks
    )
    try:
        for (files, _), result in zip(chunks, work, strict=True):
            yield result, len(files)
    finally:
        work.close()
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


def make_array(target: Path, shape: tuple[int, ...]) -> None:
    """Make a `.npy` file of bytes, all zero, that can be mapped and written to.

    Raises:
        OSError: There is no room for it.
    """
    array = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=shape)
    del array
    with target.open("r+b") as file:  # writing to a mapped file on a full disk would kill the process
        os.posix_fallocate(file.fileno(), 0, target.stat().st_size)
