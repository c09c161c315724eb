"""The plot on a screen: keys, mouse, themes, sizes, live growth, and a real training's history."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.pilot import Pilot

from core.trials.store import list_trials
from tests.conftest import Ran, run_python
from tests.curves import epoch_with, run_of_length
from tui.plot.curves import Run
from tui.plot.view import View
from tui.plot.widget import CurvesPlot
from tui.runs import read_overlays

Steps = Callable[[Pilot[None], CurvesPlot], Awaitable[None]]


class Harness(App[None]):
    """A plot that fills the screen."""

    def __init__(self) -> None:
        super().__init__()
        self.views: list[View] = []
        self.asked = 0

    def compose(self) -> ComposeResult:
        yield CurvesPlot(id="plot")

    def on_curves_plot_view_changed(self, message: CurvesPlot.ViewChanged) -> None:
        assert message.control.id == "plot"
        self.views.append(message.view)

    def on_curves_plot_overlay_asked(self) -> None:
        self.asked += 1


def plotted(steps: Steps, size: tuple[int, int] = (100, 30)) -> Harness:
    async def run() -> Harness:
        app = Harness()
        async with app.run_test(size=size) as pilot:
            plot = app.query_one(CurvesPlot)
            plot.focus()
            await settled(pilot)
            await steps(pilot, plot)
        return app

    return asyncio.run(run())


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is being drawn any more."""
    for _ in range(3):
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def screen(app: App[Any]) -> list[str]:
    """Return what the terminal shows, line by line."""
    return ["".join(segment.text for segment in line) for line in app.screen._compositor.render_strips()]


async def press(pilot: Pilot[None], *keys: str) -> list[str]:
    await pilot.press(*keys)
    await settled(pilot)
    return screen(pilot.app)


def test_without_a_trial_the_plot_says_what_it_was_told_to_say() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        line = next(line for line in screen(pilot.app) if line.strip())
        assert line.strip() == "no trial yet"
        assert abs((len(line) - len(line.rstrip())) - (len(line) - len(line.lstrip()))) <= 1
        plot.empty = "reading [the] trials..."
        await press(pilot, "g", "right", "plus", "end", "home", "less_than_sign", "0")
        assert "reading [the] trials..." in "".join(screen(pilot.app))
        plot.show(run_of_length(5))
        await settled(pilot)
        assert "trials..." not in "".join(screen(pilot.app)) and "epoch 5" in "".join(screen(pilot.app))
        plot.show(None)
        await settled(pilot)
        assert "trials..." in "".join(screen(pilot.app))

    plotted(steps)


def test_every_key_of_the_table_does_what_it_says() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run_of_length(40, "mine", planned=60), run_of_length(60, "the parent", seed=1))
        await settled(pilot)
        shown = "\n".join(screen(pilot.app))
        assert "mine  cost" in shown and "p parent the parent" in shown and "vs parent:" in shown
        lines = await press(pilot, "g", "w", "m")
        assert "without penalty, log, smoothed 0.6" in lines[0]
        await press(pilot, "m")
        assert plot.view.smoothing == 0.9
        await press(pilot, "m", "g", "w")
        assert plot.view == View()
        lines = await press(pilot, "a")
        assert "mine  accuracy" in lines[0] and any(" %" in line[:8] for line in lines)
        before = plot.view
        await press(pilot, "g", "w")
        assert plot.view == before, "an accuracy has neither penalty nor logarithm"
        lines = await press(pilot, "a", "v")
        assert "parent" not in "\n".join(lines)
        await press(pilot, "v")
        lines = await press(pilot, "left", "h")
        assert plot.view.crosshair == 38 and any("epoch 38" in line for line in lines)
        assert sum(line.count("│") for line in lines) > 15
        await press(pilot, "l")
        assert plot.view.crosshair == 39
        await press(pilot, "home")
        assert plot.view.crosshair == 1
        await press(pilot, "left")
        assert plot.view.crosshair == 1
        await press(pilot, "end")
        assert plot.view.crosshair is None
        lines = await press(pilot, "plus")
        first, last = plot.view.window(60)
        assert last - first == 30 and f"epochs {first}-{last} of 60" in lines[0]
        await press(pilot, "H")
        assert plot.view.window(60)[0] < first
        await press(pilot, "L", "minus")
        assert plot.view.first is None
        await press(pilot, "k", "0")
        assert plot.view == View()
        await press(pilot, "t")

    app = plotted(steps)
    assert app.asked == 1 and app.views[-1] == View() and len(app.views) > 15


def test_the_crosshair_reads_unsmoothed_values_of_all_curves() -> None:
    run = Run("mine", tuple(epoch_with(n, test_cost=1 + (n % 2) * 0.5) for n in range(1, 31)), 30)
    other = Run("other", tuple(epoch_with(n, test_cost=2.0 + n) for n in range(1, 21)), 20)

    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run, other, [other])
        plot.view = View(smoothing=0.9, crosshair=15)
        await settled(pilot)
        shown = "\n".join(screen(pilot.app))
        for part in ("epoch 15", "test 1.5000", "test cost -15.5000 better", "1 other: test 17.0000"):
            assert part in shown
        plot.view = View(crosshair=25)
        await settled(pilot)
        assert "1 other: ended at epoch 20" in "\n".join(screen(pilot.app))

    plotted(steps)


def test_a_training_grows_and_the_readout_follows() -> None:
    run = run_of_length(30, planned=60)

    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(Run(run.title, (), 60))
        await settled(pilot)
        assert "epoch 1 is not complete yet" in "\n".join(screen(pilot.app))
        for done in (1, 2, 30):
            plot.show(Run(run.title, run.history[:done], 60))
            await settled(pilot)
            assert f"epoch {done}  train" in "\n".join(screen(pilot.app))
        plot.view = View(first=5, last=20, crosshair=7)
        plot.show(Run(run.title, run.history[:29], 60))
        assert plot.view.crosshair == 7, "the same trial keeps its view"
        plot.show(run_of_length(3, run.title, seed=5))
        assert plot.view == View(), "another trial is shown whole, whatever its name"

    plotted(steps)


def test_the_mouse_sets_the_crosshair_and_zooms() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run_of_length(50))
        await settled(pilot)
        assert plot._drawing is not None
        column = plot._drawing.picture.column(20)
        await pilot.click(plot, offset=(column, 10))
        assert plot.view.crosshair == 20
        await pilot._post_mouse_events([_wheel_up()], plot, offset=(column, 10))
        await settled(pilot)
        first, last = plot.view.window(50)
        assert first <= 20 <= last and last - first < 30
        await pilot.click(plot, offset=(1, 0))
        assert plot.view.crosshair == 20, "the title is no epoch"

    plotted(steps)


def _wheel_up() -> Any:
    from textual import events  # noqa: PLC0415 - the only event here

    return events.MouseScrollUp


def test_all_themes_have_colours_that_differ_from_the_background() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run_of_length(30, validation=True), run_of_length(30, seed=1), [run_of_length(30, seed=2)])
        await settled(pilot)
        assert plot._drawing is not None
        seen, drawing = set(), plot._drawing
        for theme in ("textual-light", "textual-dark", "ansi-dark", "ansi-light", "nord"):
            pilot.app.theme = theme
            await settled(pilot)
            styles = [s.style for y in range(plot.size.height) for s in plot.render_line(y) if "⠉" in s.text]
            colours = {(style.color, style.bgcolor) for style in styles if style}
            both = [pair for pair in colours if pair[0] and not pair[0].is_default]  # a terminal's own are readable
            assert both and all(colour != background for colour, background in both)
            seen.add(frozenset(colours))
        assert len(seen) >= 4, "the theme changes the colours"
        assert plot._drawing is drawing, "the theme changes nothing else"

    plotted(steps)


def test_focus_and_repaint_cost_nothing() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run_of_length(30))
        await settled(pilot)
        strips = plot._strips
        plot.blur()
        await settled(pilot)
        plot.focus()
        plot.refresh()
        await settled(pilot)
        assert plot._strips is strips
        await press(pilot, "left")
        assert plot._strips is not strips

    plotted(steps)


@pytest.mark.parametrize("size", [(40, 8), (60, 16), (150, 50), (12, 4), (5, 2), (1, 1)])
def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        others = [run_of_length(70, f"[b]{i}", seed=i) for i in range(7)]
        plot.show(run_of_length(60, "[red]x[/b]\x1b[31m", validation=True), others[0], others)
        await press(pilot, "a", "a", "left", "plus")
        lines = screen(pilot.app)
        assert "\x1b" not in "".join(lines)
        if size[0] >= 40:
            assert any("epoch 59" in line for line in lines)
            assert any(0x2800 < ord(character) <= 0x28FF for line in lines for character in line)

    plotted(steps, size)


def test_another_size_is_drawn_anew() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run_of_length(60))
        await settled(pilot)
        for size in ((60, 16), (150, 50), (40, 8)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            assert plot._drawing is not None and plot._drawing.plan.size[0] == size[0]
            assert len(plot._strips) == size[1]
            assert all(strip.cell_length == size[0] for strip in plot._strips)

    plotted(steps)


def test_what_comes_during_a_drawing_is_drawn_after_it() -> None:
    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        for epochs in range(1, 60):
            plot.show(run_of_length(epochs, planned=60))
        await settled(pilot)
        assert plot._drawing is not None and len(plot._drawing.plan.run.history) == 59

    plotted(steps)


def test_the_screen_is_never_kept_waiting_for_a_drawing() -> None:
    runs = [run_of_length(300, f"t{i}", seed=i) for i in range(8)]

    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(runs[0], runs[1], runs[2:])
        await settled(pilot)
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            plot.view = View(smoothing=0.6, log=not plot.view.log)
            times.append(time.perf_counter() - begin)
            await settled(pilot)
        print(f"a change of the view takes the screen {1000 * min(times):.1f} ms")  # noqa: T201
        assert min(times) < 0.1

    plotted(steps, (120, 36))


def test_no_colour_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "NO_COLOR", "1")

    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run_of_length(40, validation=True), run_of_length(40, seed=1), [run_of_length(40, "other", seed=2)])
        await settled(pilot)
        assert pilot.app.no_color
        for strip in pilot.app.screen._compositor.render_strips():
            for segment in strip:
                if segment.style and segment.style.color and segment.style.color.triplet:
                    colour = Color.from_rich_color(segment.style.color)
                    assert colour.r == colour.g == colour.b
        shown = "\n".join(screen(pilot.app))
        for label in (" train", " test", " val", "p test", "p train", "1 other", "better", "◆ best epoch"):
            assert label in shown

    plotted(steps, (120, 40))


def test_a_real_training_is_shown(home: Path, trialbook: Callable[..., Ran]) -> None:
    ran = trialbook("train", "--hidden", "16-8", "--epochs", 3, "--name", "real")
    assert ran.status == 0, ran.err
    (listed,) = list_trials(home)
    (made,) = read_overlays(home, [listed.trial.id])
    run = made.run

    async def steps(pilot: Pilot[None], plot: CurvesPlot) -> None:
        plot.show(run)
        await settled(pilot)
        shown = "\n".join(screen(pilot.app))
        last = run.history[-1]
        assert f"epoch 3  train {last.train_cost:.4f}  test {last.test_cost:.4f}" in shown
        assert f"{100 * last.test_accuracy:.2f} %" in shown

    plotted(steps)


def test_the_first_screen_comes_without_plotext() -> None:
    ran = run_python("import sys, tui.plot.widget; print('plotext' in sys.modules, 'numpy' in sys.modules)")
    assert ran.stdout.split() == ["False", "False"], ran.stderr
