"""`trialbook show`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from core.cli.output import cell, percent, print_table, remark, say, table
from core.cli.trials import result_of
from core.epoch import Epoch
from core.settings import settings_to_toml
from core.text import one_line_json
from core.trials.store import Listed, find_trial, listed_trial
from core.verdict import EXPLAINED, verdict_from


@click.command()
@click.argument("text", metavar="TRIAL")
@click.option("--json", "as_json", is_flag=True, help="Print the trial as JSON, and nothing else.")
@click.pass_obj
def show(home: Path, text: str, *, as_json: bool) -> None:
    """Show one saved trial: settings, history, result, and what it ran on.

    TRIAL is an id or its beginning or end, a name, a trial's directory, or "last".
    """
    trial = find_trial(home, text)
    settings, ran_on = trial.settings(), trial.ran_on()
    history, problems = trial.history()
    listed = listed_trial(trial)
    for problem in problems:
        remark(problem)
    if as_json:
        told = {
            "settings": settings.model_dump(mode="json"),
            "history": [dataclasses.asdict(epoch) for epoch in history],
            "result": result_of(listed),
            "ran_on": ran_on,
        }
        print(one_line_json(told))  # noqa: T201 - the output
        return
    _show_result(listed)
    say("")
    for line in settings_to_toml(settings).splitlines():
        if not line.startswith("#"):
            say(line)
    say("")
    _show_history(history)


def _show_result(listed: Listed) -> None:
    result = result_of(listed)
    result["tags"] = ", ".join(listed.about.tags)
    result["starred"] = "yes" if listed.about.starred else ""
    for name in ("id", "name", "note", "tags", "starred", "status", "reason", "created", "parent", "changes"):
        if result.get(name):
            say(f"{name:<9} {result[name]}")
    verdict = verdict_from(listed.summary.get("verdict"))
    if verdict is not None:
        say(f"{'verdict':<9} {verdict}")
        say(f"{'':<9} {EXPLAINED}", style="dim")
    say(f"{'files':<9} {listed.trial.directory}")


def _show_history(history: list[Epoch]) -> None:
    if not history:
        say("no epoch is complete")
        return
    best = min(history, key=lambda epoch: epoch.best_cost)
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
