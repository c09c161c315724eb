"""Decoded images in the user's cache directory, so that a data set is decoded once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from core.errors import DataError

VERSION = 1
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
_MAX_DESCRIPTION = 64_000_000

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
    digest = hashlib.sha256(f"{VERSION}\0{key}".encode(errors="surrogateescape")).hexdigest()[:16]
    entry = cache_directory() / "images" / f"{re.sub(r'[^A-Za-z0-9]+', '-', name)[:40]}-{digest}"
    found = _read(entry, signature)
    if found is None and build is not None:
        _write(entry, signature, build)
        found = _read(entry, signature)
        if found is None:
            raise DataError(f"cannot read back the images just decoded into {entry}; is its disk full?")
    return found


def is_ready(name: str) -> bool:
    """Return whether a data set known by name can be used without a download."""
    return name == "digits" or cached_arrays(name, name, "", None) is not None


def _read(entry: Path, signature: str) -> tuple[Arrays, dict[str, Any]] | None:
    try:
        path = entry / "description.json"
        if path.stat().st_size > _MAX_DESCRIPTION:
            return None
        description = json.loads(path.read_text(encoding="utf-8"))
        if description["signature"] != signature:
            return None
        # copy-on-write mapping: read as needed, shared between processes, never written back
        return {name: np.load(entry / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in ARRAYS}, description
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or damaged: as good as not there, for it can always be built anew


def _write(entry: Path, signature: str, build: Build) -> None:
    building = entry.with_name(f".{entry.name}.{secrets.token_hex(4)}")
    try:
        building.mkdir(parents=True)
        description = {**build(building), "signature": signature}
        (building / "description.json").write_text(json.dumps(description), encoding="utf-8")
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
