"""A line for typing a folder's path, which it completes."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

from textual.binding import BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from core.text import printable
from tui.widgets.data_lines import some_bindings


class PathInput(Input):
    """An input that suggests the rest of a folder's name."""

    BINDINGS: ClassVar[list[BindingType]] = some_bindings("folder", ("complete",))

    def __init__(self) -> None:
        """Make an empty line."""
        super().__init__(
            placeholder="/path/of/a/folder",
            compact=True,
            select_on_focus=False,
            restrict=r"[^\x00-\x1f\x7f-\x9f]*",  # what is pasted may hold escape sequences
            suggester=_FolderSuggester(),
        )

    def action_complete(self) -> None:
        """Take the suggestion over."""
        self.action_end()
        self.action_cursor_right()


class _FolderSuggester(Suggester):
    """Suggests the first folder whose name begins with what is typed."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)  # folders come and go

    async def get_suggestion(self, value: str) -> str | None:
        """Return the path as it goes on, or None."""
        return await asyncio.to_thread(_complete, value)


def _complete(value: str) -> str | None:
    """Return a path completed by the first folder that fits, written as it was begun; reads the disk."""
    folder, begun = os.path.split(value)
    if not begun:
        return None
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            fitting = [entry.name for entry in entries if entry.name.startswith(begun) and entry.is_dir()]
    except (OSError, ValueError):
        return None
    typable = [name for name in fitting if printable(name) == name]
    return f"{os.path.join(folder, min(typable))}/" if typable else None
