"""The words around the plot: what is shown, which line is whose, and the exact values at an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from textual.content import Content
from textual.style import Style

from core.epoch import Epoch
from tui.plot.curves import Run, best_of, epoch_of, overlay_role, overlay_sign, short_title
from tui.plot.view import View
from tui.words import percent, signed

StyleOf = Callable[[str], Style]
"""Gives the style of a role, such as "train", "title" or "better"."""

_SAMPLES = {"solid": "⠤⠤⠤", "dashed": "⠤⠤ ⠤", "dotted": "⠄⠄⠄"}
_LONG_TITLE = 24
_PLAIN_RANGE = (1e-4, 1e4)
_SMALL_RATE = 0.01
_ROUND_TO = {"cost": 4, "points": 2}


def title(run: Run, view: View, extent: int, style_of: StyleOf) -> Content:
    """Return whose curves are shown, which quantity and in which way.

    Args:
        run: The trial.
        view: How it is shown.
        extent: The last epoch there is, planned ones included.
        style_of: Gives the style of a role.
    """
    modes = []
    if view.quantity == "cost" and not view.penalty:
        modes.append("without penalty")
    if view.is_log:
        modes.append("log")
    if view.smoothing:
        modes.append(f"smoothed {view.smoothing:g}")
    if view.first is not None:
        first, last = view.window(extent)
        modes.append(f"epochs {first}-{last} of {extent}")
    name = Content.styled(short_title(run, _LONG_TITLE), style_of("title"))
    return Content.assemble(name, f"  {view.quantity}", (f"  {', '.join(modes)}" if modes else "", style_of("quiet")))


def legend(run: Run, parent: Run | None, overlays: Sequence[Run], view: View, style_of: StyleOf) -> list[Content]:
    """Return a sample of each curve's line with its name, the best epoch's mark, and the other trials' signs."""
    drawn = [] if run.is_title else [("train", "dashed", "train"), ("test", "solid", "test")]
    if any(epoch.validation_cost is not None for epoch in run.history):
        drawn.append(("validation", "dotted", "validation"))
    parts = [Content.assemble((f"{_SAMPLES[dash]} ", style_of(role)), name) for role, dash, name in drawn]
    if parent is not None and view.parent:
        parts.append(Content.assemble(("p", style_of("parent")), f" parent {short_title(parent)}"))
    for index, other in enumerate(overlays):
        parts.append(Content.assemble(_sign(index, style_of), f" {short_title(other)}"))
    best = best_of(run)
    if best is not None:
        parts.append(Content.assemble(("◆", style_of("best")), f" best epoch {best.epoch}"))
    return parts


def readout(  # noqa: PLR0913, PLR0917 - everything that is read
    run: Run, parent: Run | None, overlays: Sequence[Run], view: View, number: int, style_of: StyleOf
) -> list[Content]:
    """Return the exact values of all trials at an epoch, not smoothed, as parts of a line or two."""
    epoch = epoch_of(run, number)
    parts = [Content.styled(f"epoch {number}", style_of("title"))]
    if epoch is None and not run.is_title:
        parts.append(Content.styled("not reached" if number <= run.epochs else "not planned", style_of("quiet")))
    elif epoch is not None:
        parts += _own(epoch, view, style_of)
    if parent is not None and view.parent:
        other = epoch_of(parent, number)
        if epoch is not None and other is not None:
            parts += _difference(epoch, other, style_of)
        else:
            parts.append(_other(Content.styled("parent", style_of("parent")), other, parent))
    for index, trial in enumerate(overlays):
        parts.append(_other(_sign(index, style_of) + f" {short_title(trial)}", epoch_of(trial, number), trial))
    if epoch is not None:
        parts.append(Content.styled(f"lr {rate_text(epoch.learning_rate)}", style_of("quiet")))
    return parts


def packed(parts: Sequence[Content], width: int, rows: int, gap: str = "  ") -> list[Content]:
    """Return parts as lines that fit into the width, none of them torn; an ellipsis stands for those without room.

    Args:
        parts: What to write, in order.
        width: Columns of a line.
        rows: The most lines.
        gap: What stands between the parts of a line.
    """
    lines: list[Content] = []
    for part in parts:
        if lines and lines[-1].cell_length + len(gap) + part.cell_length <= width:
            lines[-1] = Content.assemble(lines[-1], gap, part)
        elif len(lines) < rows:
            lines.append(part)
        else:
            lines[-1:] = [lines[-1] + " …"] if lines else []
            break
    return [line.truncate(width, ellipsis=True) for line in lines]


def number_text(value: float) -> str:
    """Return a cost with four decimal places, a huge or tiny one in scientific notation."""
    if math.isnan(value):
        return "NaN"
    low, high = _PLAIN_RANGE
    return f"{value:.4f}" if value == 0 or low <= abs(value) < high else f"{value:.4g}"


def rate_text(rate: float) -> str:
    """Return a learning rate, "1e-3" or "0.05"."""
    if not 0 < rate < _SMALL_RATE:
        return f"{rate:.4g}"
    mantissa, exponent = f"{rate:.3e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _own(epoch: Epoch, view: View, style_of: StyleOf) -> list[Content]:
    """Return the trial's own values."""
    train = epoch.train_cost if view.penalty else epoch.train_cross_entropy
    parts = [
        Content.assemble(("train", style_of("train")), f" {number_text(train)}"),
        Content.assemble(("test", style_of("test")), f" {number_text(epoch.test_cost)}"),
    ]
    if epoch.validation_cost is not None:
        parts.append(Content.assemble(("val", style_of("validation")), f" {number_text(epoch.validation_cost)}"))
    difference = epoch.gap
    parts.append(Content(f"gap {'+' if difference >= 0 else ''}{number_text(difference)}"))
    accuracy = f"accuracy {percent(epoch.train_accuracy)} / {percent(epoch.test_accuracy)}"
    if epoch.validation_accuracy is not None:
        accuracy += f" / {percent(epoch.validation_accuracy)}"
    return [*parts, Content(accuracy)]


def _difference(epoch: Epoch, other: Epoch, style_of: StyleOf) -> list[Content]:
    """Return by how much the trial is above its parent at the same epoch."""
    cost = epoch.test_cost - other.test_cost
    points = 100 * (epoch.test_accuracy - other.test_accuracy)
    words = Content.styled("vs parent:", style_of("parent"))
    return [
        Content.assemble(words, f" test cost {signed(cost)} ", _verdict(-cost, "cost", style_of)),
        Content.assemble(f"accuracy {signed(points, 2)} points ", _verdict(points, "points", style_of)),
    ]


def _verdict(gain: float, kind: str, style_of: StyleOf) -> Content:
    """Return in a word what a difference means; one that is shown as zero is none."""
    if not math.isfinite(gain):
        return Content("")
    gain = round(gain, _ROUND_TO[kind])
    word = "better" if gain > 0 else "worse" if gain < 0 else "same"
    return Content.styled(word, style_of(word))


def _other(name: Content, epoch: Epoch | None, run: Run) -> Content:
    """Return another trial's test values."""
    if epoch is None:
        last = run.history[-1].epoch if run.history else 0
        return name + f": ended at epoch {last}"
    return name + f": test {number_text(epoch.test_cost)}, {percent(epoch.test_accuracy)}"


def _sign(index: int, style_of: StyleOf) -> Content:
    return Content.styled(overlay_sign(index), style_of(overlay_role(index)))
