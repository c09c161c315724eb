"""Saved trials as lines of a list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.widgets.trial_list import Column, Row

if TYPE_CHECKING:
    from core.trials.store import Listed

TRIAL_COLUMNS = (
    Column("name or note", 12, 100, flexible=True),
    Column("started", 16, 95, descending=True),
    Column("best %", 6, 90, right=True, descending=True),
    Column("last %", 6, 70, right=True, descending=True),
    Column("test cost", 9, 85, right=True),
    Column("parameters", 10, 80, right=True),
    Column("status", 11, 75),
    Column("hidden", 16, 65),
    Column("data", 10, 60),
    Column("epochs", 7, 55, right=True, descending=True),
)
"""What a list shows of saved trials. The test cost is that of the best epoch."""
STARTED = 1
"""The column that lists of trials are sorted by at first."""


def trial_row(listed: Listed) -> Row:
    """Return a saved trial as a line; a damaged one has dashes where nothing can be read."""
    summary, name, note = listed.summary, listed.about.name.strip(), listed.about.note.strip()
    best, last = figures_of(summary, best=True), figures_of(summary, best=False)
    accuracies = [number(part.get("test_accuracy")) for part in (best, last)]
    cost, parameters = number(best.get("test_cost")), number(summary.get("parameters"))
    done = number(last.get("epoch"))
    hidden, source = (str(summary.get(key, "-")) for key in ("hidden", "source"))
    data = Path(source).name
    return Row(
        key=listed.trial.id,
        cells=(
            name or note or listed.trial.id,
            started(listed.trial.id),
            *("-" if value is None else f"{100 * value:.2f}" for value in accuracies),
            "-" if cost is None else f"{cost:.4f}",
            "-" if parameters is None else f"{parameters:,.0f}",
            listed.status,
            hidden,
            data,
            f"{done or 0:.0f}/{summary.get('epochs', '-')}",
        ),
        sort=(
            (name or note or listed.trial.id).lower(),
            listed.trial.id,
            *accuracies,
            cost,
            parameters,
            listed.status,
            hidden,
            data,
            done,
        ),
        search=" ".join((listed.trial.id, name, note, source, hidden, listed.status)).lower(),
        muted=done is None,
    )


def started(trial_id: str) -> str:
    """Return when a trial was started, to the minute, as its id tells it."""
    date, time = trial_id[:8], trial_id[9:13]
    return f"{date[:4]}-{date[4:6]}-{date[6:]} {time[:2]}:{time[2:]}"


def figures_of(summary: dict[str, Any], *, best: bool) -> dict[str, Any]:
    """Return the figures of a summary's best or last epoch; {} if there are none."""
    figures = summary.get("best" if best else "last")
    return figures if isinstance(figures, dict) else {}


def number(value: object) -> float | None:
    """Return a number from a summary; None where there is none, or something else, as anybody may have written it."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
