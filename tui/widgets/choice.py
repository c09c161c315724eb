"""What is known of a preset or a saved trial that one could begin from."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from core.presets import Preset
from core.settings import Settings, differences, show_value, widths_text
from core.trials.store import Listed
from core.verdict import verdict_from
from tui.plot.reading import packed
from tui.safe import safe
from tui.widgets.trial_rows import figures_of, number

_LABEL = 10  # columns
_TOLD = ("reported accuracy", "the log says")  # by the first line
_FIRST = ("hidden layers", "dropouts", "L2 lambda", "learning rate", "batch size", "epochs", "input normalization")
_LONGEST = 400  # characters of a text
_MOST_ROWS = 3  # of one group
_GAP = "   "


class ChoiceDetail(Widget):
    """A preset: what its source states, and, apart from it, what is assumed. A trial: its changes, verdict and note."""

    DEFAULT_CSS = """
    ChoiceDetail { width: 1fr; padding: 0 2; border-top: solid $panel; color: $foreground; }
    """

    choice: reactive[Preset | Listed | None] = reactive(None)

    def render(self) -> RenderResult:
        """Return the lines that there is room for."""
        if self.choice is None:
            return Content("")
        width, rows = max(self.size.width, 1), self.size.height
        if isinstance(self.choice, Preset):
            lines = preset_lines(self.choice, width, rows)
        else:
            lines = trial_lines(self.choice, width)
        return Content("\n").join(lines[:rows])


def preset_lines(preset: Preset, width: int, rows: int) -> list[Content]:
    """Return what is known of a preset, in so many rows at most."""
    reported = preset.reported_accuracy
    heading = Content.assemble(
        safe(preset.name, "bold $primary"),
        "" if reported is None else (f"   reported accuracy {100 * reported:.2f} %", "bold"),
        safe(f"   {preset.about}"),
    )
    lines = [heading.truncate(width, ellipsis=True)]
    if not preset.stated:
        return lines + _group("settings", "$text-muted", _main_settings(preset.settings), width, rows - 1)
    assumed = _group("assumed", "$text-warning", preset.assumed_values or (("nothing", ""),), width, 3)
    stated = sorted((pair for pair in preset.stated if pair[0] not in _TOLD), key=lambda pair: _place(pair[0]))
    return lines + _group("stated", "$text-success", stated, width, max(rows - 1 - len(assumed), 1)) + assumed


def _place(label: str) -> int:
    """Return the place of what is stated in its order: what all trials of the history share comes last."""
    return _FIRST.index(label) if label in _FIRST else len(_FIRST)


def trial_lines(listed: Listed, width: int) -> list[Content]:
    """Return what is known of a saved trial."""
    summary, about = listed.summary, listed.about
    name = about.name.strip()
    heading = Content.assemble(
        safe(name or listed.trial.id, "bold $primary"), safe(f"   {listed.trial.id if name else ''}", "$text-muted")
    )
    lines = [heading.truncate(width, ellipsis=True)]
    parent, changes = summary.get("parent"), summary.get("changes")
    if isinstance(parent, str):
        words = changes if isinstance(changes, str) and changes else "nothing"
        parts = [("since", parent), *((part, "") for part in words.split("; "))]
        lines += _group("changed", "$text-warning", parts, width)
    verdict = verdict_from(summary.get("verdict"))
    if verdict is not None:
        lines += _group("verdict", "$text-success", [(str(verdict), "")], width)
    figures = [("status", listed.shown)]
    for kind in ("best", "last"):
        part = figures_of(summary, best=kind == "best")
        accuracy, cost = number(part.get("test_accuracy")), number(part.get("test_cost"))
        if accuracy is not None and cost is not None:
            figures.append((f"{kind} epoch", f"{part.get('epoch')}: {100 * accuracy:.2f} %, test cost {cost:.4f}"))
    figures += [(key, str(summary[key])) for key in ("hidden", "source", "reason") if summary.get(key)]
    lines += _group("result", "$text-muted", figures, width)
    if about.note.strip():
        lines += _group("note", "$text-muted", [(about.note.strip(), "")], width)
    return lines


def _main_settings(settings: Settings) -> list[tuple[str, str]]:
    """Return the settings that matter most, and all that are not as they are by default."""
    training = settings.training
    shown = [
        ("data", settings.data.source),
        ("hidden layers", widths_text(settings)),
        ("L2 lambda", show_value(training.l2_lambda)),
        ("optimizer", training.optimizer),
        ("learning rate", show_value(training.learning_rate)),
        ("batch size", str(training.batch_size)),
        ("epochs", str(training.epochs)),
    ]
    known = {label for label, _ in shown}
    others = ((change.label, change.new) for change in differences(Settings(), settings) if change.new)
    return shown + [pair for pair in others if pair[0] not in known]


def _group(
    label: str, style: str, pairs: Iterable[tuple[str, str]], width: int, rows: int = _MOST_ROWS
) -> list[Content]:
    """Return labels and values behind a heading, wrapped between them and indented, in so many rows at most."""
    parts = [
        Content.assemble(safe(name, "$text-muted" if value else "", _LONGEST), safe(f" {value}" if value else ""))
        for name, value in pairs
    ]
    lines = packed(parts, max(width - _LABEL, 1), rows, _GAP)
    heads = [Content.styled(f"{label:<{_LABEL}}", style), *[Content(" " * _LABEL)] * len(lines)]
    return [Content.assemble(head, line) for head, line in zip(heads, lines, strict=False)]
