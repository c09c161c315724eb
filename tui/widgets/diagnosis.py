"""What the curves mean, in a line or two below them, and what to change next."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from core.diagnosis import Diagnosis, Suggestion, diagnose_trial, next_step
from core.settings import Settings
from core.trials.trial import Trial
from tui.safe import safe

_GAP = "   "


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rules read off a trial's curves.

    Attributes:
        trial: The trial.
        settings: What it is trained with.
        found: The diagnoses, the most important first.
    """

    trial: Trial
    settings: Settings
    found: tuple[Diagnosis, ...]

    @property
    def suggestion(self) -> Suggestion | None:
        """The one change to try next."""
        return next_step(self.found)


class DiagnosisLine(Widget):
    """The most important diagnosis, the suggested change, and the keys that lead on."""

    DEFAULT_CSS = """
    DiagnosisLine { height: 1; width: 1fr; padding: 0 1; display: none; }
    """

    reading: reactive[Reading | None] = reactive(None)

    def __init__(self, keys: tuple[str, str]) -> None:
        """Say nothing yet.

        Args:
            keys: The keys that open the form with the change made, and that show all diagnoses.
        """
        super().__init__()
        self._keys = keys

    def watch_reading(self, reading: Reading | None) -> None:
        """Take no room where there is nothing to read."""
        self.display = reading is not None

    def render(self) -> RenderResult:
        """Return the line, or both."""
        if self.reading is None:
            return Content("")
        found, suggestion, width = self.reading.found, self.reading.suggestion, self.size.width
        if not found:
            return Content.styled("the rules find nothing to change in these curves", "$text-muted")
        more = Content.assemble(
            (self._keys[1], "bold $text-accent"), " why" if len(found) == 1 else f" all {len(found)}"
        )
        text = safe(found[0].text)
        if self.size.height > 1:
            first, rest = text, self._change(suggestion) if suggestion is not None else Content("")
            if suggestion is None and text.cell_length > width:  # then both lines are the text's
                first = Content(textwrap.wrap(text.plain, max(width, 1))[0])
                rest = Content(text.plain[len(first.plain) :].lstrip())
            return Content("\n").join([_cut(first, width), _beside(rest, more, width)])
        if suggestion is None:
            return _beside(text, more, width)
        rule = next(each.rule for each in found if each.suggestion is suggestion)
        return _beside(Content.assemble(safe(f"{rule}: "), self._change(suggestion)), more, width)

    def _change(self, suggestion: Suggestion) -> Content:
        return Content.assemble((self._keys[0], "bold $text-accent"), " ", safe(suggestion.words, "$text-warning"))

    async def on_click(self) -> None:
        """Show all diagnoses."""
        await self.run_action("screen.diagnoses")


def reading_of(trial: Trial) -> Reading:
    """Read a saved trial's curves. Takes milliseconds: for worker threads.

    Raises:
        TrialError: A file of it cannot be read.
        SettingsError: Its settings are wrong.
    """
    return Reading(trial, trial.settings(), tuple(diagnose_trial(trial)))


def all_lines(found: Sequence[Diagnosis]) -> list[Content]:
    """Return all diagnoses with their rules, their numbers and what to change, as lines."""
    lines: list[Content] = []
    for each in found:
        numbers = _GAP.join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in each.numbers.items())
        rest = each.text.removeprefix(each.rule)  # every text begins with its rule's name
        lines += [Content(""), Content.assemble(safe(each.rule, "bold $primary"), safe(rest))]
        lines.append(safe(numbers, "$text-muted", 300))
        if each.suggestion is not None:
            lines.append(Content.assemble(("→ ", "$text-warning"), safe(each.suggestion.words)))
    return lines[1:]


def _cut(text: Content, width: int) -> Content:
    return text.truncate(max(width, 1), ellipsis=True)


def _beside(text: Content, end: Content, width: int) -> Content:
    """Return a text, cut where it must be, and what stands at the right end of its line."""
    shown = _cut(text, width - end.cell_length - len(_GAP))
    return Content.assemble(shown, " " * max(width - shown.cell_length - end.cell_length, 1), end)
