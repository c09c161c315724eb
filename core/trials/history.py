"""The history of a trial: a line of JSON per epoch, each with its checksum, only ever appended."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import zlib
from pathlib import Path

from core.epoch import Epoch
from core.errors import TrialError
from core.files import cannot_write, read_bytes
from core.settings import FIELDS

MAX_BYTES = 50_000_000
MAX_EPOCHS = int(FIELDS["training.epochs"].maximum or 0)
MOST_PROBLEMS = 100
"""Damaged lines that are told one by one."""
_LONGEST_LINE = 2_000
_ROUNDED = 1e-6  # that an accuracy, a mean of means, may be over 1
_LARGEST = 1e100  # costs, seconds: whatever is drawn or computed of such numbers stays finite
_NUMBERS = (int, float)
_DECODE = json.JSONDecoder().decode  # json.loads would look for the encoding of every line
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


def read_on(path: Path, offset: int, lines: int, after: int = 0) -> tuple[list[Epoch], list[str], int, int]:
    """Read what has been added to a history.

    Args:
        path: The file.
        offset: Bytes that have been read before, up to the end of a line.
        lines: The lines in them.
        after: The last epoch in them.

    Returns:
        The new epochs and a line for each damaged one, as `read_history` does, the bytes that have been read now and
        the lines in them.

    Raises:
        TrialError: The file cannot be read.
    """
    content = read_bytes(path, MAX_BYTES, offset)
    epochs, problems = parse_history(content, str(path), lines, after)
    return epochs, problems, offset + content.rfind(b"\n") + 1, lines + content.count(b"\n")


def parse_history(content: bytes, name: str, lines: int = 0, after: int = 0) -> tuple[list[Epoch], list[str]]:
    """Return what `read_history` does, from a file's content.

    Args:
        content: The file's content, or what of it follows the end of a line.
        name: What problems call the file.
        lines: The lines before.
        after: The last epoch before: a line whose epoch does not come later than the one before it is damaged too.

    Raises:
        TrialError: It has more lines than a trial can have epochs.
    """
    count = content.count(b"\n")
    if lines + count > MAX_EPOCHS:
        raise TrialError(f"{name} has {lines + count:,} lines; a trial has at most {MAX_EPOCHS:,} epochs")
    epochs, problems = [], []
    for number, line in enumerate(content.split(b"\n")[:-1], lines + 1):
        epoch = _parse(line)
        if epoch is None or epoch.epoch <= after:
            problems.append(f"{name}: line {number} is damaged and left out")
        else:
            epochs.append(epoch)
            after = epoch.epoch
    more = len(problems) - MOST_PROBLEMS
    if more > 0:
        problems[MOST_PROBLEMS:] = [f"{name}: {more:,} more lines are damaged and left out"]
    return epochs, problems


def _parse(line: bytes) -> Epoch | None:
    match = _LINE.fullmatch(line) if len(line) <= _LONGEST_LINE else None
    if match is None or zlib.crc32(match[1]) != int(match[2], 16):
        return None
    try:
        values = _DECODE(match[1].decode() + "}")
        epoch = Epoch(**values)
    except (
        ValueError,
        TypeError,
        RecursionError,
    ):  # the checksum is right, but somebody else's program wrote it
        return None
    return epoch if _is_sound(epoch) else None


def _is_sound(epoch: Epoch) -> bool:
    # spelled out, for there may be a hundred thousand epochs
    if type(epoch.epoch) is not int or not 1 <= epoch.epoch <= MAX_EPOCHS:
        return False
    needed = (
        epoch.train_cost,
        epoch.train_cross_entropy,
        epoch.test_cost,
        epoch.learning_rate,
        epoch.seconds,
        epoch.images_per_second,
    )
    for value in needed if epoch.validation_cost is None else (*needed, epoch.validation_cost):
        if type(value) not in _NUMBERS or not -_LARGEST <= value <= _LARGEST:
            return False
    for share in (epoch.train_accuracy, epoch.test_accuracy):
        if type(share) not in _NUMBERS or not 0 <= share <= 1 + _ROUNDED:
            return False
    for part in (epoch.validation_accuracy, epoch.dead_units):
        if part is not None and (type(part) not in _NUMBERS or not 0 <= part <= 1 + _ROUNDED):
            return False
    return True
