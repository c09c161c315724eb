"""The valid files that are damaged: two trials, what is exported of them, images, a download, what a console keeps."""

from __future__ import annotations

import dataclasses
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Seeds:
    """Where the valid files are.

    Attributes:
        root: The directory of all.
    """

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def trials(self) -> list[Path]:
        """The directories of two trials, the second one derived from the first."""
        return sorted((self.home / "saved_models").iterdir())

    @property
    def trial(self) -> Path:
        return self.trials[-1]

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


def make_seeds(root: Path) -> Seeds:
    """Write all valid files below a directory."""
    from core.data.dataset import load_data
    from core.session import train
    from core.settings import DataSettings, Settings, change_settings, settings_to_toml
    from core.trials.exchange import export_trial
    from core.trials.trial import Trial
    from tui.draft import Draft, draft_to_dict, edited

    seeds = Seeds(root)
    digits = load_data(DataSettings())
    small = dataclasses.replace(
        digits,
        train=dataclasses.replace(digits.train, images=digits.train.images[:256], labels=digits.train.labels[:256]),
        test=dataclasses.replace(digits.test, images=digits.test.images[:40], labels=digits.test.labels[:40]),
    )
    settings = change_settings(Settings(), {"model.hidden": "12-6", "training.epochs": 3})
    *_, first = train(settings, small, home=seeds.home)
    changed = change_settings(settings, {"training.learning_rate": 0.01, "training.optimizer": "sgd"})
    parent = first.trial.id  # type: ignore[union-attr]
    list(train(changed, small, home=seeds.home, parent=parent, name="nämé", note="wider", tags=("a", "b")))
    export_trial(Trial(seeds.trial), root / "one.trialbook")
    (root / "live.json").write_text(json.dumps({"event": "progress", **_progress()}))
    (root / "request").write_text("finish\n")
    draft = edited(
        edited(Draft(settings, changed, parent, "name", "note"), "training.epochs", "x"), "model.hidden", "9-9"
    )
    state = {
        "version": 1,
        "draft": draft_to_dict(draft),
        "theme": "nord",
        "panel": "curves",
        "alone": False,
        "cursors": {"architecture": "model.hidden.1.width", "training": "training.epochs"},
        "view": {"quantity": "cost", "log": True, "smoothing": 0.5, "first": 1, "last": 3, "cursor": 2},
        "history": {"sort": 5, "reverse": True, "filter": "digits", "tree": True, "best": True, "selected": parent},
        "data": {"folders": ["/tmp/images"]},
        "overlays": [parent],
        "shown": parent,
    }
    (root / "state.json").write_text(json.dumps(state))
    (root / "config.toml").write_text('[keys]\nstart = "f5"\n"curves.log" = "ctrl+l"\npause = "p,space"\n')
    (root / "settings.toml").write_text(settings_to_toml(changed))
    _make_images(root / "images")
    _make_mnist(root / "mnist")
    return seeds


def _progress() -> dict[str, float]:
    from core.events import Progress

    numbers = {field.name: 1 for field in dataclasses.fields(Progress)}
    return {**numbers, "epoch": 4, "step": 1, "steps": 2}


def _make_images(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    color = Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8))
    smooth = Image.fromarray(np.add.outer(np.arange(40), np.arange(48)).astype(np.uint8) * 2)
    for name, options in (
        ("a.png", {}), ("b.jpg", {"quality": 60}), ("c.jpg", {"progressive": True, "quality": 60}), ("d.bmp", {}),
        ("e.gif", {}), ("f.webp", {}), ("g.ppm", {}), ("h.tif", {}), ("i.tif", {"compression": "tiff_lzw"}),
        ("j.tif", {"compression": "tiff_adobe_deflate"}), ("k.webp", {"lossless": True}), ("l.png", {"dpi": (72, 72)}),
    ):  # fmt: skip
        color.save(folder / name, **options)
    smooth.convert("P").save(folder / "m.png")
    smooth.convert("1").save(folder / "n.png")
    smooth.save(folder / "o.jpg")
    Image.fromarray((rng.integers(0, 65_536, (6, 6))).astype(np.uint16)).save(folder / "p.png")
    color.convert("RGBA").save(folder / "q.png")
    color.convert("CMYK").save(folder / "r.jpg")
    color.quantize(8).save(folder / "s.gif", save_all=True, append_images=[color.quantize(4)])


def _make_mnist(folder: Path) -> None:
    """Write files as they are unpacked from a download of MNIST, with few images."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 8)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8).tobytes()
        labels = rng.integers(0, 10, count, dtype=np.uint8).tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4L", 0x803, count, 28, 28) + images)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2L", 0x801, count) + labels)
