"""When Python's garbage collector looks through everything: while somebody uses the console never for long."""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Static

from tests.console import Console, make_places, run
from tui import garbage
from tui.garbage import Tidier, keep_imported
from tui.screens.dialogs import HelpDialog


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds, enabled = gc.get_threshold(), gc.isenabled()
    yield
    gc.set_threshold(*thresholds)
    (gc.enable if enabled else gc.disable)()


def make_garbage() -> None:
    kept = [[number] for number in range(80_000)]
    assert len(kept) == 80_000 and gc.get_count()[2] >= 3


def test_old_objects_are_only_looked_through_when_nobody_uses_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_imported()
    gc.collect()
    now = [100.0]
    monkeypatch.setattr(garbage.time, "monotonic", lambda: now[0])
    tidier = Tidier()
    now[0] += 60
    assert not tidier.tidy()  # there is too little
    make_garbage()
    tidier.note(Key("a", "a"))
    assert not tidier.tidy()
    now[0] += 60
    assert tidier.tidy() and gc.get_count()[2] == 0


def test_garbage_does_not_pile_up_while_the_console_is_used() -> None:
    collected = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            collected.append(info["collected"])

    keep_imported()
    gc.collect()
    gc.callbacks.append(note)
    try:
        shown: deque[list[object]] = deque(maxlen=50_000)  # as a screen's objects, they grow old before they are closed
        for _ in range(1_000_000):
            own: list[object] = []
            own.append(own)
            shown.append(own)
    finally:
        gc.callbacks.remove(note)
    assert collected and max(collected) < 200_000


def test_nothing_keeps_what_a_closed_box_has_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(console: Console) -> None:
        await console.idle()  # what is made before PyTorch is imported stays for good
        drawn = []
        for _ in range(3):
            await console.press("question_mark")
            assert isinstance(console.app.screen, HelpDialog)
            drawn.append(weakref.ref(console.app.screen.query(Static).first()._styles_cache))
            await console.press("escape")
        gc.collect()
        assert drawn[0]() is None  # the last one may still be in somebody's hands

    run(make_places(tmp_path, monkeypatch), steps)


def test_the_console_notes_what_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(console: Console) -> None:
        console.app._tidier._used = 0
        await console.press("down")
        assert console.app._tidier._used > 0
        await console.idle()
        assert gc.get_threshold()[2] == garbage._AT_LAST

    run(make_places(tmp_path, monkeypatch), steps)
