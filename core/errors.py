"""The errors that Trialbook raises for what a user can mend.

Every message is one line that says what is wrong, where, and what to do. Whoever shows it passes it through
`core.text.printable` first, because it may quote names and texts from anybody's files.
"""

from __future__ import annotations

from collections.abc import Sequence


class TrialbookError(Exception):
    """Something a user can understand and mend; never a defect of the program."""


class SettingsError(TrialbookError):
    """One or more settings are wrong.

    Attributes:
        problems: One line per wrong setting, each beginning with the setting's name.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems; the message is all of them, a line each."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(TrialbookError):
    """The images of a data set cannot be had, read or used."""


class WeightsError(TrialbookError):
    """A file of weights cannot be read, or does not fit what it is to be used for."""


class StateError(TrialbookError):
    """What a training is to go on with does not fit it."""


class TrialError(TrialbookError):
    """A saved trial cannot be found, read or written."""


class TrainingError(TrialbookError):
    """A training cannot start or cannot go on (no such device, out of memory)."""


class DivergedError(TrainingError):
    """The cost or a weight became NaN or infinite."""
