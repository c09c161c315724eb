"""`trialbook presets`."""

from __future__ import annotations

import click

from core.cli.output import percent, print_table, table
from core.presets import all_presets
from core.settings import show_value, widths_text


@click.command()
def presets() -> None:
    """List the presets: where a trial can begin.

    trial-0 to trial-25 are the reference history; "assumed" names what its log leaves open.
    """
    rows = table("preset", "data", "hidden", "dropout", ">lambda", ">epochs", ">reported", "about", "assumed")
    for preset in all_presets().values():
        settings = preset.settings
        rows.add_row(
            preset.name,
            settings.data.source,
            widths_text(settings),
            " ".join(show_value(layer.dropout) for layer in settings.model.hidden),
            show_value(settings.training.l2_lambda),
            str(settings.training.epochs),
            percent(preset.reported_accuracy),
            preset.about,
            ", ".join(preset.assumed),
        )
    print_table(rows)
