"""`trialbook train`."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from core.cli.options import chosen_settings, trial_options
from core.cli.output import loading_progress, percent, print_table, remark, say, table
from core.cli.reporting import print_conclusion, print_json, report, report_json
from core.cli.signals import signals
from core.cli.trials import short_verdict
from core.control import Control
from core.errors import TrainingError, TrialbookError
from core.events import Finished
from core.trials.conclusion import conclusion_of
from core.trials.store import find_trial

MAX_SEEDS = 1_000


@click.command()
@trial_options
@click.option("--name", default="", metavar="NAME", help="A short name for the trial.")
@click.option("--note", default="", metavar="TEXT", help="What is intended by it.")
@click.option(
    "--seeds",
    type=click.IntRange(1, MAX_SEEDS),
    default=1,
    metavar="K",
    help="Train K trials that differ in their seed alone, on a GPU at once, else one after the other; with --name NAME "
    'they are called "NAME seed 0", "NAME seed 1" and so on.',
)
@click.option(
    "--branch",
    type=click.Choice(["last", "best"]),
    help="With --from: go on after that trial's last or best epoch, with its weights and curves, instead of anew.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per event, and nothing else.")
@click.pass_obj
def train(  # noqa: PLR0913 - one argument per option
    home: Path, /, *, name: str, note: str, seeds: int, branch: str | None, as_json: bool, **options: Any
) -> int:
    """Train a trial and save it under saved_models/.

    Without a beginning and without --data it is a small network on the built-in handwritten digits. Ctrl-C finishes the
    epoch and keeps everything; a second Ctrl-C stops at once and keeps the epochs before. With --seeds it ends the
    series too.
    """
    chosen = chosen_settings(home, **options)
    if branch is not None and (options["trial"] is None or seeds > 1):
        raise click.UsageError("--branch needs --from TRIAL, and no --seeds")
    from core.continuation import branch as branch_off  # noqa: PLC0415
    from core.data.dataset import load_data  # noqa: PLC0415 - torch; wrong settings are told without waiting for it
    from core.series import train_series  # noqa: PLC0415

    with loading_progress() as on_progress:
        data = load_data(chosen.settings.data, on_progress)
    for text in data.remarks:
        remark(text)
    control = Control()
    if branch is None:
        kept: dict[str, Any] = {"name": name, "note": note, "parent": chosen.parent, "begin": chosen.begin}
        events = train_series(chosen.settings, data, seeds, home=home, control=control, **kept)
    else:
        origin, best = find_trial(home, options["trial"]), branch == "best"
        events = branch_off(origin, data, chosen.settings, best=best, home=home, name=name, note=note, control=control)
    with signals(control) as received, closing(events):
        finished = report_json(events) if as_json else report(events, chosen, data.shape, home, concludes=seeds == 1)
        if seeds > 1 and finished:
            try:
                _sum_up(home, finished, as_json)
            except TrialbookError as error:  # the trials themselves have been told of
                remark(str(error))
    failed = [event for event in finished if event.outcome.status == "failed"]  # while others beside it went on
    reasons = "; ".join(f"{event.trial.id}: {event.outcome.reason}" for event in failed)
    if failed and not received:
        raise TrainingError(reasons)
    if failed:
        remark(reasons)
    return 128 + received[0] if received else 0


def _sum_up(home: Path, finished: list[Finished], as_json: bool) -> None:
    """Print what a series of seeds says about its settings."""
    if as_json:
        found = dataclasses.asdict(conclusion_of(home, finished[-1].trial))
        if found["repeats"] is not None:
            found["repeats"]["trials"] = [trial["directory"].name for trial in found["repeats"]["trials"]]
        print_json(event="series", **found)
        return
    rows = table(">seed", "=trial", "status", ">epochs", ">accuracy", ">best", "since the parent")
    for event in finished:
        last, best = event.outcome.last, event.outcome.best
        rows.add_row(
            str(event.trial.summary()["seed"]),
            event.trial.id,
            event.outcome.status,
            str(last.epoch if last else 0),
            percent(last.test_accuracy if last else None),
            percent(best.test_accuracy if best else None),
            "-" if event.verdict is None else short_verdict(event.verdict),
        )
    say("")
    print_table(rows)
    say("")
    print_conclusion(home, finished[-1])
