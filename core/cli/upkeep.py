"""`trialbook edit`, `delete`, `trash`, `export` and `import`: what people do to saved trials."""

from __future__ import annotations

from pathlib import Path

import click

from core.cli.output import cell, percent, print_table, remark, say, table
from core.trials import upkeep
from core.trials.store import find_trial, last_accuracy, listed_trial
from core.trials.trial import Trial


@click.command()
@click.argument("text", metavar="TRIAL")
@click.option("--name", metavar="NAME", help='Its new name; "" for none.')
@click.option("--note", metavar="TEXT", help='Its new note; "" for none.')
@click.option("--tag", "tags", multiple=True, metavar="T", help="A tag to add, one word; may be given several times.")
@click.option("--untag", "untags", multiple=True, metavar="T", help="A tag to take away.")
@click.option("--star/--no-star", "starred", default=None, help="Mark it as one to remember, or not.")
@click.pass_obj
def edit(  # noqa: PLR0913, PLR0917 - one argument per option
    home: Path,
    text: str,
    name: str | None,
    note: str | None,
    tags: tuple[str, ...],
    untags: tuple[str, ...],
    starred: bool | None,
) -> None:
    """Change what is said about a trial, at any time; nothing else of it changes.

    TRIAL is an id or its beginning or end, a name, a trial's directory, or "last".
    """
    if name is None and note is None and starred is None and not tags and not untags:
        raise click.UsageError("nothing to change: give --name, --note, --tag, --untag or --star")
    trial = find_trial(home, text)
    about = upkeep.edit_about(trial, name=name, note=note, add_tags=tags, remove_tags=untags, starred=starred)
    for label, value in (
        ("trial", trial.id),
        ("name", about.name),
        ("note", about.note),
        ("tags", ", ".join(about.tags)),
        ("starred", "yes" if about.starred else ""),
    ):
        if value:
            say(f"{label:<8} {value}")


@click.command()
@click.argument("texts", metavar="TRIAL...", nargs=-1, required=True)
@click.pass_obj
def delete(home: Path, texts: tuple[str, ...]) -> None:
    """Move trials to the trash, from which `trialbook trash restore` brings them back."""
    for trial in dict.fromkeys([find_trial(home, text) for text in texts]):  # all are found before one is moved
        moved = upkeep.delete_trial(home, trial)
        say(f"in the trash: {moved.name}{_named(Trial(moved))}")


@click.group(invoke_without_command=True)
@click.pass_context
def trash(context: click.Context) -> None:
    """List the trash, restore a trial from it, or empty it."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


@trash.command("list")
@click.pass_obj
def list_(home: Path) -> None:
    """List the trials in the trash."""
    trials = upkeep.trashed(home)
    if not trials:
        say("the trash is empty")
        return
    rows = table("=trial", "status", ">accuracy", "name and note")
    for listed in map(listed_trial, trials):
        words = "  ".join(text for text in (listed.about.name, listed.about.note) if text)
        rows.add_row(cell(listed.trial.id), cell(listed.status), percent(last_accuracy(listed)), cell(words))
    print_table(rows)


@trash.command()
@click.argument("trial_id", metavar="ID")
@click.pass_obj
def restore(home: Path, trial_id: str) -> None:
    """Bring a trial back.

    ID is the trial's id or its beginning or end, or its name.
    """
    trial = upkeep.restore_trial(home, trial_id)
    say(f"restored: {trial.id}{_named(trial)}")


@trash.command()
@click.pass_obj
def empty(home: Path) -> None:
    """Remove the trials in the trash for good."""
    count = upkeep.empty_trash(home)
    say(f"{count:,} trial{'s' if count != 1 else ''} removed for good" if count else "the trash is empty")


@click.command()
@click.argument("text", metavar="TRIAL")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def export(home: Path, text: str, file: Path) -> None:
    """Write a trial as one file, such as best.trialbook, which `trialbook import` reads anywhere.

    It holds settings, history, predictions and weights; it names no host, but the folder of the images.
    """
    trial = find_trial(home, text)
    from core.trials.exchange import export_trial  # noqa: PLC0415 - torch; a wrong trial is told without waiting for it

    export_trial(trial, file)
    say(f"{trial.id} is written to {file}: {file.stat().st_size:,} bytes")


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def import_(home: Path, file: Path) -> None:
    """Add a trial that `trialbook export` wrote; nothing in the file is trusted."""
    from core.trials.exchange import import_trial  # noqa: PLC0415 - torch

    trial = import_trial(home, file)
    own = trial.summary().get("exported_id")
    if own:
        remark(f"there is a trial {own} already: this one has got an id of its own")
    say(f"imported: {trial.id}{_named(trial)}")


def _named(trial: Trial) -> str:
    name = trial.about().name
    return f", {name}" if name else ""
