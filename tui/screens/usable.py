"""Which of the workbench's keys do something now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.screens.workbench import Workbench


def makes_sense(action: str, page: Workbench) -> bool:
    """Return whether an action of the workbench makes sense now."""
    known = _MAKES_SENSE.get(action)
    return known is None or known(page)


def _is_training(page: Workbench) -> bool:
    trainings = page.console.trainings
    return trainings.is_running or trainings.is_running_elsewhere


def _is_other_trial_shown(page: Workbench) -> bool:
    training = page.console.training
    return training is not None and training.is_running and not page.view.is_following(training)


_MAKES_SENSE: Mapping[str, Callable[[Workbench], bool]] = {
    # of every key, whenever one is pressed: each looks at nothing but its own
    **dict.fromkeys(("pause", "finish", "stop"), _is_training),
    **dict.fromkeys(("start", "branch"), lambda page: not page.console.trainings.is_running),
    "resume": lambda page: not page.console.trainings.is_running and page.view.shown is not None,
    **dict.fromkeys(("evaluate", "scrub"), lambda page: page.console.shown_trial is not None),
    "watch": _is_other_trial_shown,
    "undo": lambda page: page.console.edits.can_undo,
    "redo": lambda page: page.console.edits.can_redo,
    "reset": lambda page: page.console.edits.draft.is_changed,
}
"""Whether an action makes sense now; the others always do, or say why they do nothing."""
