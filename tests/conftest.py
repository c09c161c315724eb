"""What all tests share: a cache and a home of their own, small settings, small folders of images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings as effort
from PIL import Image

from core.cli.main import run
from core.data.dataset import Dataset, load_data
from core.settings import DataSettings, Settings, change_settings

ROOT = Path(__file__).resolve().parent.parent

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # asked for when Triton is imported: without a GPU its kernels are interpreted

# a loaded machine is slow, which is no fault of the code; tests that are about time measure it themselves
effort.register_profile("trialbook", deadline=None)
effort.load_profile("trialbook")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the user's cache out of the tests, also out of the processes they start."""
    path = tmp_path_factory.mktemp("cache")
    before = {name: os.environ.pop(name, None) for name in ("XDG_CACHE_HOME", "TRIALBOOK_HOME")}
    os.environ["XDG_CACHE_HOME"] = str(path)
    yield path
    os.environ.pop("XDG_CACHE_HOME")
    os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return load_data(DataSettings())


@pytest.fixture
def small() -> Settings:
    """Settings that train on the digits in a moment."""
    return change_settings(Settings(), {"model.hidden": "16-8", "training.epochs": 2, "training.device": "cpu"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class Ran:
    """What a command printed and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def complaints(self) -> list[str]:
        return self.err.splitlines()

    def json(self) -> Any:
        return json.loads(self.out)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def trialbook(home: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        status = run(["--home", str(home), *map(str, arguments)])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return call


def run_python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a fresh interpreter that finds the packages of this checkout."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def make_image(path: Path, seed: int, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    """Write a random image; size is (height, width)."""
    channels = {"L": (), "RGB": (3,), "CMYK": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, *channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels, mode if mode == "CMYK" else None).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 2 classes with 12 training and 6 test images of 8x8 RGB each."""
    root = tmp_path / "images"
    for part, count in (("train", 12), ("test", 6)):
        for label, name in enumerate(("ant", "bee")):
            for number in range(count):
                make_image(root / part / name / f"{number:02}.png", seed=1000 * label + number + 100 * (part == "test"))
    return root


def hear_signals() -> None:
    """Let a child hear what whoever runs these tests may have told them to ignore, as nohup does with SIGHUP."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every epoch be saved before the next one begins, for tests that change something between the two."""
    monkeypatch.setattr("core.trials.saver.AHEAD", 0.0)
