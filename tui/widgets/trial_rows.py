"""Saved trials as lines of a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.verdict import verdict_from
from tui.widgets.trial_list import Column, Row, SortValue
from tui.words import duration

if TYPE_CHECKING:
    from core.trials.store import Listed

_NONE = "-"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
TRIAL_COLUMNS = (
    Column("★", 1, 99, right=True, descending=True),
    Column("trial", 14, 100, flexible=2),
    Column("started", 12, 82, descending=True),
    Column("parent", 12, 60),
    Column("changes", 26, 84, flexible=3),
    Column("best %", 6, 95, right=True, descending=True),
    Column("last %", 6, 78, right=True, descending=True),
    Column("verdict", 8, 94, right=True, descending=True),
    Column("best cost", 9, 76, right=True),
    Column("last cost", 9, 70, right=True),
    Column("gap", 7, 80, right=True),
    Column("parameters", 10, 58, right=True),
    Column("epochs", 9, 66, right=True, descending=True),
    Column("time", 10, 56, right=True, descending=True),
    Column("status", 11, 90),
    Column("note", 14, 68, flexible=2),
    Column("tags", 10, 64),
    Column("hidden", 16, 54),
    Column("data", 10, 52),
)
"""What a list shows of saved trials, as far as there is room. The gap is that of `core.epoch.Epoch`, of the last
epoch; the verdict is on the last epoch's accuracy against the parent's."""
STARTED = 2
"""The column that lists of trials are sorted by at first."""


@dataclass(frozen=True, slots=True)
class Built:
    """A line, and what it was made of, so that it is made anew only where that has changed.

    Attributes:
        listed: The trial.
        parent: The id of its parent, where that is a trial in the same list.
        parent_title: What its parent is called; "" without one.
        row: The line.
    """

    listed: Listed
    parent: str | None
    parent_title: str
    row: Row


def build_rows(trials: Iterable[Listed], before: Mapping[str, Built] | None = None) -> dict[str, Built]:
    """Return the lines of trials by id. Takes 0.05 ms per trial that is new or has changed: for worker threads.

    Args:
        trials: The trials, oldest first.
        before: What was built the last time.
    """
    known = {listed.trial.id: listed for listed in trials}
    built = {}
    for key, listed in known.items():
        said = text_in(listed.summary, "parent")
        parent = said if said in known and said != key else None
        title = known[parent].title if parent is not None else said
        old = before.get(key) if before is not None else None
        if old is None or old.listed is not listed or (old.parent, old.parent_title) != (parent, title):
            old = Built(listed, parent, title, _row(listed, parent, title))
        built[key] = old
    return built


def _row(listed: Listed, parent: str | None, parent_title: str) -> Row:
    """Return a saved trial as a line; a damaged one has dashes where nothing can be read."""
    pairs = _pairs(listed, parent_title)
    return Row(
        key=listed.trial.id,
        cells=tuple(text for text, _ in pairs),
        sort=tuple(value for _, value in pairs),
        search=_search(listed, parent_title),
        muted=number(figures_of(listed.summary, best=False).get("epoch")) is None,
        parent=parent,
    )


def _pairs(listed: Listed, parent_title: str) -> list[tuple[str, SortValue]]:
    """Return for every column what it shows and what it is sorted by."""
    summary, about = listed.summary, listed.about
    best, last = figures_of(summary, best=True), figures_of(summary, best=False)
    costs = [number(part.get("test_cost")) for part in (best, last)]
    gap, done = number(last.get("gap")), number(last.get("epoch"))
    parameters, seconds = number(summary.get("parameters")), number(summary.get("seconds"))
    title, tags = listed.title, " ".join(about.tags)
    hidden, source = (text_in(summary, key) for key in ("hidden", "source"))
    return [
        ("★" if about.starred else " ", float(about.starred)),
        (title, title.lower()),
        (started(listed.trial.id), listed.trial.id),
        _text(parent_title),
        _text(text_in(summary, "changes")),
        _percent(best),
        _percent(last),
        verdict_pair(summary),
        *((_NONE if cost is None else f"{cost:.4f}", cost) for cost in costs),
        (_NONE if gap is None else f"{gap:+.4f}", gap),
        (_NONE if parameters is None else f"{parameters:,.0f}", parameters),
        (f"{done or 0:.0f}/{number(summary.get('epochs')) or 0:.0f}", done),
        (duration(seconds), seconds),
        (listed.shown, listed.shown),
        _text(about.note.strip()),
        _text(tags),
        _text(hidden),
        _text(Path(source).name),
    ]


def _text(text: str) -> tuple[str, SortValue]:
    return text or _NONE, text.lower() or None


def _percent(figures: dict[str, Any]) -> tuple[str, SortValue]:
    accuracy = number(figures.get("test_accuracy"))
    return _NONE if accuracy is None else f"{100 * accuracy:.2f}", accuracy


def verdict_pair(summary: Mapping[str, Any]) -> tuple[str, SortValue]:
    """Return the verdict against the parent in a few characters, and the difference in points.

    An arrow says that the difference is more than chance; "≈" that it is not distinguishable.
    """
    verdict = verdict_from(summary.get("verdict"))
    if verdict is None:
        return _NONE, None
    if not verdict.is_distinguishable:
        return "≈", verdict.points
    return f"{verdict.points:+.2f} {'▲' if verdict.points > 0 else '▼'}", verdict.points


def _search(listed: Listed, parent_title: str) -> str:
    """Return all that a filter looks at; some of it also under a name, as "status:failed"."""
    summary, about = listed.summary, listed.about
    words = [listed.trial.id, about.name, about.note, *(f"tag:{tag}" for tag in about.tags), f"parent:{parent_title}"]
    words += [text_in(summary, key) for key in ("changes", "source", "hidden", "reason")]
    return " ".join(
        (*words, f"status:{listed.status}", f"status:{listed.shown}", "starred" if about.starred else "")
    ).lower()


def started(trial_id: str) -> str:
    """Return when a trial was started, to the minute, as its id tells it: "18 Oct 14:05"."""
    month = int(trial_id[4:6])
    name = _MONTHS[month - 1] if 1 <= month <= len(_MONTHS) else "?"
    return f"{trial_id[6:8]} {name} {trial_id[9:11]}:{trial_id[11:13]}"


def figures_of(summary: Mapping[str, Any], *, best: bool) -> dict[str, Any]:
    """Return the figures of a summary's best or last epoch; {} before the first."""
    values = summary.get("best" if best else "last")
    return values if isinstance(values, dict) else {}


def text_in(summary: Mapping[str, Any], name: str) -> str:
    """Return a text of a summary, which may hold anything; "" where it is none."""
    value = summary.get(name)
    return value if isinstance(value, str) else ""


def number(value: object) -> float | None:
    """Return a number from a summary; None where there is none, or something else, as anybody may have written it."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
