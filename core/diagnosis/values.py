"""What a diagnosis is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One setting to change next.

    Attributes:
        changes: Dotted names and new values, as `core.settings.change_settings` takes them; it accepts them.
        words: What to do, in what direction and why, without a full stop: "raise the dropout of every hidden layer
            by 0.1".
    """

    changes: Mapping[str, object]
    words: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one rule finds in a history.

    Attributes:
        rule: The rule's name: "overfitting".
        text: What is found, with its numbers, in one sentence without a full stop that begins with the rule's name.
        numbers: The same numbers, by name.
        suggestion: What to change next; None where nothing needs to be, or nothing can be said.
    """

    rule: str
    text: str
    numbers: Mapping[str, float]
    suggestion: Suggestion | None = None

    def __str__(self) -> str:
        """Return the sentence with what to do next."""
        return self.text if self.suggestion is None else f"{self.text}; next: {self.suggestion.words}"
