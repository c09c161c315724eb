"""How the app ends: at once, when the training has ended, or with the training going on without a screen."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from core.errors import TrialbookError
from core.text import printable
from tui.last_resort import end_in_time

if TYPE_CHECKING:
    from tui.app import TrialbookApp
    from tui.training import Training

_LONGEST = 5_000  # characters of what is told at the end, with the path where a trial was saved
ON_HANGUP = "leave_running_on_hangup"
"""What is remembered of what to do where the terminal's line drops: true where the training is to go on."""


class Leaving:
    """The end of the app, which may have to wait for the training's.

    Attributes:
        is_awaited: Whether the app ends as soon as the training has.
    """

    def __init__(self, app: TrialbookApp) -> None:
        """Begin with no wish to leave."""
        self.is_awaited = False
        self._app = app
        self._status = 0
        self._goes_on = False

    @property
    def on_hangup(self) -> bool:
        """Whether the training goes on without a screen where the terminal's line drops."""
        return self._app.remember.get(ON_HANGUP) is True

    def ask(self) -> None:
        """Leave; ask how if a training runs."""
        app = self._app
        if app.training is None or not app.training.is_running:
            app.exit()
            return
        from tui.screens.leave import LeaveDialog  # noqa: PLC0415 - as all screens: when it is opened

        if not isinstance(app.screen, LeaveDialog):
            has_begun = app.training.snapshot.started is not None
            app.push_screen(LeaveDialog(has_begun, self.on_hangup, self._choose_on_hangup), self._leave)

    def _choose_on_hangup(self, goes_on: bool) -> None:
        self._app.remember[ON_HANGUP] = goes_on
        self._app.state_changed()

    def _leave(self, how: str | None) -> None:
        app = self._app
        if how is None and not self._status:  # who stays after all takes back what was chosen before
            self.is_awaited = self._goes_on = False
        if how is None or app.training is None:
            return
        self.is_awaited, self._goes_on = True, how == "leave"
        if app.training.is_running:
            app.trainings.end(at_once=how != "finish")
        else:  # it has ended while its user was asked
            self.end()

    def by_signal(self, number: int, *, hangup: bool) -> None:
        """Leave within seconds, whatever the training does.

        Args:
            number: The signal.
            hangup: Whether it tells that the terminal's line has dropped.
        """
        app, training = self._app, self._app.training
        state = app.state()
        runs = training is not None and training.is_running
        self._status, self._goes_on = 128 + number, runs and hangup and self.on_hangup
        if training is not None:
            training.control.stop()

        def last() -> None:
            app.write_state(state)
            self._let_go_on(training)

        end_in_time(lambda: training is not None and training.is_running, last, self._status)
        if runs:
            self.is_awaited = True
        else:
            app.exit(return_code=self._status)

    def end(self, problems: Sequence[str] = ()) -> None:
        """End the app, as the training has ended.

        Args:
            problems: What has gone wrong with it, told when the screen is closed.
        """
        self._let_go_on(self._app.training)
        told = Text("\n".join(printable(problem, _LONGEST) for problem in problems))
        self._app.exit(return_code=self._status, message=told if problems else None)

    def _let_go_on(self, training: Training | None) -> None:
        """Start the process that goes on with the training, if that is wished; once."""
        started = training.snapshot.started if training is not None else None
        if not self._goes_on or started is None:
            return
        self._goes_on = False
        from core.detached import resume_detached  # noqa: PLC0415 - not needed for the first screen

        with contextlib.suppress(TrialbookError):  # there is no screen left to tell it on: the trial shows as stopped
            resume_detached(started.trial)
