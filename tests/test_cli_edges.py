"""What the command line does with usage that is slightly wrong, narrow terminals and poor encodings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.catalog import KNOWN_SETS
from core.trials.store import find_trial
from tests.conftest import Ran, run_python
from tests.test_cli_wording import in_terminal

Trialbook = Callable[..., Ran]
QUICK = ("--hidden", "16-8", "--epochs", "1")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("train", "--from", "x", "--branch"), "train"),
        (("report", "--markdown"), "report"),
        (("trials", "--filter"), "trials"),
        (("data", "download", "--json"), "data download"),
    ],
)
def test_an_option_that_lacks_its_argument_names_its_commands_help(
    trialbook: Trialbook, arguments: tuple[str, ...], command: str
) -> None:
    ran = trialbook(*arguments)
    assert ran.status == 2
    assert ran.err.endswith(f"; `trialbook {command} --help` tells the usage\n")


@pytest.mark.parametrize("option", [("--home", "x"), ("--home=x",)])
def test_a_home_after_the_command_is_told_where_it_goes(trialbook: Trialbook, option: tuple[str, ...]) -> None:
    ran = trialbook("train", *option)
    told = "--home goes before the command: `trialbook --home DIR train`; `trialbook --help` tells the usage"
    assert (ran.status, ran.err) == (2, f"trialbook: {told}\n")


def test_a_name_that_must_be_typed_is_never_cut() -> None:
    shown = in_terminal("data")
    assert all(name in shown for name in KNOWN_SETS) and "…" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if "kept in" not in line)


def test_a_check_is_wrapped_at_words_below_its_text() -> None:
    lines = in_terminal("check", *QUICK, "--epochs", "50", "--learning-rate", "1e-9").splitlines()
    (at,) = (at for at, line in enumerate(lines) if line.startswith("problem  one batch   "))
    assert all(len(line) <= 80 for line in lines)
    assert lines[at + 1].startswith(" " * 21) and lines[at + 1][21] != " "


def test_what_cannot_be_encoded_is_escaped(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK, "--name", "groß")
    code = "from core.cli.main import main; main()"
    ran = run_python(code, "--home", home, "trials", PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "gro\\xdf" in ran.stdout


def test_the_best_epoch_of_a_bare_file_is_refused(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK)
    model = find_trial(home, "last").weights()
    ran = trialbook("evaluate", model, "--best")
    told = "--best is for a trial: a file has the weights of one epoch only"
    assert (ran.status, ran.err) == (2, f"trialbook: {told}; `trialbook evaluate --help` tells the usage\n")
    assert trialbook("evaluate", "last", "--best").status == 0


def test_one_epoch_is_told_as_one(trialbook: Trialbook, home: Path) -> None:
    trialbook("train", *QUICK)
    trial = find_trial(home, "last").id
    assert trialbook("resume", "last").err == f"trialbook: {trial} is finished with 1 epoch; --epochs 2 would add 1\n"
    assert trialbook("resume", "last", "--epochs", 1).err.startswith(f"trialbook: {trial} has 1 epoch already;")
