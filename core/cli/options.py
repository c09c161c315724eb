"""The options that describe a trial, made from the table of fields, and the settings that they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from core.data.catalog import absolute_source
from core.presets import all_presets, preset
from core.settings import (
    FIELDS,
    Change,
    Settings,
    change_settings,
    differences,
    read_settings,
    show_value,
    widths_text,
)
from core.trials.store import find_trial

_METAVARS = {int: "N", float: "X", str: "TEXT"}
_OWN_OPTIONS = {field.option.removeprefix("--").replace("-", "_"): field for field in FIELDS.values() if field.option}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings from the command line.

    Attributes:
        settings: What is to be trained.
        parent: The preset or the trial they were derived from, or None.
        begin: The parent's settings, or the file's, or the defaults.
    """

    settings: Settings
    parent: str | None
    begin: Settings

    @property
    def changes(self) -> list[Change]:
        """What the options changed."""
        return differences(self.begin, self.settings)


def trial_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a trial to a command, which takes them as keywords for `chosen_settings`."""
    options = [
        click.option("--preset", "preset_name", metavar="NAME", help="Begin with a preset; `trialbook presets`."),
        click.option(
            "--settings", "file", type=click.Path(path_type=Path), metavar="FILE.toml", help="Begin with a file."
        ),
        click.option("--from", "trial", metavar="TRIAL", help="Begin with a saved trial's settings."),
        click.option("--hidden", metavar="1024-512-64", help="Widths of all hidden layers."),
        click.option("--dropout", metavar="0.6,0.4", help="Dropout per hidden layer; the last value goes on."),
    ]
    for name, field in _OWN_OPTIONS.items():
        if field.kind is bool:
            options.append(click.option(field.option, name, is_flag=True, default=None, help=field.help))
            continue
        metavar = "NAME|DIR" if name == "data" else "|".join(field.choices) or _METAVARS[field.kind]
        options.append(click.option(field.option, name, metavar=metavar, help=field.help))
    options.append(
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="K=V",
            help="Any setting by name, such as training.momentum=0.8 or model.hidden.2.dropout=0.4.",
        )
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen_settings(  # noqa: PLR0913 - one argument per option
    home: Path,
    *,
    preset_name: str | None,
    file: Path | None,
    trial: str | None,
    hidden: str | None,
    dropout: str | None,
    assignments: tuple[str, ...],
    **own: str | bool | None,
) -> Chosen:
    """Return the settings that the options of `trial_options` mean.

    Raises:
        UsageError: Options contradict each other, or `--set` lacks its "=".
        TrialbookError: A file or trial cannot be read, or settings are wrong.
    """
    if sum(start is not None for start in (preset_name, file, trial)) > 1:
        raise click.UsageError("only one of --preset, --settings and --from can be the beginning")
    begin, parent = Settings(), None
    if preset_name is not None:
        begin, parent = preset(preset_name).settings, preset_name
    elif file is not None:
        begin = read_settings(file)
    elif trial is not None:
        found = find_trial(home, trial)
        begin, parent = found.settings(), found.id
    changes: list[tuple[str, Any]] = [(field.path, own[name]) for name, field in _OWN_OPTIONS.items()]
    changes = [("model.hidden", hidden), ("model.hidden.*.dropout", dropout), *changes]
    given = [change for change in changes if change[1] is not None]
    settings = change_settings(begin, given + [_assignment(text) for text in assignments])
    settings = change_settings(settings, {"data.source": absolute_source(settings.data.source)})
    return Chosen(settings, parent, begin)


def train_arguments(settings: Settings, begin: Settings, parent: str | None) -> list[str]:
    """Return the arguments of `trialbook train` that mean the given settings: what `chosen_settings` turns back.

    Args:
        settings: The settings of the trial.
        begin: The settings they were derived from.
        parent: The preset or trial that those belong to; None for the defaults.
    """
    arguments: list[str] = []
    if parent is not None:
        arguments += ["--preset" if parent in all_presets() else "--from", parent]
    widths = widths_text(settings)
    if widths != widths_text(begin):
        arguments += ["--hidden", widths]
        begin = change_settings(begin, {"model.hidden": widths})
    dropouts = [[layer.dropout for layer in each.model.hidden] for each in (begin, settings)]
    if dropouts[0] != dropouts[1]:
        values = dropouts[1][:1] if len(set(dropouts[1])) == 1 else dropouts[1]
        arguments += ["--dropout", ",".join(map(show_value, values))]
        begin = change_settings(begin, {"model.hidden.*.dropout": arguments[-1]})
    for change in differences(begin, settings):
        option = FIELDS[change.path].option if change.path in FIELDS else ""
        new = change.new if change.new != "-" else ""
        if option == "--skip-broken":
            arguments += [option] if settings.data.skip_broken else ["--set", f"{change.path}=off"]
        else:
            arguments += [option, new] if option else ["--set", f"{change.path}={new}"]
    return arguments


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--set {text}: expected NAME=VALUE, such as training.epochs=5")
    return name.strip(), value
