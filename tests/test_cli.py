"""The command line, as scripts and people use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from core.cli.main import run
from core.settings import Settings, change_settings, write_settings
from core.text import one_line_json, printable
from tests import reference
from tests.conftest import Ran, make_image

Trialbook = Callable[..., Ran]
QUICK = ("--hidden", "16-8", "--epochs", "2")
EVIL = "evil\x1b[31m\x9b\x7f\u202e[bold]x[/bold]\nnext"


def harmless(text: str) -> bool:
    return not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text)


def test_train_without_anything_trains_on_the_digits_and_says_so(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook("train", "--epochs", "3")
    assert ran.status == 0
    assert any("digits (built in; --data takes others)" in line for line in ran.lines)
    assert re.fullmatch(r"Accuracy on test set : \d+\.\d{4}%", ran.lines[-1])
    assert ran.err == ""
    assert len(list((home / "saved_models").iterdir())) == 1


def test_train_json_is_a_line_per_event(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook("train", *QUICK, "--json", "--name", "n", "--note", "why")
    assert (ran.status, ran.err) == (0, "")
    events = ran.events()
    started, first, second, finished = (event for event in events if event["event"] != "saved")
    assert [event["epoch"] for event in events if event["event"] == "saved"][-1] == 2
    assert started["event"] == "started"
    assert [first["event"], first["epoch"], first["epochs"], second["epoch"]] == ["epoch", 1, 2, 2]
    wanted = {"train_cost", "train_cross_entropy", "test_cost", "train_accuracy", "test_accuracy", "learning_rate"}
    assert wanted | {"seconds", "images_per_second"} <= set(first)
    assert 0 <= first["test_accuracy"] <= 1
    assert 0 <= first["dead_units"] <= 1
    assert finished["event"] == "finished"
    assert finished["status"] == "finished"
    assert finished["trial"] == started["trial"]
    assert finished["test_accuracy"] == second["test_accuracy"]
    assert finished["best_epoch"] in (1, 2)
    assert Path(finished["model"]) == home / "saved_models" / finished["trial"] / "model.pt"
    shown = trialbook("show", finished["trial"], "--json").json()
    assert set(shown) == {"settings", "history", "result", "ran_on", "lineage", "diagnosis"}
    assert [epoch["test_cost"] for epoch in shown["history"]] == [first["test_cost"], second["test_cost"]]
    assert (shown["result"]["name"], shown["result"]["note"]) == ("n", "why")
    assert shown["settings"]["model"]["hidden"][1]["width"] == 8
    (listed,) = trialbook("trials", "--json").json()
    assert listed["id"] == finished["trial"]
    evaluated = trialbook("evaluate", "n", "--json").json()
    assert evaluated["accuracy"] == finished["test_accuracy"]
    assert evaluated["images"] == 360
    assert len(evaluated["confusion_matrix"]) == len(evaluated["classes"]) == len(evaluated["per_class"]) == 10
    assert {"expected_calibration_error", "most_confident_mistakes", "test_cost"} <= set(evaluated)


def test_every_way_to_begin(trialbook: Trialbook, tmp_path: Path) -> None:
    write_settings(change_settings(Settings(), {"model.hidden": "9-7", "training.epochs": 1}), tmp_path / "s.toml")
    first = trialbook("train", "--settings", tmp_path / "s.toml", "--json").events()[-1]["trial"]
    options = ("--set", "model.hidden.2.dropout=0.4", "--set", "training.learning_rate=3e-4", "--l2-lambda", "0.01")
    options += ("--set", "model.skip_connections=on")
    second = trialbook("train", "--from", first, *options, "--dropout", "0.3", "--json").events()[-1]["trial"]
    told = trialbook("show", second, "--json").json()
    assert [layer["dropout"] for layer in told["settings"]["model"]["hidden"]] == [0.3, 0.4]
    assert told["settings"]["model"]["skip_connections"] is True
    assert told["settings"]["training"]["learning_rate"] == 3e-4
    assert told["settings"]["training"]["l2_lambda"] == 0.01
    assert told["result"]["parent"] == first
    third = trialbook(
        "train", "--preset", "trial-25", "--data", "digits", "--set", "data.normalization=measured", *QUICK
    )
    assert third.status == 0
    assert "from trial-25" in third.out
    assert "changed  data: cifar10 -> digits" in third.lines
    assert "         batch size" not in third.out


def test_the_same_command_gives_the_same_weights(trialbook: Trialbook) -> None:
    paths = [Path(trialbook("train", *QUICK, "--json").events()[-1]["model"]) for _ in range(2)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_five_mistakes_are_five_lines(trialbook: Trialbook, home: Path) -> None:
    ran = trialbook(
        *("train", "--epochs", "0", "--learning-rate", "-1", "--dropout", "0.1,0.2,0.3"),
        *("--set", "training.optimizer=foo", "--batch-size", "x"),
    )
    assert ran.status == 1
    assert len(ran.complaints) == 5
    assert all(line.startswith("trialbook: ") for line in ran.complaints)
    assert ran.out == ""
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("train", "--nonsense"), 2, "No such option"),
        (("nonsense",), 2, "No such command"),
        (("train", "--set", "epochs"), 2, "expected NAME=VALUE"),
        (("train", "--preset", "digits", "--from", "last"), 2, "only one of --preset, --settings and --from"),
        (("evaluate",), 2, "Missing argument"),
        (("evaluate", "x.pt", "--set", "training.epochs=2"), 2, "only data.normalization"),
        (("train", "--preset", "nope"), 1, "there is no preset nope"),
        (("train", "--from", "nope"), 1, "there is no trial nope"),
        (("train", "--settings", "/nope.toml"), 1, "cannot read /nope.toml: No such file or directory"),
        (("train", "--data", "/nope"), 1, "there is no folder /nope"),
        (("show", "nope"), 1, "there is no trial nope"),
        (("evaluate", "nope"), 1, "there is no trial nope"),
        (("evaluate", "/nope.pt", "--data", "digits"), 1, "cannot read /nope.pt: No such file or directory"),
        (("data", "download", "nope"), 1, "there is no data set nope to download"),
        (("train", "--set", "data.normalization=cifar10"), 1, "cifar10 is for 3 channels"),
    ],
)
def test_what_is_wrong_is_one_line(
    trialbook: Trialbook, home: Path, arguments: tuple[str, ...], status: int, message: str
) -> None:
    ran = trialbook(*arguments)
    assert ran.status == status
    assert len(ran.complaints) == 1, ran.err
    assert message in ran.err
    assert ran.out == ""
    assert not home.exists()


def test_foreign_text_is_harmless_everywhere(trialbook: Trialbook, tmp_path: Path, home: Path) -> None:
    root = tmp_path / EVIL.replace("/", "")
    for part in ("train", "test"):
        for name in (f"a{EVIL}".replace("/", ""), "b[red]"):
            for number in range(8):
                make_image(root / part / name / f"{number}\x1b[2J.png", number)
    ran = trialbook("train", "--data", root, *QUICK, "--name", EVIL, "--note", EVIL)
    assert ran.status == 0
    trial = next((home / "saved_models").iterdir()).name
    (root / "train" / "b[red]" / "broken\x1b]0;x\x07.png").write_text("x")
    texts = [ran.out, ran.err]
    for arguments in (
        ("trials",),
        ("trials", "--json"),
        ("show", trial),
        ("show", trial, "--json"),
        ("train", "--data", root),
        ("train", "--data", root, "--skip-broken", *QUICK),
        ("evaluate", trial),
        ("evaluate", trial, "--data", root),
        ("evaluate", EVIL),
        ("train", "--preset", EVIL),
        ("train", "--set", f"{EVIL}=1"),
        ("train", "--hidden", EVIL),
        (EVIL,),
    ):
        ran = trialbook(*arguments)
        texts += [ran.out, ran.err]
        if "--json" in arguments:
            ran.json()
    assert all(harmless(text) for text in texts)
    assert any("[bold]x[" in text for text in texts)  # markup is shown, not obeyed


def test_evaluate_reads_what_the_references_own_code_wrote(trialbook: Trialbook, folder: Path, tmp_path: Path) -> None:
    network = reference.Network(192, [16, 8], [0.5, 0.2], 2)
    torch.save(network.state_dict(), tmp_path / "model.pt")
    ran = trialbook("evaluate", tmp_path / "model.pt", "--data", folder)
    assert ran.status == 0
    assert "does not tell how inputs were normalized" in ran.err
    assert re.fullmatch(r"Accuracy on test set : \d+\.0000%|Accuracy on test set : \d+\.\d{4}%", ran.lines[-1])
    quiet = trialbook(
        "evaluate", tmp_path / "model.pt", "--data", folder, "--set", "data.normalization=cifar10", "--json"
    )
    assert quiet.err == ""
    assert quiet.json()["images"] == 12


def test_check_says_whether_it_can_work_and_leaves_no_trial(trialbook: Trialbook, home: Path) -> None:
    good = trialbook("check")
    assert good.status == 0
    assert [line.split()[0] for line in good.lines] == ["ok"] * 5
    bad = trialbook("check", "--learning-rate", "1e-9", "--json")
    assert bad.status == 1
    assert any(finding["severity"] == "problem" for finding in bad.json()["findings"])
    assert not home.exists()


def test_lists_for_people(trialbook: Trialbook) -> None:
    assert "holds no trials; `trialbook train` makes the first" in trialbook("trials").out
    presets = trialbook("presets").lines
    assert sum(line.startswith("trial-") for line in presets) == 26
    assert "58.08 %" in presets[-1]
    assert "the final network" in presets[-1]
    shown = trialbook("presets", "trial-14").out
    stated, assumed, changed = (shown.index(text) for text in ("stated in", "assumed, where", "changed since trial-13"))
    assert stated < shown.index("55.30 %") < assumed < shown.index("batch size") < changed
    assert "  L2 lambda: 0.003 -> 0.005" in shown[changed:]
    assert "width = 256" in trialbook("presets", "digits").out
    names = [line.split()[0] for line in trialbook("data").lines[1:7]]
    assert names == ["digits", "cifar10", "cifar100", "mnist", "fashion-mnist", "svhn"]
    assert "Commands:" in trialbook().out


def test_nan_is_a_failed_trial_in_one_line(trialbook: Trialbook) -> None:
    wild = ("--set", "training.optimizer=sgd", "--learning-rate", "10", "--l2-lambda", "1000", "--json")
    ran = trialbook("train", "--set", "model.hidden.*.batch_norm=off", *wild)
    assert ran.status == 1
    assert len(ran.complaints) == 1
    assert "became NaN or infinite" in ran.err
    assert ran.events()[-1]["status"] == "failed"
    assert trialbook("trials", "--json").json()[0]["status"] == "failed"


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--set", "model.hidden.99999999999.width=1"),
        ("train", "--data", "~nobody-of-this-name/x"),
        ("show", "a" * 5000),
        ("evaluate", "a" * 5000),
        ("train", "--from", "a" * 5000),
        ("train", "--data", "bad\udcff"),
        ("train", "--set", f"data.image_size={'9' * 5000}"),
        ("train", "--set", "data.validation_split=0.9", "--data", "."),
    ],
)
def test_odd_arguments_are_one_plain_line(trialbook: Trialbook, arguments: tuple[str, ...]) -> None:
    ran = trialbook(*arguments)
    assert ran.status == 1
    assert len(ran.complaints) == 1
    assert "unexpected" not in ran.err


def test_a_byte_order_mark_is_no_mistake(trialbook: Trialbook, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("\ufeff[training]\nepochs = 1\n", encoding="utf-8")
    assert trialbook("train", "--settings", tmp_path / "s.toml", "--hidden", "8").status == 0


def test_evaluate_goes_on_without_broken_images_when_asked(trialbook: Trialbook, folder: Path) -> None:
    trial = trialbook("train", "--data", folder, *QUICK, "--json").events()[-1]["trial"]
    (folder / "test/ant/broken.png").write_text("x")
    assert "(--skip-broken) goes on without them" in trialbook("evaluate", trial).err
    ran = trialbook("evaluate", trial, "--skip-broken")
    assert ran.status == 0
    assert "left out: 1 of 37 images" in ran.err
    assert "the images have changed" not in ran.err
    refused = trialbook("evaluate", trial, "--set", "data.normalization=cifar10")
    assert refused.status == 2
    assert "is for bare files" in refused.err


def test_trialbook_home_is_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIALBOOK_HOME", str(tmp_path / "other"))
    assert run(["train", *QUICK]) == 0
    capsys.readouterr()
    assert len(list((tmp_path / "other" / "saved_models").iterdir())) == 1


def test_printable_and_json_hold_no_control_character() -> None:
    every = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028, 0x2066, 0xDC80, 0x61C]))
    assert harmless(printable(every))
    assert harmless(one_line_json({every: every}))
    assert printable("tabs\tand\nlines") == "tabs\\x09and\\x0alines"
    assert printable("é, 漢 and 🐸") == "é, 漢 and 🐸"
    assert len(printable("x" * 10_000, 100)) == 100
    with pytest.raises(ValueError, match="not JSON compliant"):
        one_line_json(float("nan"))


def test_show_tells_where_a_trial_comes_from_and_what_its_curves_show(trialbook: Trialbook) -> None:
    trialbook("train", *QUICK, "--name", "first", "--preset", "digits")
    ran = trialbook("train", "--from", "first", "--epochs", "12", "--learning-rate", "3.0", "--name", EVIL)
    said = next(line for line in ran.lines if line.startswith("nothing learnt"))
    assert "; next: lower the learning rate from 3 to 1, a third" in said
    assert ran.lines[-1].startswith("Accuracy on test set")
    shown = trialbook("show", "last")
    assert (shown.status, shown.err) == (0, "")
    assert harmless(shown.out)
    first, _ = trialbook("trials", "--json").json()
    lines = {line[:9].strip(): line[10:] for line in shown.lines[:12]}
    assert lines["from"] == f"{first['id']}, which is from digits"
    assert lines["changed"] == "learning rate: 0.001 -> 3; epochs: 2 -> 12"
    assert re.match(r"[+-]\d+\.\d\d points: \d+ images?, ", lines["verdict"])
    assert any("McNemar's exact test" in line for line in shown.lines)
    assert lines["curves"] == said
    told = trialbook("show", "last", "--json").json()
    assert told["lineage"] == [first["id"], "digits"]
    assert told["diagnosis"][0]["suggestion"]["changes"] == {"training.learning_rate": 1.0}


def test_show_an_epoch(trialbook: Trialbook) -> None:
    epochs = [event for event in trialbook("train", *QUICK, "--json").events() if event["event"] == "epoch"]
    for number, epoch in enumerate(epochs, 1):
        told = trialbook("show", "last", "--epoch", number, "--json").json()
        assert (told["epoch"], told["images"], told["accuracy"]) == (number, 360, epoch["test_accuracy"])
        assert sum(row[at] for at, row in enumerate(told["confusion_matrix"])) == round(360 * epoch["test_accuracy"])
    shown = trialbook("show", "last", "--epoch", "2")
    assert shown.lines[0] == f"epoch 2: {100 * epochs[1]['test_accuracy']:.2f} % of 360 test images classified rightly"
    assert len(shown.lines) == 12
    missing = trialbook("show", "last", "--epoch", "3").complaints
    assert missing == ["trialbook: the trial holds no epoch 3; its epochs are 1 to 2"]
    assert trialbook("show", "last", "--epoch", "0").status == 2


def test_compare_prints_results_settings_and_verdicts(trialbook: Trialbook) -> None:
    trialbook("train", *QUICK, "--name", EVIL)
    trialbook("train", "--hidden", "16", "--epochs", "9", "--name", "second")
    first, second = trialbook("trials", "--json").json()
    ran = trialbook("compare", first["id"], "second")
    assert (ran.status, ran.err) == (0, "")
    assert harmless(ran.out)
    assert ran.lines[1] == f"2  {second['id']}  finished  second"
    assert any(line.split() == ["hidden", "layers", "16-8", "16"] for line in ran.lines)
    assert any(line.split() == ["epochs", "2", "9"] for line in ran.lines)
    assert sum("*" in line for line in ran.lines if line.startswith("test accuracy")) == 1
    assert any(line.startswith("2 against 1: +") and "McNemar" in line for line in ran.lines)
    told = trialbook("compare", first["id"], "second", "--json").json()
    assert set(told) == {"trials", "best", "settings", "verdicts", "repeats", "settings_verdicts", "remarks"}
    assert [trial["id"] for trial in told["trials"]] == [first["id"], second["id"]]
    assert told["best"]["test_accuracy"] == [second["id"]]
    assert told["settings"][0] == {"path": "model.hidden", "label": "hidden layers", "values": ["16-8", "16"]}
    (verdict,) = told["verdicts"]
    assert (verdict["first"], verdict["second"], verdict["verdict"]["images"]) == (first["id"], second["id"], 360)
    alone = trialbook("compare", "second")
    assert (alone.status, alone.complaints) == (1, ["trialbook: 2 to 8 trials can be compared, not 1"])
    twice = trialbook("compare", "second", second["id"])
    assert twice.complaints == ["trialbook: a trial cannot be compared with itself: name each once"]
