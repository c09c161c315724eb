"""Read the curves for the user: what they show, by stated rules, and which one setting to change next.

Every rule is a small function of a history and the settings it was trained with, in `core.diagnosis.learning` and
`core.diagnosis.fitting`, with its thresholds as constants and its numbers in a sentence. Rules compare medians of
windows of at least three epochs, so that no single epoch decides, and say nothing where nothing can be said.
"""

from core.diagnosis.diagnose import diagnose, diagnose_trial, next_step
from core.diagnosis.values import Diagnosis, Suggestion

__all__ = ["Diagnosis", "Suggestion", "diagnose", "diagnose_trial", "next_step"]
