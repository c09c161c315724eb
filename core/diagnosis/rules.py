"""The rules, each a small function of a history: the most important first."""

from __future__ import annotations

from collections.abc import Callable

from core.diagnosis.series import Curves
from core.diagnosis.values import Diagnosis

RULES: tuple[Callable[[Curves], Diagnosis | None], ...] = ()
