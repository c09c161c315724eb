"""`trialbook report`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from core.cli.output import say
from core.trials.store import find_trial


@click.command()
@click.argument("names", metavar="[TRIAL ...]", nargs=-1)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one HTML file, nothing else.")
@click.option(
    "--markdown", type=click.Path(path_type=Path), metavar="FILE", help="Write Markdown, with its curves beside it."
)
@click.pass_obj
def report(home: Path, names: tuple[str, ...], *, html: Path | None, markdown: Path | None) -> None:
    """Write the history of trials as a document: what changed and why, the curves, the final network, its evaluation.

    TRIAL is an id or its beginning or end, a name, or "last"; without any, all trials of the home are told of. Nothing
    is trained or loaded: the report is made of what is saved. A file that is there already is replaced.
    """
    if html is None and markdown is None:
        raise click.UsageError("say what to write: --html FILE or --markdown FILE")
    if html is not None and markdown is not None and os.path.realpath(html) == os.path.realpath(markdown):
        raise click.UsageError("--html and --markdown must name two files: one would replace the other")
    trials = [find_trial(home, name) for name in names] or None
    from core.report import make_report, write_html, write_markdown  # noqa: PLC0415 - wrong names need not wait

    made = make_report(home, trials)
    for file, write in ((html, write_html), (markdown, write_markdown)):
        if file is not None:
            is_there = os.path.lexists(file)
            write(made, file)
            say(f"{'replaced' if is_there else 'written'}: {file}")
