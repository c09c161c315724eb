"""`trialbook resume`, `pause` and `stop`: go on with a trial, and ask others who train one to pause or stop."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from core.cli.options import Chosen
from core.cli.output import loading_progress, remark, say
from core.cli.reporting import report, report_json
from core.cli.signals import signals
from core.control import Control
from core.data.catalog import refuse_moved
from core.errors import TrialError
from core.process import is_alive, is_suspended
from core.settings import change_settings
from core.trials.lease import BEAT, Request, ask, process_of
from core.trials.lock import last_beat
from core.trials.store import find_trial, listed_trial
from core.trials.trial import Trial

_WAIT = 5 * BEAT  # seconds
_AGAIN = 0.1


@click.command()
@click.argument("text", metavar="TRIAL")
@click.option("--epochs", type=int, metavar="N", help="How many epochs the trial shall have in all.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON per event, and nothing else.")
@click.option("--wait", is_flag=True, help="Wait some seconds for another process to give the trial up.")
@click.pass_obj
def resume(home: Path, text: str, *, epochs: int | None, as_json: bool, wait: bool) -> int:
    """Go on with a trial that was stopped, killed or paused, exactly as if it had not been.

    It goes on after its last complete epoch; on the same machine with the same version of PyTorch and as many threads
    the result is bitwise the same. --epochs adds epochs to a finished trial. A trial that another process has paused
    goes on there.

    TRIAL is an id or its beginning or end, a name, a trial's directory, or "last".
    """
    trial = find_trial(home, text)
    deadline = time.monotonic() + _WAIT * wait
    while time.monotonic() < deadline and listed_trial(trial).status == "running":
        time.sleep(_AGAIN)
    if listed_trial(trial).status == "running" and not _has_fallen_silent(trial):
        _resume_elsewhere(trial, epochs)
        return 0
    settings = trial.settings()
    wanted = settings if epochs is None else change_settings(settings, {"training.epochs": epochs})
    from core.continuation import resume as resume_trial  # noqa: PLC0415
    from core.data.dataset import load_data  # noqa: PLC0415 - torch; a wrong trial is told without waiting for it

    refuse_moved(settings.data.source, "put the images back there, or a symbolic link to where they are")
    with loading_progress() as on_progress:
        data = load_data(settings.data, on_progress)
    control = Control()
    events = resume_trial(trial, data, epochs=epochs, control=control)
    with signals(control) as received, closing(events):
        chosen = Chosen(wanted, None, settings)
        if as_json:
            report_json(events)
        else:
            report(events, chosen, data.shape, home)
    return 128 + received[0] if received else 0


def _has_fallen_silent(trial: Trial) -> bool:
    """Return whether a trial that another host began to train gives no sign of life any more."""
    process = trial.ran_on().get("process")
    if not isinstance(process, dict) or is_alive(process) is not None:
        return False
    remark(f"{trial.id} was begun on another host: waiting {_WAIT:.0f} s for a sign of life")
    before = last_beat(trial.directory)
    time.sleep(_WAIT)
    return last_beat(trial.directory) == before


def _resume_elsewhere(trial: Trial, epochs: int | None) -> None:
    if trial.live().get("event") != "paused" or epochs is not None:
        raise TrialError(f"{trial.id} is being trained by another process; `trialbook stop {trial.id}` ends that")
    ask(trial, "resume")
    say(f"{trial.id} {_hindrance(trial) or 'goes on where it was paused'}")


@click.command()
@click.argument("text", metavar="TRIAL")
@click.pass_obj
def pause(home: Path, text: str) -> None:
    """Let the process that trains a trial pause; `trialbook resume` lets it go on."""
    _ask(home, text, "pause", "pauses before its next step", "is paused already; `trialbook resume` lets it go on")


@click.command()
@click.argument("text", metavar="TRIAL")
@click.option("--now", is_flag=True, help="At once, without the epoch in progress, instead of after it.")
@click.pass_obj
def stop(home: Path, text: str, now: bool) -> None:
    """Let the process that trains a trial stop after the epoch in progress; `trialbook resume` goes on with it."""
    if now:
        _ask(home, text, "stop", "stops before its next step")
    else:
        _ask(home, text, "finish", "stops after the epoch in progress")


def _ask(home: Path, text: str, request: Request, told: str, told_paused: str = "") -> None:
    trial = find_trial(home, text)
    listed = listed_trial(trial)
    if listed.status != "running":
        raise TrialError(f"{trial.id} is not being trained: it is {listed.status}")
    ask(trial, request)  # also where it is paused: somebody may just have let it go on
    say(f"{trial.id} {(listed.is_paused and told_paused) or _hindrance(trial) or told}")


def _hindrance(trial: Trial) -> str:
    """Return why the process that trains a trial does not hear what it was asked; "" where nothing is known."""
    time.sleep(_AGAIN)  # in which it may be woken
    suspended = is_suspended(process_of(trial))
    return "is suspended in its shell, and hears this as soon as `fg` lets it go on there" if suspended else ""
