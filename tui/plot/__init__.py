"""The plot of learning curves."""

from __future__ import annotations
