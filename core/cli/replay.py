"""`trialbook replay`."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.cli.options import Chosen
from core.cli.output import cell, err, loading_progress, out, percent, print_table, remark, say, table, tell
from core.cli.reporting import print_json, report, report_json
from core.cli.signals import signals
from core.control import Control
from core.data.catalog import absolute_source
from core.events import Event, Finished
from core.presets import Preset, all_presets, preset
from core.replay_table import EXPLAINED, NOT_COMPARABLE, Replayed, is_comparable, replayed
from core.report.markdown import escaped
from core.settings import change_settings
from core.text import one_line_json, printable
from core.trials.store import list_trials
from core.verdict import EXPLAINED as EXPLAINED_PAIRED

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.replay import ReplayEvent

_REFERENCE = "trial-"


@click.command()
@click.argument("names", metavar="[trial-0 ... | all]", nargs=-1)
@click.option("--epochs", type=int, metavar="N", help="Train each for so many epochs instead of the preset's.")
@click.option("--data", metavar="NAME|DIR", help="The images; default: the preset's, cifar10.")
@click.option("--device", metavar="auto|cpu|cuda", help="Where to train; auto: the GPU if there is one.")
@click.option("--table", "only_table", is_flag=True, help="Train nothing: print the table of what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print lines of JSON, the table last, and nothing else.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown; all else goes to stderr.")
@click.pass_obj
def replay(  # noqa: PLR0913 - one argument per option
    home: Path,
    names: tuple[str, ...],
    *,
    epochs: int | None,
    data: str | None,
    device: str | None,
    only_table: bool,
    as_json: bool,
    markdown: bool,
) -> int:
    """Train the reference's trials again, one after the other, and compare what comes out with what it reports.

    Without names all 26 are trained. Their images, CIFAR-10's, are downloaded once, unless --data names a folder.

    Each is saved as a trial whose parent is the preset, with the tag "replay". What an earlier replay has finished with
    the same settings on the same images is not trained again, and a trial that was stopped in the middle is resumed, so
    that the same command goes on where it was stopped. Ctrl-C finishes the epoch and ends the replay.
    """
    if as_json and markdown:
        raise click.UsageError("only one of --json and --markdown can be the output")
    presets = _named(names)
    source = None if data is None else absolute_source(data)
    changes = {
        path: value
        for path, value in (("data.source", source), ("training.epochs", epochs), ("training.device", device))
        if value is not None
    }
    settings = [change_settings(each.settings, changes) for each in presets]
    if only_table:
        _print_table(replayed(list_trials(home), presets, source=source, epochs=epochs), as_json, markdown)
        return 0
    from core.data.dataset import load_data  # noqa: PLC0415 - torch; wrong names are told without waiting for it
    from core.replay import replay as replay_presets  # noqa: PLC0415

    with loading_progress() as on_progress:
        images = load_data(settings[0].data, on_progress)
    for text in images.remarks:
        remark(text)
    shape = images.shape
    if not is_comparable(shape.classes, shape.train_images, shape.test_images):
        remark(NOT_COMPARABLE)
    control = Control()
    events = replay_presets(presets, images, home=home, changes=changes, control=control)
    with signals(control) as received, closing(events):
        _report(events, images, home, as_json=as_json, quiet=markdown)
    rows = replayed(list_trials(home), presets, source=settings[0].data.source, epochs=epochs)
    if as_json:
        print_json(event="table", rows=[row.values() for row in rows])
    else:
        _print_table(rows, False, markdown)
    return 128 + received[0] if received else 0


def _named(names: Sequence[str]) -> list[Preset]:
    """Return the presets of the given names, each once; the whole reference for "all" and for none."""
    if not names or "all" in names:
        return [each for each in all_presets().values() if each.name.startswith(_REFERENCE)]
    return [preset(name) for name in dict.fromkeys(names)]


def _report(
    events: Generator[ReplayEvent, None, None], images: Dataset, home: Path, *, as_json: bool, quiet: bool
) -> None:
    from core.replay import ReplayStep  # noqa: PLC0415 - torch

    to, failure = err if quiet else out, ""
    for event in events:
        if failure:  # only now is it certain that the replay goes on, and does not end with that error
            remark(failure)
            failure = ""
        if not isinstance(event, ReplayStep):
            continue
        if as_json:
            known = event.trial.id if event.trial else None
            print_json(event="replay", preset=event.preset.name, number=event.number, of=event.count, trial=known)
        else:
            there = f": finished before as {event.trial.id}" if event.trial else ""
            say(f"{event.preset.name} ({event.number} of {event.count}){there}", to=to, style="bold")
        if event.trial is not None:
            continue
        training = _one_training(events)
        if as_json:
            report_json(training)
        else:
            chosen = Chosen(event.settings, event.preset.name, event.preset.settings)
            for ended in report(training, chosen, images.shape, home, concludes=False, to=to):
                if ended.outcome.status == "failed":
                    failure = f"{event.preset.name} failed: {ended.outcome.reason}"
            say("", to=to)
    if failure:
        remark(failure)


def _one_training(events: Iterator[ReplayEvent]) -> Iterator[Event]:
    """Pass on the events of the training that begins now."""
    from core.replay import ReplayStep  # noqa: PLC0415 - torch

    for event in events:
        if not isinstance(event, ReplayStep):
            yield event
        if isinstance(event, Finished):
            return


def _print_table(rows: Sequence[Replayed], as_json: bool, markdown: bool) -> None:
    if as_json:
        print(one_line_json([row.values() for row in rows]))  # noqa: T201 - the output
    elif markdown:
        print("\n".join(_markdown(rows)))  # noqa: T201 - the output
    elif all(row.trial is None for row in rows):
        say("nothing is replayed yet; `trialbook replay` begins")
    else:
        _print_for_people(rows)


_COLUMNS = ("trial", ">reported", ">reproduced", ">points", "verdict", "best epoch", "epochs", "against the one before")


def _print_for_people(rows: Sequence[Replayed]) -> None:
    lines = table(*_COLUMNS)
    for row in rows:
        lines.add_row(*(cell(text) for text in _cells(row)))
    print_table(lines)
    for text in _footnotes(rows):
        tell(text)


def _markdown(rows: Sequence[Replayed]) -> list[str]:
    heads = [column.removeprefix(">") for column in _COLUMNS]
    rules = ["--:" if column.startswith(">") else "---" for column in _COLUMNS]
    cells = ([escaped(text) for text in _cells(row)] for row in rows)
    lines = [_markdown_row(heads), _markdown_row(rules), *map(_markdown_row, cells)]
    return lines + [line for text in _footnotes(rows) for line in ("", escaped(text))]


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: Replayed) -> list[str]:
    verdict, paired = row.verdict, row.against_before
    best = "-" if row.best_epoch is None else f"{row.best_epoch}: {percent(row.best_accuracy)}"
    status = f", {row.status}" if row.status not in ("", "finished") else ""
    return [
        row.preset.name,
        percent(row.preset.reported_accuracy),
        percent(row.accuracy),
        f"{verdict.points:+.2f}" if verdict else "-",
        verdict.finding if verdict else "-",
        best,
        row.epochs_text + status + (" *" if row.is_short else ""),
        f"{row.preset.after}: {paired}" if paired else "-",
    ]


def _footnotes(rows: Sequence[Replayed]) -> list[str]:
    notes = [
        f"Trained on {printable(Path(source).name)}." for source in dict.fromkeys(r.source for r in rows) if source
    ]
    if any(row.is_short for row in rows):
        notes.append("* Fewer epochs than the preset asks for: it says little about the reported accuracy.")
    if not all(row.is_comparable for row in rows):
        notes.append(NOT_COMPARABLE)
    if any(row.verdict for row in rows):
        notes.append(EXPLAINED)
    return [*notes, f"Against the one before: {EXPLAINED_PAIRED}"]
