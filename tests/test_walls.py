"""What must not be imported is not: proved in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT, run_python

BLOCK_SCREEN = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("textual", "plotext", "tui"):
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Block())
"""


def test_the_engine_trains_where_no_screen_is_installed(tmp_path: object) -> None:
    ran = run_python(
        BLOCK_SCREEN
        + """
from core import Settings, change_settings, evaluate, load_data, train
settings = change_settings(Settings(), {"training.epochs": 1})
data = load_data(settings.data)
*_, finished = train(settings, data, home=sys.argv[1])
assert evaluate(finished.model, data).images == 360
assert not {"textual", "plotext", "tui", "torch._dynamo"} & set(sys.modules)  # the last takes longer than torch itself
""",
        tmp_path,
    )
    assert ran.returncode == 0, ran.stderr


def test_forms_and_lists_come_without_torch(tmp_path: object) -> None:
    ran = run_python(
        """
import sys
from pathlib import Path
import core
from core import Settings, change_settings, differences, all_presets, size_of, known_shape, list_trials
settings = all_presets()["trial-25"].settings
assert size_of(settings, known_shape(settings)).parameters == 3714746
assert differences(Settings(), settings)
assert list_trials(Path(sys.argv[1])) == []
heavy = {"torch", "torchvision", "sklearn", "scipy", "textual"} & set(sys.modules)
assert not heavy, heavy
""",
        tmp_path,
    )
    assert ran.returncode == 0, ran.stderr


def test_the_help_comes_without_torch_in_under_300_ms() -> None:
    ran = run_python(
        """
import sys
from core.cli.main import run
assert run(["--help"]) == 0
heavy = {"torch", "numpy", "rich", "sklearn"} & set(sys.modules)
assert not heavy, heavy
"""
    )
    assert ran.returncode == 0, ran.stderr
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "core", "--help"], cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert statistics.median(times) < 0.3


def test_wrong_settings_are_told_without_waiting_for_torch() -> None:
    ran = run_python(
        """
import sys
from core.cli.main import run
assert run(["train", "--epochs", "0"]) == 1
assert "torch" not in sys.modules
"""
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines() == [
        "trialbook: training.epochs: 0 is not allowed; must be a whole number from 1 to 100,000"
    ]


def test_the_import_contracts_hold() -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


def test_no_screen_has_the_whole_style_sheet_read_anew(tmp_path: object) -> None:
    """Textual does that for a screen's `CSS`, but not for `DEFAULT_CSS`: 65 ms in which nothing is drawn."""
    ran = run_python(
        """
import importlib, pkgutil
from textual.screen import Screen
import tui.screens
for module in pkgutil.iter_modules(tui.screens.__path__):
    for value in vars(importlib.import_module(f"tui.screens.{module.name}")).values():
        if isinstance(value, type) and issubclass(value, Screen):
            assert not value.CSS and not value.CSS_PATH, value
""",
        tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
