"""`trialbook train`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from core.cli.options import chosen_settings, trial_options
from core.cli.output import loading_progress, remark
from core.cli.reporting import report, report_json, signals
from core.control import Control


@click.command()
@trial_options
@click.option("--name", default="", metavar="NAME", help="A short name for the trial.")
@click.option("--note", default="", metavar="TEXT", help="What is intended by it.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per event, and nothing else.")
@click.pass_obj
def train(home: Path, /, *, name: str, note: str, as_json: bool, **options: Any) -> int:
    """Train a trial and save it under saved_models/.

    Without a beginning and without --data it is a small network on the built-in handwritten digits. Ctrl-C finishes the
    epoch and keeps everything; a second Ctrl-C stops at once and keeps the epochs before.
    """
    chosen = chosen_settings(home, **options)
    from core.data.dataset import load_data  # noqa: PLC0415 - torch; wrong settings are told without waiting for it
    from core.session import train as train_trial  # noqa: PLC0415

    with loading_progress() as on_progress:
        data = load_data(chosen.settings.data, on_progress)
    for text in data.remarks:
        remark(text)
    control = Control()
    events = train_trial(chosen.settings, data, home=home, name=name, note=note, parent=chosen.parent, control=control)
    with signals(control) as received, closing(events):
        if as_json:
            report_json(events)
        else:
            report(events, chosen, data.shape)
    return 128 + received[0] if received else 0
