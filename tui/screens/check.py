"""The pre-flight check: in seconds, whether the settings can work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Label, Static
from textual.worker import Worker, WorkerState

from core.settings import DataSettings, Settings
from tui.downloads import refuse_download
from tui.safe import safe
from tui.screens.page import Dialog
from tui.threads import until_left
from tui.words import failure

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.data.folder import OnProgress
    from core.preflight import Finding
    from tui.app import TrialbookApp

_MARKS = {"ok": ("✓", "$text-success"), "warning": ("!", "$text-warning"), "problem": ("✗", "$text-error")}


class CheckDialog(Dialog):
    """Runs the check in a worker and shows its findings."""

    DEFAULT_CSS = """
    CheckDialog .dialog { width: 92; }
    CheckDialog VerticalScroll { height: auto; max-height: 100%; }
    """

    def __init__(self, settings: Settings) -> None:
        """Check these settings."""
        super().__init__()
        self._settings = settings
        self._doing = "loading PyTorch"

    def compose_page(self) -> ComposeResult:
        """Compose the box."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Check"
            with VerticalScroll():
                yield Static(id="findings")
            yield Label("", id="conclusion")

    def on_mount(self) -> None:
        """Begin."""
        load = cast("TrialbookApp", self.app).load_dataset
        self.run_worker(lambda: _check(self._settings, load, self._on_progress), thread=True, exit_on_error=False)
        self._timer = self.set_interval(0.2, self._show_progress)

    def _show_progress(self) -> None:
        self.query_one("#findings", Static).update(safe(f"{self._doing}..."))

    def _on_progress(self, what: str, done: int, total: int) -> None:
        self._doing = f"{what}: {100 * done // total} %" if total else what

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what was found, or why nothing could be."""
        if event.state is WorkerState.SUCCESS:
            findings: list[Finding] = event.worker.result or []
            self._answer(Content("\n").join([_line(finding) for finding in findings]), _conclusion(findings))
        elif event.state is WorkerState.ERROR:
            self._answer(safe(f"✗ {failure(event.worker.error)}", "$text-error"), "The settings cannot be checked.")

    def _answer(self, lines: Content, conclusion: str) -> None:
        self._timer.stop()
        self.query_one("#findings", Static).update(lines)
        self.query_one("#conclusion", Label).update(Content.styled(f"\n{conclusion}", "bold"))


def _check(
    settings: Settings, load: Callable[[DataSettings, OnProgress], Dataset], tell: Callable[[str, int, int], object]
) -> list[Finding]:
    from core.preflight import check  # noqa: PLC0415 - torch

    refuse_download(settings.data.source)
    on_progress = until_left(tell)
    return check(settings, load(settings.data, on_progress), on_progress)


def _line(finding: Finding) -> Content:
    mark, style = _MARKS[finding.severity]
    return Content.assemble((f"{mark} {finding.subject:<11}", style), safe(finding.text))


def _conclusion(findings: list[Finding]) -> str:
    severities = {finding.severity for finding in findings}
    if "problem" in severities:
        return "The training will not work like this."
    return "It may not work well." if "warning" in severities else "Nothing speaks against it."
