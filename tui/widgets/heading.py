"""The line above the workbench: what is being edited, and on what it would be trained."""

from __future__ import annotations

from textual.content import Content

from tui.draft import Draft
from tui.safe import safe


def heading_of(draft: Draft, device: str, *, has_failed: bool) -> Content:
    """Return the line.

    Args:
        draft: What is being edited.
        device: What it would be trained on, or why that is not known.
        has_failed: Whether it is not known because something has failed.
    """
    changes = len(draft.old_values)
    parts = [Content.styled("Trialbook", "bold $primary")]
    if draft.name:
        parts.append(safe(draft.name, "bold", 30))
    parts.append(safe(f"from {draft.parent}", limit=40) if draft.parent else Content("from the defaults"))
    if changes:
        parts.append(Content(f"{changes} change{'s' if changes > 1 else ''}"))
    if draft.wrong:
        parts.append(Content.styled(f"✗ {len(draft.wrong)} wrong", "$text-error"))
    parts.append(safe(device, "$text-error", 60) if has_failed else safe(device, limit=40))
    return Content("  ·  ").join(parts)
