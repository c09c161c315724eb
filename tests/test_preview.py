"""What the data screens tell of a data set before it is used, checked against what loading it then gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.catalog import KNOWN_SETS, ImageShape
from core.data.dataset import Dataset, load_data
from core.data.download import _files
from core.data.preview import DOWNLOADED_FILES, data_state, preview_folder, set_counts
from core.errors import DataError
from core.settings import DataSettings
from tests.conftest import Ran, make_image, run_python


def test_a_folder_is_told_as_it_is_then_loaded(folder: Path) -> None:
    (folder / "train/ant/notes.txt").touch()
    make_image(folder / "train/bee/more.png", 5)
    preview = preview_folder(folder)
    assert preview.classes == ("ant", "bee")
    assert (preview.train_counts, preview.test_counts) == ((12, 13), (6, 6))
    assert (preview.ignored, preview.inspected, preview.unreadable) == (1, 37, 0)
    assert preview.shape == load_data(DataSettings(source=str(folder))).shape


def test_a_decoded_folder_is_told_without_opening_an_image(folder: Path) -> None:
    make_image(folder / "train/ant/grey.png", 5, size=(4, 6), mode="L")
    before = preview_folder(folder)
    load_data(DataSettings(source=str(folder), image_size="4x6"))
    resized = preview_folder(folder, "4x6")
    assert resized.inspected == 0
    assert resized.shape.image == ImageShape(3, 4, 6)
    assert preview_folder(folder) == before  # this size is not decoded: the files are looked at again
    make_image(folder / "train/ant/one_more.png", 6)
    changed = preview_folder(folder, "4x6")
    assert changed.inspected == 38  # the folder has changed since it was decoded
    assert sum(changed.train_counts) == 26


def test_files_that_cannot_be_read_are_counted(folder: Path) -> None:
    (folder / "train/ant/03.png").write_bytes(b"no image")
    assert (preview_folder(folder).inspected, preview_folder(folder).unreadable) == (36, 1)
    load_data(DataSettings(source=str(folder), skip_broken=True))
    assert (preview_folder(folder).inspected, preview_folder(folder).unreadable) == (0, 1)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of 36 images looked at can be read; train/ant/00.png: not an image"):
        preview_folder(folder)


def test_what_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no folder train"):
        preview_folder(Path("/"))
    (tmp_path / "train/ant").mkdir(parents=True)
    (tmp_path / "test/ant").mkdir(parents=True)
    with pytest.raises(DataError, match="train/ant holds no images"):
        preview_folder(tmp_path)


def test_listing_can_be_cancelled(folder: Path) -> None:
    class Cancelled(Exception):
        pass

    told: list[tuple[str, int, int]] = []

    def cancel(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        preview_folder(folder, on_progress=cancel)
    assert told == [("listing images", done, 4) for done in range(3)]


def test_the_digits_are_counted_as_they_are(digits: Dataset) -> None:
    counts = set_counts("digits")
    assert counts is not None
    assert counts.classes == digits.classes
    assert counts.train == tuple(digits.train.labels.bincount().tolist())
    assert counts.test == tuple(digits.test.labels.bincount().tolist())
    state = data_state("digits")
    assert state.name == "built in"
    assert state.disk_bytes > 1797 * 64


def test_the_state_says_how_far_a_set_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_state("digits").name == "built in"
    assert set_counts("digits") is None
    for name, files in DOWNLOADED_FILES.items():
        assert (data_state(name).name, data_state(name).disk_bytes) == ("not downloaded", 0)
        assert set_counts(name) is None
        for file in files:
            assert data_state(name).name == "not downloaded"
            path = tmp_path / "trialbook/downloads" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"1234")
        assert (data_state(name).name, data_state(name).disk_bytes) == ("downloaded", 4 * len(files))


def test_the_files_of_a_download_are_those_that_torchvision_looks_for() -> None:
    assert set(DOWNLOADED_FILES) == {name for name, known in KNOWN_SETS.items() if known.download_bytes}
    for name, files in DOWNLOADED_FILES.items():
        assert {str(Path(file.folder) / file.name) for file in _files(name)} == set(files)


def test_the_command_line_tells_the_same_state(trialbook: Callable[..., Ran]) -> None:
    lines = {line.split()[0]: line.rstrip() for line in trialbook("data").lines[1:7]}
    assert lines["digits"].endswith("built in")
    assert lines["svhn"].endswith("not downloaded")


def test_a_preview_comes_without_torch(folder: Path) -> None:
    ran = run_python(
        """
import sys
from pathlib import Path
from core.data.preview import data_state, preview_folder
assert preview_folder(Path(sys.argv[1])).shape.train_images == 24
data_state("cifar10")
assert not {"torch", "torchvision", "sklearn", "scipy"} & set(sys.modules)
""",
        folder,
    )
    assert ran.returncode == 0, ran.stderr
