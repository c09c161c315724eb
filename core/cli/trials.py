"""`trialbook trials`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from core.cli.output import cell, percent, print_table, room, say, table
from core.text import one_line_json
from core.trials.store import DIRECTORY, Listed, last_accuracy, list_trials
from core.verdict import Verdict, p_text, verdict_from

_SEARCHED = ("parent", "changes", "hidden", "source", "reason", "created")


def result_of(listed: Listed) -> dict[str, Any]:
    """Return what `trials --json` and `show --json` tell of a trial's result."""
    about = listed.about
    words = {"name": about.name, "note": about.note, "tags": list(about.tags), "starred": about.starred}
    return {**listed.summary, "id": listed.trial.id, "status": listed.status, **words}


def short_verdict(verdict: Verdict) -> str:
    """Return a verdict for a narrow column: "+0.08, p = 0.9"."""
    return f"{verdict.points:+.2f}, {p_text(verdict.p)}"


@click.command()
@click.option(
    "--filter",
    "words",
    metavar="WORDS",
    default="",
    help="Only trials in whose texts all of these words are: name, note, tags, changes, status, data, and so on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the trials as JSON, and nothing else.")
@click.pass_obj
def trials(home: Path, *, words: str, as_json: bool) -> None:
    """List the saved trials, oldest first; a narrow terminal leaves columns out.

    "since parent" is the change of the accuracy in points and McNemar's p; "gap" is the last epoch's test cost minus
    its train cost without the penalty.
    """
    every = list_trials(home)
    listed = [trial for trial in every if _has_all(trial, words)]
    if as_json:
        print(one_line_json([result_of(trial) for trial in listed]))  # noqa: T201 - the output
        return
    if not every:
        say(f"{home / DIRECTORY} holds no trials; `trialbook train` makes the first")
        return
    if not listed:
        say(f"none of {len(every):,} trials has all of these words: {words}")
        return
    width = room()
    shown = [column for column in _COLUMNS if column[1] <= width]
    rows = table(*(heading for heading, _, _ in shown))
    for trial in listed:
        rows.add_row(*(value(trial) for _, _, value in shown))
    print_table(rows)


def _has_all(listed: Listed, words: str) -> bool:
    about, summary = listed.about, listed.summary
    star = ("starred",) if about.starred else ()
    texts = (listed.trial.id, listed.status, listed.shown, about.name, about.note, *about.tags, *star)
    everything = "\n".join((*texts, *(str(summary.get(name) or "") for name in _SEARCHED))).casefold()
    return all(word in everything for word in words.casefold().split())


def _figure(listed: Listed, part: str, name: str) -> float | None:
    figures = listed.summary.get(part)
    value = figures.get(name) if isinstance(figures, dict) else None
    return float(value) if isinstance(value, int | float) else None


def _gap(listed: Listed) -> str:
    gap = _figure(listed, "last", "gap")
    return "-" if gap is None else f"{gap:+.3f}"


def _since_parent(listed: Listed) -> str:
    verdict = verdict_from(listed.summary.get("verdict"))
    return "-" if verdict is None else short_verdict(verdict)


def _words(listed: Listed) -> str:
    return "  ".join(text for text in (listed.about.name, listed.about.note) if text)


_COLUMNS: tuple[tuple[str, int, Callable[[Listed], Any]], ...] = (
    ("", 0, lambda one: cell("*" if one.about.starred else "")),
    ("=trial", 0, lambda one: cell(one.trial.id)),
    ("status", 0, lambda one: cell(one.shown, "green" if one.shown == "running" else "")),
    (">epoch", 0, lambda one: cell(f"{_figure(one, 'last', 'epoch') or 0:.0f}/{one.summary.get('epochs', '-')}")),
    (">accuracy", 0, lambda one: cell(percent(last_accuracy(one)))),
    (">best", 96, lambda one: cell(percent(_figure(one, "best", "test_accuracy")))),
    (">gap", 104, lambda one: cell(_gap(one))),
    ("since parent", 120, lambda one: cell(_since_parent(one))),
    ("changes", 140, lambda one: cell(one.summary.get("changes") or "")),
    ("hidden", 180, lambda one: cell(one.summary.get("hidden", "-"))),
    ("data", 110, lambda one: cell(Path(str(one.summary.get("source", "-"))).name)),
    ("tags", 150, lambda one: cell(" ".join(one.about.tags))),
    ("name and note", 0, lambda one: cell(_words(one))),
)
"""Heading, the least columns of a terminal that shows it, and its cell for a trial."""
