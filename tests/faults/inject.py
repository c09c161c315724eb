"""Let the N-th call that changes something below a directory go wrong, in the process that this module is used in.

The calls are counted where Python hands them to the system: opening a file for writing, every write, truncate, fsync,
rename, link, unlink, mkdir and rmdir. `python -m tests.faults.against_strace` shows that none is missed.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

Kind = Literal["kill", "torn", "ENOSPC", "EIO", "full"]
"""What goes wrong.

- kill: the process is killed instead of the call.
- torn: it is killed when half of a write, or all of another call, is done.
- ENOSPC: a write takes half and then fails for lack of space; any other call fails so at once. The next succeeds.
- EIO: the call fails with an input/output error. The next succeeds.
- full: from the call on nothing can be made or written any more, as on a disk that stays full.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)

_TAKES_SPACE = ("open", "write", "mkdir", "link")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_T = TypeVar("_T")


class Faults:
    """The calls of the threads that train and save which change something below a directory.

    Attributes:
        calls: Those so far, each as its name and the file's.
    """

    def __init__(self, root: Path, kind: Kind | None = None, at: int = 0) -> None:
        """Count, from `install` on.

        Args:
            root: The directory, as an absolute path.
            kind: What goes wrong; None: nothing does.
            at: With which call, from 1.
        """
        self.calls: list[str] = []
        self._root = f"{root.resolve()}{os.sep}"
        self._kind = kind
        self._at = at
        self._fails_next = False

    def install(self) -> None:
        """Put this between Python and the system, until the end of the process."""
        for name in ("mkdir", "rmdir", "unlink", "remove", "replace", "rename", "link", "truncate"):
            setattr(
                os, name, self._counted(getattr(os, name), {"replace": "rename", "remove": "unlink"}.get(name, name))
            )
        plain_open, plain_fsync, plain_file = os.open, os.fsync, io.open

        def open_descriptor(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if not flags & _WRITING:
                return plain_open(path, flags, mode, dir_fd=dir_fd)
            return self.call("open", path, lambda: plain_open(path, flags, mode, dir_fd=dir_fd), dir_fd)

        def open_file(file: Any, mode: str = "r", buffering: int = -1, *others: Any, **named: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wxa+") or self._place(file, None) is None:
                return plain_file(file, mode, buffering, *others, **named)
            raw_mode = mode.replace("b", "").replace("t", "")
            raw = self.call("open", file, lambda: _CountedFile(self, file, raw_mode))
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *others, **named)

        os.open = open_descriptor
        os.fsync = lambda file: self.call(
            "fsync", _path_of(file if isinstance(file, int) else file.fileno()), lambda: plain_fsync(file)
        )
        io.open = builtins.open = open_file  # type: ignore[assignment]

    def call(
        self,
        name: str,
        path: Any,
        perform: Callable[[], _T],
        dir_fd: int | None = None,
        half: Callable[[], _T] | None = None,
    ) -> _T:
        """Make a call, or let it go wrong.

        Args:
            name: What it is.
            path: The file it changes.
            perform: Makes it.
            dir_fd: The directory that the path begins from.
            half: Makes half of it, where that can be.
        """
        place = self._place(path, dir_fd)
        thread = threading.current_thread()
        if place is None or not (thread is threading.main_thread() or thread.name.startswith("saver")):
            return perform()
        self.calls.append(f"{name} {place}")
        fails, self._fails_next = self._fails_next, False
        number = len(self.calls)
        if fails or (self._kind == "full" and number >= self._at and name in _TAKES_SPACE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if number != self._at or self._kind == "full":
            return perform()
        if self._kind == "torn":
            with contextlib.suppress(OSError):
                (half or perform)()
        if self._kind in ("kill", "torn"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._kind == "ENOSPC" and half is not None:
            self._fails_next = True
            return half()
        number = errno.EIO if self._kind == "EIO" else errno.ENOSPC
        raise OSError(number, os.strerror(number), str(path))

    def _counted(self, plain: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(path: Any, *others: Any, **named: Any) -> Any:
            directory = named.get("dir_fd", named.get("src_dir_fd"))
            # the name that changes is the new one, of which the old one is a part or the other way round
            target = others[0] if name in ("rename", "link") else path
            return self.call(name, target, lambda: plain(path, *others, **named), directory)

        return counted

    def _place(self, path: Any, dir_fd: int | None) -> str | None:
        """Return a file's path below the directory; None where it is not there."""
        text = os.fsdecode(path)
        if dir_fd is not None:
            text = os.path.join(_path_of(dir_fd), text)
        text = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
        return text.removeprefix(self._root) if text.startswith(self._root) else None


class _CountedFile(io.FileIO):
    """A file whose writes and truncations are counted."""

    def __init__(self, faults: Faults, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self._faults = faults
        self._path = file

    def write(self, content: Any, /) -> int:
        given = bytes(content)
        return self._faults.call(
            "write",
            self._path,
            lambda: super(_CountedFile, self).write(given),
            half=(lambda: super(_CountedFile, self).write(given[: len(given) // 2])) if len(given) > 1 else None,
        )

    def truncate(self, size: int | None = None, /) -> int:
        return self._faults.call("truncate", self._path, lambda: super(_CountedFile, self).truncate(size))


def _path_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")
