"""From trials and a view to a finished drawing, in a worker thread."""

from __future__ import annotations

from dataclasses import dataclass

from tui.plot.curves import Curve, Run, best_of, curves_of
from tui.plot.figure import Picture, draw, mark_best
from tui.plot.view import View


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a drawing is made from.

    Attributes:
        run: The trial.
        parent: The trial that it began from, or None.
        overlays: Other trials.
        view: How they are shown; its crosshair is drawn later.
        extent: The last epoch of the axis when all epochs are shown.
        size: Columns and rows.
    """

    run: Run
    parent: Run | None
    overlays: tuple[Run, ...]
    view: View
    extent: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished drawing.

    Attributes:
        plan: What it was made from.
        curves: The curves, as they are drawn: smoothed.
        picture: The drawing without crosshair.
    """

    plan: Plan
    curves: list[Curve]
    picture: Picture


def drawing_of(plan: Plan) -> Drawing:
    """Draw curves; for worker threads, as it takes 10 to 50 ms, and the import of plotext 150 ms once."""
    view = plan.view
    curves = curves_of(plan.run, plan.parent, plan.overlays, view)
    picture = draw(curves, view.window(plan.extent), plan.size, view.is_log, view.quantity == "accuracy")
    best = best_of(plan.run)
    if best is not None:
        role = "test" if best.validation_cost is None else "validation"
        mark_best(picture, next(curve for curve in curves if curve.role == role), best.epoch)
    return Drawing(plan, curves, picture)
