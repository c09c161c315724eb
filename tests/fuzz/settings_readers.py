"""The readers of settings: files in TOML, presets, and what the command line's options say."""

from __future__ import annotations

import contextlib

from core.errors import SettingsError
from tests.fuzz.mutations import NASTY, NUMBERS, Draw, damaged_toml, deep, odd_value
from tests.fuzz.reader import OneFile, Reader, harmless


class SettingsToml(OneFile):
    """Settings in TOML, and what is done with them before anything is trained."""

    share = 160
    name = "settings.toml"
    worst = (
        lambda: b"a = " + deep(b"[", b"]", 60_000),
        lambda: b"a" + b".a" * 120_000 + b" = 1",
        lambda: b"".join(b"a." * 60 + b"k%d = 1\n" % at for at in range(1_900)),
        lambda: b"".join(b"[%s]\n" % b".".join([b"a%d" % at] * 60) for at in range(700)),
        lambda: b'"' * 250_000,
        lambda: b"'''" + b"x\n" * 120_000,
        lambda: b"[model]\nhidden = [" + b"{width=1}," * 480 + b"]\n" + b"hidden2 = 3\n" * 100,
        lambda: b"".join(b"[[model.hidden]]\nwidth=1\n" for _ in range(10_600)),
        lambda: b"[[model.hidden]]\nwidth = 1000000000\n",
        lambda: b"[[model.hidden]]\nwidth = " + b"9" * 4_000 + b"\n",
        lambda: b"x = [" + b"\n1," * 80_000 + b"\n]",
        lambda: b"".join(b"x%d = 1\n" % at for at in range(25_000)),
        lambda: b"[training]\nlearning_rate = 1e999\nbatch_size = " + b"9" * 400,
        lambda: b"a = {" + b"a = {" * 60 + b"}" * 61,
        lambda: b"[\n" * 120_000,
        lambda: b"a = [\n" + b"[\n" * 2_000 + b"]\n" * 2_001,
        lambda: b"x = " + b"1_" * 2_400 + b"1",
        lambda: b"t = 07:32:00." + b"9" * 4_900,
    )

    def damaged(self, draw: Draw, content: bytes) -> bytes:
        return damaged_toml(draw, content.decode())

    def read(self) -> object:
        from core.settings import read_settings

        return _use(read_settings(self.path))


class PresetsToml(SettingsToml):
    """The settings of presets, in TOML."""

    share = 60
    worst = ()

    def contents(self) -> list[bytes]:
        from core.presets import all_presets
        from core.settings import settings_to_toml

        return [settings_to_toml(preset.settings).encode() for preset in list(all_presets().values())[:8]]


class Assignments(Reader):
    """`--set K=V`, `--hidden` and `--dropout`, and the names of presets."""

    share = 100

    def write(self, draw: Draw, number: int) -> None:
        from core.settings import FIELDS

        names = [*FIELDS, "model.hidden", "model.hidden.1.dropout", "model.hidden.99.width", *NASTY]
        values = [
            *map(str, NUMBERS[:-5]),
            *NASTY,
            "1024-512",
            "1-" * 3_000 + "1",
            "0.5,0.2",
            "nan",
            "inf",
            "on",
            "()",
            "9" * 5_000,
        ]
        self.changes = [
            (draw.choice(names), draw.choice([*values, odd_value(draw)])) for _ in range(draw.choice((1, 1, 3)))
        ]

    def prepare(self) -> None:
        self.changes = [("training.epochs", "3")]

    def read(self) -> object:
        from core.presets import preset
        from core.settings import Settings, change_settings

        with contextlib.suppress(SettingsError):
            preset(str(self.changes[0][1]))
        return _use(change_settings(Settings(), self.changes))


def _use(settings: object) -> object:
    """Do with settings what a form, a check and a list do with them."""
    from core.cli.options import train_arguments
    from core.data.catalog import DataShape, ImageShape
    from core.settings import Settings, differences, settings_from_toml, settings_to_toml
    from core.size import size_of
    from core.trials.lineage import repeat_key
    from core.trials.summary import summary_of_settings

    assert isinstance(settings, Settings)
    size = size_of(settings, DataShape(ImageShape(3, 32, 32), 10, 50_000, 10_000))
    harmless(f"{size.memory.total / 1e9:,.1f} GB, {size.parameters:,} parameters")
    for change in differences(Settings(), settings):
        harmless(repr(str(change)))
    if len(settings.model.hidden) < 200:
        assert settings_from_toml(settings_to_toml(settings)) == settings
        train_arguments(settings, Settings(), None)
    summary_of_settings(settings, {"fingerprint": "", "test_images": 1})
    return repeat_key(settings, "")


READERS: dict[str, type[Reader]] = {"settings": SettingsToml, "presets": PresetsToml, "assignments": Assignments}
