"""The files that a report is written to: which are replaced, and which are left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Ran

Call = Callable[..., Ran]


@pytest.mark.parametrize("other", ["r", "./r", "folder/../r"])
def test_one_file_is_not_written_twice(
    trialbook: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    ran = trialbook("report", "--html", "r", "--markdown", other)
    assert ran.status == 2
    assert ran.err.startswith("trialbook: --html and --markdown must name two files: one would replace the other;")
    assert not (tmp_path / "r").exists()


def test_a_report_is_replaced_and_its_curves_with_it(trialbook: Call, tmp_path: Path) -> None:
    for number in ("1", "2"):
        trialbook("train", "--hidden", "8", "--epochs", "1", "--name", f"n{number}")
    file, curves = tmp_path / "r.md", tmp_path / "r-curves"
    assert trialbook("report", "--markdown", file).lines == [f"written: {file}"]
    names = [f"{number}-{kind}.svg" for number in (1, 2) for kind in ("accuracy", "cost")]
    assert sorted(path.name for path in curves.iterdir()) == names
    for name in ("mine.svg", "2-costs.svg", "0-cost.svg"):
        (curves / name).write_text("x")
    assert trialbook("report", "n1", "--markdown", file).lines == [f"replaced: {file}"]
    left = {"1-accuracy.svg", "1-cost.svg", "mine.svg", "2-costs.svg", "0-cost.svg"}
    assert {path.name for path in curves.iterdir()} == left
