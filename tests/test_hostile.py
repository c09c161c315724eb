"""A corpus of hostile files, each given to the real command line: one line, exit status 1, and no memory taken.

Weights, exported trials, names in lists and on the console's screens have their own in test_weights_and_evaluation,
test_exchange, test_cli, test_report and test_console_terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.data.dataset import Dataset
from core.session import train
from core.settings import Settings, change_settings, settings_to_toml
from core.trials.history import MAX_EPOCHS
from core.trials.trial import Trial
from tests.conftest import Ran, make_image
from tests.fuzz.data_readers import many_scans, png
from tests.fuzz.mutations import zip_of
from tests.fuzz.reader import harmless
from tests.fuzz.trial_damages import body_with_checksum
from tests.fuzz.trial_damages import line as epoch_line
from tests.fuzz.weight_readers import many_entries, many_views, pickled, tensors
from tui.draft import Draft, draft_from_dict, draft_to_dict
from tui.keymap import read_keys

Trialbook = Callable[..., Ran]
LIMIT = 100_000_000  # bytes


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, digits: Dataset) -> Path:
    """A home with one trial of three epochs, of which the third was not trained."""
    home = tmp_path_factory.mktemp("template")
    settings = change_settings(Settings(), {"model.hidden": "16-8", "training.epochs": 2})
    started, *_ = train(settings, digits, home=home)
    trial: Trial = started.trial  # type: ignore[union-attr]
    text = settings_to_toml(change_settings(settings, {"training.epochs": 3}))
    (trial.directory / "settings.toml").write_text(text)
    summary = json.loads((trial.directory / "summary.json").read_text())
    (trial.directory / "summary.json").write_text(json.dumps({**summary, "status": "stopped"}))
    return home


@pytest.fixture
def trial(template: Path, home: Path) -> Trial:
    shutil.copytree(template, home)
    (directory,) = (home / "saved_models").iterdir()
    return Trial(directory)


def assert_one_line(ran: Ran, *words: str) -> None:
    assert ran.status == 1, (ran.out, ran.err)
    assert len(ran.complaints) == 1, ran.err
    assert "unexpected error" not in ran.err
    harmless(ran.err)
    harmless(ran.out)
    for word in words:
        assert word in ran.err


def assert_little_memory(call: Callable[[], Ran]) -> Ran:
    tracemalloc.start()
    try:
        ran = call()
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    return ran


def sparse(path: Path, size: int, head: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def test_the_template_goes_on_where_nothing_is_damaged(trial: Trial, trialbook: Trialbook) -> None:
    assert trialbook("resume", "last").status == 0
    assert len(trial.history()[0]) == 3


# layers


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a network is built")

    monkeypatch.setattr("core.model._Linear.__init__", fail)


WIDE = "model.hidden.1.width: 1000000000 is not allowed; must be a whole number from 1 to 1,000,000"


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("command", ["train", "check"])
def test_a_layer_of_a_billion_is_refused(trialbook: Trialbook, tmp_path: Path, command: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("[[model.hidden]]\nwidth = 1000000000\n")
    for options in (("--hidden", "1000000000"), ("--settings", file), ("--preset", "digits", "--hidden", "1000000000")):
        assert_one_line(trialbook(command, *options), WIDE)
    assert_one_line(trialbook(command, "--set", "model.hidden.1.width=1" + "0" * 4_000), "model.hidden.1.width: ")
    assert_one_line(trialbook(command, "--hidden", "-".join(["1"] * 1_001)), "1,001 hidden layers are too many")


@pytest.mark.usefixtures("no_network")
def test_layers_that_are_allowed_one_by_one_may_still_be_too_large(trialbook: Trialbook) -> None:
    assert_one_line(trialbook("train", "--hidden", "1000000-1000000"), "memory")
    ran = trialbook("check", "--hidden", "1000000-1000000")
    assert ran.status == 1 and ran.err == ""
    assert "GB are available" in ran.out


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("width", "told"), [(10**9, WIDE), (10**6, "its network takes")])
def test_a_trial_with_such_a_layer_is_not_resumed(trial: Trial, trialbook: Trialbook, width: int, told: str) -> None:
    path = trial.directory / "settings.toml"
    layers = f"[[model.hidden]]\nwidth = {width}\n" * 2
    path.write_text(f"[training]\nepochs = 3\n{layers}")
    sparse(trial.directory / "checkpoint.safetensors", 2**42)
    ran = trialbook("resume", "last")
    assert ran.status == 1
    assert told in ran.complaints[0]
    assert all(line.startswith("trialbook: model.hidden.") for line in ran.complaints[1:])


# checkpoints

CHECKPOINTS: dict[str, tuple[bytes, str]] = {
    "a header of a terabyte": ((2**40).to_bytes(8, "little") + b"{}", "its header is too long"),
    "a header of all bits": (b"\xff" * 8 + b"{}", "its header is too long"),
    "a header that is deep": ((900_000).to_bytes(8, "little") + b"[" * 900_000, "damaged or no checkpoint"),
    "no header": (b"", "damaged or no checkpoint"),
    "tensors of a terabyte": (
        tensors(b'{"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}'),
        "damaged or no checkpoint",
    ),
    "tensors over each other": (
        tensors(
            b'{"__metadata__":{"checkpoint":"{\\"epochs\\":1,\\"history_bytes\\":1,\\"history_crc32\\":1,\\"crc32\\":1}"},'
            b'"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]},'
            b'"b":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}'
        ),
        "damaged or no checkpoint",
    ),
    "negative offsets": (
        tensors(b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[-64,0]}}'),
        "damaged or no checkpoint",
    ),
    "a million tensors": (
        tensors(many_entries(10**6)),
        "larger than",
    ),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.usefixtures("no_network")
def test_a_hostile_checkpoint_is_one_line(trial: Trial, trialbook: Trialbook, name: str) -> None:
    content, told = CHECKPOINTS[name]
    (trial.directory / "checkpoint.safetensors").write_bytes(content)
    assert_one_line(assert_little_memory(lambda: trialbook("resume", "last")), told)


# files that are none

COMMANDS = (("trials",), ("show", "last"), ("show", "last", "--epoch", "1"), ("evaluate", "last"), ("resume", "last"))
FILES = (
    "settings.toml", "history.jsonl", "summary.json", "about.json", "ran_on.json", "live.json", "predictions",
    "test_labels", "model.pt", "checkpoint.safetensors", "lock", "request",
)  # fmt: skip


def _as_loop(path: Path) -> None:
    path.symlink_to(path.name)


def _as_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, _as_loop, _as_zeros], ids=["pipe", "folder", "loop", "zeros"])
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_is_neither_waited_for_nor_followed(
    trial: Trial, trialbook: Trialbook, name: str, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.trainer.Trainer.run", lambda *_: iter(()))  # whether it begins is enough
    path = trial.directory / name
    path.unlink(missing_ok=True)
    make(path)
    for command in COMMANDS:
        ran = assert_little_memory(lambda command=command: trialbook(*command))  # type: ignore[misc]
        assert "unexpected error" not in ran.err or command[0] == "resume", ran.err
        harmless(ran.err + ran.out)
        assert len(ran.complaints) <= 1 or ran.status == 0
    if name in ("settings.toml", "predictions"):
        assert_one_line(
            trialbook("export", "last", trial.directory / "x.trialbook"), "regular file" * (make is os.mkfifo)
        )


# large and slow ones


def test_a_summary_of_100_megabytes_is_a_damaged_trial(trial: Trial, trialbook: Trialbook) -> None:
    sparse(trial.directory / "summary.json", 100_000_000, b'{"id": "')
    ran = assert_little_memory(lambda: trialbook("trials"))
    assert ran.status == 0 and "damaged" in ran.out


@pytest.mark.parametrize(
    "content",
    [b"\n" * 5_000_000, b"{}\n" * (MAX_EPOCHS + 1), epoch_line(1) * (MAX_EPOCHS + 1)],
    ids=["empty", "objects", "epochs"],
)
def test_a_history_of_more_lines_than_epochs_is_one_line(trial: Trial, trialbook: Trialbook, content: bytes) -> None:
    (trial.directory / "history.jsonl").write_bytes(content)
    assert_one_line(assert_little_memory(lambda: trialbook("show", "last")), "a trial has at most 100,000 epochs")


def test_of_very_many_damaged_lines_the_first_are_told(trial: Trial, trialbook: Trialbook) -> None:
    (trial.directory / "history.jsonl").write_bytes(epoch_line(1) + b"x\n" * 50_000)
    ran = trialbook("show", "last")
    assert ran.status == 0
    assert len(ran.complaints) == 101
    assert "49,900 more lines are damaged and left out" in ran.complaints[-1]


@pytest.mark.parametrize(
    "line",
    [
        epoch_line(10**18),
        epoch_line(1) + epoch_line(1),
        body_with_checksum(b'{"epoch": ' + b"9" * 5_000),
        epoch_line(1).replace(b"0.25", b"7.25"),
    ],
    ids=["far", "twice", "digits", "share"],
)
def test_an_epoch_that_cannot_be_is_left_out(trial: Trial, trialbook: Trialbook, line: bytes) -> None:
    (trial.directory / "history.jsonl").write_bytes(line)
    ran = trialbook("show", "last")
    assert ran.status == 0
    assert "is damaged and left out" in ran.err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a = " + b"[" * 60_000, "line 1 has more than"),
        (b"a" + b".a" * 500_000, "larger than 256,000 bytes"),
        (b"a" + b".a" * 2_000 + b" = 1", "dots and brackets"),
        (b'"' * 200_000, "line 1 has more than 5,000 characters"),
        (b'"""' + b'"\n' * 100_000, "settings.toml: "),
        (b"x = " + b"[\n" * 40_000, "settings.toml: nested too deeply"),
        (b"[[model.hidden]]\nwidth = 1\n" * 9_000, "9,000 hidden layers are too many"),
    ],
    ids=["brackets", "megabyte", "dots", "quotes", "quoted lines", "deep", "layers"],
)
def test_settings_made_to_be_slow_are_one_line(trialbook: Trialbook, tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)
    assert_one_line(assert_little_memory(lambda: trialbook("check", "--settings", file)), told)


@pytest.mark.parametrize("name", ["summary.json", "ran_on.json", "about.json"])
@pytest.mark.parametrize("part", [b"{},", b"[],", b"1.5,", b'"ab",'])
def test_json_that_would_take_much_memory_is_not_read(
    trial: Trial, trialbook: Trialbook, name: str, part: bytes
) -> None:
    (trial.directory / name).write_bytes(b'{"a": [' + part * (9_000_000 // len(part)) + b"0]}")
    ran = assert_little_memory(lambda: trialbook("show", "last"))
    if name == "ran_on.json":
        assert_one_line(ran, "is not JSON")
    assert ran.status == int(name == "ran_on.json")


def test_predictions_that_claim_a_terabyte_are_one_line(trial: Trial, trialbook: Trialbook) -> None:
    sparse(trial.directory / "predictions", 2**40)
    assert_one_line(assert_little_memory(lambda: trialbook("show", "last", "--epoch", "1")), "larger than 200,000,000")
    ran_on = trial.ran_on()
    ran_on["data"]["test_images"] = 10**19
    (trial.directory / "ran_on.json").write_text(json.dumps(ran_on))
    assert_one_line(trialbook("show", "last", "--epoch", "1"), "tells of 10000000000000000000 test images")


# weights

WEIGHTS: dict[str, tuple[Callable[[], bytes], str]] = {
    # torch's own list of what may be unpickled has this function, which takes as much memory as it is told
    "a bytearray of a terabyte": (
        lambda: pickled(b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R."),
        "holds more than weights",
    ),
    "a tensor by its size": (
        lambda: pickled(b"ctorch\nFloatTensor\nJ\xff\xff\xff\x3f\x85R."),
        "holds more than weights",
    ),
    "a storage by its size": (
        lambda: pickled(b"ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R."),
        "holds more than weights",
    ),
    "a million lists": (lambda: pickled(b"]" * 1_900_000 + b"."), "is not laid out as torch.save"),
    "a pickle of 16 MB": (lambda: pickled(b"]" * 15_999_000 + b"."), "is not laid out as torch.save"),
    "400 views of the same": (many_views, "larger than the file"),
    "60,000 members": (lambda: zip_of({f"archive/data/{at}": b"" for at in range(60_000)}), "is not laid out"),
    "a name behind the stack": (lambda: pickled(b"\x8c\x02os\x8c\x06system\x93."), "holds more than weights"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_made_to_take_memory_are_one_line(trialbook: Trialbook, tmp_path: Path, name: str) -> None:
    make, told = WEIGHTS[name]
    file = tmp_path / "bare.pt"
    file.write_bytes(make())
    assert_one_line(assert_little_memory(lambda: trialbook("evaluate", file, "--data", "digits")), told)


def test_what_torch_saves_is_still_read(trialbook: Trialbook, tmp_path: Path) -> None:
    layers = torch.nn.ModuleDict(
        {"linear1": torch.nn.Linear(64, 12), "bn1": torch.nn.BatchNorm1d(12), "linear2": torch.nn.Linear(12, 10)}
    )
    for weights in (
        layers.state_dict(),
        dict(layers.state_dict()),
        {name: each.half() for name, each in layers.state_dict().items()},
    ):
        torch.save(weights, tmp_path / "bare.pt")
        assert trialbook("evaluate", tmp_path / "bare.pt", "--data", "digits").status == 0


# images


@pytest.mark.parametrize(
    ("name", "make", "told"),
    [
        ("x.png", lambda: png(70_000, 100, 8, 0), "70,000 pixels long"),
        ("x.jpg", lambda: many_scans(400), "scans, which takes too long to decode"),
        ("x.ppm", lambda: b"P5\n" + b"#" * 5_000_000, "its header is too long or cut off"),
        ("x.ppm", lambda: b"P2\n2000 2000\n255\n" + b"0 " * 4_000_000, "megapixels in digits"),
        ("x.tif", lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 65_535), "a TIFF with 65,535 entries"),
    ],
)
def test_an_image_made_to_be_slow_is_one_line(
    trialbook: Trialbook, folder: Path, name: str, make: Callable[[], bytes], told: str
) -> None:
    (folder / "train" / "ant" / name).write_bytes(make())
    assert_one_line(trialbook("check", "--data", folder), told, f"ant/{name}")


def test_sixteen_bits_take_no_more_than_they_must(trialbook: Trialbook, folder: Path) -> None:
    (folder / "train" / "ant" / "large.png").write_bytes(png(4_000, 4_000, 16, 0))
    ran = trialbook("check", "--data", folder, "--hidden", "4")
    assert ran.status == 0, ran.err


def test_a_newline_in_a_folders_name_does_not_make_two_lines_of_one(trialbook: Trialbook, tmp_path: Path) -> None:
    evil = "a\nb\x1b[31m"
    for part in ("train", "test"):
        make_image(tmp_path / "images" / part / "good" / "1.png", 1)
        (tmp_path / "images" / part / evil).mkdir()
        (tmp_path / "images" / part / evil / "x\n.png").write_bytes(b"")
    assert_one_line(trialbook("check", "--data", tmp_path / "images"), "a\\x0ab")
    assert_one_line(trialbook("check", "--data", tmp_path / "images", "--skip-broken"), "no image of a\\x0ab")


# what the console reads before it has a screen


@pytest.mark.parametrize(
    "content", [b"start = " + b"9" * 4_500, b"a" + b".a" * 30_000 + b" = 1", b"[" * 60_000, b"[keys]\nx = 1\n" * 3]
)
def test_a_hostile_file_of_keys_is_told_and_no_more(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    chosen, problems = read_keys(tmp_path / "config.toml")
    assert chosen == {} and len(problems) == 1
    assert "is not TOML" in problems[0]
    harmless(problems[0])


def test_a_draft_with_very_many_wrong_inputs_is_remembered_in_part() -> None:
    values = draft_to_dict(Draft())
    values["wrong"] = {f"model.hidden.{at}.width": "x" for at in range(100_000)} | {"training.epochs": "9" * 10_000_000}
    draft = draft_from_dict(values)
    assert set(draft.wrong) == {"model.hidden.1.width", "model.hidden.2.width", "training.epochs"}
    assert len(draft.wrong["training.epochs"].text) == 5_000
