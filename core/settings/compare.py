"""What differs between two settings, in words."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from core.settings.edit import widths_text
from core.settings.fields import show_value
from core.settings.schema import FIELDS, HiddenLayer, Settings


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two settings.

    Attributes:
        path: The setting's dotted name; "model.hidden" where layers were added or removed.
        label: What people call it: "dropout of layer 2".
        old: The first settings' value, as text; "" for an added layer.
        new: The second settings' value, as text; "" for a removed layer.
    """

    path: str
    label: str
    old: str
    new: str

    def __str__(self) -> str:
        """Return the change in words: "dropout of layer 2: 0.6 -> 0.4"."""
        if not self.old:
            return f"{self.label} added: {self.new}"
        if not self.new:
            return f"{self.label} removed: {self.old}"
        return f"{self.label}: {self.old} -> {self.new}"


def differences(old: Settings, new: Settings) -> list[Change]:
    """Return what changed from one settings to another, in the order of the table of fields; [] if they are equal.

    Where the number of hidden layers differs, all widths are told first, and layers are matched by likeness, so that
    one put in between is told as added. Layer numbers are those of the new settings, but for a removed layer.
    """
    changes: list[Change] = []
    for section in ("data", "model", "training"):
        if section == "model":
            changes += _part_differences(old.model, new.model, "model.", "")
            changes += _layer_differences(old, new)
            changes += _part_differences(old.model.output, new.model.output, "model.output.", " of the output layer")
        else:
            changes += _part_differences(getattr(old, section), getattr(new, section), f"{section}.", "")
    return changes


def _part_differences(old: object, new: object, prefix: str, suffix: str, shown: str | None = None) -> list[Change]:
    changes = []
    for path, field in FIELDS.items():
        group, dot, name = path.rpartition(".")
        if group + dot == prefix and getattr(old, name) != getattr(new, name):
            before, after = show_value(getattr(old, name)), show_value(getattr(new, name))
            changes.append(Change((shown or prefix) + name, field.label + suffix, before, after))
    return changes


def _layer_differences(old: Settings, new: Settings) -> list[Change]:
    before, after = old.model.hidden, new.model.hidden
    changes: list[Change] = []
    if len(before) != len(after):
        changes.append(Change("model.hidden", "hidden layers", widths_text(old), widths_text(new)))
        blocks = SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes()
    else:
        blocks = [("replace", 0, len(before), 0, len(after))]
    for _, start, end, new_start, new_end in blocks:
        pairs = min(end - start, new_end - new_start)
        for offset in range(pairs):
            number = new_start + offset + 1
            changes += _part_differences(
                before[start + offset],
                after[new_start + offset],
                "model.hidden.*.",
                f" of layer {number}",
                f"model.hidden.{number}.",
            )
        for index in range(start + pairs, end):
            changes.append(Change("model.hidden", f"layer {index + 1}", _describe(before[index]), ""))
        for index in range(new_start + pairs, new_end):
            changes.append(Change("model.hidden", f"layer {index + 1}", "", _describe(after[index])))
    return changes


def _describe(layer: HiddenLayer) -> str:
    parts = [f"width {layer.width}", "batch norm" if layer.batch_norm else "no batch norm", layer.activation]
    parts += [f"dropout {show_value(layer.dropout)}", "L2 penalty" if layer.l2 else "no L2 penalty"]
    return ", ".join(parts)
