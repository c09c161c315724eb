"""`trialbook data`."""

from __future__ import annotations

import click

from core.cli.output import is_wide, loading_progress, print_table, say, table, tell
from core.data.cache import cache_directory
from core.data.catalog import KNOWN_SETS
from core.data.preview import data_state
from core.errors import DataError
from core.settings import DataSettings
from core.text import printable


@click.group(invoke_without_command=True)
@click.pass_context
def data(context: click.Context) -> None:
    """List the data sets and their state."""
    if context.invoked_subcommand is not None:
        return
    wide = is_wide()
    rows = table("name", *(("shows",) if wide else ()), "images", ">train", ">test", ">classes", ">download", "state")
    rows.columns[0].min_width = max(map(len, KNOWN_SETS))  # it is to be typed
    for known in KNOWN_SETS.values():
        built_in = known.download_bytes == 0
        rows.add_row(
            known.name,
            *((known.title,) if wide else ()),
            str(known.shape),
            f"{known.train_images:,}",
            f"{known.test_images:,}",
            str(known.classes),
            "-" if built_in else f"{known.download_bytes / 1e6:,.1f} MB",
            data_state(known.name).name,
        )
    print_table(rows)
    tell("Any folder with train/CLASS/* and test/CLASS/* images will do as well: --data DIR")
    say(f"Downloads and decoded images are kept in {cache_directory()}")


@data.command()
@click.argument("name")
def download(name: str) -> None:
    """Download a data set and make it ready."""
    if name not in KNOWN_SETS:
        raise DataError(f"there is no data set {printable(name, 60)} to download; `trialbook data` lists them")
    from core.data.dataset import load_data  # noqa: PLC0415 - torch

    with loading_progress() as on_progress:
        loaded = load_data(DataSettings(source=name), on_progress)
    say(f"{name} is ready: {len(loaded.train):,} training and {len(loaded.test):,} test images")
