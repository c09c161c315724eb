"""Show that `tests.faults.inject` misses no call: compare what it counts with what strace sees of the same trainings.

    python -m tests.faults.against_strace

needs strace. The exit status is 1 if the two differ.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.faults.fork import forked
from tests.faults.inject import Faults
from tests.faults.scenes import SCENES, copied, digits, finish

_ROOT = Path(__file__).resolve().parent.parent.parent
_TRACED = (
    "open,openat,write,writev,pwrite64,ftruncate,truncate,fsync,fdatasync,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,symlink,symlinkat"
)
_LINE = re.compile(r"(\d+) +(\w+)\((.*)")
_NAMES = {
    "openat": "open",
    "writev": "write",
    "pwrite64": "write",
    "ftruncate": "truncate",
    "fdatasync": "fsync",
    "renameat": "rename",
    "renameat2": "rename",
    "linkat": "link",
    "unlinkat": "unlink",
    "mkdirat": "mkdir",
}


def counted(place: Path) -> None:
    """Run every scene once in a child, and print its process and its calls."""
    data = digits()
    for scene in SCENES.values():
        home, template = place / scene.name, place / f"{scene.name}-before"
        template.mkdir()
        prepared = forked(lambda scene=scene, template=template: scene.prepare(template, data))  # type: ignore[misc]
        assert not prepared.error, prepared.error
        copied(template, home)

        def train(scene: object = scene, home: Path = home) -> list[object]:
            faults = Faults(home)
            faults.install()
            finish(scene.begin(home, data))  # type: ignore[attr-defined]
            return [os.getpid(), faults.calls]

        ended = forked(train)
        assert not ended.error, ended.error
        print(json.dumps([scene.name, *ended.result]), flush=True)
    gc.unfreeze()  # as in `tests.faults`


def traced(output: Path, process: int, home: Path) -> Iterator[str]:
    """Yield the calls of a process's main thread below a home, as `tests.faults.inject.Faults.calls` has them."""
    root = f"{home}/"
    for line in output.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None or int(match[1]) != process:
            continue
        name, arguments = _NAMES.get(match[2], match[2]), match[3]
        if name == "open" and not re.search(r"O_WRONLY|O_RDWR|O_CREAT", arguments):
            continue
        if name in ("write", "fsync") or match[2] == "ftruncate":
            found = re.match(r"\d+<([^>]*)>", arguments)
            paths = [found[1]] if found else []
        else:
            paths = re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)
        if paths and paths[-1].startswith(root):
            yield f"{name} {paths[-1].removeprefix(root)}"


def main() -> None:
    """Compare, print a line per scene, and exit."""
    if len(sys.argv) > 1:
        counted(Path(sys.argv[1]))
        return
    is_equal = True
    with tempfile.TemporaryDirectory() as own:
        place, output = Path(own).resolve() / "place", Path(own) / "trace"
        place.mkdir()
        ran = subprocess.run(
            [
                *("strace", "-f", "-qq", "-y", "--seccomp-bpf", "-e", f"trace={_TRACED}", "-e", "signal=none"),
                *("-s", "0", "-o", str(output), sys.executable, "-m", "tests.faults.against_strace", str(place)),
            ],
            cwd=_ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        for line in ran.stdout.splitlines():
            scene, process, calls = json.loads(line)
            seen = list(traced(output, process, place / scene))
            differing = [pair for pair in itertools.zip_longest(calls, seen) if pair[0] != pair[1]]
            is_equal &= not differing
            print(f"{scene:<8}{len(calls)} calls counted, {len(seen)} seen by strace", *differing[:5])
    sys.exit(0 if is_equal else 1)


if __name__ == "__main__":
    main()
