"""What people do to saved trials: name, note, tag and star them, move them to the trash and back."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import TrialError
from core.files import cannot_write, replace_text
from core.process import is_alive
from core.text import printable
from core.trials.store import DIRECTORY, ID_PATTERN, LAST, listed_trial, meant_by
from core.trials.trial import ABOUT, About, Trial

TRASH = ".trash"
MAX_NAME = 200  # characters
MAX_NOTE = 10_000
MAX_TAG = 50
MAX_TAGS = 50
_IN_TRASH = re.compile(rf"({ID_PATTERN})(\.\d{{1,6}})?", re.ASCII)
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)


def write_about(trial: Trial, about: About) -> None:
    """Replace what people say about a trial.

    Raises:
        TrialError: The file cannot be written.
    """
    replace_text(trial.directory / ABOUT, json.dumps(dataclasses.asdict(about), indent=1) + "\n")


def edit_about(  # noqa: PLR0913 - one argument for each thing that may be said
    trial: Trial,
    *,
    name: str | None = None,
    note: str | None = None,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
    starred: bool | None = None,
) -> About:
    """Change what people say about a trial, at any time, also while it is trained or edited elsewhere.

    Args:
        trial: The trial.
        name: Its new name; None, here as below: what it has stays.
        note: Its new note.
        add_tags: The tags that it gets.
        remove_tags: The tags that it loses, also of those.
        starred: Whether it is one to remember.

    Returns:
        What is said about it now.

    Raises:
        TrialError: Something is too long, no name or no tag, or the file cannot be written; nothing is changed.
    """
    _check_words(name or "", add_tags)
    changes = {"name": name, "note": note, "starred": starred}
    with _alone(trial):
        before = trial.about()
        tags = tuple(tag for tag in (*before.tags, *add_tags) if tag not in remove_tags)
        given = {field: value for field, value in changes.items() if value is not None}
        about = checked_about(dataclasses.replace(before, tags=tags, **given))  # type: ignore[arg-type]
        write_about(trial, about)
    return about


def toggle_star(trial: Trial) -> About:
    """Star a trial, or take its star away; return what is said about it now.

    Raises:
        TrialError: The file cannot be written.
    """
    with _alone(trial):
        before = trial.about()
        about = dataclasses.replace(before, starred=not before.starred)
        write_about(trial, about)
    return about


def new_about(name: str, note: str = "", tags: Sequence[str] = ()) -> About:
    """Return what is said about a trial that is to be trained.

    Raises:
        TrialError: Something is too long, no name or no tag.
    """
    _check_words(name, tags)
    return checked_about(About(name, note, tuple(tags)))


def tags_in(text: str) -> tuple[str, ...]:
    """Return the tags that a text names, with blanks or commas between them, each once."""
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def _check_words(name: str, tags: Sequence[str]) -> None:
    """Raise if a trial cannot be named so from now on; what older trials are called stays as it is."""
    if name.strip() == LAST:
        raise TrialError(f'a trial cannot be named "{LAST}", which means the newest one; choose another name')
    for tag in tags:
        if tags_in(tag) != (tag,):
            raise TrialError(f'a tag is one word without blanks and commas, but "{printable(tag, 40)}" is not')


def checked_about(about: About) -> About:
    """Return what is said about a trial without the blanks around it, each tag once.

    Raises:
        TrialError: Something is longer than any list could show.
    """
    tags = tuple(dict.fromkeys(tag.strip() for tag in about.tags if tag.strip()))
    checked = About(about.name.strip(), about.note.strip(), tags, about.starred)
    for what, texts, most in (
        ("name", (checked.name,), MAX_NAME),
        ("note", (checked.note,), MAX_NOTE),
        ("tag", checked.tags, MAX_TAG),
    ):
        for text in texts:
            if len(text) > most:
                raise TrialError(f"the {what} {printable(text, 40)} has {len(text):,} characters; {most:,} are allowed")
    if len(tags) > MAX_TAGS:
        raise TrialError(f"{len(tags):,} tags are too many for a trial; {MAX_TAGS} are allowed")
    return checked


@contextlib.contextmanager
def _alone(trial: Trial) -> Iterator[None]:
    """Let nobody else edit the trial inside the block: two who each change one word shall both find it changed."""
    try:
        directory = os.open(trial.directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise cannot_write(trial.directory / ABOUT, error) from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def delete_trial(home: Path, trial: Trial) -> Path:
    """Move a trial to the trash, whole and at once.

    Returns:
        Its directory in the trash: that of its id, or with a number behind it where the trash has that id already.

    Raises:
        TrialError: It is being trained, is not one of this home's, or cannot be moved.
    """
    if not trial.directory.is_dir():
        raise TrialError(f"there is no trial {printable(trial.directory)} any more")
    if not _same_directory(trial.directory.parent, home / DIRECTORY):
        raise TrialError(f"{printable(trial.directory)} is not in {home / DIRECTORY} and is left where it is")
    refuse_running(trial, "delete")
    trash = home / DIRECTORY / TRASH
    try:
        trash.mkdir(exist_ok=True)
        target, number = trash / trial.id, 1
        while not _moved(trial.directory, target):
            number += 1
            target = trash / f"{trial.id}.{number}"
    except OSError as error:
        raise TrialError(f"cannot move {trial.directory} to the trash: {error.strerror or error}") from error
    return target


def refuse_running(trial: Trial, what: str) -> None:
    """Raise if a trial is being trained.

    Args:
        trial: The trial.
        what: What it is refused for, as a verb.

    Raises:
        TrialError: It is being trained, or was begun on another machine, where that cannot be told.
    """
    if listed_trial(trial).status != "running":
        return
    try:
        process = trial.ran_on().get("process")
    except TrialError:
        process = None
    if isinstance(process, dict) and is_alive(process) is None:
        raise TrialError(f"cannot {what} {trial.id}: another machine may be training it; do it there")
    raise TrialError(f"cannot {what} {trial.id}: it is being trained; stop it first or wait for its end")


def trashed(home: Path) -> list[Trial]:
    """Return the trials in the trash, oldest first.

    Raises:
        TrialError: The trash is there but cannot be read.
    """
    trash = home / DIRECTORY / TRASH
    try:
        names = sorted(entry.name for entry in trash.iterdir() if _IN_TRASH.fullmatch(entry.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TrialError(f"cannot read {trash}: {error.strerror or error}") from error
    return [Trial(trash / name) for name in names]


def is_trashed(home: Path, name: str) -> bool:
    """Return whether a directory of that name is in the trash."""
    return (home / DIRECTORY / TRASH / name).is_dir()


def restore_trial(home: Path, trial_id: str) -> Trial:
    """Move a trial from the trash back to where it was.

    Args:
        home: The directory with `saved_models/` in it.
        trial_id: The name of its directory in the trash; its name, or a beginning or end of its id, will do as well.

    Raises:
        TrialError: No trial in the trash is meant, or several are; there is a trial of its id again; or it cannot be
            moved.
    """
    trials = trashed(home)
    exact = [trial for trial in trials if trial.id == trial_id]
    found = exact[0] if exact else meant_by(trials, trial_id)
    if found is None:
        raise TrialError(f"there is no trial {printable(trial_id, 80)} in the trash; `trialbook trash` lists it")
    target = home / DIRECTORY / found.id.partition(".")[0]
    try:
        if not _moved(found.directory, target):
            raise TrialError(f"cannot restore {found.id}: there is a trial {target.name}; delete that one first")
    except OSError as error:
        raise TrialError(f"cannot restore {found.id}: {error.strerror or error}") from error
    return Trial(target)


def empty_trash(home: Path) -> int:
    """Remove the trials in the trash for good; return how many they were.

    Raises:
        TrialError: One cannot be removed; those before it are gone.
    """
    trials = trashed(home)
    for trial in trials:
        try:
            # what somebody else removes or restores meanwhile is no error; a link is removed, not what it leads to
            with contextlib.suppress(FileNotFoundError):
                trial.directory.unlink() if trial.directory.is_symlink() else shutil.rmtree(trial.directory)
        except OSError as error:
            raise TrialError(f"cannot remove {trial.directory}: {error.strerror or error}") from error
    return len(trials)


def _moved(source: Path, target: Path) -> bool:
    """Rename a directory; return False where the new name is taken, without touching what has it."""
    if os.path.lexists(target):  # rename would replace an empty directory
        return False
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _same_directory(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
