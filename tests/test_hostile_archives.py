"""Archives that come from strangers: whatever is wrong with one is told in a line, and nothing of it is left."""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from core.data.dataset import Dataset
from core.errors import TrialbookError
from core.trials.archive import LIMITS, MANIFEST
from core.trials.exchange import export_trial, import_trial
from core.trials.trial import Trial
from tests.archives import (
    Members,
    added,
    assert_refused,
    change,
    epochs,
    make_trial,
    members_of,
    pack,
    ran_on_data,
    replaced,
    summary,
    tensors,
    text,
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Trial:
    return make_trial(tmp_path_factory.mktemp("exported"), digits)


@pytest.fixture(scope="module")
def exported(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("file") / "one.trialbook"
    export_trial(trial, file)
    return file


# what is no such archive at all


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is no archive of a trial"),
        (b"PK\x05\x06" + bytes(18), "cannot import .*: (it holds no|it is damaged)"),
        (b"x" * 5_000, "no archive of a trial, or cut off"),
        (b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 60_000, 60_000, 10, 0, 0), "more than the files of a trial"),
        (b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 3, 3, 2**31, 0, 0), "more than the files of a trial"),
        (b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 3, 3, 100, 100, 0), "not where it should be"),
        (bytes(100) + b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 3, 3, 100, 0, 0), "it is damaged"),
    ],
)
def test_what_is_no_archive_is_one_line(tmp_path: Path, home: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    assert_refused(tmp_path / "file", home, message)


def test_what_cannot_be_read_is_one_line(tmp_path: Path, home: Path) -> None:
    assert_refused(tmp_path / "nothing", home, "cannot read .*nothing: No such file or directory")
    assert_refused(tmp_path, home, "cannot read .*: it is not a regular file")
    os.mkfifo(tmp_path / "pipe")
    assert_refused(tmp_path / "pipe", home, "cannot read .*: it is not a regular file")


def test_no_cut_and_no_changed_byte_gets_through(trial: Trial, exported: Path, tmp_path: Path) -> None:
    whole = exported.read_bytes()
    file = tmp_path / "file"
    rng = np.random.default_rng(0)
    for end in rng.integers(0, len(whole), 100):
        file.write_bytes(whole[:end])
        assert_refused(file, tmp_path / "cut", "cannot import")
    changed = 0
    for number, at in enumerate(rng.integers(0, len(whole), 300)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(8))
        file.write_bytes(bytes(damaged))
        try:
            back = import_trial(tmp_path / str(number), file)
        except TrialbookError:
            changed += 1
        else:  # a byte that means nothing, such as a member's date
            assert back.summary() == trial.summary()
            assert back.predictions(3).tolist() == trial.predictions(3).tolist()
    assert changed > 250


# archives that are sound as archives


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (replaced("settings.toml", None), "it holds no settings.toml"),
        (replaced("summary.json", None), "it holds no summary.json"),
        (replaced("ran_on.json", None), "it holds no ran_on.json"),
        (added("../evil"), "it holds ../evil, which is no file of a trial"),
        (added("/etc/passwd"), "it holds /etc/passwd, which is no"),
        (added("model.pt"), "it holds model.pt, which is no"),
        (added("live.json"), "it holds live.json, which is no"),
        (added("a\x1b[31m\nb"), r"it holds a\\x1b\[31m\\x0ab, which is no"),
        (added("sub/"), "it holds sub/, which is no"),
        (replaced("settings.toml", b"\xff"), "settings.toml is not UTF-8"),
        (replaced("settings.toml", b"training = 3 ="), "settings.toml: "),
        (replaced("settings.toml", b"[training]\nepochs = -1\nfoo = 1\n"), "cannot import [^\n]*: training"),
        (replaced("settings.toml", b"x" * 256_001), "settings.toml holds 256,001 bytes; 256,000 are allowed"),
        (replaced("settings.toml", b"a" + b".a" * 2_000), "dots and brackets"),
        (
            text("settings.toml", b"width = 16", b"width = 17"),
            "model.safetensors: .* the weights are of another network",
        ),
        (text("settings.toml", b"width = 16", b"width = 999999"), "but the settings' network has"),
        (text("settings.toml", b"width = 16", b"width = 999999999999"), "must be a whole number from 1 to 1,000,000"),
        (text("settings.toml", b"epochs = 3", b"epochs = 2"), "history.jsonl holds 3 epochs instead of at most 2"),
        (replaced("about.json", b"[]"), "about.json is not a JSON object"),
        (replaced("about.json", b"[" * 100_000), "about.json is not JSON"),
        (change("about.json", lambda old: {**old, "name": "x" * 999}), "the name x+…x+ has 999 characters"),
        (change("about.json", lambda old: {**old, "tags": list(range(99))}), "99 tags are too many"),
        (replaced("ran_on.json", b"null"), "ran_on.json is not a JSON object"),
        (replaced("ran_on.json", b'{"data": {"mean": NaN}}'), "ran_on.json is not JSON"),
        (replaced("ran_on.json", b'{"data": []}'), "ran_on.json does not describe the data"),
        (ran_on_data(fingerprint="\x1b"), "the data's fingerprint"),
        (ran_on_data(image_shape=[1, 8]), "the images' shape"),
        (ran_on_data(image_shape=[1, 8, -8]), "the images' shape"),
        (ran_on_data(image_shape=[1, 8, 9]), "model.safetensors: .* the weights are of another network"),
        (ran_on_data(image_shape=[1, 2**31 - 1, 2**31 - 1]), "but the settings' network has"),
        (ran_on_data(classes=[]), "the classes"),
        (ran_on_data(classes=list(range(10))), "the classes"),
        (ran_on_data(classes=[str(at) for at in range(300)]), "predictions holds 1,080 bytes instead of 2,160"),
        (ran_on_data(classes=["0"]), "predictions names a class that there is not"),
        (ran_on_data(test_images=True), "the number of images"),
        (ran_on_data(test_images=361), "predictions holds 1,080 bytes instead of 1,083"),
        (ran_on_data(test_images=2**31 - 1), "predictions holds 1,080 bytes instead of 6,442,450,941"),
        (ran_on_data(train_images=0), "the number of images"),
        (replaced("predictions", bytes(1_079)), "predictions holds 1,079 bytes instead of 1,080"),
        (replaced("predictions", bytes([10]) * 1_080), "predictions names a class that there is not"),
        (replaced("test_labels", bytes(359)), "test_labels holds 359 bytes instead of 360"),
        (replaced("test_labels", bytes([255]) * 360), "test_labels names a class that there is not"),
        (replaced("history.jsonl", None), "predictions holds 1,080 bytes instead of 0"),
        (replaced("history.jsonl", b"x\n"), "history.jsonl: line 1 is damaged"),
        (lambda members: {**members, "history.jsonl": members["history.jsonl"][:-1]}, "history.jsonl is cut off"),
        (
            lambda members: {**members, "history.jsonl": members["history.jsonl"] * 2},
            "history.jsonl: line 4 is damaged",
        ),
        (epochs(6), "history.jsonl holds 6 epochs instead of at most 3"),
        (epochs(2), "predictions holds 1,080 bytes instead of 720"),
        (epochs(1, epoch=3), "the epochs of history.jsonl do not count from 1"),
        (epochs(3, test_cost="x"), "history.jsonl: line 1 is damaged"),
        (epochs(3, test_cost=True), "history.jsonl: line 1 is damaged"),
        (summary(status="damaged"), "tells no status"),
        (summary(status={}), "tells no status"),
        (summary(id="../../evil"), "does not tell the trial's id"),
        (summary(id=5), "does not tell the trial's id"),
        (summary(id=".trash"), "does not tell the trial's id"),
        (summary(id="20260101-000000-00aaaa\n"), "does not tell the trial's id"),
        (summary(reason="x" * 200_000), "summary.json holds .* bytes; 100,000 are allowed"),
        (replaced("model.safetensors", b"x"), "model.safetensors holds 1 bytes, but"),
        (replaced("model.safetensors", b"\xff" * 6_000), "model.safetensors is no file of tensors"),
        (replaced("best.safetensors", bytes(6_000)), "best.safetensors is no file of tensors"),
        (tensors(lambda weights: weights["bn1.weight"].fill_(math.nan)), "bn1.weight in model.safetensors holds NaN"),
        (tensors(lambda weights: weights["bn1.weight"].fill_(math.nan), "best.safetensors"), "best.safetensors holds"),
        (tensors(lambda weights: weights.update(evil=weights.pop("bn1.weight"))), "bn1.weight is missing"),
        (tensors(lambda weights: weights.update({"\x1b": torch.zeros(1)})), r"\\x1b is unknown to the network"),
        (
            tensors(lambda weights: weights.update({"linear1.weight": weights["linear1.weight"].T.contiguous()})),
            r"linear1.weight has the shape \(64, 16\) instead of \(16, 64\)",
        ),
        (
            tensors(lambda weights: weights.update({"linear1.weight": weights["linear1.weight"].double()})),
            "model.safetensors .* instead of torch.float32",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(
    exported: Path, tmp_path: Path, home: Path, alter: Callable[[Members], Members], message: str
) -> None:
    assert_refused(pack(tmp_path / "file", alter(members_of(exported))), home, message)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({}, "does not tell the format"),
        ([], "does not tell the format"),
        ({"format": 2, "members": {}}, "it has the format 2; this version of Trialbook reads 1"),
        ({"format": 1}, "names other files than there are"),
        ({"format": 1, "members": {"settings.toml": "0"}}, "names other files than there are"),
        ({"format": 1, "members": dict.fromkeys(set(LIMITS) - {MANIFEST}, "0" * 64)}, "the checksum of .* is wrong"),
        ({"format": 1, "members": dict.fromkeys(set(LIMITS) - {MANIFEST})}, "the checksum of .* is wrong"),
        ("x" * 20_000, "manifest.json holds .* bytes; 10,000 are allowed"),
    ],
)
def test_a_wrong_manifest_is_one_line(
    exported: Path, tmp_path: Path, home: Path, manifest: object, message: str
) -> None:
    assert_refused(pack(tmp_path / "file", members_of(exported), manifest=manifest), home, message)


def test_links_and_folders_are_refused(exported: Path, tmp_path: Path, home: Path) -> None:
    for kind in (stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR):
        file = pack(tmp_path / "file", members_of(exported), external_attr=(kind | 0o777) << 16)
        assert_refused(file, home, "is a link or another special file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(exported: Path, tmp_path: Path, home: Path) -> None:
    members = members_of(exported)
    del members["about.json"]
    file = pack(tmp_path / "file", members)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("settings.toml", members["settings.toml"])
    assert_refused(file, home, "it holds settings.toml twice")


def test_a_name_that_goes_on_after_a_zero_byte_is_refused(exported: Path, tmp_path: Path, home: Path) -> None:
    file = pack(tmp_path / "file", members_of(exported))
    file.write_bytes(file.read_bytes().replace(b"test_labels", b"about.json\0"))
    assert_refused(file, home, r"about.json\\x00, which is no file|it is damaged")


@pytest.mark.parametrize("flag", [0x1, 0x40, 0x2000])
def test_encrypted_members_are_refused(exported: Path, tmp_path: Path, home: Path, flag: int) -> None:
    whole = bytearray(exported.read_bytes())
    at = whole.index(b"PK\x01\x02")  # the table of contents' first line
    whole[at + 8 : at + 10] = struct.pack("<H", flag)
    (tmp_path / "file").write_bytes(bytes(whole))
    assert_refused(tmp_path / "file", home, "is encrypted|it is damaged")


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(exported: Path, tmp_path: Path, home: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "file", "w", kind) as archive:
        for name, content in {**members_of(exported), MANIFEST: b"{}"}.items():
            archive.writestr(name, content)
    assert_refused(tmp_path / "file", home, "is compressed in a way that no trial is")


def test_compressed_weights_are_refused(exported: Path, tmp_path: Path, home: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members_of(exported), MANIFEST: b"{}"}.items():
            archive.writestr(name, content)
    assert_refused(tmp_path / "file", home, "safetensors is not stored as it is")


@pytest.mark.parametrize(
    ("name", "megabytes"), [("settings.toml", 100), ("ran_on.json", 100), ("history.jsonl", 60), ("predictions", 160)]
)
def test_a_bomb_is_not_unpacked(exported: Path, tmp_path: Path, home: Path, name: str, megabytes: int) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        for _ in range(megabytes):
            member.write(bytes(1_000_000))
    claimed = zipfile.ZipFile(stream).getinfo(name)
    others = {other: content for other, content in members_of(exported).items() if other != name}
    bomb = stream.getvalue()
    start = bomb.index(b"PK\x01\x02")
    sound = pack(tmp_path / "sound", others).read_bytes()
    table = sound.index(b"PK\x01\x02")
    entry = bytearray(bomb[start : bomb.index(b"PK\x05\x06")])
    for lie in (claimed.file_size, 1_000):  # what the table of contents says that it holds
        entry[24:28] = struct.pack("<L", lie)
        entry[42:46] = struct.pack("<L", table)  # its place
        entries = sound[table : sound.rindex(b"PK\x05\x06")] + bytes(entry)
        count = len(others) + 2
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), table + start, 0)
        (tmp_path / "file").write_bytes(sound[:table] + bomb[:start] + entries + end)
        tracemalloc.start()
        assert_refused(tmp_path / "file", home, "are allowed|names other files|instead of|is damaged")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
        tracemalloc.stop()


def test_an_archive_with_data_in_front_is_refused(exported: Path, tmp_path: Path, home: Path) -> None:
    (tmp_path / "file").write_bytes(b"#!/bin/sh\n" + exported.read_bytes())
    assert_refused(tmp_path / "file", home, "its table of contents is not where it should be")
    (tmp_path / "file").write_bytes(exported.read_bytes() + b"more")
    assert_refused(tmp_path / "file", home, "cut off")
