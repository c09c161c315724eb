"""Plain files, read with a limit and replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO

from core.errors import TrialError


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that a reader, or a crash at any moment, finds the old content or the new, whole.

    Args:
        path: The file to create or replace. Its directory must exist.
        write: Called once with the open temporary file.

    Raises:
        TrialError: The file cannot be written (disk full, read-only, directory gone). The old content stays.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_directory(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        # after the rename there is nothing left to remove; where the directory is gone, neither
        with contextlib.suppress(OSError):
            temporary.unlink()


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file as `replace_file` does.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def read_bytes(path: Path, limit: int, offset: int = 0) -> bytes:
    """Read a regular file of at most `limit` bytes, or what of it begins at an offset.

    Raises:
        TrialError: The file is missing, unreadable, larger than the limit, or a pipe or device, which might never end.
    """
    try:
        # opening a pipe would wait for its writer
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TrialError(f"cannot read {path}: it is not a regular file")
            file.seek(offset)
            # room for the whole limit would be made, and thrown away, for each of a thousand small files
            content = file.read(min(max(status.st_size - offset, 0), limit) + 1)
    except OSError as error:
        raise TrialError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) > limit:
        raise TrialError(f"cannot read {path}: it is larger than {limit:,} bytes")
    return content


def read_text(path: Path, limit: int) -> str:
    """Read a UTF-8 text file of at most `limit` bytes.

    Raises:
        TrialError: As `read_bytes`, or the file is not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8-sig")  # editors on Windows begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise TrialError(f"cannot read {path}: byte {error.start + 1} is not UTF-8 text") from error


def cannot_write(path: Path, error: OSError) -> TrialError:
    """Return the error that says in one line why a file could not be written."""
    return TrialError(f"cannot write {path}: {error.strerror or error}")


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
