"""The console in a real pseudo-terminal: keys, signals, a closed terminal, and no foreign control byte on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.data.folder import SERIAL_FILES
from tests.conftest import ROOT, make_image, run_python
from tests.terminal import CONSOLE, Terminal, terminal
from tui.draft import Draft, draft_to_dict, edited
from tui.state import state_file, write_state

LONG = 5_000  # epochs, so that a training does not end by itself


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and places of its own for all that the console writes elsewhere."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "home"


def console(home: Path, columns: int = 120, rows: int = 40) -> Terminal:
    return terminal([*CONSOLE, "--home", str(home)], columns, rows)


def with_draft(home: Path, **changes: object) -> None:
    draft = Draft()
    for name, value in changes.items():
        draft = edited(draft, name.replace("__", "."), value)
    write_state(state_file(home), {"draft": draft_to_dict(draft)})


def training(shown: Terminal) -> None:
    """Start a training and wait for its first epochs."""
    shown.wait_for("ready")
    shown.press("s")
    shown.wait(lambda text: "training" in text and "best epoch" in text, 90)


def summary(home: Path) -> dict[str, object]:
    (trial,) = (home / "saved_models").iterdir()
    return json.loads((trial / "summary.json").read_text())  # type: ignore[no-any-return]


def history(home: Path) -> int:
    (trial,) = (home / "saved_models").iterdir()
    return len((trial / "history.jsonl").read_text().splitlines())


def test_two_keys_train_and_evaluate_the_digits(places: Path) -> None:
    with console(places) as shown:
        shown.wait_for("ready")
        shown.press("s")
        shown.wait_for("95 % interval", 90)
        shown.press("e")
        shown.wait_for("of 360 test images right", 60)
        shown.press("q")
        assert shown.end() == 0
        assert shown.is_restored
    assert summary(places)["status"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_training_in_order(places: Path, number: signal.Signals) -> None:
    with_draft(places, training__epochs=LONG)
    with console(places) as shown:
        training(shown)
        begin = time.monotonic()
        shown.process.send_signal(number)
        assert shown.end() == 128 + number
        assert time.monotonic() - begin < 5
        assert shown.is_restored
    assert summary(places)["status"] == "stopped"
    assert history(places) >= 1


def test_a_signal_before_pytorch_is_there_ends_it_too(places: Path) -> None:
    with console(places) as shown:
        shown.wait_for("PyTorch is loading")
        shown.process.send_signal(signal.SIGTERM)
        assert shown.end() == 128 + signal.SIGTERM
        assert shown.is_restored


def test_a_closed_terminal_leaves_no_process(places: Path) -> None:
    with_draft(places, training__epochs=LONG)
    with console(places) as shown:
        training(shown)
        process = shown.process
        os.close(shown.slave)
        os.close(shown.master)  # the kernel sends SIGHUP, and writing fails from now on
        process.wait(10)
    assert summary(places)["status"] == "stopped"


def test_suspended_and_brought_back(places: Path) -> None:
    with console(places) as shown:
        shown.wait_for("ready")
        shown.press("\x1a")
        end = time.monotonic() + 10
        while Path(f"/proc/{shown.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "T":
            assert time.monotonic() < end
            shown.read(0.05)
        shown.settle()
        assert shown.is_restored
        shown.screen.reset()  # as a shell's output would have overwritten it
        os.killpg(shown.process.pid, signal.SIGCONT)
        shown.wait_for("ready")
        shown.press("q")
        assert shown.end() == 0


@pytest.mark.parametrize(("keys", "status"), [("\r", "stopped"), ("j\r", "stopped")])
def test_leaving_during_a_training_asks(places: Path, keys: str, status: str) -> None:
    with_draft(places, training__epochs=LONG)
    with console(places) as shown:
        training(shown)
        shown.press("q")
        shown.wait_for("Finish this epoch")
        shown.press("\x1b")
        shown.wait(lambda text: "Finish this epoch" not in text)
        shown.press("q")
        shown.wait_for("Finish this epoch")
        shown.press(keys)
        assert shown.end() == 0
        assert shown.is_restored
    assert summary(places)["status"] == status


def test_a_killed_console_comes_back_with_its_draft(places: Path) -> None:
    with console(places) as shown:
        shown.wait_for("ready")
        shown.press("512\r")
        shown.wait_for("1 change")
        end = time.monotonic() + 10
        while not state_file(places).exists():
            assert time.monotonic() < end
            shown.read(0.1)
        shown.process.kill()
    with console(places) as shown:
        shown.wait_for("512")
        shown.wait_for("1 change")


def test_keys_that_arrive_at_once_are_done_in_order(places: Path) -> None:
    with console(places) as shown:
        shown.wait_for("ready")
        shown.press("\r400\r\x1b[B\r200\ra64\rw32-16\r")
        shown.wait_for("32*")
        shown.settle()
        assert "400200" not in shown.text
        shown.press("u")
        shown.wait(lambda text: all(f" {width} " in text.replace("*", " ") for width in (400, 200, 64)))
        shown.press("n")
        shown.wait_for("Name, to find it again")
        shown.settle()
        shown.press("abc\tdef\r")
        shown.wait(lambda text: "Name, to find it again" not in text)
        shown.press("y")
        assert "--name abc --note def" in shown.wait_for("--note")


def test_a_large_folder_is_decoded_by_processes_of_its_own(places: Path, tmp_path: Path) -> None:
    one = make_image(tmp_path / "one.png", seed=0)
    for part, count in (("train", SERIAL_FILES), ("test", 10)):
        for name in ("ant", "bee"):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(count):
                (tmp_path / "images" / part / name / f"{number}.png").hardlink_to(one)
    with_draft(places, data__source=str(tmp_path / "images"), training__epochs="1")
    with console(places) as shown:
        shown.wait_for("ready")
        shown.press("s")
        shown.wait_for("95 % interval", 120)
        shown.press("q")
        assert shown.end() == 0


HOSTILE = "a\x1b]0;owned\x07\x9b31m[/b][@click=app.bell]\u202eb"
FORBIDDEN = (b"\x1b]0;owned", b"owned\x07", "\x9b".encode(), "\u202e".encode())
MAKE_TRIAL = """
import sys
from core import Settings, change_settings, load_data, train
settings = change_settings(Settings(), {"data.source": sys.argv[2], "training.epochs": 1, "model.hidden": "8",
                                        "training.batch_size": 7})
for event in train(settings, load_data(settings.data), home=sys.argv[1], name=sys.argv[3], note=sys.argv[3]):
    pass
"""


def test_no_control_byte_of_foreign_text_reaches_the_terminal(places: Path, tmp_path: Path) -> None:
    images = tmp_path / f"images {HOSTILE}"
    for part, count in (("train", 6), ("test", 3)):
        for name in (f"ant {HOSTILE}", f"bee {HOSTILE}"):
            for number in range(count):
                make_image(images / part / name / f"{number}.png", seed=number)
    made = run_python(MAKE_TRIAL, places, images, HOSTILE)
    assert made.returncode == 0, made.stderr
    with_draft(places, data__source=str(images))
    with console(places) as shown:
        shown.wait_for("ready")
        shown.wait_for("owned")  # as text
        for keys, expected in (
            ("e", "Most confident mistakes"),
            ("\x1b", "ready"),
            ("o", "Trials  "),
            ("\x1b", "ready"),
            ("b", "Begin from"),
            ("\x1b", "ready"),
            ("i", "Data sets"),
            ("\x1b", "ready"),
            ("y", "command line"),
            ("\x1b", "ready"),
            ("s", "interval"),
        ):
            shown.press(keys)
            shown.wait_for(expected, 60)
            shown.settle()
        shown.press("q")
        assert shown.end() == 0
    found = [bytes_ for bytes_ in FORBIDDEN if bytes_ in shown.output]
    assert not found


def test_without_a_terminal_it_says_so() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CONSOLE[2]],
        capture_output=True,
        text=True,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1 and "needs a terminal" in ran.stderr


def test_the_first_screen_comes_without_torch(places: Path) -> None:
    ran = run_python(
        """
import asyncio, sys
from pathlib import Path
from tui.app import TrialbookApp
class Watched(TrialbookApp):
    def on_ready(self):
        self.seen = {"torch", "sklearn", "scipy", "plotext", "numpy", "PIL"} & set(sys.modules)
        self.exit()
async def main():
    app = Watched(Path(sys.argv[1]))
    async with app.run_test() as pilot:
        await pilot.pause()
    assert not app.seen, app.seen
asyncio.run(main())
""",
        places,
    )
    assert ran.returncode == 0, ran.stderr
