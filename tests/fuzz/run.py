"""Feed one reader its inputs in a process of its own, and judge each: a value, or one error in one line."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import SettingsError, TrialbookError
from core.text import printable
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.seeds import Seeds

SECONDS = 2.0
"""Processor time that an input may take: a loaded machine makes wall time longer, which is no fault of a reader."""
MEMORY = 300_000_000
"""Bytes that an input may take besides what the process had before."""
_HANGS = 60  # seconds of wall time after which an input counts as waiting for ever
_ROOM = 1_500_000_000  # bytes of address space that an input is given: what claims more is refused by the system


class _HangsError(BaseException):
    """An input takes for ever."""


@dataclass
class Tally:
    """What a reader did with its inputs.

    Attributes:
        reader: Its name.
        inputs: How many it was given.
        refused: Those that ended in one error of one line.
        accepted: Those that gave a value.
        seconds: The longest processor time of one of them.
        memory: The most bytes that one of them took.
        failures: What was wrong, a line each, with the directory that holds the input.
    """

    reader: str
    inputs: int = 0
    refused: int = 0
    accepted: int = 0
    seconds: float = 0.0
    memory: int = 0
    failures: list[str] | None = None


def run_reader(name: str, seeds: Seeds, seed: int, inputs: range, scratch: Path, keep: Path) -> Tally:
    """Give a reader inputs and judge what it does.

    Args:
        name: The reader's, a key of `READERS`.
        seeds: The valid files.
        seed: With an input's number it decides what the input is.
        inputs: The numbers of the inputs.
        scratch: An empty directory for them.
        keep: Where those that failed are kept.
    """
    reader = READERS[name](seeds, scratch)
    tally = Tally(name, failures=[])
    assert tally.failures is not None
    _warm_up(reader)
    meter = _Meter()
    for number in inputs:
        draw = random.Random(f"{seed}/{name}/{number}")
        try:
            reader.write(draw, number)
        except OSError:  # a name that no file can have
            continue
        tally.inputs += 1
        verdict, seconds, memory = _judge(reader, meter)
        tally.seconds, tally.memory = max(tally.seconds, seconds), max(tally.memory, memory)
        tally.refused += verdict == "refused"
        tally.accepted += verdict == "accepted"
        if verdict in ("refused", "accepted") and seconds > SECONDS:
            verdict = f"{seconds:.1f} s"
        elif verdict in ("refused", "accepted") and memory > MEMORY:
            verdict = f"{memory / 1e6:.0f} MB"
        if verdict not in ("refused", "accepted"):
            kept = keep / f"{name}-{number}"
            if len(tally.failures) < 20:
                with contextlib.suppress(shutil.Error):  # a pipe cannot be copied
                    shutil.copytree(scratch, kept, dirs_exist_ok=True, symlinks=True)
            tally.failures.append(f"{name} {number}: {verdict} ({kept})")
    return tally


def _warm_up(reader: Reader) -> None:
    """Read what is valid, so that no input pays for the modules that are imported first."""
    with contextlib.suppress(TrialbookError):
        reader.read()


def _judge(reader: Reader, meter: _Meter) -> tuple[str, float, int]:
    """Return "refused", "accepted" or what was wrong, the processor time and the memory."""
    meter.start()
    before = time.process_time()
    try:
        with _watched(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader.read()
        verdict = "accepted"
    except TrialbookError as error:
        verdict = _judge_error(error)
    except _HangsError:
        verdict = f"no answer in {_HANGS} s"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        own = [
            each
            for each in traceback.extract_tb(error.__traceback__)
            if "/core/" in each.filename or "/tui/" in each.filename
        ]
        where = ", ".join(f"{Path(each.filename).name}:{each.lineno}" for each in (*own[-2:], place))
        verdict = f"{type(error).__name__}: {printable(error, 100)} at {where}"
    seconds = time.process_time() - before
    return verdict, seconds, meter.taken()


def _judge_error(error: TrialbookError) -> str:
    lines = error.problems if isinstance(error, SettingsError) else (str(error),)
    if not lines or len(lines) > 60:
        return f"{len(lines)} lines"
    for line in lines:
        if not line.strip() or "\n" in line or printable(line, 2_000).splitlines() != [printable(line, 2_000)]:
            return f"not one line: {line!r}"
    causes, cause = [], error.__cause__ or error.__context__
    while cause is not None and len(causes) < 20:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    if any(isinstance(each, MemoryError) for each in causes):
        return f"memory was asked for before the size was checked: {printable(error, 100)}"
    return "refused"


@contextlib.contextmanager
def _watched() -> Any:
    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise _HangsError

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_HANGS)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _ROOM, hard))
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class _Meter:
    """Measures the most memory that was taken since the start, by the kernel's own high-water mark."""

    def __init__(self) -> None:
        self._before = 0

    def start(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # sets the mark to what is taken now
        self._before = self._read(b"VmRSS:")

    def taken(self) -> int:
        return max(0, self._read(b"VmHWM:") - self._before)

    @staticmethod
    def _read(field: bytes) -> int:
        status = Path("/proc/self/status").read_bytes()
        at = status.index(field) + len(field)
        return 1024 * int(status[at : status.index(b"kB", at)])
