"""Folders of images: listed, decoded once, cached, and honest about what is broken."""

from __future__ import annotations

import os
import shutil
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from core.data import cache
from core.data import folder as folder_module
from core.data.catalog import KNOWN_SETS
from core.data.dataset import Dataset, load_data
from core.data.decode import decode_into
from core.data.folder import list_folder
from core.errors import DataError
from core.settings import DataSettings
from tests.conftest import make_image, run_python


def load(root: Path, **settings: object) -> Dataset:
    return load_data(DataSettings(source=str(root), **settings))  # type: ignore[arg-type]


def test_the_digits_are_all_there_and_divided_alike(digits: Dataset) -> None:
    known = KNOWN_SETS["digits"]
    assert digits.shape.image == known.shape
    assert (len(digits.train), len(digits.test)) == (known.train_images, known.test_images)
    counts = torch.bincount(digits.test.labels)
    assert counts.min() >= 35
    assert digits.train.images.dtype == torch.uint8
    assert digits.train.images.max() == 255


def test_a_folder_is_read_as_torchvision_reads_it(folder: Path) -> None:
    data = load(folder)
    for part, images in (("train", data.train), ("test", data.test)):
        reference = ImageFolder(str(folder / part))
        assert data.classes == tuple(reference.classes)
        assert images.labels.tolist() == reference.targets
        pixels = np.stack([np.asarray(image).transpose(2, 0, 1) for image, _ in reference])
        assert np.array_equal(images.images.numpy(), pixels)
    assert data.test_files[0] == "test/ant/00.png"


@pytest.mark.parametrize(
    ("mode", "name"), [("CMYK", "a.jpg"), ("P", "a.png"), ("LA", "a.png"), ("1", "a.png"), ("RGBA", "a.png")]
)
def test_other_modes_are_converted_as_pillow_does(folder: Path, mode: str, name: str) -> None:
    rgb = Image.fromarray(np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    path = folder / "train/ant" / name
    rgb.convert(mode).save(path)
    with Image.open(path) as image:
        wanted = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    data = load(folder)
    position = list_folder(folder).files.index(f"train/ant/{name}")
    assert np.array_equal(data.train.images[position].numpy(), wanted)


def test_sixteen_bits_become_eight_by_scaling(tmp_path: Path) -> None:
    deep = np.array([[0, 257, 65535], [32896, 128, 129]], dtype=np.uint16)
    for part in ("train", "test"):
        for name in ("one", "two"):
            path = tmp_path / part / name / "deep.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(deep).save(path)
    data = load(tmp_path)
    assert data.shape.image.channels == 1
    assert data.train.images[0, 0].tolist() == [[0, 1, 255], [128, 0, 1]]


def test_grey_images_stay_grey_until_one_has_color(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for number in range(3):
            make_image(tmp_path / part / "ab"[number % 2] / f"{number}.png", number, mode="L")
    assert load(tmp_path).shape.image.channels == 1
    make_image(tmp_path / "train/a/9.png", 9)
    assert load(tmp_path).shape.image.channels == 3


def test_images_take_the_most_common_size_or_the_stated_one(folder: Path) -> None:
    make_image(folder / "train/ant/odd.png", 7, size=(20, 4))
    assert str(load(folder).shape.image) == "8x8 RGB"
    assert str(load(folder, image_size="5x6").shape.image) == "5x6 RGB"


def test_the_size_of_most_counts_also_where_a_sample_misleads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "SAMPLE", 1)
    make_image(folder / "train/ant/-.png", 7, size=(20, 4), mode="L")
    assert str(load(folder).shape.image) == "8x8 RGB"


def test_broken_files_are_named_counted_and_only_left_out_when_asked(folder: Path) -> None:
    whole = (folder / "train/ant/00.png").read_bytes()
    (folder / "train/ant/00.png").write_bytes(whole[: len(whole) // 2])
    (folder / "train/bee/01.png").write_text("no image")
    (folder / "test/bee/02.png").write_bytes(b"")
    (folder / "train/ant/gone.png").symlink_to(folder / "nowhere.png")
    with pytest.raises(DataError) as caught:
        load(folder)
    message = str(caught.value)
    assert message.startswith("4 of 37 images cannot be read: train/ant/00.png (")
    assert "train/bee/01.png (not an image in a known format)" in message
    assert all(name in message for name in ("test/bee/02.png", "train/ant/gone.png (No such file or directory)"))
    assert message.endswith("; skip broken images (--skip-broken) goes on without them")
    assert "\n" not in message
    data = load(folder, skip_broken=True)
    assert (len(data.train), len(data.test)) == (22, 11)
    assert data.remarks[0].startswith("left out: 4 of 37")
    assert "test/bee/02.png" not in data.test_files
    assert len(data.test_files) == 11
    assert torch.bincount(data.train.labels).tolist() == [11, 11]


def test_of_many_broken_files_the_first_ten_are_named(folder: Path) -> None:
    for number in range(12):
        (folder / f"train/bee/{number:02}.png").write_text("no image")
    with pytest.raises(
        DataError, match=r"12 of 36 images cannot be read: .*train/bee/09\.png .* and 2 more; skip broken images"
    ):
        load(folder)


def test_an_image_bomb_is_refused_before_it_is_decoded(folder: Path) -> None:
    Image.new("1", (8000, 8000)).save(folder / "train/ant/bomb.png")
    with pytest.raises(DataError, match=r"bomb\.png \(64 megapixels, more than the 16 that are read\)"):
        load(folder)


def test_files_that_are_no_images_are_counted(folder: Path) -> None:
    (folder / "train/ant/notes.txt").write_text("x")
    (folder / "train/ant/.hidden.png").write_text("x")
    assert load(folder).remarks == ("left out: 1 file without the name of an image",)


def test_classes_without_a_test_image_are_named(folder: Path) -> None:
    for name in ("cat", "dog"):
        make_image(folder / f"train/{name}/00.png", 3)
    (folder / "test/dog").mkdir()
    remark = "no test image is of 2 classes: cat, dog, which the test accuracy says nothing of"
    assert load(folder).remarks == (remark,)
    (folder / "test/cat").mkdir()
    (folder / "test/cat/00.png").write_text("no image")
    left_out, again = load(folder, skip_broken=True).remarks
    assert left_out.startswith("left out: 1 of ") and again == remark
    make_image(folder / "test/cat/00.png", 3)
    assert load(folder).remarks == ("no test image is of the class dog, which the test accuracy says nothing of",)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "there is no folder"),
        (lambda root: shutil.rmtree(root / "test"), "has no folder test"),
        (lambda root: [shutil.rmtree(path) for path in (root / "train").iterdir()], "train has no folders"),
        (lambda root: [shutil.rmtree(root / part / "ant") for part in ("train", "test")], "train has one class, so"),
        (lambda root: [path.unlink() for path in (root / "train/ant").iterdir()], "train/ant holds no images"),
        (lambda root: [path.unlink() for path in (root / "test").glob("*/*")], "test holds no images"),
        (lambda root: (root / "test/bee").rename(root / "test/cow"), "test has the class cow, which train does not"),
    ],
)
def test_a_folder_that_is_laid_out_wrongly_is_one_line(folder: Path, damage: object, message: str) -> None:
    damage(folder)  # type: ignore[operator]
    with pytest.raises(DataError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_the_cache_is_used_until_the_folder_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(folder)
    monkeypatch.setattr("core.data.dataset.decode_folder", lambda *_: pytest.fail("decoded again"))
    assert load(folder).fingerprint == first.fingerprint
    monkeypatch.undo()
    make_image(folder / "train/ant/00.png", 999)
    os.utime(folder / "train/ant/00.png", ns=(1, 1))
    assert load(folder).fingerprint != first.fingerprint
    (folder / "train/ant/01.png").unlink()
    assert len(load(folder).train) == 23


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train_images.npy", lambda content: content[:-1]),
        ("train_images.npy", lambda _: b""),
        ("test_labels.npy", lambda _: b""),
        ("test_labels.npy", lambda content: content[:-8] + b"\x09" + bytes(7)),
        ("test_images.npy", lambda content: content.replace(b"|u1", b"|i1")),
        ("description.json", lambda _: b"[" * 100_000),
        ("description.json", lambda content: content.replace(b'"broken": []', b'"broken": [[1]]')),
        ("description.json", lambda content: content.replace(b'["ant", "bee"]', b"null")),
        ("description.json", lambda content: content.replace(b'["ant", "bee"]', b'["ant"]')),
    ],
)
def test_a_damaged_cache_is_built_anew(folder: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    first = load(folder)
    entry = max((cache.cache_directory() / "images").glob("images-*"), key=lambda path: path.stat().st_ctime_ns)
    content = (entry / name).read_bytes()
    (entry / name).write_bytes(damage(content))
    assert (entry / name).read_bytes() != content
    assert load(folder).fingerprint == first.fingerprint
    assert not [path for path in (cache.cache_directory() / "images").iterdir() if path.name.startswith(".")]


def test_a_file_in_anothers_place_is_noticed(tmp_path: Path) -> None:
    """Same names, sizes and times: two images change places, and one is overwritten keeping its time."""
    for part in ("train", "test"):
        for number, name in enumerate(("a", "b")):
            make_image(tmp_path / part / name / "0.bmp", number)
            os.utime(tmp_path / part / name / "0.bmp", ns=(1, 1))
    first = load(tmp_path)
    one, other = tmp_path / "train/a/0.bmp", tmp_path / "train/b/0.bmp"
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    swapped = load(tmp_path)
    assert torch.equal(swapped.train.images, first.train.images.flip(0))
    make_image(one, 77)
    os.utime(one, ns=(1, 1))
    assert not torch.equal(load(tmp_path).train.images, swapped.train.images)


def test_what_killed_processes_left_is_swept_after_a_day(folder: Path) -> None:
    load(folder)
    images = cache.cache_directory() / "images"
    for name, age in ((".old-1.abcd", 100_000), (".new-1.abcd", 10)):
        (images / name).mkdir()
        os.utime(images / name, (time.time() - age,) * 2)
    make_image(folder / "train/ant/new.png", 1)
    load(folder)
    assert not (images / ".old-1.abcd").exists()
    (images / ".new-1.abcd").rmdir()


def test_pipes_and_loops_are_broken_images_and_nothing_waits_for_them(folder: Path) -> None:
    os.mkfifo(folder / "train/ant/pipe.png")
    (folder / "train/ant/loop.png").symlink_to("loop.png")
    with pytest.raises(DataError, match=r"2 of 38 images cannot be read.*loop\.png .*pipe\.png \(not a regular file\)"):
        load(folder)
    assert len(load(folder, skip_broken=True).train) == 24


def test_pixels_of_unknown_range_are_broken_and_white_may_be_zero(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            make_image(tmp_path / part / name / "0.png", 1, mode="L")
    path = tmp_path / "train/a/1.tif"
    Image.fromarray(np.full((8, 8), 70_000, dtype=np.int32)).save(path)
    with pytest.raises(DataError, match="1.tif .*whose range is not known"):
        load(tmp_path)
    Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32)).save(path)
    with pytest.raises(DataError, match="floating-point"):
        load(tmp_path)
    Image.fromarray(np.full((8, 8), 65535, dtype=np.uint16)).save(path, tiffinfo={262: 0})
    assert load(tmp_path).train.images[1].unique().tolist() == [0]


def test_a_cache_that_cannot_be_written_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot keep decoded images in .*: Not a directory"):
        load(folder)


def test_many_files_are_decoded_in_parallel_with_progress_and_no_process_stays(tmp_path: Path) -> None:
    source = make_image(tmp_path / "one.png", 1)
    for part, count in (("train", 2100), ("test", 100)):
        for name in ("a", "b"):
            (tmp_path / "many" / part / name).mkdir(parents=True)
            for number in range(count // 2):
                os.link(source, tmp_path / "many" / part / name / f"{number}.png")
    code = """
import sys, psutil
from core.data.dataset import load_data
from core.settings import DataSettings
told = []
data = load_data(DataSettings(source=sys.argv[1]), lambda what, done, total: told.append((what, done, total)))
assert told[0] == ("decoding images", 0, 2200) and told[-1] == ("decoding images", 2200, 2200), told
assert [done for _, done, _ in told] == sorted(done for _, done, _ in told) and len(told) > 5
assert (data.train.images == data.test.images[0]).all()
assert not [c for c in psutil.Process().children() if "resource_tracker" not in " ".join(c.cmdline())]
"""
    ran = run_python(code, tmp_path / "many")
    assert ran.returncode == 0, ran.stderr


def test_cancelling_leaves_nothing_half_built(folder: Path) -> None:
    class Cancelled(Exception):
        pass

    def cancel(_what: str, done: int, _total: int) -> None:
        if done:
            raise Cancelled

    before = set((cache.cache_directory() / "images").glob("*"))
    with pytest.raises(Cancelled):
        load_data(DataSettings(source=str(folder), image_size="9x9"), cancel)
    assert set((cache.cache_directory() / "images").glob("*")) == before


def test_an_image_size_is_for_folders_only() -> None:
    with pytest.raises(DataError, match="image_size is for folders"):
        load_data(DataSettings(image_size="9x9"))


def test_the_tiff_library_writes_nothing_past_python(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.tif"
    Image.fromarray(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3)).save(path, compression="tiff_adobe_deflate")
    content = bytearray(path.read_bytes())
    content[100] ^= 255
    path.write_bytes(content)
    np.save(tmp_path / "all.npy", np.zeros((1, 3, 32, 32), np.uint8))
    assert decode_into(str(tmp_path / "all.npy"), [str(path)], 0, 3, (32, 32)).broken
    assert capfd.readouterr() == ("", "")


def test_a_png_that_claims_a_chunk_of_gigabytes_takes_no_memory_for_it(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
    content = path.read_bytes()
    at = content.index(b"IDAT")
    path.write_bytes(content[: at - 4] + (3 * 10**9).to_bytes(4, "big") + content[at:])
    np.save(tmp_path / "all.npy", np.zeros((1, 1, 8, 8), np.uint8))
    tracemalloc.start()
    found = decode_into(str(tmp_path / "all.npy"), [str(path)], 0, 1, (8, 8))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    assert [reason for _, reason in found.broken if "Memory" in reason] == []


def test_a_folder_that_cannot_fit_into_memory_is_refused_before_it_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.folder.psutil.virtual_memory", lambda: SimpleNamespace(available=1_000))
    monkeypatch.setattr("core.data.folder.decode_into", pytest.fail)
    with pytest.raises(DataError, match="36 images of 8x8 pixels take .* choose a smaller image size"):
        load_data(DataSettings(source=str(folder)))
