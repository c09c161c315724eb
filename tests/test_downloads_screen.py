"""Downloads steered from the screen of data sets, from a server of our own that sends as slowly as it is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from torchvision import datasets

from core.data.cache import downloads_directory, is_ready
from tests.test_data_screen import own_state, shows, until
from tests.test_download import serve_cifar10, server
from tui.app import TrialbookApp
from tui.downloads import Downloads
from tui.screens.data import DataScreen, SetList
from tui.screens.workbench import Workbench
from tui.widgets.data_classes import ClassLines

__all__ = ["own_state", "server"]  # fixtures for every test here
Steps = Callable[[TrialbookApp, Pilot[Any]], Awaitable[None]]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Serve CIFAR-10 as a first megabyte and then, until the event is set, nothing; then the connection ends."""
    go_on = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "170498071")
            self.end_headers()
            try:
                for _ in range(50):
                    self.wfile.write(bytes(20_000))
                    time.sleep(0.01)
                while not go_on.wait(0.02):
                    self.wfile.write(bytes(10_000))
            except OSError:
                pass  # cancelled

        def log_message(self, *_: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads = True
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    monkeypatch.setattr(datasets.CIFAR10, "url", f"http://127.0.0.1:{serving.server_port}/slow")
    yield go_on
    go_on.set()
    serving.shutdown()
    serving.server_close()
    thread.join()


def in_app(home: Path, steps: Steps, size: tuple[int, int] = (80, 24)) -> TrialbookApp:
    """Run the app with the data sets in front and the cursor on CIFAR-10, and do the steps."""

    async def run() -> TrialbookApp:
        app = TrialbookApp(home)
        async with app.run_test(size=size) as pilot:
            await pilot.press("i")
            await until(pilot, lambda: isinstance(app.screen, DataScreen) and shows(app, "not downloaded"))
            await pilot.press("down")
            await steps(app, pilot)
        return app

    return asyncio.run(run())


def partial_files() -> list[Path]:
    return [path for path in downloads_directory().rglob("*") if path.is_file()]


def test_a_download_makes_the_set_ready(server: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    serve_cifar10(server, monkeypatch)

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "cifar10 is ready: ⏎ trains on it"), 20)
        assert is_ready("cifar10")
        await until(pilot, lambda: shows(app, "ready, 0.6 MB on disk"))
        await until(pilot, lambda: app.screen.query_one(ClassLines).display)
        assert shows(app, "class 3")
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "cifar10 is downloaded already"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        assert app.edits.draft.settings.data.source == "cifar10"
        assert not shows(app, "will first download")

    in_app(home, steps)


@pytest.mark.usefixtures("slow")
def test_the_progress_is_shown_and_x_cancels_at_once(home: Path) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("x")  # nothing runs: nothing happens
        assert not shows(app, "Cancel")
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "left  x cancels"))
        await until(pilot, lambda: shows(app, "x Cancel"))
        assert all(shows(app, text) for text in ("cifar10 ─", "of 170.5 MB", "MB/s", "downloading"))
        assert partial_files()
        await pilot.press("down", "d")
        await until(pilot, lambda: shows(app, "one runs at a time"))
        begin = time.monotonic()
        await pilot.press("x")
        await until(pilot, lambda: shows(app, "the download of cifar10 is cancelled"))
        assert time.monotonic() - begin < 1.5
        assert partial_files() == []
        await until(pilot, lambda: not shows(app, "downloading") and not shows(app, "x Cancel"))

    in_app(home, steps)


def test_it_goes_on_while_the_screen_is_left_and_its_end_is_told(slow: threading.Event, home: Path) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "of 170.5 MB"))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, Workbench))
        before = app.downloads.latest
        await pilot.pause(0.3)
        now = app.downloads.latest
        assert before is not None and now is not None
        assert now.is_running and now.done > before.done
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, DataScreen) and shows(app, "of 170.5 MB"))
        await pilot.press("down", "enter")
        await until(pilot, lambda: shows(app, "cifar10 is still being downloaded"))
        slow.set()
        await until(pilot, lambda: not app.downloads.is_running)
        await until(pilot, lambda: shows(app, "cannot download cifar10 (170.5 MB): the connection broke off"))
        assert partial_files() == []

    in_app(home, steps, size=(120, 40))


def test_no_connection_is_one_line_on_the_screen(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")

    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "cannot download cifar10 (170.5 MB): no connection; digits is"))
        await pilot.press("home")
        await until(pilot, lambda: app.screen.query_one(SetList).cursor == 0)
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "nothing to download"))

    in_app(home, steps)


@pytest.mark.usefixtures("slow")
def test_quitting_cancels_a_download_and_leaves_nothing(home: Path) -> None:
    async def steps(app: TrialbookApp, pilot: Pilot[Any]) -> None:
        await pilot.press("d")
        await until(pilot, lambda: shows(app, "of 170.5 MB"))

    begin = time.monotonic()
    app = in_app(home, steps)
    assert time.monotonic() - begin < 10
    assert not app.downloads.is_running
    assert partial_files() == []


def test_a_silent_connection_holds_up_neither_cancelling_nor_the_next_download(
    slow: threading.Event, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = threading.Event()

    def wait(_settings: object, _on_progress: object) -> None:
        silent.wait(10)

    monkeypatch.setattr("core.data.dataset.load_data", wait)

    async def run() -> None:
        app = TrialbookApp(home)
        async with app.run_test() as pilot:
            downloads = Downloads()
            assert downloads.start(app, "cifar10")
            await pilot.pause(0.2)
            downloads.cancel()
            assert downloads.latest is not None and downloads.latest.state == "cancelling"
            await until(pilot, lambda: not downloads.is_running, 3)
            assert downloads.latest.state == "cancelled"
            assert downloads.start(app, "mnist")

    try:
        asyncio.run(run())
    finally:
        silent.set()
        slow.set()
