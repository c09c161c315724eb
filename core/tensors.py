"""Named tensors, compared with what they should be."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Size, Tensor

from core.errors import StateError
from core.text import printable


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Size], what: str) -> None:
    """Compare names and shapes of tensors with what is expected.

    Raises:
        StateError: They differ.
    """
    for name in sorted(set(found) ^ set(expected)):
        raise StateError(f"{printable(name, 60)} is {'missing from' if name in expected else 'unknown to'} {what}")
    for name, shape in expected.items():
        if found[name].shape != shape:
            raise StateError(f"{name} of {what} has the shape {tuple(found[name].shape)} instead of {tuple(shape)}")
