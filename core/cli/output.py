"""What every command prints with: tables and progress for people, one line of JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from core.data.folder import OnProgress
from core.text import printable

out = Console(highlight=False, soft_wrap=True)
_WIDE = 110  # columns
_UNLIMITED = 200  # columns of a table that no terminal shows
_ID_WIDTH = 22
_NAME_WIDTH = 10
_WIDEST_MATRIX = 20  # classes
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str, *, to: Console | None = None, style: str = "") -> None:
    """Print one line that may hold foreign text: no markup, no control character, no wrapping."""
    (to or out).print(Text(printable(text, 10_000), style=style))


def tell(text: str, *, name: str | None = None, to: Console | None = None, style: str = "") -> None:
    """Print a sentence that may hold foreign text: wrapped at words in a terminal, else as one line.

    Args:
        text: The sentence.
        name: What stands in a column on the left, as wide as it or wider, "" to leave that free; None: there is no
            such column.
        to: Where it is printed; None: stdout.
        style: Its style.
    """
    where, sentence = to or out, Text(printable(text, 10_000), style=style)
    column = 0 if name is None else max(_NAME_WIDTH, len(name))
    lines = sentence.wrap(where, max(where.width - column, 1)) if where.is_terminal else [sentence]
    for at, line in enumerate(lines):
        line.rstrip()
        where.print(Text.assemble((f"{name or '' if at == 0 else '':<{column}}", style), line))


def remark(text: str) -> None:
    """Print on stderr what a user should know but no program needs."""
    tell(text, to=err, style="yellow")


def cell(text: object, style: str = "") -> Text:
    """Return foreign text for a table cell."""
    return Text(printable(text, 200), style=style)


def table(*columns: str, title: str = "") -> Table:
    """Return an empty table; a heading begins with ">" for numbers and with "=" for what must not be cut."""
    new = Table(box=None, pad_edge=False, header_style="bold", title=title or None, title_justify="left")
    for column in columns:
        kind, heading = (column[0], column[1:]) if column[:1] in (">", "=") else ("", column)
        new.add_column(
            heading,
            justify="right" if kind == ">" else "left",
            no_wrap=bool(kind),
            min_width=max(len(heading), _ID_WIDTH if kind == "=" else 0) if kind else None,
        )
    return new


def room() -> int:
    """Return how many columns a table may have: the terminal's, or enough for all where there is none."""
    return out.width if sys.stdout.isatty() else _UNLIMITED


def is_wide() -> bool:
    """Return whether there is room for every column: in a wide terminal, and where there is none."""
    return room() >= _WIDE


def print_table(new: Table) -> None:
    """Print a table, as wide as the terminal or, where there is none, as it needs to be."""
    out.print(new, soft_wrap=False) if sys.stdout.isatty() else Console(width=_UNLIMITED, highlight=False).print(new)


def print_matrix(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """Print a confusion matrix, rows true; nothing where there are too many classes for any screen."""
    if len(classes) > _WIDEST_MATRIX:
        return
    matrix = table("true \\ predicted", *(f">{printable(name, 8)}" for name in classes))
    for name, row in zip(classes, counts, strict=True):
        matrix.add_row(cell(name), *(str(count) if count else "·" for count in row))
    print_table(matrix)


def percent(fraction: float | None, digits: int = 2) -> str:
    """Return "58.08 %", or a dash for None."""
    return "-" if fraction is None else f"{100 * fraction:.{digits}f} %"


def bar(console: Console, *columns: ProgressColumn) -> Progress:
    """Return a progress bar that vanishes when it is done, and never appears where there is no terminal."""
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal)


@contextmanager
def loading_progress() -> Iterator[OnProgress]:
    """Show a bar on stderr while data is downloaded or decoded; the download's size is told before it begins."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]}"), TimeRemainingColumn())
    bytes_done, count_done = DownloadColumn(), MofNCompleteColumn()
    with bar(err, *columns) as progress:
        tasks: dict[str, object] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                if what.startswith("downloading"):
                    say(f"{what}: {total / 1e6:,.1f} MB", to=progress.console)
                tasks[what] = progress.add_task(printable(what), total=total, done="")
            task = next(task for task in progress.tasks if task.id == tasks[what])
            progress.update(task.id, completed=done)
            render: Callable[..., Text] = bytes_done.render if what.startswith("downloading") else count_done.render
            progress.update(task.id, done=render(task).plain)

        yield on_progress
