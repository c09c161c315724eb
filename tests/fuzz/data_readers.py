"""The readers of images, downloads and caches, and of what the console keeps."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np

from tests.fuzz.mutations import (
    NASTY,
    Draw,
    damaged_bytes,
    damaged_toml,
    damaged_value,
    json_text,
    odd_name,
)
from tests.fuzz.reader import OneFile, Reader, harmless


def png(width: int, height: int, depth: int = 8, kind: int = 2, rows: bytes | None = None) -> bytes:
    """Return a PNG that claims a size; without `rows` its pixels are zero, as many as it claims up to 16 million."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + name + content + struct.pack(">L", zlib.crc32(name + content))

    if rows is None:
        values = {0: 1, 2: 3, 6: 4}[kind] * depth // 8
        pixels = min(width * height, 16_000_000)
        rows = bytes((width * values + 1) * max(1, pixels // width))
    header = struct.pack(">2L5B", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def many_scans(scans: int) -> bytes:
    """Return a JPEG of 15 megapixels with so many scans, each of which is decoded over the whole image."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("L", (3_900, 3_900)).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    start = content.rindex(b"\xff\xda")
    last = content[start:-2]
    return content[:start] + last * scans + content[-2:]


class Images(OneFile):
    """One file of a folder of images, looked at and decoded."""

    share = 110
    name = "x.png"
    worst = (
        lambda: png(50_000, 50_000, rows=b""),
        lambda: png(4_000, 4_000),
        lambda: png(4_000, 4_000, 16, 0),
        lambda: png(4_000, 4_000, 16, 6),
        lambda: png(16_000_000, 1, 8, 0),
        lambda: png(1, 16_000_000, 8, 0),
        lambda: png(2**31 - 1, 2**31 - 1, rows=b""),
        lambda: png(4_000, 4_000, rows=b""),
        lambda: many_scans(400),
        lambda: b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 800_000,
        lambda: b"P6\n3999 3999\n255\n" + b"x" * 1_000,
        lambda: b"P5\n" + b"#" * 5_000_000,
        lambda: b"GIF89a\xff\xff\xff\xff\xf7\0\0" + bytes(1_000),
        lambda: b"BM" + b"\xff" * 200,
    )

    def prepare(self) -> None:
        super().prepare()
        self.target = self.place / "all.npy"
        np.save(self.target, np.zeros((1, 3, 8, 8), np.uint8))

    def contents(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.seeds.root / "images").iterdir())]

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        return damaged_bytes(draw, content)

    def read(self) -> object:
        from core.data.decode import decode_into, inspect_files
        from core.errors import DataError

        seen = inspect_files([str(self.path)])
        found = decode_into(str(self.target), [str(self.path)], 0, 3, (8, 8))
        for _, reason in (*seen.broken, *found.broken):
            if "Memory" in reason or not reason:
                raise MemoryError(reason)
            raise DataError(reason)
        return found


class Folders(Reader):
    """A folder of images with odd names, links and files in it."""

    share = 12

    def prepare(self) -> None:
        self.folder = self.place / "images"
        (self.folder / "train").mkdir(parents=True)
        self.images = [path.read_bytes() for path in sorted((self.seeds.root / "images").iterdir())]
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)

    def write(self, draw: Draw, number: int) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        classes = [odd_name(draw) for _ in range(draw.randrange(1, 4))]
        for part in ("train", "test"):
            for name in classes + [odd_name(draw)] * (draw.random() < 0.05):
                place = self.folder / part / name
                place.mkdir(parents=True, exist_ok=True)
                for _ in range(draw.choice((1, 2, 2, 3)) if draw.random() < 0.95 else 0):
                    self._put(
                        draw, place / f"{odd_name(draw)}{draw.choice(('.png', '.jpg', '.PNG', '.tif', '.txt', ''))}"
                    )
        self.skip = draw.random() < 0.7
        self.size = draw.choice(("auto", "auto", "8x8", "1x4096", "4096x1"))

    skip, size = True, "auto"

    def _put(self, draw: Draw, path: Path) -> None:
        way = draw.random()
        if path.exists() or path.is_symlink():
            return
        if way < 0.8:
            content = draw.choice(self.images)
            path.write_bytes(content if draw.random() < 0.8 else damaged_bytes(draw, content))
        elif way < 0.85:
            path.symlink_to(draw.choice(("/dev/zero", path.name, "/", "/etc/hostname", "missing", "..")))
        elif way < 0.9:
            os.mkfifo(path)
        elif way < 0.95:
            path.mkdir()
        else:
            path.write_bytes(b"")

    def read(self) -> object:
        from core.data.dataset import load_data
        from core.data.preview import preview_folder
        from core.settings import DataSettings

        preview_folder(self.folder, self.size)
        data = load_data(DataSettings(source=str(self.folder), skip_broken=self.skip, image_size=self.size))
        for remark in data.remarks:
            assert "\n" not in remark
        shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]) / "trialbook", ignore_errors=True)
        return data


class Downloads(Reader):
    """The files of a download, as they were unpacked; those of the other sets have checksums of their own."""

    share = 20

    def prepare(self) -> None:
        from core.data.cache import downloads_directory

        self.root = downloads_directory()
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.seeds.root / "mnist", self.root)
        self.files = {path: path.read_bytes() for path in sorted((self.root / "MNIST" / "raw").iterdir())}
        self.kept = self.place / "file"

    def write(self, draw: Draw, number: int) -> None:
        for path, content in self.files.items():
            path.write_bytes(content)
        path = draw.choice(list(self.files))
        content = self.files[path]
        if draw.random() < 0.5:  # the header: kind of numbers, axes, sizes
            header = bytearray(content[:16])
            at = draw.randrange(0, 13)
            header[at : at + 4] = struct.pack(
                ">L", draw.choice((0, 1, 0x800, 0x803, 0x80D, 0xE03, 2**24, 2**31 - 1, 2**32 - 1))
            )
            content = bytes(header[:16]) + content[16:]
        else:
            content = damaged_bytes(draw, content)
        path.write_bytes(content)
        self.kept.write_bytes(path.name.encode() + b"\n" + content)

    def read(self) -> object:
        from core.data.download import read_set

        return read_set("mnist")


class Caches(Reader):
    """Decoded images in the cache: whatever is there, it is used as it should be or not at all."""

    share = 60

    def prepare(self) -> None:
        from core.data.cache import entry_directory

        self.entry = entry_directory("name", "key")
        shutil.rmtree(self.entry, ignore_errors=True)
        self.entry.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for part, count in (("train", 6), ("test", 4)):
            np.save(self.entry / f"{part}_images.npy", rng.integers(0, 256, (count, 1, 4, 4), dtype=np.uint8))
            np.save(self.entry / f"{part}_labels.npy", np.arange(count) % 3)
        description = {"classes": ["a", "b", "c"], "fingerprint": "f", "broken": [[1, "why"]], "signature": "s"}
        (self.entry / "description.json").write_text(json.dumps(description))
        self.files = {path: path.read_bytes() for path in sorted(self.entry.iterdir())}
        self.kept = self.place / "file"

    def write(self, draw: Draw, number: int) -> None:
        for path, content in self.files.items():
            path.write_bytes(content)
        path = draw.choice(list(self.files))
        content = self.files[path]
        if path.suffix == ".json":
            content = json_text(draw, damaged_value(draw, json.loads(content)))
        elif draw.random() < 0.5:
            header = content[10:128].decode("latin1")
            for old in ("|u1", "<i8", "False", "(6, 1, 4, 4)", "(4,)", "(6,)", "(4, 1, 4, 4)"):
                new = draw.choice(
                    (old, old, "|O", "<f8", "True", "(1099511627776, 1, 4, 4)", "(-1,)", "(" * 40, "()", "1e9")
                )
                header = header.replace(old, new)
            content = content[:10] + header.encode("latin1")[:118].ljust(118) + content[128:]
        else:
            content = damaged_bytes(draw, content)
        path.write_bytes(content)
        self.kept.write_bytes(path.name.encode() + b"\n" + content)

    def read(self) -> object:
        from core.data.cache import cached_arrays
        from core.data.preview import set_counts
        from core.errors import DataError

        set_counts("cifar10")
        found = cached_arrays("name", "key", "s", None)
        if found is None:
            raise DataError("it is not used")
        arrays, description = found
        assert {int(label) for label in arrays["train_labels"]} <= set(range(len(description["classes"])))
        return [arrays[name].sum() for name in arrays]


class Config(OneFile):
    """The keys that a user has chosen, given to the console's bindings."""

    share = 60
    name = "config.toml"
    worst = (
        lambda: b"a" + b".a" * 30_000 + b" = 1",
        lambda: b"[keys]\nstart = " + b"9" * 10_000,
        lambda: b"[keys]\nstart = " + b"[" * 60_000,
        lambda: b'"' * 63_000,
        lambda: b"[" * 63_000,
        lambda: b"".join(b"a." * 15 + b"k%d = 1\n" % at for at in range(1_500)),
        lambda: b"[keys]\n" + b"".join(b'k%d = "x"\n' % at for at in range(5_000)),
        lambda: b'[keys]\nstart = "' + b"ctrl+" * 12_000 + b'"',
        lambda: b'[keys]\nstart = "' + b"a," * 30_000 + b'"',
    )

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        text = content.decode()
        if draw.random() < 0.5:
            key = draw.choice(
                (*NASTY, ",", ",,", "ctrl+", "+", "ctrl+ctrl+x", "f99", "é", " ", "escape", "a,", ",a", "\u200b")
            )
            lines = [
                "[keys]",
                *(f"{json.dumps(draw.choice(('start', 'help', 'curves.log', 'x')))} = {json.dumps(key)}",),
            ]
            text = "\n".join(lines)
        return damaged_toml(draw, text)

    def read(self) -> object:
        from textual.binding import BindingsMap
        from textual.keys import format_key

        from tui.actions import SCOPES, bindings
        from tui.keymap import read_keys

        chosen, problems = read_keys(self.path)
        assert len(problems) < 100
        for problem in problems:
            harmless(problem)
        for scope in SCOPES:
            BindingsMap(bindings(scope)).apply_keymap(dict(chosen))
        for keys in chosen.values():
            harmless(format_key(keys.split(",")[0]))
        return chosen


class State(OneFile):
    """What the console remembers: the draft, the layout and more."""

    share = 70
    name = "state.json"
    worst = (
        lambda: b"[" * 3_000_000,
        lambda: (
            b'{"draft": {"wrong": {' + b",".join(b'"model.hidden.%d.width": "x"' % at for at in range(90_000)) + b"}}}"
        ),
        lambda: _draft(wrong={f"model.hidden.{at}.width": "x" for at in range(3_000)}),
        lambda: _draft(wrong={f"model.hidden.1.{'0' * at}width": "x" for at in range(300)}),
        lambda: _draft(layers=30_000),
        lambda: _draft(wrong={"model.hidden": "1-" * 500_000 + "1"}),
        lambda: _draft(wrong={"model.hidden.*.dropout": "0," * 500_000 + "1"}),
        lambda: _draft(wrong={"training.epochs": "9" * 3_000_000}),
    )

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        return json_text(draw, damaged_value(draw, json.loads(content)))

    def read(self) -> object:
        from tui.draft import draft_from_dict, draft_to_dict
        from tui.plot.view import View
        from tui.state import read_state

        values = read_state(self.path)
        view = View.from_dict(values.get("view"))
        assert view.window(10)
        draft = draft_from_dict(values.get("draft"))
        assert draft.old_values is not None and draft.added_layers is not None
        for path in draft.wrong:
            draft.text_of(path)
        return json.dumps(draft_to_dict(draft))


def _draft(layers: int = 2, wrong: dict[str, str] | None = None) -> bytes:
    settings = {"model": {"hidden": [{"width": 1}] * layers}}
    draft = {"settings": settings, "begin": {}, "parent": None, "name": "", "note": "", "wrong": wrong or {}}
    return json.dumps({"draft": draft}).encode()


READERS: dict[str, type[Reader]] = {
    "images": Images,
    "folders": Folders,
    "downloads": Downloads,
    "caches": Caches,
    "config": Config,
    "state": State,
}
