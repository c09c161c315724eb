"""A program in a real pseudo-terminal, and the screen that its output makes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte

from tests.conftest import hear_signals

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = [sys.executable, "-c", "from tui.main import main; main()"]


class Terminal:
    """A child process whose standard streams are a pseudo-terminal.

    Attributes:
        process: The child.
        master: The terminal's other end.
        screen: What is on the screen.
        output: All bytes that came.
        started: When the child was started, as `time.perf_counter` has it.
        changed: When the last bytes came, as `time.perf_counter` has it.
    """

    def __init__(self, command: list[str], columns: int = 120, rows: int = 40, **environment: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - nothing else gives the child its terminal
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
        )
        self.started = begin
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.output = bytearray()
        self.changed = time.perf_counter()

    @property
    def text(self) -> str:
        """The screen as lines of text."""
        return "\n".join(self.screen.display)

    def read(self, seconds: float) -> bool:
        """Take output for at most so long; return whether some came."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # the child has closed its end
            return False
        self.changed = time.perf_counter()
        self.output += data
        # pyte does not know these, and shows what follows their first bytes as text
        self._stream.feed(_without_queries(data))
        return bool(data)

    def wait(self, until: Callable[[str], bool], seconds: float = 30.0) -> str:
        """Take output until the screen's text satisfies a condition.

        Raises:
            TimeoutError: It does not in time; the message is the screen.
        """
        end = time.monotonic() + seconds
        while not until(self.text):
            if time.monotonic() > end or (self.process.poll() is not None and not self.read(0)):
                raise TimeoutError(self.text)
            self.read(0.05)
        return self.text

    def wait_for(self, text: str, seconds: float = 30.0) -> str:
        """Take output until the text is on the screen.

        Raises:
            TimeoutError: It does not come in time; the message is the screen.
        """
        return self.wait(lambda shown: text in shown, seconds)

    def first(self, until: Callable[[str], bool], seconds: float = 3.0, since: float | None = None) -> float:
        """Take output for so long; return after how many seconds the screen first satisfied a condition.

        The seconds are counted from the start of the child, or from `since`, as `time.perf_counter` has it.

        The output is taken first and looked at afterwards: making a screen of it would delay what comes next.

        Raises:
            TimeoutError: It did not; the message is the screen.
        """
        begin, parts = self.started if since is None else since, []
        while (left := begin + seconds - time.perf_counter()) > 0:
            if select.select([self.master], [], [], left)[0]:
                parts.append((os.read(self.master, 1 << 16), time.perf_counter()))
        for data, moment in parts:
            self._stream.feed(_without_queries(data))
            if until(self.text):
                return moment - begin
        raise TimeoutError(self.text)

    def drain(self, seconds: float) -> bytes:
        """Take output for so long without making a screen of it, which would take time from the child; return it."""
        end, taken = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                taken += os.read(self.master, 1 << 16)
        return taken

    def settle(self, seconds: float = 0.3) -> str:
        """Take output until none has come for so long."""
        while self.read(seconds):
            pass
        return self.text

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.master, keys.encode())

    def end(self, seconds: float = 20.0) -> int:
        """Take output until the child has ended; return its status.

        Raises:
            TimeoutError: It does not end in time.
        """
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise TimeoutError(self.text)
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.returncode

    @property
    def is_restored(self) -> bool:
        """Whether the terminal's modes are those it had, and the alternate screen and the mouse are off."""
        modes = termios.tcgetattr(self.slave)[:4] == self.before[:4]
        left = self.output.rfind(b"\x1b[?1049l") > self.output.rfind(b"\x1b[?1049h")
        mouse = self.output.rfind(b"\x1b[?1000l") > self.output.rfind(b"\x1b[?1000h")
        return modes and left and mouse

    def close(self) -> None:
        """Kill the child, if it still runs, and close the terminal."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for descriptor in (self.master, self.slave):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@contextlib.contextmanager
def terminal(command: list[str], columns: int = 120, rows: int = 40, **environment: str) -> Iterator[Terminal]:
    """Run a program in a pseudo-terminal inside the block."""
    opened = Terminal(command, columns, rows, **environment)
    try:
        yield opened
    finally:
        opened.close()


def _take_terminal() -> None:
    hear_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _without_queries(data: bytes) -> bytes:
    for unknown in (b"\x1b[>1u", b"\x1b[<u", b"\x1b[?2026$p", b"\x1b[?2048$p", b"\x1b[>4;1m"):
        data = data.replace(unknown, b"")
    return data
