"""Archives of trials, sound or not: one with everything, and what puts something into it that does not belong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from torch import Tensor

from core.data.dataset import Dataset
from core.errors import TrialError
from core.events import Finished
from core.session import train
from core.settings import Settings, change_settings
from core.trials.archive import MANIFEST
from core.trials.exchange import import_trial
from core.trials.history import epoch_line, parse_history
from core.trials.store import list_trials
from core.trials.trial import Trial
from core.trials.upkeep import edit_about

Members = dict[str, bytes]


def make_trial(home: Path, digits: Dataset) -> Trial:
    """A trial with everything: three epochs, a parent, a verdict, and words about it."""
    settings = change_settings(Settings(), {"model.hidden": "16-8", "training.epochs": 3})
    *_, first = train(settings, digits, home=home)
    assert isinstance(first, Finished)
    changed = change_settings(settings, {"training.learning_rate": 0.01})
    *_, second = train(changed, digits, home=home, parent=first.trial.id, name="näme", note="\x1b[31m", tags=("a", "b"))
    assert isinstance(second, Finished)
    edit_about(second.trial, starred=True)
    return second.trial


def members_of(file: Path) -> Members:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name != MANIFEST}


def pack(file: Path, members: Members, *, manifest: object = None, stored: bool = False, **attributes: Any) -> Path:
    """Write an archive as `export_trial` does, sound or not."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    told = {"format": 1, "members": checksums} if manifest is None else manifest
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**members, MANIFEST: json.dumps(told).encode()}.items():
            info = zipfile.ZipInfo(name)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            as_it_is = stored or name.endswith("safetensors")
            archive.writestr(info, content, zipfile.ZIP_STORED if as_it_is else zipfile.ZIP_DEFLATED)
    return file


def assert_refused(file: Path, home: Path, message: str) -> None:
    with pytest.raises(TrialError, match=message) as caught:
        import_trial(home, file)
    assert str(caught.value).startswith("cannot import ") or "cannot read" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert list_trials(home) == []
    assert not (home / "saved_models").exists() or list((home / "saved_models").iterdir()) == []


def change(name: str, alter: Callable[[Any], Any]) -> Callable[[Members], Members]:
    """Change a JSON member's values."""

    def changed(members: Members) -> Members:
        return {**members, name: json.dumps(alter(json.loads(members[name]))).encode()}

    return changed


def ran_on_data(**values: object) -> Callable[[Members], Members]:
    return change("ran_on.json", lambda old: {**old, "data": {**old["data"], **values}})


def summary(**values: object) -> Callable[[Members], Members]:
    return change("summary.json", lambda old: {**old, **values})


def replaced(name: str, content: bytes | None) -> Callable[[Members], Members]:
    if content is None:
        return lambda members: {other: kept for other, kept in members.items() if other != name}
    return lambda members: {**members, name: content}


def added(name: str) -> Callable[[Members], Members]:
    """Put a foreign member in the place of one that may be missing."""
    return lambda members: {**replaced("about.json", None)(members), name: b"x"}


def tensors(alter: Callable[[dict[str, Tensor]], Any], name: str = "model.safetensors") -> Callable[[Members], Members]:
    def changed(members: Members) -> Members:
        weights = safetensors.torch.load(members[name])
        alter(weights)
        return {**members, name: safetensors.torch.save(weights)}

    return changed


def epochs(count: int, **values: object) -> Callable[[Members], Members]:
    def changed(members: Members) -> Members:
        (first, *_), _ = parse_history(members["history.jsonl"], "")
        lines = [epoch_line(dataclasses.replace(first, **{"epoch": at + 1, **values})) for at in range(count)]  # type: ignore[arg-type]
        return {**members, "history.jsonl": "".join(lines).encode()}

    return changed


def text(name: str, old: bytes, new: bytes) -> Callable[[Members], Members]:
    def changed(members: Members) -> Members:
        assert old in members[name]
        return {**members, name: members[name].replace(old, new)}

    return changed
