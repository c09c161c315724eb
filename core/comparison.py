"""Two to eight saved trials side by side: results, the settings that differ, and which differences are real."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from core.errors import TrialError
from core.settings import FIELDS, Settings, show_value, widths_text
from core.text import printable
from core.trials.repeats import Repeats, SettingsVerdict, repeats_of, settings_verdict
from core.trials.store import Listed, listed_trial
from core.trials.trial import Trial
from core.verdict import Verdict, images_tested_on, last_epoch, same_test_set, verdict_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST, MOST = 2, 8
MISSING = "-"
_LAYER = "model.hidden.*."

# which value of a result is the best; no other result has one: train costs with other dropout, penalty or augmentation
# measure other things, and a number of parameters is no merit by itself
_BETTER: Mapping[str, Callable[[float], float]] = {
    "validation_accuracy": lambda value: -value,
    "test_accuracy": lambda value: -value,
    "best_test_accuracy": lambda value: -value,
    "test_cost": lambda value: value,
    "best_test_cost": lambda value: value,
    "gap": abs,
    "seconds": lambda value: value,
}
_NEEDS_ONE_TEST_SET = ("test_accuracy", "best_test_accuracy", "test_cost", "best_test_cost", "gap")


@dataclass(frozen=True, slots=True)
class Column:
    """The results of one trial; None where there is none, as before its first epoch.

    Attributes:
        trial: The trial.
        id: Its identity.
        name: What people call it, or "".
        parent: The trial or preset it was derived from, or None.
        status: As `core.trials.store.Listed.status`.
        shown: The same as people read it, as `Listed.shown`.
        epoch: Complete epochs.
        epochs: Planned epochs.
        test_accuracy: At the last epoch, a fraction.
        test_cost: At the last epoch.
        train_cost: At the last epoch, penalty included, dropout on.
        gap: As `core.epoch.Epoch.gap`, at the last epoch.
        validation_accuracy: At the last epoch; None without a validation split.
        best_epoch: The epoch with the lowest cost.
        best_test_accuracy: At the best epoch.
        best_test_cost: At the best epoch.
        parameters: Trained numbers.
        seconds: Time of all epochs.
    """

    trial: Trial
    id: str
    name: str
    parent: str | None
    status: str
    shown: str
    epoch: int
    epochs: int | None
    test_accuracy: float | None
    test_cost: float | None
    train_cost: float | None
    gap: float | None
    validation_accuracy: float | None
    best_epoch: int | None
    best_test_accuracy: float | None
    best_test_cost: float | None
    parameters: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting that is not the same in all trials.

    Attributes:
        path: Its dotted name; "model.hidden" for all widths.
        label: What people call it: "dropout of layer 2".
        values: Its value in each trial, as text; "-" where a trial has no such layer.
    """

    path: str
    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Trials side by side.

    Attributes:
        columns: The results, one per trial in the order given.
        settings: The settings that differ, in the order of the table of fields.
        best: For the name of a result of `Column`, the positions of the trials that have its best value; nothing
            where there is no best one: fewer than two have a value, all are equal, or they cannot be compared.
        verdicts: For each pair of positions (first, second), first < second: how the second's last epoch compares
            with the first's; None where they were not tested on the same images, or one has no complete epoch.
        repeats: The groups of two and more of these trials that differ in their seed alone, as `repeats_of` finds
            them, in the order of each group's first trial.
        settings_verdicts: How the settings of the second trial of a pair as above compare with the first's, where
            both belong to such groups, not to the same, that were tested on the same images.
        remarks: What else must be said, a line each: which trials were not tested on the same images, and whose
            predictions cannot be read.
    """

    columns: tuple[Column, ...]
    settings: tuple[SettingRow, ...]
    best: Mapping[str, tuple[int, ...]]
    verdicts: Mapping[tuple[int, int], Verdict | None]
    repeats: tuple[Repeats, ...]
    settings_verdicts: Mapping[tuple[int, int], SettingsVerdict]
    remarks: tuple[str, ...]

    def positions(self, repeats: Repeats) -> tuple[int, ...]:
        """Return where the trials of one of the groups stand among the columns."""
        return tuple(at for at, column in enumerate(self.columns) if column.trial in repeats.trials)

    def repeats_at(self, position: int) -> Repeats | None:
        """Return the group that the trial at a position belongs to, if it belongs to one."""
        return next((each for each in self.repeats if self.columns[position].trial in each.trials), None)


@dataclass(frozen=True, slots=True)
class Disagreements:
    """Where in the test set exactly one of two trials is right.

    Attributes:
        only_first: Positions of the test images that only the first classifies rightly, in order.
        only_second: Positions of those that only the second does.
    """

    only_first: NDArray[np.intp]
    only_second: NDArray[np.intp]


def compare(trials: Sequence[Trial]) -> Comparison:
    """Put two to eight saved trials side by side.

    Raises:
        TrialError: They are fewer or more, one is named twice, or a file of one cannot be read.
        SettingsError: A trial's settings are wrong.
    """
    if not LEAST <= len(trials) <= MOST:
        raise TrialError(f"{LEAST} to {MOST} trials can be compared, not {len(trials)}")
    if len({trial.directory for trial in trials}) < len(trials):
        raise TrialError("a trial cannot be compared with itself: name each once")
    listed = [listed_trial(trial) for trial in trials]
    columns = tuple(_column(each) for each in listed)
    pairs = list(itertools.combinations(range(len(trials)), 2))
    tested = [_tested(trial) for trial in trials]
    apart = [(first, second) for first, second in pairs if tested[first].on != tested[second].on]
    groups = repeats_of(listed)
    return Comparison(
        columns,
        tuple(setting_rows([trial.settings() for trial in trials])),
        _best(columns, comparable=not apart),
        {pair: _verdict(tested[pair[0]], tested[pair[1]]) for pair in pairs},
        tuple(sorted(groups.values(), key=lambda group: min(map(trials.index, group.trials)))),
        _settings_verdicts(trials, groups.values(), [pair for pair in pairs if pair not in apart]),
        tuple(each.problem for each in tested if each.problem)
        + tuple(
            f"{_called(columns[first])} and {_called(columns[second])} were not tested on the same images: "
            "their accuracies and costs cannot be compared"
            for first, second in apart
        ),
    )


def disagreements(first: Trial, second: Trial, epochs: tuple[int, int] | None = None) -> Disagreements:
    """Return where in the test set exactly one of two trials is right.

    Args:
        first: A trial.
        second: Another trial, tested on the same images.
        epochs: The epoch of each that is compared; None: the last ones.

    Raises:
        TrialError: They were not tested on the same images, or a file cannot be read.
    """
    import numpy as np  # noqa: PLC0415 - this module's dataclasses are needed before the first epoch

    if not same_test_set(first, second):
        raise TrialError(f"{first.id} and {second.id} were not tested on the same images")
    before, after = epochs or (last_epoch(first), last_epoch(second))
    labels = second.test_labels()
    was_right, is_right = first.predictions(before) == labels, second.predictions(after) == labels
    return Disagreements(np.flatnonzero(was_right & ~is_right), np.flatnonzero(is_right & ~was_right))


def setting_rows(settings: Sequence[Settings]) -> list[SettingRow]:
    """Return the settings that are not the same in all, in the order of the table of fields.

    Hidden layers are matched by their number. A row tells all widths at once. Where a trial has fewer layers, the
    other settings of those it lacks are only told if they differ from those of its last one, which would go on.
    """
    rows = []
    for path, field in FIELDS.items():
        if path == f"{_LAYER}width":
            rows += _row_if_different("model.hidden", "hidden layers", [widths_text(each) for each in settings])
            rows += _layer_rows(settings)
        elif not path.startswith(_LAYER):
            suffix = " of the output layer" if path.startswith("model.output.") else ""
            values = [show_value(attrgetter(path)(each)) for each in settings]
            rows += _row_if_different(path, field.label + suffix, values)
    return rows


def _layer_rows(settings: Sequence[Settings]) -> list[SettingRow]:
    rows = []
    nets = [each.model.hidden for each in settings]
    fields = [(path.removeprefix(_LAYER), field) for path, field in FIELDS.items() if path.startswith(_LAYER)]
    for number in range(1, max(map(len, nets)) + 1):
        for name, field in fields:
            if name == "width":  # all widths are one row
                continue
            goes_on = [show_value(getattr(net[min(number, len(net)) - 1], name)) if net else MISSING for net in nets]
            values = [text if number <= len(net) else MISSING for text, net in zip(goes_on, nets, strict=True)]
            compared = [text for text in goes_on if text != MISSING]
            rows += _row_if_different(
                f"model.hidden.{number}.{name}", f"{field.label} of layer {number}", values, compared
            )
    return rows


def _row_if_different(
    path: str, label: str, values: Sequence[str], compared: Sequence[str] | None = None
) -> list[SettingRow]:
    return [SettingRow(path, label, tuple(values))] if len(set(values if compared is None else compared)) > 1 else []


def _settings_verdicts(
    trials: Sequence[Trial], groups: Iterable[Repeats], pairs: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], SettingsVerdict]:
    group_of = {trial: group for group in groups for trial in group.trials}
    found = {}
    for pair in pairs:
        before, after = (group_of.get(trials[at]) for at in pair)
        if before is not None and after is not None and before is not after:
            found[pair] = settings_verdict(before, after)
    return found


def _column(listed: Listed) -> Column:
    trial = listed.trial
    summary = trial.summary()  # which, unlike the list's, says what is wrong with it
    last, best = (part if isinstance(part, dict) else {} for part in (summary.get("last"), summary.get("best")))
    parent = summary.get("parent")
    return Column(
        trial=trial,
        id=trial.id,
        name=listed.about.name,
        parent=parent if isinstance(parent, str) else None,
        status=listed.status,
        shown=listed.shown,
        epoch=_whole(last.get("epoch")) or 0,
        epochs=_whole(summary.get("epochs")),
        test_accuracy=_number(last.get("test_accuracy")),
        test_cost=_number(last.get("test_cost")),
        train_cost=_number(last.get("train_cost")),
        gap=_number(last.get("gap")),
        validation_accuracy=_number(last.get("validation_accuracy")),
        best_epoch=_whole(best.get("epoch")),
        best_test_accuracy=_number(best.get("test_accuracy")),
        best_test_cost=_number(best.get("test_cost")),
        parameters=_whole(summary.get("parameters")),
        seconds=_number(summary.get("seconds")) if last else None,
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True)
class _Tested:
    """On which images a trial was tested, their classes, and those its last epoch predicts.

    The two arrays are None before the first epoch, and where they cannot be read; `problem` then says why.
    """

    on: tuple[str, int]
    labels: NDArray[np.integer] | None = None
    predicted: NDArray[np.integer] | None = None
    problem: str = ""


def _tested(trial: Trial) -> _Tested:
    on, epoch = images_tested_on(trial), last_epoch(trial)
    if not epoch:
        return _Tested(on)
    try:
        return _Tested(on, trial.test_labels(), trial.predictions(epoch))
    except TrialError as error:  # as of a trial from before labels were kept: all else can be compared
        return _Tested(on, problem=f"no verdict on {trial.id}: {error}")


def _verdict(before: _Tested, after: _Tested) -> Verdict | None:
    """Return what `core.verdict.trial_verdict` does, of what is read once and not once for each pair."""
    if before.on != after.on or before.predicted is None or after.predicted is None or after.labels is None:
        return None
    return verdict_on(after.labels, before.predicted, after.predicted)


def _best(columns: Sequence[Column], comparable: bool) -> dict[str, tuple[int, ...]]:
    found = {}
    for name, worse in _BETTER.items():
        if not comparable and name in _NEEDS_ONE_TEST_SET:
            continue
        ranks = {at: worse(value) for at, column in enumerate(columns) if (value := getattr(column, name)) is not None}
        if len(set(ranks.values())) > 1:
            found[name] = tuple(at for at, rank in ranks.items() if rank == min(ranks.values()))
    return found


def _called(column: Column) -> str:
    return printable(column.name or column.id, 40)
