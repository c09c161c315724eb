"""The next trial while it is edited: an immutable value, and the list of values that undo and redo walk along."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError, TrialbookError
from core.settings import (
    FIELDS,
    HiddenLayer,
    Settings,
    change_settings,
    differences,
    field_of,
    make_settings,
    widths_text,
)
from core.settings.fields import show_value

if TYPE_CHECKING:
    from core.diagnosis import Diagnosis

ALL_DROPOUTS = "model.hidden.*.dropout"
WIDTHS = "model.hidden"
_HIDDEN = "model.hidden."
_UNDO_STEPS = 500
_MOST_WRONG = 100  # wrong inputs that are remembered: with each one the others are tried again
_LONGEST_INPUT = 5_000  # characters


@dataclass(frozen=True, slots=True)
class Wrong:
    """Input that is no valid value of its field.

    Attributes:
        text: What was typed.
        reason: Why it is not allowed, in one line.
    """

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """The settings of the next trial, as far as they are valid, and the input that is not.

    Attributes:
        settings: The valid settings; a field with wrong input has its last valid value here.
        begin: The settings where the editing began.
        parent: The preset or trial they came from, or None for the defaults.
        name: A short name for the trial.
        note: What is intended by it.
        wrong: The wrong input by its field's path.
    """

    settings: Settings = field(default_factory=Settings)
    begin: Settings = field(default_factory=Settings)
    parent: str | None = None
    name: str = ""
    note: str = ""
    wrong: Mapping[str, Wrong] = field(default_factory=dict)

    @property
    def old_values(self) -> dict[str, str]:
        """The value where the editing began, as text, of every field that differs from it; "" for an added layer."""
        return {change.path: change.old for change in differences(self.begin, self.settings)}

    @property
    def is_changed(self) -> bool:
        """Whether a field differs from where the editing began, or has wrong input."""
        return self.settings != self.begin or bool(self.wrong)

    @property
    def problem(self) -> str:
        """The first wrong input and why it is not allowed, in one line; "" where there is none."""
        return next((f"{path}: {wrong.reason}" for path, wrong in self.wrong.items()), "")

    @property
    def added_layers(self) -> set[int]:
        """The numbers of the hidden layers, from 1, that were not there where the editing began."""
        layers = [change for change in differences(self.begin, self.settings) if change.path == WIDTHS]
        return {int(change.label.removeprefix("layer ")) for change in layers if not change.old}

    def text_of(self, path: str) -> str:
        """Return what a form shows in a field: wrong input as it was typed, or the value."""
        if path in self.wrong:
            return self.wrong[path].text
        if path == WIDTHS:
            return widths_text(self.settings).replace("none", "")
        return show_value(self.value_of(path)) if path != ALL_DROPOUTS else _dropouts_text(self.settings)

    def value_of(self, path: str) -> Any:
        """Return a setting's valid value by its dotted name; a hidden layer's number counts from 1."""
        value: Any = self.settings
        for part in path.split("."):
            value = value[int(part) - 1] if part.isdecimal() else getattr(value, part)
        return value


def edited(draft: Draft, path: str, value: object) -> Draft:
    """Return the draft with one field set, from text or from a value; input that is wrong is kept beside the settings.

    Wrong input of other fields is tried again, for it may be right now: fewer epochs than the warm-up has are no
    mistake any more once the warm-up is shorter. That of a layer which is no longer there goes with the layer.
    """
    waiting = {name: wrong.text for name, wrong in draft.wrong.items() if name != path and not _covers(path, name)}
    inputs: dict[str, object] = {**waiting, path: value}
    settings, reasons = draft.settings, dict[str, str]()
    progress = True
    while progress and inputs:
        progress = False
        for name, given in list(inputs.items()):
            try:
                settings = change_settings(settings, {name: given})
            except SettingsError as error:
                reasons[name] = _reason(name, error)
            else:
                del inputs[name]
                progress = True
    kept = {name: given for name, given in inputs.items() if name == path or not _is_gone(name, settings)}
    wrong = {name: Wrong(str(given), reasons[name]) for name, given in kept.items()}
    return replace(draft, settings=settings, wrong=wrong)


def restored(draft: Draft, path: str) -> Draft:
    """Return the draft with one field as it was where the editing began; a layer's field needs that layer there."""
    if path == ALL_DROPOUTS:
        then, now = draft.begin.model.hidden, draft.settings.model.hidden
        values = [layer.dropout for layer in (*then, *now[len(then) :])]  # layers that were added keep theirs
        return edited(draft, path, ",".join(map(show_value, values))) if len(then) <= len(now) and values else draft
    try:
        return edited(draft, path, Draft(settings=draft.begin).value_of(path))
    except IndexError:
        return draft


def stepped(draft: Draft, path: str, up: bool) -> Draft:
    """Return the draft with one field at its next larger or smaller value, or its next or previous choice."""
    row = field_of(path)
    if row is None:
        return draft
    if path == ALL_DROPOUTS:
        values = [row.stepped(layer.dropout, up) for layer in draft.settings.model.hidden]
        return edited(draft, path, ",".join(map(show_value, values))) if values else draft
    value = draft.value_of(path)
    if row.kind is bool:
        return edited(draft, path, not value)
    if row.choices:
        at = row.choices.index(value) + (1 if up else -1)
        return edited(draft, path, row.choices[at % len(row.choices)])
    return edited(draft, path, row.stepped(value, up)) if row.step is not None else draft


def with_layers(draft: Draft, layers: tuple[HiddenLayer, ...], came_from: list[int | None]) -> Draft:
    """Return the draft with other hidden layers.

    Args:
        draft: The draft.
        layers: The new hidden layers.
        came_from: For each of them the number, from 1, of the layer that it was, or None; its wrong input moves along.
    """
    model = replace(draft.settings.model, hidden=layers)
    wrong = {name: value for name, value in draft.wrong.items() if not _number_in(name)}
    for number, before in enumerate(came_from, start=1):
        prefix = f"{_HIDDEN}{before}."
        for name, value in draft.wrong.items():
            if name.startswith(prefix):
                wrong[f"{_HIDDEN}{number}.{name.removeprefix(prefix)}"] = value
    changed = replace(draft, settings=replace(draft.settings, model=model), wrong=wrong)
    dropouts = wrong.get(ALL_DROPOUTS)  # which may fit now: there can be one for each layer
    return changed if dropouts is None else edited(changed, ALL_DROPOUTS, dropouts.text)


def begun(settings: Settings, parent: str | None) -> Draft:
    """Return the draft that begins from a preset's or a trial's settings."""
    return Draft(settings=settings, begin=settings, parent=parent)


def after(draft: Draft, trained: Draft, trial_id: str) -> Draft:
    """Return a draft as it goes on once another one is being trained, which it may have become different from since.

    Args:
        draft: The draft. It begins from the trial now, unless it began elsewhere; the trial keeps its name and note.
        trained: What is being trained.
        trial_id: The trial.
    """
    if (draft.begin, draft.parent) == (trained.begin, trained.parent):
        draft = replace(draft, begin=trained.settings, parent=trial_id)
    return replace(
        draft,
        name="" if draft.name == trained.name else draft.name,
        note="" if draft.note == trained.note else draft.note,
    )


def suggested(settings: Settings, parent: str, diagnosis: Diagnosis) -> Draft:
    """Return the draft that begins from a trial with the change made that a diagnosis of its curves suggests.

    Args:
        settings: The trial's settings.
        parent: The trial's id.
        diagnosis: One with a suggestion.

    Raises:
        SettingsError: The change makes no valid settings.
    """
    change = diagnosis.suggestion
    if change is None:
        return begun(settings, parent)
    note = f"suggested: {change.words} ({diagnosis.rule})"
    return replace(begun(settings, parent), settings=change_settings(settings, change.changes), note=note)


def draft_to_dict(draft: Draft) -> dict[str, Any]:
    """Return the draft as plain values for a JSON file."""
    return {
        "settings": asdict(draft.settings),
        "begin": asdict(draft.begin),
        "parent": draft.parent,
        "name": draft.name,
        "note": draft.note,
        "wrong": {path: wrong.text for path, wrong in draft.wrong.items()},
    }


def draft_from_dict(values: Any) -> Draft:
    """Return the draft that `draft_to_dict` wrote; a new one where the values are none.

    The file may be damaged, or of another version: nothing of it may keep the console from starting.
    """
    try:
        draft = Draft(
            settings=make_settings(values["settings"]),
            begin=make_settings(values["begin"]),
            parent=None if values["parent"] is None else str(values["parent"]),
            name=str(values["name"]),
            note=str(values["note"]),
        )
        known = {WIDTHS, *(path.replace(".*.", f".{at}.") for path in FIELDS for at in _numbers(draft.settings))}
        kept = [(path, str(text)) for path, text in values["wrong"].items() if path in known]
        for path, text in kept[:_MOST_WRONG]:
            draft = edited(draft, path, text[:_LONGEST_INPUT])
    except (KeyError, TypeError, ValueError, AttributeError, TrialbookError):
        return Draft()
    return draft


class Edits:
    """A draft with its past and its future.

    Attributes:
        draft: The present draft.
    """

    def __init__(self, draft: Draft, on_change: Callable[[], None]) -> None:
        """Begin with a draft that has no past.

        Args:
            draft: The draft.
            on_change: Called after every change of the draft.
        """
        self.draft = draft
        self._on_change = on_change
        self._past: list[Draft] = []
        self._future: list[Draft] = []
        self._last_step = ""

    def change(self, draft: Draft, step_of: str = "") -> None:
        """Make a draft the present one.

        Args:
            draft: The new draft.
            step_of: The field that an arrow key has stepped; steps of one field in a row are undone together.
        """
        if draft == self.draft:
            return
        if not (step_of and step_of == self._last_step):
            self._past = [*self._past[-_UNDO_STEPS:], self.draft]
        self._last_step = step_of
        self._future = []
        self.draft = draft
        self._on_change()

    def amend(self, change: Callable[[Draft], Draft]) -> None:
        """Change the present draft, and those before and after it alike, as no edit does: it cannot be undone."""
        self.draft = change(self.draft)
        for steps in (self._past, self._future):
            changed = [*map(change, steps), self.draft]
            # what differed in no more than that is no step any more
            steps[:] = [one for one, other in pairwise(changed) if one != other]
        self._last_step = ""
        self._on_change()

    @property
    def can_undo(self) -> bool:
        """Whether there is an edit to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether an edit was taken back."""
        return bool(self._future)

    def undo(self) -> None:
        """Go back to the draft before, if there is one."""
        self._walk(self._past, self._future)

    def redo(self) -> None:
        """Go forward to the draft that was undone, if there is one."""
        self._walk(self._future, self._past)

    def _walk(self, origin: list[Draft], target: list[Draft]) -> None:
        if origin:
            target.append(self.draft)
            self.draft = origin.pop()
            self._last_step = ""
            self._on_change()


def _dropouts_text(settings: Settings) -> str:
    values = [show_value(layer.dropout) for layer in settings.model.hidden]
    return values[0] if len(set(values)) == 1 else ",".join(values) or "-"


def _numbers(settings: Settings) -> list[object]:
    """Return what can stand for the star in a hidden layer's field: the numbers of the layers, and the star itself."""
    return ["*", *range(1, len(settings.model.hidden) + 1)]


def _covers(path: str, other: str) -> bool:
    """Return whether setting one path replaces what was typed into the other."""
    if path == WIDTHS:
        return other.endswith(".width")
    return path == ALL_DROPOUTS and other.startswith(_HIDDEN) and other.endswith(".dropout")


def _is_gone(path: str, settings: Settings) -> bool:
    """Return whether a field is of a hidden layer that is not there."""
    return _number_in(path) > len(settings.model.hidden)


def _number_in(path: str) -> int:
    """Return the number, from 1, of the hidden layer that a field is of; 0 for the fields of no single layer."""
    number = path.removeprefix(_HIDDEN).partition(".")[0] if path.startswith(_HIDDEN) else ""
    return int(number) if number.isdecimal() else 0


def _reason(path: str, error: SettingsError) -> str:
    """Return why input is wrong, without the field's own name, which stands beside it."""
    first = error.problems[0]
    name, _, rest = first.partition(": ")
    is_own = name == path or (path == ALL_DROPOUTS and name.startswith(_HIDDEN))
    if not is_own:
        row = FIELDS.get(name)
        return f"{row.label if row else name}: {rest}"
    _, _, wanted = rest.partition("; ")
    return wanted or rest
