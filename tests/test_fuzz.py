"""A part of the fuzzer: some inputs of every reader, the worst ones first; `python -m tests.fuzz` has all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.readers import READERS
from tests.fuzz.run import run_reader
from tests.fuzz.seeds import Seeds, make_seeds

FEW = 3
"""Inputs of a reader per unit of its share in the fuzzer's own run, of ten."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


@pytest.mark.parametrize("name", READERS)
def test_a_reader_gives_a_value_or_one_line(name: str, seeds: Seeds, tmp_path: Path) -> None:
    scratch, keep = tmp_path / "scratch", tmp_path / "keep"
    scratch.mkdir()
    worst = len(READERS[name].worst)  # test_hostile has them, and they take long
    inputs = range(worst, worst + max(10, READERS[name].share * FEW // 10))
    tally = run_reader(name, seeds, 20_260_101, inputs, scratch, keep)
    assert tally.failures == []
    assert tally.refused + tally.accepted == tally.inputs > 0
