"""`trialbook trials`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from core.cli.output import cell, is_wide, percent, print_table, say, table
from core.text import one_line_json
from core.trials.store import DIRECTORY, Listed, list_trials

_WIDE_ONLY = (">best", ">test cost", "hidden")


def result_of(listed: Listed) -> dict[str, Any]:
    """Return what `trials --json` and `show --json` tell of a trial's result."""
    about = {"name": listed.about.name, "note": listed.about.note}
    return {**listed.summary, "id": listed.trial.id, "status": listed.status, **about}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON, and nothing else.")
@click.pass_obj
def trials(home: Path, *, as_json: bool) -> None:
    """List the saved trials, oldest first."""
    listed = list_trials(home)
    if as_json:
        print(one_line_json([result_of(trial) for trial in listed]))  # noqa: T201 - the output
        return
    if not listed:
        say(f"{home / DIRECTORY} holds no trials; `trialbook train` makes the first")
        return
    wide = is_wide()
    rows = table("=trial", "status", ">epoch", ">accuracy", *(_WIDE_ONLY if wide else ()), "data", "name and note")
    for trial in listed:
        rows.add_row(*_cells(trial, wide))
    print_table(rows)


def _cells(listed: Listed, wide: bool) -> list[Any]:
    summary = listed.summary
    last, best = (part if isinstance(part, dict) else {} for part in (summary.get("last"), summary.get("best")))
    cost = _number(last.get("test_cost"))
    more = [
        cell(percent(_number(best.get("test_accuracy")))),
        cell("-" if cost is None else f"{cost:.4f}"),
        cell(summary.get("hidden", "-")),
    ]
    return [
        cell(listed.trial.id),
        cell(listed.status, "green" if listed.status == "running" else ""),
        cell(f"{last.get('epoch', 0)}/{summary.get('epochs', '-')}"),
        cell(percent(_number(last.get("test_accuracy")))),
        *(more if wide else []),
        cell(Path(str(summary.get("source", "-"))).name),
        cell("  ".join(text for text in (listed.about.name, listed.about.note) if text)),
    ]


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
