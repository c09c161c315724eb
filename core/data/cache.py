"""Decoded images in the user's cache directory, so that a data set is decoded once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from core.errors import DataError
from core.files import read_bytes
from core.text import strict_json

VERSION = 1
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_MAX_DESCRIPTION = 16_000_000
_ABANDONED = 86_400  # seconds without a change

Arrays = Mapping[str, NDArray[Any]]
Build = Callable[[Path], dict[str, Any]]


def cache_directory() -> Path:
    """Return where decoded images and downloads are kept; on Linux below XDG_CACHE_HOME or ~/.cache."""
    return Path(platformdirs.user_cache_dir("trialbook", appauthor=False))


def cached_arrays(name: str, key: str, signature: str, build: Build | None) -> tuple[Arrays, dict[str, Any]] | None:
    """Return a data set's arrays and description from the cache, building them first if they are not there.

    Args:
        name: A readable part of the entry's directory name.
        key: What the entry is made from (a path, a size); another key is another entry.
        signature: The state of what it is made from; with another signature the entry is built anew.
        build: Writes the four arrays of `ARRAYS` as `.npy` files into a directory and returns a description that JSON
            can hold; None: only look.

    Returns:
        The arrays, mapped from disk (images (N, C, H, W) uint8, labels (N,) int64), and the description; None if
        the entry is not there and `build` is None.

    Raises:
        DataError: The cache cannot be written.
    """
    entry = entry_directory(name, key)
    found = _read(entry, signature)
    if found is None and build is not None:
        _write(entry, signature, build)
        found = _read(entry, signature)
        if found is None:
            raise DataError(f"cannot read back the images just decoded into {entry}; is its disk full?")
    return found


def entry_directory(name: str, key: str) -> Path:
    """Return where a data set's decoded images are kept, or will be; the arguments are those of `cached_arrays`."""
    digest = hashlib.sha256(f"{VERSION}\0{key}".encode(errors="surrogateescape")).hexdigest()[:16]
    return cache_directory() / "images" / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[:40]}-{digest}"


def downloads_directory() -> Path:
    """Return where downloaded files are kept."""
    return cache_directory() / "downloads"


def folder_key(root: Path, image_size: str, skip_broken: bool) -> str:
    """Return the key of a folder's images: they are decoded anew for other settings of the data."""
    return f"{root.absolute()}\0{image_size}\0{skip_broken}"


def is_ready(name: str) -> bool:
    """Return whether a data set known by name can be used without a download."""
    return name == "digits" or cached_arrays(name, name, "", None) is not None


def _read(entry: Path, signature: str) -> tuple[Arrays, dict[str, Any]] | None:
    try:
        description = strict_json(read_bytes(entry / "description.json", _MAX_DESCRIPTION))
        if description["signature"] != signature:
            return None
        for name in ARRAYS:
            if not (entry / f"{name}.npy").is_file():  # a pipe would be waited for
                return None
        # copy-on-write mapping: read as needed, shared between processes, never written back
        arrays = {name: np.load(entry / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in ARRAYS}
        return (arrays, description) if _is_sound(arrays, description) else None
    except Exception:
        return None


def _is_sound(arrays: Arrays, description: dict[str, Any]) -> bool:
    """Return whether an entry of the cache is what it should be: the disk may have been full, or the power cut."""
    classes, shapes = description["classes"], set()
    for part in ("train", "test"):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.dtype != np.uint8 or labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            return False
        if not 0 <= labels.min() <= labels.max() < len(classes):
            return False
        shapes.add(images.shape[1:])
    (shape,) = shapes
    broken = description.get("broken", [])
    return (
        len(shape) == len(("channels", "height", "width"))
        and all(isinstance(name, str) for name in (*classes, description["fingerprint"]))
        and all(isinstance(at, int) and isinstance(why, str) for at, why in broken)
    )


def _write(entry: Path, signature: str, build: Build) -> None:
    building = entry.with_name(f".{entry.name}.{secrets.token_hex(4)}")
    try:
        building.mkdir(parents=True)
        _sweep(entry.parent)
        description = {**build(building), "signature": signature}
        (building / "description.json").write_text(json.dumps(description), encoding="utf-8")
        for path in building.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            outdated = entry.rename(entry.with_name(f".{entry.name}.{secrets.token_hex(4)}"))
            shutil.rmtree(outdated, ignore_errors=True)
        try:
            building.rename(entry)
        except OSError:
            if not entry.is_dir():  # otherwise another process was faster, with the same content
                raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise DataError(f"cannot keep decoded images in {entry.parent}: {reason}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sweep(directory: Path) -> None:
    """Remove what killed processes have left half built."""
    for path in directory.glob(".*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(path)
