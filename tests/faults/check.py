"""What must hold of a home after a fault, and what makes two trials equal."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from core.trials.checkpoint import read_checkpoint
from core.trials.store import DIRECTORY, Listed, list_trials
from core.trials.trial import BEST_CHECKPOINT, CHECKPOINT, PREDICTIONS, Trial
from core.trials.watch import look_again, watch_trial
from core.weights import read_weights

_TIMES = ("seconds", "images_per_second")
_OWN = ("id", "created", "seconds")  # of a summary
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}")


def digest(trial: Trial) -> dict[str, Any]:
    """Return plain values that are equal for two trials if, and only if, they are bitwise the same but for times."""
    epochs, problems = trial.history()
    states = {}
    for name in (CHECKPOINT, BEST_CHECKPOINT):
        checkpoint = read_checkpoint(trial.directory / name, 10_000_000)
        states[name] = [checkpoint.epochs, *(_hash(_bytes(tensor)) for _, tensor in sorted(checkpoint.state.items()))]
    return {
        "history": [[getattr(epoch, name) for name in epoch.__slots__ if name not in _TIMES] for epoch in epochs],
        "problems": problems,
        "predictions": _hash((trial.directory / PREDICTIONS).read_bytes()),
        "model.pt": _hash(trial.weights().read_bytes()),
        "best.pt": _hash(trial.weights(best=True).read_bytes()),
        "settings": (trial.directory / "settings.toml").read_text(),
        "summary": {name: value for name, value in _plain(trial).items() if name not in _OWN},
        **states,
    }


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return the names of what differs between two digests."""
    return [name for name in one if one[name] != other.get(name)]


def readable(home: Path) -> list[Listed]:
    """Read all that a list, a watcher and an evaluation read of every trial; return the trials.

    Raises:
        AssertionError: A trial is damaged, or its history is.
        TrialbookError: A file that is there cannot be read.
    """
    listed = list_trials(home)
    assert all(seen.listed.status != "damaged" for seen in look_again(home, {}).values())
    for each in listed:
        trial = each.trial
        assert each.status != "damaged", f"{trial.id} is listed as damaged"
        trial.settings(), trial.ran_on(), trial.test_labels()
        epochs, problems = trial.history()
        assert problems == []
        assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))
        if (trial.directory / PREDICTIONS).exists():
            # the epoch in progress may have been written already
            assert len(trial.all_predictions()) in (len(epochs), len(epochs) + 1)
        for best in (False, True):
            if trial.weights(best).exists():
                read_weights(trial.weights(best))
        assert len(watch_trial(trial).history) == len(epochs)
    return listed


def leftovers(home: Path) -> list[str]:
    """Return what lies below a home that is neither a trial nor one of a trial's files."""
    directory = home / DIRECTORY
    found = [path for path in directory.rglob("*") if _LEFTOVER.fullmatch(path.name) or path.name in ("live.json",)]
    found += [path for path in directory.glob(".*") if path not in found]
    return sorted(str(path.relative_to(directory)) for path in found)


def _plain(trial: Trial) -> dict[str, Any]:
    summary = dict(trial.summary())
    if summary.get("repeats") == summary["id"]:
        summary["repeats"] = "itself"
    return summary


def _bytes(tensor: Any) -> bytes:
    return bytes(tensor.reshape(-1).numpy().tobytes())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as they are after a way through JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain
