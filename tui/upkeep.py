"""What workers do to saved trials for the screens: each call says in words what it has done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import TrialError
from tui.widgets.trial_rows import figures_of
from tui.words import failure

if TYPE_CHECKING:
    from core.trials.store import Listed
    from core.trials.trial import Trial
    from tui.app import TrialbookApp

_ENDS = {"failed": "failed", "stopped": "was stopped", "interrupted": "was interrupted"}


@dataclass(frozen=True, slots=True)
class Done:
    """What has been done.

    Attributes:
        text: In words; "" where it can be seen. It may be foreign.
        trial_id: The trial that is in the history since, for the cursor to go to; None where it stays where it is.
        trashed: The names of the directories in the trash, of what has been moved there.
    """

    text: str
    trial_id: str | None = None
    trashed: tuple[str, ...] = ()


def carry_out(
    app: TrialbookApp, work: Callable[[], Done], done: Callable[[Done], None], failed: Callable[[str], None]
) -> None:
    """Change trials in a worker of the app: unlike a screen's, it can tell what came of that once the screen is closed.

    Args:
        app: The app.
        work: Changes something.
        done: Tells what has been done.
        failed: Tells why it could not be.
    """

    def run() -> None:
        try:
            told = work()
        except Exception as error:  # whatever it is, who has asked for the change hears of it
            app.call_from_thread(failed, failure(error))
        else:
            app.call_from_thread(done, told)

    app.run_worker(run, thread=True, exit_on_error=False, group="upkeep")


def edit(trial: Trial, **changes: Any) -> Done:
    """Change what is said about a trial; the changes are those of `edit_about`.

    Raises:
        TrialError: It cannot be changed.
    """
    from core.trials.upkeep import edit_about  # noqa: PLC0415 - as all here: no screen need wait for it

    edit_about(trial, **changes)
    return Done("")


def toggle_star(trial: Trial) -> Done:
    """Star a trial, or take its star away.

    Raises:
        TrialError: It cannot be changed.
    """
    from core.trials.upkeep import toggle_star as toggle  # noqa: PLC0415

    toggle(trial)
    return Done("")


def delete(home: Path, trials: Sequence[Trial]) -> Done:
    """Move trials to the trash; of one that cannot be moved, the words tell why, and the others are moved.

    Raises:
        TrialError: The only one is being trained, or cannot be moved.
    """
    from core.trials.upkeep import delete_trial  # noqa: PLC0415

    moved, problems = [], []
    for trial in trials:
        try:
            moved.append(delete_trial(home, trial).name)
        except TrialError as error:
            problems.append(str(error))
    if not moved:
        raise TrialError("; ".join(problems))
    many = f"{len(moved):,} of {len(trials):,}" if problems else f"{len(moved):,}"
    what = trials[0].id if len(trials) == 1 else f"{many} trials"
    is_are = "is" if len(moved) == 1 else "are"
    return Done("; ".join([f"{what} {is_are} in the trash", *problems]), trashed=tuple(moved))


def question_of(titles: Sequence[str], undo: str, trash: str) -> tuple[str, str, str, str]:
    """Return what is asked before trials are deleted: heading, question, and the words for yes and for no.

    Args:
        titles: What the trials are called.
        undo: The key that brings them back.
        trash: The key that shows the trash.
    """
    if len(titles) == 1:
        question = f"Delete {titles[0]}? It goes to the trash: {undo} brings it back, {trash} shows all there."
        return "Delete a trial", question, "Move it to the trash", "Keep it"
    many = f"{len(titles):,} marked trials"
    question = f"Delete the {many}? They go to the trash: {undo} brings them back, {trash} shows all there."
    return f"Delete {many}", question, "Move them to the trash", "Keep them"


def restore(home: Path, names: Sequence[str]) -> Done:
    """Move trials back out of the trash, where their directories have these names; of others the words tell why not.

    Raises:
        TrialError: None is there any more, or can be moved.
    """
    from core.trials.upkeep import restore_trial  # noqa: PLC0415

    trials, problems = [], []
    for name in names:
        try:
            trials.append(restore_trial(home, name))
        except TrialError as error:
            problems.append(str(error))
    if not trials:
        raise TrialError("; ".join(problems))
    what = f"{trials[0].id} is" if len(trials) == 1 else f"{len(trials):,} trials are"
    return Done("; ".join([f"{what} back", *problems]), trials[0].id)


def empty(home: Path) -> Done:
    """Remove all that is in the trash for good.

    Raises:
        TrialError: Something cannot be removed.
    """
    from core.trials.upkeep import empty_trash  # noqa: PLC0415

    count = empty_trash(home)
    return Done(f"{count:,} trials are gone" if count != 1 else "1 trial is gone")


def export(trial: Trial, path: Path) -> Done:
    """Write a trial to a file.

    Raises:
        TrialError: The file cannot be written, or the trial is damaged.
    """
    from core.trials.exchange import export_trial  # noqa: PLC0415

    export_trial(trial, path)
    return Done(f"written to {path}")


def import_file(home: Path, path: Path) -> Done:
    """Add a trial from a file.

    Raises:
        TrialError: The file cannot be read, or is no exported trial.
    """
    from core.trials.exchange import import_trial  # noqa: PLC0415

    trial = import_trial(home, path)
    return Done(f"{trial.id} is imported", trial.id)


def weights_of(listed: Listed, best: bool) -> Path:
    """Return the file of a trial's last epoch's weights, or of the best epoch's.

    Raises:
        TrialError: It has none: why it cannot be evaluated.
    """
    trial = listed.trial
    path = trial.weights(best)
    if path.exists():
        return path
    has_epoch = bool(figures_of(listed.summary, best=False))
    if listed.status == "damaged":
        reason = "its files are damaged, and it has no weights"
    elif listed.status == "running" and not has_epoch:
        reason = "its first epoch is not complete yet, so it has no weights"
    elif not has_epoch:
        end = _ENDS.get(listed.status, "ended")
        reason = f"it {end} before its first epoch was complete, so it has no weights"
    else:
        reason = f"its file {path.name} is missing"
    raise TrialError(f"{trial.id} cannot be evaluated: {reason}")
