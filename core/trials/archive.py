"""The one file that a trial is exported as: a zip archive of few members, read as if it came from an enemy.

Its members have fixed names and are stored or deflated. The last one, `manifest.json`, holds the format's version and
the SHA-256 of every other one. Weights are stored, not deflated: they do not shrink, and so no archive holds more of
them than its own size.
"""

from __future__ import annotations

import hashlib
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.errors import TrialError
from core.settings.toml_file import MAX_BYTES as MAX_SETTINGS
from core.text import printable, strict_json
from core.trials.history import MAX_BYTES as MAX_HISTORY
from core.trials.trial import ABOUT, HISTORY, MAX_JSON, PREDICTIONS, RAN_ON, SETTINGS, SUMMARY, TEST_LABELS

FORMAT = 1
MANIFEST = "manifest.json"
LAST_TENSORS = "model.safetensors"
BEST_TENSORS = "best.safetensors"
REQUIRED = (SETTINGS, SUMMARY, RAN_ON)
_MAX_ARCHIVE = 2**31 - 1  # what a zip archive holds without its extension for large files
LIMITS = {
    SETTINGS: MAX_SETTINGS,
    **{name: MAX_JSON[name] for name in (SUMMARY, ABOUT, RAN_ON)},
    HISTORY: MAX_HISTORY,
    PREDICTIONS: 150_000_000,
    TEST_LABELS: 20_000_000,
    LAST_TENSORS: _MAX_ARCHIVE,
    BEST_TENSORS: _MAX_ARCHIVE,
    MANIFEST: 10_000,
}
"""The names that members may have, and the bytes that each may hold at most."""
_STORED = (LAST_TENSORS, BEST_TENSORS)
_MAX_DIRECTORY = 10_000  # bytes of an archive's table of contents
_END = struct.Struct("<4s4H2LH")  # its end, as the zip specification lays it out
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # flag bits: by password, strongly, and with a masked table of contents


class UnsoundError(Exception):
    """An archive is not one that Trialbook writes; the message says why, without naming the file."""


@dataclass(frozen=True, slots=True)
class Members:
    """What an archive holds, of which nothing is read yet but its manifest.

    Attributes:
        archive: The archive, open.
        checksums: SHA-256 of each member as hexadecimal digits, by name.
    """

    archive: zipfile.ZipFile
    checksums: Mapping[str, str]

    def size(self, name: str) -> int | None:
        """Return how many bytes a member says to hold; None where there is no such member."""
        return self.archive.getinfo(name).file_size if name in self.checksums else None

    def read(self, name: str, exactly: int | None = None) -> bytes | None:
        """Return a member's content; None where there is no such member.

        Args:
            name: One of the names in `LIMITS`.
            exactly: How many bytes it must hold; None: as many as its limit allows.

        Raises:
            UnsoundError: It holds another number of bytes, or its checksum is wrong.
        """
        if name not in self.checksums:
            return None
        content = _content(self.archive, name, exactly)
        if hashlib.sha256(content).hexdigest() != self.checksums[name]:
            raise UnsoundError(f"the checksum of {name} is wrong")
        return content


def write_archive(file: IO[bytes], members: Mapping[str, bytes]) -> None:
    """Write members and their manifest as an archive; the same members give the same bytes.

    Args:
        file: Where to.
        members: The content of each member, by a name in `LIMITS`.

    Raises:
        UnsoundError: They are more than such an archive may hold.
        OSError: The file cannot be written.
    """
    for name, content in members.items():
        if len(content) > LIMITS[name]:
            raise UnsoundError(f"{name} holds {len(content):,} bytes; {LIMITS[name]:,} are allowed")
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    manifest = json.dumps({"format": FORMAT, "members": checksums}, indent=1) + "\n"
    try:
        with zipfile.ZipFile(file, "w", allowZip64=False) as archive:
            for name, content in {**members, MANIFEST: manifest.encode()}.items():
                member = zipfile.ZipInfo(name)  # of 1 January 1980
                member.external_attr = (stat.S_IFREG | 0o644) << 16
                kind = zipfile.ZIP_STORED if name in _STORED else zipfile.ZIP_DEFLATED
                archive.writestr(member, content, kind)
    except zipfile.LargeZipFile:
        raise UnsoundError(f"it is larger than the {_MAX_ARCHIVE:,} bytes of an archive") from None


@contextmanager
def opened_archive(path: Path) -> Iterator[Members]:
    """Open an archive and check its table of contents and its manifest.

    Raises:
        UnsoundError: It is not an archive that Trialbook writes; also from the block, where a member is damaged.
        TrialError: The file cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe might never end, or begin
            raise TrialError(f"cannot read {printable(path)}: it is not a regular file")
        with path.open("rb") as file:
            _check_end(file)
            with zipfile.ZipFile(file) as archive:
                _check_entries(archive)
                yield Members(archive, _checksums(archive))
    except OSError as error:
        raise TrialError(f"cannot read {printable(path)}: {error.strerror or error}") from error
    # RuntimeError and NotImplementedError are how zipfile refuses passwords and other versions of the format
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, struct.error, ValueError) as error:
        raise UnsoundError(f"it is damaged: {printable(error, 120)}") from error


def _check_end(file: IO[bytes]) -> None:
    """Refuse a table of contents that is large, hidden, or in another place than right before the archive's end."""
    size = file.seek(0, 2)
    if size > _MAX_ARCHIVE:
        raise UnsoundError(f"it is larger than {_MAX_ARCHIVE:,} bytes")
    if size < _END.size:
        raise UnsoundError("it is no archive of a trial")
    file.seek(size - _END.size)
    signature, disk, first_disk, here, count, length, start, comment = _END.unpack(file.read(_END.size))
    if signature != b"PK\x05\x06" or comment:
        raise UnsoundError("it is no archive of a trial, or cut off")
    if disk or first_disk or here != count or count > len(LIMITS) or length > _MAX_DIRECTORY:
        raise UnsoundError("it holds more than the files of a trial")
    if start + length + _END.size != size:
        raise UnsoundError("its table of contents is not where it should be")


def _check_entries(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    for entry in entries:
        shown = printable(entry.orig_filename, 60)  # unlike filename, not cut at a zero byte
        if entry.orig_filename not in LIMITS or entry.filename != entry.orig_filename:
            raise UnsoundError(f"it holds {shown}, which is no file of a trial")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise UnsoundError(f"{shown} is a link or another special file")
        if entry.flag_bits & _ENCRYPTED:
            raise UnsoundError(f"{shown} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnsoundError(f"{shown} is compressed in a way that no trial is")
        stored = entry.compress_type == zipfile.ZIP_STORED
        if (stored and entry.compress_size != entry.file_size) or (shown in _STORED and not stored):
            raise UnsoundError(f"{shown} is not stored as it is")
        if entry.file_size > LIMITS[shown]:
            raise UnsoundError(f"{shown} holds {entry.file_size:,} bytes; {LIMITS[shown]:,} are allowed")
    names = [entry.filename for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise UnsoundError(f"it holds {name} twice")
    for name in (MANIFEST, *REQUIRED):
        if name not in names:
            raise UnsoundError(f"it holds no {name}")
    if sum(entry.compress_size for entry in entries) > archive.start_dir:
        raise UnsoundError("its files lie over each other")


def _checksums(archive: zipfile.ZipFile) -> dict[str, str]:
    try:
        manifest: Any = strict_json(_content(archive, MANIFEST, None))
    except ValueError as error:
        raise UnsoundError(f"{MANIFEST} is not JSON") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise UnsoundError(f"{MANIFEST} does not tell the format")
    if manifest["format"] != FORMAT:
        raise UnsoundError(f"it has the format {manifest['format']}; this version of Trialbook reads {FORMAT}")
    checksums = manifest.get("members")
    if not isinstance(checksums, dict) or set(checksums) != set(archive.namelist()) - {MANIFEST}:
        raise UnsoundError(f"{MANIFEST} names other files than there are")
    return checksums


def _content(archive: zipfile.ZipFile, name: str, exactly: int | None) -> bytes:
    """Return a member's content, of which no more is decompressed than its limit allows."""
    size, limit = archive.getinfo(name).file_size, LIMITS[name]
    if size > limit or exactly not in (None, size):
        allowed = f"at most {limit:,}" if exactly is None else f"{exactly:,}"
        raise UnsoundError(f"{name} holds {size:,} bytes instead of {allowed}")
    with archive.open(name) as member:
        content = member.read(size + 1)  # the checksum of zip itself is compared at the end
    if len(content) != size:
        raise UnsoundError(f"{name} holds another number of bytes than it says")
    return content
