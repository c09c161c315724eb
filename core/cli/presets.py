"""`trialbook presets`."""

from __future__ import annotations

import click

from core.cli.output import is_wide, percent, print_table, table
from core.presets import all_presets
from core.settings import show_value, widths_text


@click.command()
def presets() -> None:
    """List the presets: where a trial can begin.

    trial-0 to trial-25 are the reference history; "assumed" names what its log leaves open.
    """
    wide = is_wide()
    more = ("data", "dropout", "about", "assumed") if wide else ()
    rows = table("preset", "hidden", ">lambda", ">epochs", ">reported", *more)
    for preset in all_presets().values():
        settings = preset.settings
        dropout = " ".join(show_value(layer.dropout) for layer in settings.model.hidden)
        rows.add_row(
            preset.name,
            widths_text(settings),
            show_value(settings.training.l2_lambda),
            str(settings.training.epochs),
            percent(preset.reported_accuracy),
            *((settings.data.source, dropout, preset.about, ", ".join(preset.assumed)) if wide else ()),
        )
    print_table(rows)
