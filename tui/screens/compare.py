"""Two to eight saved trials side by side: curves, results, settings that differ, verdicts, and where they disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.style import Style
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from core.comparison import LEAST, MOST, Comparison
from core.trials.trial import Trial
from core.verdict import EXPLAINED
from tui.actions import bindings
from tui.comparing import (
    PairImages,
    find_trials,
    load_images,
    read_comparison,
    read_curves,
    read_on,
    read_pair,
    table_rows,
    titles_of,
    words_on_settings,
)
from tui.plot.curves import Run, overlay_role, overlay_sign, short_title
from tui.plot.reading import packed
from tui.plot.widget import CurvesPlot
from tui.safe import safe
from tui.screens.page import PagedPage, tab_line
from tui.widgets.compare_table import CompareTable
from tui.widgets.pair_pictures import PairPictures
from tui.widgets.pairs import Pairs
from tui.words import failure

if TYPE_CHECKING:
    from core.trials.store import Listed
    from tui.app import TrialbookApp
    from tui.feed import Feed
    from tui.runs import Shown

_PANELS = {"curves": "Curves", "table": "Results and settings", "pairs": "Verdicts", "pictures": "Images"}
_TITLE, _LEAST_TITLE = 24, 6  # characters of a trial's name
_HEADING = 20  # cells of the title's beginning
_SIGN = 5  # cells of a trial's sign and of the gap before it
_EXPLAINING = 50  # rows of the terminal from which there is room to explain the test
_TWO = (110, 28)  # columns and rows from which all panels are shown at once


class CompareScreen(PagedPage):
    """Reads the trials in workers, and reads on where they are being trained; each panel is filled when it can be."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("comparison")]
    DEFAULT_CSS = """
    CompareScreen #compare-title { height: 1; padding: 0 1; background: $panel; }
    CompareScreen #compare-remarks { height: auto; max-height: 3; padding: 0 1; display: none; }
    CompareScreen #compare-tabs { height: 1; padding: 0 1; display: none; link-style: none; }
    CompareScreen.-tabs #compare-tabs { display: block; }
    CompareScreen #compare-panels { width: 1fr; height: 1fr; layout: horizontal; }
    CompareScreen #compare-left { width: 7fr; }
    CompareScreen #compare-right { width: 4fr; }
    CompareScreen .panel { width: 1fr; height: 1fr; border: round $foreground 40%; border-title-color: $foreground; }
    CompareScreen .panel:focus-within {
        border: round $accent; border-title-color: $accent; border-title-style: bold;
    }
    CompareScreen #pairs-panel { height: auto; }
    CompareScreen.-tabs #pairs-panel { height: 1fr; }
    CompareScreen CompareTable { height: 1fr; }
    CompareScreen .words { padding: 0 1; height: auto; }
    CompareScreen #table-words { height: 2; color: $text-muted; }
    """

    def __init__(self, trial_ids: list[str]) -> None:
        """Make the screen, which reads these trials as soon as it is shown."""
        super().__init__()
        self._ids = trial_ids
        self._comparison: Comparison | None = None
        self._shown: tuple[Shown, ...] = ()
        self._listed: dict[str, Listed] = {}  # what is shown of the trials, as a list has it
        self._is_behind = False  # whether they have changed since that is being read
        self._current = "curves"
        self._is_alone = False
        self._workers: dict[str, Worker[Any]] = {}
        self._loading = ""  # the fingerprint of the images that are being loaded

    def compose_page(self) -> ComposeResult:
        """Compose the panels."""
        yield Static(id="compare-title")
        yield Static(id="compare-remarks")
        yield Static(id="compare-tabs")
        with Container(id="compare-panels"):
            with Vertical(id="compare-left"):
                yield from _panel("curves", CurvesPlot("curves"))
                yield from _panel("table", CompareTable("table"), Static(id="table-words", classes="words"))
            with Vertical(id="compare-right"):
                yield from _panel("pairs", Pairs("pairs"), Static(id="pairs-words", classes="words"))
                yield PairPictures()

    def on_mount(self) -> None:
        """Begin to read."""
        plot = self.query_one(CurvesPlot)
        plot.empty = "reading the curves …"
        plot.focus()
        self._read()
        self._trialbook.lookout.changed.subscribe(self, self._follow)

    @property
    def _trialbook(self) -> TrialbookApp:
        return cast("TrialbookApp", self.app)

    def _read(self) -> None:
        """Read the curves, and, when they are drawn, all else."""
        home, ids = self._trialbook.home, self._ids
        self._comparison, self._shown, self._is_behind = None, (), False
        self._listed = self._listed_now(self._trialbook.lookout.feed)
        self._pictures.clear()
        self._say_title([])
        self._work("curves", lambda: read_curves(find_trials(home, ids)))

    def _listed_now(self, feed: Feed) -> dict[str, Listed]:
        return {name: feed.seen[name].listed for name in self._ids if name in feed.seen}

    def _follow(self, feed: Feed) -> None:
        """Read on in trials that go on, whoever trains them; all else that is shown of them is read anew."""
        now = self._listed_now(feed)
        if all(self._listed.get(name) is listed for name, listed in now.items()):
            return
        self._listed = now
        if self._is_reading:
            self._is_behind = True
        elif self._shown:
            shown = self._shown
            self._work("curves", lambda: read_on(shown))

    @property
    def _is_reading(self) -> bool:
        return any(not self._workers[name].is_finished for name in ("curves", "all") if name in self._workers)

    def _work(self, name: str, work: Callable[[], Any]) -> None:
        self._workers[name] = self.run_worker(
            work, name=name, group=name, thread=True, exclusive=True, exit_on_error=False
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what a worker has found out, or why it could not."""
        name = event.worker.name
        if self._workers.get(name) is not event.worker:
            return
        if event.state is WorkerState.SUCCESS:
            take: dict[str, Callable[[Any], None]] = {
                "curves": self._take_curves,
                "all": self._take,
                "pair": self._take_pair,
                "images": partial(self._pictures.take_images, self._loading),
            }
            take[name](event.worker.result)
        elif event.state is WorkerState.ERROR:
            text = failure(event.worker.error)
            if name in ("curves", "all"):
                self._say_remarks([text], "✗", "$text-error")
            elif name == "images":
                self._pictures.take_images(self._loading, None, text)
            else:
                self._pictures.say(text)

    # what is shown

    def _take_curves(self, shown: tuple[Shown, ...]) -> None:
        self._shown = shown
        runs = tuple(each.run for each in shown)
        self.query_one(CurvesPlot).show(Run(f"{len(runs)} trials", (), 0), overlays=runs)
        room = (self.size.width - _HEADING) // max(len(runs), 1) - _SIGN
        self._say_title([short_title(run, max(_LEAST_TITLE, min(room, _TITLE))) for run in runs])
        trials = self._trials
        self._work("all", lambda: read_comparison(trials))

    @property
    def _trials(self) -> tuple[Trial, ...]:
        return tuple(each.trial for each in self._shown)

    def _say_title(self, titles: list[str]) -> None:
        plot = self.query_one(CurvesPlot)
        parts = [Content.styled(f"Compare {len(self._ids)} trials", "bold $accent")]
        for at, title in enumerate(titles):
            colour = plot.get_visual_style(f"curves--{overlay_role(at)}").foreground
            parts.append(Content.assemble((overlay_sign(at), Style(foreground=colour, bold=True)), f" {title}"))
        self.query_one("#compare-title", Static).update(Content("   ").join(parts))

    def _say_remarks(self, remarks: list[str], mark: str = "!", style: str = "$text-warning") -> None:
        line = self.query_one("#compare-remarks", Static)
        line.update(Content("\n").join([safe(f"{mark} {text}", style) for text in remarks]))
        line.display = bool(remarks)

    def _take(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._say_remarks(list(comparison.remarks))
        names = [column.name or column.id for column in comparison.columns]
        self.query_one(CompareTable).show(names, table_rows(comparison))
        self.query_one(Pairs).show(comparison.verdicts, len(comparison.columns))
        self.refresh_bindings()
        self._arrange()
        if self._is_behind:
            self._is_behind = False
            shown = self._shown
            self._work("curves", lambda: read_on(shown))

    @on(CompareTable.Moved)
    def _row_moved(self) -> None:
        """Write the values of the line under the cursor in full."""
        row = self.query_one(CompareTable).row
        parts = [] if row is None else [Content.styled(row.label, "bold")]
        for at, value in enumerate(row.values if row is not None else ()):
            parts.append(safe(f"{overlay_sign(at)} {value}{'*' if row is not None and at in row.best else ''}"))
        words = self.query_one("#table-words", Static)
        words.update(Content("\n").join(packed(parts, max(words.size.width, 20), 2, "   ")), layout=False)

    @on(Pairs.Moved)
    def _pair_moved(self) -> None:
        """Say how the two compare, and find their images."""
        if self._comparison is None:
            return
        self._say_pair(self._comparison)
        pair, trials = self.query_one(Pairs).pair, self._trials
        if self._pictures.pair is not None and self._pictures.pair.pair != pair:
            self._pictures.show_pair(None)
        if self._comparison.verdicts.get(pair) is None:
            self._pictures.show_pair(None)
        else:
            self._work("pair", lambda: read_pair(trials, pair))

    def _say_pair(self, comparison: Comparison) -> None:
        """Write the verdict on the selected pair, and what it means where there is room."""
        pair = self.query_one(Pairs).pair
        verdict = comparison.verdicts.get(pair)
        first, second = (titles_of(comparison.columns)[at] for at in pair)
        lines = [Content.assemble((second, "bold"), " against ", (first, "bold"), ":")]
        if verdict is None:
            lines.append(safe("they were not tested on the same images, or one has no complete epoch", "$text-warning"))
        else:
            signs = [overlay_sign(at) for at in pair]
            counts = f"right only in {signs[1]}: {verdict.gained:,}, only in {signs[0]}: {verdict.lost:,}"
            lines += [safe(verdict), Content.styled(counts, "$text-muted")]
        if settings := words_on_settings(comparison, pair):
            lines.append(safe(settings))
        if self.has_class("-tabs") or self.size.height >= _EXPLAINING:
            lines.append(Content.styled(EXPLAINED, "$text-muted"))
        self.query_one("#pairs-words", Static).update(Content("\n").join(lines))

    # the images

    def _take_pair(self, pair: PairImages) -> None:
        self._pictures.show_pair(pair)
        self._load_images()

    def _load_images(self) -> None:
        """Load the images that the pair was tested on, as soon as their panel is to be seen."""
        panel, worker = self._pictures, self._workers.get("images")
        pair = panel.pair
        if pair is None or not panel.is_waiting or not panel.display:
            return
        if worker is not None and not worker.is_finished and self._loading == pair.tested_on:
            return
        self._loading = pair.tested_on
        trials, load = [self._trials[at] for at in reversed(pair.pair)], self._trialbook.load_dataset
        self._work("images", lambda: load_images(trials, load))

    @on(PairPictures.Shown)
    def _pictures_shown(self) -> None:
        self.refresh_bindings()

    @property
    def _pictures(self) -> PairPictures:
        return self.query_one(PairPictures)

    # panels and keys

    def on_resize(self) -> None:
        """Arrange the panels anew."""
        self._arrange()

    @property
    def _is_small(self) -> bool:
        """Whether there is room for one panel only."""
        return self.size.width < _TWO[0] or self.size.height < _TWO[1]

    def _arrange(self) -> None:
        """Show all panels, or one of them under a line of tabs."""
        single = self._is_alone or self._is_small
        self.set_class(single, "-tabs")
        for name in _PANELS:
            self.query_one(f"#{name}-panel").display = not single or name == self._current
        self.query_one("#compare-left").display = not single or self._current in ("curves", "table")
        self.query_one("#compare-right").display = not single or self._current in ("pairs", "pictures")
        self.query_one("#compare-tabs", Static).update(tab_line(_PANELS, self._current))
        self._load_images()
        if self._comparison is not None:
            self._say_pair(self._comparison)
        self.call_after_refresh(self._row_moved)  # which is wrapped to the width

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which panel is in use."""
        if event.widget.id in _PANELS and event.widget.id != self._current:
            self._current = event.widget.id
            self._arrange()

    def action_show_panel(self, name: str) -> None:
        """Show a panel and give it the focus."""
        self._current = name
        self._arrange()
        self.query_one(f"#{name}").focus()

    def panels(self) -> tuple[Sequence[str], str]:
        """Return the names of all panels, and of the one in use."""
        return list(_PANELS), self._current

    def action_alone(self) -> None:
        """Give the panel the whole screen, or give it back."""
        self._is_alone = not self._is_alone
        self._arrange()

    @on(Pairs.Opened)
    def _pair_opened(self) -> None:
        self.action_show_panel("pictures")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Offer to swap the images only where there are some, and more room only where there is."""
        if action == "alone":
            return not self._is_small
        return action != "swap" or self._pictures.pair is not None

    def action_swap(self) -> None:
        """Show the images that only the other one of the two has right."""
        self._pictures.swap()

    @on(CurvesPlot.OverlayAsked)
    def action_trials(self) -> None:
        """Choose the trials to compare."""
        from tui.screens.choose import OverlayScreen  # noqa: PLC0415 - as all screens: when it is opened

        self.app.push_screen(OverlayScreen("Compare saved trials", set(self._ids)), self._take_ids)

    def _take_ids(self, chosen: list[str] | None) -> None:
        if chosen is None:
            return
        if not LEAST <= len(chosen) <= MOST:
            self._say_remarks([f"{LEAST} to {MOST} trials can be compared, not {len(chosen)}"])
            return
        kept = [name for name in self._ids if name in chosen]  # who stays keeps its sign as far as can be
        self._ids = kept + [name for name in chosen if name not in kept]
        self._workers.clear()
        self._read()


def _panel(name: str, *content: Widget) -> ComposeResult:
    with Vertical(id=f"{name}-panel", classes="panel") as panel:
        panel.border_title = _PANELS[name]
        if name == "pairs":
            panel.border_title += ": row against column"
            panel.border_subtitle = "+ better  - worse  ≈ within chance"
        yield from content
