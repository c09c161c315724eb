"""A group of settings: an immutable value that checks itself, here and nowhere else, against the table of fields."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, ClassVar, NamedTuple, TypeVar

from core.errors import SettingsError
from core.settings.fields import SettingField, finite, row_of
from core.text import printable

NO_SUCH_SETTING = "there is no such setting"
MAX_PARTS = 1_000
"""Hidden layers that a network may have."""


class Mistake(NamedTuple):
    """Something that settings cannot be.

    Attributes:
        path: The setting's dotted name.
        wrong: What is wrong with it, to be read after the name.
    """

    path: str
    wrong: str


class Part:
    """A group of settings, each declared with `setting` or a group itself; one with a wrong value cannot be made.

    Every group is a frozen dataclass; this base of theirs is none, and has no values of its own.

    Attributes:
        PATH: Its dotted name, with a dot at the end; a hidden layer's number is a star.
    """

    __slots__ = ()

    PATH: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __post_init__(self) -> None:
        """Check all values, and keep them as their fields hold them.

        Raises:
            SettingsError: With one line for every mistake.
        """
        mistakes: list[Mistake] = []
        values = {name: getattr(self, name) for name in members_of(type(self))}
        for name, value in _checked(type(self), values, self.PATH, mistakes).items():
            object.__setattr__(self, name, value)
        if mistakes:
            raise SettingsError([f"{path}: {wrong}" for path, wrong in mistakes])


_P = TypeVar("_P", bound=Part)


_members: dict[type[Part], dict[str, Any]] = {}


def members_of(kind: type[Part]) -> dict[str, Any]:
    """Return what a group of settings is made of, by name: rows of the table, and the types of the groups inside it."""
    if kind not in _members:
        _members[kind] = {
            field.name: row_of(kind.PATH + field.name, field) if field.metadata else field.type
            for field in fields(kind)
        }
    return _members[kind]


def read_part(kind: type[_P], given: object, path: str, mistakes: list[Mistake]) -> _P | None:
    """Return a group of settings from nested plain values; what is missing is default.

    Args:
        kind: The group's class.
        given: The values by name, or the group itself.
        path: The group's dotted name, with a dot at the end, in which hidden layers are numbered from 1.
        mistakes: Where every mistake is added.

    Returns:
        The group; None if there is a mistake.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        mistakes.append(_refused(path.rstrip(".") or "settings", given, "must be a table of settings"))
        return None
    before = len(mistakes)
    values = _checked(kind, given, path, mistakes)
    mistakes += [Mistake(f"{path}{name}", NO_SUCH_SETTING) for name in given if name not in members_of(kind)]
    return kind(**values) if len(mistakes) == before else None


def _checked(kind: type[Part], given: Mapping[str, Any], path: str, mistakes: list[Mistake]) -> dict[str, Any]:
    """Return those of the given values that are right, as their fields hold them."""
    right: dict[str, Any] = {}
    for name, member in members_of(kind).items():
        value = None
        if isinstance(member, SettingField):
            if name in given or member.default is not None:
                value = _setting(member, given.get(name, member.default), right, path + name, mistakes)
            else:
                mistakes.append(Mistake(path + name, f"is missing; must be {member.allowed}"))
        elif name in given:
            inner = typing.get_args(member)
            if inner:
                value = _parts(inner[0], given[name], path + name, mistakes)
            else:
                value = read_part(member, given[name], f"{path}{name}.", mistakes)
        if value is not None:
            right[name] = value
    return right


def _parts(kind: type[Part], given: object, path: str, mistakes: list[Mistake]) -> tuple[Part | None, ...] | None:
    if not isinstance(given, list | tuple):
        mistakes.append(_refused(path, given, "must be a list of tables, one per hidden layer"))
        return None
    if len(given) > MAX_PARTS:
        mistakes.append(Mistake(path, f"{len(given):,} hidden layers are too many; there may be {MAX_PARTS:,}"))
        return None
    return tuple(read_part(kind, each, f"{path}.{number}.", mistakes) for number, each in enumerate(given, 1))


def _setting(row: SettingField, given: object, earlier: dict[str, Any], path: str, mistakes: list[Mistake]) -> Any:
    """Return a value as its field holds it, or None if it is wrong."""
    if row.kind is tuple and isinstance(given, list | tuple):
        before = len(mistakes)
        for number, each in enumerate(given, 1):
            if finite(each) is None:
                mistakes.append(_refused(f"{path}.{number}", each, "must be a number"))
        if len(mistakes) > before:
            return None
    value = row.held(given)
    wanted = f"must be {row.allowed}" if value is None else row.rule(value, earlier) if row.rule else ""
    if wanted:
        mistakes.append(_refused(path, given, wanted))
        return None
    return value


def _refused(path: str, given: object, wanted: str) -> Mistake:
    return Mistake(path, f"{quoted(given)} is not allowed; {wanted}")


def quoted(given: object) -> str:
    """Return a value that is not allowed as an error message shows it."""
    return printable(repr(given) if isinstance(given, str) else given, 60)
