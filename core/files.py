"""Plain files, read with a limit and replaced as a whole."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import IO

from core.errors import TrialError

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}")
_ABANDONED = 60.0  # seconds after which a temporary file is nobody's any more


def working_directory() -> Path | None:
    """Return the current directory; None where it has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that a reader, or a crash at any moment, finds the old content or the new, whole.

    Args:
        path: The file to create or replace. Its directory must exist.
        write: Called once with the open temporary file.

    Raises:
        TrialError: The file cannot be written (disk full, read-only, directory gone). The old content stays.
    """
    with staged_file(path, write) as temporary:
        put(temporary, path)


@contextlib.contextmanager
def staged_file(path: Path, write: Callable[[IO[bytes]], object]) -> Iterator[Path]:
    """Write a file under a name beside its own; `put` gives it its own, and without that it is removed at the end.

    So several files can be on the disk before any of them replaces an old one.

    Args:
        path: The file to create or replace. Its directory must exist.
        write: Called once with the open temporary file.

    Raises:
        TrialError: The file cannot be written.
    """
    refuse_directory(path)
    temporary = temporary_name(path)
    try:
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(path, error) from error
        yield temporary
    finally:
        # after `put` there is nothing left to remove; where the directory is gone, neither
        with contextlib.suppress(OSError):
            temporary.unlink()


def refuse_directory(path: Path) -> None:
    """Raise where a file is to be written and there is a directory, or no name at all.

    Raises:
        TrialError: That is so.
    """
    if not path.name or os.path.isdir(path):  # unlike Path.is_dir, never raises
        raise TrialError(f"cannot write {path}: it is a directory; name a file in it")


def temporary_name(path: Path) -> Path:
    """Return a name beside a file's own, which no list shows and `remove_temporaries` knows."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def remove_temporaries(directory: Path, of_others: Collection[str]) -> None:
    """Remove the temporary files that killed processes left in a directory.

    Args:
        directory: The directory, to whose files nobody else writes,
        of_others: but for these, whose temporary files are removed only once they are old.
    """
    with contextlib.suppress(OSError):  # they are in nobody's way
        for name in os.listdir(directory):
            match = _TEMPORARY.fullmatch(name)
            path = directory / name
            if match and (match[1] not in of_others or abs(time.time() - path.stat().st_mtime) > _ABANDONED):
                path.unlink()


def put(temporary: Path, path: Path) -> None:
    """Give a staged file its own name, replacing the old one, on to the disk.

    Raises:
        TrialError: It cannot be renamed.
    """
    try:
        temporary.replace(path)
        flush_directory(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def keep_as(source: Path, target: Path) -> None:
    """Let a second name stand for a file's content as it is now; what replaces the file later leaves it alone.

    Raises:
        TrialError: It cannot be written.
    """
    link = temporary_name(target)
    try:
        link.hardlink_to(source)
        link.replace(target)
    except OSError:  # a file system without links
        with contextlib.suppress(OSError):
            link.unlink()
        replace_file(target, lambda file: _copy(source, file))


def _copy(source: Path, file: IO[bytes]) -> None:
    with source.open("rb") as content:
        shutil.copyfileobj(content, file)


def replace_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file as `replace_file` does.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_file(path, lambda file: file.write(text.encode("utf-8")))


def read_bytes(path: Path, limit: int, offset: int = 0, *, whole: bool = True) -> bytes:
    """Read a regular file of at most `limit` bytes, or what of it begins at an offset.

    Args:
        path: The file.
        limit: Bytes.
        offset: Bytes that are left out in front.
        whole: Whether a file that holds more is refused; otherwise the rest is left out.

    Raises:
        TrialError: The file is missing, unreadable, larger than the limit, or a pipe or device, which might never end.
    """
    try:
        # opening a pipe would wait for its writer
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise TrialError(f"cannot read {path}: it is not a regular file")
            if whole and status.st_size - offset > limit:
                raise TrialError(f"cannot read {path}: it is larger than {limit:,} bytes")
            file.seek(offset)
            # room for the whole limit would be made, and thrown away, for each of a thousand small files
            content = file.read(min(max(status.st_size - offset, 0), limit) + whole)
    except OSError as error:
        raise TrialError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a name with a zero byte, or one that is no UTF-8
        raise TrialError(f"cannot read {path}: {error}") from error
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


def flush_directory(path: Path) -> None:
    """Let the names in a directory reach the disk.

    Raises:
        OSError: They do not.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
