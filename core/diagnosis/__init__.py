"""Read the curves for the user: what they show, by stated rules, and which one setting to change next.

Every rule is a small function in `core.diagnosis.rules`, of a history and the settings it was trained with.
"""

from core.diagnosis.diagnose import diagnose, diagnose_trial, next_step
from core.diagnosis.values import Diagnosis, Suggestion

__all__ = ["Diagnosis", "Suggestion", "diagnose", "diagnose_trial", "next_step"]
