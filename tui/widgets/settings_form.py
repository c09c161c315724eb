"""The form of everything but the layers: regularization, optimization, data and the run."""

from __future__ import annotations

from typing import ClassVar

from textual.app import RenderResult
from textual.binding import BindingType
from textual.content import Content
from textual.reactive import reactive

from core.data.catalog import known_shape
from core.settings import SettingField, Settings, field_of
from core.skips import square_layers
from core.text import printable
from tui.actions import bindings
from tui.draft import ALL_DROPOUTS, Draft, restored
from tui.safe import cut, safe
from tui.widgets.form import Cell, Form

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "Regularization",
        (
            "training.l2_lambda",
            ALL_DROPOUTS,
            "training.label_smoothing",
            "training.weight_decay",
            "training.early_stopping_patience",
            "training.early_stopping_min_delta",
        ),
    ),
    (
        "Optimization",
        (
            "training.optimizer",
            "training.learning_rate",
            "training.schedule",
            "training.warmup_epochs",
            "training.momentum",
            "training.ema_decay",
            "training.batch_size",
            "training.epochs",
            "model.skip_connections",
        ),
    ),
    (
        "Data",
        (
            "data.source",
            "data.validation_split",
            "data.horizontal_flip",
            "data.crop_padding",
            "data.mixup",
            "data.normalization",
            "data.mean",
            "data.std",
            "data.image_size",
            "data.skip_broken",
        ),
    ),
    ("Run", ("training.seed", "training.device", "training.precision")),
)
"""The fields in the order of the form."""

_LABELS = {ALL_DROPOUTS: "dropout, all layers"}
_LABEL_COLUMNS = 27
_VALUE_COLUMNS = 12


class SettingsForm(Form):
    """One field a line, in groups; the arrow keys to the left and right step the value."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("training")]

    data_problem: reactive[str] = reactive("")
    """Why the data cannot be used, in one line; "" if nothing is wrong with it as far as is known."""

    def lay_out(self) -> list[Cell]:
        """Return where the fields are."""
        return [
            Cell(path, _LABEL_COLUMNS, y, _VALUE_COLUMNS)
            for y, (path, _) in enumerate(_lines(self.draft))
            if path is not None
        ]

    def action_restore(self) -> None:
        """Put the field back to where the settings began."""
        cell = self.current
        if cell is not None:
            self.edit(restored(self.draft, cell.path), "")

    def render(self) -> RenderResult:
        """Return all lines."""
        old = self.draft.old_values
        here = self.current
        lines = []
        for path, heading in _lines(self.draft):
            if path is None:
                lines.append(Content.styled(heading, "bold $primary"))
                continue
            lines.append(self._line(path, _old_value(path, self.draft, old), here is not None and here.path == path))
        return Content("\n").join(lines)

    def _line(self, path: str, old: str | None, is_here: bool) -> Content:
        row = field_of(path)
        assert row is not None  # noqa: S101 - a test holds the groups to the table of fields
        label = _LABELS.get(path, row.label)
        wrong = self.draft.wrong.get(path)
        reason = wrong.reason if wrong else self.data_problem if path == "data.source" else ""
        unused = is_unused(path, self.draft)
        mark = "✗" if reason else "*" if old is not None else " "
        style = "$text-error" if reason else "$text-warning" if old is not None else ""
        value = _shown(row, self.draft.text_of(path), is_here)
        room = max(_VALUE_COLUMNS, self.size.width - _LABEL_COLUMNS)
        value_style = self.cursor_style if is_here else style or ("dim" if unused else "")
        shown = printable(value, room)
        parts = [
            Content.styled(f"{mark} {label:<{_LABEL_COLUMNS - 2}}", style or ("dim" if unused else "")),
            Content.styled(shown, value_style),
        ]
        note = _note(row, unused, old, reason)
        left = room - len(shown) - 2
        if note and left > 4:  # noqa: PLR2004 - fewer columns tell nothing
            parts += [Content("  "), safe(cut(note, left), "$text-error" if reason else "dim")]
        return Content("").join(parts)

    def on_resize(self) -> None:
        """Draw anew what was cut to the width."""
        self.refresh()


def is_unused(path: str, draft: Draft) -> bool:
    """Return whether the other settings leave a setting without effect."""
    settings = draft.settings
    training = settings.training
    return (
        (path == "training.momentum" and training.optimizer != "sgd")
        or (path == "training.weight_decay" and training.optimizer != "adamw")
        or (path == "training.early_stopping_min_delta" and not training.early_stopping_patience)
        or (path in ("data.mean", "data.std") and settings.data.normalization != "given")
        or (path == "model.skip_connections" and _has_no_square_layer(settings))
    )


def _has_no_square_layer(settings: Settings) -> bool:
    """Return whether surely no hidden layer is as wide as its input: of a folder's images the size is not known."""
    shape = known_shape(settings)
    return shape is not None and not square_layers(settings.model, shape.image.values)


def _lines(draft: Draft) -> list[tuple[str | None, str]]:
    """Return the path of every line, or None and the text of a heading."""
    lines: list[tuple[str | None, str]] = []
    for title, paths in GROUPS:
        if lines:
            lines.append((None, ""))
        lines.append((None, title))
        lines += [(path, "") for path in paths if path not in ("data.mean", "data.std") or not is_unused(path, draft)]
    return lines


def _old_value(path: str, draft: Draft, old: dict[str, str]) -> str | None:
    if path != ALL_DROPOUTS:
        return old.get(path)
    before = Draft(settings=draft.begin).text_of(path)
    return before if before != draft.text_of(path) else None


def _shown(row: SettingField, text: str, is_here: bool) -> str:
    if row.kind is bool and text in ("on", "off"):
        return f" {'■' if text == 'on' else '□'} {text} "
    return f" ◂ {text} ▸ " if is_here and (row.choices or row.step) else f" {text} "


def _note(row: SettingField, unused: bool, old: str | None, reason: str) -> str:
    if reason:
        return reason
    if old is not None:
        return f"was {old}"
    return "no effect here" if unused else row.unit
