"""The table of fields: what every setting is called, means, and may be.

Each field is declared once, where its value lives (`core.settings.schema`), through `setting(...)`. Forms, the command
line, diffs and error messages all read the table that is built from these declarations.
"""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Any, Literal

import annotated_types
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Step:
    """How one press of an arrow key changes a number.

    Attributes:
        kind: "add" the amount, go through the "decades" 1-2-5-10, or "double" and halve.
        amount: What is added; for the other kinds, where stepping up from zero begins.
    """

    kind: Literal["add", "decades", "double"]
    amount: float

    def up(self, value: float) -> float:
        """Return the next larger value."""
        if self.kind == "add":
            return _tidy(math.floor(value / self.amount + 1 + 1e-9) * self.amount)
        if value < self.amount:
            return self.amount
        if self.kind == "double":
            return value * 2
        return next(mark for mark in _decades(value) if mark > value * (1 + 1e-9))

    def down(self, value: float) -> float:
        """Return the next smaller value."""
        if self.kind == "add":
            return _tidy(math.ceil(value / self.amount - 1 - 1e-9) * self.amount)
        if value <= self.amount:
            return 0.0
        if self.kind == "double":
            return value / 2
        return next(mark for mark in reversed(_decades(value)) if mark < value * (1 - 1e-9))


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
    **limits: float,
) -> Any:
    """Declare one setting: a pydantic field that carries its row of the table.

    Args:
        default: The value where nothing is said; `...` where it must be said.
        label: Its name in forms and in diffs, in lower case.
        help: One sentence: what it does.
        unit: The unit of its numbers.
        step: What an arrow key does to it.
        option: Its own option on the command line; without one it is reached by `--set`.
        limits: `ge`, `gt`, `le`, `lt`: the allowed range.
    """
    extra: Any = {"unit": unit, "step": step, "option": option}
    bounds: dict[str, Any] = dict(limits)
    if isinstance(default, float):
        bounds["allow_inf_nan"] = False
    return Field(default, title=label, description=help, json_schema_extra=extra, **bounds)


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
        if (self.minimum is not None and (new < self.minimum or (self.above and new == self.minimum))) or (
            self.maximum is not None and (new > self.maximum or (self.below and new == self.maximum))
        ):
            return int(value) if self.kind is int else value
        return round(new) if self.kind is int else new

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


def table_of(model: type[BaseModel], prefix: str = "") -> dict[str, SettingField]:
    """Return the rows of every setting declared in a pydantic model and in the models inside it, by path.

    Args:
        model: A model whose leaves are declared with `setting`.
        prefix: The model's own path, with a dot at its end.
    """
    rows: dict[str, SettingField] = {}
    for name, info in model.model_fields.items():
        inner = _inner_model(info.annotation)
        if inner is not None:
            star = "*." if typing.get_origin(info.annotation) is tuple else ""
            rows |= table_of(inner, f"{prefix}{name}.{star}")
        else:
            rows[prefix + name] = _row(prefix + name, info)
    return rows


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *typing.get_args(annotation)):
        is_class = isinstance(candidate, type) and typing.get_origin(candidate) is None  # tuple[...] is none
        if is_class and issubclass(candidate, BaseModel):
            return typing.cast(type[BaseModel], candidate)
    return None


def _row(path: str, info: FieldInfo) -> SettingField:
    extra = typing.cast(dict[str, Any], info.json_schema_extra)
    annotation = info.annotation
    choices = typing.get_args(annotation) if typing.get_origin(annotation) is Literal else ()
    kind = str if choices else (typing.get_origin(annotation) or annotation)
    least: float | None = None
    most: float | None = None
    above = below = False
    for limit in info.metadata:
        if isinstance(limit, annotated_types.Gt | annotated_types.Ge):
            above = isinstance(limit, annotated_types.Gt)
            least = typing.cast(float, limit.gt if isinstance(limit, annotated_types.Gt) else limit.ge)
        elif isinstance(limit, annotated_types.Lt | annotated_types.Le):
            below = isinstance(limit, annotated_types.Lt)
            most = typing.cast(float, limit.lt if isinstance(limit, annotated_types.Lt) else limit.le)
    return SettingField(
        path=path,
        label=info.title or path,
        help=info.description or "",
        unit=extra["unit"],
        kind=typing.cast(type, kind),
        choices=choices,
        minimum=least,
        maximum=most,
        above=above,
        below=below,
        step=extra["step"],
        option=extra["option"],
        default=None if info.is_required() else info.default,
    )
