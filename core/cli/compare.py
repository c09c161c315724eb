"""`trialbook compare`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len
from rich.text import Text

from core.cli.output import cell, percent, print_table, remark, room, say, table, tell
from core.comparison import Column, Comparison
from core.comparison import compare as compare_trials
from core.text import one_line_json
from core.trials.repeats import EXPLAINED as EXPLAINED_OF_REPEATS
from core.trials.repeats import Repeats, SettingsVerdict
from core.trials.store import find_trial
from core.verdict import EXPLAINED

_GAP = 2  # cells between the columns of a table


def _cost(value: float) -> str:
    return f"{value:.4f}"


_RESULTS: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("epoch", "epochs", str),
    ("validation_accuracy", "validation accuracy", percent),
    ("test_accuracy", "test accuracy", percent),
    ("test_cost", "test cost", _cost),
    ("train_cost", "train cost", _cost),
    ("gap", "gap", "{:+.4f}".format),
    ("best_epoch", "best epoch", str),
    ("best_test_accuracy", "its test accuracy", percent),
    ("best_test_cost", "its test cost", _cost),
    ("parameters", "parameters", "{:,}".format),
    ("seconds", "seconds", "{:,.1f}".format),
)


@click.command()
@click.argument("texts", metavar="TRIAL TRIAL...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON, and nothing else.")
@click.pass_obj
def compare(home: Path, texts: tuple[str, ...], *, as_json: bool) -> None:
    """Compare two to eight saved trials: results, the settings that differ, and which differences are real.

    TRIAL is an id or its beginning or end, a name, a trial's directory, or "last".
    """
    found = compare_trials([find_trial(home, text) for text in texts])
    for text in found.remarks:
        remark(text)
    if as_json:
        print(one_line_json(_as_plain(found)))  # noqa: T201 - the output
        return
    _show_results(found)
    _show_settings(found)
    _show_verdicts(found)
    _show_repeats(found)


def _as_plain(found: Comparison) -> dict[str, Any]:
    ids = [column.id for column in found.columns]
    return {
        "trials": [
            {name: value for name, value in _fields(column).items() if name not in ("trial", "shown")}
            for column in found.columns
        ],
        "best": {name: [ids[at] for at in places] for name, places in found.best.items()},
        "settings": [dataclasses.asdict(row) for row in found.settings],
        "verdicts": [
            {
                "first": ids[first],
                "second": ids[second],
                "verdict": None if verdict is None else {**dataclasses.asdict(verdict), "points": verdict.points},
            }
            for (first, second), verdict in found.verdicts.items()
        ],
        "repeats": [
            {**dataclasses.asdict(each), "trials": [ids[at] for at in found.positions(each)]} for each in found.repeats
        ],
        "settings_verdicts": [
            {
                "first": [ids[at] for at in found.positions(before)],
                "second": [ids[at] for at in found.positions(after)],
                "verdict": dataclasses.asdict(verdict),
            }
            for before, after, verdict in _settings_verdicts(found)
        ],
        "remarks": list(found.remarks),
    }


def _settings_verdicts(found: Comparison) -> Iterator[tuple[Repeats, Repeats, SettingsVerdict]]:
    """Yield each pair of groups of repeats that can be compared, and its verdict."""
    for before, after in itertools.combinations(found.repeats, 2):
        verdict = found.settings_verdicts.get((found.positions(before)[0], found.positions(after)[0]))
        if verdict is not None:
            yield before, after, verdict


def _fields(column: Column) -> dict[str, Any]:
    return {field.name: getattr(column, field.name) for field in dataclasses.fields(column)}


def _show_results(found: Comparison) -> None:
    for number, column in enumerate(found.columns, 1):
        say(f"{number}  {column.id}  {column.shown}  {column.name}".rstrip())
    say("")
    rows = []
    for name, label, shown in _RESULTS:
        values = [getattr(column, name) for column in found.columns]
        if all(value is None for value in values):
            continue
        best = found.best.get(name, ())
        cells = [
            cell("-" if value is None else f"{shown(value)}{' *' if at in best else '  '}", "bold" * (at in best))
            for at, value in enumerate(values)
        ]
        rows.append((label, cells))
    _print_columns("", rows)
    tell("* the best; gap: test cost minus train cost without penalty; all but the best epoch's is the last epoch's")
    say("")


def _show_settings(found: Comparison) -> None:
    if not found.settings:
        say("the settings are the same")
    else:
        rows = [(row.label, [cell(value) for value in row.values]) for row in found.settings]
        _print_columns("settings that differ", rows)
    say("")


def _print_columns(heading: str, rows: Sequence[tuple[str, Sequence[Text]]]) -> None:
    """Print a column per trial: as many side by side as there is room for, the others below, all beside the labels."""
    labels = max(map(cell_len, (heading, *(label for label, _ in rows))))
    widths = [max(value.cell_len for value in column) + _GAP for column in zip(*(row for _, row in rows), strict=True)]
    for block in _blocks(widths, room() - labels):
        if block.start:
            say("")
        shown = table(heading)
        shown.columns[0].min_width = labels
        for at in block:
            shown.add_column(str(at + 1), justify="right")
        for label, values in rows:
            shown.add_row(label, *values[block.start : block.stop])
        print_table(shown)


def _blocks(widths: Sequence[int], space: int) -> Iterator[range]:
    """Yield which columns stand side by side; one does even where it is wider than the space."""
    start = 0
    for end in range(1, len(widths) + 1):
        if end == len(widths) or sum(widths[start : end + 1]) > space:
            yield range(start, end)
            start = end


def _show_verdicts(found: Comparison) -> None:
    for (first, second), verdict in found.verdicts.items():
        if verdict is not None:
            say(f"{second + 1} against {first + 1}: {verdict}")
    if any(verdict is not None for verdict in found.verdicts.values()):
        tell(EXPLAINED)


def _show_repeats(found: Comparison) -> None:
    """Print what trials that differ in their seed alone tell of their settings."""
    if not found.repeats:
        return
    say("")
    numbers = {each.trials: ", ".join(str(at + 1) for at in found.positions(each)) for each in found.repeats}
    for each in found.repeats:
        tell(f"settings of {numbers[each.trials]}: {each}")
    for before, after, verdict in _settings_verdicts(found):
        tell(f"{numbers[after.trials]} against {numbers[before.trials]}: {verdict}")
    tell(EXPLAINED_OF_REPEATS)
