"""What a trial's files hold before its training begins, or goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.files import replace_file
from core.settings import Settings, write_settings
from core.trials.summary import write_ran_on
from core.trials.trial import SETTINGS, TEST_LABELS, About, Trial
from core.trials.upkeep import write_about


@dataclass(frozen=True, slots=True)
class First:
    """What a trial's directory holds before its first epoch.

    Attributes:
        settings: The trial's settings.
        ran_on: What it runs on, as `core.machine.describe_run` describes it.
        about: Its name and note.
        test_labels: The true class of every test image, as many bytes each as `class_type` has.
    """

    settings: Settings
    ran_on: Mapping[str, Any]
    about: About
    test_labels: bytes

    def write(self, trial: Trial) -> None:
        """Write it.

        Raises:
            TrialError: A file cannot be written.
        """
        write_settings(self.settings, trial.directory / SETTINGS)
        write_ran_on(trial, self.ran_on)
        write_about(trial, self.about)
        replace_file(trial.directory / TEST_LABELS, lambda file: file.write(self.test_labels))


@dataclass(frozen=True, slots=True)
class Done:
    """The complete epochs of a trial, as its files hold them.

    Attributes:
        history: Their lines.
        answers: Their predictions.
        written: Whether both are in the trial's files already.
    """

    history: bytes
    answers: bytes
    written: bool = True
