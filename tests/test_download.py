"""Downloads, from a server of our own that serves miniature data sets in torchvision's formats."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision import datasets

from core.data.cache import cache_directory, downloads_directory, is_ready
from core.data.dataset import load_data
from core.data.download import download_set
from core.errors import DataError
from core.settings import DataSettings

FILES: dict[str, bytes] = {}
RNG = np.random.default_rng(0)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = FILES.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path.startswith("/cut") else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    FILES.clear()
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{serving.server_port}/"
    serving.shutdown()
    serving.server_close()
    thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def serve_cifar10(server: str, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    archive = io.BytesIO()
    images = RNG.integers(0, 256, (60, 3072), dtype=np.uint8)
    checksums = []
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for at, name in enumerate(names):
            part = {"data": images[10 * at : 10 * at + 10], "labels": list(range(10))}
            content = pickle.dumps(part)
            checksums.append([name, md5(content)])
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        content = pickle.dumps({"label_names": [f"class {label}" for label in range(10)]})
        entry = tarfile.TarInfo("cifar-10-batches-py/batches.meta")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    FILES["cifar.tar.gz"] = FILES["cut.tar.gz"] = archive.getvalue()
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{server}cifar.tar.gz")
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive.getvalue()))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", checksums[:5])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", checksums[5:])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(content)}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return images


def leftovers() -> list[str]:
    return [str(path) for path in cache_directory().rglob("*") if path.is_file()]


def test_cifar10_is_fetched_verified_read_and_cached(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = serve_cifar10(server, monkeypatch)
    assert not is_ready("cifar10")
    told: list[tuple[str, int, int]] = []
    data = load_data(DataSettings(source="cifar10"), lambda *progress: told.append(progress))
    assert told[0] == ("downloading cifar10", 0, 170_498_071)
    assert told[-1][1] > 0
    assert data.train.images.flatten(1).numpy().tolist() == images[:50].tolist()
    assert data.test.images.flatten(1).numpy().tolist() == images[50:].tolist()
    assert data.test.labels.tolist() == list(range(10))
    assert data.classes[3] == "class 3"
    assert is_ready("cifar10")
    FILES.clear()
    assert load_data(DataSettings(source="cifar10")).fingerprint == data.fingerprint


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_mnist_comes_from_the_first_mirror_that_answers(
    server: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind = datasets.MNIST if name == "mnist" else datasets.FashionMNIST
    images = {"train": RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)}
    images["t10k"] = images["train"][:7]
    resources = []
    for part, pixels in images.items():
        header = struct.pack(">iiii", 0x803, len(pixels), 28, 28)
        FILES[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(header + pixels.tobytes())
        labels = bytes(at % 10 for at in range(len(pixels)))
        FILES[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(struct.pack(">ii", 0x801, len(pixels)) + labels)
    resources = [(file, md5(content)) for file, content in FILES.items()]
    monkeypatch.setattr(kind, "resources", resources)
    monkeypatch.setattr(kind, "mirrors", [f"{server}nowhere/", server])
    data = load_data(DataSettings(source=name))
    assert data.train.images[:, 0].numpy().tolist() == images["train"].tolist()
    assert data.test.labels.tolist() == list(range(7))
    assert is_ready(name)


def test_svhn_is_read_from_its_matlab_files(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    split_list = {}
    for part in ("train", "test"):
        file = io.BytesIO()
        pixels = RNG.integers(0, 256, (32, 32, 3, 10), dtype=np.uint8)
        savemat(file, {"X": pixels, "y": np.arange(1, 11)[:, None]})
        FILES[f"{part}.mat"] = file.getvalue()
        split_list[part] = [f"{server}{part}.mat", f"{part}.mat", md5(file.getvalue())]
    monkeypatch.setattr(datasets.SVHN, "split_list", split_list)
    data = load_data(DataSettings(source="svhn"))
    assert data.test.images.permute(2, 3, 1, 0).numpy().tolist() == pixels.tolist()
    assert data.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def test_a_wrong_checksum_leaves_nothing(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_cifar10(server, monkeypatch)
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", "0" * 32)
    with pytest.raises(DataError, match=r"cannot download cifar10 \(170.5 MB\): what came has the wrong checksum"):
        load_data(DataSettings(source="cifar10"))
    assert leftovers() == []


@pytest.mark.parametrize(("path", "reason"), [("cut.tar.gz", "broke off"), ("missing.tar.gz", "404")])
def test_a_download_that_breaks_off_leaves_nothing(
    server: str, monkeypatch: pytest.MonkeyPatch, path: str, reason: str
) -> None:
    serve_cifar10(server, monkeypatch)
    monkeypatch.setattr(datasets.CIFAR10, "url", server + path)
    with pytest.raises(DataError, match=rf"cannot download cifar10 \(170.5 MB\): .*{reason}") as caught:
        load_data(DataSettings(source="cifar10"))
    assert "\n" not in str(caught.value)
    assert leftovers() == []


def test_no_connection_is_one_line_that_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(DataError, match=r"no connection; digits is built in"):
        load_data(DataSettings(source="cifar10"))
    assert leftovers() == []


def test_cancelling_a_download_leaves_nothing(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_cifar10(server, monkeypatch)

    class Cancelled(Exception):
        pass

    def cancel(_what: str, done: int, _total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        download_set("cifar10", cancel)
    assert leftovers() == []


def test_what_a_killed_download_left_is_swept_up(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_cifar10(server, monkeypatch)
    downloads_directory().mkdir(parents=True)
    old, new = downloads_directory() / "tmpabandoned", downloads_directory() / "tmpstillrunning"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    download_set("cifar10", lambda *_: None)
    assert {path.name for path in downloads_directory().iterdir()} == {"cifar-10-python.tar.gz", new.name}


def test_a_damaged_download_is_one_line(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_cifar10(server, monkeypatch)
    FILES["cifar.tar.gz"] = b"not a tar file"
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(b"not a tar file"))
    with pytest.raises(DataError, match="cannot read cifar10"):
        load_data(DataSettings(source="cifar10"))
