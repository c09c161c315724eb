"""The pre-flight check: in seconds, whether the settings can work."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Label, Static

from core.errors import TrialbookError
from core.settings import Settings
from tui.safe import safe
from tui.screens.page import Dialog

if TYPE_CHECKING:
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
        self.run_worker(self._check, thread=True, exit_on_error=False)
        self._timer = self.set_interval(0.2, self._show_progress)

    def _show_progress(self) -> None:
        self.query_one("#findings", Static).update(safe(f"{self._doing}..."))

    def _on_progress(self, what: str, done: int, total: int) -> None:
        self._doing = f"{what}: {100 * done // total} %" if total else what

    def _check(self) -> None:
        try:
            from core.preflight import check  # noqa: PLC0415 - torch

            data = cast("TrialbookApp", self.app).load_dataset(self._settings.data, self._on_progress)
            self._doing = "trying a few steps"
            findings = check(self._settings, data)
        except TrialbookError as error:
            self._answer(safe(f"✗ {error}", "$text-error"), "The settings cannot be checked.")
        except Exception as error:
            self._answer(safe(f"✗ {type(error).__name__}: {error}", "$text-error"), "The settings cannot be checked.")
        else:
            self._answer(Content("\n").join([_line(finding) for finding in findings]), _conclusion(findings))

    def _answer(self, lines: Content, conclusion: str) -> None:
        if self.is_running:
            self.app.call_from_thread(self._show, lines, conclusion)

    def _show(self, lines: Content, conclusion: str) -> None:
        self._timer.stop()
        if self.is_mounted:
            self.query_one("#findings", Static).update(lines)
            self.query_one("#conclusion", Label).update(Content.styled(f"\n{conclusion}", "bold"))


def _line(finding: Finding) -> Content:
    mark, style = _MARKS[finding.severity]
    return Content.assemble((f"{mark} {finding.subject:<11}", style), safe(finding.text))


def _conclusion(findings: list[Finding]) -> str:
    severities = {finding.severity for finding in findings}
    if "problem" in severities:
        return "The training will not work like this."
    return "It may not work well." if "warning" in severities else "Nothing speaks against it."
