"""`trialbook presets`."""

from __future__ import annotations

import click

from core.cli.output import is_wide, percent, print_table, say, table
from core.presets import Lines, Preset, all_presets, preset
from core.settings import differences, settings_to_toml, show_value, widths_text


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
def presets(name: str | None) -> None:
    """List the presets: where a trial can begin; or show one of them.

    trial-0 to trial-25 are the reference history; "assumed" names what its log leaves open. With a NAME, what the log
    states and what is assumed are told apart, value by value.
    """
    if name is None:
        _list()
    else:
        _show(preset(name))


def _list() -> None:
    wide = is_wide()
    more = ("data", "dropout", "about", "assumed") if wide else ()
    rows = table("preset", "hidden", ">lambda", ">epochs", ">reported", *more)
    for each in all_presets().values():
        settings = each.settings
        dropout = " ".join(show_value(layer.dropout) for layer in settings.model.hidden)
        rows.add_row(
            each.name,
            widths_text(settings),
            show_value(settings.training.l2_lambda),
            str(settings.training.epochs),
            percent(each.reported_accuracy),
            *((settings.data.source, dropout, each.about, ", ".join(each.assumed)) if wide else ()),
        )
    print_table(rows)


def _show(one: Preset) -> None:
    say(f"{one.name}: {one.about}", style="bold")
    if not one.stated:
        say("")
        for line in settings_to_toml(one.settings).splitlines():
            if not line.startswith("#"):
                say(line)
        return
    _lines("stated in its source", one.stated)
    _lines("assumed, where its source says nothing", one.assumed_values or (("nothing", ""),))
    if one.after is not None:
        say("")
        say(f"changed since {one.after}", style="bold")
        for change in differences(preset(one.after).settings, one.settings):
            say(f"  {change}")


def _lines(heading: str, lines: Lines) -> None:
    say("")
    say(heading, style="bold")
    for label, value in lines:
        say(f"  {label:<26}{value}".rstrip())
