"""The history of a trial, `history.jsonl`: what was written is read, and what is damaged is told."""

from __future__ import annotations

import dataclasses
import json
import math
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.epoch import Epoch
from core.trials.history import append, epoch_line, read_history

numbers = st.floats(-1e100, 1e100)
shares = st.floats(0, 1)
optional = st.none() | shares
epochs = st.builds(
    Epoch,
    st.integers(1, 100_000),
    *[numbers] * 2,
    shares,
    numbers,
    shares,
    st.none() | numbers,
    optional,
    *[numbers] * 3,
    optional,
)
in_order = st.lists(epochs, max_size=5, unique_by=lambda epoch: epoch.epoch).map(
    lambda several: sorted(several, key=lambda epoch: epoch.epoch)
)
EPOCH = Epoch(1, 2.5, 2.25, 0.5, 2.0, 0.25, None, None, 0.001, 1.5, 100.0)


@given(in_order)
def test_a_history_gives_back_what_was_written(tmp_path_factory: pytest.TempPathFactory, written: list[Epoch]) -> None:
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    path.write_text("")
    for epoch in written:
        append(path, epoch_line(epoch).encode())
    assert read_history(path) == (written, [])


@given(st.integers(1, 10_000), st.integers(0, 255))
def test_any_changed_byte_of_a_line_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, position: int, byte: int
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    whole = (epoch_line(EPOCH) + epoch_line(dataclasses.replace(EPOCH, epoch=2))).encode()
    damaged = bytearray(whole)
    position %= len(whole)
    damaged[position] = byte
    path.write_bytes(bytes(damaged))
    read, problems = read_history(path)
    if bytes(damaged) == whole:
        assert len(read) == 2
    else:
        assert len(read) < 2
        assert all(epoch in (EPOCH, dataclasses.replace(EPOCH, epoch=2)) for epoch in read)
        assert problems or position == len(whole) - 1


def written_by_another(values: dict[str, object]) -> str:
    """Return a line with a right checksum, of whatever values."""
    body = json.dumps(values)[:-1]
    return f'{body}, "crc32": "{zlib.crc32(body.encode()):08x}"}}\n'


def test_a_line_of_an_earlier_version_reads_as_if_its_missing_figure_were_none(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    old = dataclasses.asdict(EPOCH)
    del old["dead_units"]
    new = dataclasses.replace(EPOCH, epoch=2, dead_units=0.125)
    path.write_text(written_by_another(old) + epoch_line(new))
    assert read_history(path) == ([EPOCH, new], [])
    assert '"dead_units": 0.125' in epoch_line(new)


@pytest.mark.parametrize("dead_units", [-0.1, 1.5, "0.5", True, [], math.nan])
def test_a_part_of_the_units_that_is_none_is_damage(tmp_path: Path, dead_units: object) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(written_by_another(dataclasses.asdict(EPOCH) | {"dead_units": dead_units}))
    assert read_history(path) == ([], [f"{path}: line 1 is damaged and left out"])


def test_a_torn_last_line_is_not_yet_there(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    line = epoch_line(EPOCH)
    for end in range(len(line)):
        path.write_text(line + line[:end])
        assert read_history(path) == ([EPOCH], [])
    path.write_text("garbage\n" + line)
    assert read_history(path) == ([EPOCH], [f"{path}: line 1 is damaged and left out"])


def test_a_line_from_before_dead_units_were_counted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    body = json.dumps({name: value for name, value in dataclasses.asdict(EPOCH).items() if name != "dead_units"})[:-1]
    path.write_text(f'{body}, "crc32": "{zlib.crc32(body.encode()):08x}"}}\n')
    assert read_history(path) == ([EPOCH], [])
    counted = dataclasses.replace(EPOCH, dead_units=0.25)
    path.write_text(epoch_line(counted))
    assert read_history(path) == ([counted], [])
