"""All that is known of the trial under the cursor, in a few lines below the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from textual.content import Content

from core.verdict import EXPLAINED, verdict_from
from tui.safe import safe
from tui.widgets.trial_rows import figures_of, number, text_in
from tui.words import duration, signed

if TYPE_CHECKING:
    from core.trials.repeats import Repeats
    from core.trials.selection import Selection
    from core.trials.store import Listed

_LONG = 300  # characters of a note or of changes; the list itself shows their beginnings


@dataclass(frozen=True, slots=True)
class Known:
    """What only all trials together tell.

    Attributes:
        repeats: Mean and interval for settings that several seeds were trained of, by the summaries' `repeats`.
        selections: How often a test set was used to choose, by the summaries' `fingerprint`.
    """

    repeats: Mapping[str, Repeats] = field(default_factory=dict)
    selections: Mapping[str, Selection] = field(default_factory=dict)


def known_of(listed: Sequence[Listed]) -> Known:
    """Return what all trials together tell. Imports scipy where seeds were repeated: for worker threads."""
    from core.trials.repeats import repeats_of  # noqa: PLC0415
    from core.trials.selection import selection_of  # noqa: PLC0415

    prints = {str(each.summary["fingerprint"]) for each in listed if each.summary.get("fingerprint")}
    selections = {each: selection_of(listed, each) for each in prints}
    return Known(repeats_of(listed), {name: each for name, each in selections.items() if each is not None})


def detail_of(listed: Listed, parent_title: str, known: Known) -> Content:
    """Return a trial's lines, the most important first: a low terminal shows the first ones only.

    Args:
        listed: The trial.
        parent_title: What its parent is called; "" without one.
        known: What all trials together tell.
    """
    lines = [_heading(listed), *_changes(listed, parent_title), *_verdict(listed), _figures(listed)]
    lines += _said(listed)
    repeats = known.repeats.get(text_in(listed.summary, "repeats"))
    if repeats is not None:
        lines.append(Content(f"repeated with other seeds: {repeats}"))
    selection = known.selections.get(text_in(listed.summary, "fingerprint"))
    if selection is not None:
        lines.append(Content.styled(str(selection), "$text-muted"))
    if verdict_from(listed.summary.get("verdict")) is not None:
        lines.append(Content.styled(EXPLAINED, "$text-muted"))
    return Content("\n").join(lines)


def _heading(listed: Listed) -> Content:
    summary, about = listed.summary, listed.about
    parts = [safe(about.name or listed.trial.id, "bold", 60)]
    if about.starred:
        parts[0] = Content.assemble(("★ ", "bold $accent"), parts[0])
    if about.name:
        parts.append(safe(listed.trial.id))
    reason = text_in(summary, "reason")
    parts.append(safe(f"{listed.shown}: {reason}" if reason else listed.shown, limit=120))
    seconds = number(summary.get("seconds"))
    if seconds:
        parts.append(Content(duration(seconds)))
    return Content("   ").join(parts)


def _changes(listed: Listed, parent_title: str) -> list[Content]:
    if not parent_title:
        return []
    changes = text_in(listed.summary, "changes") or "nothing"
    return [Content.assemble("changed since ", safe(parent_title, "bold", 60), ": ", safe(changes, limit=_LONG))]


def _verdict(listed: Listed) -> list[Content]:
    verdict = verdict_from(listed.summary.get("verdict"))
    if verdict is None:
        return []
    style = "" if not verdict.is_distinguishable else "$text-success" if verdict.points > 0 else "$text-error"
    return [Content.assemble("verdict: ", (str(verdict), f"bold {style}".strip()))]


def _figures(listed: Listed) -> Content:
    parts, last = [], figures_of(listed.summary, best=False)
    for kind in ("best", "last"):
        figures = figures_of(listed.summary, best=kind == "best")
        accuracy, cost = number(figures.get("test_accuracy")), number(figures.get("test_cost"))
        if accuracy is not None and cost is not None:
            parts.append(f"{kind} epoch {figures.get('epoch')}: {100 * accuracy:.2f} %, test cost {cost:.4f}")
    gap = number(last.get("gap"))
    if gap is not None:
        parts.append(f"gap {signed(gap)}")
    parts = parts or ["no epoch is complete"]
    parts += [text_in(listed.summary, name) for name in ("hidden", "source") if listed.summary.get(name)]
    return safe("   ".join(parts))


def _said(listed: Listed) -> list[Content]:
    """Return note and tags in one line, if there are any."""
    about, parts = listed.about, []
    if about.note:
        parts.append(Content.assemble(("note ", "$text-muted"), safe(about.note, limit=_LONG)))
    if about.tags:
        parts.append(Content.assemble(("tags ", "$text-muted"), safe(" ".join(about.tags), limit=100)))
    return [Content("   ").join(parts)] if parts else []
