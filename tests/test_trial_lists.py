"""Columns of lists and tables of trials: what stays legible where there is little room."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.app import App, ComposeResult

from core.trials.store import Listed
from core.trials.trial import About, Trial
from tui.widgets.compare_table import CompareTable, TableRow
from tui.widgets.trial_list import TrialList
from tui.widgets.trial_rows import STARTED, TRIAL_COLUMNS, build_rows


class Shown(App[None]):
    """An app with a list and nothing else."""

    def __init__(self, widget: TrialList | CompareTable) -> None:
        """Show the widget."""
        super().__init__()
        self._widget = widget

    def compose(self) -> ComposeResult:
        """Compose it."""
        yield self._widget


def test_a_scrollbar_hides_nothing_of_the_last_column() -> None:
    trials = TrialList(TRIAL_COLUMNS, empty="", several=True, sort_by=STARTED)
    changes = "learning rate: 0.001 -> 0.01; epochs: 20 -> 40; dropout of layer 1: 0.2 -> 0.5"
    listed = [
        Listed(
            Trial(Path(f"20261126-2111{number:02}-0{number % 10}abcd")), About(), {"changes": changes}, "interrupted"
        )
        for number in range(40)
    ]

    async def steps() -> None:
        async with Shown(trials).run_test(size=(80, 24)) as pilot:
            trials.set_rows(built.row for built in build_rows(listed).values())
            await pilot.pause()
            assert trials.show_vertical_scrollbar
            room = trials.size.width - trials.scrollbar_size_vertical
            assert "interrupted" in trials.render_line(1).text[:room]

    asyncio.run(steps())


def test_ids_above_compared_trials_show_their_ends() -> None:
    table = CompareTable()
    names = [f"20261126-2111{number:02}-{number:02}abcd" for number in range(6)]

    async def steps() -> None:
        async with Shown(table).run_test(size=(80, 24)) as pilot:
            table.show(names, [TableRow("test accuracy", tuple("50.00 %" for _ in names))])
            await pilot.pause()
            titles = table.render_line(0).text
            assert "1 …" in titles and "00abcd" in titles and "2 …" in titles and "01abcd" in titles

    asyncio.run(steps())
