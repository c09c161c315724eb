"""The order of a tree for the lines of a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.widgets.trial_list import Row


def as_tree(rows: Sequence[Row], everything: Iterable[Row]) -> list[tuple[Row, int]]:
    """Return lines with each below its parent, or below the nearest ancestor among them, and how deep each stands.

    Args:
        rows: The lines; those with the same ancestor stay in their order.
        everything: All lines that can be ancestors.
    """
    parents = {row.key: row.parent for row in everything}
    among = {row.key for row in rows}
    below: dict[str | None, list[Row]] = {}
    for row in rows:
        ancestor, steps = row.parent, 0
        while ancestor is not None and ancestor not in among and steps < len(parents):
            ancestor, steps = parents.get(ancestor), steps + 1
        below.setdefault(ancestor if ancestor in among else None, []).append(row)
    found: dict[str, tuple[Row, int]] = {}
    # a file may say that two trials are each other's parents: those that no first line leads to come at the end
    for start in (*below.get(None, ()), *rows):
        waiting = [(start, 0)]
        while waiting:
            row, depth = waiting.pop()
            if row.key not in found:
                found[row.key] = (row, depth)
                waiting += [(child, depth + 1) for child in reversed(below.get(row.key, ()))]
    return list(found.values())
