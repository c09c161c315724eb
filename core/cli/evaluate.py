"""`trialbook evaluate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.output import cell, loading_progress, percent, print_matrix, print_table, remark, say, table
from core.data.catalog import absolute_source, refuse_moved
from core.settings import Settings, change_settings
from core.text import one_line_json
from core.trials.store import find_trial

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.evaluation import Evaluation
    from core.saved_model import SavedModel

_SETTABLE = ("data.normalization", "data.mean", "data.std", "data.image_size")
_SHOWN_MISTAKES = 5


@click.command()
@click.argument("what", metavar="TRIAL|FILE.pt")
@click.option("--best", is_flag=True, help="The best epoch's weights instead of the last's.")
@click.option("--data", "source", metavar="NAME|DIR", help="Other test images than those of the trial.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="data.K=V",
    help="data.image_size, or how a bare FILE.pt had its inputs, such as data.normalization=cifar10; default: none.",
)
@click.option("--skip-broken", is_flag=True, help="Leave out images that cannot be read.")
@click.option("--device", metavar="auto|cpu|cuda", help="Where to compute.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as JSON, and nothing else.")
@click.pass_obj
def evaluate(  # noqa: PLR0913, PLR0917 - one argument per option
    home: Path,
    what: str,
    best: bool,
    source: str | None,
    assignments: tuple[str, ...],
    skip_broken: bool,
    device: str | None,
    as_json: bool,
) -> None:
    """Evaluate a saved trial, or a file of weights, on a test set.

    TRIAL is an id or its beginning or end, a name, a trial's directory, or "last". FILE.pt may be any state_dict of
    such a network, such as the reference's own code writes; it needs --data.
    """
    is_file = what.endswith((".pt", ".pth")) or os.path.isfile(what)
    if is_file and best:
        raise click.UsageError("--best is for a trial: a file has the weights of one epoch only")
    asked = _asked_settings(assignments, skip_broken, device)
    from core import evaluation, saved_model  # noqa: PLC0415 - torch; wrong usage is told without waiting for it
    from core.data.dataset import load_data  # noqa: PLC0415

    path = Path(what) if is_file else find_trial(home, what).weights(best)
    saved = saved_model.open_model(path)
    if saved.trial is not None and asked.data.normalization != "none":
        raise click.UsageError(
            "the trial knows how its inputs were normalized: --set data.normalization is for bare files"
        )
    source = None if source is None else absolute_source(source)
    wanted, remarks = saved_model.data_settings_for(saved, asked.data, source)
    if source is None:
        refuse_moved(wanted.source, "--data DIR names where the images are now")
    with loading_progress() as on_progress:
        data = load_data(wanted, on_progress)
    for text in (*remarks, *data.remarks, *saved_model.data_remarks(saved, data), *_bare_remarks(saved, asked)):
        remark(text)
    result = evaluation.evaluate(saved, data, bare=asked.data, device=asked.training.device)
    if as_json:
        print(one_line_json({"model": str(path), **result.figures()}))  # noqa: T201 - the output
    else:
        _show(result, saved, data)


def _asked_settings(assignments: tuple[str, ...], skip_broken: bool, device: str | None) -> Settings:
    changes: list[tuple[str, object]] = [("data.skip_broken", skip_broken)]
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or name.strip() not in _SETTABLE:
            raise click.UsageError(f"--set {text}: only {', '.join(_SETTABLE)} can be set here")
        changes.append((name, value))
    if device is not None:
        changes.append(("training.device", device))
    return change_settings(Settings(), changes)


def _bare_remarks(saved: SavedModel, asked: Settings) -> list[str]:
    if saved.trial is not None or asked.data.normalization != "none":
        return []
    return [
        "a bare file does not tell how inputs were normalized: taken as not at all; "
        "for CIFAR-10's usual numbers: --set data.normalization=cifar10"
    ]


def _show(result: Evaluation, saved: SavedModel, data: Dataset) -> None:
    low, high = result.accuracy_interval
    say(f"model     {saved.path}")
    say(f"images    {result.images:,} test images of {data.source}")
    say(f"test cost {result.test_cost:.6f}")
    say(f"accuracy  {percent(result.accuracy)}, 95 % interval {percent(low)} to {percent(high)}")
    say(f"expected calibration error {percent(result.expected_calibration_error)}")
    say("")
    scores = table("class", ">images", ">precision", ">recall", ">F1")
    for score in result.per_class:
        numbers = [percent(value, 1) for value in score.measured]
        scores.add_row(cell(score.name), f"{score.images:,}", *numbers)
    print_table(scores)
    say("")
    print_matrix(result.classes, result.confusion_matrix)
    say("")
    if result.most_confident_mistakes:
        say("most confident mistakes:", style="bold")
    for mistake in result.most_confident_mistakes[:_SHOWN_MISTAKES]:
        where = mistake.file or f"image {mistake.index}"
        say(f"  {where}: {mistake.true}, taken for {mistake.predicted} with {percent(mistake.confidence, 1)}")
    say(f"Accuracy on test set : {100 * result.accuracy:.4f}%")
