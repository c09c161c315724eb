"""What a reader is to the fuzzer."""

from __future__ import annotations

import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from tests.fuzz.mutations import Draw
from tests.fuzz.seeds import Seeds

_CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)


class Reader(ABC):
    """One reader: what it is given, and what is done with what it returns.

    Attributes:
        share: How many inputs it is given, relative to the other readers.
        seeds: The valid files.
        place: The directory for inputs.
    """

    share: ClassVar[int] = 1
    worst: ClassVar[Sequence[Callable[[], bytes]]] = ()
    """Contents that are worse than chance makes them; they come first."""

    def __init__(self, seeds: Seeds, place: Path) -> None:
        self.seeds = seeds
        self.place = place
        self.prepare()

    def prepare(self) -> None:  # noqa: B027 - a reader may have nothing to prepare
        """Read what is damaged later, and write what stays as it is."""

    @abstractmethod
    def write(self, draw: Draw, number: int) -> None:
        """Write an input."""

    @abstractmethod
    def read(self) -> object:
        """Read the input, and use what comes of it as the program does."""


class OneFile(Reader):
    """A reader of one file.

    Attributes:
        path: The file.
        valid: Its valid contents.
    """

    name: ClassVar[str] = "file"

    def prepare(self) -> None:
        self.path = self.place / self.name
        self.valid = self.contents()
        self.path.write_bytes(self.valid[0])

    def contents(self) -> list[bytes]:
        """Return the valid contents."""
        return [self.seeds.read(self.name)]

    @abstractmethod
    def damaged(self, draw: Draw, content: bytes) -> bytes:
        """Return a content with damages."""

    def write(self, draw: Draw, number: int) -> None:
        made = self.worst[number]() if number < len(self.worst) else self.damaged(draw, draw.choice(self.valid))
        self.path.write_bytes(made)


class TrialFiles(Reader):
    """A reader of a trial's files, of which one is damaged at a time.

    Attributes:
        home: A home with two trials.
        directory: The directory of the second one, whose files are damaged.
        damages: By the name of a file, how it is damaged.
    """

    damages: ClassVar[dict[str, Callable[[Draw, bytes], bytes]]] = {}

    def prepare(self) -> None:
        self.home = self.place / "home"
        shutil.copytree(self.seeds.home, self.home)
        self.directory = self.home / "saved_models" / self.seeds.trial.name
        self.first = self.home / "saved_models" / self.seeds.trials[0].name
        self.valid = {path.name: path.read_bytes() for path in self.directory.iterdir() if path.is_file()}
        self._damaged: set[str] = set()
        self.more()

    def more(self) -> None:
        """Change what a training leaves behind."""

    def write(self, draw: Draw, number: int) -> None:
        for name in self._damaged:  # what the input before has damaged
            (self.directory / name).write_bytes(self.valid[name])
        names = list(self.damages)
        if number < len(self.worst):
            self._damaged = {names[0]}
            (self.directory / names[0]).write_bytes(self.worst[number]())
            return
        self._damaged = {draw.choice(names) for _ in range(draw.choice((1, 1, 1, 2)))}
        for name in sorted(self._damaged):
            (self.directory / name).write_bytes(self.damages[name](draw, self.valid[name]))


def harmless(text: str) -> str:
    """Return a text that is written to a terminal or a page, which must hold no control character but the newline."""
    found = _CONTROLS.search(text)
    assert found is None, f"a control character reaches the output: {text[max(0, found.start() - 20) : found.end()]!r}"
    return text
