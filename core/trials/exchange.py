"""A trial as one file that can be given away: export and import.

The file names no host and no process. It does hold what the settings hold, the path of a folder of images among that.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import safetensors.torch

from core.errors import TrialError
from core.files import cannot_write, read_bytes, replace_file
from core.settings import settings_to_toml, write_settings
from core.text import printable
from core.trials.archive import BEST_TENSORS, LAST_TENSORS, LIMITS, UnsoundError, opened_archive, write_archive
from core.trials.contents import Contents, answers_size, contents_of, shape_of
from core.trials.history import append, epoch_line
from core.trials.store import DIRECTORY, IMPORT, listed_trial, other_id
from core.trials.summary import write_ran_on, write_summary
from core.trials.trial import ABOUT, HISTORY, PREDICTIONS, RAN_ON, SETTINGS, SUMMARY, TEST_LABELS, Trial
from core.trials.upkeep import refuse_running, write_about
from core.weights import read_weights, write_weights


def export_trial(trial: Trial, file: Path) -> None:
    """Write a trial as one file, `NAME.trialbook` by custom.

    A trial whose process has died is exported as interrupted, with its complete epochs. What is written is read back
    and checked as `import_trial` does it before the file gets its name.

    Args:
        trial: The trial. One that is being trained is refused, for its files change.
        file: Where to. A file that is there already is left alone.

    Raises:
        TrialbookError: There is such a file; the trial is being trained, or one of its files is missing or damaged; or
            the file cannot be written.
    """
    if os.path.lexists(file):
        raise TrialError(f"{printable(file)} exists already; choose another name or remove it first")
    refuse_running(trial, "export")

    def write(stream: IO[bytes]) -> None:
        write_archive(stream, _members(trial))
        stream.flush()
        with opened_archive(Path(stream.name)) as members:
            contents_of(members)

    try:
        replace_file(file, write)
    except UnsoundError as error:
        raise TrialError(f"cannot export {trial.id}: {error}") from error


def _members(trial: Trial) -> dict[str, bytes]:
    """Return the content of all members but the manifest.

    Raises:
        UnsoundError: A file is damaged, or does not fit the others.
        TrialbookError: A file is missing or cannot be read.
    """
    history, problems = trial.history()
    if problems:
        raise UnsoundError(problems[0].removesuffix(" and left out"))
    ran_on = {name: value for name, value in trial.ran_on().items() if name not in ("process", "before")}
    shape = shape_of(ran_on)
    members = {
        SETTINGS: settings_to_toml(trial.settings()).encode(),
        SUMMARY: _json({**trial.summary(), "id": trial.id, "status": listed_trial(trial).status}),
        ABOUT: _json(asdict(trial.about())),
        RAN_ON: _json(ran_on),
    }
    if not history:
        return members
    members[HISTORY] = "".join(map(epoch_line, history)).encode()
    for name, epochs in ((PREDICTIONS, len(history)), (TEST_LABELS, 1)):
        path = trial.directory / name
        if os.path.lexists(path):
            # a trial that was killed between two writes may hold the answers of an epoch that its history has not
            members[name] = read_bytes(path, LIMITS[name])[: answers_size(shape, epochs)]
    for name, best in ((LAST_TENSORS, False), (BEST_TENSORS, True)):
        if os.path.lexists(trial.weights(best)):
            members[name] = safetensors.torch.save(read_weights(trial.weights(best)))
    return members


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=1) + "\n").encode()


def import_trial(home: Path, file: Path) -> Trial:
    """Add a trial that `export_trial` wrote to a home; it appears there whole or not at all.

    It keeps its id where that is free. Otherwise it gets another one of the same time, and its summary tells the one it
    had as `exported_id`. Parent and changes stay as the words they are.

    Raises:
        TrialError: The file cannot be read, is not such a file or does not hold what it should; or the trial cannot be
            written.
    """
    try:
        with opened_archive(file) as members:
            contents = contents_of(members)
    except UnsoundError as error:
        raise TrialError(f"cannot import {printable(file)}: {printable(error)}") from error
    parent = home / DIRECTORY
    temporary = parent / f"{IMPORT}{secrets.token_hex(8)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        _write(contents, Trial(temporary))
        return _named(contents.summary, temporary)
    except OSError as error:
        raise cannot_write(parent, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # nothing is left there but after a failure


def _write(contents: Contents, trial: Trial) -> None:
    write_settings(contents.settings, trial.directory / SETTINGS)
    write_ran_on(trial, contents.ran_on)
    write_about(trial, contents.about)
    if contents.history:
        append(trial.directory / HISTORY, "".join(map(epoch_line, contents.history)).encode())
    for name, content in ((PREDICTIONS, contents.predictions), (TEST_LABELS, contents.test_labels)):
        if content is not None:
            append(trial.directory / name, content)
    for best, weights in ((False, contents.last), (True, contents.best)):
        if weights is not None:
            write_weights(weights, trial.weights(best))


def _named(summary: dict[str, Any], temporary: Path) -> Trial:
    """Write the summary of a directory that is complete otherwise, and rename it to its id or, if taken, another."""
    own = summary["id"]
    while True:
        trial = Trial(temporary.with_name(summary["id"]))
        write_summary(Trial(temporary), summary)
        if not os.path.lexists(trial.directory):
            try:
                temporary.rename(trial.directory)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            else:
                return trial
        summary = {**summary, "id": other_id(own), "exported_id": own}
