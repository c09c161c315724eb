"""The figures of an evaluation at a glance: the accuracy in large digits, the rest beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Digits, Static

from tui.safe import safe
from tui.words import percent

if TYPE_CHECKING:
    from core.evaluation import Evaluation


class Headline(Vertical):
    """Accuracy, its interval, test cost, calibration, and which file was tested on which images."""

    DEFAULT_CSS = """
    Headline { height: 4; background: $surface; padding: 0 1; }
    Headline Horizontal { height: 3; }
    Headline Digits { width: 21; color: $accent; text-style: bold; }
    Headline Static { width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def compose(self) -> ComposeResult:
        """Compose the digits and the facts."""
        with Horizontal():
            yield Digits()
            yield Static(id="facts")
        yield Static(id="tested")

    def show(self, result: Evaluation, file: str, data: str) -> None:
        """Show an evaluation.

        Args:
            result: The evaluation.
            file: Which file of weights it is of.
            data: Which images they were tested on.
        """
        self.query_one(Digits).update(f"{100 * result.accuracy:.2f} %")
        low, high = result.accuracy_interval
        calibration = percent(result.expected_calibration_error)
        lines = [
            Content.assemble(("accuracy", "bold"), f"  {result.right:,} of {result.images:,} test images right"),
            Content.assemble(("95 % interval", "bold"), f"  {100 * low:.2f} to {percent(high)}"),
            Content.assemble(
                ("test cost", "bold"),
                f"  {result.test_cost:.4f}   ",
                ("expected calibration error", "bold"),
                f"  {calibration}",
            ),
        ]
        self.query_one("#facts", Static).update(Content("\n").join(lines))
        self.query_one("#tested", Static).update(Content.assemble(safe(file), (" on ", "$text-muted"), safe(data)))


def one_line(result: Evaluation, file: str, data: str) -> str:
    """Return an evaluation as one line of text, to be copied."""
    low, high = result.accuracy_interval
    return (
        f"{file} on {data}: accuracy {percent(result.accuracy)} ({result.right:,} of {result.images:,}; 95 % interval "
        f"{percent(low)} to {percent(high)}), test cost {result.test_cost:.6f}, expected calibration error "
        f"{percent(result.expected_calibration_error)}"
    )
