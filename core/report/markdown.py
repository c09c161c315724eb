"""A report as Markdown, as GitHub shows it, with its curves as SVG files in a folder beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.files import cannot_write, refuse_directory, replace_text
from core.report.curves import accuracy_chart, cost_chart
from core.report.values import Base, DataPart, Evaluated, Report, TrialPart
from core.text import printable
from core.verdict import EXPLAINED

SHOWN_CLASSES = 15
"""Classes up to which the whole confusion matrix is shown."""

_CURVES = re.compile(r"[1-9][0-9]*-(cost|accuracy)\.svg")
_LONGEST = 5_000  # characters of a note
_SPECIAL = re.compile(r"[\\`*_{}\[\]()<>#|~&$!^=@]|(?<=www)\.|:(?=//)|^[-+]|^\s+|(?<=^\d)[.)]|(?<=^\d\d)[.)]")


def write_markdown(report: Report, file: Path) -> None:
    """Write a report as Markdown, and its curves into the folder FILE-curves beside it.

    Curves that an earlier report has left there and this one lacks are removed.

    Raises:
        TrialError: A file cannot be written.
    """
    refuse_directory(file)
    folder = file.with_name(f"{file.stem}-curves")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    curves: set[str] = set()
    for part in report.trials:
        if part.best is None:
            continue
        before = part.base.history if part.base else ()
        for kind, draw in (("cost", cost_chart), ("accuracy", accuracy_chart)):
            drawn = draw(part.history, part.best, before, f"trial {part.number}, {part.title}", alone=True)
            name = f"{part.number}-{kind}.svg"
            _write(folder / name, drawn + "\n")
            curves.add(name)
    replace_text(file, render_markdown(report, folder.name))
    _remove_curves(folder, curves)


def _remove_curves(folder: Path, kept: set[str]) -> None:
    """Remove the curves of an earlier report, and nothing that no report has written."""
    try:
        for name in os.listdir(folder):
            if name not in kept and _CURVES.fullmatch(name):
                (folder / name).unlink()
    except OSError as error:
        raise cannot_write(folder, error) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")  # a thousand curves need not each be forced onto the disk
    except OSError as error:
        raise cannot_write(path, error) from error


def render_markdown(report: Report, folder: str) -> str:
    """Return a report as Markdown.

    Args:
        report: The report.
        folder: Where its curves are, relative to the text.
    """
    blocks = [f"# {escaped(report.title)}", f"{escaped(report.counts)}. Written {escaped(report.written)}."]
    blocks += [block for data in report.data for block in _summary(data)]
    blocks += ["## All trials", _history(report), _EXPLAINED]
    blocks += [block for part in report.trials for block in _trial(part, folder)]
    blocks += [block for data in report.data if data.best for block in _final(data, data.best)]
    return "\n\n".join(blocks) + "\n"


_EXPLAINED = (
    "Accuracy and cost are those of the test images; the best epoch is the one with the lowest cost. The gap is the "
    "test cost minus the train cost without the L2 penalty, at the last epoch; the train cost is measured with dropout "
    f"on. The change in accuracy is that since the trial named, on the same test images. {EXPLAINED}"
)


def escaped(text: object) -> str:
    r"""Return foreign text as Markdown that shows just this text: one line, no markup, no link, no table cell's end.

    >>> escaped("a|b](javascript:x)")
    'a\\|b\\]\\(javascript:x\\)'
    """
    return _SPECIAL.sub(lambda match: "\\" + match[0] if match[0].strip() else "", printable(text, _LONGEST))


def _summary(data: DataPart) -> list[str]:
    blocks = [f"## Trials on {escaped(data.name)}"]
    best, result = data.best, data.evaluated
    if best is None or best.last is None:
        blocks.append("No trial has ended with a complete epoch.")
    else:
        sure = f" (95 % interval {_percent(result.interval[0])} to {_percent(result.interval[1])})" if result else ""
        blocks.append(
            f"The best of {data.trials} trials is {best.number}, {escaped(best.title)}: "
            f"**{_percent(best.last.test_accuracy)}** of the test images{sure} after epoch {best.last.epoch}. "
            f"It has {data.chosen_by}."
        )
    if data.selection:
        blocks.append(f"{escaped(data.selection)}.")
    return [*blocks, _lines(data.lines)]


def _history(report: Report) -> str:
    heads = ("No.", "Trial", "What changed", "Why", "Last acc.", "Best acc.", "Test cost", "Gap", "Change in accuracy")
    return _table(heads, [_history_row(part) for part in report.trials], right=(0, 4, 5, 6, 7))


def _history_row(part: TrialPart) -> list[str]:
    status = "" if part.status == "finished" else f" ({escaped(part.status)})"
    since = f"since {_base(part.base)}: " if part.base else ""
    changed = since + ("; ".join(map(escaped, part.changes)) or "nothing") if part.base else ""
    if part.status == "damaged" and part.problems:
        changed = escaped(part.problems[0])
    cells = [str(part.number), escaped(part.title) + status, changed, escaped(part.note)]
    if part.last is None or part.best is None:
        return [*cells, "", "", "", "", ""]
    return [
        *cells,
        _percent(part.last.test_accuracy),
        f"{_percent(part.best.test_accuracy)} at {part.best.epoch}",
        f"{part.last.test_cost:.4f}",
        f"{part.gap:+.3f}",
        str(part.verdict) if part.verdict else "",
    ]


def _base(base: Base) -> str:
    return escaped(base.words) if base.number is None else f"{base.number}, {escaped(base.words)}"


def _trial(part: TrialPart, folder: str) -> list[str]:
    facts = [escaped(part.status), part.created, *(f"{label} {escaped(value)}" for label, value in part.facts)]
    if part.tags:
        facts.append("tags: " + ", ".join(map(escaped, part.tags)))
    facts.append(part.id if part.title != part.id else "")
    blocks = [f"## Trial {part.number}: {escaped(part.title)}", ", ".join(fact for fact in facts if fact)]
    blocks += [f"Why: {escaped(part.note)}"] if part.note else []
    blocks += [f"Problem: {escaped(problem)}" for problem in part.problems]
    blocks += [f"Ended early: {escaped(part.reason)}"] if part.reason else []
    if part.base:
        blocks.append(f"Changed from {_base(part.base)}:" + ("" if part.changes else " nothing."))
        blocks += [_bullets(part.changes)] if part.changes else []
    blocks += [f"Test accuracy since then: {part.verdict}."] if part.verdict else []
    if part.last is not None:
        for kind in ("cost", "accuracy"):
            blocks.append(
                f"![{kind.capitalize()} per epoch of trial {part.number}](<{_url(folder)}/{part.number}-{kind}.svg>)"
            )
    elif part.status != "damaged":
        blocks.append("No epoch is complete.")
    return blocks + ([_bullets(part.diagnosis)] if part.diagnosis else [])


def _url(folder: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - needed once

    return quote(folder)


def _final(data: DataPart, best: TrialPart) -> list[str]:
    epoch = best.last.epoch if best.last else 0
    blocks = [
        f"## The final network on {escaped(data.name)}",
        f"It is that of trial {best.number}, {escaped(best.title)}, after its last epoch, {epoch}.",
        *(f"Problem: {escaped(problem)}" for problem in data.problems),
    ]
    if data.layers:
        blocks += [_table(data.layers[0], [[*map(escaped, row)] for row in data.layers[1:]], right=(1, 2))]
    if data.settings:
        blocks += ["### All other settings", _lines(data.settings)]
    return blocks + (_evaluation(data.evaluated) if data.evaluated else [])


def _evaluation(result: Evaluated) -> list[str]:
    low, high = result.interval
    rows = [
        [escaped(row.name), f"{row.images:,}", _percent(row.recall, 1), _percent(row.precision, 1)]
        for row in result.classes
    ]
    names = [escaped(row.name) for row in result.classes]
    blocks = [
        "### Evaluation",
        f"`Accuracy on test set : {100 * result.accuracy:.4f}%`",
        f"{result.right:,} of {result.images:,} test images; 95 % interval (Wilson) {_percent(low)} to "
        f"{_percent(high)}.",
        _table(("class", "images", "recall", "precision"), rows, right=(1, 2, 3)),
    ]
    if len(names) <= SHOWN_CLASSES:
        matrix = [
            [f"**{name}**", *(f"**{count}**" if at == place else str(count) for at, count in enumerate(row))]
            for place, (name, row) in enumerate(zip(names, result.matrix, strict=True))
        ]
        blocks.append("Test images by true class (row) and predicted class (column):")
        blocks.append(_table(["", *names], matrix, right=range(1, len(names) + 1)))
    if result.confusions:
        shown = [[escaped(true), escaped(taken), f"{count:,}"] for true, taken, count in result.confusions[:10]]
        blocks += ["Most frequent mistakes:", _table(("true class", "taken for", "images"), shown, right=(2,))]
    return blocks


def _lines(lines: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"- {escaped(label)}: {escaped(value)}" for label, value in lines)


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(text)}" for text in texts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Return a table; heads and cells are Markdown already."""
    numbers = set(right)
    rules = ["--:" if at in numbers else "---" for at in range(len(heads))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, rules, *rows))


def _percent(fraction: float | None, digits: int = 2) -> str:
    return "-" if fraction is None else f"{100 * fraction:.{digits}f} %"
