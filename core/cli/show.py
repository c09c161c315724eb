"""`trialbook show`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from core.cli.output import cell, percent, print_matrix, print_table, remark, say, table, tell
from core.cli.reporting import conclusion_lines
from core.cli.trials import result_of
from core.diagnosis import diagnose_trial
from core.early_stopping import best_epoch
from core.epoch import Epoch
from core.errors import TrialbookError
from core.film import Film, frame_of, read_film
from core.settings import settings_to_toml
from core.text import counted, one_line_json
from core.trials.lineage import ancestors
from core.trials.store import Listed, find_trial, listed_trial
from core.trials.trial import Trial
from core.verdict import EXPLAINED, verdict_from

_TOLD_VERSIONS = (("torch", "PyTorch"), ("python", "Python"), ("numpy", "NumPy"), ("trialbook", "Trialbook"))


@click.command()
@click.argument("text", metavar="TRIAL")
@click.option(
    "--epoch", type=click.IntRange(1), metavar="N", help="Only how it classified the test images after epoch N."
)
@click.option("--json", "as_json", is_flag=True, help="Print the trial as JSON, and nothing else.")
@click.pass_obj
def show(home: Path, text: str, *, epoch: int | None, as_json: bool) -> None:
    """Show one saved trial: result, where it comes from, what its curves show, settings, history, what it ran on.

    TRIAL is an id or its beginning or end, a name, a trial's directory, or "last".
    """
    trial = find_trial(home, text)
    if epoch is not None:
        _show_epoch(read_film(trial), epoch, as_json)
        return
    settings, ran_on = trial.settings(), trial.ran_on()
    history, problems = trial.history()
    listed = listed_trial(trial)
    for problem in problems:
        remark(problem)
    found = diagnose_trial(trial)
    lineage = ancestors(home, _parent(listed))
    if as_json:
        told = {
            "lineage": lineage,
            "diagnosis": [dataclasses.asdict(each) for each in found],
            "settings": dataclasses.asdict(settings),
            "history": [dataclasses.asdict(epoch) for epoch in history],
            "result": result_of(listed),
            "ran_on": ran_on,
        }
        print(one_line_json(told))  # noqa: T201 - the output
        return
    _show_result(listed, lineage)
    for number, each in enumerate(found):
        tell(str(each), name="" if number else "curves")
    say("")
    for line in settings_to_toml(settings).splitlines():
        if not line.startswith("#"):
            say(line)
    say("")
    _show_history(history)
    say("")
    for name, line in _run_lines(ran_on):
        tell(line, name=name)
    _show_conclusion(home, trial)


def _parent(listed: Listed) -> str | None:
    parent = listed.summary.get("parent")
    return parent if isinstance(parent, str) else None


def _show_epoch(film: Film, epoch: int, as_json: bool) -> None:
    frame = frame_of(film, epoch)
    if as_json:
        told = {
            "epoch": epoch,
            "images": frame.images,
            "accuracy": frame.accuracy,
            "classes": film.classes,
            "confusion_matrix": frame.confusion_matrix.tolist(),
        }
        print(one_line_json(told))  # noqa: T201 - the output
        return
    say(f"epoch {epoch}: {percent(frame.accuracy)} of {frame.images:,} test images classified rightly")
    print_matrix(film.classes, frame.confusion_matrix.tolist())


def _show_result(listed: Listed, lineage: list[str]) -> None:
    result = result_of(listed)
    result["tags"] = ", ".join(listed.about.tags)
    result["status"] = listed.shown
    result["starred"] = "yes" if listed.about.starred else ""
    for name in ("id", "name", "note", "tags", "starred", "status", "reason", "created"):
        if result.get(name):
            tell(str(result[name]), name=name)
    say(f"{'files':<9} {listed.trial.directory}")
    if lineage:
        tell(", which is from ".join(lineage), name="from")
    if result.get("changes"):
        tell(str(result["changes"]), name="changed")
    verdict = verdict_from(listed.summary.get("verdict"))
    if verdict is not None:
        tell(str(verdict), name="verdict")
        tell(EXPLAINED, name="")


def _show_history(history: list[Epoch]) -> None:
    if not history:
        say("no epoch is complete")
        return
    best = best_epoch(history)
    validated = history[0].validation_cost is not None
    extra = (">validation cost", ">validation acc.") if validated else ()
    rows = table(">epoch", ">train cost", ">test cost", *extra, ">train acc.", ">test acc.", ">learning rate", ">s", "")
    for epoch in history:
        cost = "-" if epoch.validation_cost is None else f"{epoch.validation_cost:.4f}"
        validation = (cost, percent(epoch.validation_accuracy)) if validated else ()
        rows.add_row(
            str(epoch.epoch),
            f"{epoch.train_cost:.4f}",
            f"{epoch.test_cost:.4f}",
            *validation,
            percent(epoch.train_accuracy),
            percent(epoch.test_accuracy),
            f"{epoch.learning_rate:.3g}",
            f"{epoch.seconds:.2f}",
            cell("best" if epoch is best else ""),
        )
    print_table(rows)


def _run_lines(ran_on: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return in words what a trial ran on, as far as it is recorded."""
    parts = [str(ran_on.get("device", "?"))]
    if parts == ["cpu"] and ran_on.get("processor"):
        parts = [f"cpu ({ran_on['processor']})"]
    threads, kernels, versions = (ran_on.get(name) for name in ("threads", "kernels", "versions"))
    if isinstance(threads, int):
        parts.append(counted(threads, "thread"))
    if kernels:
        parts.append(f"kernels of {kernels}")
    known = versions if isinstance(versions, dict) else {}
    named = [f"{label} {known[name]}" for name, label in _TOLD_VERSIONS if known.get(name)]
    return [("ran on", ", ".join(parts)), *([("versions", ", ".join(named))] if named else [])]


def _show_conclusion(home: Path, trial: Trial) -> None:
    """Print what the other trials of the home let one say of a trial, with what explains it."""
    try:
        lines = conclusion_lines(home, trial, explained=True)
    except TrialbookError as error:  # other trials' files must not spoil what is said of this one
        remark(str(error))
        return
    if lines:
        say("")
    for line in lines:
        tell(line)
