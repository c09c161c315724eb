"""Files of weights: a state_dict and nothing else, written whole and read with suspicion."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from core.errors import WeightsError
from core.files import replace_file
from core.text import printable

_MAX_ENTRIES = 100_000
_MAX_PICKLE = 16_000_000
_WIDENING = 4  # a tensor of bytes becomes one of float32


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
    tensors = {_name(key, shown): _tensor(value, str(key), size, shown) for key, value in content.items()}
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > _WIDENING * size:
        raise WeightsError(f"{shown}: its tensors claim to be larger than the file")
    return tensors


def _check_archive(path: Path, size: int, shown: str) -> int:
    """Refuse what torch.save does not write; return how many bytes the archive holds for all tensors together."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise WeightsError(f"{shown} is not a regular file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_layout(entries, size, shown)
            damaged = archive.testzip()  # torch itself compares no checksums
    # NotImplementedError is how zipfile refuses an archive that needs a newer version or another compression
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise WeightsError(f"{shown} is cut off or no file of weights") from error
    if damaged is not None:
        raise WeightsError(f"{shown} is damaged: the checksum of {printable(damaged, 60)} is wrong")
    return sum(entry.file_size for entry in entries if "/data/" in entry.filename)


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


def _tensor(value: object, name: str, size: int, shown: str) -> Tensor:
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
    tensor = value.detach().clone(memory_format=torch.contiguous_format)
    if not bool(torch.isfinite(tensor).all()):
        raise WeightsError(f"{shown}: {named} holds NaN or infinity")
    return tensor if tensor.dtype == torch.int64 else tensor.to(torch.float32)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
