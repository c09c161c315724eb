"""The history of a trial: a line of JSON per epoch, each with its checksum, only ever appended."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import zlib
from pathlib import Path
from typing import Any

from core.epoch import Epoch
from core.files import cannot_write, read_bytes

MAX_BYTES = 100_000_000
_LINE = re.compile(rb'(\{.*), "crc32": "([0-9a-f]{8})"\}')


def epoch_line(epoch: Epoch) -> str:
    """Return the line of an epoch, newline included. Its last value is the CRC-32 of all that stands before it."""
    body = json.dumps(dataclasses.asdict(epoch), allow_nan=False)[:-1]
    return f'{body}, "crc32": "{zlib.crc32(body.encode()):08x}"}}\n'


def append(path: Path, content: bytes | bytearray | memoryview, offset: int | None = None) -> None:
    """Append to a file, on to the disk; if that fails, the file is as it was.

    Args:
        path: The file; it is made where there is none.
        content: What is appended.
        offset: Where the file is cut first; None: nowhere.

    Raises:
        TrialError: The file cannot be written.
    """
    try:
        with path.open("ab", buffering=0) as file:
            before = file.tell() if offset is None else offset
            file.truncate(before)
            try:
                written = 0
                while written < len(content):
                    written += file.write(content[written:])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


def read_history(path: Path) -> tuple[list[Epoch], list[str]]:
    """Read a history.

    Returns:
        The epochs, and a line for each damaged one, which is left out. A last line without its newline is just being
        written and is neither. Lines of earlier versions lack `dead_units`.

    Raises:
        TrialError: The file cannot be read.
    """
    return parse_history(read_bytes(path, MAX_BYTES), str(path))


def read_on(path: Path, offset: int, lines: int) -> tuple[list[Epoch], list[str], int]:
    """Read what has been added to a history.

    Args:
        path: The file.
        offset: Bytes that have been read before, up to the end of a line.
        lines: The lines in them.

    Returns:
        The new epochs and a line for each damaged one, as `read_history` does, and the bytes that have been read now.

    Raises:
        TrialError: The file cannot be read.
    """
    content = read_bytes(path, MAX_BYTES, offset)
    epochs, problems = parse_history(content, str(path), lines)
    return epochs, problems, offset + content.rfind(b"\n") + 1


def parse_history(content: bytes, name: str, lines: int = 0) -> tuple[list[Epoch], list[str]]:
    """Return what `read_history` does, from a file's content.

    Args:
        content: The file's content, or what of it follows the end of a line.
        name: What problems call the file.
        lines: The lines before.
    """
    epochs, problems = [], []
    for number, line in enumerate(content.split(b"\n")[:-1], lines + 1):
        epoch = _parse(line)
        if epoch is None:
            problems.append(f"{name}: line {number} is damaged and left out")
        else:
            epochs.append(epoch)
    return epochs, problems


def _parse(line: bytes) -> Epoch | None:
    match = _LINE.fullmatch(line)
    if match is None or f"{zlib.crc32(match[1]):08x}".encode() != match[2]:
        return None
    try:
        values = json.loads(match[1] + b"}")
        epoch = Epoch(**values)
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # the checksum is right, but somebody else's program wrote it
        return None
    return epoch if _is_sound(epoch) else None


def _is_sound(epoch: Epoch) -> bool:
    values: list[Any] = [getattr(epoch, field.name) for field in dataclasses.fields(Epoch)]
    optional = (epoch.validation_cost, epoch.validation_accuracy, epoch.dead_units)
    return (
        type(epoch.epoch) is int
        and epoch.epoch >= 1
        and all(value is None or type(value) in (int, float) for value in values)
        and all(math.isfinite(value) for value in values if value is not None)
        and values.count(None) == optional.count(None)
        and 0 <= (epoch.dead_units or 0) <= 1
    )
