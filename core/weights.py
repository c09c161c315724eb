"""Files of weights: a state_dict and nothing else, written whole and read with suspicion."""

from __future__ import annotations

import io
import pickletools
import re
import stat
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.errors import WeightsError
from core.files import replace_file
from core.text import printable

_MAX_ENTRIES = 20_000
_MAX_DIRECTORY = 4_000_000  # bytes of an archive's table of contents
_MAX_PICKLE = 2_000_000
_MAX_OPCODES = 500_000
_NEEDED = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor|tensor_v2|parameter|meta_tensor_no_storage|sparse_tensor)"
    r"|torch\.serialization _get_layout|torch (\w+Storage|Size|device|[a-z]+\d*)"
)
"""What a pickle of tensors names. Torch allows more: also `bytearray`, which takes as much memory as it is told."""
_UNTOLD_NAMES = ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4")
_END, _END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q")  # as the zip specification lays them out
_LOCATOR_SIZE = 20


def write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write a state_dict as `torch.save` does, replacing the file as a whole.

    Raises:
        TrialError: The file cannot be written; the old one stays.
    """
    content = weights_content(weights)
    replace_file(path, lambda file: file.write(content))


def weights_content(weights: Mapping[str, Tensor]) -> memoryview:
    """Return what a file holds that `torch.save` writes a state_dict to."""
    # not to the file itself: torch.save would report a full disk as an error of its own that names no reason
    content = io.BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in weights.items()}, content)
    return content.getbuffer()


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state_dict that `torch.save` wrote, without running anything that is in the file.

    Raises:
        WeightsError: It is missing, cut off, damaged, larger inside than outside, or holds anything but finite tensors.
    """
    shown = printable(path)
    try:
        size = _check_archive(path, path.stat().st_size, shown)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what old files make torch say is not for the user
            # mapped, so that a tensor which claims more than the file holds takes no memory
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"cannot read {shown}: {error.strerror or error}") from error
    except Exception as error:
        if "weights only" in str(error).lower() or "weights_only" in str(error):
            raise WeightsError(f"{shown} holds more than weights (code or other objects) and is not loaded") from error
        raise WeightsError(f"{shown} is damaged or no file of weights: {printable(_first_line(error), 120)}") from error
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{shown} holds no state_dict")
    claimed = sum(_claimed(value, _name(key, shown), size, shown) for key, value in content.items())
    if claimed > size:  # many views of the same bytes; each would be copied
        raise WeightsError(f"{shown}: its tensors claim to be larger than the file")
    return {key: _tensor(value, key, shown) for key, value in content.items()}


def _check_archive(path: Path, size: int, shown: str) -> int:
    """Refuse what torch.save does not write; return how many bytes the archive holds for all tensors together."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise WeightsError(f"{shown} is not a regular file")
    _check_directory(path, size, shown)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_layout(entries, size, shown)
            for entry in entries:
                if entry.filename.endswith(".pkl"):
                    _check_pickle(archive.read(entry), shown)
            damaged = archive.testzip()  # torch itself compares no checksums
    # NotImplementedError is how zipfile refuses an archive that needs a newer version or another compression
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise WeightsError(f"{shown} is cut off or no file of weights") from error
    if damaged is not None:
        raise WeightsError(f"{shown} is damaged: the checksum of {printable(damaged, 60)} is wrong")
    return sum(entry.file_size for entry in entries if "/data/" in entry.filename)


def _check_directory(path: Path, size: int, shown: str) -> None:
    """Refuse a table of contents so long that reading it would take much memory, or in another place than the end."""
    with path.open("rb") as file:
        file.seek(max(0, size - _END.size - _LOCATOR_SIZE - _END_64.size))
        tail = file.read()
    end = tail[-_END.size :]
    if len(end) < _END.size or not end.startswith(b"PK\x05\x06"):
        raise WeightsError(f"{shown} is cut off or no file of weights")
    length = _END.unpack(end)[5]
    if tail[: -_END.size][-_LOCATOR_SIZE:].startswith(b"PK\x06\x07") and len(tail) >= _END_64.size:
        length = max(_END_64.unpack(tail[: _END_64.size])[8], 0 if length == 2**32 - 1 else length)
    if length > _MAX_DIRECTORY:
        raise WeightsError(f"{shown} is not laid out as torch.save lays out weights")


def _check_pickle(content: bytes, shown: str) -> None:
    """Refuse a pickle that names more than tensors need, or that takes long to go through."""
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            named = opcode.name == "GLOBAL" and not _NEEDED.fullmatch(str(argument))
            if named or opcode.name in _UNTOLD_NAMES:
                raise WeightsError(f"{shown} holds more than weights (code or other objects) and is not loaded")
            if count > _MAX_OPCODES:
                raise WeightsError(f"{shown} is not laid out as torch.save lays out weights")
    except WeightsError:
        raise
    except Exception as error:  # genops raises whatever its arguments' readers do
        raise WeightsError(f"{shown} is damaged or no file of weights: its pickle cannot be read") from error


def _check_layout(entries: list[zipfile.ZipInfo], size: int, shown: str) -> None:
    if (
        len(entries) > _MAX_ENTRIES
        or any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        or any(entry.file_size > _MAX_PICKLE for entry in entries if entry.filename.endswith(".pkl"))
        or sum(entry.file_size for entry in entries) > size
    ):
        raise WeightsError(f"{shown} is not laid out as torch.save lays out weights")


def _name(key: object, shown: str) -> str:
    if not isinstance(key, str):
        raise WeightsError(f"{shown} holds no state_dict: {printable(key, 60)} is no name")
    return key


def _claimed(value: object, name: str, size: int, shown: str) -> int:
    """Return the bytes that a value claims to have.

    Raises:
        WeightsError: It is no plain tensor, or claims more than the file holds.
    """
    named = printable(name, 60)
    if (
        not isinstance(value, Tensor)
        or value.layout != torch.strided
        or value.is_complex()
        or value.is_quantized
        or value.device.type != "cpu"
    ):
        raise WeightsError(f"{shown} holds no state_dict: {named} is no plain tensor")
    if value.numel() * value.element_size() > size:
        raise WeightsError(f"{shown}: {named} claims to be larger than the file")
    return value.numel() * value.element_size()


def _tensor(value: Tensor, name: str, shown: str) -> Tensor:
    tensor = value.detach().clone(memory_format=torch.contiguous_format)
    if not bool(torch.isfinite(tensor).all()):
        raise WeightsError(f"{shown}: {printable(name, 60)} holds NaN or infinity")
    return tensor if tensor.dtype == torch.int64 else tensor.to(torch.float32)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
