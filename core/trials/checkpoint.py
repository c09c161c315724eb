"""The checkpoint: all that a training goes on with after its last complete epoch, in one file of tensors.

It is the commit point of an epoch. The epoch's line of history and its predictions are on the disk before it; it holds
how long the history is then and its checksum, and whoever resumes cuts the history to that. The format is safetensors,
which can hold nothing that is run.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from core.errors import StateError
from core.files import read_bytes
from core.text import printable, strict_json

MAX_HEADER = 1_000_000  # bytes of names and shapes in front of the tensors
_LENGTH = 8  # bytes that tell the header's length
_MARKS = ("epochs", "history_bytes", "history_crc32", "crc32")
_MAX_MARK = 2**62
_TYPES = {torch.float32: "F32", torch.int64: "I64"}
_COMPARED = 1 << 20  # bytes at once: Python's lock is held no longer than that takes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        epochs: The complete epochs.
        history_bytes: Length of their history.
        history_crc32: CRC-32 of their history.
        state: What `core.trainer.Trainer.state` returned after the last of them.
    """

    epochs: int
    history_bytes: int
    history_crc32: int
    state: Mapping[str, Tensor]


def checkpoint_content(checkpoint: Checkpoint) -> list[memoryview]:
    """Return what a file holds for a checkpoint, part by part: the tensors' memory itself, and what is before it.

    It is byte for byte what `safetensors.torch.save` returns (https://huggingface.co/docs/safetensors). That copies all
    of it twice, and holds Python's lock meanwhile, which a training on a GPU waits for.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    marks = {name: getattr(checkpoint, name) for name in _MARKS[:-1]}
    header: dict[str, Any] = {"__metadata__": {"checkpoint": json.dumps({**marks, "crc32": _checksum(state)})}}
    parts, end = [], 0
    for name in sorted(state, key=lambda name: (-state[name].itemsize, name)):
        tensor = state[name]
        begin, end = end, end + tensor.nbytes
        header[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
        if tensor.nbytes:
            parts.append(_memory(tensor))
    told = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    told += b" " * (-len(told) % _LENGTH)
    return [memoryview(len(told).to_bytes(_LENGTH, "little") + told), *parts]


def write_and_read_back(file: IO[bytes], content: Sequence[memoryview]) -> None:
    """Write a checkpoint's content to an open file and on to the disk, and compare what can be read of it, in parts.

    Raises:
        StateError: It is not what was written.
        OSError: It cannot be written.
    """
    for part in content:
        file.write(part)
    file.flush()
    os.fsync(file.fileno())
    with open(file.name, "rb", buffering=0) as again:
        parts = (part[begin : begin + _COMPARED] for part in content for begin in range(0, len(part), _COMPARED))
        if not all(again.read(len(part)) == bytes(part) for part in parts) or again.read(1):
            raise StateError(f"{file.name} was not read back as it was written: the disk may be failing")


def read_checkpoint(path: Path, limit: int) -> Checkpoint:
    """Read a checkpoint, trusting nothing in it.

    Args:
        path: The file.
        limit: Bytes that the training's state may have.

    Raises:
        TrialError: The file cannot be read, or is larger than that.
        StateError: It is damaged, or no checkpoint.
    """
    content = read_bytes(path, limit + MAX_HEADER + _LENGTH)
    shown = printable(path)
    if int.from_bytes(content[:_LENGTH], "little") > MAX_HEADER:
        raise StateError(f"{shown} is damaged or no checkpoint: its header is too long")
    try:
        header = strict_json(content[_LENGTH : _LENGTH + int.from_bytes(content[:_LENGTH], "little")].decode())
        marks = strict_json(header["__metadata__"]["checkpoint"])
        epochs, history_bytes, history_crc32, checksum = (marks[name] for name in _MARKS)
        state = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StateError(f"{shown} is damaged or no checkpoint: {printable(error, 120)}") from error
    if not all(type(mark) is int and 0 <= mark <= _MAX_MARK for mark in (epochs, history_bytes, history_crc32)):
        raise StateError(f"{shown} is no checkpoint: it does not tell how long the history is")
    if checksum != _checksum(state):
        raise StateError(f"{shown} is damaged: its checksum is wrong")
    for name, tensor in state.items():
        if tensor.dtype not in (torch.float32, torch.int64) or not bool(torch.isfinite(tensor).all()):
            raise StateError(f"{shown}: {printable(name, 60)} holds NaN, infinity or other numbers than a training's")
    return Checkpoint(epochs, history_bytes, history_crc32, state)


def _checksum(state: Mapping[str, Tensor]) -> int:
    """Return the CRC-32 of all tensors, in the order of their names."""
    checksum = 0
    for name in sorted(state):
        tensor = state[name]
        checksum = zlib.crc32(f"{name}{tuple(tensor.shape)}".encode(), checksum)
        if tensor.numel():
            checksum = zlib.crc32(_memory(tensor), checksum)
    return checksum


def _memory(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data
