"""`trialbook check`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from core.cli.options import chosen_settings, trial_options
from core.cli.output import loading_progress, remark, tell
from core.data.catalog import KNOWN_SETS
from core.data.preview import data_state
from core.errors import DataError
from core.text import one_line_json

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "problem": ("problem", "red")}


@click.command()
@trial_options
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, and nothing else.")
@click.pass_obj
def check(home: Path, /, *, as_json: bool, **options: Any) -> int:
    """Say in seconds whether settings can work; nothing is saved.

    The exit status is 1 if there is a problem.
    """
    chosen = chosen_settings(home, **options)
    from core.data.dataset import load_data  # noqa: PLC0415 - torch; wrong settings are told without waiting for it
    from core.preflight import check as check_settings  # noqa: PLC0415

    _refuse_download(chosen.settings.data.source)
    with loading_progress() as on_progress:
        data = load_data(chosen.settings.data, on_progress)
    for text in data.remarks:
        remark(text)
    findings = check_settings(chosen.settings, data)
    if as_json:
        print(one_line_json({"findings": [dataclasses.asdict(finding) for finding in findings]}))  # noqa: T201
    else:
        for finding in findings:
            word, color = _MARKS[finding.severity]
            style = color if finding.severity != "ok" else ""
            tell(finding.text, name=f"{word:<8} {finding.subject:<11} ", style=style)
    return int(any(finding.severity == "problem" for finding in findings))


def _refuse_download(source: str) -> None:
    """Refuse a data set that would have to be downloaded, which does not take seconds."""
    if source in KNOWN_SETS and data_state(source).name == "not downloaded":
        size = f"{KNOWN_SETS[source].download_bytes / 1e6:,.1f} MB"
        raise DataError(f"{source} is not on this machine; `trialbook data download {source}` gets it ({size})")
