"""A report as one HTML file: no script, nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from core.files import replace_text
from core.report.curves import STYLE, accuracy_chart, cost_chart
from core.report.values import Report, TrialPart
from core.text import printable
from core.verdict import EXPLAINED, Verdict, p_text

_LONGEST = 5_000  # characters of a note
_NO_BREAK = "\N{NO-BREAK SPACE}"
SHOWN_CLASSES = 30
"""Classes up to which the whole confusion matrix is shown."""


def write_html(report: Report, file: Path) -> None:
    """Write a report as one HTML file that needs nothing else.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_text(file, render_html(report))


def render_html(report: Report) -> str:
    """Return a report as HTML. Every text in it passes `printable` and is escaped."""
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            style=Markup(_environment().get_template("style.css").render() + STYLE),  # noqa: S704 - our own files
            explained=EXPLAINED,
            shown_classes=SHOWN_CLASSES,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("core.report"),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "cost": _cost, "points": _points, "found": _found}
    environment.globals |= {"curves": _curves, "shade": _shade}
    return environment


def _shown(value: Any) -> Any:
    """Make whatever a template shows harmless; autoescape follows."""
    return printable(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value


def _percent(fraction: float | None, digits: int = 2) -> str:
    return "-" if fraction is None else f"{100 * fraction:.{digits}f}{_NO_BREAK}%"


def _cost(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _points(verdict: Verdict) -> str:
    return f"{verdict.points:+.2f}".replace("-", "\N{MINUS SIGN}")


def _found(verdict: Verdict) -> str:
    words = "more than chance" if verdict.is_distinguishable else "not distinguishable"
    return f"{words}, {p_text(verdict.p).replace(' ', _NO_BREAK)}"


def _curves(part: TrialPart) -> list[Markup]:
    if part.best is None:
        return []
    before = part.base.history if part.base else ()
    title = f"trial {part.number}, {part.title}"
    charts = (draw(part.history, part.best, before, title) for draw in (cost_chart, accuracy_chart))
    return [Markup(chart) for chart in charts]  # noqa: S704 - it escapes its texts itself


def _shade(count: int, whole: int) -> int:
    """Return how dark a cell of the confusion matrix is, from 0 to 9, by its part of the images of its class."""
    return min(9, round(9 * (count / whole) ** 0.5)) if whole else 0
