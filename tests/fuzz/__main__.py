"""Fuzz every reader of a file that can come from anybody.

    python -m tests.fuzz [--inputs 100000] [--seed N] [READER ...]

Each reader is given valid files with damages of their own kind (values of another type, huge numbers, deep nesting,
control characters, headers that lie about sizes, cut and doubled blocks), and its own worst cases first. An input must
end in a value or in one TrialbookError whose lines are lines, within 2 s of processor time and 300 MB. The table tells
how many did; those that did not are kept in a directory that is named. The exit status is 1 if there are any.

An input is its reader, the seed and its number alone: `--first N --inputs 1 READER` makes one again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.readers import READERS
from tests.fuzz.run import run_reader
from tests.fuzz.seeds import Seeds, make_seeds

_TOLD = 10  # failures of each reader


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("readers", nargs="*", metavar="READER", help=f"one of {', '.join(READERS)}; default: all")
    parser.add_argument("--inputs", type=int, default=100_000, help="how many altogether")
    parser.add_argument("--first", type=int, default=0, help="the number of each reader's first input")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    names = asked.readers or list(READERS)
    keep = Path(tempfile.mkdtemp(prefix="fuzz-failures-"))
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as place:
        os.environ.update({name: f"{place}/{name}" for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")})
        root = Path(place) / "seeds"
        root.mkdir()
        torch.set_num_threads(1)  # a child that is forked has none of the threads that its parent had
        make_seeds(root)
        whole = sum(READERS[name].share for name in names)
        print(
            f"{'reader':<14}{'inputs':>8}{'refused':>9}{'accepted':>9}{'slowest s':>10}{'peak MB':>9}{'wall s':>8}",
            flush=True,
        )
        total = 0
        for name in names:
            count = max(1, -(-asked.inputs * READERS[name].share // whole))
            begin = time.monotonic()
            tally = _run(name, root, asked.seed, range(asked.first, asked.first + count), Path(place), keep)
            print(
                f"{name:<14}{tally['inputs']:>8}{tally['refused']:>9}{tally['accepted']:>9}{tally['seconds']:>10.2f}"
                f"{tally['memory'] / 1e6:>9.0f}{time.monotonic() - begin:>8.0f}",
                flush=True,
            )
            print("".join(f"    {failure}\n" for failure in tally["failures"][:_TOLD]), end="", flush=True)
            failures += tally["failures"]
            total += tally["inputs"]
    print(f"{total:,} inputs with seed {asked.seed}, {len(failures)} failures")
    if not failures:
        keep.rmdir()
    return int(bool(failures))


def _run(name: str, root: Path, seed: int, inputs: range, place: Path, keep: Path) -> dict[str, Any]:
    scratch = place / f"scratch-{name}"
    scratch.mkdir()
    told = place / "tally"
    child = os.fork()  # not a fresh interpreter, which would import torch for each reader
    if child == 0:
        status = 1
        try:
            tally = run_reader(name, Seeds(root), seed, inputs, scratch, keep)
            told.write_text(json.dumps(vars(tally)))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status == 0:
        read: dict[str, Any] = json.loads(told.read_text())
        return read
    kept = keep / f"{name}-died"
    scratch.rename(kept)
    died = f"{name}: the process died with status {os.waitstatus_to_exitcode(status)} ({kept})"
    return {"inputs": 0, "refused": 0, "accepted": 0, "seconds": 0.0, "memory": 0, "failures": [died]}


if __name__ == "__main__":
    sys.exit(main())
