"""Gather what a report tells from the files of saved trials."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from core.diagnosis import diagnose
from core.early_stopping import best_epoch
from core.epoch import Epoch
from core.errors import TrialbookError
from core.presets import all_presets
from core.replay_table import TAG, replays
from core.report.final import evaluated, layers_of, settings_lines
from core.report.values import Base, DataPart, Report, TrialPart
from core.settings import Settings, differences
from core.text import printable
from core.trials.lineage import parent_trial
from core.trials.selection import EXPLAINED as EXPLAINED_SELECTION
from core.trials.selection import selection_of
from core.trials.store import Listed, list_trials
from core.trials.trial import Trial
from core.verdict import Verdict, trial_verdict, verdict_from

__all__ = ["Report", "make_report"]

_TOLD_PROBLEMS = 5
_TOLD_CLASSES = 20


def make_report(home: Path, trials: Sequence[Trial] | None = None) -> Report:
    """Gather a report.

    A trial with damaged files is in it with what is wrong with it; a running one as far as it is.

    Args:
        home: The directory with `saved_models/` in it.
        trials: The trials to tell of; None: all.

    Raises:
        TrialError: The trials cannot be listed.
    """
    wanted = None if trials is None else {trial.directory for trial in trials}
    everything = list_trials(home)
    listed = [each for each in everything if wanted is None or each.trial.directory in wanted]
    gatherer = _Gatherer(home, listed, everything)
    parts = tuple(gatherer.part(number, each) for number, each in enumerate(listed, 1))
    data = tuple(
        dataclasses.replace(
            _data_part(fingerprint, parts, listed),
            # whatever is told here: all trials of the home have used the test set
            selection=_selection(everything, fingerprint),
        )
        for fingerprint in _by_size(parts)
    )
    names = " and ".join(part.name for part in data[:3])
    return Report(
        title=f"{len(parts)} trial{'s' if len(parts) != 1 else ''}" + (f" on {names}" if names else ""),
        written=f"{datetime.now():%d %B %Y, %H:%M}".lstrip("0") + f", by Trialbook {_version()}",
        counts=_counts(listed),
        trials=parts,
        data=data,
    )


class _Gatherer:
    """Reads the trials of one report, the settings and the history of each once."""

    def __init__(self, home: Path, listed: Sequence[Listed], everything: Sequence[Listed]) -> None:
        self._home = home
        self._numbers = {each.trial.id: number for number, each in enumerate(listed, 1)}
        self._replays = replays(everything)
        self._listed = {each.trial.id: each for each in everything}
        self._settings = cache(_read_settings)
        self._history = cache(_read_history)

    def part(self, number: int, each: Listed) -> TrialPart:
        """Return what is told of one trial."""
        trial, summary = each.trial, each.summary
        history, problems = self._history(trial)
        if each.status == "damaged":
            problems = (_problem(trial), *problems)
        settings, wrong = self._settings(trial)
        before = self._before(each)
        changes = self._changes(each, before, settings)
        last = history[-1] if history else None
        best = best_epoch(history)
        return TrialPart(
            number=number,
            id=trial.id,
            title=each.about.name or trial.id,
            note=each.about.note,
            tags=each.about.tags,
            status=each.shown,
            reason=_text(summary, "reason"),
            created=_when(_text(summary, "created")),
            base=self._base(each, before),
            changes=changes,
            facts=_facts(each, history),
            history=history,
            last=last,
            best=best,
            verdict=None if before is None or last is None else _verdict(each, before),
            diagnosis=_diagnosis(each, history, settings),
            data=_fingerprint(trial),
            problems=tuple(_without_path(text, trial) for text in dict.fromkeys((*problems[:_TOLD_PROBLEMS], *wrong))),
        )

    def _before(self, each: Listed) -> Trial | None:
        """Return the saved trial that one was changed from: its parent, or for a replay that of the trial before it."""
        parent = each.summary.get("parent")
        if not isinstance(parent, str):
            return None
        if parent in self._listed:
            return self._listed[parent].trial
        preset = all_presets().get(parent)
        if preset is not None and TAG in each.about.tags:
            before = self._replays.get(preset.after or "")
            return before.trial if before and before.trial.id < each.trial.id else None
        return parent_trial(self._home, parent)

    def _base(self, each: Listed, before: Trial | None) -> Base | None:
        parent = _text(each.summary, "parent")
        if before is not None:
            about = self._listed[before.id].about if before.id in self._listed else before.about()
            return Base(about.name or before.id, self._numbers.get(before.id), self._history(before)[0])
        if parent in all_presets():
            return Base(f"the preset {parent}", None, ())
        return Base(f"{parent}, which is not here any more", None, ()) if parent else None

    def _changes(self, each: Listed, before: Trial | None, settings: Settings | None) -> tuple[str, ...]:
        """Return what changed since the trial before, as its settings tell; else what its summary kept of it."""
        old = self._settings(before)[0] if before is not None else None
        if before is None and (preset := all_presets().get(_text(each.summary, "parent"))):
            old = preset.settings
        if old is not None and settings is not None:
            changes = [str(change) for change in differences(old, settings)]
        else:
            kept = _text(each.summary, "changes")
            changes = [kept] if kept else []
        return tuple(change.replace(" -> ", " \N{RIGHTWARDS ARROW} ") for change in changes)


def _read_settings(trial: Trial) -> tuple[Settings | None, tuple[str, ...]]:
    try:
        return trial.settings(), ()
    except TrialbookError as error:
        return None, tuple(str(error).splitlines())


def _read_history(trial: Trial) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    try:
        history, problems = trial.history()
    except TrialbookError as error:
        return (), (str(error),)
    return tuple(history), tuple(problems)


def _problem(trial: Trial) -> str:
    """Return what is wrong with a trial that the list calls damaged."""
    try:
        trial.summary()
        trial.ran_on()
    except TrialbookError as error:
        return str(error)
    return f"{trial.directory} does not tell its status"


def _verdict(each: Listed, before: Trial) -> Verdict | None:
    """Return the verdict that the training wrote down, where it is about this trial before; else work it out."""
    kept = verdict_from(each.summary.get("verdict")) if each.summary.get("parent") == before.id else None
    return kept or trial_verdict(before, each.trial)


def _diagnosis(each: Listed, history: Sequence[Epoch], settings: Settings | None) -> tuple[str, ...]:
    if settings is None:
        return ()
    names = _data_of(each.trial).get("classes")
    classes = len(names) if isinstance(names, list) and names else None
    return tuple(
        str(found) for found in diagnose(history, settings, classes=classes, reason=_text(each.summary, "reason"))
    )


def _without_path(text: object, trial: Trial) -> str:
    """Return the text with the trial's id for its directory, whose path is nobody's business but its owner's."""
    return printable(str(text).replace(str(trial.directory), trial.id))


def _data_of(trial: Trial) -> dict[str, Any]:
    try:
        data = trial.ran_on().get("data")
    except TrialbookError:
        return {}
    return data if isinstance(data, dict) else {}


def _fingerprint(trial: Trial) -> str:
    return str(_data_of(trial).get("fingerprint", ""))


def _by_size(parts: Sequence[TrialPart]) -> list[str]:
    return [fingerprint for fingerprint, _ in Counter(part.data for part in parts if part.data).most_common()]


def _data_part(fingerprint: str, parts: Sequence[TrialPart], listed: Sequence[Listed]) -> DataPart:
    own = [part for part in parts if part.data == fingerprint]
    candidates = [part for part in own if part.last is not None and part.status not in ("running", "paused", "damaged")]
    validated = bool(candidates) and all(part.last and part.last.validation_accuracy is not None for part in candidates)
    best = max(candidates, key=lambda part: _rank(part, validated), default=None)
    told = best or own[0]
    trial = listed[told.number - 1].trial
    data = _data_of(trial)
    name = printable(Path(str(data.get("source", "?"))).name or "?", 100)
    part = DataPart(
        name=name,
        lines=_data_lines(name, data),
        trials=len(own),
        best=best,
        chosen_by=f"the highest accuracy on the {'validation' if validated else 'test'} images at the last epoch",
        selection="",
        layers=(),
        settings=(),
        evaluated=None,
        problems=(),
    )
    return part if best is None else _with_final(part, trial, best, data)


def _with_final(part: DataPart, trial: Trial, best: TrialPart, data: dict[str, Any]) -> DataPart:
    problems: list[str] = []
    layers: tuple[tuple[str, ...], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    result = None
    try:
        settings = trial.settings()
        lines = settings_lines(settings, part.name)
        channels, height, width = (int(side) for side in data["image_shape"])
        layers = layers_of(settings, channels * height * width, len(data["classes"]))
    except (TrialbookError, KeyError, TypeError, ValueError) as error:
        problems.append(f"its settings cannot be told: {_without_path(error, trial)}")
    try:
        assert best.last is not None  # noqa: S101 - as it was chosen by its last epoch
        result = evaluated(trial, best.last.epoch, data)
    except (TrialbookError, KeyError, TypeError, ValueError) as error:
        problems.append(f"its evaluation cannot be told: {_without_path(error, trial)}")
    return dataclasses.replace(part, layers=layers, settings=lines, evaluated=result, problems=tuple(problems))


def _selection(everything: Sequence[Listed], fingerprint: str) -> str:
    found = selection_of(everything, fingerprint[:16])  # as summaries keep it
    if found is None or found.count < 2:  # noqa: PLR2004 - one trial is no choice
        return ""
    words = str(found)
    return f"{words[0].upper()}{words[1:]}. {EXPLAINED_SELECTION.removesuffix('.')}"


def _rank(part: TrialPart, validated: bool) -> tuple[float, float]:
    """Return what the best trial has most of: accuracy at the last epoch and, between equals, a low test cost."""
    assert part.last is not None  # noqa: S101 - only trials with an epoch are compared
    value = part.last.validation_accuracy if validated else part.last.test_accuracy
    return value or 0.0, -part.last.test_cost


def _data_lines(name: str, data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    lines = [("data", name)]
    shape, classes = data.get("image_shape"), data.get("classes")
    if isinstance(shape, list) and len(shape) == 3:  # noqa: PLR2004 - channels, height, width
        lines.append(("images", f"{shape[1]}x{shape[2]} {'RGB' if shape[0] != 1 else 'grey'}"))
    for label, key in (("for training", "train_images"), ("for testing", "test_images")):
        if isinstance(data.get(key), int):
            lines.append((label, f"{data[key]:,} images"))
    if isinstance(classes, list):
        shown = ", ".join(str(each) for each in classes[:_TOLD_CLASSES])
        lines.append(("classes", f"{len(classes)}: {shown}{', ...' if len(classes) > _TOLD_CLASSES else ''}"))
    lines.append(("fingerprint", str(data.get("fingerprint", ""))[:16]))
    return tuple(lines)


def _facts(each: Listed, history: Sequence[Epoch]) -> tuple[tuple[str, str], ...]:
    summary = each.summary
    facts = []
    epochs, parameters, hidden = (summary.get(name) for name in ("epochs", "parameters", "hidden"))
    asked = f" of {epochs}" if isinstance(epochs, int) and epochs != len(history) else ""
    facts.append(("epochs", f"{len(history)}{asked}"))
    if isinstance(hidden, str):
        facts.append(("hidden layers", hidden))
    if isinstance(parameters, int):
        facts.append(("parameters", f"{parameters:,}"))
    if history:
        facts.append(("time", _duration(sum(epoch.seconds for epoch in history))))
    return tuple(facts)


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{seconds:.1f} s"


def _counts(listed: Sequence[Listed]) -> str:
    counted = Counter(each.shown for each in listed)
    parts = [f"{count:,} {status}" for status, count in counted.most_common()]
    days = sorted(text[:10] for each in listed if (text := _text(each.summary, "created")))
    when = "" if not days else f", made on {days[0]}" if days[0] == days[-1] else f", made {days[0]} to {days[-1]}"
    return f"{len(listed):,} trials: {', '.join(parts)}{when}" if listed else "no trials"


def _when(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M}"
    except ValueError:
        return ""


def _text(summary: dict[str, Any], name: str) -> str:
    value = summary.get(name)
    return value if isinstance(value, str) else ""


def _version() -> str:
    try:
        return metadata.version("trialbook")
    except metadata.PackageNotFoundError:  # used from a checkout without being installed
        return "from a checkout"
