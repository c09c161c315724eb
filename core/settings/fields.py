"""The table of fields: what every setting is called, means, and may be.

Each field is declared once, where its value lives (`core.settings.schema`), through `setting(...)`. Forms, the command
line, diffs and error messages all read the table that is built from these declarations.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Rule = Callable[[Any, Mapping[str, Any]], str]
"""Takes a value and the right ones among those declared before it; returns what it must be, or "" if it is right."""

_NEARLY = 1e-5
"""By how much of itself a number may be off a step and still count as on it: 1 - 0.9999999 is not quite 1e-7."""


@dataclass(frozen=True, slots=True)
class Step:
    """How one press of an arrow key changes a number.

    Attributes:
        kind: "add" the amount, go through the "decades" 1-2-5-10, "double" and halve, or through "nines": 0.9, 0.95,
            0.98, 0.99, 0.995, ..., whose distances from 1 are decades.
        amount: What is added; for the other kinds, where stepping up from zero begins.
    """

    kind: Literal["add", "decades", "double", "nines"]
    amount: float

    def up(self, value: float) -> float:
        """Return the next larger value."""
        if self.kind == "add":
            return _tidy(math.floor(value / self.amount + 1 + 1e-9) * self.amount)
        if value < self.amount:
            return self.amount
        if self.kind == "double":
            return value * 2
        if self.kind == "nines":
            return _tidy(1 - _below(1 - value))
        return _above(value)

    def down(self, value: float) -> float:
        """Return the next smaller value."""
        if self.kind == "add":
            return _tidy(math.ceil(value / self.amount - 1 - 1e-9) * self.amount)
        if value <= self.amount:
            return 0.0
        if self.kind == "double":
            return value / 2
        if self.kind == "nines":
            return _tidy(1 - _above(1 - value))
        return _below(value)


def _above(value: float) -> float:
    return next(mark for mark in _decades(value) if mark > value * (1 + _NEARLY))


def _below(value: float) -> float:
    return next(mark for mark in reversed(_decades(value)) if mark < value * (1 - _NEARLY))


def _decades(value: float) -> list[float]:
    exponent = math.floor(math.log10(value))
    return [_tidy(digit * 10.0**power) for power in range(exponent - 1, exponent + 2) for digit in (1, 2, 5)]


def _tidy(value: float) -> float:
    return float(f"{value:.12g}")  # 0.30000000000000004 -> 0.3


def setting(  # noqa: PLR0913 - one argument per column of the table
    default: Any,
    *,
    label: str,
    help: str,  # noqa: A002 - the field's standard term
    unit: str = "",
    step: Step | None = None,
    option: str = "",
    rule: Rule | None = None,
    **limits: float,
) -> Any:
    """Declare one setting: a field of a dataclass that carries its row of the table.

    Args:
        default: The value where nothing is said; `...` where it must be said.
        label: Its name in forms and in diffs, in lower case.
        help: One sentence: what it does.
        unit: The unit of its numbers.
        step: What an arrow key does to it.
        option: Its own option on the command line; without one it is reached by `--set`.
        rule: What its type and its range do not tell.
        limits: `ge`, `gt`, `le`, `lt`: the allowed range.
    """
    columns = {
        "label": label,
        "help": help,
        "unit": unit,
        "minimum": limits.get("gt", limits.get("ge")),
        "maximum": limits.get("lt", limits.get("le")),
        "above": "gt" in limits,
        "below": "lt" in limits,
        "step": step,
        "option": option,
        "rule": rule,
    }
    return dataclasses.field(default=dataclasses.MISSING if default is ... else default, metadata=columns)


@dataclass(frozen=True, slots=True)
class SettingField:
    """One row of the table of fields.

    Attributes:
        path: The dotted name, "training.learning_rate"; a hidden layer's number is a star, "model.hidden.*.dropout".
        label: The name people read, in lower case.
        help: One sentence on what it does.
        unit: The unit of its numbers, or "".
        kind: The type of its value: int, float, bool, str or tuple (of floats).
        choices: The values it may take, if these are words.
        minimum: The least number allowed, or None.
        maximum: The greatest number allowed, or None.
        above: Whether the minimum itself is excluded.
        below: Whether the maximum itself is excluded.
        step: What an arrow key does to it, or None.
        option: Its own option on the command line, or "".
        rule: What its type and its range do not tell, or None.
        default: The value where nothing is said, or None where it must be said.
    """

    path: str
    label: str
    help: str
    unit: str
    kind: type
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    above: bool
    below: bool
    step: Step | None
    option: str
    rule: Rule | None
    default: Any

    @property
    def allowed(self) -> str:
        """What the field may be, in words: "a number over 0, at most 10"."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        if self.kind is tuple:
            return "numbers separated by commas"
        if self.kind is str:
            return "text"
        words = "a whole number" if self.kind is int else "a number"
        if self.minimum is not None:
            words += f" {'over' if self.above else 'from'} {self.minimum:,}"
        if self.maximum is not None:
            link = " and under" if self.below else " and at most" if self.above else " to"
            words += f"{link} {self.maximum:,}"
        return words

    def stepped(self, value: float, up: bool) -> float | int:
        """Return the value one arrow key away, within the allowed range; the value itself at an end of it.

        Raises:
            ValueError: The field has no step, because it is not a number.
        """
        if self.step is None:
            raise ValueError(f"{self.path} has no step")
        new = self.step.up(value) if up else self.step.down(value)
        if not self._is_in_range(new):
            return int(value) if self.kind is int else value
        return round(new) if self.kind is int else new

    def held(self, value: object) -> Any:
        """Return a value as the field holds it, or None if its type or its range does not allow it.

        A whole number may stand for a number, and a list for a tuple; nothing else is turned into another type.
        """
        if self.kind is str:
            return value if isinstance(value, str) and (not self.choices or value in self.choices) else None
        if self.kind is bool:
            return value if isinstance(value, bool) else None
        if self.kind is tuple:
            numbers = [finite(each) for each in value] if isinstance(value, list | tuple) else [None]
            return None if None in numbers else tuple(numbers)
        if self.kind is int:
            is_right = isinstance(value, int) and not isinstance(value, bool) and self._is_in_range(value)
            return value if is_right else None
        number = finite(value)
        return number if number is not None and self._is_in_range(number) else None

    def _is_in_range(self, number: float) -> bool:
        if self.minimum is not None and (number < self.minimum or (self.above and number == self.minimum)):
            return False
        return self.maximum is None or number < self.maximum or (number == self.maximum and not self.below)

    def parse(self, text: str) -> Any:
        """Turn the text of a form or of the command line into the field's kind of value.

        A text that is no such value comes back unchanged: validation then names it together with all other mistakes.
        """
        text = text.strip()
        try:
            if self.kind is bool:
                return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}[text.lower()]
            if self.kind is int:
                return int(text)
            if self.kind is float:
                return float(text)
            if self.kind is tuple:
                return tuple(float(part) for part in text.strip("()[]").split(",") if part.strip())
        except (KeyError, ValueError):
            return text
        return text


def show_value(value: Any) -> str:
    """Return a setting's value as people read it in diffs and tables, and as `--set` takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - exact as an integer
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(show_value(part) for part in value) or "-"
    return str(value)


def finite(value: object) -> float | None:
    """Return a number as a float; None if it is none, is not finite, or is too large for one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def row_of(path: str, field: dataclasses.Field[Any]) -> SettingField:
    """Return the row of the table for one setting.

    Args:
        path: The setting's dotted name.
        field: The field of a dataclass that `setting` has made; its type must be a type, not the text of one.
    """
    origin = typing.get_origin(field.type)
    choices = typing.get_args(field.type) if origin is Literal else ()
    return SettingField(
        path=path,
        kind=str if choices else origin or typing.cast(type, field.type),
        choices=choices,
        default=None if field.default is dataclasses.MISSING else field.default,
        **field.metadata,
    )
