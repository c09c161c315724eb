"""Decode image files into arrays of bytes. Runs in worker processes: it imports neither torch nor settings."""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
MAX_PIXELS = 16_000_000
MAX_SIDE = 65_535  # as a JPEG's: to resize takes tables as long as a side
_MAX_SCANNED = 200_000_000  # pixels of all scans of a JPEG, each of which goes over the whole image
_MAX_PLAIN = 1_000_000  # pixels of an image whose numbers are written in digits
_MAX_HEADER = 4_096
_MAX_TIFF_ENTRIES = 1_000
_GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"))
_SIXTEEN_TO_EIGHT_BITS = 257
_SIXTEEN_BITS = 65535
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # TIFF's tags and values
_SAMPLE_FORMAT, _UNSIGNED = 339, 1
_TIFF_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
_PPM_TOKENS = 3  # magic number, width, height
_USUAL_SCANS = 12
_STANDARD_ERROR = 2


@dataclass(slots=True)
class Decoded:
    """What decoding a run of files found.

    Attributes:
        broken: (position in the list of files, reason) for every file that could not be read.
        sizes: How often each (height, width) in pixels occurs.
        colored: How many images have color.
    """

    broken: list[tuple[int, str]] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    colored: int = 0

    def add(self, other: Decoded) -> None:
        """Take in what another run found."""
        self.broken += other.broken
        self.sizes += other.sizes
        self.colored += other.colored


def decode_into(target: str, files: Sequence[str], start: int, channels: int, size: tuple[int, int]) -> Decoded:
    """Decode files into rows of an array on disk.

    Args:
        target: A `.npy` file of shape (N, channels, height, width), uint8, that exists.
        files: Image files.
        start: The row of the first file.
        channels: 1 for grey, 3 for RGB.
        size: (height, width) in pixels that images of another size are resized to.
    """
    images = np.lib.format.open_memmap(target, mode="r+")
    found = Decoded()
    for position, file in enumerate(files, start):
        try:
            images[position] = _decode(Path(file), channels, size, found)
        except Exception as error:
            found.broken.append((position, _reason(error)))
    images.flush()
    return found


def inspect_files(files: Sequence[str]) -> Decoded:
    """Read only the headers of image files."""
    found = Decoded()
    for position, file in enumerate(files):
        try:
            with _open(Path(file)) as image:
                _count(image, found)
        except Exception as error:
            found.broken.append((position, _reason(error)))
    return found


@contextlib.contextmanager
def _open(file: Path) -> Iterator[Image.Image]:
    """Open an image whose header is read and whose pixels can be decoded without danger."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise ValueError("not a regular file")  # a pipe would wait for ever
    _refuse_slow_header(file)
    with _Content(file) as content, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on metadata concern nobody here
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(content, formats=FORMATS) as image:
            _refuse_large(image, file)
            yield image


class _Content(io.BufferedReader):
    """An open file that never takes memory for more than it holds, whatever its header claims."""

    def __init__(self, file: Path) -> None:
        super().__init__(io.FileIO(file))
        self._size = file.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size if size is None else min(size, self._size))


@contextlib.contextmanager
def _libtiff_silent() -> Iterator[None]:
    """Drop what the TIFF library says of a file: it writes to the process's standard error, past Python."""
    try:
        kept = os.dup(_STANDARD_ERROR)
    except OSError:  # it is closed
        yield
        return
    try:
        with open(os.devnull, "wb", buffering=0) as nowhere:
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)


def _refuse_slow_header(file: Path) -> None:
    """Refuse a header that takes long to read before it tells the image's size."""
    with file.open("rb") as content:
        head = content.read(_MAX_HEADER)
        if head[:1] == b"P" and len(re.sub(rb"#[^\n]*(\n|$)", b"", head).split(None, 3)) < _PPM_TOKENS:
            raise ValueError("its header is too long or cut off")
        order = _TIFF_ORDERS.get(head[:4])
        if order is not None:
            content.seek(int.from_bytes(head[4:8], order))
            entries = int.from_bytes(content.read(2), order)
            if entries > _MAX_TIFF_ENTRIES:
                raise ValueError(f"a TIFF with {entries:,} entries, more than the {_MAX_TIFF_ENTRIES:,} that are read")


def _refuse_large(image: Image.Image, file: Path) -> None:
    """Refuse an image that would take much memory or time to decode, of which only the header is read yet."""
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise ValueError(f"{pixels / 1e6:.0f} megapixels, more than the {MAX_PIXELS // 10**6} that are read")
    if max(image.size) > MAX_SIDE:
        raise ValueError(f"{max(image.size):,} pixels long, more than the {MAX_SIDE:,} that are read")
    if pixels > _MAX_PLAIN and image.format == "PPM" and _is_plain(image):
        raise ValueError(f"{pixels / 1e6:.0f} megapixels in digits, more than the {_MAX_PLAIN // 10**6} that are read")
    if image.format in ("JPEG", "MPO"):
        scans = file.read_bytes().count(b"\xff\xda")
        if scans > 1 and scans * pixels > max(_MAX_SCANNED, _USUAL_SCANS * pixels):
            raise ValueError(f"a JPEG of {scans:,} scans, which takes too long to decode")


def _is_plain(image: Image.Image) -> bool:
    """Return whether an image's numbers are written in digits."""
    tiles = getattr(image, "tile", None) or ()  # which only images from files have
    return any(tile[0] == "ppm_plain" for tile in tiles)


def _count(image: Image.Image, found: Decoded) -> None:
    found.sizes[image.height, image.width] += 1
    found.colored += image.mode not in _GREY_MODES


def _decode(file: Path, channels: int, size: tuple[int, int], found: Decoded) -> NDArray[np.uint8]:
    with _open(file) as opened:
        with _libtiff_silent() if opened.format == "TIFF" else contextlib.nullcontext():
            opened.load()
        image = _eight_bits(opened).convert("L" if channels == 1 else "RGB")
        _count(opened, found)
    if (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)  # antialiased, as torchvision's Resize
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _eight_bits(image: Image.Image) -> Image.Image:
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    if image.mode == "F" or tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] != _UNSIGNED:
        raise ValueError("floating-point or signed pixels, whose range is not known")
    if image.mode == "I" or image.mode.startswith("I;16"):  # Pillow's own conversion cuts these off at 255
        deep = np.asarray(image).astype(np.int32)
        if deep.min() < 0 or deep.max() > _SIXTEEN_BITS:
            raise ValueError("32-bit pixels, whose range is not known")
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            deep = _SIXTEEN_BITS - deep
        deep += _SIXTEEN_TO_EIGHT_BITS // 2  # to the nearest; in place, as such an image is large already
        deep //= _SIXTEEN_TO_EIGHT_BITS
        return Image.fromarray(deep.astype(np.uint8))
    return image


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image in a known format"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
